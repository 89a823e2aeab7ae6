import { describe, expect, it } from "vitest";
import { fromBase64, hexRows, textRuns } from "./bytes";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("bytes of an event", () => {
  it("come out of Base64, and are nothing where it is broken", () => {
    expect([...fromBase64("AP9B")]).toEqual([0, 255, 65]);
    expect([...fromBase64("%%%")]).toEqual([]);
  });

  it("are marked exactly where the match stands", () => {
    expect(textRuns(bytes("GET /?id=1abc HTTP"), 6, 7)).toEqual([
      { text: "GET /?", marked: false },
      { text: "id=1abc", marked: true },
      { text: " HTTP", marked: false },
    ]);
  });

  it("show what has no glyph, and cannot turn the text around", () => {
    expect(textRuns(bytes("a\r\nb\u0000\u202ec"), 0, 0)).toEqual([
      { text: "a\\r\\n\nb\\x00\\u{202e}c", marked: false },
    ]);
  });

  it("bear a match that is longer than the excerpt, or beyond it", () => {
    expect(textRuns(bytes("abc"), 2, 100)).toEqual([
      { text: "ab", marked: false },
      { text: "c", marked: true },
    ]);
    expect(textRuns(bytes("abc"), 9, 1)).toEqual([{ text: "abc", marked: false }]);
  });

  it("stand in rows of 16 with the offset in the buffer", () => {
    const rows = hexRows(bytes("0123456789abcdefX\n"), 15, 2, 0x20);
    expect(rows.map((row) => row.offset)).toEqual([0x20, 0x30]);
    expect(rows[1]?.cells).toEqual([
      { hex: "58", ascii: "X", marked: true },
      { hex: "0a", ascii: ".", marked: false },
    ]);
    expect(rows.flatMap((row) => row.cells).filter((cell) => cell.marked)).toHaveLength(2);
  });
});
