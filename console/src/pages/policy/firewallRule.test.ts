import { describe, expect, it } from "vitest";
import { propertiesOf } from "../../moduleSettings";
import { adjusted, inOrder, ordered } from "./firewallRule";

const rules = propertiesOf("firewall").find((one) => one.name === "rules")?.field;
const rule = rules?.kind === "keyed" ? rules.entry : { kind: "boolean" as const };

describe("a firewall rule", () => {
  it("is asked by priority, then by its action, then by name", () => {
    const all: Record<string, unknown> = {
      web: { action: "allow" },
      ssh: { action: "allow" },
      "no mail": { action: "deny", priority: 2 },
      look: { action: "log-only", priority: 4 },
      ping: { action: "force-allow", priority: 2 },
      backup: { action: "bypass" },
    };
    const names = Object.keys(all).sort();
    const order = inOrder(rule, names, (name) => all[name]);
    expect(order).toEqual(["look", "ping", "no mail", "backup", "ssh", "web"]);
  });

  it("has the priority that its action may have", () => {
    expect(adjusted(rule, { action: "log-only", priority: 1 }, "action")).toEqual({
      action: "log-only",
      priority: 4,
    });
    expect(adjusted(rule, { action: "allow", priority: 4 }, "action")).toEqual({ action: "allow" });
    expect(adjusted(rule, { action: "deny", priority: 3 }, "action")).toEqual({
      action: "deny",
      priority: 3,
    });
    expect(adjusted(rule, { action: "allow", priority: 3 }, "priority")).toEqual({
      action: "allow",
      priority: 3,
    });
  });

  it("shows every member, the action first", () => {
    const members = ordered(rule).map((one) => one.name);
    expect(members.slice(0, 3)).toEqual(["action", "direction", "priority"]);
    expect(rule.kind === "object" && members.length === rule.members.length).toBe(true);
  });
});
