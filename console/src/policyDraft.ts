import {
  type ComputerSettings,
  type IntrusionPrevention,
  MODES,
  type Mode,
  type Policy,
  type SettingsPatch,
} from "./api/types";
import {
  CONFIGURABLE,
  defaultsOf,
  entriesOf,
  isKeyed,
  overlay,
  pointer,
  same,
  type Values,
} from "./moduleSettings";

/** Changes of a policy that were not saved yet: a merge patch, so it also fits a newer version of the policy. */
export interface Draft {
  name?: string;
  description?: string;
  /** Value by module and property, `null` inherits again; the same by key where the property is keyed. */
  settings: Values;
}

export const EMPTY_DRAFT: Draft = { settings: {} };

/** Whether there is anything to save. */
export function isEmpty(draft: Draft): boolean {
  return (
    draft.name === undefined && draft.description === undefined && Object.keys(draft.settings).length === 0
  );
}

/** The draft as the API takes it. */
export function patchOf(draft: Draft): { name?: string; description?: string; settings?: SettingsPatch } {
  return {
    ...(draft.name !== undefined && { name: draft.name }),
    ...(draft.description !== undefined && { description: draft.description }),
    ...(Object.keys(draft.settings).length > 0 && { settings: draft.settings as SettingsPatch }),
  };
}

/** The settings of a module that are saved in a policy. */
function savedLocal(policy: Policy, module: string): Record<string, unknown> {
  return entriesOf((policy.local as Values)[module]);
}

/** Sets a member of an object, or takes it out where nothing is given; what is empty then is nothing. */
function put(
  object: Record<string, unknown>,
  name: string,
  value: unknown,
): Record<string, unknown> | undefined {
  const { [name]: _, ...rest } = object;
  if (value !== undefined) return { ...rest, [name]: value };
  return Object.keys(rest).length > 0 ? rest : undefined;
}

/** What to send for a value: nothing where it is saved like this already. */
function changed(saved: unknown, value: unknown): unknown {
  return same(saved ?? null, value) ? undefined : value;
}

/** The draft with one property set, or inherited again with `null`; of a keyed one, all keys. */
export function withProperty(
  draft: Draft,
  policy: Policy,
  module: string,
  property: string,
  value: unknown,
): Draft {
  const own = entriesOf(draft.settings[module]);
  const next = put(own, property, changed(savedLocal(policy, module)[property], value));
  return { ...draft, settings: (put(draft.settings, module, next) ?? {}) as Values };
}

/** The draft with one key of a keyed property set, left out with `excluded`, or inherited again with `null`. */
export function withKey(
  draft: Draft,
  policy: Policy,
  module: string,
  property: string,
  key: string,
  value: unknown,
): Draft {
  const own = entriesOf(draft.settings[module]);
  const saved = entriesOf(savedLocal(policy, module)[property])[key];
  const entries = put(entriesOf(own[property]), key, changed(saved, value));
  return { ...draft, settings: (put(draft.settings, module, put(own, property, entries)) ?? {}) as Values };
}

/** What a policy sets of a module itself once the draft is saved. */
export function localSettings(policy: Policy, draft: Draft, module: string): Record<string, unknown> {
  let local: Record<string, unknown> = { ...savedLocal(policy, module) };
  for (const [property, value] of Object.entries(entriesOf(draft.settings[module]))) {
    if (value === null || !isKeyed(module, property)) {
      local = put(local, property, value ?? undefined) ?? {};
      continue;
    }
    let entries: Record<string, unknown> | undefined = entriesOf(local[property]);
    for (const [key, entry] of Object.entries(entriesOf(value))) {
      entries = put(entries ?? {}, key, entry ?? undefined);
    }
    local = put(local, property, entries) ?? {};
  }
  return local;
}

/**
 * What a policy inherits of a module: the parent's settings in force, or the built-in defaults of a root.
 *
 * While the parent is not known, what is in force stands in for it.
 */
export function inheritedSettings(
  policy: Policy,
  parent: Policy | undefined,
  module: string,
): Record<string, unknown> {
  if (policy.parentId === null) return defaultsOf(module);
  return entriesOf(((parent ?? policy).settings as Values)[module]);
}

/** The settings of a module as they will be once the draft is saved. */
export function draftedSettings(
  policy: Policy,
  parent: Policy | undefined,
  draft: Draft,
  module: string,
): Record<string, unknown> {
  return overlay(module, inheritedSettings(policy, parent, module), localSettings(policy, draft, module));
}

/** The settings of intrusion prevention as they will be once the draft is saved. */
export function drafted(policy: Policy, parent: Policy | undefined, draft: Draft): IntrusionPrevention {
  return draftedSettings(policy, parent, draft, "intrusion-prevention") as unknown as IntrusionPrevention;
}

/** Where a value comes from. */
export type Origin = { from: "local" } | { from: "default" } | { from: "policy"; id: string | undefined };

/** Where a property, or a key of a keyed one, comes from once the draft is saved. */
export function originOf(
  policy: Policy,
  parent: Policy | undefined,
  local: Record<string, unknown>,
  module: string,
  property: string,
  key?: string,
): Origin {
  const own = key === undefined ? local[property] : entriesOf(local[property])[key];
  if (own !== undefined) return { from: "local" };
  if (policy.parentId === null) return { from: "default" };
  if (parent === undefined) return { from: "policy", id: undefined };
  const at = key === undefined ? pointer(property) : pointer(property, key);
  const id = parent.origins[module]?.[at];
  return id === undefined ? { from: "default" } : { from: "policy", id };
}

/** The modules of which a draft changes something. */
export function changedModules(draft: Draft): string[] {
  return CONFIGURABLE.filter((module) => draft.settings[module] !== undefined);
}

/** The lesser of two modes: a rule goes only as far as its module. */
export function lesser(one: Mode, other: Mode): Mode {
  return MODES.indexOf(one) <= MODES.indexOf(other) ? one : other;
}

/** How far a rule goes under these settings. */
export function effectiveMode(settings: IntrusionPrevention, sid: number): Mode {
  return lesser(settings.ruleModes[String(sid)] ?? settings.defaultRuleMode, settings.mode);
}

/** The settings of one computer in the form of a policy below its own: what is set on it is local. */
export function asPolicy(own: ComputerSettings): Policy {
  return {
    id: own.computerId,
    name: own.computerName,
    description: "",
    parentId: own.policyId,
    settings: own.settings,
    local: own.local,
    origins: own.origins,
    builtIn: false,
    computers: 1,
    updatedAt: own.updatedAt,
    etag: own.etag,
  };
}

/** The parts of a typed list. */
export function parts(typed: string): string[] {
  return typed.split(/[,、\s]+/).filter((word) => word !== "");
}

/** The ports of a typed list, and the parts of it that are none. */
export function parsePorts(typed: string): { ports: string[]; wrong: string[] } {
  const ports: string[] = [];
  const wrong: string[] = [];
  for (const part of parts(typed)) {
    // The name of a list of ports; whether there is one, the manager says.
    if (/^list:./.test(part)) {
      ports.push(part);
      continue;
    }
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const first = Number(match?.[1] ?? 0);
    const last = Number(match?.[2] ?? first);
    if (match !== null && first >= 1 && last <= 65_535 && first <= last) ports.push(part);
    else wrong.push(part);
  }
  return { ports, wrong };
}

/** The settings that a policy sets itself, to be taken over by a copy of it. */
export function ownSettings(policy: Policy): SettingsPatch {
  return policy.local as SettingsPatch;
}
