import { describe, expect, it } from "vitest";
import type { ComputerModule } from "./api/types";
import { modulesAtWork } from "./modulesAtWork";

const module = (name: string, state: ComputerModule["state"], mode: ComputerModule["mode"]) =>
  ({ module: name, state, mode, reasons: [], rules: 0, counters: {} }) as ComputerModule;

describe("modules of a computer", () => {
  it("are counted by how far they go, those with a trouble named", () => {
    const { failing, counts } = modulesAtWork([
      module("firewall", "off", "prevent"),
      module("intrusion-prevention", "degraded", "prevent"),
      module("anti-malware", "active", "prevent"),
      module("log-inspection", "active", "detect"),
      module("web-reputation", "active", "prevent"),
      module("agent", "active", "prevent"),
      module("recommendation", "active", "detect"),
    ]);
    expect(failing.map((one) => one.module)).toEqual(["intrusion-prevention"]);
    expect(counts).toEqual([
      { mode: "prevent", modules: ["anti-malware", "web-reputation"] },
      { mode: "detect", modules: ["log-inspection"] },
      { mode: "off", modules: ["firewall"] },
    ]);
  });
  it("are none before the agent has said anything", () => {
    expect(modulesAtWork([])).toEqual({ failing: [], counts: [] });
  });
});
