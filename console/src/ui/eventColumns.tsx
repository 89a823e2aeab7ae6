import i18next, { type TFunction } from "i18next";
import type { ReactNode } from "react";
import { type Details, detailOf, type Event } from "../api/types";
import { textOfCode } from "../i18n";
import { endpoint } from "./eventText";
import { spoken } from "./ruleText";

/** What a list shows of an event beside when, how bad and what. */
export interface EventColumn {
  id: string;
  title: (t: TFunction) => string;
  cell: (event: Event) => ReactNode;
}

/** The address that an event is about, where it is about one. */
function addressOf(event: Event): string | undefined {
  const known = detailOf(event);
  switch (known.kind) {
    case "firewall":
    case "reconnaissance":
      return known.detail.source;
    case "intrusion":
    case "web-attack":
    case "web-reputation":
      return known.detail.client;
    case "log":
      return known.detail.sourceAddress;
    default:
      return undefined;
  }
}

const SOURCE: EventColumn = { id: "source", title: (t) => t("events.source"), cell: addressOf };

/** A column of a field that only the events of one kind have. */
function column<K extends keyof Details>(
  kind: K,
  id: string,
  title: (t: TFunction) => string,
  cell: (detail: Details[K]) => ReactNode,
): EventColumn {
  return {
    id,
    title,
    cell: (event) => (event.kind === kind ? cell(event.detail as Details[K]) : undefined),
  };
}

const COLUMNS: Record<string, EventColumn[]> = {
  firewall: [
    column(
      "firewall",
      "direction",
      (t) => t("member.FirewallRule.direction"),
      (detail) => textOfCode("choice.Direction", detail.direction),
    ),
    column(
      "firewall",
      "protocol",
      (t) => t("event.protocol"),
      (detail) => textOfCode("choice.Protocol", detail.protocol),
    ),
    column(
      "firewall",
      "packets",
      (t) => t("event.packets"),
      (detail) => detail.count,
    ),
  ],
  "intrusion-prevention": [
    SOURCE,
    column(
      "intrusion",
      "server",
      (t) => t("event.server"),
      (detail) => endpoint(detail.server, detail.serverPort),
    ),
  ],
  "web-application-firewall": [
    SOURCE,
    column(
      "web-attack",
      "score",
      (t) => t("waf.score"),
      (detail) => `${detail.score} / ${detail.threshold}`,
    ),
    column(
      "web-attack",
      "path",
      (t) => t("event.target"),
      (detail) => detail.path,
    ),
  ],
  "anti-malware": [
    column(
      "malware",
      "done",
      (t) => t("event.done"),
      (detail) => textOfCode("event.malwareDone", detail.done),
    ),
    column(
      "malware",
      "trigger",
      (t) => t("event.trigger"),
      (detail) => textOfCode("event.triggers", detail.trigger),
    ),
    column(
      "malware",
      "process",
      (t) => t("event.process"),
      (detail) => detail.process,
    ),
  ],
  "integrity-monitoring": [
    column(
      "integrity",
      "set",
      (t) => t("event.set"),
      (detail) => detail.set,
    ),
    column(
      "integrity",
      "attributes",
      (t) => t("event.attributes"),
      (detail) => detail.attributes.map((one) => textOfCode("choice.Attribute", one.attribute)).join(", "),
    ),
    column(
      "integrity",
      "process",
      (t) => t("event.process"),
      (detail) => detail.process,
    ),
  ],
  "log-inspection": [
    column(
      "log",
      "level",
      (t) => t("event.level"),
      (detail) => detail.level,
    ),
    SOURCE,
    column(
      "log",
      "user",
      (t) => t("event.user"),
      (detail) => detail.user,
    ),
    column(
      "log",
      "file",
      (t) => t("event.logFile"),
      (detail) => detail.source,
    ),
  ],
  "web-reputation": [
    column(
      "web-reputation",
      "category",
      (t) => t("event.category"),
      (detail) => detail.category,
    ),
    SOURCE,
    column(
      "web-reputation",
      "seenIn",
      (t) => t("event.seenIn"),
      (detail) => textOfCode("event.seen", detail.seenIn),
    ),
  ],
  recommendation: [
    column(
      "recommendation",
      "module",
      (t) => t("event.rulesOf"),
      (detail) => textOfCode("module", detail.module),
    ),
    column(
      "recommendation",
      "reason",
      (t) => t("event.lostReason"),
      (detail) => spoken(detail.reason, i18next.language),
    ),
  ],
  agent: [
    column(
      "gap",
      "count",
      (t) => t("event.lostCount"),
      (detail) => detail.count,
    ),
    column(
      "gap",
      "reason",
      (t) => t("event.lostReason"),
      (detail) => textOfCode("event.gapReason", detail.reason),
    ),
  ],
};

/** The columns of a list that shows one module's events, or those of all. */
export function columnsOf(module: string | undefined): EventColumn[] {
  return (module === undefined ? undefined : COLUMNS[module]) ?? [SOURCE];
}
