//! XML: the text of elements and the values of attributes. Entities that a document declares are never expanded.

use quick_xml::events::{BytesStart, Event};

use super::Bounds;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Index of the element around it.
    pub parent: Option<usize>,
    /// Its name without a prefix.
    pub name: Vec<u8>,
    /// Attributes, their names without prefixes.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where its text starts and ends in [`Document::text`].
    pub text: (usize, usize),
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Elements in their order.
    pub elements: Vec<Element>,
    /// All text in its order.
    pub text: Vec<u8>,
    /// Why it is no XML, or goes beyond the bounds.
    pub error: Option<&'static str>,
}

/// Elements and attributes that are kept for each argument that is allowed.
const NODES: usize = 64;

/// Reads a document.
pub fn parse(text: &[u8], bounds: Bounds) -> Document {
    let mut document = Document::default();
    if let Err(error) = read(text, bounds, &mut document) {
        document.error = Some(error);
    }
    document
}

fn read(text: &[u8], bounds: Bounds, document: &mut Document) -> Result<(), &'static str> {
    let mut reader = quick_xml::Reader::from_reader(text);
    reader.config_mut().allow_unmatched_ends = false;
    let most = bounds.arguments.saturating_mul(NODES);
    let (mut open, mut nodes) = (Vec::new(), 0_usize);
    loop {
        let event = reader.read_event().map_err(|_error| "not well-formed")?;
        match event {
            Event::Start(tag) => {
                if open.len() >= bounds.depth {
                    return Err("deeper than allowed");
                }
                nodes += element(&tag, open.last().copied(), document)?;
                open.push(document.elements.len() - 1);
            }
            Event::Empty(tag) => nodes += element(&tag, open.last().copied(), document)?,
            Event::End(_) => {
                let end = document.text.len();
                if let Some(element) = open.pop().and_then(|index| document.elements.get_mut(index)) {
                    element.text.1 = end;
                }
            }
            Event::Text(piece) if !open.is_empty() => document.text.extend_from_slice(&piece),
            Event::CData(piece) if !open.is_empty() => document.text.extend_from_slice(&piece),
            Event::GeneralRef(name) if !open.is_empty() => reference(&name, &mut document.text),
            Event::Text(piece) if !piece.trim_ascii().is_empty() => {
                return Err("text outside of the document");
            }
            Event::Eof if open.is_empty() && !document.elements.is_empty() => return Ok(()),
            Event::Eof => return Err("the document ends too early"),
            _ => {}
        }
        if nodes > most {
            return Err("more elements than allowed");
        }
    }
}

/// Keeps an element; how many nodes it has.
fn element(
    tag: &BytesStart<'_>,
    parent: Option<usize>,
    document: &mut Document,
) -> Result<usize, &'static str> {
    let at = document.text.len();
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_error| "not well-formed")?;
        let mut value = Vec::new();
        unescape(&attribute.value, &mut value);
        attributes.push((attribute.key.local_name().as_ref().to_vec(), value));
    }
    let nodes = attributes.len() + 1;
    let name = tag.local_name().as_ref().to_vec();
    document.elements.push(Element { parent, name, attributes, text: (at, at) });
    Ok(nodes)
}

fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        if let Some(end) = memchr::memchr(b';', after) {
            reference(after.get(..end).unwrap_or_default(), out);
            rest = after.get(end + 1..).unwrap_or_default();
        } else {
            out.push(b'&');
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

/// The five entities that need no declaration and numbers; others stay as they are written.
fn reference(name: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(name).unwrap_or_default();
    let number = text.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    });
    let c = match text {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    };
    if let Some(c) = c {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.push(b'&');
        out.extend_from_slice(name);
        out.push(b';');
    }
}

impl Document {
    /// What a path selects. Paths are steps of names or `*`, after `/` (children) or `//` (any depth), and at the end `@name`,
    /// `@*` or `text()`; anything else selects nothing.
    ///
    /// # Bounds
    /// Work is elements times steps.
    pub fn select(&self, path: &str) -> Vec<&[u8]> {
        let mut chosen: Vec<Option<usize>> = vec![None];
        let mut rest = path;
        loop {
            let (deep, step) = match rest.strip_prefix("//") {
                Some(step) => (true, step),
                None => (false, rest.strip_prefix('/').unwrap_or(rest)),
            };
            let end = step.find('/').unwrap_or(step.len());
            let (step, after) = step.split_at_checked(end).unwrap_or((step, ""));
            let step = step.rsplit_once(':').map_or(step, |(_, local)| local);
            if let Some(name) = step.strip_prefix('@') {
                return self.attributes(&chosen, deep, name);
            }
            if step == "text()" {
                let around = if deep { self.children(&chosen, true, "*") } else { chosen };
                return around.iter().flatten().filter_map(|index| self.text_of(*index)).collect();
            }
            chosen = self.children(&chosen, deep, step);
            if after.is_empty() {
                return chosen.iter().flatten().filter_map(|index| self.text_of(*index)).collect();
            }
            rest = after;
        }
    }

    fn text_of(&self, index: usize) -> Option<&[u8]> {
        let (from, to) = self.elements.get(index)?.text;
        self.text.get(from..to)
    }

    fn children(&self, of: &[Option<usize>], deep: bool, name: &str) -> Vec<Option<usize>> {
        let mut inside = vec![false; self.elements.len()];
        let mut chosen = vec![false; self.elements.len()];
        for index in of.iter().flatten() {
            if let Some(slot) = chosen.get_mut(*index) {
                *slot = true;
            }
        }
        let root = of.contains(&None);
        let mut found = Vec::new();
        for (index, element) in self.elements.iter().enumerate() {
            let around = element.parent.map_or(root, |parent| chosen.get(parent) == Some(&true));
            let below =
                deep && element.parent.and_then(|parent| inside.get(parent)).copied().unwrap_or(false);
            if around || below {
                if let Some(slot) = inside.get_mut(index) {
                    *slot = true;
                }
                if name == "*" || element.name == name.as_bytes() {
                    found.push(Some(index));
                }
            }
        }
        found
    }

    fn attributes(&self, of: &[Option<usize>], deep: bool, name: &str) -> Vec<&[u8]> {
        let owners = if deep { self.children(of, true, "*") } else { of.to_vec() };
        owners
            .iter()
            .flatten()
            .filter_map(|index| self.elements.get(*index))
            .flat_map(|element| &element.attributes)
            .filter(|(key, _)| name == "*" || key == name.as_bytes())
            .map(|(_, value)| value.as_slice())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, parse};

    #[test]
    fn paths_of_the_core_rule_set() {
        let text = b"<?xml version=\"1.0\"?><a x='1'><b y=\"&lt;2\">t&amp;u</b><c><![CDATA[v]]></c></a>";
        let document = parse(text, Bounds::default());
        assert_eq!(document.error, None);
        assert_eq!(document.select("/*"), [b"t&uv"]);
        assert_eq!(document.select("//@*"), [&b"1"[..], b"<2"]);
        assert_eq!(document.select("//b"), [b"t&u"]);
        assert_eq!(document.select("/a/b/@y"), [b"<2"]);
    }

    #[test]
    fn declared_entities_stay_as_they_are() {
        let bomb = b"<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;&c;</a>";
        assert_eq!(parse(bomb, Bounds::default()).select("/*"), [b"&c;&c;"]);
    }

    #[test]
    fn what_is_no_xml_is_an_error() {
        for text in ["", "x", "<a>", "<a></b>", "<a><b></a>", "</a>"] {
            assert!(parse(text.as_bytes(), Bounds::default()).error.is_some(), "{text}");
        }
    }
}
