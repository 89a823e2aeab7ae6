//! `multipart/form-data`: fields, files, headers of parts, and everything that a lenient server might read another way.

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Parts in their order.
    pub parts: Vec<Part>,
    /// What is odd about it.
    pub flaws: Flaws,
    /// Why it could not be read to its end.
    pub error: Option<&'static str>,
}

/// A part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The name of its field.
    pub name: Vec<u8>,
    /// The name of its file, where it is one.
    pub filename: Option<Vec<u8>>,
    /// Its header lines, as they came, folded ones joined.
    pub headers: Vec<Vec<u8>>,
    /// Where its content lies in the body.
    pub content: (usize, usize),
}

/// Oddities that attackers use to be read differently here and there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of the language")]
pub struct Flaws {
    /// The boundary is in quotes.
    pub boundary_quoted: bool,
    /// White space in the boundary's parameter.
    pub boundary_whitespace: bool,
    /// Something stands before the first boundary.
    pub data_before: bool,
    /// Something stands after the last boundary.
    pub data_after: bool,
    /// A header is folded.
    pub header_folding: bool,
    /// A header is folded in a way that no server should accept.
    pub invalid_header_folding: bool,
    /// Lines end in LF.
    pub lf_line: bool,
    /// Lines end in CRLF here, in LF there.
    pub mixed_lines: bool,
    /// A semicolon is missing before a parameter.
    pub missing_semicolon: bool,
    /// A parameter is quoted wrongly.
    pub invalid_quoting: bool,
    /// A part is wrong otherwise.
    pub invalid_part: bool,
    /// A line looks like a boundary and is none.
    pub unmatched_boundary: bool,
    /// There are more parts than are kept.
    pub too_many: bool,
}

impl Flaws {
    /// Whether there is any that a strict reader refuses.
    pub fn is_strict_error(&self) -> bool {
        self.boundary_quoted
            || self.boundary_whitespace
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.lf_line
            || self.missing_semicolon
            || self.invalid_quoting
            || self.invalid_header_folding
            || self.too_many
    }
}

/// Header lines of one part, and bytes of all of them.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 << 10;

/// The boundary that a `Content-Type` names.
pub fn boundary(content_type: &[u8], flaws: &mut Flaws) -> Result<Vec<u8>, &'static str> {
    const NAME: &[u8] = b"boundary";
    let lower = content_type.to_ascii_lowercase();
    // a parameter: after white space or a separator, before white space or an equals sign
    let mut places = memchr::memmem::find_iter(&lower, NAME).filter(|at| {
        let before = at.checked_sub(1).and_then(|before| lower.get(before));
        let after = lower.get(at + NAME.len()..).unwrap_or_default().trim_ascii_start();
        before.is_some_and(|byte| matches!(byte, b';' | b',') || byte.is_ascii_whitespace())
            && after.first() == Some(&b'=')
    });
    let at = places.next().ok_or("no boundary")?;
    if places.next().is_some() {
        return Err("several boundaries");
    }
    let before = content_type.get(..at).unwrap_or_default();
    if !before.trim_ascii_end().ends_with(b";") {
        flaws.missing_semicolon = true;
    }
    let rest = content_type.get(at + NAME.len()..).unwrap_or_default();
    let equals = memchr::memchr(b'=', rest).ok_or("no boundary")?;
    let value = rest.get(equals + 1..).unwrap_or_default();
    if equals > 0 || value.first().is_some_and(u8::is_ascii_whitespace) {
        flaws.boundary_whitespace = true;
    }
    let value = value.trim_ascii();
    let named = if let Some(quoted) = value.strip_prefix(b"\"") {
        flaws.boundary_quoted = true;
        let end = memchr::memchr(b'"', quoted).ok_or("a boundary whose quote is never closed")?;
        quoted.get(..end).unwrap_or_default()
    } else {
        let end = value.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(value.len());
        value.get(..end).unwrap_or_default().trim_ascii_end()
    };
    if named.is_empty() {
        return Err("an empty boundary");
    }
    if named.len() > 256 {
        return Err("a boundary of more than 256 bytes");
    }
    Ok(named.to_vec())
}

/// Reads a body of which at most `most` parts are kept.
pub fn parse(body: &[u8], boundary: &[u8], most: usize, flaws: Flaws) -> Form {
    let mut form = Form { flaws, ..Form::default() };
    let mark = [b"--", boundary].concat();
    let mut lines = Lines { body, at: 0 };
    let (mut crlf, mut lf) = (false, false);
    let mut open: Option<Part> = None;
    let mut ended = false;
    while let Some(line) = lines.next() {
        let (start, text) = (line.start, line.text);
        if let Some(after) = text.strip_prefix(mark.as_slice()) {
            let last = after.starts_with(b"--") && after.get(2..).unwrap_or_default().trim_ascii().is_empty();
            if last || after.trim_ascii().is_empty() {
                if let Some(part) = open.take() {
                    close(part, start, body, &mut form);
                }
                if ended {
                    form.flaws.data_after = true;
                }
                if last {
                    ended = true;
                    continue;
                }
                match line.end {
                    LineEnd::CrLf => crlf = true,
                    LineEnd::Lf => lf = true,
                    LineEnd::None => {
                        form.error = Some("the body ends too early");
                        break;
                    }
                }
                if form.parts.len() >= most {
                    form.flaws.too_many = true;
                    form.error = Some("more parts than allowed");
                    break;
                }
                match head(&mut lines, &mut form.flaws, &mut crlf, &mut lf) {
                    Ok(part) => open = Some(part),
                    Err(error) => {
                        form.error = Some(error);
                        form.flaws.invalid_part = true;
                        break;
                    }
                }
                continue;
            }
            form.flaws.unmatched_boundary = true;
        } else if text.starts_with(b"--") {
            form.flaws.unmatched_boundary |= text.len() > 2 && memchr::memmem::find(text, boundary).is_some();
        }
        if ended {
            form.flaws.data_after |= !text.is_empty();
        } else if open.is_none() {
            form.flaws.data_before |= !text.is_empty();
        }
    }
    if let Some(part) = open.take() {
        close(part, body.len(), body, &mut form);
    }
    if form.error.is_none() && !ended {
        form.error = Some("the final boundary is missing");
    }
    form.flaws.lf_line = lf;
    form.flaws.mixed_lines = crlf && lf;
    form
}

/// A part ends where the line of the next boundary starts, without the line break before it.
fn close(mut part: Part, end: usize, body: &[u8], form: &mut Form) {
    let content = body.get(part.content.0..end).unwrap_or_default();
    let content =
        content.strip_suffix(b"\n").map_or(content, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    part.content.1 = part.content.0 + content.len();
    form.parts.push(part);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    CrLf,
    Lf,
    None,
}

struct Line<'b> {
    start: usize,
    text: &'b [u8],
    end: LineEnd,
}

struct Lines<'b> {
    body: &'b [u8],
    at: usize,
}

impl<'b> Lines<'b> {
    fn next(&mut self) -> Option<Line<'b>> {
        let start = self.at;
        let rest = self.body.get(start..).filter(|rest| !rest.is_empty())?;
        let Some(at) = memchr::memchr(b'\n', rest) else {
            self.at = self.body.len();
            return Some(Line { start, text: rest, end: LineEnd::None });
        };
        self.at += at + 1;
        let text = rest.get(..at).unwrap_or_default();
        let (text, end) = match text.strip_suffix(b"\r") {
            Some(text) => (text, LineEnd::CrLf),
            None => (text, LineEnd::Lf),
        };
        Some(Line { start, text, end })
    }
}

/// The header lines of a part, up to the empty line.
fn head(
    lines: &mut Lines<'_>,
    flaws: &mut Flaws,
    crlf: &mut bool,
    lf: &mut bool,
) -> Result<Part, &'static str> {
    let mut part = Part::default();
    let mut bytes = 0;
    loop {
        let line = lines.next().ok_or("a part ends in its headers")?;
        match line.end {
            LineEnd::CrLf => *crlf = true,
            LineEnd::Lf => *lf = true,
            LineEnd::None => return Err("a part ends in its headers"),
        }
        if line.text.is_empty() {
            break;
        }
        bytes += line.text.len();
        if bytes > HEADER_BYTES || part.headers.len() >= HEADERS {
            return Err("a part with too many headers");
        }
        if line.text.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            flaws.header_folding = true;
            flaws.invalid_header_folding |= line.text.iter().any(|byte| matches!(byte, 0x0b | 0x0c | 0));
            let Some(last) = part.headers.last_mut() else { return Err("a folded line before any header") };
            last.push(b' ');
            last.extend_from_slice(line.text.trim_ascii());
            continue;
        }
        if memchr::memchr(b':', line.text).is_none() {
            return Err("a header without a colon");
        }
        part.headers.push(line.text.to_vec());
    }
    part.content = (lines.at, lines.at);
    let disposition = part.headers.iter().find_map(|header| {
        let at = memchr::memchr(b':', header)?;
        let (name, value) = header.split_at(at);
        name.trim_ascii()
            .eq_ignore_ascii_case(b"content-disposition")
            .then(|| value.get(1..).unwrap_or_default())
    });
    match disposition.map(<[u8]>::to_vec) {
        Some(value) => disposed(&value, &mut part, flaws),
        None => flaws.invalid_part = true,
    }
    Ok(part)
}

/// `form-data; name="…"; filename="…"`.
fn disposed(value: &[u8], part: &mut Part, flaws: &mut Flaws) {
    let value = value.trim_ascii();
    let kind =
        value.iter().position(|byte| *byte == b';' || byte.is_ascii_whitespace()).unwrap_or(value.len());
    let (kind, mut rest) = value.split_at(kind);
    if !kind.eq_ignore_ascii_case(b"form-data") {
        flaws.invalid_part = true;
    }
    loop {
        let mut separated = false;
        while let Some((byte, after)) = rest.split_first() {
            match byte {
                b';' => separated = true,
                byte if byte.is_ascii_whitespace() => {}
                _ => break,
            }
            rest = after;
        }
        if rest.is_empty() {
            return;
        }
        flaws.missing_semicolon |= !separated;
        let Some(equals) = memchr::memchr(b'=', rest) else {
            flaws.invalid_part = true;
            return;
        };
        let (key, after) = rest.split_at(equals);
        let (found, after) = parameter(after.get(1..).unwrap_or_default().trim_ascii_start(), flaws);
        match key.trim_ascii().to_ascii_lowercase().as_slice() {
            b"name" => part.name = found,
            b"filename" => part.filename = Some(found),
            b"filename*" => {
                let encoded = found.rsplit(|byte| *byte == b'\'').next().unwrap_or_default();
                let decoded = crate::transform::url_decode(encoded, false);
                part.filename = Some(decoded.unwrap_or_else(|| encoded.to_vec()));
            }
            _ => {}
        }
        rest = after;
    }
}

/// A value in quotes or without, and what follows.
fn parameter<'t>(text: &'t [u8], flaws: &mut Flaws) -> (Vec<u8>, &'t [u8]) {
    let quote = match text.first() {
        Some(b'"') => b'"',
        Some(b'\'') => {
            flaws.invalid_quoting = true;
            b'\''
        }
        _ => {
            let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
            let (value, rest) = text.split_at(end);
            return (value.trim_ascii_end().to_vec(), rest);
        }
    };
    let mut out = Vec::new();
    let mut rest = text.get(1..).unwrap_or_default();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.split_first()) {
            (b'\\', Some((next, after))) if *next == quote || *next == b'\\' => {
                out.push(*next);
                rest = after;
            }
            (byte, _) if *byte == quote => {
                let tail = rest.trim_ascii_start();
                flaws.invalid_quoting |= !(tail.is_empty() || tail.starts_with(b";"));
                return (out, rest);
            }
            (byte, _) => out.push(*byte),
        }
    }
    flaws.invalid_quoting = true;
    (out, rest)
}

#[cfg(test)]
mod tests {
    use super::{Flaws, boundary, parse};

    #[test]
    fn fields_and_files() {
        let mut flaws = Flaws::default();
        assert_eq!(boundary(b"multipart/form-data; boundary=boundary", &mut flaws).unwrap(), b"boundary");
        let boundary = boundary(b"multipart/form-data; boundary=xyz", &mut flaws).unwrap();
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n--xyz\r\n\
            Content-Disposition: form-data; name=f; filename=\"x\\\".php\"\r\nContent-Type: text/plain\r\n\r\n\r\n--xyz--\r\n";
        let form = parse(body, &boundary, 10, flaws);
        assert_eq!((form.error, form.flaws), (None, Flaws::default()));
        assert_eq!(form.parts.len(), 2);
        let content = |n: usize| &body[form.parts[n].content.0..form.parts[n].content.1];
        assert_eq!((content(0), content(1)), (&b"one\r\ntwo"[..], &b""[..]));
        assert_eq!(form.parts[1].filename.as_deref(), Some(&b"x\".php"[..]));
        assert_eq!(form.parts[1].headers.len(), 2);
    }

    #[test]
    fn oddities_are_noted() {
        let form = parse(
            b"x\n--b\nContent-Disposition: form-data name='a'\n\nv\n--b--\nrest",
            b"b",
            9,
            Flaws::default(),
        );
        let flaws = form.flaws;
        assert!(flaws.data_before && flaws.data_after && flaws.lf_line);
        assert!(flaws.missing_semicolon && flaws.invalid_quoting && flaws.is_strict_error());
        assert!(
            parse(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nv", b"b", 9, Flaws::default())
                .error
                .is_some()
        );
        assert!(boundary(b"multipart/form-data; boundary=a; boundary=b", &mut Flaws::default()).is_err());
    }
}
