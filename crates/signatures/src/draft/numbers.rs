//! Keywords that compare a number: those of the registry, `bsize`, `urilen`.
use super::{Aim, Buffer, Builder, Finding, Item, Range, RawOption, Step, Target, Word, shown, value};
use crate::condition::Check;
use crate::fact::Fact;

impl Builder<'_> {
    /// A number of the registry. Several, joined by commas or bars, are alternatives.
    pub(super) fn number(&mut self, fact: Fact, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let unquoted = word.text.trim_matches('"').trim_ascii();
        let (negated, list) = match unquoted.strip_prefix('!') {
            Some(rest) if rest.contains([',', '|']) || fact.word(rest.trim_ascii()).is_some() => {
                (true, rest.trim_ascii())
            }
            _ => (false, unquoted),
        };
        let mut ranges = Vec::new();
        for part in list.split([',', '|']) {
            let part = part.trim_ascii();
            let range = match fact.word(part) {
                // `any` is every bit: some option at all
                Some(mask) if fact.is_bits() => Range::Bits(mask, true),
                Some(number) => Range::Equal(number),
                None => {
                    Range::parse_with(Word { text: part, at: word.at }, u64::MAX, |text| fact.word(text))?
                }
            };
            ranges.push(range);
        }
        self.checks.push(Check::Number { fact, ranges, negated });
        Ok(())
    }

    pub(super) fn buffer_size(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let range = Range::parse(value(option)?)?;
        self.push(Step::Size(range), option.name)
    }

    pub(super) fn uri_length(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (size, kind) = word.text.split_once(',').map_or((word.text, "raw"), |(s, k)| (s, k.trim_ascii()));
        let buffer = match kind {
            "raw" => Buffer::HttpUriRaw,
            "norm" => Buffer::HttpUri,
            _ => {
                return Err(Finding::error(
                    "S014",
                    word.at,
                    format!("not a form of urilen: {}", shown(kind)),
                    "write norm or raw",
                ));
            }
        };
        let range = Range::parse(Word { text: size.trim_ascii(), at: word.at })?;
        let aim = Aim::At(Target { buffer, transforms: Vec::new() });
        self.items.push(Item { aim, step: Step::Size(range) });
        Ok(())
    }
}
