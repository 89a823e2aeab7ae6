import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import { startI18n } from "../i18n";
import { fieldErrorText, problemText } from "./problemText";

const problem = (code: string) => ({
  type: "about:blank",
  title: "The manager's title.",
  detail: "The manager's detail.",
  status: 409,
  code,
  errors: [],
  requestId: "r",
});
const field = (code: string, args: Record<string, string> = {}) => ({
  pointer: "/filter",
  code,
  message: "The manager's sentence.",
  args,
});

describe("refusals", () => {
  beforeAll(async () => {
    startI18n();
    await i18next.changeLanguage("ja");
  });

  it("are the manager's own in English", () => {
    expect(problemText(problem("name-taken"), "en").title).toBe("The manager's title.");
    expect(fieldErrorText(field("Q005", { column: "3" }), "en")).toBe("The manager's sentence.");
  });

  it("are translated by their code, with their values", () => {
    expect(problemText(problem("name-taken"), "ja")).toEqual({
      title: "この名前はすでに使われています。",
      detail: "別の名前を選んでください。",
    });
    expect(fieldErrorText(field("Q005", { column: "3" }), "ja")).toBe("3 文字目: その項目はありません。");
  });

  it("stay the manager's where a code is new or a value is missing", () => {
    expect(problemText(problem("brand-new"), "ja").title).toBe("The manager's title.");
    expect(problemText(problem("invalid"), "ja").detail).toBe("The manager's detail.");
    expect(fieldErrorText(field("brand-new"), "ja")).toBe("The manager's sentence.");
    expect(fieldErrorText(field("Q005"), "ja")).toBe("The manager's sentence.");
  });
});
