import { Button, PageSection } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { newestAttacksQuery } from "../api/dashboard";
import { coverageQuery } from "../api/fleet";
import { useArrivingEvents } from "../api/stream";
import { useMayChange } from "../session";
import { ActionLabel, SeverityLabel } from "../ui/labels";
import { PageHeading } from "../ui/PageHeading";
import { useEventHeadline } from "../ui/ruleText";
import { Empty } from "../ui/states";
import { Ago } from "../ui/Time";
import { TokenModal } from "../ui/TokenModal";
import { EventsOverTime } from "./dashboard/EventsOverTime";
import { ComputersByStatus, CoverageByModule } from "./dashboard/Fleet";
import { NeedsPerson, OpenAlerts } from "./dashboard/NeedsPerson";
import { Answer, Part } from "./dashboard/Part";
import { TopLists } from "./dashboard/TopLists";

/** How often at most everything is counted again while events come, in milliseconds. */
const COUNT_MS = 5_000;
/** How often the span moves on, in milliseconds. */
const MOVE_MS = 60_000;

/** Now, moving on; and everything counted again soon after events have come. */
function useLiveNow(): number {
  const client = useQueryClient();
  const [now, setNow] = useState(Date.now);
  const waiting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    const tick = setInterval(() => setNow(Date.now()), MOVE_MS);
    return () => {
      clearInterval(tick);
      clearTimeout(waiting.current);
    };
  }, []);
  useArrivingEvents(
    true,
    () => true,
    () => {
      waiting.current ??= setTimeout(() => {
        waiting.current = undefined;
        setNow(Date.now());
        void client.invalidateQueries({ queryKey: ["dashboard"] });
      }, COUNT_MS);
    },
  );
  return now;
}

function Newest() {
  const { t } = useTranslation();
  const headline = useEventHeadline();
  const query = useQuery(newestAttacksQuery);
  return (
    <Part title={t("dashboard.newest")} actions={<Link to="/events">{t("common.all")}</Link>}>
      <Answer query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="skm-subtle">{t("overview.recentEmpty")}</p>
          ) : (
            <ul className="skm-newest">
              {items.map((event) => (
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
          )
        }
      </Answer>
    </Part>
  );
}

/** Everything at a glance: each number leads to what it counts. */
export function OverviewPage() {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const now = useLiveNow();
  const { data: coverage } = useQuery(coverageQuery);
  const [adding, setAdding] = useState(false);
  const empty = coverage !== undefined && Object.keys(coverage.statuses).length === 0;
  return (
    <>
      <PageHeading title={t("overview.title")} />
      <PageSection>
        {empty && (
          <Empty
            title={t("overview.noComputersTitle")}
            action={mayChange && <Button onClick={() => setAdding(true)}>{t("computers.add")}</Button>}
          >
            {t("overview.noComputersBody")}
          </Empty>
        )}
        <div className="skm-dashboard">
          <NeedsPerson />
          <ComputersByStatus />
          <CoverageByModule />
          <EventsOverTime now={now} />
          <TopLists now={now} />
          <div className="skm-wide skm-columns">
            <OpenAlerts />
            <Newest />
          </div>
        </div>
      </PageSection>
      {adding && <TokenModal title={t("computers.add")} onClose={() => setAdding(false)} />}
    </>
  );
}
