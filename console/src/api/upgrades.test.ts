import { expect, test } from "vitest";
import { parseRings } from "./upgrades";

test("rings are typed in their order", () => {
  expect(parseRings("1%, tag:ring=canary,100%")).toEqual([
    { percent: 1 },
    { tag: "ring=canary" },
    { percent: 100 },
  ]);
  expect(parseRings("group:7f")).toEqual([{ groupId: "7f" }]);
  for (const wrong of ["", "10", "canary", "10%, x"]) expect(parseRings(wrong)).toBeUndefined();
});
