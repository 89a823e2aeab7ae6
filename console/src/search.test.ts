import { describe, expect, it } from "vitest";
import { safeNext } from "./router";
import { computerFilterText, parseComputerSearch, parseEventSearch, periodBounds } from "./search";
import { exportAddress } from "./ui/ExportEvents";

describe("filters in the address", () => {
  it("leave out what makes no sense", () => {
    expect(parseComputerSearch({ status: "broken", q: "" })).toEqual({ status: undefined, q: undefined });
    expect(
      parseEventSearch({ severity: "high", action: 7, q: 80, from: "yesterday", live: false }),
    ).toMatchObject({
      severity: "high",
      action: undefined,
      q: "80",
      from: undefined,
      live: false,
    });
  });

  it("give the bounds of a period", () => {
    const now = Date.parse("2026-11-22T12:00:00Z");
    expect(periodBounds({}, now)).toEqual({});
    expect(periodBounds({ period: "day" }, now)).toEqual({ from: "2026-11-21T12:00:00.000Z" });
    expect(periodBounds({ period: "custom", to: "2026-11-20T00:00:00Z" }, now)).toEqual({
      from: undefined,
      to: "2026-11-20T00:00:00.000Z",
    });
  });
});

describe("address to go to after the log-in", () => {
  it("is always one of this console", () => {
    expect(safeNext("/policies/1?x=2")).toBe("/policies/1?x=2");
    for (const elsewhere of [
      "//evil.example",
      "https://evil.example",
      "/\\evil.example",
      "/login",
      3,
      undefined,
    ]) {
      expect(safeNext(elsewhere)).toBeUndefined();
    }
  });
});

describe("what is shown", () => {
  it("is exported as it is shown", () => {
    const now = Date.parse("2026-11-22T12:00:00Z");
    expect(exportAddress({ severity: "high", period: "day" }, "csv", now)).toBe(
      "/api/v1/events/export?format=csv&filter=severity+%3D+high&from=2026-11-21T12%3A00%3A00.000Z",
    );
    expect(exportAddress({}, "jsonl", now)).toBe("/api/v1/events/export?format=jsonl");
  });

  it("of computers becomes a smart folder", () => {
    const search = parseComputerSearch({
      status: "offline",
      tag: "role=web",
      module: "firewall",
      moduleState: "failed",
      sort: "lastSeen",
      descending: true,
    });
    expect(search).toMatchObject({ sort: "lastSeen", descending: true });
    expect(computerFilterText(search, { group: 'a "b"' })).toBe(
      'status = offline AND group = "a \\"b\\"" AND tag = "role=web" AND module.firewall = failed',
    );
    expect(parseComputerSearch({ module: "firewall" }).module).toBeUndefined();
    expect(computerFilterText({ filter: "a = 1 OR b = 2", q: "x" }, {})).toBe(
      '(a = 1 OR b = 2) AND name = "*x*"',
    );
  });
});
