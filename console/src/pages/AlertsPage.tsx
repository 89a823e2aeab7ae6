import { Button, Label, PageSection, Tab, Tabs, TabTitleText } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ALERT_STATES, type Alert, type AlertState, alertsQuery } from "../api/alerts";
import { api, take } from "../api/client";
import { useFormat } from "../format";
import { useMayChange } from "../session";
import { Choose, ChooseAll } from "../ui/Choose";
import { LoadMore } from "../ui/LoadMore";
import { SeverityLabel } from "../ui/labels";
import { PageHeading } from "../ui/PageHeading";
import { spoken } from "../ui/ruleText";
import { Empty, LoadError, Loading, SaveError } from "../ui/states";
import { Time } from "../ui/Time";
import { Conditions } from "./alert/Conditions";
import { forEach } from "./computers/bulk";

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

interface RowsProps {
  alerts: Alert[];
  /** Which are chosen to be decided; nobody chooses who may not. */
  chosen?: ReadonlySet<string>;
  onChoose: (ids: readonly string[], on: boolean) => void;
}

function AlertRows({ alerts, chosen, onChoose }: RowsProps) {
  const { t, i18n } = useTranslation();
  const format = useFormat();
  return (
    <Table aria-label={t("alerts.list")} variant="compact">
      <Thead>
        <Tr>
          {chosen && (
            <ChooseAll
              all={alerts.every((alert) => chosen.has(alert.id))}
              onChoose={(on) =>
                onChoose(
                  alerts.map((alert) => alert.id),
                  on,
                )
              }
            />
          )}
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
            {chosen && (
              <Choose
                id={alert.id}
                name={spoken(alert.title, i18n.language)}
                chosen={chosen.has(alert.id)}
                onChoose={(on) => onChoose([alert.id], on)}
              />
            )}
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

/** What may be decided of many alerts at once. */
const DECISIONS = {
  open: ["acknowledged", "dismissed"],
  acknowledged: ["dismissed"],
  dismissed: [],
  resolved: [],
} as const;
const LABELS = { acknowledged: "alerts.acknowledge", dismissed: "alerts.dismiss" } as const;

/** Decides all chosen alerts alike. */
function DecideChosen({ alerts, state, onDone }: { alerts: Alert[]; state: AlertState; onDone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const decide = useMutation({
    mutationFn: async (to: "acknowledged" | "dismissed") => {
      const one = async ({ id }: Alert) => {
        await take(api.PATCH("/api/v1/alerts/{id}", { params: { path: { id } }, body: { state: to } }));
      };
      const [first] = await forEach(alerts, one, () => {});
      if (first) throw first.error;
    },
    onSuccess: onDone,
    onSettled: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
  return (
    <>
      {decide.isError && <SaveError error={decide.error} title={t("error.notDone")} />}
      {alerts.length > 0 && (
        <div className="skm-chosen" role="status">
          {t("bulk.chosen", { count: alerts.length })}
          {DECISIONS[state].map((to) => (
            <Button
              key={to}
              variant="secondary"
              size="sm"
              isDisabled={decide.isPending}
              isLoading={decide.isPending && decide.variables === to}
              onClick={() => decide.mutate(to)}
            >
              {t(LABELS[to])}
            </Button>
          ))}
        </div>
      )}
    </>
  );
}

function AlertList({ state }: { state: AlertState }) {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const query = useInfiniteQuery(alertsQuery(state));
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
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
      <DecideChosen
        alerts={alerts.filter((alert) => chosen.has(alert.id))}
        state={state}
        onDone={() => setChosen(new Set())}
      />
      <AlertRows
        alerts={alerts}
        chosen={mayChange && DECISIONS[state].length > 0 ? chosen : undefined}
        onChoose={(ids, on) => {
          const after = new Set(chosen);
          for (const id of ids) on ? after.add(id) : after.delete(id);
          setChosen(after);
        }}
      />
      <LoadMore {...query} />
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
        {view === CONDITIONS ? <Conditions /> : <AlertList key={view} state={view as AlertState} />}
      </PageSection>
    </>
  );
}
