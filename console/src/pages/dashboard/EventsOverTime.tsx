import { ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { countsQuery, SPANS, type Span, spanFrom } from "../../api/dashboard";
import { MODULES, SEVERITIES } from "../../api/types";
import { useFormat } from "../../format";
import { textOfCode } from "../../i18n";
import { totalsOf } from "../../overview";
import { barsOf, ChartColumn } from "../../ui/EventChart";
import { Answer, Part } from "./Part";

const KEYS = { severity: SEVERITIES, module: MODULES } as const;

/** Where there is no room for all bars, the newest are seen first. */
const toTheEnd = (chart: HTMLElement | null) => {
  if (chart) chart.scrollLeft = chart.scrollWidth;
};

/** Events over time, by severity or by module; a bar leads to its events, a name to all of its. */
export function EventsOverTime({ now }: { now: number }) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const [by, setBy] = useState<"severity" | "module">("severity");
  const [span, setSpan] = useState<Span>("day");
  const { interval, seconds } = SPANS[span];
  const from = spanFrom(span, now);
  const query = useQuery(countsQuery(by, from, interval));
  const name = (key: string) => textOfCode(by, key);
  const controls = (
    <div className="skm-line-actions">
      <ToggleGroup isCompact aria-label={t("dashboard.by")}>
        {(["severity", "module"] as const).map((one) => (
          <ToggleGroupItem
            key={one}
            text={t(one === "severity" ? "severity.label" : "events.module")}
            isSelected={by === one}
            onChange={() => setBy(one)}
          />
        ))}
      </ToggleGroup>
      <ToggleGroup isCompact aria-label={t("events.period")}>
        {(["day", "week"] as const).map((one) => (
          <ToggleGroupItem
            key={one}
            text={t(one === "day" ? "events.periodDay" : "events.periodWeek")}
            isSelected={span === one}
            onChange={() => setSpan(one)}
          />
        ))}
      </ToggleGroup>
    </div>
  );
  return (
    <Part title={t("eventChart.title")} actions={controls} wide>
      <Answer query={query}>
        {({ counts }) => {
          const bars = barsOf(counts, from, now, seconds);
          const most = Math.max(1, ...bars.map((bar) => bar.total));
          const totals = new Map(totalsOf(counts).map((total) => [total.key, total.count]));
          return (
            <>
              <ol className="skm-chart skm-chart-tall" ref={toTheEnd}>
                {bars.map((bar) => {
                  const begins = new Date(bar.from).toISOString();
                  const words = t("eventChart.bar", { from: format.time(begins), count: bar.total });
                  return (
                    <li key={bar.from}>
                      <button
                        type="button"
                        aria-label={words}
                        title={words}
                        disabled={bar.total === 0}
                        onClick={() =>
                          void navigate({
                            to: "/events",
                            search: {
                              period: "custom",
                              from: begins,
                              to: new Date(bar.from + seconds * 1000).toISOString(),
                            },
                          })
                        }
                      >
                        <ChartColumn bar={bar} most={most} keys={KEYS[by]} />
                      </button>
                    </li>
                  );
                })}
              </ol>
              <div className="skm-chart-ends skm-subtle skm-small" aria-hidden="true">
                <span>{format.time(new Date(from).toISOString())}</span>
                <span>{t("dashboard.mostInBar", { count: most })}</span>
                <span>{format.time(new Date(now).toISOString())}</span>
              </div>
              <ul className="skm-legend">
                {KEYS[by]
                  .filter((key) => by === "severity" || totals.has(key))
                  .map((key) => (
                    <li key={key}>
                      <svg className="skm-swatch" viewBox="0 0 1 1" aria-hidden="true">
                        <rect className={`skm-bar-${key}`} width="1" height="1" />
                      </svg>
                      <Link to="/events" search={{ [by]: key, period: span }}>
                        {name(key)}
                      </Link>{" "}
                      {format.number(totals.get(key) ?? 0)}
                    </li>
                  ))}
              </ul>
            </>
          );
        }}
      </Answer>
    </Part>
  );
}
