//! The normalised request target, as rules see it in `http.uri`.

/// Writes the normalised form of a raw request target into `out`, which is cleared first.
///
/// Scheme and authority of an absolute target are left away. In the path percent-encoding (also
/// `%uXXXX`) is undone once, backslashes become slashes, runs of slashes become one and dot segments
/// are resolved (RFC 3986 §5.2.4). In the query percent-encoding is undone once and nothing else.
/// An encoding that is not one stays as it is.
///
/// # Bounds
/// `out` is never longer than `raw` plus one byte.
/// # Source
/// The same view that Suricata's `http.uri` gives (libhtp, IDS personality).
pub fn normalise(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let raw = without_authority(raw);
    let raw = raw.split(|b| *b == b'#').next().unwrap_or(raw);
    let (path, query) = match memchr::memchr(b'?', raw) {
        Some(at) => (raw.get(..at).unwrap_or(raw), raw.get(at..)),
        None => (raw, None),
    };
    path_into(path, out);
    if let Some(query) = query {
        decode_into(query, out, |_, byte, out| out.push(byte));
    }
}

/// The target behind `scheme://authority`, or the whole where there is none.
fn without_authority(raw: &[u8]) -> &[u8] {
    if raw.first() == Some(&b'/') {
        return raw;
    }
    let Some(at) = memchr::memmem::find(raw, b"://") else { return raw };
    let scheme_is_plain =
        raw.get(..at).is_some_and(|s| !s.is_empty() && s.iter().all(u8::is_ascii_alphanumeric));
    if !scheme_is_plain {
        return raw;
    }
    let rest = raw.get(at + 3..).unwrap_or_default();
    match rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')) {
        Some(end) => rest.get(end..).unwrap_or_default(),
        None => b"/",
    }
}

fn path_into(path: &[u8], out: &mut Vec<u8>) {
    decode_into(path, out, |_, byte, out| {
        let byte = if byte == b'\\' { b'/' } else { byte };
        if byte == b'/' {
            close_segment(out);
            if out.last() == Some(&b'/') {
                return;
            }
        }
        out.push(byte);
    });
    close_segment(out);
}

/// Resolves a segment `.` or `..` at the end of `out`, leaving the slash before it.
fn close_segment(out: &mut Vec<u8>) {
    if out.ends_with(b"/..") {
        out.truncate(out.len() - 3);
        let parent = memchr::memrchr(b'/', out).unwrap_or(0);
        out.truncate(parent);
        out.push(b'/');
    } else if out.ends_with(b"/.") {
        out.truncate(out.len() - 1);
    }
}

/// Undoes percent-encoding once; `put` gets whether the byte was encoded.
fn decode_into(raw: &[u8], out: &mut Vec<u8>, put: impl Fn(bool, u8, &mut Vec<u8>)) {
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            if let Some((value, tail)) = hex_pair(tail) {
                put(true, value, out);
                rest = tail;
                continue;
            }
            if let Some((value, tail)) = unicode_escape(tail) {
                put(true, value, out);
                rest = tail;
                continue;
            }
        }
        put(false, byte, out);
        rest = tail;
    }
}

fn hex_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, tail @ ..] = bytes else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, tail))
}

/// `uXXXX` as IIS and some application servers accept it; full-width forms give their ASCII twin,
/// other characters beyond Latin-1 a question mark, as the servers' best-fit maps do.
fn unicode_escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'u' | b'U', tail @ ..] = bytes else { return None };
    let (high, tail) = hex_pair(tail)?;
    let (low, tail) = hex_pair(tail)?;
    let value = match (high, low) {
        (0, low) => low,
        (0xff, low @ 0x01..=0x5e) => low + 0x20,
        _ => b'?',
    };
    Some((value, tail))
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: &str) {
        let mut out = Vec::new();
        normalise(raw.as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{raw}");
    }

    #[test]
    fn paths_are_resolved() {
        check("/a/b/c", "/a/b/c");
        check("/a//b///c", "/a/b/c");
        check("/a/./b/../c", "/a/c");
        check("/../../etc/passwd", "/etc/passwd");
        check("/a/..", "/");
        check("/a/.", "/a/");
        check("/cgi-bin/.%2e/.%2e/bin/sh", "/bin/sh");
        check("/a\\b", "/a/b");
        check("/%77p-json/wp", "/wp-json/wp");
        check("/a%u002fb%uff0e", "/a/b.");
        check("/a/...", "/a/...");
        check("/..a/.b", "/..a/.b");
    }

    #[test]
    fn queries_are_only_decoded() {
        check("/a/../b?x=/../%2e%2E//", "/b?x=/../..//");
        check("?a=%zz%4", "?a=%zz%4");
        check("/%?%", "/%?%");
    }

    #[test]
    fn authority_and_fragment_go() {
        check("http://host:80/a/./b?c#d", "/a/b?c");
        check("http://host", "/");
        check("*", "*");
    }

    proptest::proptest! {
        #[test]
        fn never_longer_than_the_raw_target(raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            normalise(&raw, &mut out);
            proptest::prop_assert!(out.len() <= raw.len() + 1);
        }
    }
}
