import { Label, PageSection, Switch, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import {
  ALERT_STATES,
  type Alert,
  type AlertCondition,
  type AlertState,
  alertsQuery,
  conditionsQuery,
} from "../api/alerts";
import { api, take } from "../api/client";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { LoadMore } from "../ui/LoadMore";
import { SeverityLabel } from "../ui/labels";
import { PageHeading } from "../ui/PageHeading";
import { spoken } from "../ui/ruleText";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";

const route = getRouteApi("/app/alerts");
const CONDITIONS = "conditions";

/** How far an alert is. */
export function AlertStateLabel({ state }: { state: AlertState }) {
  const { t } = useTranslation();
  const look = {
    open: { status: "danger" },
    acknowledged: { status: "info" },
    dismissed: { color: "grey" },
    resolved: { status: "success" },
  } as const;
  return (
    <Label isCompact {...look[state]}>
      {t(`alerts.states.${state}`)}
    </Label>
  );
}

function AlertRows({ alerts }: { alerts: Alert[] }) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  return (
    <Table aria-label={t("alerts.list")} variant="compact">
      <Thead>
        <Tr>
          <Th>{t("alerts.last")}</Th>
          <Th>{t("severity.label")}</Th>
          <Th>{t("alerts.state")}</Th>
          <Th>{t("alerts.what")}</Th>
          <Th>{t("alerts.about")}</Th>
          <Th>{t("alerts.count")}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {alerts.map((alert) => (
          <Tr key={alert.id}>
            <Td dataLabel={t("alerts.last")}>
              <Time at={alert.lastAt} />
            </Td>
            <Td dataLabel={t("severity.label")}>
              <SeverityLabel severity={alert.severity} />
            </Td>
            <Td dataLabel={t("alerts.state")}>
              <AlertStateLabel state={alert.state} />
            </Td>
            <Td dataLabel={t("alerts.what")} className="skm-main-cell">
              <Link to="/alerts/$alertId" params={{ alertId: alert.id }}>
                {spoken(alert.title, i18n.language)}
              </Link>
            </Td>
            <Td dataLabel={t("alerts.about")}>
              <span className="skm-break">{alert.subject}</span>
            </Td>
            <Td dataLabel={t("alerts.count")}>{format.number(alert.count)}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

function AlertList({ state }: { state: AlertState }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(alertsQuery(state));
  const alerts = query.data?.pages.flatMap((page) => page.items) ?? [];
  if (query.isError && query.data === undefined) {
    return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  }
  if (!query.isSuccess) return <Loading />;
  if (alerts.length === 0) {
    return <Empty title={t(`alerts.empty.${state}`)}>{t("alerts.emptyBody")}</Empty>;
  }
  return (
    <>
      <AlertRows alerts={alerts} />
      <LoadMore {...query} />
    </>
  );
}

function Threshold({ condition }: { condition: AlertCondition }) {
  const { t } = useTranslation();
  if (condition.threshold === null || condition.threshold === undefined || !condition.thresholdUnit) {
    return null;
  }
  return t(`alerts.units.${condition.thresholdUnit}`, { count: condition.threshold });
}

function Conditions() {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const query = useQuery(conditionsQuery);
  const change = useMutation({
    mutationFn: ({ condition, enabled }: { condition: AlertCondition; enabled: boolean }) =>
      take(
        api.PATCH("/api/v1/alert-conditions/{id}", {
          params: { path: { id: condition.id }, header: { "If-Match": condition.etag } },
          body: { enabled },
        }),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
  if (query.isError) return <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <Loading />;
  return (
    <>
      {change.isError && <SaveError error={change.error} />}
      <Table aria-label={t("alerts.conditions")} variant="compact">
        <Thead>
          <Tr>
            <Th>{t("alerts.inForce")}</Th>
            <Th>{t("alerts.condition")}</Th>
            <Th>{t("severity.label")}</Th>
            <Th>{t("alerts.threshold")}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {query.data.items.map((condition) => {
            const title = spoken(condition.title, i18n.language);
            return (
              <Tr key={condition.id}>
                <Td dataLabel={t("alerts.inForce")}>
                  <Switch
                    id={`condition-${condition.id}`}
                    aria-label={title}
                    isChecked={condition.enabled}
                    isDisabled={!mayChange || change.isPending}
                    onChange={(_, enabled) => change.mutate({ condition, enabled })}
                  />
                </Td>
                <Td dataLabel={t("alerts.condition")} className="skm-main-cell">
                  {title}
                  {condition.filter && (
                    <div className="skm-small">
                      <code className="skm-break">{condition.filter}</code>
                    </div>
                  )}
                </Td>
                <Td dataLabel={t("severity.label")}>
                  <SeverityLabel severity={condition.severity} />
                </Td>
                <Td dataLabel={t("alerts.threshold")}>
                  <Threshold condition={condition} />
                </Td>
              </Tr>
            );
          })}
        </Tbody>
      </Table>
    </>
  );
}

/** What somebody should look at. */
export function AlertsPage() {
  const { t } = useTranslation();
  const { view = "open" } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <>
      <PageHeading title={t("alerts.title")} />
      <PageSection type="tabs">
        <Tabs
          activeKey={view}
          aria-label={t("alerts.tabs")}
          onSelect={(_, key) =>
            void navigate({ search: { view: [...ALERT_STATES, CONDITIONS].find((one) => one === key) } })
          }
        >
          {[...ALERT_STATES, CONDITIONS].map((one) => (
            <Tab
              key={one}
              eventKey={one}
              tabContentId="alerts-view"
              title={
                <TabTitleText>
                  {one === CONDITIONS ? t("alerts.conditions") : t(`alerts.states.${one as AlertState}`)}
                </TabTitleText>
              }
            />
          ))}
        </Tabs>
      </PageSection>
      <PageSection id="alerts-view" role="tabpanel" aria-label={t("alerts.title")}>
        {view === CONDITIONS ? <Conditions /> : <AlertList state={view as AlertState} />}
      </PageSection>
    </>
  );
}
