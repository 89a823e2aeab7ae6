import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import { startI18n } from "../../i18n";
import { settingInWords } from "./fieldText";

const words = (module: string, parts: string[], value: unknown) =>
  settingInWords(module, parts, value, i18next.t);

describe("a changed setting", () => {
  beforeAll(async () => {
    startI18n();
    await i18next.changeLanguage("en");
  });

  it("is said in words, whatever its form", () => {
    expect(words("firewall", ["mode"], "prevent")).toBe(i18next.t("mode.prevent"));
    expect(words("intrusion-prevention", ["httpPorts"], ["80", "8080"])).toBe("80, 8080");
    expect(words("intrusion-prevention", ["ruleModes", "9000001"], "off")).toBe(i18next.t("mode.off"));
    expect(words("firewall", ["rules", "ssh"], "excluded")).toBe("Left out here");
  });

  it("of an entry names its members, and is no JSON", () => {
    const rule = { action: "allow", direction: "in", protocol: "tcp", ports: ["22"], remote: [] };
    const said = words("firewall", ["rules", "ssh"], rule);
    expect(said).toContain(": 22");
    expect(said).not.toMatch(/[{}"]/);
  });

  it("of a module that the console does not know stays as it is", () => {
    expect(words("seventh", ["x"], 7)).toBe("7");
    expect(words("policy", ["description"], "text")).toBe("text");
  });
});
