import { quoted } from "./api/alerts";

/** How often something was counted. */
export interface Total {
  key: string;
  count: number;
}

/** What comes together of each key over all intervals, the most first; those counted together (`*`) have no place. */
export function totalsOf(counts: readonly { key: string; count: number }[]): Total[] {
  const totals = new Map<string, number>();
  for (const { key, count } of counts) {
    if (key !== "*") totals.set(key, (totals.get(key) ?? 0) + count);
  }
  return [...totals]
    .map(([key, count]) => ({ key, count }))
    .sort((one, other) => other.count - one.count || (one.key < other.key ? -1 : 1));
}

/** By which member an event of a kind names its rule, as the manager counts them. */
const MEMBERS: Record<string, string> = {
  intrusion: "sid",
  "web-attack": "message",
  firewall: "rule",
  malware: "signature",
  integrity: "set",
  log: "rule",
  "web-reputation": "category",
};

/** A counted rule: `intrusion:9000001`. */
export function ruleOf(key: string): { kind: string; value: string; filter: string } {
  const at = key.indexOf(":");
  const [kind, value] = [key.slice(0, at), key.slice(at + 1)];
  const member = MEMBERS[kind];
  const test = member === undefined ? undefined : `detail.${member} = ${quoted(value)}`;
  return { kind, value, filter: [`kind = ${kind}`, test].filter(Boolean).join(" AND ") };
}

/** The events that came from an address, as the manager counts them. */
export function sourceFilter(address: string): string {
  const value = quoted(address);
  return `(kind = intrusion AND detail.client = ${value}) OR (kind = web-attack AND detail.client = ${value}) OR (kind = firewall AND detail.source = ${value}) OR (kind = log AND detail.sourceAddress = ${value})`;
}
