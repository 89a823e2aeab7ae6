//! SSH as far as it is said openly: banners and offers (RFC 4253).
//!
//! # Source
//! HASSH: Salesforce, "HASSH" (BSD-3-Clause).
use crate::Side;
use crate::tls::digest;

/// Longest banner that is kept; RFC 4253 allows 255 bytes.
pub const BANNER_BYTES: usize = 512;
/// Longest packet that is read: offers are some 2 KiB.
pub const PACKET_BYTES: usize = 32 << 10;
/// Lines that a server may say before its banner.
const LINES: usize = 32;

const KEX_INIT: u8 = 20;
const NEW_KEYS: u8 = 21;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The banner: version and software.
    Banner(Vec<u8>, Vec<u8>),
    /// The text of HASSH of the side's offer, and its digest.
    Offer(String, String),
    /// What the side says from here on is encrypted.
    Encrypted,
    /// What came is no banner.
    BrokenBanner,
    /// The banner is longer than allowed.
    LongBanner,
    /// What came is no packet.
    BrokenPacket,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    halves: [Half; 2],
}

#[derive(Clone, Debug, Default)]
struct Half {
    bytes: Vec<u8>,
    lines: usize,
    bannered: bool,
    over: bool,
}

impl Session {
    /// Takes the next bytes of a side; what is said is added.
    pub fn feed(&mut self, side: Side, bytes: &[u8], said: &mut Vec<Said>) {
        if let Some(half) = self.halves.get_mut(usize::from(side == Side::Server)) {
            half.feed(side, bytes, said);
        }
    }

    /// Whether nothing more is understood of either side.
    pub fn is_over(&self) -> bool {
        self.halves.iter().all(|half| half.over)
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.halves.iter().map(|half| half.bytes.capacity()).sum()
    }
}

impl Half {
    fn feed(&mut self, side: Side, mut bytes: &[u8], said: &mut Vec<Said>) {
        while !self.over && !bytes.is_empty() {
            let wanted = if self.bannered {
                match self.bytes.first_chunk::<4>() {
                    Some(length) => usize::try_from(u32::from_be_bytes(*length))
                        .map_or(usize::MAX, |n| n.saturating_add(4)),
                    None => 4,
                }
            } else {
                // up to the end of a line, byte by byte of what has come
                let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                self.bytes.len() + end
            };
            if self.bannered && wanted > PACKET_BYTES {
                said.push(Said::BrokenPacket);
                return self.end();
            }
            let (now, rest) = bytes.split_at((wanted - self.bytes.len().min(wanted)).min(bytes.len()));
            self.bytes.extend_from_slice(now);
            bytes = rest;
            if !self.bannered {
                self.line(said);
            } else if self.bytes.len() == wanted && wanted > 4 {
                let packet = std::mem::take(&mut self.bytes);
                self.packet(side, packet.get(4..).unwrap_or_default(), said);
            } else if wanted == 4 && self.bytes == [0; 4] {
                said.push(Said::BrokenPacket);
                self.end();
            }
        }
    }

    fn line(&mut self, said: &mut Vec<Said>) {
        if !self.bytes.ends_with(b"\n") {
            if self.bytes.len() > BANNER_BYTES {
                said.push(Said::LongBanner);
                self.end();
            }
            return;
        }
        let line = std::mem::take(&mut self.bytes);
        let line = line.trim_ascii_end();
        let Some(rest) = line.strip_prefix(b"SSH-") else {
            self.lines += 1;
            if self.lines > LINES {
                said.push(Said::BrokenBanner);
                self.end();
            }
            return;
        };
        let dash = rest.iter().position(|byte| *byte == b'-').unwrap_or(rest.len());
        let (version, software) = rest.split_at(dash);
        let software = software.get(1..).unwrap_or_default();
        let software = software.split(|byte| *byte == b' ').next().unwrap_or_default();
        if version.is_empty() || software.is_empty() {
            said.push(Said::BrokenBanner);
        }
        said.push(Said::Banner(version.to_vec(), software.to_vec()));
        self.bannered = true;
        // of version 1 packets are others
        if !(version.starts_with(b"2") || version == b"1.99") {
            self.end();
        }
    }

    fn packet(&mut self, side: Side, packet: &[u8], said: &mut Vec<Said>) {
        let [_, kind, body @ ..] = packet else { return };
        match *kind {
            KEX_INIT => said.extend(offer(side, body)),
            NEW_KEYS => {
                said.push(Said::Encrypted);
                self.end();
            }
            _ => {}
        }
    }

    fn end(&mut self) {
        *self = Self { over: true, bannered: true, ..Self::default() };
    }
}

/// cookie (16), then lists of names: key exchange, host keys, ciphers, digests and compressions of both directions.
fn offer(side: Side, body: &[u8]) -> Option<Said> {
    let mut rest = body.get(16..)?;
    let mut lists = [""; 8];
    for list in &mut lists {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (text, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        *list = std::str::from_utf8(text).ok()?;
        rest = after;
    }
    let [exchange, _, to_server, to_client, sum_server, sum_client, pack_server, pack_client] = lists;
    let text = match side {
        Side::Client => format!("{exchange};{to_server};{sum_server};{pack_server}"),
        Side::Server => format!("{exchange};{to_client};{sum_client};{pack_client}"),
    };
    let hash = digest(&text);
    Some(Said::Offer(text, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&length[..], &[0, kind], body].concat()
    }

    fn client() -> Vec<u8> {
        let lists = ["kex", "key", "c1", "c2", "m1", "m2", "none", "zlib", "", ""];
        let lists: Vec<u8> = lists
            .iter()
            .flat_map(|list| {
                [&u32::try_from(list.len()).unwrap().to_be_bytes()[..], list.as_bytes()].concat()
            })
            .collect();
        let offer = packet(KEX_INIT, &[&[7; 16][..], &lists, &[0; 5]].concat());
        [&b"SSH-2.0-OpenSSH_9.2 Debian\r\n"[..], &offer, &packet(NEW_KEYS, &[]), b"encrypted"].concat()
    }

    fn all(side: Side, pieces: &[&[u8]]) -> Vec<Said> {
        let (mut session, mut said) = (Session::default(), Vec::new());
        for piece in pieces {
            session.feed(side, piece, &mut said);
        }
        said
    }

    #[test]
    fn banner_and_offer() {
        let offer = |text: &str| Said::Offer(text.to_owned(), digest(text));
        let banner = || Said::Banner(b"2.0".to_vec(), b"OpenSSH_9.2".to_vec());
        assert_eq!(all(Side::Client, &[&client()]), [banner(), offer("kex;c1;m1;none"), Said::Encrypted]);
        assert_eq!(all(Side::Server, &[&client()]), [banner(), offer("kex;c2;m2;zlib"), Said::Encrypted]);
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_changes_nothing(cut in 1_usize..40) {
            let bytes = client();
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(all(Side::Client, &pieces), all(Side::Client, &[&bytes]));
        }

        #[test]
        fn anything_is_taken(bytes in prop::collection::vec(any::<u8>(), 0..300), banner in any::<bool>()) {
            let bytes = if banner { [&b"SSH-2.0-x\r\n"[..], &bytes].concat() } else { bytes };
            let (mut session, mut said) = (Session::default(), Vec::new());
            session.feed(Side::Client, &bytes, &mut said);
            prop_assert!(session.memory_bytes() <= 2 * PACKET_BYTES);
        }
    }
}
