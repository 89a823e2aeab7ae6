/** One row of a hex view. */
export interface HexRow {
  /** Offset of the first byte, as the buffer counts. */
  offset: number;
  cells: HexCell[];
}

/** One byte of a hex view. */
export interface HexCell {
  hex: string;
  ascii: string;
  marked: boolean;
}

/** A stretch of text that is marked or not. */
export interface TextRun {
  text: string;
  marked: boolean;
}

export const ROW_BYTES = 16;

/** The bytes of a Base64 text; nothing where it is none. */
export function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** The rows of a hex view. `start..start+length` are marked; `base` is the offset of the first byte. */
export function hexRows(bytes: Uint8Array, start: number, length: number, base: number): HexRow[] {
  const rows: HexRow[] = [];
  for (let at = 0; at < bytes.length; at += ROW_BYTES) {
    const cells = Array.from(bytes.subarray(at, at + ROW_BYTES), (byte, index) => ({
      hex: byte.toString(16).padStart(2, "0"),
      ascii: byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
      marked: at + index >= start && at + index < start + length,
    }));
    rows.push({ offset: base + at, cells });
  }
  return rows;
}

const ESCAPES: Record<string, string> = { "\n": "\\n\n", "\r": "\\r", "\t": "\\t" };

/** Makes what has no glyph visible by escapes; a line end is also one in view. */
function visible(text: string): string {
  // Format characters (`Cf`) could turn the text around and show something else than what was sent.
  return text.replace(/\p{Cc}|\p{Cf}/gu, (letter) => {
    const code = letter.codePointAt(0) ?? 0;
    return (
      ESCAPES[letter] ??
      (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`)
    );
  });
}

/** The bytes as text in stretches: before, within and after the marked part. */
export function textRuns(bytes: Uint8Array, start: number, length: number): TextRun[] {
  const decoder = new TextDecoder();
  const from = Math.min(start, bytes.length);
  const to = Math.min(from + length, bytes.length);
  const parts: [Uint8Array, boolean][] = [
    [bytes.subarray(0, from), false],
    [bytes.subarray(from, to), true],
    [bytes.subarray(to), false],
  ];
  return parts
    .filter(([part]) => part.length > 0)
    .map(([part, marked]) => ({ text: visible(decoder.decode(part)), marked }));
}
