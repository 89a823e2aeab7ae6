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

/** Makes what has no glyph visible: control characters as their pictures, line ends also as line ends. */
function visible(text: string): string {
  return Array.from(text, (letter) => {
    const code = letter.codePointAt(0) ?? 0;
    if (code === 0x0a) return "␊\n";
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return "␡";
    // Format characters could turn the text around and show something else than what was sent.
    if (/\p{Cf}|\p{Cc}/u.test(letter)) return `\\u{${code.toString(16)}}`;
    return letter;
  }).join("");
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
