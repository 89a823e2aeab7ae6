import { detailOf, type Event } from "./api/types";

/** How many members there are of each kind. */
export function countBy<T, K>(items: readonly T[], kind: (item: T) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const item of items) counts.set(kind(item), (counts.get(kind(item)) ?? 0) + 1);
  return counts;
}

/** A rule and how often it matched. */
export interface RuleCount {
  sid: number;
  message: string;
  count: number;
}

/** The rules that matched most, at most `bound`; of equal ones the lower number first. */
export function topRules(
  events: readonly Event[],
  bound: number,
  headline: (event: Event) => string,
): RuleCount[] {
  const counts = new Map<number, RuleCount>();
  for (const event of events) {
    const known = detailOf(event);
    if (known.kind !== "intrusion") continue;
    const { sid } = known.detail;
    const before = counts.get(sid);
    if (before === undefined) counts.set(sid, { sid, message: headline(event), count: 1 });
    else before.count += 1;
  }
  return [...counts.values()]
    .sort((one, other) => other.count - one.count || one.sid - other.sid)
    .slice(0, bound);
}
