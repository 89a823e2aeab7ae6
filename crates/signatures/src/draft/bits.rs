//! What is remembered between rules: `flowbits`, `xbits`, `hostbits`, `flowint`.
use super::{Builder, Finding, RawOption, Word, shown, value, words};
use crate::condition::{BitOperation, IntOperation, IntValue, Memory, Ordering, Remembered, Track};
use std::time::Duration;

/// How long a bit of a host is kept where the rule does not say.
const EXPIRES: Duration = Duration::from_secs(30);
/// `hostbits` do not say; they are kept as long as a host is usually heard of.
const HOST_EXPIRES: Duration = Duration::from_hours(1);
/// Longest that anything is kept: a week.
const MOST_SECONDS: u64 = 7 * 24 * 3600;

impl Builder<'_> {
    fn remember(&mut self, option: &RawOption<'_>, what: Memory) {
        self.remembered.push(Remembered { what, at: option.name.at });
    }

    pub(super) fn flowbits(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (operation, names) =
            word.text.split_once(',').map_or((word.text, ""), |(o, n)| (o.trim_ascii(), n));
        if operation.trim_ascii() == "noalert" {
            self.meta.noalert = true;
            return Ok(());
        }
        let operation = bit_operation(option, Word { text: operation.trim_ascii(), at: word.at })?;
        let names: Vec<String> = names.split('|').map(|n| n.trim_ascii().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err(nameless(option, word, "set,name"));
        }
        self.remember(option, Memory::FlowBits { operation, names });
        Ok(())
    }

    /// `xbits:set,name,track ip_src,expire 60`
    pub(super) fn xbits(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let first = parts.next().unwrap_or(word);
        if first.text == "noalert" {
            self.meta.noalert = true;
            return Ok(());
        }
        let operation = bit_operation(option, first)?;
        let name = parts.next().map(|name| name.text.to_owned()).filter(|name| !name.is_empty());
        let Some(name) = name else { return Err(nameless(option, word, "set,name,track ip_src")) };
        let (mut track, mut expires) = (None, EXPIRES);
        for part in parts {
            let bad = || {
                Finding::error(
                    "S051",
                    part.at,
                    format!("unexpected in xbits: {}", shown(part.text)),
                    "write track ip_src|ip_dst|ip_pair, and expire with a number of seconds",
                )
            };
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            match (key, argument.trim_ascii()) {
                ("track", "ip_src") => track = Some(Track::Source),
                ("track", "ip_dst") => track = Some(Track::Destination),
                ("track", "ip_pair") => track = Some(Track::Pair),
                ("expire", seconds) => {
                    let seconds = seconds.parse().ok().filter(|s| (1..=MOST_SECONDS).contains(s));
                    expires = Duration::from_secs(seconds.ok_or_else(bad)?);
                }
                _ => return Err(bad()),
            }
        }
        let Some(track) = track else {
            return Err(Finding::error(
                "S051",
                word.at,
                "xbits does not say by what it is tracked",
                "write track ip_src, track ip_dst or track ip_pair",
            ));
        };
        self.remember(option, Memory::HostBits { operation, name, tracks: vec![track], expires });
        Ok(())
    }

    /// `hostbits:set,name,src`
    pub(super) fn hostbits(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let operation = bit_operation(option, parts.next().unwrap_or(word))?;
        let name = parts.next().map(|name| name.text.to_owned()).filter(|name| !name.is_empty());
        let Some(name) = name else { return Err(nameless(option, word, "set,name,src")) };
        let tracks = match parts.next().map(|side| (side, side.text)) {
            Some((_, "src")) => vec![Track::Source],
            Some((_, "dst")) => vec![Track::Destination],
            Some((_, "both")) | None => vec![Track::Source, Track::Destination],
            Some((side, text)) => {
                return Err(Finding::error(
                    "S051",
                    side.at,
                    format!("unexpected in hostbits: {}", shown(text)),
                    "write src, dst or both",
                ));
            }
        };
        self.remember(option, Memory::HostBits { operation, name, tracks, expires: HOST_EXPIRES });
        Ok(())
    }

    /// `flowint:name,+,1`, `flowint:name,>,3`, `flowint:name,isset`
    pub(super) fn flowint(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let mut parts = words(word);
        let name = parts.next().map(|name| name.text.to_owned()).filter(|name| !name.is_empty());
        let (Some(name), Some(operator)) = (name, parts.next()) else {
            return Err(nameless(option, word, "name,+,1"));
        };
        let operand = parts.next();
        let number = || match operand {
            Some(operand) if !operand.text.is_empty() => Ok(match operand.text.parse() {
                Ok(number) => IntValue::Is(number),
                Err(_) => IntValue::Of(operand.text.to_owned()),
            }),
            _ => Err(Finding::error("S051", word.at, "flowint has no value", "write flowint:name,+,1")),
        };
        let compare = |ordering| Ok::<_, Finding>(IntOperation::Compare(ordering, number()?));
        let operation = match operator.text {
            "+" => IntOperation::Add(number()?),
            "-" => IntOperation::Subtract(number()?),
            "=" => IntOperation::Assign(number()?),
            ">" => compare(Ordering::Greater)?,
            "<" => compare(Ordering::Less)?,
            ">=" => compare(Ordering::GreaterOrEqual)?,
            "<=" => compare(Ordering::LessOrEqual)?,
            "==" => compare(Ordering::Equal)?,
            "!=" => compare(Ordering::NotEqual)?,
            "isset" => IntOperation::IsSet,
            "isnotset" | "notset" => IntOperation::IsNotSet,
            other => {
                return Err(Finding::error(
                    "S051",
                    operator.at,
                    format!("unknown operation of flowint: {}", shown(other)),
                    "known are + - = > < >= <= == != isset and isnotset",
                ));
            }
        };
        self.remember(option, Memory::FlowInt { name, operation });
        Ok(())
    }
}

fn bit_operation(option: &RawOption<'_>, word: Word<'_>) -> Result<BitOperation, Finding> {
    Ok(match word.text {
        "set" => BitOperation::Set,
        "unset" => BitOperation::Unset,
        "toggle" => BitOperation::Toggle,
        "isset" => BitOperation::IsSet,
        "isnotset" => BitOperation::IsNotSet,
        other => {
            return Err(Finding::error(
                "S051",
                word.at,
                format!("unknown operation of {}: {}", option.name.text, shown(other)),
                "known are set, unset, toggle, isset, isnotset and noalert",
            ));
        }
    })
}

fn nameless(option: &RawOption<'_>, word: Word<'_>, example: &str) -> Finding {
    let keyword = option.name.text;
    Finding::error("S051", word.at, format!("{keyword} names nothing"), format!("write {keyword}:{example};"))
}
