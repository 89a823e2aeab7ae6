//! XML as rule files have it, which is not always XML: several roots, `--` in comments, bare `&`, tags never closed.
//!
//! What can be understood is, and the rest is reported with its line. `\<` stands for `<`. Entities are left as
//! they are, as the reference engines leave them, but for `&lt;`, `&gt;` and `&amp;`, which nobody means literally.

use crate::diagnose::{Findings, shown};
use crate::limits;

/// One element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// The text in it, without its children's.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
    /// Line of its opening tag, from 1.
    pub(crate) line: u32,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Elements hold others, or text: `group` does either.
    fn may_hold_elements(&self, depth: usize) -> bool {
        match self.name.as_str() {
            "rule" | "decoder" | "mitre" | "root" | "ossec_config" | "decoders" | "rules" => true,
            "group" => depth <= 2,
            _ => false,
        }
    }
}

/// The elements of a file, in order.
pub(crate) fn read(text: &str, findings: &mut Findings<'_>) -> Vec<Element> {
    let mut reader = Reader { text, at: 0, line: 1, counted: 0, open: vec![Element::default()], elements: 0 };
    reader.run(findings);
    reader.open.into_iter().next().map(|root| root.children).unwrap_or_default()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    /// How far lines are counted.
    counted: usize,
    /// The open elements; the first holds the roots.
    open: Vec<Element>,
    elements: usize,
}

impl<'a> Reader<'a> {
    fn run(&mut self, findings: &mut Findings<'_>) {
        while let Some(found) = self.rest().find('<') {
            let escaped = found > 0 && self.rest().as_bytes().get(found - 1) == Some(&b'\\');
            let before = self.take(if escaped { found - 1 } else { found });
            self.add_text(before);
            if escaped {
                let _backslash = self.take(1);
                let _bracket = self.take(1);
                self.add_text("<");
                continue;
            }
            let line = self.line_here();
            if self.rest().starts_with("<!--") {
                self.skip_past("-->", line, findings);
            } else if self.rest().starts_with("<?") {
                self.skip_past("?>", line, findings);
            } else if self.rest().starts_with("<!") {
                self.skip_past(">", line, findings);
            } else if self.rest().starts_with("</") {
                self.close_tag(line, findings);
            } else if self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic) {
                self.open_tag(line, findings);
                if self.elements > limits::ELEMENTS {
                    findings.error("L012", line, "the file has too many elements", "split the file");
                    break;
                }
            } else {
                let bracket = self.take(1);
                self.add_text(bracket);
            }
        }
        let rest = self.take(self.rest().len());
        self.add_text(rest);
        while self.open.len() > 1 {
            if let Some(last) = self.open.last() {
                let title = format!("<{}> is never closed", shown(&last.name));
                findings.warning("L002", last.line, title, "add its closing tag");
            }
            self.close_innermost();
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let taken = self.rest().get(..bytes).unwrap_or_default();
        self.at += taken.len().max(usize::from(taken.is_empty() && bytes > 0));
        taken
    }

    fn line_here(&mut self) -> u32 {
        let passed = self.text.get(self.counted..self.at).unwrap_or_default();
        let lines = passed.bytes().filter(|b| *b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.counted = self.at;
        self.line
    }

    fn add_text(&mut self, text: &str) {
        let Some(innermost) = self.open.last_mut() else { return };
        if !text.contains('&') {
            innermost.text.push_str(text);
            return;
        }
        innermost.text.push_str(&text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    }

    fn skip_past(&mut self, end: &str, line: u32, findings: &mut Findings<'_>) {
        let Some(found) = self.rest().find(end) else {
            findings.warning("L002", line, "a comment or declaration is never closed", "close it");
            self.at = self.text.len();
            return;
        };
        self.at += found + end.len();
    }

    fn open_tag(&mut self, line: u32, findings: &mut Findings<'_>) {
        let Some((tag, length)) = tag_text(self.rest()) else {
            findings.warning("L002", line, "a tag is never ended", "add its '>'");
            self.at = self.text.len();
            return;
        };
        self.at += length;
        let (tag, empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name_end = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(name_end);
        if let Some(holder) = self.open.last()
            && self.open.len() > 1
            && !holder.may_hold_elements(self.open.len())
        {
            let title = format!("<{}> is not closed before <{}>", shown(&holder.name), shown(name));
            findings.warning("L002", holder.line, title, "add its closing tag");
            self.close_innermost();
        }
        let element = Element {
            name: name.to_owned(),
            attributes: attributes_of(attributes, line, findings),
            line,
            ..Element::default()
        };
        self.elements += 1;
        if self.open.len() > limits::DEPTH {
            findings.error("L012", line, "elements are nested too deeply", "close what is open");
            return;
        }
        self.open.push(element);
        if empty {
            self.close_innermost();
        }
    }

    fn close_tag(&mut self, line: u32, findings: &mut Findings<'_>) {
        let end = self.rest().find('>').unwrap_or_else(|| self.rest().len());
        let name = self.rest().get(2..end).unwrap_or_default().trim();
        self.at += (end + 1).min(self.rest().len());
        let position = self.open.iter().skip(1).rposition(|element| element.name == name);
        let Some(position) = position else {
            let title = format!("</{}> closes nothing", shown(name));
            findings.warning("L002", line, title, "remove it or correct its name");
            return;
        };
        // `position` does not count the holder of the roots.
        while self.open.len() > position + 2 {
            if let Some(last) = self.open.last() {
                let title = format!("<{}> is never closed", shown(&last.name));
                findings.warning("L002", last.line, title, "add its closing tag");
            }
            self.close_innermost();
        }
        self.close_innermost();
    }

    fn close_innermost(&mut self) {
        if self.open.len() > 1
            && let Some(done) = self.open.pop()
            && let Some(holder) = self.open.last_mut()
        {
            holder.children.push(done);
        }
    }
}

/// The inside of a tag, and its length with both brackets; a `>` in quotes does not end it.
fn tag_text(rest: &str) -> Option<(&str, usize)> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (None, b'>') => return Some((rest.get(1..at)?, at + 1)),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quote that is never closed would take the rest of the file: end at the first bracket instead.
    let end = rest.find('>')?;
    Some((rest.get(1..end)?, end + 1))
}

fn attributes_of(text: &str, line: u32, findings: &mut Findings<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else {
            findings.warning(
                "L002",
                line,
                format!("attribute without value: {}", shown(rest)),
                "give it one",
            );
            break;
        };
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => {
                let inner = after.get(1..).unwrap_or_default();
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        found.push((name.trim().to_owned(), value.to_owned()));
        rest = after.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<Element>, Vec<sakimori_model::Diagnostic>) {
        let mut list = Vec::new();
        let elements = read(text, &mut Findings::new("test.xml", &mut list));
        (elements, list)
    }

    #[test]
    fn what_is_well_formed_is_read_without_findings() {
        let (roots, findings) = parse(
            "<?xml version='1.0'?>\n<!-- a -- b -->\n<var name=\"X\">a|b</var>\n<group name='g,'>\n<rule id=\"1\" \
             level=\"3\"><match>a \\<b & c</match><same_source_ip /></rule></group>",
        );
        assert_eq!(findings, []);
        assert_eq!(roots.len(), 2);
        assert_eq!(roots[0].text, "a|b");
        let rule = &roots[1].children[0];
        assert_eq!((rule.line, rule.attribute("level")), (5, Some("3")));
        assert_eq!(rule.children[0].text, "a <b & c");
        assert_eq!(rule.children[1].name, "same_source_ip");
    }

    #[test]
    fn a_tag_that_is_never_closed_ends_where_the_next_begins() {
        let (roots, findings) = parse(
            "<group name=\"g\"><rule id=\"1\"><field name=\"a\">x\n<if_sid>5</if_sid></rule><rule id=\"2\"/></group>",
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        let names: Vec<_> = roots[0].children[0].children.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["field", "if_sid"]);
        assert_eq!(roots[0].children.len(), 2);
    }

    #[test]
    fn a_stray_closing_tag_is_reported_and_ignored() {
        let (roots, findings) = parse("<group name=\"g\"></rule><rule id=\"2\"></rule></group>");
        assert_eq!(findings.len(), 1);
        assert_eq!(roots[0].children.len(), 1);
    }
}
