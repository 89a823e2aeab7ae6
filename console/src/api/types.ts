import type { components } from "../generated/api";

type Schemas = components["schemas"];

export type ActivationToken = Schemas["ActivationToken"];
export type AuditRecord = Schemas["AuditRecord"];
export type Computer = Schemas["Computer"];
export type ComputerModule = Schemas["ComputerModule"];
export type ComputerPort = Schemas["ComputerPort"];
export type ComputerStatus = Schemas["ComputerStatus"];
export type CommonObject = Schemas["CommonObject"];
export type ComputerSettings = Schemas["ComputerSettings"];
export type Coverage = Schemas["Coverage"];
export type CreatedActivationToken = Schemas["CreatedActivationToken"];
export type DryRun = Schemas["DryRun"];
export type Event = Schemas["Event"];
export type FieldError = Schemas["FieldError"];
export type ReconnaissanceDetail = Schemas["ReconnaissanceDetail"];
export type FirewallChangeDetail = Schemas["FirewallChangeDetail"];
export type FirewallAnswer = Schemas["FirewallAnswer"];
export type FirewallDetail = Schemas["FirewallDetail"];
export type FirewallFinding = Schemas["FirewallFinding"];
export type FirewallQuestion = Schemas["FirewallQuestion"];
export type FirewallRuleGroup = Schemas["FirewallRuleGroup"];
export type GapDetail = Schemas["GapDetail"];
export type IntegrityDetail = Schemas["IntegrityDetail"];
export type IntrusionDetail = Schemas["IntrusionDetail"];
export type IntrusionPrevention = Schemas["IntrusionPrevention"];
export type Inventory = Schemas["Inventory"];
export type LogDetail = Schemas["LogDetail"];
export type MalwareDetail = Schemas["MalwareDetail"];
export type ListKind = Schemas["ObjectKind"];
export type Mode = Schemas["Mode"];
export type ModuleState = Schemas["ModuleState"];
export type NoticeDetail = Schemas["NoticeDetail"];
export type Policy = Schemas["Policy"];
export type PolicyDiff = Schemas["PolicyDiff"];
export type PolicyVersion = Schemas["PolicyVersion"];
export type Problem = Schemas["Problem"];
export type RecommendationDetail = Schemas["RecommendationDetail"];
export type Recommendations = Schemas["Recommendations"];
export type Rule = Schemas["Rule"];
export type Session = Schemas["Session"];
export type SettingChange = Schemas["SettingChange"];
export type SettingsPatch = Schemas["SettingsPatch"];
export type WebAttackDetail = Schemas["WebAttackDetail"];
export type WebReputationDetail = Schemas["WebReputationDetail"];

export const STATUSES = [
  "online",
  "degraded",
  "offline",
  "clone",
  "pending",
  "suspended",
  "unmanaged",
] as const satisfies readonly ComputerStatus[];
export const MODULE_STATES = [
  "active",
  "degraded",
  "failed",
  "off",
] as const satisfies readonly ModuleState[];
export const SEVERITIES = ["critical", "high", "medium", "low", "info"] as const;
export const ACTIONS = ["blocked", "detected", "noted"] as const;
/** Every module, in the order that people are shown. */
export const MODULES = [
  "firewall",
  "intrusion-prevention",
  "web-application-firewall",
  "anti-malware",
  "integrity-monitoring",
  "log-inspection",
  "web-reputation",
  "recommendation",
  "agent",
  "manager",
] as const;
export const LIST_KINDS = [
  "addresses",
  "ports",
  "macs",
  "files",
  "folders",
  "extensions",
  "schedule",
  "context",
] as const satisfies readonly ListKind[];
export const MODES = ["off", "detect", "prevent"] as const satisfies readonly Mode[];

export type Severity = (typeof SEVERITIES)[number];
export type Action = (typeof ACTIONS)[number];

/** The fields of each kind of event that the console can name. */
export interface Details {
  firewall: FirewallDetail;
  "firewall-change": FirewallChangeDetail;
  reconnaissance: ReconnaissanceDetail;
  intrusion: IntrusionDetail;
  malware: MalwareDetail;
  integrity: IntegrityDetail;
  log: LogDetail;
  "web-attack": WebAttackDetail;
  "web-reputation": WebReputationDetail;
  recommendation: RecommendationDetail;
  gap: GapDetail;
  notice: NoticeDetail;
}

const KINDS: ReadonlySet<string> = new Set<keyof Details>([
  "firewall",
  "firewall-change",
  "reconnaissance",
  "intrusion",
  "malware",
  "integrity",
  "log",
  "web-attack",
  "web-reputation",
  "recommendation",
  "gap",
  "notice",
]);

/** The fields of an event by its kind; an unknown kind has none that the console could name. */
export type KnownDetail =
  | { [K in keyof Details]: { kind: K; detail: Details[K] } }[keyof Details]
  | { kind: "other"; detail: Record<string, unknown> };

/** Narrows an event's detail by its `kind`. */
export function detailOf(event: Event): KnownDetail {
  const kind = KINDS.has(event.kind) ? event.kind : "other";
  return { kind, detail: event.detail } as KnownDetail;
}
