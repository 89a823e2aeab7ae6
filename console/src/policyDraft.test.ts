import { describe, expect, it } from "vitest";
import type { Policy } from "./api/types";
import { CONFIGURABLE, defaultsOf, EXCLUDED, propertiesOf, type Values } from "./moduleSettings";
import {
  changedModules,
  type Draft,
  drafted,
  draftedSettings,
  EMPTY_DRAFT,
  effectiveMode,
  isEmpty,
  localSettings,
  originOf,
  ownSettings,
  parsePorts,
  patchOf,
  withKey,
  withProperty,
} from "./policyDraft";

const IPS = "intrusion-prevention";

const policy = (change: Partial<Policy>, local: Values = {}): Policy => ({
  id: "p",
  name: "Web server",
  description: "",
  parentId: null,
  settings: Object.fromEntries(
    CONFIGURABLE.map((module) => [module, { ...defaultsOf(module), ...local[module] }]),
  ) as unknown as Policy["settings"],
  local: local as Policy["local"],
  origins: {},
  builtIn: false,
  computers: 0,
  updatedAt: "2026-11-22T00:00:00Z",
  etag: '"1"',
  ...change,
});

const parent = policy(
  { id: "parent", origins: { [IPS]: { "/mode": "parent", "/ruleModes/1": "parent" } } },
  { [IPS]: { mode: "detect", ruleModes: { "1": "off", "3": "off" } } },
);
const child = policy(
  { parentId: "parent" },
  { [IPS]: { mode: "prevent", ruleModes: { "1": "prevent", "2": "off" } } },
);

describe("settings of modules", () => {
  it("begin with the mode, and every property has a default", () => {
    expect(CONFIGURABLE).toHaveLength(9);
    for (const module of CONFIGURABLE) {
      expect(propertiesOf(module)[0]?.name).toBe("mode");
      for (const property of propertiesOf(module)) expect(property.default, property.name).toBeDefined();
    }
  });
});

describe("draft of a policy", () => {
  it("sends only what was changed, so that it fits a newer version too", () => {
    let draft = withProperty(EMPTY_DRAFT, child, IPS, "mode", null);
    draft = withProperty(draft, child, IPS, "httpPorts", ["80", "8080"]);
    draft = withKey(draft, child, IPS, "ruleModes", "2", null);
    draft = withKey(draft, child, "firewall", "rules", "ssh", { action: "allow", direction: "in" });
    expect(patchOf(draft)).toEqual({
      settings: {
        [IPS]: { mode: null, httpPorts: ["80", "8080"], ruleModes: { "2": null } },
        firewall: { rules: { ssh: { action: "allow", direction: "in" } } },
      },
    });
    expect(changedModules(draft)).toEqual(["firewall", IPS]);
    expect(patchOf({ ...EMPTY_DRAFT, name: "New" })).toEqual({ name: "New" });
    expect(isEmpty(EMPTY_DRAFT)).toBe(true);
    expect(isEmpty(draft)).toBe(false);
  });

  it("has nothing to save where everything is as it was saved", () => {
    let draft = withProperty(EMPTY_DRAFT, child, IPS, "mode", "off");
    draft = withProperty(draft, child, IPS, "mode", "prevent");
    draft = withProperty(draft, child, IPS, "answerPage", null);
    draft = withKey(draft, child, IPS, "ruleModes", "2", "detect");
    draft = withKey(draft, child, IPS, "ruleModes", "2", "off");
    draft = withKey(draft, child, "firewall", "rules", "ssh", { action: "allow" });
    draft = withKey(draft, child, "firewall", "rules", "ssh", null);
    expect(draft).toEqual(EMPTY_DRAFT);
  });

  it("shows what the parent has where a setting is inherited again", () => {
    let draft = withProperty(EMPTY_DRAFT, child, IPS, "mode", null);
    draft = withKey(draft, child, IPS, "ruleModes", "1", null);
    draft = withKey(draft, child, IPS, "ruleModes", "2", null);
    const result = drafted(child, parent, draft);
    expect(result.mode).toBe("detect");
    expect(result.ruleModes).toEqual({ "1": "off", "3": "off" });
    expect(localSettings(child, draft, IPS)).toEqual({});
  });

  it("shows the default where a root no longer sets a property", () => {
    const draft = withProperty(EMPTY_DRAFT, parent, IPS, "mode", null);
    expect(drafted(parent, undefined, draft).mode).toBe("off");
  });

  it("leaves out an inherited key, and takes it back", () => {
    let draft = withKey(EMPTY_DRAFT, child, IPS, "ruleModes", "3", EXCLUDED);
    expect(drafted(child, parent, draft).ruleModes).toEqual({ "1": "prevent", "2": "off" });
    draft = withKey(draft, child, IPS, "ruleModes", "3", null);
    expect(draftedSettings(child, parent, draft, IPS).ruleModes).toHaveProperty("3", "off");
  });

  it("does not change the policy it is made for", () => {
    const before = structuredClone(child);
    const draft: Draft = withKey(EMPTY_DRAFT, child, IPS, "ruleModes", "1", "off");
    drafted(child, parent, draft);
    expect(child).toEqual(before);
  });
});

describe("origin of a value", () => {
  const local = localSettings(child, EMPTY_DRAFT, IPS);
  it("is the policy itself, one above it, or the default", () => {
    expect(originOf(child, parent, local, IPS, "mode")).toEqual({ from: "local" });
    expect(originOf(child, parent, {}, IPS, "mode")).toEqual({ from: "policy", id: "parent" });
    expect(originOf(child, parent, local, IPS, "httpPorts")).toEqual({ from: "default" });
    expect(originOf(parent, undefined, {}, IPS, "mode")).toEqual({ from: "default" });
    expect(originOf(child, parent, local, IPS, "ruleModes", "2")).toEqual({ from: "local" });
    expect(originOf(child, parent, {}, IPS, "ruleModes", "1")).toEqual({ from: "policy", id: "parent" });
  });
});

describe("mode in force", () => {
  const settings = drafted(child, parent, EMPTY_DRAFT);
  it("is the rule's, at most the module's", () => {
    expect(effectiveMode(settings, 1)).toBe("prevent");
    expect(effectiveMode(settings, 2)).toBe("off");
    expect(effectiveMode(settings, 4)).toBe("detect");
    expect(effectiveMode({ ...settings, mode: "detect" }, 1)).toBe("detect");
    expect(effectiveMode({ ...settings, mode: "off" }, 4)).toBe("off");
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
    expect(ownSettings(child)).toEqual({
      [IPS]: { mode: "prevent", ruleModes: { "1": "prevent", "2": "off" } },
    });
    expect(ownSettings(policy({}))).toEqual({});
  });
});
