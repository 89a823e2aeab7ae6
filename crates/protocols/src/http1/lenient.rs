//! How receivers read the heads of responses that servers write to be misread.
//!
//! Browsers and proxies differ in what they make of NUL bytes, odd blanks, bare carriage returns and folds in a head. A
//! server that wants to get something past an inspection uses just that, so framing and codings of a response are taken
//! from every field that some receiver would see. What turns out not to be framed or coded so is taken as it is.
//!
//! # Source
//! S. Ullrich, *HTTP Evader* (<https://noxxi.de/research/http-evader.html>).

/// A cleaned name in lower case, and its value.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// Fields of a head, as some receiver sees each.
pub(super) fn fields(head: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut logical: Vec<u8> = Vec::new();
    let mut lines = head.split(|byte| matches!(byte, b'\r' | b'\n'));
    let _start_line = lines.next();
    for line in lines.filter(|line| !line.is_empty()) {
        let is_fold = line.first().is_some_and(|byte| *byte <= b' ');
        if is_fold && !logical.is_empty() {
            logical.push(b' ');
            logical.extend_from_slice(line);
        } else {
            fields.extend(field(&logical));
            logical = line.to_vec();
        }
        if is_fold {
            // Some take a fold for a field of its own.
            fields.extend(field(line).filter(|(name, _)| !name.is_empty()));
        }
    }
    fields.extend(field(&logical));
    fields
}

fn field(line: &[u8]) -> Option<Field> {
    let colon = memchr::memchr(b':', line)?;
    let name = line.get(..colon)?.iter().filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'-');
    Some((name.map(u8::to_ascii_lowercase).collect(), line.get(colon + 1..)?.to_vec()))
}

/// Whether a line ends a head, by what follows it: a line of blanks does where no field and no fold comes, and one with more
/// CRs than one does not.
pub(super) fn ends_head(line: &[u8], behind: &[u8]) -> bool {
    /// The longest name that is looked for: those that matter here are shorter.
    const NAME_BYTES: usize = 40;
    match line {
        b"\n" | b"\r\n" => true,
        [b'\r', b'\r', ..] => false,
        line if line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) => {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            let name = behind.iter().take(NAME_BYTES).take_while(|byte| is_name(byte)).count();
            let goes_on = matches!(behind.first(), Some(b' ' | b'\t' | b'\r' | b'\n'));
            !goes_on && (name == 0 || behind.get(name) != Some(&b':'))
        }
        _ => false,
    }
}

/// The words of a list, without anything but letters and digits, in lower case.
pub(super) fn words(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    value.split(|byte| *byte == b',').map(|word| {
        let plain = word.iter().filter(|byte| byte.is_ascii_alphanumeric());
        plain.map(u8::to_ascii_lowercase).collect()
    })
}

/// A chunk's size line as tolerant receivers read it.
pub(super) enum Size {
    /// The line is not over.
    Short,
    /// A line without anything: they skip it.
    Blank,
    /// This many bytes.
    Of(u64),
    /// No size.
    None,
}

/// Something that is no extension follows the digits: so long a line is none.
const JUNK_BYTES: usize = 16;

/// Reads what there is of a size line.
pub(super) fn chunk_size(line: &[u8], is_over: bool) -> Size {
    let is_blank = |byte: &u8| *byte <= b' ';
    let text = line.iter().position(|byte| !is_blank(byte)).and_then(|at| line.get(at..)).unwrap_or_default();
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let behind = text.get(digits);
    match (digits, is_over) {
        (0, _) if behind.is_some() => Size::None,
        (0, true) => Size::Blank,
        (0, false) => Size::Short,
        (16.., _) => Size::None,
        (_, false) => {
            let is_junk = behind.is_some_and(|byte| *byte != b';' && !is_blank(byte));
            if is_junk && text.len() > JUNK_BYTES { Size::None } else { Size::Short }
        }
        (_, true) => {
            let value = text.iter().take(digits).filter_map(|byte| char::from(*byte).to_digit(16));
            Size::Of(value.fold(0, |size, digit| size << 4 | u64::from(digit)))
        }
    }
}
