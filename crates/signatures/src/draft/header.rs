//! Header fields that are sets of bits: `flags`, `fragbits`.
use super::{Builder, Finding, RawOption, Word, shown, value};
use crate::condition::{BitTest, Check};
use crate::fact::Fact;

impl Builder<'_> {
    /// `flags:S,12`, `flags:+SA`, `flags:!R`
    pub(super) fn tcp_flags(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (text, ignored) = word.text.split_once(',').unwrap_or((word.text, ""));
        let letter = |c: char| {
            Some(match c.to_ascii_uppercase() {
                'F' => 0x01,
                'S' => 0x02,
                'R' => 0x04,
                'P' => 0x08,
                'A' => 0x10,
                'U' => 0x20,
                'E' | '2' => 0x40,
                'C' | '1' => 0x80,
                '0' => 0,
                _ => return None,
            })
        };
        let help = "write letters of F S R P A U C E, or 0, behind + * or ! where wanted: flags:S,CE";
        let (how, wanted) = bits(word, text, letter, help)?;
        let ignored = ignored.trim_ascii().chars().try_fold(0_u64, |bits, c| Some(bits | letter(c)?));
        let Some(ignored) = ignored else { return Err(bad(word, help)) };
        self.checks.push(Check::Bits { fact: Fact::TcpFlags, ignored, wanted, how });
        Ok(())
    }

    /// `fragbits:MD`, `fragbits:!M`
    pub(super) fn fragment_bits(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let letter = |c: char| {
            Some(match c.to_ascii_uppercase() {
                'M' => 1,
                'D' => 2,
                'R' => 4,
                _ => return None,
            })
        };
        let (how, wanted) =
            bits(word, word.text, letter, "write letters of M D R, behind + * or ! where wanted")?;
        self.checks.push(Check::Bits { fact: Fact::FragmentBits, ignored: 0, wanted, how });
        Ok(())
    }
}

/// How bits are compared, and which.
fn bits(
    word: Word<'_>,
    text: &str,
    letter: impl Fn(char) -> Option<u64>,
    help: &str,
) -> Result<(BitTest, u64), Finding> {
    let text = text.trim_ascii();
    let (how, letters) = match text.split_at_checked(1) {
        Some(("+", rest)) => (BitTest::AllAndMore, rest),
        Some(("*", rest)) => (BitTest::Any, rest),
        Some(("!", rest)) => (BitTest::None, rest),
        _ => (BitTest::Exactly, text),
    };
    let wanted = letters.trim_ascii().chars().try_fold(0_u64, |bits, c| Some(bits | letter(c)?));
    match wanted {
        Some(wanted) if !letters.trim_ascii().is_empty() => Ok((how, wanted)),
        _ => Err(bad(word, help)),
    }
}

fn bad(word: Word<'_>, help: &str) -> Finding {
    Finding::error("S014", word.at, format!("not a set of flags: {}", shown(word.text)), help)
}
