import { describe, expect, it } from "vitest";
import { scheduleOf, timeOfDay, weekdayName, whenOf, zonesWith } from "./schedule";

describe("a schedule", () => {
  it.each([
    ["15 * * * *", { frequency: "hourly", minute: 15 }],
    ["30 2 * * *", { frequency: "daily", minute: 30, hour: 2 }],
    ["0 22 * * mon,tue,wed,thu,fri", { frequency: "weekly", weekdays: [1, 2, 3, 4, 5] }],
    ["5 4 L * *", { frequency: "monthly", day: "L" }],
    ["5 4 15 * *", { frequency: "monthly", day: 15 }],
  ])("is read and comes back as it was: %s", (text, said) => {
    const when = whenOf(text);
    expect(when).toMatchObject(said);
    expect(scheduleOf(when)).toBe(text);
  });

  it("knows ranges and both Sundays", () => {
    expect(whenOf("0 1 * * mon-fri").weekdays).toEqual([1, 2, 3, 4, 5]);
    expect(whenOf("0 1 * * 6-7").weekdays).toEqual([0, 6]);
  });

  it.each([
    "*/5 * * * *",
    "0 1 1 1 *",
    "0 1 1 * mon",
    "0 1 * * fri-mon",
    "nonsense",
    "",
    "0 24 * * *",
    "0 1 0 * *",
  ])("is one's own where the form cannot say it: %s", (text) => {
    expect(whenOf(text).frequency).toBe("own");
    expect(scheduleOf(whenOf(text))).toBe(text);
  });
});

describe("words of a schedule", () => {
  it("are those of the language", () => {
    expect(weekdayName(0, "en")).toBe("Sun");
    expect(weekdayName(0, "ja")).toBe("日");
    expect(timeOfDay({ hour: 0, minute: 5 }, "en")).toBe("00:05");
  });
  it("hold any zone that was chosen elsewhere", () => {
    expect(zonesWith("Mars/Olympus")).toContain("Mars/Olympus");
    expect(zonesWith("UTC")).toContain("Asia/Tokyo");
  });
});
