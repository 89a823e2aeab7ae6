import { ExpandableSection } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { eventCountsQuery } from "../api/alerts";
import { SEVERITIES } from "../api/types";
import { useFormat } from "../format";
import { type EventSearch, periodBounds } from "../search";

/** Lengths of an interval, in seconds, with the manager's words for them. */
const INTERVALS = [
  [60, "1m"],
  [300, "5m"],
  [900, "15m"],
  [3_600, "1h"],
  [6 * 3_600, "6h"],
  [24 * 3_600, "1d"],
  [7 * 24 * 3_600, "7d"],
] as const;
const LONGEST = INTERVALS[6];
/** As many as fingers can tell apart: 24 pixels each, as WCAG 2.2 asks of targets. */
const BARS = 36;
const WEEK_MS = 7 * 24 * 3_600_000;

/** The shortest interval that makes no more bars than there is room for. */
export function intervalFor(spanSeconds: number): (typeof INTERVALS)[number] {
  return INTERVALS.find(([seconds]) => spanSeconds / seconds <= BARS) ?? LONGEST;
}

interface Bar {
  from: number;
  total: number;
  by: Record<string, number>;
}

/** The bars of a time, those without events too. */
export function barsOf(
  counts: readonly { from: string; key: string; count: number }[],
  from: number,
  to: number,
  seconds: number,
): Bar[] {
  const step = seconds * 1000;
  const bars: Bar[] = [];
  for (let at = Math.floor(from / step) * step; at < to && bars.length < 2 * BARS; at += step) {
    bars.push({ from: at, total: 0, by: {} });
  }
  const first = bars[0]?.from ?? 0;
  for (const { from: at, key, count } of counts) {
    const bar = bars[Math.round((Date.parse(at) - first) / step)];
    if (!bar) continue;
    bar.total += count;
    bar.by[key] = (bar.by[key] ?? 0) + count;
  }
  return bars;
}

/** One bar, its keys stacked in their order. */
export function ChartColumn({
  bar,
  most,
  keys = SEVERITIES,
}: {
  bar: Bar;
  most: number;
  keys?: readonly string[];
}) {
  let below = 0;
  return (
    <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {keys.map((key) => {
        const height = (100 * (bar.by[key] ?? 0)) / most;
        below += height;
        return (
          <rect
            key={key}
            className={`skm-bar skm-bar-${key}`}
            x="1"
            width="8"
            y={100 - below}
            height={height}
          />
        );
      })}
    </svg>
  );
}

interface Props {
  search: EventSearch;
  computerId: string | undefined;
  onFilter: (change: Partial<EventSearch>) => void;
}

/** How many events there were over time; a bar is a button that shows its events. */
export function EventChart({ search, computerId, onFilter }: Props) {
  const { t } = useTranslation();
  const format = useFormat();
  const { filter, severity, action, module, q, period, from, to } = search;
  const bounds = useMemo(() => {
    const now = Date.now();
    const chosen = periodBounds({ period, from, to }, now);
    const end = chosen.to ? Date.parse(chosen.to) : now;
    return { start: chosen.from ? Date.parse(chosen.from) : end - WEEK_MS, end };
  }, [period, from, to]);
  const [seconds, interval] = intervalFor(Math.max(1, (bounds.end - bounds.start) / 1000));
  const query = useQuery({
    ...eventCountsQuery(
      {
        filter,
        computerId,
        severity,
        action,
        module,
        q,
        from: new Date(bounds.start).toISOString(),
        to: new Date(bounds.end).toISOString(),
      },
      interval,
      period ?? "all",
    ),
    retry: false,
  });
  if (query.data === undefined) return <div className="skm-chart" aria-hidden="true" />;
  const bars = barsOf(query.data.counts, bounds.start, bounds.end, seconds);
  const most = Math.max(1, ...bars.map((bar) => bar.total));
  const total = bars.reduce((sum, bar) => sum + bar.total, 0);
  const words = (bar: Bar) =>
    t("eventChart.bar", {
      from: format.time(new Date(bar.from).toISOString()),
      count: bar.total,
    });
  return (
    <figure className="skm-chart-figure" aria-label={t("eventChart.title")}>
      <ol className="skm-chart">
        {bars.map((bar) => (
          <li key={bar.from}>
            <button
              type="button"
              aria-label={words(bar)}
              title={words(bar)}
              disabled={bar.total === 0}
              onClick={() =>
                onFilter({
                  period: "custom",
                  from: new Date(bar.from).toISOString(),
                  to: new Date(bar.from + seconds * 1000).toISOString(),
                })
              }
            >
              <ChartColumn bar={bar} most={most} />
            </button>
          </li>
        ))}
      </ol>
      <figcaption className="skm-subtle skm-small">
        {t("eventChart.total", { count: total })} {total > 0 && t("eventChart.hint")}
      </figcaption>
      {total > 0 && (
        <ExpandableSection toggleText={t("eventChart.table")}>
          <Table aria-label={t("eventChart.title")} variant="compact">
            <Thead>
              <Tr>
                <Th>{t("eventChart.from")}</Th>
                <Th>{t("eventChart.count")}</Th>
                {SEVERITIES.map((one) => (
                  <Th key={one}>{t(`severity.${one}`)}</Th>
                ))}
              </Tr>
            </Thead>
            <Tbody>
              {bars
                .filter((bar) => bar.total > 0)
                .map((bar) => (
                  <Tr key={bar.from}>
                    <Td>{format.time(new Date(bar.from).toISOString())}</Td>
                    <Td>{format.number(bar.total)}</Td>
                    {SEVERITIES.map((one) => (
                      <Td key={one}>{format.number(bar.by[one] ?? 0)}</Td>
                    ))}
                  </Tr>
                ))}
            </Tbody>
          </Table>
        </ExpandableSection>
      )}
    </figure>
  );
}
