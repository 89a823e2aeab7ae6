import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, take } from "./client";
import { readEvents } from "./queries";

/** What the dashboard counts by. */
export type By = "severity" | "module" | "computer" | "rule" | "source";

/** A span that the dashboard looks at: its hours and the length of a bar. */
export const SPANS = {
  day: { hours: 24, interval: "1h", seconds: 3_600 },
  week: { hours: 7 * 24, interval: "6h", seconds: 6 * 3_600 },
} as const;
export type Span = keyof typeof SPANS;

/** Where a span begins: on a whole bar, so that the same question is asked for as long as a bar lasts. */
export function spanFrom(span: Span, now: number): number {
  const { hours, seconds } = SPANS[span];
  const step = seconds * 1000;
  return Math.floor((now - hours * 3_600_000) / step) * step;
}

export const countsQuery = (by: By, from: number, interval: string, filter?: string) =>
  queryOptions({
    queryKey: ["dashboard", "counts", by, from, interval, filter],
    queryFn: () =>
      take(
        api.GET("/api/v1/events/counts", {
          params: { query: { by, interval, from: new Date(from).toISOString(), filter } },
        }),
      ),
    placeholderData: keepPreviousData,
  });

/** The newest event that a filter finds: to say what a rule is about. */
export const exampleQuery = (filter: string) =>
  queryOptions({
    queryKey: ["events", "example", filter],
    queryFn: async () => (await readEvents({ filter }, undefined, 1)).items[0] ?? null,
    staleTime: 300_000,
  });

export const newestAttacksQuery = queryOptions({
  queryKey: ["dashboard", "newest"],
  queryFn: () => readEvents({ filter: "severity >= medium" }, undefined, 6),
});
