import { describe, expect, it } from "vitest";
import type { Policy } from "./api/types";
import {
  drafted,
  EMPTY_DRAFT,
  effectiveMode,
  isEmpty,
  ownSettings,
  parsePorts,
  patchOf,
} from "./policyDraft";

const policy = (change: Partial<Policy>): Policy => ({
  id: "p",
  name: "Web server",
  description: "",
  parentId: null,
  intrusionPrevention: {
    mode: "prevent",
    failureResponse: "open",
    httpPorts: ["80"],
    answerPage: true,
    defaultRuleMode: "detect",
    ruleModes: { "1": "prevent", "2": "off" },
  },
  overridden: ["mode"],
  overriddenRuleModes: ["1"],
  builtIn: false,
  computers: 0,
  updatedAt: "2026-11-22T00:00:00Z",
  etag: '"1"',
  ...change,
});

describe("draft of a policy", () => {
  it("sends only what was changed, so that it fits a newer version too", () => {
    const draft = { settings: { mode: null, httpPorts: ["80", "8080"] }, ruleModes: { "2": null } };
    expect(patchOf(draft)).toEqual({
      intrusionPrevention: { mode: null, httpPorts: ["80", "8080"], ruleModes: { "2": null } },
    });
    expect(patchOf({ ...EMPTY_DRAFT, name: "New" })).toEqual({ name: "New" });
    expect(isEmpty(EMPTY_DRAFT)).toBe(true);
    expect(isEmpty(draft)).toBe(false);
  });

  it("shows what the parent has where a setting is inherited again", () => {
    const parent = policy({ id: "parent" });
    parent.intrusionPrevention = { ...parent.intrusionPrevention, mode: "detect", ruleModes: { "1": "off" } };
    const result = drafted(policy({}), parent, {
      settings: { mode: null },
      ruleModes: { "1": null, "2": null },
    });
    expect(result.mode).toBe("detect");
    expect(result.ruleModes).toEqual({ "1": "off" });
  });

  it("does not change the policy it is made for", () => {
    const saved = policy({});
    drafted(saved, undefined, { settings: { mode: "off" }, ruleModes: { "1": "off" } });
    expect(saved).toEqual(policy({}));
  });
});

describe("mode in force", () => {
  const settings = policy({}).intrusionPrevention;
  it("is the rule's, at most the module's", () => {
    expect(effectiveMode(settings, 1)).toBe("prevent");
    expect(effectiveMode(settings, 2)).toBe("off");
    expect(effectiveMode(settings, 3)).toBe("detect");
    expect(effectiveMode({ ...settings, mode: "detect" }, 1)).toBe("detect");
    expect(effectiveMode({ ...settings, mode: "off" }, 3)).toBe("off");
  });
});

describe("ports", () => {
  it.each([
    ["80, 8000-8090", ["80", "8000-8090"], []],
    ["80、443 8080", ["80", "443", "8080"], []],
    ["", [], []],
    ["0", [], ["0"]],
    ["65536", [], ["65536"]],
    ["90-80, 80", ["80"], ["90-80"]],
    ["http", [], ["http"]],
  ])("of %j", (typed, ports, wrong) => {
    expect(parsePorts(typed)).toEqual({ ports, wrong });
  });
});

describe("copy of a policy", () => {
  it("takes over what is set in it and leaves the inherited inherited", () => {
    expect(ownSettings(policy({}))).toEqual({ mode: "prevent", ruleModes: { "1": "prevent" } });
    expect(ownSettings(policy({ overridden: [], overriddenRuleModes: [] }))).toEqual({});
  });
});
