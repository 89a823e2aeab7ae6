//! FTP's control connection: commands, replies, and the data connections that they announce (RFC 959, RFC 2428).
use crate::Side;
use crate::lines::Lines;
use std::net::Ipv4Addr;

/// What is kept of a line.
pub const LINE_BYTES: usize = 4096;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// By the client.
    Command(Command),
    /// By the server: one line of it.
    Reply(Reply),
    /// A line was longer than is kept.
    LongLine(Side),
}

/// `RETR temp.txt`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The verb in upper case.
    pub verb: Vec<u8>,
    /// What follows it.
    pub argument: Vec<u8>,
}

/// One line of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Three digits; none in the middle of an answer of several lines.
    pub code: Option<[u8; 3]>,
    /// What follows it.
    pub text: Vec<u8>,
    /// Whether the answer ends with it.
    pub is_last: bool,
}

/// A control connection.
#[derive(Clone, Debug, Default)]
pub struct Control {
    client: Lines,
    server: Lines,
    /// The code with which the answer at hand began.
    open: Option<[u8; 3]>,
}

impl Control {
    /// Takes the next bytes of a side; what is said is added.
    pub fn feed(&mut self, side: Side, mut bytes: &[u8], said: &mut Vec<Said>) {
        while !bytes.is_empty() {
            let lines = if side == Side::Client { &mut self.client } else { &mut self.server };
            let (taken, line) = lines.take(bytes, LINE_BYTES);
            bytes = bytes.get(taken..).unwrap_or_default();
            let Some(line) = line else { return };
            if line.is_cut {
                said.push(Said::LongLine(side));
            }
            match side {
                Side::Client if line.bytes.is_empty() => {}
                Side::Client => said.push(Said::Command(command(line.bytes))),
                Side::Server => {
                    let reply = reply(line.bytes, &mut self.open);
                    said.push(Said::Reply(reply));
                }
            }
            lines.clear();
        }
    }
}

fn command(line: &[u8]) -> Command {
    // Telnet's own commands may stand in front
    let begin = line.iter().position(u8::is_ascii_alphabetic).unwrap_or(0);
    let line = line.get(begin..).unwrap_or(line);
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (verb, argument) = line.split_at(end);
    Command { verb: verb.to_ascii_uppercase(), argument: argument.trim_ascii_start().to_vec() }
}

fn reply(line: &[u8], open: &mut Option<[u8; 3]>) -> Reply {
    let code = line.first_chunk::<3>().filter(|code| code.iter().all(u8::is_ascii_digit)).copied();
    let mark = line.get(3).copied();
    let text = line.get(4..).unwrap_or_default().to_vec();
    match (code, mark, *open) {
        (Some(code), Some(b'-'), None) => {
            *open = Some(code);
            Reply { code: Some(code), text, is_last: false }
        }
        (Some(code), Some(b' ') | None, before) if before.is_none_or(|before| before == code) => {
            *open = None;
            Reply { code: Some(code), text, is_last: true }
        }
        (Some(code), Some(b'-'), Some(before)) if before == code => {
            Reply { code: Some(code), text, is_last: false }
        }
        _ => Reply { code: None, text: line.to_vec(), is_last: open.is_none() },
    }
}

/// Address and port of `a,b,c,d,e,f`, wherever it stands in a text.
pub fn address(text: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
    let words = text.split(|byte| !is_part(byte));
    words.into_iter().find_map(|word| {
        let numbers: Vec<u8> =
            word.split(|byte| *byte == b',').map_while(|part| number(part)?.try_into().ok()).collect();
        let (address, port) = numbers.split_first_chunk::<4>()?;
        Some((Ipv4Addr::from(*address), u16::from_be_bytes(port.try_into().ok()?)))
    })
}

/// The port of `|1|address|port|`, which follows the third mark.
pub fn extended_port(text: &[u8]) -> Option<u16> {
    let begin = text.iter().position(|byte| *byte == b'|')?;
    let mut parts = text.get(begin..)?.split(|byte| *byte == b'|');
    number(parts.nth(3)?)?.try_into().ok()
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(side: Side, pieces: &[&[u8]]) -> Vec<Said> {
        let (mut control, mut said) = (Control::default(), Vec::new());
        for piece in pieces {
            control.feed(side, piece, &mut said);
        }
        said
    }

    #[test]
    fn commands_and_replies() {
        let said = all(Side::Client, &[b"USER anon", b"ymous\r\nretr  a b\r\n\r\n"]);
        let command = |verb: &[u8], argument: &[u8]| {
            Said::Command(Command { verb: verb.to_vec(), argument: argument.to_vec() })
        };
        assert_eq!(said, [command(b"USER", b"anonymous"), command(b"RETR", b"a b")]);
        let said = all(Side::Server, &[b"220-Hello\r\n there\r\n220 ready\r\n331 pass\r\n"]);
        let lines: Vec<_> = said
            .iter()
            .map(|said| match said {
                Said::Reply(reply) => (reply.code, reply.text.as_slice(), reply.is_last),
                _ => panic!("{said:?}"),
            })
            .collect();
        assert_eq!(
            lines,
            [
                (Some(*b"220"), &b"Hello"[..], false),
                (None, b" there", false),
                (Some(*b"220"), b"ready", true),
                (Some(*b"331"), b"pass", true)
            ]
        );
    }

    #[test]
    fn addresses_of_data_connections() {
        assert_eq!(address(b"192,168,0,13,234,10"), Some((Ipv4Addr::new(192, 168, 0, 13), 59914)));
        assert_eq!(
            address(b"Entering Passive Mode (10,0,0,1,185,13)."),
            Some((Ipv4Addr::new(10, 0, 0, 1), 47373))
        );
        assert_eq!(address(b"1,2,3,4,5"), None);
        assert_eq!(address(b"1,2,3,4,5,256"), None);
        assert_eq!(extended_port(b"Entering Extended Passive Mode (|||58612|)"), Some(58612));
        assert_eq!(extended_port(b"|1|10.0.0.1|34325|"), Some(34325));
        assert_eq!(extended_port(b"|||"), None);
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..20, client in any::<bool>()) {
            let side = if client { Side::Client } else { Side::Server };
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(all(side, &pieces), all(side, &[&bytes]));
        }
    }
}
