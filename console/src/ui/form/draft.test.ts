import { describe, expect, it } from "vitest";
import { changesOf } from "./draft";
import { partsOf, secondsOf } from "./duration";
import { errorsAt, errorsBeside } from "./fieldErrors";

const error = (pointer: string) => ({ pointer, code: "invalid", message: `wrong: ${pointer}`, args: {} });

describe("changes of a draft", () => {
  it("are what differs from what is saved, and nothing that was typed back", () => {
    const saved = { name: "a", to: ["x"], port: 25 };
    expect(changesOf(saved, { name: "b", to: ["x"], port: 25 })).toEqual({ name: "b" });
    expect(changesOf(saved, { to: ["x", "y"] })).toEqual({ to: ["x", "y"] });
    expect(changesOf(saved, {})).toEqual({});
  });
});

describe("errors of fields", () => {
  const errors = [error("/name"), error("/target/to/1"), error("/target/port"), error("/targets")];
  it("stand at the field that they are about, those of its parts too", () => {
    expect(errorsAt(errors, "/target/to").map((one) => one.pointer)).toEqual(["/target/to/1"]);
    expect(errorsAt(errors, "/target").map((one) => one.pointer)).toEqual(["/target/to/1", "/target/port"]);
  });
  it("stand above the form where no field takes them", () => {
    const shown = new Set(["/name", "/target"]);
    expect(errorsBeside(errors, shown).map((one) => one.pointer)).toEqual(["/targets"]);
  });
});

describe("lengths of time", () => {
  it("are shown in the largest unit that says them whole", () => {
    expect(partsOf(300)).toEqual({ number: 5, unit: "minutes" });
    expect(partsOf(7200)).toEqual({ number: 2, unit: "hours" });
    expect(partsOf(90)).toEqual({ number: 90, unit: "seconds" });
    expect(partsOf(172_800)).toEqual({ number: 2, unit: "days" });
    expect(partsOf(0)).toEqual({ number: 0, unit: "minutes" });
  });
  it("come back to the same seconds, and are refused out of their bounds", () => {
    for (const seconds of [0, 45, 300, 7200, 172_800]) {
      const { number, unit } = partsOf(seconds);
      expect(secondsOf(String(number), unit, { least: 0, most: 200_000 })).toBe(seconds);
    }
    expect(secondsOf("3", "days", { least: 0, most: 200_000 })).toBeUndefined();
    expect(secondsOf("", "minutes", { least: 0, most: 200_000 })).toBeUndefined();
    expect(secondsOf("1.5", "hours", { least: 0, most: 200_000 })).toBeUndefined();
  });
});
