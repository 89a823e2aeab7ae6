//! Keywords that compare a number: those of the registry, `bsize`, `urilen`.
use super::{Aim, Buffer, Builder, Finding, Item, Range, RawOption, Step, Target, Word, shown, value};
use crate::condition::{Check, Which};
use crate::fact::Fact;

impl Builder<'_> {
    /// A number of the registry. Several, joined by commas or bars, are alternatives.
    pub(super) fn number(&mut self, fact: Fact, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let unquoted = word.text.trim_matches('"').trim_ascii();
        if fact.is_several() {
            let (range, which) = unquoted.rsplit_once(',').unwrap_or((unquoted, "any"));
            let range = Word { text: range.trim_ascii(), at: word.at };
            let range = Range::parse_with(range, u64::MAX, |text| fact.word(text))?;
            let which = match which.trim_ascii() {
                "any" => Which::Any,
                "all" => Which::All,
                place => Which::At(place.parse().map_err(|_not_a_number| {
                    Finding::error(
                        "S014",
                        word.at,
                        format!("not one of several: {}", shown(place)),
                        "write any, all, 0 for the first one, or -1 for the last one",
                    )
                })?),
            };
            self.checks.push(Check::Numbers { fact, range, which });
            return Ok(());
        }
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

    /// `flow.pkts:either,>10`
    pub(super) fn flow_count(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (side, range) = word.text.split_once(',').unwrap_or((word.text, ""));
        let range = Range::parse_with(Word { text: range, at: word.at + side.len() }, u64::MAX, |_| None)?;
        let facts = if option.name.text == "flow.pkts" {
            [Fact::FlowPacketsToServer, Fact::FlowPacketsToClient]
        } else {
            [Fact::FlowBytesToServer, Fact::FlowBytesToClient]
        };
        let [to_server, to_client] =
            facts.map(|fact| Check::Number { fact, ranges: vec![range], negated: false });
        self.checks.push(match side.trim_ascii() {
            "toserver" => to_server,
            "toclient" => to_client,
            "either" => Check::Any(vec![to_server, to_client]),
            other => {
                return Err(Finding::error(
                    "S014",
                    word.at,
                    format!("not a side of a flow: {}", shown(other)),
                    "write toserver, toclient or either",
                ));
            }
        });
        Ok(())
    }

    /// `tls_cert_notafter:>2020-01-01`, `tls_cert_notbefore:2015<>2016`
    pub(super) fn date(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let bad = || {
            Finding::error(
                "S014",
                word.at,
                format!("not a range of dates: {}", shown(word.text)),
                "write <2020-01-31, >2020-01-31T12:00:00, 2020, or 2020-01<>2020-06",
            )
        };
        let range = if let Some((low, high)) = word.text.split_once("<>") {
            Range::Between(date(low).ok_or_else(bad)?, date(high).ok_or_else(bad)?)
        } else if let Some(rest) = word.text.strip_prefix('<') {
            Range::Less(date(rest).ok_or_else(bad)?)
        } else if let Some(rest) = word.text.strip_prefix('>') {
            Range::Greater(date(rest).ok_or_else(bad)?)
        } else {
            Range::Equal(date(word.text).ok_or_else(bad)?)
        };
        let fact = if option.name.text.ends_with("before") { Fact::TlsNotBefore } else { Fact::TlsNotAfter };
        self.checks.push(Check::Number { fact, ranges: vec![range], negated: false });
        Ok(())
    }

    /// `tls_cert_valid`, `tls_cert_expired`
    pub(super) fn certificate_valid(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)?;
        let wanted = u64::from(option.name.text == "tls_cert_expired");
        self.checks.push(Check::Number {
            fact: Fact::TlsExpired,
            ranges: vec![Range::Equal(wanted)],
            negated: false,
        });
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

/// Seconds since 1970 of a date that may be cut after any of its parts: `2020-01-31T12:00:00`.
fn date(text: &str) -> Option<u64> {
    let mut parts = [0_u64, 1, 1, 0, 0, 0];
    let text = text.trim_ascii().trim_matches('"').trim_end_matches('Z');
    let mut written = text.split(['-', 'T', ':', ' ']);
    for part in &mut parts {
        let Some(text) = written.next() else { break };
        *part = text.parse().ok()?;
    }
    let [year, month, day, hour, minute, second] = parts;
    let valid = written.next().is_none()
        && (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !valid {
        return None;
    }
    // days of years that begin in March, so that a leap day ends one
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_may_be_cut() {
        for (text, seconds) in [
            ("1970", Some(0)),
            ("2000-03-01", Some(951_868_800)),
            ("2015-10-22T23:59:59", Some(1_445_558_399)),
            ("2015-13", None),
            ("a", None),
        ] {
            assert_eq!(date(text), seconds, "{text}");
        }
    }
}
