//! JSON: every scalar as an argument, named by its path: `json.user.name`, `json.tags.0`.

use super::Bounds;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Paths and values; empty where the document is no JSON.
    pub arguments: Vec<(Vec<u8>, Vec<u8>)>,
    /// Why it is no JSON, or goes beyond the bounds.
    pub error: Option<&'static str>,
}

/// Longest path of a value; beyond it a path ends as it is.
const PATH_BYTES: usize = 4096;

/// Reads a document.
pub fn parse(text: &[u8], bounds: Bounds) -> Document {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader { text, at: 0, bounds, path: b"json".to_vec(), found: Vec::new() };
    let error = reader.document().err();
    Document { arguments: reader.found, error }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    bounds: Bounds,
    path: Vec<u8>,
    found: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A container that is open: where its path ends, and the next index of an array.
struct Open {
    path: usize,
    index: Option<usize>,
}

type Outcome<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn document(&mut self) -> Outcome<()> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // a value starts here
            let opened = match self.peek() {
                Some(b'{') => Some(None),
                Some(b'[') => Some(Some(0)),
                _ => None,
            };
            if let Some(index) = opened {
                if open.len() >= self.bounds.depth {
                    return Err("deeper than allowed");
                }
                self.at += 1;
                open.push(Open { path: self.path.len(), index });
            } else {
                let value = self.scalar()?;
                self.keep(value)?;
            }
            let mut first = opened.is_some();
            // after a value: close containers, or go to the next member
            loop {
                let Some(top) = open.last_mut() else {
                    return if self.peek().is_none() {
                        Ok(())
                    } else {
                        Err("something follows the document")
                    };
                };
                let end = if top.index.is_some() { b']' } else { b'}' };
                self.path.truncate(top.path);
                let (index, is_object) = (top.index, top.index.is_none());
                match self.peek() {
                    Some(byte) if byte == end => {
                        self.at += 1;
                        open.pop();
                        first = false;
                        continue;
                    }
                    Some(b',') if !first => self.at += 1,
                    Some(_) if first => {}
                    _ => return Err("a comma or an end is missing"),
                }
                if is_object {
                    let key = self.string()?;
                    if self.peek() != Some(b':') {
                        return Err("a colon is missing");
                    }
                    self.at += 1;
                    self.descend(&key);
                } else {
                    let index = index.unwrap_or(0);
                    self.descend(index.to_string().as_bytes());
                    if let Some(top) = open.last_mut() {
                        top.index = Some(index.saturating_add(1));
                    }
                }
                break;
            }
        }
    }

    fn descend(&mut self, key: &[u8]) {
        if self.path.len() + key.len() < PATH_BYTES {
            self.path.push(b'.');
            self.path.extend_from_slice(key);
        }
    }

    fn keep(&mut self, value: Vec<u8>) -> Outcome<()> {
        if self.found.len() >= self.bounds.arguments {
            return Err("more values than allowed");
        }
        self.found.push((self.path.clone(), value));
        Ok(())
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn scalar(&mut self) -> Outcome<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null").map(|_word| Vec::new()),
            Some(b'-' | b'0'..=b'9') => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let length = rest
                    .iter()
                    .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                    .count();
                self.at += length;
                Ok(rest.get(..length).unwrap_or_default().to_vec())
            }
            Some(_) => Err("no value"),
            None => Err("the document ends too early"),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Outcome<Vec<u8>> {
        if !self.text.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err("an unknown word");
        }
        self.at += word.len();
        Ok(word.to_vec())
    }

    fn string(&mut self) -> Outcome<Vec<u8>> {
        if self.peek() != Some(b'"') {
            return Err("a string is missing");
        }
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let at = memchr::memchr2(b'"', b'\\', rest).ok_or("a string is never closed")?;
            let plain = rest.get(..at).unwrap_or_default();
            out.extend_from_slice(plain);
            self.at += at + 1;
            if rest.get(at) == Some(&b'"') {
                return Ok(out);
            }
            self.escape(&mut out)?;
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Outcome<()> {
        let escape = self.text.get(self.at).copied().ok_or("a string is never closed")?;
        self.at += 1;
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'"' | b'\\' | b'/' => out.push(escape),
            b'u' => {
                let mut unit = self.unit()?;
                if (0xd800..0xdc00).contains(&unit)
                    && self.text.get(self.at..).unwrap_or_default().starts_with(b"\\u")
                {
                    let before = self.at;
                    self.at += 2;
                    let low = self.unit()?;
                    if (0xdc00..0xe000).contains(&low) {
                        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    } else {
                        self.at = before;
                    }
                }
                let c = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err("an unknown escape"),
        }
        Ok(())
    }

    fn unit(&mut self) -> Outcome<u32> {
        let digits = self.text.get(self.at..self.at + 4).ok_or("a short escape")?;
        let text = std::str::from_utf8(digits).map_err(|_bytes| "a wrong escape")?;
        self.at += 4;
        u32::from_str_radix(text, 16).map_err(|_digits| "a wrong escape")
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, parse};

    fn found(text: &str) -> Vec<(String, String)> {
        let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        parse(text.as_bytes(), Bounds::default())
            .arguments
            .into_iter()
            .map(|(name, value)| (text_of(name), text_of(value)))
            .collect()
    }

    #[test]
    fn scalars_are_named_by_their_paths() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            found(r#"{"a":{"b":[1,"x\u00e9\n",{"c":null}]},"d":true}"#),
            [
                pair("json.a.b.0", "1"),
                pair("json.a.b.1", "xé\n"),
                pair("json.a.b.2.c", ""),
                pair("json.d", "true")
            ]
        );
        assert_eq!(found("[]"), []);
        assert_eq!(found("\"x\""), [pair("json", "x")]);
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "{\"a\"}", "[1,,2]", "[1 2]", "{} x", "tru", "[1}", "\"a"] {
            assert!(parse(text.as_bytes(), Bounds::default()).error.is_some(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes(), Bounds::default()).error, Some("deeper than allowed"));
    }
}
