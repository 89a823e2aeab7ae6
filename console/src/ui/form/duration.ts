/** Units that a length of time is typed in, the longest first, with their seconds. */
export const UNITS = [
  ["days", 86_400],
  ["hours", 3_600],
  ["minutes", 60],
  ["seconds", 1],
] as const;
export type Unit = (typeof UNITS)[number][0];

/** A length of time in the largest unit that says it whole. */
export function partsOf(seconds: number): { number: number; unit: Unit } {
  if (seconds === 0) return { number: 0, unit: "minutes" };
  const [unit, length] = UNITS.find(([, one]) => seconds % one === 0) ?? UNITS[3];
  return { number: seconds / length, unit };
}

/** The seconds of what is typed; nothing where it is no whole number or out of its bounds. */
export function secondsOf(
  typed: string,
  unit: Unit,
  { least, most }: { least: number; most: number },
): number | undefined {
  if (!/^\d{1,9}$/.test(typed.trim())) return undefined;
  const length = UNITS.find(([name]) => name === unit)?.[1] ?? 1;
  const seconds = Number(typed) * length;
  return seconds >= least && seconds <= most ? seconds : undefined;
}
