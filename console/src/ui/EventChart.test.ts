import { describe, expect, it } from "vitest";
import { filterText } from "../api/alerts";
import { barsOf, intervalFor } from "./EventChart";

describe("the chart of events", () => {
  it("takes the shortest interval that there is room for", () => {
    expect(intervalFor(3_600)[1]).toBe("5m");
    expect(intervalFor(24 * 3_600)[1]).toBe("1h");
    expect(intervalFor(7 * 24 * 3_600)[1]).toBe("6h");
    expect(intervalFor(10 * 365 * 24 * 3_600)[1]).toBe("7d");
  });

  it("has bars without events too, and counts what is outside nowhere", () => {
    const at = (hour: number) => Date.UTC(2026, 10, 22, hour);
    const counts = [
      { from: new Date(at(1)).toISOString(), key: "high", count: 2 },
      { from: new Date(at(1)).toISOString(), key: "info", count: 1 },
      { from: new Date(at(9)).toISOString(), key: "info", count: 5 },
    ];
    const bars = barsOf(counts, at(0) + 60_000, at(3), 3_600);
    expect(bars.map((bar) => bar.total)).toEqual([0, 3, 0]);
    expect(bars[1]?.by).toEqual({ high: 2, info: 1 });
  });

  it("says the choices of the page in the filter language", () => {
    expect(filterText({})).toBe("");
    expect(filterText({ filter: "a = 1 OR b = 2", severity: "high", q: 'say "x\\' })).toBe(
      '(a = 1 OR b = 2) AND severity = high AND "say \\"x\\\\"',
    );
  });
});
