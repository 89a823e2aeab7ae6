import { type ComputerModule, MODES, type Mode } from "./api/types";

/** Those that do not protect by themselves. */
const BESIDE = new Set(["agent", "recommendation"]);

/** Which modules do less than they should, and the others by how far they go, those that stop something first. */
export function modulesAtWork(modules: readonly ComputerModule[]): {
  failing: ComputerModule[];
  counts: { mode: Mode; modules: string[] }[];
} {
  const failing = modules.filter((one) => one.state === "degraded" || one.state === "failed");
  const protecting = modules.filter((one) => !BESIDE.has(one.module) && !failing.includes(one));
  const modeOf = (one: ComputerModule): Mode => (one.state === "off" ? "off" : one.mode);
  const counts = [...MODES]
    .reverse()
    .map((mode) => ({
      mode,
      modules: protecting.filter((one) => modeOf(one) === mode).map((one) => one.module),
    }))
    .filter(({ modules: some }) => some.length > 0);
  return { failing, counts };
}
