import { describe, expect, it } from "vitest";
import { SPANS, spanFrom } from "./api/dashboard";
import { ruleOf, sourceFilter, totalsOf } from "./overview";

describe("overview", () => {
  it("adds up the intervals and names the most frequent first", () => {
    const counts = [
      { key: "a", count: 1 },
      { key: "b", count: 2 },
      { key: "*", count: 9 },
      { key: "a", count: 2 },
      { key: "c", count: 2 },
    ];
    expect(totalsOf(counts)).toEqual([
      { key: "a", count: 3 },
      { key: "b", count: 2 },
      { key: "c", count: 2 },
    ]);
  });

  it("leads from a counted rule to its events", () => {
    expect(ruleOf("intrusion:9000001")).toEqual({
      kind: "intrusion",
      value: "9000001",
      filter: 'kind = intrusion AND detail.sid = "9000001"',
    });
    expect(ruleOf('firewall:a "b": c').filter).toBe('kind = firewall AND detail.rule = "a \\"b\\": c"');
    expect(ruleOf("new-kind:x").filter).toBe("kind = new-kind");
  });

  it("finds the events from an address in every kind that has one", () => {
    expect(sourceFilter("203.0.113.9").match(/"203\.0\.113\.9"/g)).toHaveLength(4);
  });

  it("asks the same question for as long as a bar lasts", () => {
    const now = Date.parse("2026-11-22T12:10:00Z");
    expect(new Date(spanFrom("day", now)).toISOString()).toBe("2026-11-21T12:00:00.000Z");
    expect(spanFrom("day", now)).toBe(spanFrom("day", now + 49 * 60_000));
    for (const { hours, seconds } of Object.values(SPANS)) expect((hours * 3_600) / seconds).toBeLessThan(36);
  });
});
