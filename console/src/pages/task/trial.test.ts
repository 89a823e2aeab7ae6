import { describe, expect, it } from "vitest";
import { factsOf, NO_FACTS } from "./trial";

describe("facts of a trial", () => {
  it("say nothing where nothing was typed", () => {
    expect(factsOf(NO_FACTS)).toEqual({});
    expect(factsOf({ ...NO_FACTS, hostName: "  " })).toEqual({});
  });
  it("are those that were typed", () => {
    const typed = {
      ...NO_FACTS,
      hostName: " shop-7 ",
      addresses: "10.0.0.7, 2001:db8::7",
      tags: "role=shop, canary",
      region: "japaneast",
      cloudTags: "env=prod",
    };
    expect(factsOf(typed)).toEqual({
      hostName: "shop-7",
      addresses: ["10.0.0.7", "2001:db8::7"],
      tags: { role: "shop", canary: "" },
      cloud: { region: "japaneast", tags: { env: "prod" } },
    });
  });
});
