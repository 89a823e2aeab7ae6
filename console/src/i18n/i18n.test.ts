import { describe, expect, it } from "vitest";
import { CONFIGURABLE, type Field, propertiesOf } from "../moduleSettings";
import { en } from "./en";
import { initialLanguage } from "./index";
import { ja } from "./ja";

function texts(node: object, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(node)) {
    const here = path === "" ? key : `${path}.${key}`;
    if (typeof value === "string") found.set(here, value);
    else for (const [inner, text] of texts(value as object, here)) found.set(inner, text);
  }
  return found;
}

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();

/** Texts that are the same in both languages on purpose. */
const SAME = new Set([
  "settings.english",
  "settings.japanese",
  "app.name",
  "event.cves",
  "rules.cve",
  "rules.cvss",
  "choice.Protocol.tcp",
  "choice.Protocol.udp",
  "choice.Protocol.icmp",
  "choice.Protocol.icmpv6",
  "choice.Protocol.igmp",
  "choice.Protocol.gre",
  "choice.Protocol.esp",
  "choice.Protocol.sctp",
  "choice.Frame.ipv4",
  "choice.Frame.ipv6",
  "choice.Frame.arp",
  "choice.Protocol.arp",
]);

describe("texts", () => {
  const english = texts(en);
  const japanese = texts(ja);

  it("have the same keys in both languages", () => {
    expect([...japanese.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it("have the same values to fill in in both languages", () => {
    const differing = [...english].filter(
      ([key, text]) => `${placeholders(text)}` !== `${placeholders(japanese.get(key) ?? "")}`,
    );
    expect(differing).toEqual([]);
  });

  it("are translated", () => {
    const untranslated = [...english].filter(
      ([key, text]) =>
        japanese.get(key) === text && !SAME.has(key) && /[A-Za-z]{3}/.test(text.replace(/\{\{\w+\}\}/g, "")),
    );
    expect(untranslated.map(([key]) => key)).toEqual(["audit.actorKind.system"]);
  });

  it("are never empty", () => {
    for (const [key, text] of [...english, ...japanese]) expect(text.trim(), key).not.toBe("");
  });
});

describe("first language", () => {
  it.each([
    ["ja", ["en-US"], "ja"],
    [null, ["ja-JP", "en-US"], "ja"],
    [null, ["fr-FR", "en-GB", "ja"], "en"],
    [null, ["fr-FR"], "en"],
    ["xx", ["ja"], "ja"],
    [null, [], "en"],
  ] as const)("stored %s and browser %j give %s", (stored, browser, expected) => {
    expect(initialLanguage(stored, browser)).toBe(expected);
  });
});

describe("settings", () => {
  const english = texts(en);
  it("have a name for every module, property, member and choice", () => {
    const missing: string[] = [];
    const need = (key: string) => english.has(key) || missing.push(key);
    const look = (field: Field) => {
      if (field.kind === "choice" && field.type !== "Mode" && field.type !== "Severity") {
        for (const value of field.values) need(`choice.${field.type}.${value}`);
      }
      if (field.kind === "list") look(field.item);
      if (field.kind === "keyed") look(field.entry);
      if (field.kind !== "object") return;
      for (const member of field.members) {
        need(`member.${field.type}.${member.name}`);
        look(member.field);
      }
    };
    for (const module of CONFIGURABLE) {
      need(`module.${module}`);
      need(`moduleHint.${module}`);
      for (const property of propertiesOf(module)) {
        need(`setting.${module}.${property.name}`);
        look(property.field);
      }
    }
    expect(missing).toEqual([]);
  });
});
