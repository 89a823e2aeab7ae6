import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { rulesQuery } from "../api/queries";
import { detailOf, type Event, type Rule } from "../api/types";
import { eventHeadline } from "./eventText";

/** A text that the API gives in both languages, in the one that is spoken. */
export function spoken(text: { en: string; ja: string }, language: string): string {
  return (language === "ja" ? text.ja : text.en) || text.en;
}

/** The name of a rule for people; its message where the pack gives it none. */
export function ruleTitle(rule: Rule, language: string): string {
  return spoken(rule.title, language) || rule.message;
}

/**
 * Names events in a few words.
 *
 * An attack carries its rule's message, which is English; in another language the rule's title says it,
 * where the rule is still there.
 */
export function useEventHeadline(): (event: Event) => string {
  const { i18n } = useTranslation();
  const translated = i18n.language !== "en";
  const { data: rules } = useQuery({ ...rulesQuery(""), enabled: translated });
  const titles = new Map(rules?.map((rule) => [rule.sid, ruleTitle(rule, i18n.language)]));
  return (event) => {
    const known = detailOf(event);
    const title = known.kind === "intrusion" && translated ? titles.get(known.detail.sid) : undefined;
    return title ?? eventHeadline(event);
  };
}
