//! Names that an attacker chose, for people to read.
use std::fmt::Write as _;

/// Bytes as text that can be shown in a terminal, a table or a page: what is not a plain character is written as
/// `\n`, `\xNN` (a byte) or `\u{NNNN}` (a character that reorders or hides others). Two names never look alike.
///
/// Stops: escape sequences in file names that rewrite the operator's terminal, line breaks that fake a second
/// entry, right-to-left marks that make `gpj.php` out of `php.jpg`.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c if c.is_ascii_control() => {
                    let _infallible = write!(text, "\\x{:02x}", u32::from(c));
                }
                c if hides(c) => {
                    let _infallible = write!(text, "\\u{{{:04x}}}", u32::from(c));
                }
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _infallible = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Control characters beyond ASCII, and those without a shape of their own that change how others are seen.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(printable(b"a\x1b[2Jb\nc"), "a\\x1b[2Jb\\nc");
        assert_eq!(printable("\u{202e}gpj.php".as_bytes()), "\\u{202e}gpj.php");
        assert_eq!(printable(b"\xff\\n"), "\\xff\\\\n");
        assert_eq!(printable("日本語".as_bytes()), "日本語");
    }
}
