import {
  ACTIONS,
  type ComputerStatus,
  MODULE_STATES,
  MODULES,
  type ModuleState,
  SEVERITIES,
  STATUSES,
} from "./api/types";
import { CONFIGURABLE, type Configurable } from "./moduleSettings";

/** A period that events are looked at. */
export const PERIODS = ["hour", "day", "week", "month", "custom"] as const;
export type Period = (typeof PERIODS)[number];

const PERIOD_HOURS: Record<Exclude<Period, "custom">, number> = {
  hour: 1,
  day: 24,
  week: 7 * 24,
  month: 30 * 24,
};

/** What events are sorted by; by their arrival where nothing is chosen. */
export const EVENT_SORTS = ["rank"] as const;
export type EventSort = (typeof EVENT_SORTS)[number];

export interface EventSearch {
  /** In the filter language. */
  filter?: string;
  severity?: string;
  action?: string;
  module?: string;
  q?: string;
  period?: Period;
  from?: string;
  to?: string;
  sort?: EventSort;
  live?: boolean;
  event?: string;
  computerId?: string;
}

/** What computers are sorted by; by their activation where nothing is chosen. */
export const COMPUTER_SORTS = ["displayName", "lastSeen", "assetValue"] as const;
export type ComputerSort = (typeof COMPUTER_SORTS)[number];

export interface ComputerSearch {
  status?: ComputerStatus;
  q?: string;
  groupId?: string;
  searchId?: string;
  tag?: string;
  policyId?: string;
  /** A module and how it is: one without the other finds nothing. */
  module?: Configurable;
  moduleState?: ModuleState;
  /** In the filter language. */
  filter?: string;
  sort?: ComputerSort;
  descending?: boolean;
}

export const TABS = [
  "overview",
  "coverage",
  "modules",
  "settings",
  "ports",
  "inventory",
  "recommendations",
  "events",
] as const;
export type Tab = (typeof TABS)[number];

export interface OneComputerSearch extends EventSearch {
  tab?: Tab;
}

type Raw = Record<string, unknown>;

function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((word) => word === value);
}

function text(value: unknown): string | undefined {
  // The router reads `?q=80` as a number.
  const words = typeof value === "number" ? String(value) : value;
  return typeof words === "string" && words !== "" ? words : undefined;
}

function instant(value: unknown): string | undefined {
  const words = text(value);
  return words !== undefined && !Number.isNaN(Date.parse(words)) ? words : undefined;
}

/** Reads the filter of the computers out of the address; what makes no sense is left out. */
export function parseComputerSearch(raw: Raw): ComputerSearch {
  const module = oneOf(raw.module, CONFIGURABLE);
  const moduleState = oneOf(raw.moduleState, MODULE_STATES);
  return {
    status: oneOf(raw.status, STATUSES),
    q: text(raw.q),
    groupId: text(raw.groupId),
    searchId: text(raw.searchId),
    tag: text(raw.tag),
    policyId: text(raw.policyId),
    ...(module !== undefined && moduleState !== undefined && { module, moduleState }),
    filter: text(raw.filter),
    sort: oneOf(raw.sort, COMPUTER_SORTS),
    descending: raw.descending === true ? true : undefined,
  };
}

/** Reads the filter of the events out of the address. */
export function parseEventSearch(raw: Raw): EventSearch {
  return {
    filter: text(raw.filter),
    severity: oneOf(raw.severity, SEVERITIES),
    action: oneOf(raw.action, ACTIONS),
    module: oneOf(raw.module, MODULES),
    q: text(raw.q),
    period: oneOf(raw.period, PERIODS),
    from: instant(raw.from),
    to: instant(raw.to),
    sort: oneOf(raw.sort, EVENT_SORTS),
    live: raw.live === false ? false : undefined,
    event: text(raw.event),
    computerId: text(raw.computerId),
  };
}

/** Reads what of one computer is shown out of the address. */
export function parseOneComputerSearch(raw: Raw): OneComputerSearch {
  return { ...parseEventSearch(raw), computerId: undefined, tab: oneOf(raw.tab, TABS) };
}

/** The bounds of the chosen period, as the API takes them. */
export function periodBounds(search: EventSearch, now: number): { from?: string; to?: string } {
  if (search.period === undefined) return {};
  if (search.period === "custom") {
    const iso = (value?: string) => (value === undefined ? undefined : new Date(value).toISOString());
    return { from: iso(search.from), to: iso(search.to) };
  }
  return { from: new Date(now - PERIOD_HOURS[search.period] * 3_600_000).toISOString() };
}

/** What of a policy is shown beside its name: a module, or its versions. */
export type PolicyPart = Configurable | "versions";

/** Reads which part of a policy is shown out of the address. */
export function parsePolicySearch(raw: Raw): { module?: PolicyPart } {
  return { module: oneOf<PolicyPart>(raw.module, [...CONFIGURABLE, "versions"]) };
}

/** What computers are narrowed by, in the filter language: what a smart folder of them begins with. */
export function computerFilterText(
  { status, tag, module, moduleState, filter, q }: ComputerSearch,
  names: { policy?: string; group?: string },
): string {
  const quoted = (value: string) => `"${value.replace(/[\\"]/g, "\\$&")}"`;
  const tests = [
    filter && `(${filter})`,
    status && `status = ${status}`,
    names.group && `group = ${quoted(names.group)}`,
    names.policy && `policy = ${quoted(names.policy)}`,
    tag && `tag = ${quoted(tag)}`,
    module && moduleState && `module.${module} = ${moduleState}`,
    q && `name = ${quoted(`*${q}*`)}`,
  ];
  return tests.filter((test) => test !== undefined && test !== "").join(" AND ");
}
