//! Whether the options fit together, and the draft that comes of them.
use super::{
    Action, Builder, Content, Draft, Finding, GROUPS, Header, Outline, Set, Step, Target, Word, shown,
};
use crate::pattern::Amount;
use sakimori_model::Level;

impl Builder<'_> {
    pub(super) fn finish(mut self, outline: &Outline<'_>) -> (Option<Draft>, Vec<Finding>) {
        self.report_unused();
        let action = self.keep(action(outline.action));
        let protocol = self.protocol(outline.protocol);
        let protocol = self.keep(protocol);
        let header = self.header(outline);
        let end = outline.options.last().map_or(outline.action.at, |o| o.name.at);
        if !self.sid_written {
            self.findings.push(Finding::error(
                "S015",
                end,
                "the rule has no sid",
                "give it a number of its own: sid:1000001;",
            ));
        }
        let items = std::mem::take(&mut self.items);
        let mut groups: Vec<(Target, Vec<Step>)> = Vec::new();
        for item in items {
            if let Step::Content(content) = &item.step {
                check_content(content, &mut self.findings);
            }
            let Some(target) = item.aim.target() else {
                // what looks at decoded bytes belongs to the step that decodes
                let decode = groups.iter_mut().rev().find_map(|(_, steps)| decode_of(steps));
                if let Some(steps) = decode {
                    steps.push(item.step);
                }
                continue;
            };
            match groups.iter_mut().find(|(t, _)| *t == target) {
                Some((_, steps)) => steps.push(item.step),
                None => groups.push((target, vec![item.step])),
            }
        }
        if groups.len() > GROUPS {
            self.findings.push(Finding::error(
                "S054",
                end,
                format!("the rule looks at more than {GROUPS} buffers"),
                "split the rule",
            ));
        }
        self.check_fast_patterns(&groups);
        for (_, steps) in &groups {
            check_sizes(steps, &mut self.findings);
        }
        self.check_variables(&groups, end);
        let directions = self.directions(&groups, end);
        let places = self.places(&groups, protocol, end);
        let failed = self.findings.iter().any(|f| f.level == Level::Error);
        if self.meta.msg.is_none() && !failed {
            self.findings.push(Finding::warning(
                "S016",
                end,
                "the rule has no msg",
                "say what it found: msg:\"...\";",
            ));
        }
        self.findings.sort_by_key(|f| f.at);
        let draft = match (action, protocol, header, failed) {
            (Some(action), Some(protocol), Some(header), false) => Some(Draft {
                action,
                protocol,
                headers: vec![header],
                directions,
                flow: self.flow,
                checks: self.checks,
                remembered: self.remembered,
                lists: self.lists,
                places,
                groups,
                meta: self.meta,
            }),
            _ => None,
        };
        (draft, self.findings)
    }

    fn keep<T>(&mut self, result: Result<T, Finding>) -> Option<T> {
        result.map_err(|finding| self.findings.push(finding)).ok()
    }

    fn header(&mut self, outline: &Outline<'_>) -> Option<Header> {
        let [source, source_ports, arrow, destination, destination_ports] = outline.header;
        let both_ways = match arrow.text {
            "->" => Some(false),
            "<>" => Some(true),
            _ => {
                self.findings.push(Finding::error(
                    "S006",
                    arrow.at,
                    format!("not a direction: {}", shown(arrow.text)),
                    "write -> or <>",
                ));
                None
            }
        };
        let source = self.keep(Set::parse(source, self.variables));
        let source_ports = self.keep(Set::parse(source_ports, self.variables));
        let destination = self.keep(Set::parse(destination, self.variables));
        let destination_ports = self.keep(Set::parse(destination_ports, self.variables));
        Some(Header {
            source: source?,
            source_ports: source_ports?,
            destination: destination?,
            destination_ports: destination_ports?,
            both_ways: both_ways?,
        })
    }

    /// A variable has its value in the buffer that it was taken from, and is asked for behind that.
    fn check_variables(&mut self, groups: &[(Target, Vec<Step>)], end: usize) {
        let with = groups.iter().filter(|(_, steps)| steps.iter().any(Step::has_variable)).count();
        if with > 1 {
            self.findings.push(Finding::error(
                "S058",
                end,
                "a variable of one buffer is asked for in another",
                "variables of byte_extract and byte_math are known in the buffer that they come from",
            ));
        }
    }

    fn check_fast_patterns(&mut self, groups: &[(Target, Vec<Step>)]) {
        let mut seen = false;
        for content in groups.iter().flat_map(|(_, steps)| steps).filter_map(content_of).filter(|c| c.fast) {
            if content.negated {
                self.findings.push(Finding::error(
                    "S044",
                    content.at,
                    "a negated content cannot be the fast pattern",
                    "a rule is looked at when its fast pattern is there: choose a content that must be present",
                ));
            } else if seen {
                self.findings.push(Finding::error(
                    "S044",
                    content.at,
                    "the rule has two fast patterns",
                    "keep the rarer one",
                ));
            }
            seen = true;
        }
    }
}

fn content_of(step: &Step) -> Option<&Content> {
    match step {
        Step::Content(content) => Some(content),
        _ => None,
    }
}

fn action(word: Word<'_>) -> Result<Action, Finding> {
    match word.text {
        "alert" => Ok(Action::Alert),
        "drop" => Ok(Action::Drop),
        "reject" | "rejectsrc" | "rejectdst" | "rejectboth" => Ok(Action::Reject),
        "pass" => Ok(Action::Pass),
        text => Err(Finding::error(
            "S003",
            word.at,
            format!("unknown action: {}", shown(text)),
            "write alert, drop, reject or pass",
        )),
    }
}

/// The conditions on what the last decoding step of these gives.
fn decode_of(steps: &mut [Step]) -> Option<&mut Vec<Step>> {
    steps.iter_mut().rev().find_map(|step| match step {
        Step::Decode(decode) => Some(&mut decode.steps),
        _ => None,
    })
}

/// Contradictory modifiers of one content, and those with which it can never match.
fn check_content(content: &Content, findings: &mut Vec<Finding>) {
    let mut found =
        |code, title: &str, help: &str| findings.push(Finding::error(code, content.at, title, help));
    let length = i64::try_from(content.bytes.len()).unwrap_or(i64::MAX);
    let shorter =
        |amount: Option<Amount>| amount.and_then(Amount::written).is_some_and(|amount| amount < length);
    let absolute = content.offset.is_some() || content.depth.is_some();
    if content.is_relative() && absolute {
        found(
            "S023",
            "the content is placed both from the beginning and from the match before it",
            "use offset and depth, or distance and within",
        );
    }
    if content.startswith && (absolute || content.is_relative()) {
        found(
            "S023",
            "startswith says where the content is, and so does another modifier",
            "remove offset, depth, distance and within",
        );
    }
    if shorter(content.depth) {
        found(
            "S024",
            "depth is shorter than the content: it never matches",
            "make depth at least the length of the content",
        );
    }
    if shorter(content.within) {
        found(
            "S024",
            "within is shorter than the content: it never matches",
            "make within at least the length of the content",
        );
    }
}

/// Sizes that no content fits in.
fn check_sizes(steps: &[Step], findings: &mut Vec<Finding>) {
    let most = steps.iter().filter_map(|s| if let Step::Size(range) = s { range.most() } else { None }).min();
    let Some(most) = most else { return };
    for content in steps.iter().filter_map(content_of).filter(|c| !c.negated) {
        let offset = content.offset.and_then(Amount::written).and_then(|offset| u64::try_from(offset).ok());
        let needed = content.bytes.len() as u64 + offset.unwrap_or(0);
        if needed > most {
            findings.push(Finding::error(
                "S043",
                content.at,
                format!("the content needs {needed} bytes, but the buffer may have at most {most}"),
                "correct bsize, urilen or the content",
            ));
        }
    }
}
