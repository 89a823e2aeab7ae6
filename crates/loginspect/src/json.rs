//! JSON objects as fields: members of members are joined with dots, arrays are their values with commas.
//!
//! Only members that some rule asks for are kept. What is not JSON gives the fields up to there.

use crate::fields::{FieldId, Fields};

/// Nesting of a line's object; deeper values are passed over.
const DEPTH: usize = 32;
/// The longest joined name.
const NAME_BYTES: usize = 512;

/// Sets the fields of the object that `text` begins with.
pub(crate) fn flatten(text: &[u8], known: &dyn Fn(&str) -> Option<FieldId>, fields: &mut Fields) {
    let mut reader = Reader { text, at: 0, known, fields, name: String::new() };
    reader.space();
    if reader.peek() == Some(b'{') {
        let _complete = reader.object(0);
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    known: &'a dyn Fn(&str) -> Option<FieldId>,
    fields: &'a mut Fields,
    name: String,
}

enum Value {
    Text(Vec<u8>),
    /// An object, whose members are set already, or `null`.
    Nothing,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.eat(b'{')?;
        if depth >= DEPTH {
            return None;
        }
        if self.eat(b'}').is_some() {
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.eat(b':')?;
            let outer = self.name.len();
            if outer + key.len() < NAME_BYTES {
                if outer > 0 {
                    self.name.push('.');
                }
                self.name.push_str(&String::from_utf8_lossy(&key));
            }
            let value = self.value(depth + 1);
            if let (Some(Value::Text(value)), Some(field)) = (&value, (self.known)(&self.name)) {
                self.fields.set(field, value);
            }
            self.name.truncate(outer);
            let _passed = value?;
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        match self.peek()? {
            b'{' => self.object(depth).map(|()| Value::Nothing),
            b'[' => self.array(depth).map(Value::Text),
            b'"' => self.string().map(Value::Text),
            _ => {
                let begin = self.at;
                while self
                    .peek()
                    .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                {
                    self.at += 1;
                }
                let word = self.text.get(begin..self.at)?;
                match word {
                    b"" => None,
                    b"null" => Some(Value::Nothing),
                    word => Some(Value::Text(word.to_vec())),
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Vec<u8>> {
        self.eat(b'[')?;
        if depth >= DEPTH {
            return None;
        }
        let mut all = Vec::new();
        if self.eat(b']').is_some() {
            return Some(all);
        }
        loop {
            if let Value::Text(value) = self.value(depth + 1)? {
                if !all.is_empty() {
                    all.push(b',');
                }
                all.extend_from_slice(&value);
            }
            if self.eat(b',').is_none() {
                self.eat(b']')?;
                return Some(all);
            }
        }
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        self.eat(b'"')?;
        let mut value = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(value),
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    match escape {
                        b'n' => value.push(b'\n'),
                        b't' => value.push(b'\t'),
                        b'r' => value.push(b'\r'),
                        b'b' => value.push(8),
                        b'f' => value.push(12),
                        b'u' => self.unicode(&mut value)?,
                        other => value.push(other),
                    }
                }
                other => value.push(other),
            }
        }
    }

    /// `\uXXXX`, in pairs where one is half a character.
    fn unicode(&mut self, value: &mut Vec<u8>) -> Option<()> {
        let first = self.hex()?;
        let code = if (0xD800..0xDC00).contains(&first)
            && self.text.get(self.at..self.at + 2) == Some(br"\u".as_slice())
        {
            self.at += 2;
            let second = self.hex()?;
            0x10000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF)
        } else {
            first
        };
        let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        value.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Some(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = std::str::from_utf8(self.text.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Names;

    #[test]
    fn members_become_fields() {
        let mut names = Names::new();
        let wanted = ["a", "b.c", "b.d", "e"].map(|name| names.id(name).unwrap());
        let mut fields = Fields::default();
        let text = r#"{"a":1.5, "x":"no", "b":{"c":"q\"\u0041\ud83d\ude00","d":["k",2]},"e":null} rest"#;
        flatten(text.as_bytes(), &|name| names.find(name), &mut fields);
        let value = |n: usize| fields.value(wanted[n]).map(|v| String::from_utf8_lossy(v).into_owned());
        assert_eq!(value(0).as_deref(), Some("1.5"));
        assert_eq!(value(1).as_deref(), Some("q\"A\u{1F600}"));
        assert_eq!(value(2).as_deref(), Some("k,2"));
        assert_eq!(value(3), None);
    }

    #[test]
    fn deep_and_broken_objects_end_quietly() {
        let names = Names::new();
        let mut fields = Fields::default();
        for text in
            [r#"{"a":"#.repeat(10_000), "{\"a\":[".repeat(9_000), "{\"id\":\"7\",".to_owned(), "{".to_owned()]
        {
            flatten(text.as_bytes(), &|name| names.find(name), &mut fields);
        }
        assert_eq!(fields.value(names.find("id").unwrap()), Some(b"7".as_slice()));
    }
}
