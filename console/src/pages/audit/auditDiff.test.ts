import { describe, expect, it } from "vitest";
import { auditChanges } from "./auditDiff";

describe("a change in the audit trail", () => {
  it("is shown member by member, and what stayed is not", () => {
    const before = { name: "a", settings: { firewall: { mode: "off", ports: ["80"] } }, gone: true };
    const after = {
      name: "a",
      settings: { firewall: { mode: "prevent", ports: ["80", "443"] } },
      groupId: null,
    };
    expect(auditChanges(before, after)).toEqual([
      { path: "settings › firewall › mode", before: "off", after: "prevent" },
      { path: "settings › firewall › ports", before: "80", after: "80, 443" },
      { path: "gone", before: "true", after: undefined },
    ]);
  });
  it("of something new or deleted names all its members", () => {
    expect(auditChanges(null, { name: "x", uses: 0 })).toEqual([
      { path: "name", before: undefined, after: "x" },
      { path: "uses", before: undefined, after: "0" },
    ]);
    expect(auditChanges({ name: "x" }, null)).toEqual([{ path: "name", before: "x", after: undefined }]);
  });
  it("keeps lists of objects whole", () => {
    expect(auditChanges(null, { conditions: [{ field: "tag" }] })[0]?.after).toBe('[{"field":"tag"}]');
  });
});
