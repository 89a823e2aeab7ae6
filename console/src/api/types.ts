import type { components } from "../generated/api";

type Schemas = components["schemas"];

export type ActivationToken = Schemas["ActivationToken"];
export type AuditRecord = Schemas["AuditRecord"];
export type Computer = Schemas["Computer"];
export type ComputerModule = Schemas["ComputerModule"];
export type ComputerPort = Schemas["ComputerPort"];
export type ComputerStatus = Schemas["ComputerStatus"];
export type Coverage = Schemas["Coverage"];
export type CreatedActivationToken = Schemas["CreatedActivationToken"];
export type Event = Schemas["Event"];
export type FailureResponse = Schemas["FailureResponse"];
export type GapDetail = Schemas["GapDetail"];
export type IntrusionDetail = Schemas["IntrusionDetail"];
export type IntrusionPrevention = Schemas["IntrusionPrevention"];
export type IntrusionPreventionPatch = Schemas["IntrusionPreventionPatch"];
export type Mode = Schemas["Mode"];
export type ModuleState = Schemas["ModuleState"];
export type NoticeDetail = Schemas["NoticeDetail"];
export type Policy = Schemas["Policy"];
export type Problem = Schemas["Problem"];
export type Rule = Schemas["Rule"];
export type Session = Schemas["Session"];

export const STATUSES = [
  "online",
  "degraded",
  "offline",
  "clone",
  "pending",
] as const satisfies readonly ComputerStatus[];
export const SEVERITIES = ["critical", "high", "medium", "low", "info"] as const;
export const ACTIONS = ["blocked", "detected", "noted"] as const;
export const MODULES = ["intrusion-prevention", "agent"] as const;
export const MODES = ["off", "detect", "prevent"] as const satisfies readonly Mode[];

export type Severity = (typeof SEVERITIES)[number];
export type Action = (typeof ACTIONS)[number];

/** The fields of an event by its kind; an unknown kind has none that the console could name. */
export type KnownDetail =
  | { kind: "intrusion"; detail: IntrusionDetail }
  | { kind: "gap"; detail: GapDetail }
  | { kind: "notice"; detail: NoticeDetail }
  | { kind: "other"; detail: Record<string, unknown> };

/** Narrows an event's detail by its `kind`. */
export function detailOf(event: Event): KnownDetail {
  switch (event.kind) {
    case "intrusion":
      return { kind: "intrusion", detail: event.detail as IntrusionDetail };
    case "gap":
      return { kind: "gap", detail: event.detail as GapDetail };
    case "notice":
      return { kind: "notice", detail: event.detail as NoticeDetail };
    default:
      return { kind: "other", detail: event.detail as Record<string, unknown> };
  }
}
