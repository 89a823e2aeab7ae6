import { describe, expect, it } from "vitest";
import { mergeFirstPage } from "./merge";

const page = (ids: string, nextCursor: string | null) => ({
  items: [...ids].map((id) => ({ id })),
  nextCursor,
});
const ids = (pages: { items: { id: string }[] }[]) =>
  pages.map((one) => one.items.map((item) => item.id).join("")).join("|");

describe("live list", () => {
  const shown = { pages: [page("dcb", "b"), page("a", null)], pageParams: [undefined, "b"] };

  it("takes what is new to its top, each once", () => {
    const merged = mergeFirstPage(shown, page("fed", "d"));
    expect(ids(merged.pages)).toBe("fedcb|a");
    expect(merged.pageParams).toEqual([undefined, "b"]);
  });

  it("stays the same object where nothing is new", () => {
    expect(mergeFirstPage(shown, page("dcb", "b"))).toBe(shown);
  });

  it("starts anew where more came than one part holds, so that nothing is missing in the middle", () => {
    const merged = mergeFirstPage(shown, page("zyx", "x"));
    expect(ids(merged.pages)).toBe("zyx");
    expect(merged.pages[0]?.nextCursor).toBe("x");
  });

  it("begins with the first that come", () => {
    const empty = { pages: [page("", null)], pageParams: [undefined] };
    expect(ids(mergeFirstPage(empty, page("a", null)).pages)).toBe("a");
  });
});
