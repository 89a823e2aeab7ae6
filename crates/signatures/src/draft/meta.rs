//! Options that say something about the rule: message, ids, references, rates.
use super::{Builder, Finding, RateFilter, RawOption, Reference, Word, quoted, shown, value};
use std::time::Duration;

impl Builder<'_> {
    pub(super) fn meta(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let name = option.name;
        let twice = |seen: bool| {
            if seen {
                Err(Finding::error("S018", name.at, format!("{} is written twice", name.text), "keep one"))
            } else {
                Ok(())
            }
        };
        match name.text {
            "msg" => {
                let (negated, word) = quoted(value(option)?)?;
                if negated {
                    return Err(Finding::error(
                        "S013",
                        word.at,
                        "a message cannot be negated",
                        "remove the exclamation mark",
                    ));
                }
                twice(self.meta.msg.is_some())?;
                self.meta.msg = Some(unescape(word.text));
            }
            "sid" => {
                self.sid_written = true;
                let word = value(option)?;
                twice(self.meta.sid.is_some())?;
                self.meta.sid = Some((id(word, 1)?, word.at));
            }
            "rev" => {
                twice(self.meta.rev.is_some())?;
                self.meta.rev = Some(id(value(option)?, 0)?);
            }
            "gid" => {
                twice(self.meta.gid.is_some())?;
                self.meta.gid = Some(id(value(option)?, 0)?);
            }
            "classtype" => {
                twice(self.meta.classtype.is_some())?;
                self.meta.classtype = Some(value(option)?.text.to_owned());
            }
            "priority" => {
                let word = value(option)?;
                twice(self.meta.priority.is_some())?;
                let Some(priority) = word.text.parse::<u8>().ok().filter(|p| *p > 0) else {
                    return Err(Finding::error(
                        "S014",
                        word.at,
                        format!("not a priority: {}", shown(word.text)),
                        "write 1 to 255",
                    ));
                };
                self.meta.priority = Some(priority);
            }
            "reference" => {
                let word = value(option)?;
                let Some((kind, value)) = word.text.split_once(',') else {
                    return Err(Finding::error(
                        "S019",
                        word.at,
                        format!("the reference has no type: {}", shown(word.text)),
                        "write reference:cve,2014-6271; or reference:url,example.org/advisory;",
                    ));
                };
                self.meta.references.push(Reference {
                    kind: kind.trim_ascii().to_ascii_lowercase(),
                    value: unescape(value.trim_ascii()),
                });
            }
            "metadata" => {
                for pair in value(option)?.text.split(',') {
                    let pair = pair.trim_ascii();
                    let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
                    self.meta.metadata.push((key.to_owned(), value.trim_ascii().to_owned()));
                }
            }
            "noalert" => self.meta.noalert = true,
            "target" => {
                let word = value(option)?;
                if !matches!(word.text, "src_ip" | "dest_ip") {
                    return Err(Finding::error(
                        "S014",
                        word.at,
                        format!("not a target: {}", shown(word.text)),
                        "write src_ip or dest_ip",
                    ));
                }
            }
            "threshold" | "detection_filter" => {
                let rate = rate(option)?;
                twice(self.meta.rate.is_some())?;
                self.meta.rate = Some(rate);
                let (title, help) = if rate.only_after {
                    (
                        format!("{} is not applied: every match is reported, and none blocks", name.text),
                        "a rule that may block must be sure at its first match",
                    )
                } else {
                    (
                        format!("{} is not applied: every match is reported", name.text),
                        "events are grouped where they are shown",
                    )
                };
                self.findings.push(Finding::warning("S053", name.at, title, help));
            }
            // the rest says what to record, not what to look for
            _ => {}
        }
        Ok(())
    }
}

fn id(word: Word<'_>, least: u32) -> Result<u32, Finding> {
    let digits = word.text.bytes().all(|b| b.is_ascii_digit());
    word.text.parse::<u32>().ok().filter(|n| digits && *n >= least).ok_or_else(|| {
        Finding::error(
            "S014",
            word.at,
            format!("not a valid id: {}", shown(word.text)),
            format!("write a number from {least} to {}", u32::MAX),
        )
    })
}

/// Takes the backslashes off `\"`, `\;`, `\:` and `\\`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' { chars.next().unwrap_or('\\') } else { c };
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// `type limit, track by_src, count 1, seconds 60`
fn rate(option: &RawOption<'_>) -> Result<RateFilter, Finding> {
    let word = value(option)?;
    let bad = |title: String| {
        Finding::error(
            "S014",
            word.at,
            title,
            "write type limit|threshold|both, track by_src|by_dst, count n, seconds s",
        )
    };
    let mut only_after = option.name.text == "detection_filter";
    let (mut count, mut seconds, mut by_source, mut tracked) = (None, None, true, false);
    for part in word.text.split(',') {
        let part = part.trim_ascii();
        let (key, value) = part.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((part, ""));
        let value = value.trim_ascii();
        match (key, value) {
            ("type", "threshold" | "both") => only_after = true,
            ("type", "limit" | "backoff") | ("multiplier", _) => {}
            ("track", "by_src" | "by_rule" | "by_both" | "by_flow") => tracked = true,
            ("track", "by_dst") => {
                tracked = true;
                by_source = false;
            }
            ("count", n) => count = n.parse::<u32>().ok().filter(|n| *n > 0),
            ("seconds", n) => seconds = n.parse::<u32>().ok().filter(|n| *n > 0),
            _ => return Err(bad(format!("unknown word in {}: {}", option.name.text, shown(part)))),
        }
    }
    match (count, seconds, tracked) {
        (Some(count), Some(seconds), true) => Ok(RateFilter {
            only_after: only_after && count > 1,
            count,
            window: Duration::from_secs(seconds.into()),
            by_source,
        }),
        _ => Err(bad(format!("{} lacks track, count or seconds", option.name.text))),
    }
}
