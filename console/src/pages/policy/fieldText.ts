import type { TFunction } from "i18next";
import i18next from "i18next";
import { textOfCode } from "../../i18n";
import { EXCLUDED, entriesOf, type Field, propertiesOf } from "../../moduleSettings";
import { parsePorts } from "../../policyDraft";

/** A text as it is typed, and what is wrong with it. */
export interface Typed {
  text: string;
  wrong?: string;
}

/** The name of a property for people. */
export function propertyTitle(module: string, property: string): string {
  return textOfCode(`setting.${module}`, property);
}

/** What to know of a property before it is set, where there is something. */
export function propertyHint(module: string, property: string): string | undefined {
  const key = `settingHint.${module}.${property}`;
  return i18next.exists(key) ? i18next.t(key as never) : undefined;
}

/** What to know of a member of an entry before it is set, where there is something. */
export function memberHint(type: string, member: string): string | false {
  const key = `memberHint.${type}.${member}`;
  return i18next.exists(key) ? i18next.t(key as never) : false;
}

/** One of the values that may be chosen. */
export function choiceTitle(type: string, value: string): string {
  if (type === "Mode") return textOfCode("mode", value);
  if (type === "Severity") return textOfCode("severity", value);
  return textOfCode(`choice.${type}`, value);
}

/** Whether a list is typed into one line. */
export function isPorts(field: Field): boolean {
  return field.kind === "list" && field.item.kind === "text" && field.item.type === "Ports";
}

/** A value as it is typed. */
export function written(field: Field, value: unknown): string {
  if (field.kind !== "list") return value === undefined || value === null ? "" : String(value);
  return (Array.isArray(value) ? value : []).join(isPorts(field) ? ", " : "\n");
}

/** What a typed text comes to. */
export function read(field: Field, text: string, t: TFunction): { value?: unknown; wrong?: string } {
  if (field.kind === "number") {
    const number = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
    const { minimum, maximum } = field;
    return number >= minimum && number <= maximum
      ? { value: number }
      : { wrong: t("policy.notInRange", { minimum, maximum }) };
  }
  if (field.kind !== "list") return { value: text };
  let list = text.split("\n").map((line) => line.trim());
  list = list.filter((line) => line !== "");
  if (isPorts(field)) {
    const { ports, wrong } = parsePorts(text);
    if (wrong[0] !== undefined) return { wrong: t("policy.portsInvalid", { value: wrong[0] }) };
    list = ports;
  }
  if (field.maximum !== undefined && list.length > field.maximum) {
    return { wrong: t("policy.tooMany", { maximum: field.maximum }) };
  }
  return { value: list };
}

/** A value in a few words. */
export function inWords(field: Field, value: unknown, t: TFunction): string {
  switch (field.kind) {
    case "boolean":
      return t(value === true ? "common.yes" : "common.no");
    case "choice":
      return choiceTitle(field.type, String(value));
    case "list":
      return (Array.isArray(value) ? value : []).map((one) => inWords(field.item, one, t)).join(", ");
    case "object": {
      const own = entriesOf(value);
      return field.members
        .filter((member) => own[member.name] !== undefined && own[member.name] !== null)
        .map(
          (member) =>
            `${textOfCode(`member.${field.type}`, member.name)}: ${inWords(member.field, own[member.name], t)}`,
        )
        .join("; ");
    }
    case "keyed":
      return Object.keys(entriesOf(value)).join(", ");
    case "text":
      if (i18next.exists(`choice.${field.type}.${value}`)) {
        return textOfCode(`choice.${field.type}`, String(value));
      }
      return typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
    default:
      return typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
  }
}

/** The value of a setting that a change names by its pointer, in words. */
export function settingInWords(
  module: string,
  parts: readonly string[],
  value: unknown,
  t: TFunction,
): string {
  const [property = "", key] = parts;
  const field = propertiesOf(module).find((one) => one.name === property)?.field;
  if (value === EXCLUDED && key !== undefined) return t("change.excluded");
  const member = field?.kind === "object" && field.members.find((candidate) => candidate.name === key)?.field;
  const one = field?.kind === "keyed" && key !== undefined ? field.entry : member || field;
  if (one !== undefined) return inWords(one, value, t);
  return typeof value === "string" ? value : JSON.stringify(value);
}
