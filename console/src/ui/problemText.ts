import i18next from "i18next";
import type { FieldError, Problem } from "../api/types";

const known = (key: string, values: Record<string, string> = {}): string | undefined =>
  i18next.exists(key) ? (i18next.t(key as never, values) as string) : undefined;

/** What is wrong and what to do, in the language in use; the manager's own English where there is no other. */
export function problemText(problem: Problem, language: string): { title: string; detail: string } {
  if (language !== "ja") return problem;
  return {
    title: known(`problem.title.${problem.code}`) ?? problem.title,
    detail: problem.errors.length > 0 ? "" : (known(`problem.detail.${problem.code}`) ?? problem.detail),
  };
}

/** What is wrong with a member of a request. */
export function fieldErrorText(error: FieldError, language: string): string {
  if (language !== "ja") return error.message;
  const words = known(`problem.field.${error.code}`, error.args);
  // A value that is not filled in would be worse than the manager's English.
  return words === undefined || words.includes("{{") ? error.message : words;
}
