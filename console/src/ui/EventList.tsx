import { Button } from "@patternfly/react-core";
import { type InfiniteData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { savedSearchesQuery } from "../api/access";
import { filterText } from "../api/alerts";
import { mergeFirstPage } from "../api/merge";
import { eventsKey, type Page, readEvents } from "../api/queries";
import { useArrivingEvents } from "../api/stream";
import type { Event } from "../api/types";
import { type EventSearch, periodBounds } from "../search";
import { EventChart } from "./EventChart";

import { EventFilters } from "./EventFilters";
import { EventPanel } from "./EventPanel";
import { EventsTable } from "./EventsTable";
import { FilterLine } from "./FilterLine";
import { FilterSelect } from "./FilterSelect";
import { LoadMore } from "./LoadMore";
import { SearchModal } from "./SearchModal";
import { Empty, LoadError, Loading, NoMatch } from "./states";

interface Props {
  search: EventSearch;
  /** Only this computer's events, whatever the address says. */
  computerId?: string;
  /** Whether the module is chosen among the filters. */
  withModule?: boolean;
  onFilter: (change: Partial<EventSearch>) => void;
}

/** The events that match, with what arrives while they are shown newest first. */
function useEvents(search: EventSearch, computerId: string | undefined) {
  const client = useQueryClient();
  const [arrived, setArrived] = useState<ReadonlySet<string>>(new Set());
  const { filter: written, severity, action, module, q, period, from, to, sort } = search;

  // The bounds stay as they are while the list is shown, so that its parts fit together.
  const filter = useMemo(
    () => ({
      filter: written,
      computerId,
      severity,
      action,
      module,
      q,
      sort,
      ...periodBounds({ period, from, to }, Date.now()),
    }),
    [written, computerId, severity, action, module, q, period, from, to, sort],
  );
  const key = eventsKey(
    { filter: written, computerId, severity, action, module, q, from, to, sort },
    period ?? "all",
  );

  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => readEvents(filter, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: Page<Event>) => last.nextCursor ?? undefined,
    // What is new comes with the live updates; a paused list stays as it is.
    refetchOnWindowFocus: false,
  });

  useArrivingEvents(
    // By rank what is new may stand anywhere.
    search.live !== false && sort === undefined && query.isSuccess,
    (event) =>
      (computerId === undefined || event.computerId === computerId) &&
      (severity === undefined || event.severity === severity) &&
      (action === undefined || event.action === action) &&
      (module === undefined || event.module === module),
    async () => {
      // The manager decides what matches; the stream only says that something came.
      const fresh = await readEvents(filter).catch(() => undefined);
      const shown = client.getQueryData<InfiniteData<Page<Event>, string | undefined>>(key);
      if (fresh === undefined || shown === undefined) return;
      const known = new Set(shown.pages.flatMap((page) => page.items.map((event) => event.id)));
      setArrived(new Set(fresh.items.map((event) => event.id).filter((id) => !known.has(id))));
      client.setQueryData(key, mergeFirstPage(shown, fresh));
      void client.invalidateQueries({ queryKey: ["events", "counts"] });
    },
  );
  return { query, arrived };
}

/** Events with their filters, and the details of the one that is chosen. */
export function EventList({ search, computerId, withModule = true, onFilter }: Props) {
  const { t } = useTranslation();
  const { query, arrived } = useEvents(search, computerId ?? search.computerId);
  const events = query.data?.pages.flatMap((page) => page.items) ?? [];
  const { data: searches = [] } = useQuery(savedSearchesQuery);
  const kept = searches.filter((one) => one.subject === "events");
  const [saving, setSaving] = useState(false);
  const filters = ["filter", "severity", "action", "q", "period", "computerId"] as const;
  const filtered =
    filters.some((key) => search[key] !== undefined) || (withModule && search.module !== undefined);
  const close = useCallback(() => onFilter({ event: undefined }), [onFilter]);
  const clear = () =>
    onFilter({
      filter: undefined,
      severity: undefined,
      action: undefined,
      ...(withModule && { module: undefined }),
      q: undefined,
      period: undefined,
      from: undefined,
      to: undefined,
      computerId: undefined,
    });

  let list = <Loading />;
  if (query.isError && query.data === undefined) {
    list = <LoadError error={query.error} onRetry={() => void query.refetch()} />;
  } else if (query.isSuccess && events.length > 0) {
    list = (
      <>
        <EventsTable
          events={events}
          arrived={arrived}
          selected={search.event}
          module={search.module}
          showComputer={computerId === undefined}
          onSelect={(event) => onFilter({ event })}
        />
        <LoadMore {...query} />
      </>
    );
  } else if (query.isSuccess) {
    list = filtered ? (
      <NoMatch onClear={clear} />
    ) : (
      <Empty title={t("events.emptyTitle")}>{t("events.emptyBody")}</Empty>
    );
  }

  return (
    <>
      <EventFilters search={search} withModule={withModule} onFilter={onFilter} />
      <div className="skm-filter-row">
        <FilterLine
          placeholder={t("eventFilter.placeholder")}
          value={search.filter ?? ""}
          onApply={(value) => onFilter({ filter: value || undefined })}
        />
        <FilterSelect
          label={t("searches.choose")}
          all={t("searches.choose")}
          value={kept.find((one) => one.filter === search.filter)?.id}
          options={kept.map((one) => ({ value: one.id, label: one.name }))}
          onChange={(id) => onFilter({ filter: kept.find((one) => one.id === id)?.filter })}
        />
        <Button variant="secondary" onClick={() => setSaving(true)}>
          {t("searches.save")}
        </Button>
      </div>
      <EventChart search={search} computerId={computerId ?? search.computerId} onFilter={onFilter} />
      {list}
      {saving && (
        <SearchModal
          subject="events"
          filter={filterText({ ...search, computerId: computerId ?? search.computerId })}
          onClose={() => setSaving(false)}
        />
      )}
      {search.event !== undefined && <EventPanel key={search.event} id={search.event} onClose={close} />}
    </>
  );
}
