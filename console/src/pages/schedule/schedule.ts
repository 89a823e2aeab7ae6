/** How often, in the words of a form; anything else is written as cron has it. */
export const FREQUENCIES = ["hourly", "daily", "weekly", "monthly", "own"] as const;
export type Frequency = (typeof FREQUENCIES)[number];

/** A schedule as a form has it. */
export interface When {
  frequency: Frequency;
  minute: number;
  hour: number;
  /** Days of the week, 0 is Sunday. */
  weekdays: number[];
  /** Day of the month, or its last one. */
  day: number | "L";
  /** Five fields, where it is one's own. */
  own: string;
}

const NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const number = (text: string, most: number) =>
  /^\d{1,2}$/.test(text) && Number(text) <= most ? Number(text) : undefined;

/** `mon-fri`, `0,6`; nothing where it is anything else. */
function weekdaysOf(text: string): number[] | undefined {
  const found = new Set<number>();
  for (const part of text.toLowerCase().split(",")) {
    const ends = part.split("-").map((end) => {
      const named = NAMES.indexOf(end);
      return named >= 0 ? named : number(end, 7);
    });
    const [from, to = from] = ends;
    if (ends.length > 2 || from === undefined || to === undefined || from > to) return undefined;
    for (let day = from; day <= to; day += 1) found.add(day % 7);
  }
  return [...found].sort((a, b) => a - b);
}

/** Reads a schedule of five fields; what a form cannot say is one's own. */
export function whenOf(schedule: string): When {
  const own: When = { frequency: "own", minute: 30, hour: 2, weekdays: [0], day: 1, own: schedule };
  const fields = schedule.trim().split(/\s+/);
  const [minutes, hours, days, months, weekdays] = fields;
  if (fields.length !== 5 || months !== "*" || minutes === undefined || hours === undefined) return own;
  const minute = number(minutes, 59);
  if (minute === undefined || days === undefined || weekdays === undefined) return own;
  if (hours === "*" && days === "*" && weekdays === "*") return { ...own, frequency: "hourly", minute };
  const hour = number(hours, 23);
  if (hour === undefined) return own;
  if (days === "*" && weekdays === "*") return { ...own, frequency: "daily", minute, hour };
  if (days === "*") {
    const some = weekdaysOf(weekdays);
    return some === undefined ? own : { ...own, frequency: "weekly", minute, hour, weekdays: some };
  }
  const day = days.toUpperCase() === "L" ? "L" : number(days, 31);
  if (weekdays !== "*" || day === undefined || day === 0) return own;
  return { ...own, frequency: "monthly", minute, hour, day };
}

/** The five fields that a form says. */
export function scheduleOf({ frequency, minute, hour, weekdays, day, own }: When): string {
  switch (frequency) {
    case "hourly":
      return `${minute} * * * *`;
    case "daily":
      return `${minute} ${hour} * * *`;
    case "weekly":
      return `${minute} ${hour} * * ${weekdays.map((one) => NAMES[one]).join(",")}`;
    case "monthly":
      return `${minute} ${hour} ${day} * *`;
    default:
      return own.trim();
  }
}

/** The zones that the browser knows, and `zone` in any case. */
export function zonesWith(zone: string): string[] {
  const zones = new Set(["UTC", ...Intl.supportedValuesOf("timeZone"), zone]);
  return [...zones].sort();
}

/** The short name of a day of the week: 0 is Sunday. */
export function weekdayName(day: number, language: string): string {
  // 2026-11-01 was a Sunday.
  return new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" }).format(
    new Date(Date.UTC(2026, 10, 1 + day)),
  );
}

/** `2:30` as people of the language write it. */
export function timeOfDay({ hour, minute }: Pick<When, "hour" | "minute">, language: string): string {
  return new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone: "UTC",
  }).format(new Date(Date.UTC(2026, 10, 1, hour, minute)));
}
