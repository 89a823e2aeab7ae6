//! One form for each place on the web.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest host and path that are looked at; longer ones are cut. A name has at most 253 bytes, servers take
/// targets of 8 KiB.
const HOST_BYTES: usize = 1024;
const PATH_BYTES: usize = 16 << 10;

/// A host: a name in lower case without a dot at its end, or an address in its usual form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    text: Vec<u8>,
    address: Option<IpAddr>,
}

/// Where a request goes, in canonical form.
///
/// # Anomalies
/// None are reported: any bytes give some URL. Percent signs are decoded until none is left that can be, in host and
/// path; dot segments are resolved; runs of slashes are one; a backslash is a slash, as browsers read it.
/// Internationalised names stay the bytes that they are (`xn--…` on the wire).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    /// The host.
    pub host: Host,
    /// The port; the scheme's own where none is named.
    pub port: u16,
    /// The path, with its leading slash.
    path: Vec<u8>,
    query: Option<Vec<u8>>,
}

// === impl Host ===

impl Host {
    /// The host in an authority: `user@HOST:port`, `[::1]:80`, `0x7f.1`. Gives the port where one is named.
    pub fn from_authority(authority: &[u8]) -> (Self, Option<u16>) {
        let authority = trim(cut(authority, HOST_BYTES));
        let decoded = decode(authority);
        let host = decoded.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        if let Some(inside) = host.strip_prefix(b"[") {
            let mut parts = inside.splitn(2, |byte| *byte == b']');
            let address = parts.next().unwrap_or_default();
            let port = parts.next().and_then(|rest| port(rest.strip_prefix(b":")?));
            return (Self::of(address), port);
        }
        match host.iter().rposition(|byte| *byte == b':') {
            // A bare IPv6 address has no port.
            Some(colon) if host.iter().position(|byte| *byte == b':') == Some(colon) => {
                let (name, rest) = host.split_at(colon);
                (Self::of(name), rest.get(1..).and_then(port))
            }
            _ => (Self::of(host), None),
        }
    }

    /// A name or address that stands alone, as in a TLS server name.
    pub fn of(name: &[u8]) -> Self {
        let mut text: Vec<u8> = cut(name, HOST_BYTES).to_ascii_lowercase();
        while text.last() == Some(&b'.') {
            text.pop();
        }
        let address = ipv6(&text).or_else(|| ipv4(&text).map(IpAddr::V4));
        if let Some(address) = address {
            text = address.to_string().into_bytes();
        }
        Self { text, address }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether it is an address, not a name.
    pub const fn is_address(&self) -> bool {
        self.address.is_some()
    }

    /// The name and what is above it, longest first, cut between labels only; an address alone.
    ///
    /// # Bounds
    /// The last 32 labels.
    pub fn suffixes(&self) -> impl Iterator<Item = &[u8]> {
        const LABELS: usize = 32;
        let mut starts: Vec<usize> = vec![0];
        if !self.is_address() {
            starts.extend(
                self.text.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at + 1),
            );
        }
        let skipped = starts.len().saturating_sub(LABELS);
        starts.into_iter().skip(skipped).filter_map(|start| self.text.get(start..)).filter(|s| !s.is_empty())
    }
}

// === impl Url ===

impl Url {
    /// What an HTTP request asks for: its `Host` header, its target, and the port that was connected to.
    ///
    /// The target may be whole (`http://host/path`), as proxies get it; then its host counts.
    pub fn of_request(host: &[u8], target: &[u8], port: u16) -> Self {
        let target = trim(cut(target, PATH_BYTES));
        if let Some((authority, rest, scheme_port)) = absolute(target) {
            let (host, named) = Host::from_authority(authority);
            return Self::with(host, named.unwrap_or(scheme_port), rest);
        }
        let (host, named) = Host::from_authority(host);
        Self::with(host, named.unwrap_or(port), target)
    }

    /// A URL as people write it: with or without its scheme. `None` when there is no host in it.
    pub fn parse(text: &[u8]) -> Option<(Self, bool)> {
        let text = trim(cut(text, PATH_BYTES));
        let (authority, rest, scheme_port) = absolute(text).unwrap_or_else(|| {
            let end = text.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\')).unwrap_or(text.len());
            let (authority, rest) = text.split_at(end);
            (authority, rest, 80)
        });
        let (host, named) = Host::from_authority(authority);
        let url = Self::with(host, named.unwrap_or(scheme_port), rest);
        (!url.host.text.is_empty()).then_some((url, named.is_some()))
    }

    fn with(host: Host, port: u16, rest: &[u8]) -> Self {
        let rest = rest.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut parts = rest.splitn(2, |byte| *byte == b'?');
        let path = normalise(&decode(parts.next().unwrap_or_default()));
        let query = parts.next().map(decode);
        Self { host, port, path, query }
    }

    /// The path, from its slash on.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The query, where there is one.
    pub fn query(&self) -> Option<&[u8]> {
        self.query.as_deref()
    }

    /// The path's beginnings that end where a segment ends, shortest first, without a slash at the end. The whole
    /// path is the last one.
    ///
    /// # Bounds
    /// The first 32 segments, and the whole.
    pub fn path_prefixes(&self) -> impl Iterator<Item = &[u8]> {
        const SEGMENTS: usize = 32;
        let whole = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        let slashes = self.path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        let inner = slashes.map(|(at, _)| at).filter(move |at| *at < whole.len()).take(SEGMENTS);
        inner.filter_map(|end| self.path.get(..end)).chain(std::iter::once(whole))
    }

    /// The URL for people: bytes that are not printable ASCII are escaped, cut at `most` characters.
    pub fn shown(&self, most: usize) -> String {
        let host = &self.host.text;
        let mut text = String::new();
        let colon = host.contains(&b':');
        let mut push = |bytes: &[u8]| {
            text.extend(bytes.iter().take(most).flat_map(|b| std::ascii::escape_default(*b)).map(char::from));
        };
        if colon {
            push(b"[");
        }
        push(host);
        if colon {
            push(b"]");
        }
        if !matches!(self.port, 80 | 443) {
            push(format!(":{}", self.port).as_bytes());
        }
        push(&self.path);
        if let Some(query) = &self.query {
            push(b"?");
            push(query);
        }
        // Escapes are ASCII, so every index is a character's.
        text.truncate(most);
        text
    }
}

/// Authority, rest and the scheme's port of `http://…` and `https://…`.
fn absolute(text: &[u8]) -> Option<(&[u8], &[u8], u16)> {
    let scheme = |name: &[u8]| {
        let (head, rest) = text.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name).then_some(rest)
    };
    let (rest, port) = match scheme(b"https://") {
        Some(rest) => (rest, 443),
        None => (scheme(b"http://")?, 80),
    };
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    Some((authority, rest, port))
}

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Decodes percent signs until none is left that can be: `%2541` is `%41` is `A`. Tabs and line ends vanish, as in
/// browsers.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if matches!(byte, b'\t' | b'\r' | b'\n') {
            continue;
        }
        out.push(*byte);
        while let Some([b'%', high, low]) = out.last_chunk::<3>()
            && let (Some(high), Some(low)) = (digit(*high, 16), digit(*low, 16))
        {
            out.truncate(out.len() - 3);
            out.push(u8::try_from(high * 16 + low).unwrap_or(0));
        }
    }
    out
}

/// Dot segments resolved, runs of slashes joined, backslashes turned.
fn normalise(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_open = true;
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        ends_open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut out = Vec::with_capacity(path.len() + 1);
    for segment in &segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if ends_open {
        out.push(b'/');
    }
    out
}

fn digit(byte: u8, radix: u32) -> Option<u64> {
    char::from(byte).to_digit(radix).map(u64::from)
}

fn port(digits: &[u8]) -> Option<u16> {
    number(digits, 10).and_then(|value| u16::try_from(value).ok())
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |sum, byte| sum.checked_mul(u64::from(radix))?.checked_add(digit(*byte, radix)?))
}

/// An IPv4 address in any form that the C library takes: one to four parts, each decimal, octal or hexadecimal.
///
/// # Source
/// `inet_aton(3)`
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = text
        .split(|byte| *byte == b'.')
        .map(|part| match part {
            [b'0', b'x'] => Some(0),
            [b'0', b'x', hex @ ..] => number(hex, 16),
            [b'0', octal @ ..] if !octal.is_empty() => number(octal, 8),
            decimal => number(decimal, 10),
        })
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let bits = 32 - 8 * u32::try_from(first.len()).ok()?;
    if bits < 64 && *last >= 1 << bits {
        return None;
    }
    let high = first.iter().fold(0, |sum, part| (sum << 8) | part);
    u32::try_from((high << bits) | last).ok().map(Ipv4Addr::from)
}

fn ipv6(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address: Ipv6Addr = text.split('%').next()?.parse().ok()?;
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(host: &str, target: &str) -> String {
        Url::of_request(host.as_bytes(), target.as_bytes(), 80).shown(512)
    }

    #[test]
    fn the_same_place_in_another_way_is_the_same_place() {
        for (host, target) in [
            ("bad.example", "/a/b"),
            ("BAD.Example.", "/a/b"),
            ("bad.example:80", "/a/./b"),
            ("user:secret@bad.example", "/x/../a//b"),
            ("b%61d.example", "/%61/%62"),
            ("bad.example", "/%2561/b"),
            ("other.example", "http://bad.example/a/b"),
            ("other.example", "HTTP://BAD.EXAMPLE:80/a/b#fragment"),
            (" bad.example ", "/a\\b"),
        ] {
            assert_eq!(shown(host, target), "bad.example/a/b", "{host} {target}");
        }
        assert_eq!(shown("bad.example:8080", "/"), "bad.example:8080/");
        assert_eq!(shown("bad.example", "/a/?q=%31"), "bad.example/a/?q=1");
    }

    #[test]
    fn odd_forms_of_addresses_are_addresses() {
        for odd in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "127.0.0.1.",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(shown(odd, "/"), "127.0.0.1/", "{odd}");
        }
        assert_eq!(shown("[2001:DB8:0::1]:8080", "/"), "[2001:db8::1]:8080/");
        for name in ["256.0.0.1", "1.2.3.4.5", "4294967296", "0x7g", "a.1", "", "1..2"] {
            assert!(!Host::of(name.as_bytes()).is_address(), "{name}");
        }
    }

    #[test]
    fn suffixes_and_prefixes_end_at_bounds() {
        let url = Url::of_request(b"a.b.example", b"/x/y.html?q", 80);
        let suffixes: Vec<_> = url.host.suffixes().collect();
        assert_eq!(suffixes, [&b"a.b.example"[..], b"b.example", b"example"]);
        let prefixes: Vec<_> = url.path_prefixes().collect();
        assert_eq!(prefixes, [&b"/x"[..], b"/x/y.html"]);
        assert_eq!(Url::of_request(b"h", b"/", 80).path_prefixes().collect::<Vec<_>>(), [&b""[..]]);
        assert_eq!(Host::of(b"192.0.2.1").suffixes().count(), 1);
    }
}
