//! `replaceComments` (C comments become one space), `removeComments` (comments of C, SQL and HTML go),
//! `removeCommentsChar` (only the marks of comments go).

pub(super) fn replace(input: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(input, b"/*")?;
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some(start) = memchr::memmem::find(rest, b"/*") {
        let (before, comment) = rest.split_at(start);
        out.extend_from_slice(before);
        out.push(b' ');
        let inside = comment.get(2..).unwrap_or_default();
        rest = match memchr::memmem::find(inside, b"*/") {
            Some(end) => inside.get(end + 2..).unwrap_or_default(),
            None => b"",
        };
    }
    out.extend_from_slice(rest);
    Some(out)
}

pub(super) fn remove(input: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, tail)) = rest.split_first() {
        let end: &[u8] = if rest.starts_with(b"/*") {
            b"*/"
        } else if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"--") || *first == b'#' {
            break;
        } else {
            out.push(*first);
            rest = tail;
            continue;
        };
        let skipped = rest.get(2..).unwrap_or_default();
        let Some(at) = memchr::memmem::find(skipped, end) else {
            out.push(b' ');
            break;
        };
        rest = skipped.get(at + end.len()..).unwrap_or_default();
        // ModSecurity leaves the byte that ends its strings where nothing but a comment was
        if rest.is_empty() && out.is_empty() {
            out.push(0);
        }
    }
    super::changed(input, out)
}

pub(super) fn remove_chars(input: &[u8]) -> Option<Vec<u8>> {
    const MARKS: [&[u8]; 6] = [b"<!--", b"-->", b"/*", b"*/", b"--", b"#"];
    memchr::memchr3(b'*', b'-', b'#', input)?;
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, tail)) = rest.split_first() {
        if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(mark)) {
            rest = rest.get(mark.len()..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    super::changed(input, out)
}
