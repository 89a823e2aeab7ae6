import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { components } from "../generated/api";
import { api, take } from "./client";
import { type EventFilter, readAll } from "./queries";

export type Alert = components["schemas"]["Alert"];
export type AlertCondition = components["schemas"]["AlertCondition"];
export type AlertState = components["schemas"]["AlertState"];
export type Channel = components["schemas"]["Channel"];
export type Task = components["schemas"]["Task"];
export type TaskRun = components["schemas"]["TaskRun"];

export const ALERT_STATES = [
  "open",
  "acknowledged",
  "dismissed",
  "resolved",
] as const satisfies readonly AlertState[];

export const alertsQuery = (state: AlertState | undefined) =>
  infiniteQueryOptions({
    queryKey: ["alerts", "list", state],
    queryFn: ({ pageParam }) =>
      take(api.GET("/api/v1/alerts", { params: { query: { state, limit: 100, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
  });

export const alertQuery = (id: string) =>
  queryOptions({
    queryKey: ["alerts", "one", id],
    queryFn: () => take(api.GET("/api/v1/alerts/{id}", { params: { path: { id } } })),
  });

/** How many alerts wait for somebody. */
export const alertSummaryQuery = queryOptions({
  queryKey: ["alerts", "summary"],
  queryFn: () => take(api.GET("/api/v1/alerts/summary")),
  // The stream tells of changes; this is for what it may have missed.
  refetchInterval: 60_000,
});

export const conditionsQuery = queryOptions({
  queryKey: ["alerts", "conditions"],
  queryFn: () => take(api.GET("/api/v1/alert-conditions")),
});

export const channelsQuery = queryOptions({
  queryKey: ["channels"],
  queryFn: () =>
    readAll((cursor) =>
      take(api.GET("/api/v1/channels", { params: { query: { limit: 500, cursor } } })).then(
        ({ items, nextCursor }) => ({ items, nextCursor: nextCursor ?? null }),
      ),
    ),
  refetchInterval: 10_000,
});

export const tasksQuery = queryOptions({
  queryKey: ["tasks"],
  queryFn: () =>
    readAll((cursor) =>
      take(api.GET("/api/v1/tasks", { params: { query: { limit: 500, cursor } } })).then(
        ({ items, nextCursor }) => ({ items, nextCursor: nextCursor ?? null }),
      ),
    ),
  refetchInterval: 5_000,
});

/** The runs of a task, the newest first; while one is at work they are read again. */
export const taskRunsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["tasks", id, "runs"],
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/v1/tasks/{id}/runs", {
          params: { path: { id }, query: { limit: 50, cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((run) => run.state === "running"))
        ? 2_000
        : false,
  });

/** How far each computer is in a run. */
export const taskRunComputersQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["task-runs", id],
    queryFn: ({ pageParam }) =>
      take(
        api.GET("/api/v1/task-runs/{id}/computers", {
          params: { path: { id }, query: { limit: 100, cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    refetchInterval: 5_000,
  });

/** A value of the filter language as it stands within quotes. */
export const quoted = (value: string) => `"${value.replace(/[\\"]/g, "\\$&")}"`;

/** The choices of the events page in the filter language. */
export function filterText({ filter, computerId, severity, action, module, q }: EventFilter): string {
  const tests = [
    filter === undefined || filter === "" ? undefined : `(${filter})`,
    computerId && `computer = ${quoted(computerId)}`,
    severity && `severity = ${severity}`,
    action && `action = ${quoted(action)}`,
    module && `module = ${quoted(module)}`,
    q && quoted(q),
  ];
  return tests.filter((test) => test !== undefined && test !== "").join(" AND ");
}

export const eventCountsQuery = (filter: EventFilter, interval: string, period: string) =>
  queryOptions({
    queryKey: ["events", "counts", filterText(filter), filter.from, filter.to, interval, period],
    queryFn: () =>
      take(
        api.GET("/api/v1/events/counts", {
          params: {
            query: {
              filter: filterText(filter) || undefined,
              from: filter.from,
              to: filter.to,
              interval,
              by: "severity",
            },
          },
        }),
      ),
  });
