import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";
import { ja } from "./ja";

/** A language the console speaks. */
export type Language = "en" | "ja";

const STORED = "sakimori.language";

/** The language chosen here before, else the first of the browser's that the console speaks, else English. */
export function initialLanguage(stored: string | null, browser: readonly string[]): Language {
  if (stored === "en" || stored === "ja") return stored;
  for (const tag of browser) {
    const primary = tag.toLowerCase().split("-")[0];
    if (primary === "en" || primary === "ja") return primary;
  }
  return "en";
}

/** Starts the translations; `document.documentElement.lang` follows the language. */
export function startI18n(): void {
  i18next.on("languageChanged", (language) => {
    document.documentElement.lang = language;
  });
  void i18next.use(initReactI18next).init({
    lng: initialLanguage(localStorage.getItem(STORED), navigator.languages),
    fallbackLng: "en",
    resources: { en: { translation: en }, ja: { translation: ja } },
    interpolation: { escapeValue: false },
    initAsync: false,
    showSupportNotice: false,
  });
}

/** Speaks this language from now on, also after a reload. */
export function chooseLanguage(language: Language): void {
  localStorage.setItem(STORED, language);
  void i18next.changeLanguage(language);
}

/** A text by a code that came from outside, or the code itself where there is none. */
export function textOfCode(group: string, code: string, values: Record<string, string> = {}): string {
  const key = `${group}.${code}`;
  return i18next.exists(key) ? i18next.t(key as never, values) : code;
}
