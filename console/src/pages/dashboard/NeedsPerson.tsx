import { Label } from "@patternfly/react-core";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { alertSummaryQuery, alertsQuery, channelsQuery, tasksQuery } from "../../api/alerts";
import { coverageQuery, fleetSettingsQuery } from "../../api/fleet";
import { SEVERITIES } from "../../api/types";
import { useFormat } from "../../format";
import { SeverityLabel } from "../../ui/labels";
import { spoken } from "../../ui/ruleText";
import { Ago } from "../../ui/Time";
import { Answer, Part } from "./Part";

interface Matter {
  text: string;
  count: number;
  to: LinkProps["to"];
  search?: Record<string, string>;
}

/** What waits for somebody, each with the page that deals with it. */
export function NeedsPerson() {
  const { t } = useTranslation();
  const format = useFormat();
  const alerts = useQuery(alertSummaryQuery);
  const { data: coverage } = useQuery(coverageQuery);
  const { data: channels = [] } = useQuery(channelsQuery);
  const { data: tasks = [] } = useQuery(tasksQuery);
  const { data: fleet } = useQuery(fleetSettingsQuery);
  const statuses = coverage?.statuses ?? {};
  const matters: Matter[] = [
    { text: t("dashboard.brake"), count: fleet?.brake ? 1 : 0, to: "/fleet-settings" },
    {
      text: t("dashboard.clones"),
      count: statuses.clone ?? 0,
      to: "/computers",
      search: { status: "clone" },
    },
    {
      text: t("dashboard.degraded"),
      count: statuses.degraded ?? 0,
      to: "/computers",
      search: { status: "degraded" },
    },
    {
      text: t("dashboard.channels"),
      count: channels.filter((channel) => channel.enabled && channel.failingSince).length,
      to: "/channels",
    },
    {
      text: t("dashboard.lost"),
      count: channels.reduce((sum, channel) => sum + channel.lost, 0),
      to: "/channels",
    },
    {
      text: t("dashboard.tasks"),
      count: tasks.filter((task) => task.lastRun?.state === "failed" || task.lastRun?.state === "missed")
        .length,
      to: "/tasks",
    },
  ];
  const waiting = matters.filter((matter) => matter.count > 0);
  return (
    <Part title={t("dashboard.needsPerson")}>
      <Answer query={alerts}>
        {(summary) =>
          summary.open === 0 && waiting.length === 0 ? (
            <p>
              <CheckCircleIcon className="skm-met" aria-hidden="true" /> {t("dashboard.nothing")}
            </p>
          ) : (
            <ul className="skm-matters">
              {summary.open > 0 && (
                <li>
                  <Link to="/alerts">{t("alerts.waiting", { count: summary.open })}</Link>
                  <span className="skm-labels">
                    {SEVERITIES.filter((severity) => (summary.bySeverity[severity] ?? 0) > 0).map(
                      (severity) => (
                        <span key={severity}>
                          {format.number(summary.bySeverity[severity] ?? 0)}{" "}
                          <SeverityLabel severity={severity} />
                        </span>
                      ),
                    )}
                  </span>
                </li>
              )}
              {waiting.map((matter) => (
                <li key={matter.text}>
                  <Link to={matter.to} search={matter.search as never}>
                    {matter.text}
                  </Link>
                  <Label isCompact status="warning">
                    {format.number(matter.count)}
                  </Label>
                </li>
              ))}
            </ul>
          )
        }
      </Answer>
    </Part>
  );
}

/** The newest open alerts. */
export function OpenAlerts() {
  const { t, i18n } = useTranslation();
  const query = useInfiniteQuery(alertsQuery("open"));
  const alerts = query.data?.pages[0]?.items.slice(0, 6);
  return (
    <Part title={t("dashboard.openAlerts")} actions={<Link to="/alerts">{t("common.all")}</Link>}>
      {alerts === undefined && <Answer query={query}>{() => null}</Answer>}
      {alerts?.length === 0 && <p className="skm-subtle">{t("alerts.empty.open")}</p>}
      {alerts !== undefined && alerts.length > 0 && (
        <ul className="skm-newest">
          {alerts.map((alert) => (
            <li key={alert.id}>
              <SeverityLabel severity={alert.severity} />
              <Link to="/alerts/$alertId" params={{ alertId: alert.id }}>
                {spoken(alert.title, i18n.language)}
              </Link>
              <span className="skm-subtle skm-small">
                {alert.subject}
                {" · "}
                <Ago at={alert.lastAt} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Part>
  );
}
