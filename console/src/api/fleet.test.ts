import { describe, expect, it } from "vitest";
import { type ComputerGroup, parseTags, tagTexts, treeOf } from "./fleet";

const group = (id: string, parentId: string | null): ComputerGroup => ({
  id,
  name: id,
  description: "",
  parentId,
  computers: 0,
  updatedAt: "",
  etag: "",
});

describe("groups", () => {
  it("are read as a tree, from top to bottom", () => {
    const tree = treeOf([group("b", null), group("a2", "a"), group("a", null), group("a1", "a")]);
    expect(tree.map(({ group, depth }) => `${depth}${group.name}`)).toEqual(["0a", "1a1", "1a2", "0b"]);
  });

  it("leave out a cycle instead of walking it for ever", () => {
    expect(treeOf([group("a", "b"), group("b", "a")])).toEqual([]);
  });
});

describe("tags", () => {
  it("are what was typed, and are shown as they are typed", () => {
    const tags = parseTags(" role=web, canary ,, a=b=c");
    expect(tags).toEqual({ role: "web", canary: "", a: "b=c" });
    expect(tagTexts(tags)).toEqual(["role=web", "canary", "a=b=c"]);
  });
});
