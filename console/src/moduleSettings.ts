import { MODULES, SEVERITIES } from "./api/types";
import generated from "./generated/settings.json";

/** What a form has to know of a value. */
export type Field =
  | { kind: "boolean" }
  | { kind: "choice"; type: string; values: string[] }
  | { kind: "number"; minimum: number; maximum: number }
  | { kind: "text"; type?: string }
  | { kind: "list"; maximum?: number; item: Field }
  | { kind: "keyed"; numbered: boolean; entry: Field }
  | { kind: "object"; type: string; members: Member[] };

/** A property of a module's settings, or a member of one of its entries. */
export interface Member {
  name: string;
  required: boolean;
  default?: unknown;
  field: Field;
}

export type ObjectField = Extract<Field, { kind: "object" }>;
export type KeyedField = Extract<Field, { kind: "keyed" }>;

/** Values by module and property. */
export type Values = Record<string, Record<string, unknown>>;

/** In the place of a keyed value: what is inherited under this key does not count here. */
export const EXCLUDED = "excluded";

const SCHEMAS: Record<string, Member[]> = generated as unknown as Record<string, Member[]>;

/** The API writes a severity as a text. */
function known(member: Member): Member {
  if (member.name !== "severity" || member.field.kind !== "text") return member;
  return { ...member, field: { kind: "choice", type: "Severity", values: [...SEVERITIES] } };
}

function refined(field: Field): Field {
  if (field.kind === "keyed") return { ...field, entry: refined(field.entry) };
  if (field.kind !== "object") return field;
  return { ...field, members: field.members.map(known) };
}

const PROPERTIES = new Map(
  Object.entries(SCHEMAS).map(([module, members]) => [
    module,
    members.map((one) => ({ ...one, field: refined(one.field) })),
  ]),
);

/** What a policy has settings for, in the order that people are shown: modules, and the engine that some share. */
export const CONFIGURABLE = [...MODULES, "network-engine" as const].filter((module) =>
  PROPERTIES.has(module),
);
export type Configurable = (typeof CONFIGURABLE)[number];

/** The properties of a module; the mode comes first. */
export function propertiesOf(module: string): Member[] {
  return PROPERTIES.get(module) ?? [];
}

/** Whether a property merges key by key over the policy tree. */
export function isKeyed(module: string, property: string): boolean {
  const field = propertiesOf(module).find((one) => one.name === property)?.field;
  return field?.kind === "keyed" || field?.kind === "object";
}

/** A JSON pointer (RFC 6901) of these parts. */
export function pointer(...parts: string[]): string {
  return parts.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Whether two JSON values are the same, whatever the order of their members. */
export function same(one: unknown, other: unknown): boolean {
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return Object.is(one, other);
  }
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every(
      (key) =>
        Object.hasOwn(other, key) &&
        same((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]),
    )
  );
}

/** A JSON object, or an empty one in the place of anything else. */
export function entriesOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** The built-in defaults of a module. */
export function defaultsOf(module: string): Record<string, unknown> {
  return Object.fromEntries(propertiesOf(module).map((one) => [one.name, one.default]));
}

/** What local settings come to over those that are inherited. */
export function overlay(
  module: string,
  inherited: Record<string, unknown>,
  local: Record<string, unknown>,
): Record<string, unknown> {
  const result = { ...inherited };
  for (const [property, value] of Object.entries(local)) {
    if (!isKeyed(module, property)) {
      result[property] = value;
      continue;
    }
    const merged = { ...entriesOf(result[property]) };
    for (const [key, entry] of Object.entries(entriesOf(value))) {
      if (entry === EXCLUDED) delete merged[key];
      else merged[key] = entry;
    }
    result[property] = merged;
  }
  return result;
}
