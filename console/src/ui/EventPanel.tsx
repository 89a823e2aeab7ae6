import { Button, Title } from "@patternfly/react-core";
import { TimesIcon } from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { createPortal } from "react-dom";
import { useTranslation } from "react-i18next";
import { eventQuery } from "../api/queries";
import type { Event } from "../api/types";
import { textOfCode } from "../i18n";
import { EventFacts } from "./EventFacts";
import { EventNotes } from "./EventNotes";
import { Fact, Facts } from "./Facts";
import { ActionLabel, SeverityLabel } from "./labels";
import { Rank } from "./Rank";
import { spoken, useEventHeadline } from "./ruleText";
import { LoadError, Loading } from "./states";
import { Time } from "./Time";

function EventBody({ event }: { event: Event }) {
  const { t, i18n } = useTranslation();
  const words = spoken(event.explanation, i18n.language);
  return (
    <>
      <div className="skm-heading-title">
        <SeverityLabel severity={event.severity} />
        <ActionLabel action={event.action} />
      </div>
      {words !== "" && <p>{words}</p>}
      <Facts>
        <Fact name={t("event.at")}>
          <Time at={event.at} />
        </Fact>
        <Fact name={t("event.receivedAt")}>
          <Time at={event.receivedAt} />
        </Fact>
        <Fact name={t("events.computer")}>
          <Link to="/computers/$computerId" params={{ computerId: event.computerId }}>
            {event.computerName}
          </Link>
        </Fact>
        <Fact name={t("events.rank")}>
          <Rank rank={event.rank} />
        </Fact>
        {event.assetValue > 0 && <Fact name={t("event.assetValue")}>{event.assetValue}</Fact>}
        <Fact name={t("events.module")}>{textOfCode("module", event.module)}</Fact>
      </Facts>
      <EventFacts event={event} />
      <EventNotes event={event} />
    </>
  );
}

/** Everything about one event, at the side of the page. */
export function EventPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const headline = useEventHeadline();
  const heading = useRef<HTMLHeadingElement>(null);
  const query = useQuery({
    ...eventQuery(id),
    staleTime: 60_000,
    // What the list knows is the whole event: show it at once.
    initialData: () =>
      client
        .getQueriesData<{ pages: { items: Event[] }[] }>({ queryKey: ["events", "list"] })
        .flatMap(([, data]) => data?.pages.flatMap((page) => page.items) ?? [])
        .find((event) => event.id === id),
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: the focus moves once for each event that is opened
  useEffect(() => {
    const before = document.activeElement;
    heading.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [id]);
  useEffect(() => {
    const onKey = (key: KeyboardEvent) => {
      if (key.key === "Escape" && !key.defaultPrevented) onClose();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [onClose]);

  // Outside of the page's own scrolling area, which would cut it.
  return createPortal(
    <aside className="skm-panel" aria-labelledby="event-panel-title">
      <div className="skm-panel-head">
        <Title headingLevel="h2" size="lg" id="event-panel-title" ref={heading} tabIndex={-1}>
          {query.data === undefined ? t("event.title") : headline(query.data)}
        </Title>
        <Button variant="plain" icon={<TimesIcon />} aria-label={t("common.close")} onClick={onClose} />
      </div>
      <div className="skm-panel-body">
        {query.isPending && <Loading />}
        {query.isError && query.data === undefined && (
          <LoadError error={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.data !== undefined && <EventBody event={query.data} />}
      </div>
    </aside>,
    document.body,
  );
}
