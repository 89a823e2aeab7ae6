//! Options that say something about the rule: message, ids, references, rates.
use super::{Builder, Finding, RawOption, Reference, Word, quoted, shown, value};

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
            "alert" => {
                self.meta.noalert = false;
                self.meta.alert = true;
            }
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
