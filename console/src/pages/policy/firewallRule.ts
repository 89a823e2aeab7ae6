import { entriesOf, type Field, type Member } from "../../moduleSettings";

/** The members of a firewall rule in the order in which people think of them. */
const MEMBERS = [
  "action",
  "direction",
  "priority",
  "protocol",
  "ports",
  "remote",
  "local",
  "sourcePorts",
  "interfaces",
  "macs",
  "frame",
  "flags",
  "icmp",
  "not",
  "mode",
  "log",
  "schedule",
  "context",
];

/** In the order in which rules of one priority are asked. */
const ACTIONS = ["bypass", "log-only", "force-allow", "deny", "allow"];

/** Protocols that have names; others are numbers. */
export const PROTOCOLS = [
  "any",
  "tcp",
  "udp",
  "tcp-udp",
  "icmp",
  "icmpv6",
  "igmp",
  "gre",
  "esp",
  "ah",
  "sctp",
];

/** Kinds of packets that have names; other frames are numbers. */
export const FRAMES = ["ip", "ipv4", "ipv6", "arp"];

const isRule = (field: Field) => field.kind === "object" && field.type === "FirewallRule";

/** The members of an entry as its form shows them. */
export function ordered(field: Field): Member[] {
  if (field.kind !== "object") return [];
  if (!isRule(field)) return field.members;
  const place = (member: Member) =>
    (MEMBERS.indexOf(member.name) + MEMBERS.length + 1) % (MEMBERS.length + 1);
  return [...field.members].sort((one, other) => place(one) - place(other));
}

/** An entry after a member of it has changed: the priority follows an action that has only one. */
export function adjusted(field: Field, entry: Record<string, unknown>, changed: string) {
  if (!isRule(field) || changed !== "action") return entry;
  const { priority, ...rest } = entry;
  if (entry.action === "log-only") return { ...rest, priority: 4 };
  return entry.action === "allow" || priority === undefined ? rest : entry;
}

/** Names of entries in the order in which they are shown: firewall rules as they are asked. */
export function inOrder(field: Field, names: string[], value: (name: string) => unknown): string[] {
  if (!isRule(field)) return names;
  const rank = (name: string) => {
    const { priority, action } = entriesOf(value(name));
    const place = ACTIONS.indexOf(String(action));
    return (4 - (typeof priority === "number" ? priority : 0)) * 8 + (place < 0 ? 7 : place);
  };
  return [...names].sort((one, other) => rank(one) - rank(other));
}
