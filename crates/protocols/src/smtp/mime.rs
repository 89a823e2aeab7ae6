//! Mails in parts: header fields, and the files among the parts, decoded as they come (RFC 5322, RFC 2045 to 2047, RFC 2231).
//!
//! Written here and not taken from a library, because a mail is never held as a whole: parts go through line by line.
//!
//! # Bounds
//! [`HEADER_BYTES`] of the fields of one part, [`DEPTH`] parts within parts.

/// What is kept of the header fields of a part.
pub const HEADER_BYTES: usize = 64 << 10;
/// Parts within parts.
pub const DEPTH: usize = 32;
/// Longest mark between parts that is told: RFC 2046 allows 70 bytes.
const BOUNDARY_BYTES: usize = 254;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A header field of the mail itself: its name as sent, its value unfolded.
    Field(Vec<u8>, Vec<u8>),
    /// A file begins.
    FileBegin(Vec<u8>),
    /// Decoded bytes of it.
    FileData(Vec<u8>),
    /// It is over.
    FileEnd,
}

/// Reads a mail.
#[derive(Clone, Debug)]
pub struct Reader {
    in_header: bool,
    /// The field at hand, unfolded.
    field: Vec<u8>,
    fields_bytes: usize,
    part: Part,
    boundaries: Vec<Vec<u8>>,
    /// Parts read so far; 0 while the mail's own header is read.
    parts: u64,
    body: Body,
}

/// What the header of a part says.
#[derive(Clone, Debug, Default)]
struct Part {
    kind: Vec<u8>,
    boundary: Vec<u8>,
    name: Vec<u8>,
    base64: bool,
    quoted: bool,
}

/// How lines of a body are taken.
#[derive(Clone, Debug, Default)]
enum Body {
    /// They are of no interest.
    #[default]
    Skip,
    /// They are a file's: how they are decoded, and what of them could not be yet.
    File(Coding, Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Plain,
    Base64,
    Quoted,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            in_header: true,
            field: Vec::new(),
            fields_bytes: 0,
            part: Part::default(),
            boundaries: Vec::new(),
            parts: 0,
            body: Body::Skip,
        }
    }
}

impl Reader {
    /// Takes a line without its end; what is found is added.
    pub fn line(&mut self, line: &[u8], found: &mut Vec<Found>) {
        if line.starts_with(b"--") && self.boundary(line, found) {
            return;
        }
        if self.in_header {
            self.header(line, found);
        } else {
            self.body(line, found);
        }
    }

    /// The mail is over.
    pub fn end(&mut self, found: &mut Vec<Found>) {
        if self.in_header {
            self.field(found);
        }
        self.end_part(found);
    }

    /// Whether the line is a mark between parts.
    fn boundary(&mut self, line: &[u8], found: &mut Vec<Found>) -> bool {
        let mark = line.get(2..).unwrap_or_default();
        let Some(at) = self.boundaries.iter().rposition(|boundary| {
            mark.strip_prefix(boundary.as_slice()).is_some_and(|rest| {
                let rest = rest.strip_prefix(b"--").unwrap_or(rest);
                rest.trim_ascii().is_empty()
            })
        }) else {
            return false;
        };
        let known = self.boundaries.get(at).map_or(0, Vec::len);
        let last = mark.get(known..).is_some_and(|rest| rest.starts_with(b"--"));
        self.end_part(found);
        self.boundaries.truncate(if last { at } else { at + 1 });
        self.parts += 1;
        self.part = Part::default();
        self.field.clear();
        self.fields_bytes = 0;
        self.in_header = !last;
        true
    }

    fn header(&mut self, line: &[u8], found: &mut Vec<Found>) {
        if line.is_empty() {
            self.field(found);
            self.begin_body(found);
            return;
        }
        self.fields_bytes = self.fields_bytes.saturating_add(line.len());
        if self.fields_bytes > HEADER_BYTES {
            return;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            // folded: the end of the line is left out, its blank stays
            self.field.extend_from_slice(line);
        } else {
            self.field(found);
            self.field.extend_from_slice(line);
        }
    }

    /// The field at hand is whole.
    fn field(&mut self, found: &mut Vec<Found>) {
        let field = std::mem::take(&mut self.field);
        let Some(colon) = field.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = field.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-type") {
            let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
            self.part.kind = value.get(..end).unwrap_or(value).trim_ascii().to_ascii_lowercase();
            self.part.boundary = parameter(value, b"boundary").unwrap_or_default();
            if let Some(name) = parameter(value, b"name").filter(|_| self.part.name.is_empty()) {
                self.part.name = name;
            }
        } else if name.eq_ignore_ascii_case(b"content-disposition") {
            if let Some(name) = parameter(value, b"filename") {
                self.part.name = name;
            }
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            self.part.base64 = value.eq_ignore_ascii_case(b"base64");
            self.part.quoted = value.eq_ignore_ascii_case(b"quoted-printable");
        }
        if self.parts == 0 {
            found.push(Found::Field(name.to_vec(), value.to_vec()));
        }
    }

    fn begin_body(&mut self, found: &mut Vec<Found>) {
        self.in_header = false;
        self.body = Body::Skip;
        let Part { kind, boundary, name, base64, quoted } = std::mem::take(&mut self.part);
        if kind.starts_with(b"multipart/") && !boundary.is_empty() && self.boundaries.len() < DEPTH {
            self.boundaries
                .push(boundary.get(..BOUNDARY_BYTES).map_or_else(|| boundary.clone(), <[u8]>::to_vec));
        } else if kind == b"message/rfc822" && name.is_empty() {
            // a mail within: its own header follows
            self.parts += 1;
            self.in_header = true;
        } else if !name.is_empty() {
            let coding = match (base64, quoted) {
                (true, _) => Coding::Base64,
                (_, true) => Coding::Quoted,
                _ => Coding::Plain,
            };
            found.push(Found::FileBegin(name));
            self.body = Body::File(coding, Vec::new());
        }
    }

    fn body(&mut self, line: &[u8], found: &mut Vec<Found>) {
        let Body::File(coding, rest) = &mut self.body else { return };
        let mut out = Vec::with_capacity(line.len() + 2);
        match coding {
            // the end of a line belongs to it only where another line follows
            Coding::Plain => {
                out.append(rest);
                out.extend_from_slice(line);
                rest.extend_from_slice(b"\r\n");
            }
            Coding::Base64 => base64(line, rest, &mut out),
            Coding::Quoted => {
                out.append(rest);
                if quoted(line, &mut out) {
                    rest.extend_from_slice(b"\r\n");
                }
            }
        }
        if !out.is_empty() {
            found.push(Found::FileData(out));
        }
    }

    fn end_part(&mut self, found: &mut Vec<Found>) {
        if let Body::File(..) = std::mem::take(&mut self.body) {
            found.push(Found::FileEnd);
        }
    }
}

/// Decodes what is whole of a line; the rest of four digits waits for the next one.
fn base64(line: &[u8], rest: &mut Vec<u8>, out: &mut Vec<u8>) {
    for byte in line {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                match *rest.as_slice() {
                    [a, b] => out.push(a << 2 | b >> 4),
                    [a, b, c] => out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]),
                    _ => {}
                }
                rest.clear();
                continue;
            }
            _ => continue,
        };
        rest.push(value);
        if let [a, b, c, d] = *rest.as_slice() {
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
            rest.clear();
        }
    }
}

/// Decodes a line; whether its end is one of the text.
fn quoted(line: &[u8], out: &mut Vec<u8>) -> bool {
    let line = line.trim_ascii_end();
    let (line, ends) = match line.strip_suffix(b"=") {
        Some(line) => (line, false),
        None => (line, true),
    };
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let pair = after.first_chunk::<2>().and_then(|pair| hex(*pair));
        match (byte, pair) {
            (b'=', Some(decoded)) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(*byte),
        }
    }
    ends
}

fn hex(pair: [u8; 2]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()
}

/// A parameter of a field, put together where it comes in pieces (`name*0*=`), its quotes and percents undone.
fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut pieces: Vec<(u32, Vec<u8>)> = Vec::new();
    for part in split_parameters(value) {
        let Some(equals) = part.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = part.split_at(equals);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let name = name.trim_ascii().to_ascii_lowercase();
        let Some(rest) = name.strip_prefix(wanted) else { continue };
        let encoded = rest.ends_with(b"*");
        let rest = rest.strip_suffix(b"*").unwrap_or(rest);
        let place = match rest.strip_prefix(b"*") {
            Some(number) => std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()),
            None if rest.is_empty() => Some(0),
            None => None,
        };
        let Some(place) = place else { continue };
        let value = value.strip_prefix(b"\"").map_or(value, |open| open.strip_suffix(b"\"").unwrap_or(open));
        let value = if encoded {
            // charset'language'text, in the first piece
            let text = if place == 0 {
                value.splitn(3, |byte| *byte == b'\'').nth(2).unwrap_or(value)
            } else {
                value
            };
            percent(text)
        } else {
            value.to_vec()
        };
        if pieces.len() < 64 {
            pieces.push((place, value));
        }
    }
    pieces.sort_by_key(|(place, _)| *place);
    let joined: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
    (!joined.is_empty()).then_some(joined)
}

/// At semicolons outside quotes.
fn split_parameters(value: &[u8]) -> Vec<&[u8]> {
    let mut quoted = false;
    value
        .split(move |byte| {
            quoted ^= *byte == b'"';
            *byte == b';' && !quoted
        })
        .collect()
}

fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first_chunk::<2>().and_then(|pair| hex(*pair))) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fields and files by name.
    type Named<T> = Vec<(String, T)>;

    fn read(mail: &str) -> (Named<String>, Named<Vec<u8>>) {
        let (mut reader, mut found) = (Reader::default(), Vec::new());
        mail.lines().for_each(|line| reader.line(line.as_bytes(), &mut found));
        reader.end(&mut found);
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        for found in found {
            match found {
                Found::Field(name, value) => fields.push((text(name), text(value))),
                Found::FileBegin(name) => files.push((text(name), Vec::new())),
                Found::FileData(data) => files.last_mut().unwrap().1.extend(data),
                Found::FileEnd => {}
            }
        }
        (fields, files)
    }

    #[test]
    fn files_among_parts() {
        let (fields, files) = read(concat!(
            "From: toto <toto@example.test>\nSubject: a\n folded\n",
            "Content-Type: multipart/mixed; boundary=\"xx;y\"\n\npreamble\n--xx;y\nContent-Type: text/plain\n\nhello\n",
            "--xx;y\nContent-Disposition: attachment;\n filename*0*=utf-8''a%20; filename*1=\"b.zip\"\n",
            "Content-Transfer-Encoding: base64\n\naGVs\nbG8=\n--xx;y\nContent-Type: text/csv; name=c.csv\n",
            "Content-Transfer-Encoding: quoted-printable\n\na=3Db=\nc\nd\n--xx;y--\nepilogue\n",
        ));
        assert_eq!(fields.first(), Some(&("From".to_owned(), "toto <toto@example.test>".to_owned())));
        assert_eq!(fields.get(1), Some(&("Subject".to_owned(), "a folded".to_owned())));
        assert_eq!(
            files,
            [("a b.zip".to_owned(), b"hello".to_vec()), ("c.csv".to_owned(), b"a=bc\r\nd".to_vec())]
        );
    }

    #[test]
    fn a_mail_within_a_mail() {
        let (fields, files) = read(concat!(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n",
            "Subject: inner\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: x/y; name=f\n\nplain\nlines\n--b--\n--a--\n",
        ));
        assert_eq!(fields.len(), 1);
        assert_eq!(files, [("f".to_owned(), b"plain\r\nlines".to_vec())]);
    }

    proptest! {
            #[test]
            fn anything_is_taken(lines in prop::collection::vec(prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                Just(b"--a".to_vec()), Just(b"--a--".to_vec()), Just(Vec::new()),
                Just(b"Content-Type: multipart/mixed; boundary=a".to_vec()),
                Just(b"Content-Type: x; name*0*=%4".to_vec()),
                Just(b"Content-Transfer-Encoding: base64".to_vec()),
            ], 0..40)) {
                let (mut reader, mut found) = (Reader::default(), Vec::new());
                for line in &lines {
    reader.line(line, &mut found);
    }
                reader.end(&mut found);
                let begun = found.iter().filter(|f| matches!(f, Found::FileBegin(_))).count();
                prop_assert_eq!(begun, found.iter().filter(|f| **f == Found::FileEnd).count());
            }
        }
}
