//! One rule element, before it knows its place.

use super::super::decoders::CompiledDecoders;
use super::super::{Dialect, words};
use crate::decoder::Category;
use crate::diagnose::{Findings, shown};
use crate::fields::{DSTUSER, FieldId, Names, SRCIP, SRCUSER};
use crate::limits;
use crate::pattern::{Kind, Pattern};
use crate::rule::{Alike, Condition, Counting, Network, Rule, RuleInfo, Target};
use crate::xml::Element;
use std::fmt;

/// A rule and what it refers to.
pub(super) struct Draft {
    pub(super) rule: Rule,
    pub(super) parent: Parent,
    pub(super) past: Option<Past>,
    pub(super) overwrite: bool,
}

/// Below what a rule stands.
#[derive(Clone, Debug)]
pub(super) enum Parent {
    Category,
    Rules(Vec<u32>),
    Level(u8),
    Group(String),
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Category => f.write_str("a category"),
            Self::Rules(ids) => write!(f, "the rules {ids:?}"),
            Self::Level(level) => write!(f, "level {level} or higher"),
            Self::Group(group) => write!(f, "the group {}", shown(group)),
        }
    }
}

/// Which past events a rule counts.
#[derive(Clone, Debug)]
pub(super) enum Past {
    Rule(u32),
    Group(String),
}

/// Names the list; [`super::CompiledRules::feed`] reads it.
impl fmt::Display for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(id) => write!(f, "sid:{id}"),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

/// A pattern that may stand in several elements.
struct Words {
    target: Target,
    kind: Kind,
    negated: bool,
    text: String,
    line: u32,
}

struct Maker<'a, 'f> {
    dialect: Dialect,
    decoders: &'a CompiledDecoders,
    names: &'a mut Names,
    findings: &'a mut Findings<'f>,
    sound: bool,
    info: RuleInfo,
    category: Option<Category>,
    patterns: Vec<Words>,
    conditions: Vec<Condition>,
    networks: Vec<(FieldId, Vec<Network>)>,
    sids: Vec<u32>,
    level: Option<u8>,
    group: Option<String>,
    matched_sid: Option<u32>,
    matched_group: Option<String>,
    alike: Vec<Alike>,
}

pub(super) fn draft(
    element: &Element,
    file_groups: &str,
    dialect: Dialect,
    decoders: &CompiledDecoders,
    names: &mut Names,
    findings: &mut Findings<'_>,
) -> Option<Draft> {
    let mut maker = Maker {
        dialect,
        decoders,
        names,
        findings,
        sound: true,
        info: RuleInfo::default(),
        category: None,
        patterns: Vec::new(),
        conditions: Vec::new(),
        networks: Vec::new(),
        sids: Vec::new(),
        level: None,
        group: None,
        matched_sid: None,
        matched_group: None,
        alike: Vec::new(),
    };
    maker.info.groups = words(file_groups).map(str::to_owned).collect();
    maker.make(element)
}

impl Maker<'_, '_> {
    fn make(mut self, element: &Element) -> Option<Draft> {
        let line = element.line;
        self.info.id = self.number(element, "id", 1, 999_999, None)?;
        self.info.level = u8::try_from(self.number(element, "level", 0, 16, None)?).ok()?;
        let min_size = self.number(element, "maxsize", 0, 65_536, Some(0))?;
        let ignore = self.number(element, "ignore", 0, limits::TIMEFRAME_SECONDS, Some(0))?;
        let timeframe = self.number(element, "timeframe", 1, limits::TIMEFRAME_SECONDS, Some(360))?;
        let least = if self.dialect == Dialect::Wazuh { 2 } else { 0 };
        let frequency = self.number(element, "frequency", least, limits::FREQUENCY, Some(least))?;
        for (name, _) in &element.attributes {
            let known = [
                "id",
                "level",
                "maxsize",
                "ignore",
                "timeframe",
                "frequency",
                "noalert",
                "overwrite",
                "accuracy",
            ];
            if !known.contains(&name.as_str()) {
                let title = format!("a rule has no attribute {}", shown(name));
                self.findings.warning("L003", line, title, "remove it or correct its name");
            }
        }
        for part in &element.children {
            if self.part(part).is_none() {
                self.sound = false;
            }
        }
        for words in std::mem::take(&mut self.patterns) {
            match Pattern::compile(words.kind, &words.text, words.negated) {
                Ok(pattern) => self.conditions.push(Condition::Text(words.target, pattern)),
                Err(bad) => {
                    let title = format!("the pattern {} does not compile: {}", shown(&words.text), bad.0);
                    self.findings.error("L008", words.line, title, "correct the pattern");
                    self.sound = false;
                }
            }
        }
        for (field, networks) in std::mem::take(&mut self.networks) {
            self.conditions.push(Condition::Address(field, networks));
        }
        let past = match (self.matched_sid, self.matched_group.take()) {
            (_, Some(group)) => Some(Past::Group(group)),
            (Some(sid), None) => Some(Past::Rule(sid)),
            (None, None) => None,
        };
        let counts = element.attribute("frequency").is_some() || element.attribute("timeframe").is_some();
        if past.is_none() && counts {
            let title = "it counts, but does not say what";
            self.findings.error("L011", line, title, "add if_matched_sid or if_matched_group");
            self.sound = false;
        }
        if past.is_none() && !self.alike.is_empty() {
            let title = "it compares with past events, but counts none";
            self.findings.warning("L014", line, title, "add if_matched_sid or if_matched_group");
        }
        if !self.sound {
            return None;
        }
        let before = if self.dialect == Dialect::Wazuh { frequency - 2 } else { frequency };
        let counting = past.is_some().then(|| Counting {
            list: 0,
            before,
            timeframe,
            alike: std::mem::take(&mut self.alike),
        });
        if counting.is_some() {
            self.info.frequency = before + 2;
            self.info.timeframe = timeframe;
        }
        let parent = self.parent(past.as_ref());
        self.info.groups.retain(|group| group.len() <= limits::NAME_BYTES);
        Some(Draft {
            parent,
            past,
            overwrite: element.attribute("overwrite") == Some("yes"),
            rule: Rule {
                info: self.info,
                category: self.category.unwrap_or_default(),
                no_alert: element.attribute("noalert") == Some("1"),
                min_size: usize::try_from(min_size).unwrap_or(0),
                ignore,
                conditions: self.conditions,
                counting,
                children: Vec::new(),
                feeds: Vec::new(),
            },
        })
    }

    fn parent(&mut self, past: Option<&Past>) -> Parent {
        if !self.sids.is_empty() {
            return Parent::Rules(std::mem::take(&mut self.sids));
        }
        if let Some(level) = self.level {
            return Parent::Level(level);
        }
        match (self.group.take(), past) {
            (Some(group), _) => Parent::Group(group),
            (None, Some(Past::Group(group))) => Parent::Group(group.clone()),
            (None, Some(Past::Rule(sid))) => Parent::Rules(vec![*sid]),
            (None, None) => Parent::Category,
        }
    }

    fn number(
        &mut self,
        element: &Element,
        name: &str,
        least: u32,
        most: u32,
        without: Option<u32>,
    ) -> Option<u32> {
        let given = element.attribute(name);
        let number = match given {
            None => without,
            Some(text) => text.trim().parse().ok().filter(|number| (least..=most).contains(number)),
        };
        if number.is_none() {
            let title = format!("{name} is {}", given.map_or_else(|| "missing".to_owned(), shown));
            let help = format!("give it {name}=\"N\" with N from {least} to {most}");
            let code = if name == "id" { "L006" } else { "L005" };
            self.findings.error(code, element.line, title, &help);
        }
        number
    }

    /// One element of a rule. `None` after an error.
    fn part(&mut self, part: &Element) -> Option<()> {
        let text = part.text.trim();
        match part.name.as_str() {
            "description" => {
                let gap = if self.info.description.is_empty() { "" } else { " " };
                self.info.description.push_str(gap);
                self.info.description.push_str(text);
                truncate(&mut self.info.description, 1024);
            }
            "group" => self.info.groups.extend(words(text).map(str::to_owned)),
            "cve" => self.info.cve.push(text.to_owned()),
            "info" if part.attribute("type") == Some("cve") => self.info.cve.push(format!("CVE-{text}")),
            // Words for people, for other programs, and for ways of delivery that are a matter of policy here.
            "info" | "mitre" | "options" | "global_frequency" | "same_agent" => {}
            "category" => {
                self.category = Category::from_word(text);
                if self.category.is_none() {
                    let title = format!("a category of {}", shown(text));
                    self.findings.error(
                        "L003",
                        part.line,
                        title,
                        "use syslog, web-log, firewall, ids, squid, windows or ossec",
                    );
                    return None;
                }
            }
            "if_sid" => {
                let ids = self.ids(part)?;
                self.sids.extend(ids);
            }
            "if_matched_sid" => self.matched_sid = self.ids(part)?.first().copied(),
            "if_level" => self.level = Some(self.ids(part)?.first().and_then(|l| u8::try_from(*l).ok())?),
            "if_group" => self.group = Some(text.to_ascii_lowercase()),
            "if_matched_group" => self.matched_group = Some(text.to_ascii_lowercase()),
            "decoded_as" => {
                let Some(id) = self.decoders.id(text) else {
                    let title = format!("it is for lines of the decoder {}, which is not there", shown(text));
                    self.findings.error("L007", part.line, title, "name a decoder of the set");
                    return None;
                };
                self.conditions.push(Condition::DecodedAs(id));
            }
            "srcip" | "dstip" => self.addresses(part)?,
            "time" => self.time(part)?,
            "weekday" => self.weekday(part)?,
            "field" => self.field(part)?,
            name if name.starts_with("same_")
                || name.starts_with("different_")
                || name.starts_with("not_same_") =>
            {
                self.comparison(part)?;
            }
            "list" | "if_fts" | "check_diff" | "compiled_rule" | "if_matched_regex" | "ignore"
            | "check_if_ignored" | "srcgeoip" | "dstgeoip" => {
                let title = format!("<{}> is not supported", part.name);
                self.findings.error(
                    "L004",
                    part.line,
                    title,
                    "express the condition otherwise, or leave the rule out",
                );
                return None;
            }
            _ => self.pattern(part)?,
        }
        Some(())
    }

    fn ids(&mut self, part: &Element) -> Option<Vec<u32>> {
        let split = part.text.split(|c: char| c == ',' || c == '|' || c.is_whitespace());
        let ids: Result<Vec<u32>, _> = split.filter(|word| !word.is_empty()).map(str::parse).collect();
        match ids {
            Ok(ids) if !ids.is_empty() => Some(ids),
            _ => {
                let title = format!("<{}> is no number: {}", part.name, shown(part.text.trim()));
                self.findings.error("L007", part.line, title, "give the ids of rules");
                None
            }
        }
    }

    fn addresses(&mut self, part: &Element) -> Option<()> {
        let field = if part.name == "srcip" { SRCIP } else { FieldId(1) };
        let negated = part.attribute("negate") == Some("yes");
        let split = part.text.split(|c: char| c == ',' || c == '|' || c.is_whitespace());
        for word in split.filter(|word| !word.is_empty()) {
            let Some(mut network) = Network::parse(word) else {
                let title = format!("{} is no address", shown(word));
                self.findings.error("L013", part.line, title, "write 192.0.2.1, 192.0.2.0/24 or !192.0.2.1");
                return None;
            };
            network.negated ^= negated;
            match self.networks.iter_mut().find(|(known, _)| *known == field) {
                Some((_, networks)) => networks.push(network),
                None => self.networks.push((field, vec![network])),
            }
        }
        Some(())
    }

    /// `6 pm - 8:30 am`, `18:00-08:30`, `!…`
    fn time(&mut self, part: &Element) -> Option<()> {
        let text = part.text.trim();
        let (negated, range) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let parsed = range.split_once('-').and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
        let Some((from, to)) = parsed else {
            let title = format!("{} is no span of the day", shown(text));
            self.findings.error("L013", part.line, title, "write 6 pm - 8:30 am or 18:00-08:30");
            return None;
        };
        self.conditions.push(Condition::Time { from, to, negated });
        Some(())
    }

    /// `weekends`, `monday, tue`, `!…`
    fn weekday(&mut self, part: &Element) -> Option<()> {
        let text = part.text.trim().to_ascii_lowercase();
        let (negated, list) = text.strip_prefix('!').map_or((false, text.as_str()), |rest| (true, rest));
        let mut days = 0_u8;
        for word in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
            days |= match word {
                "weekdays" => 0b011_1110,
                "weekends" => 0b100_0001,
                word => {
                    let Some(day) = NAMES.iter().position(|name| word.starts_with(name)) else {
                        let title = format!("{} is no day", shown(word));
                        self.findings.error("L013", part.line, title, "write monday, weekdays or weekends");
                        return None;
                    };
                    1 << day
                }
            };
        }
        self.conditions.push(Condition::Weekday(if negated { !days } else { days }));
        Some(())
    }

    fn field(&mut self, part: &Element) -> Option<()> {
        let name = part.attribute("name").map(str::trim).filter(|name| !name.is_empty());
        let Some(field) = name.and_then(|name| self.names.id(name)) else {
            self.findings.error("L005", part.line, "a field has no name", "give it name=\"…\"");
            return None;
        };
        let kind = self.kind(part, Kind::OsRegex)?;
        let negated = part.attribute("negate") == Some("yes");
        let text = part.text.clone();
        self.patterns.push(Words { target: Target::Field(field), kind, negated, text, line: part.line });
        Some(())
    }

    fn kind(&mut self, part: &Element, without: Kind) -> Option<Kind> {
        Some(match part.attribute("type") {
            None => without,
            Some("pcre2") => Kind::Pcre { caseless: false },
            Some("osregex") => Kind::OsRegex,
            Some("osmatch") => Kind::OsMatch,
            Some("string") => Kind::Exact,
            Some(other) => {
                let title = format!("a pattern of type {}", shown(other));
                self.findings.error("L003", part.line, title, "use pcre2, osregex, osmatch or string");
                return None;
            }
        })
    }

    fn comparison(&mut self, part: &Element) -> Option<()> {
        let (same, what) = if let Some(what) = part.name.strip_prefix("same_") {
            (true, what)
        } else {
            let name = part.name.as_str();
            (
                false,
                name.strip_prefix("different_").or_else(|| name.strip_prefix("not_same_")).unwrap_or(name),
            )
        };
        let fields: Vec<FieldId> = match what {
            "source_ip" | "srcip" | "src_ip" => vec![SRCIP],
            "user" | "dstuser" => vec![DSTUSER],
            "srcuser" => vec![SRCUSER],
            "src_port" => self.names.find("srcport").into_iter().collect(),
            "dst_port" => self.names.find("dstport").into_iter().collect(),
            "dst_ip" => self.names.find("dstip").into_iter().collect(),
            "dstip" | "srcport" | "dstport" | "protocol" | "id" | "url" | "action" | "status"
            | "extra_data" | "data" | "system_name" | "location" => {
                self.names.find(what).into_iter().collect()
            }
            "field" => words(&part.text).filter_map(|name| self.names.id(name)).collect(),
            _ => Vec::new(),
        };
        if fields.is_empty() {
            let title = format!("<{}> is not supported", shown(&part.name));
            self.findings.error("L004", part.line, title, "compare another field");
            return None;
        }
        self.alike.extend(fields.into_iter().map(|field| Alike { field, same }));
        Some(())
    }

    /// Elements whose text is a pattern; those of one name go on with one another.
    fn pattern(&mut self, part: &Element) -> Option<()> {
        let (name, pcre) = match part.name.strip_suffix("_pcre2") {
            Some(name) => (name, true),
            None if part.name == "pcre2" => ("regex", true),
            None => (part.name.as_str(), false),
        };
        let target = match name {
            "match" | "regex" => Target::Log,
            "program_name" => Target::Program,
            "hostname" => Target::Hostname,
            "location" => Target::Location,
            "user" => Target::User,
            "srcuser" | "dstuser" | "id" | "url" | "action" | "status" | "protocol" | "srcport"
            | "dstport" | "extra_data" | "data" | "system_name" => Target::Field(self.names.find(name)?),
            _ => {
                let title = format!("<{}> is no part of a rule", shown(&part.name));
                self.findings.error("L003", part.line, title, "remove it or correct its name");
                return None;
            }
        };
        let usual = match name {
            _ if pcre => Kind::Pcre { caseless: true },
            "regex" => Kind::OsRegex,
            "action" => Kind::Exact,
            _ => Kind::OsMatch,
        };
        let kind = self.kind(part, usual)?;
        let negated = part.attribute("negate") == Some("yes");
        let before = self
            .patterns
            .iter_mut()
            .find(|words| words.target == target && words.kind == kind && words.negated == negated);
        match before {
            Some(words) if !matches!(target, Target::Field(field) if usize::from(field.0) >= 15) => {
                words.text.push_str(&part.text);
            }
            _ => {
                let text = part.text.clone();
                self.patterns.push(Words { target, kind, negated, text, line: part.line });
            }
        }
        Some(())
    }
}

/// Minutes since midnight of `6 pm`, `8:30 am`, `18:00`.
fn minutes(text: &str) -> Option<u16> {
    let text = text.trim().to_ascii_lowercase();
    let (clock, half) = if let Some(clock) = text.strip_suffix("pm") {
        (clock.trim(), Some(12))
    } else if let Some(clock) = text.strip_suffix("am") {
        (clock.trim(), Some(0))
    } else {
        (text.as_str(), None)
    };
    let (hour, minute) = clock.split_once(':').unwrap_or((clock, "0"));
    let (hour, minute): (u16, u16) = (hour.trim().parse().ok()?, minute.trim().parse().ok()?);
    let hour = match half {
        Some(add) if (1..=12).contains(&hour) => hour % 12 + add,
        Some(_) => return None,
        None => hour,
    };
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn truncate(text: &mut String, most: usize) {
    while text.len() > most {
        let _last = text.pop();
    }
}
