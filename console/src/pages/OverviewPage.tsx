import { Button, Card, CardBody, CardTitle, Gallery, PageSection } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { allComputersQuery, OVERVIEW_EVENTS, recentEventsQuery } from "../api/queries";
import { useArrivingEvents } from "../api/stream";
import { ACTIONS, type Computer, detailOf, type Event, STATUSES } from "../api/types";
import { useFormat } from "../format";
import { countBy, topRules } from "../overview";
import { useMayChange } from "../session";
import { ActionLabel, SeverityLabel, StatusLabel } from "../ui/labels";
import { PageHeading } from "../ui/PageHeading";
import { useEventHeadline } from "../ui/ruleText";
import { Empty, LoadError, Loading } from "../ui/states";
import { Ago } from "../ui/Time";
import { TokenModal } from "../ui/TokenModal";

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Card isFullHeight>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>{children}</CardBody>
    </Card>
  );
}

function Computers({ computers }: { computers: Computer[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const counts = countBy(computers, (computer) => computer.status);
  return (
    <Part title={t("overview.computersByStatus")}>
      <ul className="skm-counts">
        {STATUSES.filter((status) => status === "online" || (counts.get(status) ?? 0) > 0).map((status) => (
          <li key={status}>
            <Link to="/computers" search={{ status }} className="skm-count">
              <span className="skm-count-number">{format.number(counts.get(status) ?? 0)}</span>
              <StatusLabel status={status} />
            </Link>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function EventCounts({ events }: { events: Event[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const counts = countBy(events, (event) => event.action);
  return (
    <Part title={t("overview.eventsByAction")}>
      <ul className="skm-counts">
        {ACTIONS.map((action) => (
          <li key={action}>
            <Link to="/events" search={{ action, period: "day" }} className="skm-count">
              <span className="skm-count-number">{format.number(counts.get(action) ?? 0)}</span>
              <ActionLabel action={action} />
            </Link>
          </li>
        ))}
      </ul>
      {events.length >= OVERVIEW_EVENTS && (
        <p className="skm-subtle skm-small">
          {t("overview.eventsCapped", { number: format.number(events.length) })}
        </p>
      )}
    </Part>
  );
}

function TopRules({ events }: { events: Event[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const headline = useEventHeadline();
  const top = topRules(events, 5, headline);
  const most = top[0]?.count ?? 1;
  return (
    <Part title={t("overview.topRules")}>
      {top.length === 0 ? (
        <p className="skm-subtle">{t("overview.topRulesEmpty")}</p>
      ) : (
        <ol className="skm-top">
          {top.map((rule) => (
            <li key={rule.sid}>
              <div className="skm-top-line">
                <Link to="/rules/$sid" params={{ sid: String(rule.sid) }}>
                  {rule.message}
                </Link>
                <span>{format.number(rule.count)}</span>
              </div>
              <progress
                max={most}
                value={rule.count}
                aria-label={t("overview.hitsOf", { rule: rule.message })}
              />
            </li>
          ))}
        </ol>
      )}
    </Part>
  );
}

function Newest({ events }: { events: Event[] }) {
  const { t } = useTranslation();
  const headline = useEventHeadline();
  const attacks = events.filter((event) => detailOf(event).kind === "intrusion").slice(0, 6);
  return (
    <Part title={t("overview.recent")}>
      {attacks.length === 0 ? (
        <p className="skm-subtle">{t("overview.recentEmpty")}</p>
      ) : (
        <ul className="skm-newest">
          {attacks.map((event) => (
            <li key={event.id}>
              <SeverityLabel severity={event.severity} />
              <ActionLabel action={event.action} />
              <Link to="/events" search={{ event: event.id }}>
                {headline(event)}
              </Link>
              <span className="skm-subtle skm-small">
                {event.computerName}
                {" · "}
                <Ago at={event.at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Part>
  );
}

/** Everything at a glance. */
export function OverviewPage() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const computers = useQuery(allComputersQuery);
  const events = useQuery(recentEventsQuery);
  const [adding, setAdding] = useState(false);
  useArrivingEvents(
    true,
    () => true,
    () => void client.invalidateQueries({ queryKey: recentEventsQuery.queryKey }),
  );

  const failed = [computers, events].find((query) => query.isError && query.data === undefined);
  let body = <Loading />;
  if (failed !== undefined) {
    body = <LoadError error={failed.error} onRetry={() => void client.refetchQueries({ type: "active" })} />;
  } else if (computers.data !== undefined && events.data !== undefined) {
    body =
      computers.data.length === 0 && events.data.length === 0 ? (
        <Empty
          title={t("overview.noComputersTitle")}
          action={mayChange && <Button onClick={() => setAdding(true)}>{t("computers.add")}</Button>}
        >
          {t("overview.noComputersBody")}
        </Empty>
      ) : (
        <Gallery hasGutter minWidths={{ default: "100%", lg: "26rem" }}>
          <Computers computers={computers.data} />
          <EventCounts events={events.data} />
          <TopRules events={events.data} />
          <Newest events={events.data} />
        </Gallery>
      );
  }
  return (
    <>
      <PageHeading title={t("overview.title")} />
      <PageSection>{body}</PageSection>
      {adding && <TokenModal title={t("computers.add")} onClose={() => setAdding(false)} />}
    </>
  );
}
