//! How often a rule speaks, and under which engine: `threshold`, `detection_filter`, `tag`, `requires`, `prefilter`.
use super::{Builder, Finding, RateFilter, RawOption, Word, shown, value, words};
use crate::condition::Track;
use crate::rule::{RateKind, Tag};
use std::time::Duration;

/// The version of the language that is spoken here.
const VERSION: [u32; 3] = [8, 0, 0];
/// Features of the language that are there.
const FEATURES: &[&str] = &["ja3", "ja4", "rule-requires", "base64"];
/// Longest window: a week.
const MOST_SECONDS: u32 = 7 * 24 * 3600;

impl Builder<'_> {
    /// `type limit, track by_src, count 1, seconds 60`
    pub(super) fn threshold(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let name = option.name;
        let word = value(option)?;
        let filter = name.text == "detection_filter";
        let bad = |at: usize, title: String| {
            let help = if filter {
                "write track by_src|by_dst|by_both|by_rule|by_flow, count n, seconds s"
            } else {
                "write type limit|threshold|both|backoff, track by_src|by_dst|by_both|by_rule|by_flow, count n, seconds s"
            };
            Finding::error("S014", at, title, help)
        };
        if self.meta.rate.is_some() {
            return Err(Finding::error("S018", name.at, "the rate is written twice", "keep one"));
        }
        let mut kind = filter.then_some(RateKind::Filter);
        let (mut track, mut count, mut seconds, mut multiplier) = (None, None, None, None);
        for part in words(word) {
            let (key, argument) =
                part.text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((part.text, ""));
            let argument = argument.trim_ascii();
            let number = || argument.parse::<u32>().ok().filter(|n| *n > 0);
            match (key, argument) {
                ("type", "limit") if !filter => kind = Some(RateKind::Limit),
                ("type", "threshold") if !filter => kind = Some(RateKind::Threshold),
                ("type", "both") if !filter => kind = Some(RateKind::Both),
                ("type", "backoff") if !filter => kind = Some(RateKind::Backoff { multiplier: 2 }),
                ("track", "by_src") => track = Some(Track::Source),
                ("track", "by_dst") => track = Some(Track::Destination),
                ("track", "by_both") => track = Some(Track::Pair),
                ("track", "by_rule") => track = Some(Track::Rule),
                ("track", "by_flow") => track = Some(Track::Flow),
                ("count", _) => count = number(),
                ("seconds", _) => seconds = number().map(|seconds| seconds.min(MOST_SECONDS)),
                ("multiplier", _) => multiplier = number(),
                _ => {
                    return Err(bad(part.at, format!("unknown word in {}: {}", name.text, shown(part.text))));
                }
            }
        }
        if let (Some(RateKind::Backoff { .. }), Some(factor)) = (kind, multiplier) {
            kind = Some(RateKind::Backoff { multiplier: factor });
            // it is never begun anew while the flow lasts
            seconds = seconds.or(Some(MOST_SECONDS));
        }
        match (kind, track, count, seconds) {
            (Some(kind), Some(track), Some(count), Some(seconds)) => {
                let window = Duration::from_secs(seconds.into());
                self.meta.rate = Some(RateFilter { kind, track, count, window });
                Ok(())
            }
            _ => Err(bad(word.at, format!("{} lacks type, track, count or seconds", name.text))),
        }
    }

    /// `tag:session,5,packets`
    pub(super) fn tag(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let parts: Vec<&str> = words(word).map(|part| part.text).collect();
        let tag = match parts.as_slice() {
            ["session" | "host"] => Some(Tag { count: None }),
            ["session" | "host", count, "packets" | "seconds" | "bytes"]
            | ["host", count, "packets" | "seconds" | "bytes", "src" | "dst"] => {
                count.parse().ok().map(|count| Tag { count: Some(count) })
            }
            _ => None,
        };
        let Some(tag) = tag else {
            return Err(Finding::error(
                "S014",
                word.at,
                format!("not a form of tag: {}", shown(word.text)),
                "write tag:session,5,packets; or tag:host,60,seconds,src;",
            ));
        };
        self.meta.tag = Some(tag);
        self.findings.push(Finding::warning(
            "S053",
            option.name.at,
            "tag asks for the packets behind a match: they are not kept",
            "the rule matches as ever; its event has the bytes that matched",
        ));
        Ok(())
    }

    /// Which rules are looked at first is found out by the engine: the rule means the same.
    pub(super) fn prefilter(option: &RawOption<'_>) -> Result<(), Finding> {
        Self::no_value(option)
    }

    /// `requires: version >= 7.0.3 < 8 | >= 8.0.1, feature ja3, keyword ja4.hash`
    pub(super) fn requires(option: &RawOption<'_>) -> Result<(), Finding> {
        for part in words(value(option)?) {
            let (key, argument) = part.text.split_once(' ').unwrap_or((part.text, ""));
            let argument = argument.trim_ascii();
            let met = match key {
                "feature" => FEATURES.contains(&argument.to_ascii_lowercase().as_str()),
                "keyword" => super::registry::keyword(argument)
                    .is_some_and(|keyword| !matches!(keyword, super::Keyword::Refused(_))),
                "version" => version_is(argument).ok_or_else(|| bad_requirement(part))?,
                _ => return Err(bad_requirement(part)),
            };
            if !met {
                return Err(Finding::error(
                    "S057",
                    part.at,
                    format!("the rule is for another engine: it requires {}", shown(part.text)),
                    "leave the rule out; there is usually another one for this version",
                ));
            }
        }
        Ok(())
    }
}

fn bad_requirement(part: Word<'_>) -> Finding {
    Finding::error(
        "S057",
        part.at,
        format!("a requirement that is not known here: {}", shown(part.text)),
        "known are version, feature and keyword",
    )
}

/// Whether the version spoken here is in what `>= 7 < 8 | >= 8.0.1` says; none where that says nothing.
fn version_is(text: &str) -> Option<bool> {
    let mut any = false;
    for alternative in text.split('|') {
        let mut all = true;
        let mut words = alternative.split_ascii_whitespace();
        let mut seen = false;
        while let Some(operator) = words.next() {
            let mut parts = words.next()?.split('.').map(str::parse::<u32>);
            let mut version = [0; 3];
            for place in &mut version {
                *place = parts.next().transpose().ok()?.unwrap_or(0);
            }
            all &= match operator {
                ">=" => VERSION >= version,
                ">" => VERSION > version,
                "<=" => VERSION <= version,
                "<" => VERSION < version,
                _ => return None,
            };
            seen = true;
        }
        if !seen {
            return None;
        }
        any |= all;
    }
    Some(any)
}
