import { useTranslation } from "react-i18next";

/** Words for times and numbers in one language. */
export interface Format {
  /** `Nov 22, 2026, 10:15:03 PM`. */
  time: (iso: string) => string;
  /** `Nov 22, 2026`. */
  day: (iso: string) => string;
  /** `3 minutes ago`. */
  ago: (iso: string, now?: number) => string;
  /** `1,234`. */
  number: (value: number) => string;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 24 * 3600],
  ["month", 30 * 24 * 3600],
  ["day", 24 * 3600],
  ["hour", 3600],
  ["minute", 60],
];

/** The words of one language. A text that is no time is given back as it is. */
export function formatFor(language: string): Format {
  const time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  // A day without a time is the same day everywhere.
  const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const number = new Intl.NumberFormat(language);
  const parsed = (iso: string, words: (date: Date) => string) => {
    const date = new Date(iso);
    return Number.isNaN(date.getTime()) ? iso : words(date);
  };
  return {
    time: (iso) => parsed(iso, (date) => time.format(date)),
    day: (iso) => parsed(iso, (date) => day.format(date)),
    ago: (iso, now = Date.now()) =>
      parsed(iso, (date) => {
        const seconds = Math.round((date.getTime() - now) / 1000);
        for (const [unit, length] of UNITS) {
          if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
        }
        return relative.format(seconds, "second");
      }),
    number: (value) => number.format(value),
  };
}

/** The words of the language in use. */
export function useFormat(): Format {
  const { i18n } = useTranslation();
  return formatFor(i18n.language);
}
