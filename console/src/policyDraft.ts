import {
  type IntrusionPrevention,
  type IntrusionPreventionPatch,
  MODES,
  type Mode,
  type Policy,
} from "./api/types";

/** A setting of intrusion prevention that is inherited or set as a whole. */
export type Setting = Exclude<keyof IntrusionPreventionPatch, "ruleModes">;

/** Changes of a policy that were not saved yet: a merge patch, so it also fits a newer version of the policy. */
export interface Draft {
  name?: string;
  description?: string;
  /** Value by setting; `null` inherits again. */
  settings: { [S in Setting]?: IntrusionPrevention[S] | null };
  /** Mode by sid; `null` inherits again. */
  ruleModes: Record<string, Mode | null>;
}

export const EMPTY_DRAFT: Draft = { settings: {}, ruleModes: {} };

/** Whether there is anything to save. */
export function isEmpty(draft: Draft): boolean {
  return (
    draft.name === undefined &&
    draft.description === undefined &&
    Object.keys(draft.settings).length === 0 &&
    Object.keys(draft.ruleModes).length === 0
  );
}

/** The draft as the API takes it. */
export function patchOf(draft: Draft): {
  name?: string;
  description?: string;
  intrusionPrevention?: IntrusionPreventionPatch;
} {
  const settings: IntrusionPreventionPatch = { ...draft.settings };
  if (Object.keys(draft.ruleModes).length > 0) settings.ruleModes = draft.ruleModes;
  return {
    ...(draft.name !== undefined && { name: draft.name }),
    ...(draft.description !== undefined && { description: draft.description }),
    ...(Object.keys(settings).length > 0 && { intrusionPrevention: settings }),
  };
}

/** The lesser of two modes: a rule goes only as far as its module. */
export function lesser(one: Mode, other: Mode): Mode {
  return MODES.indexOf(one) <= MODES.indexOf(other) ? one : other;
}

/** How far a rule goes under these settings. */
export function effectiveMode(settings: IntrusionPrevention, sid: number): Mode {
  return lesser(settings.ruleModes[String(sid)] ?? settings.defaultRuleMode, settings.mode);
}

/**
 * The settings as they will be once the draft is saved.
 *
 * What is to be inherited again is taken from `parent`; without one the value in force stays in view,
 * because only the manager knows the built-in default.
 */
export function drafted(policy: Policy, parent: Policy | undefined, draft: Draft): IntrusionPrevention {
  const result: IntrusionPrevention = {
    ...policy.intrusionPrevention,
    ruleModes: { ...policy.intrusionPrevention.ruleModes },
  };
  for (const [setting, value] of Object.entries(draft.settings)) {
    const inherited = parent?.intrusionPrevention[setting as Setting];
    const next = value === null ? inherited : value;
    if (next !== undefined) Object.assign(result, { [setting]: next });
  }
  for (const [sid, mode] of Object.entries(draft.ruleModes)) {
    const next = mode ?? parent?.intrusionPrevention.ruleModes[sid];
    if (next === undefined) delete result.ruleModes[sid];
    else result.ruleModes[sid] = next;
  }
  return result;
}

/** The ports of a typed list, and the parts of it that are none. */
export function parsePorts(typed: string): { ports: string[]; wrong: string[] } {
  const ports: string[] = [];
  const wrong: string[] = [];
  for (const part of typed.split(/[,、\s]+/).filter((word) => word !== "")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const first = Number(match?.[1] ?? 0);
    const last = Number(match?.[2] ?? first);
    if (match !== null && first >= 1 && last <= 65_535 && first <= last) ports.push(part);
    else wrong.push(part);
  }
  return { ports, wrong };
}

/** The settings that a policy sets itself, to be taken over by a copy of it. */
export function ownSettings(policy: Policy): IntrusionPreventionPatch {
  const settings = policy.intrusionPrevention;
  const own = Object.fromEntries(
    Object.entries(settings).filter(([name]) => name !== "ruleModes" && policy.overridden.includes(name)),
  ) as IntrusionPreventionPatch;
  const modes = Object.fromEntries(
    policy.overriddenRuleModes.flatMap((sid) => {
      const mode = settings.ruleModes[sid];
      return mode === undefined ? [] : [[sid, mode]];
    }),
  );
  return Object.keys(modes).length > 0 ? { ...own, ruleModes: modes } : own;
}
