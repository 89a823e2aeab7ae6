//! Fingerprints of greetings: how a program speaks TLS tells it from others.
//!
//! # Source
//! JA3 and JA3S: Salesforce, "TLS Fingerprinting with JA3 and JA3S" (BSD-3-Clause); JA4: `FoxIO`, "JA4: TLS Client
//! Fingerprinting" (BSD-3-Clause, unlike the other methods of that family).
use super::{ALPN, ClientHello, SERVER_NAME, ServerHello};
use sha2::Digest as _;
use std::fmt::Write as _;

/// The text of JA3: version, cipher suites, extensions, groups and forms of points.
pub fn ja3(hello: &ClientHello) -> String {
    let formats: Vec<u16> = hello.formats.iter().copied().map(u16::from).collect();
    let mut out = hello.version.to_string();
    for list in [&hello.suites, &hello.extensions, &hello.groups, &formats] {
        out.push(',');
        append(&mut out, list.iter().copied().filter(|number| !is_grease(*number)));
    }
    out
}

/// The text of JA3S: version, cipher suite and extensions.
pub fn ja3s(hello: &ServerHello) -> String {
    let mut out = format!("{},{},", hello.message_version, hello.suite);
    append(&mut out, hello.extensions.iter().copied());
    out
}

/// The digest of a text of JA3 or JA3S.
pub fn digest(text: &str) -> String {
    md5::Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut out, byte| {
        // writing to a string cannot fail
        let _written = write!(out, "{byte:02x}");
        out
    })
}

/// JA4 over TCP (`t`) or QUIC (`q`): `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub fn ja4(hello: &ClientHello, carrier: char) -> String {
    let plain =
        |list: &[u16]| -> Vec<u16> { list.iter().copied().filter(|number| !is_grease(*number)).collect() };
    let version = plain(&hello.versions).into_iter().max().unwrap_or(hello.version);
    let version = match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    };
    let (mut suites, extensions) = (plain(&hello.suites), plain(&hello.extensions));
    let name = if hello.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let mut out = format!(
        "{carrier}{version}{name}{:02}{:02}{}",
        suites.len().min(99),
        extensions.len().min(99),
        ends(hello.alpn.first().map_or(&[], Vec::as_slice))
    );
    suites.sort_unstable();
    let mut sorted: Vec<u16> =
        extensions.into_iter().filter(|kind| !matches!(*kind, SERVER_NAME | ALPN)).collect();
    sorted.sort_unstable();
    let signatures = plain(&hello.signatures);
    let mut others = hex_list(&sorted);
    if !signatures.is_empty() {
        others.push('_');
        others.push_str(&hex_list(&signatures));
    }
    for (there, text) in [(!suites.is_empty(), hex_list(&suites)), (!sorted.is_empty(), others)] {
        out.push('_');
        if there {
            for byte in sha2::Sha256::digest(text.as_bytes()).iter().take(6) {
                // writing to a string cannot fail
                let _written = write!(out, "{byte:02x}");
            }
        } else {
            out.push_str("000000000000");
        }
    }
    out
}

/// First and last character of a protocol's name; in hexadecimal where these are neither letters nor digits.
fn ends(alpn: &[u8]) -> String {
    let (Some(first), Some(last)) = (alpn.first(), alpn.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

fn hex_list(numbers: &[u16]) -> String {
    let mut out = String::with_capacity(numbers.len() * 5);
    for (at, number) in numbers.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _written = write!(out, "{comma}{number:04x}");
    }
    out
}

fn append(out: &mut String, numbers: impl Iterator<Item = u16>) {
    for (at, number) in numbers.enumerate() {
        let dash = if at > 0 { "-" } else { "" };
        let _written = write!(out, "{dash}{number}");
    }
}

/// Numbers that clients make up, so that servers stay tolerant (RFC 8701).
const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}
