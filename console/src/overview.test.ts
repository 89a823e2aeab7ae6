import { describe, expect, it } from "vitest";
import type { Event } from "./api/types";
import { countBy, topRules } from "./overview";
import { eventHeadline } from "./ui/eventText";

const event = (sid: number | null) =>
  ({
    kind: sid === null ? "notice" : "intrusion",
    detail: sid === null ? { code: "agent-started", args: [] } : { sid, message: `rule ${sid}` },
  }) as unknown as Event;

describe("overview", () => {
  it("counts by kind", () => {
    expect([...countBy(["a", "b", "a"], (letter) => letter)]).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });

  it("names the rules that matched most, and only rules", () => {
    const events = [1, 2, 2, null, 3, 3, 4].map(event);
    expect(topRules(events, 3, eventHeadline).map((rule) => [rule.sid, rule.count])).toEqual([
      [2, 2],
      [3, 2],
      [1, 1],
    ]);
  });
});
