import {
  ActionGroup,
  Button,
  Card,
  CardBody,
  CardTitle,
  Form,
  FormGroup,
  PageSection,
  TextArea,
} from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Alert, type AlertState, alertQuery } from "../api/alerts";
import { api, take } from "../api/client";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { Fact, Facts } from "../ui/Facts";
import { SeverityLabel } from "../ui/labels";
import { PageHeading } from "../ui/PageHeading";
import { spoken } from "../ui/ruleText";
import { LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";
import { AlertStateLabel } from "./AlertsPage";

const route = getRouteApi("/app/alerts/$alertId");

const STEPS: Record<
  AlertState,
  { to: Exclude<AlertState, "resolved">; label: "acknowledge" | "dismiss" | "reopen" }[]
> = {
  open: [
    { to: "acknowledged", label: "acknowledge" },
    { to: "dismissed", label: "dismiss" },
  ],
  acknowledged: [
    { to: "dismissed", label: "dismiss" },
    { to: "open", label: "reopen" },
  ],
  dismissed: [{ to: "open", label: "reopen" }],
  resolved: [],
};

function Decide({ alert }: { alert: Alert }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [comment, setComment] = useState(alert.comment);
  const change = useMutation({
    mutationFn: (state: AlertState) =>
      take(
        api.PATCH("/api/v1/alerts/{id}", {
          params: { path: { id: alert.id } },
          body: { state, comment },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
  const steps = STEPS[alert.state].filter((step) => step.to !== "open" || alert.active);
  if (steps.length === 0) return null;
  return (
    <Form onSubmit={(submit) => submit.preventDefault()}>
      {change.isError && <SaveError error={change.error} />}
      <FormGroup label={t("alerts.comment")} fieldId="alert-comment">
        <TextArea
          id="alert-comment"
          value={comment}
          maxLength={4096}
          resizeOrientation="vertical"
          onChange={(_, value) => setComment(value)}
        />
      </FormGroup>
      <ActionGroup>
        {steps.map(({ to, label }, index) => (
          <Button
            key={to}
            variant={index === 0 ? "primary" : "secondary"}
            isDisabled={change.isPending}
            onClick={() => change.mutate(to)}
          >
            {t(`alerts.${label}`)}
          </Button>
        ))}
      </ActionGroup>
    </Form>
  );
}

/** One alert: what is the matter, and what to do about it. */
export function AlertPage() {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  const mayChange = useMayChange();
  const { alertId } = route.useParams();
  const query = useQuery(alertQuery(alertId));
  const parent = { to: "/alerts" as const, label: t("alerts.title") };
  const alert = query.data;
  if (alert === undefined) {
    return (
      <>
        <PageHeading title={t("alerts.one")} parent={parent} />
        <PageSection>
          {query.isError ? (
            <LoadError error={query.error} onRetry={() => void query.refetch()} />
          ) : (
            <Loading />
          )}
        </PageSection>
      </>
    );
  }
  return (
    <>
      <PageHeading
        title={spoken(alert.title, i18n.language)}
        under={spoken(alert.explanation, i18n.language)}
        parent={parent}
        beside={
          <>
            <SeverityLabel severity={alert.severity} /> <AlertStateLabel state={alert.state} />
          </>
        }
      />
      <PageSection>
        <Card>
          <CardTitle component="h2">{t("alerts.remedy")}</CardTitle>
          <CardBody>
            <p>{spoken(alert.remedy, i18n.language)}</p>
          </CardBody>
        </Card>
      </PageSection>
      <PageSection>
        <Card>
          <CardTitle component="h2">{t("common.details")}</CardTitle>
          <CardBody>
            <Facts>
              {alert.subject !== "" && (
                <Fact name={t("alerts.about")}>
                  {alert.computerId ? (
                    <Link to="/computers/$computerId" params={{ computerId: alert.computerId }}>
                      {alert.subject}
                    </Link>
                  ) : (
                    alert.subject
                  )}
                </Fact>
              )}
              <Fact name={t("alerts.count")}>{format.number(alert.count)}</Fact>
              <Fact name={t("alerts.first")}>
                <Time at={alert.firstAt} />
              </Fact>
              <Fact name={t("alerts.last")}>
                <Time at={alert.lastAt} />
              </Fact>
              {alert.resolvedAt && (
                <Fact name={t("alerts.resolved")}>
                  <Time at={alert.resolvedAt} />
                </Fact>
              )}
              {alert.stateBy && <Fact name={t("alerts.stateBy")}>{alert.stateBy}</Fact>}
              {alert.comment !== "" && <Fact name={t("alerts.comment")}>{alert.comment}</Fact>}
              {alert.args.event && (
                <Fact name={t("alerts.event")}>
                  <Link to="/events" search={{ event: alert.args.event }}>
                    {t("alerts.openEvent")}
                  </Link>
                </Fact>
              )}
            </Facts>
          </CardBody>
        </Card>
      </PageSection>
      {mayChange && alert.state !== "resolved" && (
        <PageSection>
          <Decide key={alert.id} alert={alert} />
        </PageSection>
      )}
    </>
  );
}
