//! SMTP: commands, replies and the mail between them (RFC 5321).
use crate::Side;
use crate::lines::Lines;

pub mod mime;

/// What is kept of a line that is a command or a reply.
pub const LINE_BYTES: usize = 4096;
/// What is kept of a line of a mail.
const MAIL_LINE_BYTES: usize = 8192;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A command: its verb in upper case, and what follows.
    Command(Vec<u8>, Vec<u8>),
    /// A line of an answer; whether the answer ends with it.
    Reply([u8; 3], Vec<u8>, bool),
    /// A line of the mail, without its end and without the dot that hides another one.
    Line(Vec<u8>),
    /// The mail is over.
    MailEnd,
    /// A line was longer than is allowed.
    LongLine(Side),
    /// A line of the server is no reply.
    BrokenReply,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    client: Lines,
    server: Lines,
    state: State,
    /// The server has not answered `DATA` yet.
    asked_for_data: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Commands,
    Mail,
    /// So many bytes of a chunk; whether it is the last one.
    Chunk(u64, bool),
}

impl Session {
    /// Takes the next bytes of a side; what is said is added.
    pub fn feed(&mut self, side: Side, bytes: &[u8], said: &mut Vec<Said>) {
        match side {
            Side::Client => self.client(bytes, said),
            Side::Server => self.server(bytes, said),
        }
    }

    fn client(&mut self, mut bytes: &[u8], said: &mut Vec<Said>) {
        while !bytes.is_empty() {
            if let State::Chunk(left, last) = self.state {
                let now = usize::try_from(left).map_or(bytes, |left| bytes.get(..left).unwrap_or(bytes));
                bytes = bytes.get(now.len()..).unwrap_or_default();
                let left = left - now.len() as u64;
                self.mail(now, said);
                self.state = State::Chunk(left, last);
                if left == 0 {
                    self.state = State::Commands;
                    if last {
                        self.end_mail(said);
                    }
                }
                continue;
            }
            if self.state == State::Mail {
                bytes = self.mail(bytes, said);
                continue;
            }
            let (taken, line) = self.client.take(bytes, LINE_BYTES);
            bytes = bytes.get(taken..).unwrap_or_default();
            let Some(line) = line else { return };
            if line.is_cut {
                said.push(Said::LongLine(Side::Client));
            }
            let end = line.bytes.iter().position(|byte| *byte == b' ').unwrap_or(line.bytes.len());
            let (verb, argument) = line.bytes.split_at(end);
            let (verb, argument) = (verb.to_ascii_uppercase(), argument.trim_ascii().to_vec());
            self.client.clear();
            match verb.as_slice() {
                b"DATA" => {
                    self.state = State::Mail;
                    self.asked_for_data = true;
                }
                b"BDAT" => {
                    let mut words = argument.split(|byte| *byte == b' ');
                    let size = words.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                    let last = words.any(|word| word.eq_ignore_ascii_case(b"LAST"));
                    if let Some(size) = size.filter(|size| *size > 0) {
                        self.state = State::Chunk(size, last);
                    }
                }
                _ => {}
            }
            said.push(Said::Command(verb, argument));
        }
    }

    /// Takes bytes of a mail; gives what is behind its end.
    fn mail<'b>(&mut self, mut bytes: &'b [u8], said: &mut Vec<Said>) -> &'b [u8] {
        while !bytes.is_empty() {
            let (taken, line) = self.client.take(bytes, MAIL_LINE_BYTES);
            bytes = bytes.get(taken..).unwrap_or_default();
            let Some(line) = line else { return bytes };
            if line.bytes == b"." && self.state == State::Mail {
                self.client.clear();
                self.state = State::Commands;
                said.push(Said::MailEnd);
                return bytes;
            }
            let hidden = self.state == State::Mail && line.bytes.starts_with(b".");
            let line = line.bytes.get(usize::from(hidden)..).unwrap_or_default().to_vec();
            self.client.clear();
            said.push(Said::Line(line));
        }
        bytes
    }

    fn end_mail(&mut self, said: &mut Vec<Said>) {
        if !self.client.begun().is_empty() {
            said.push(Said::Line(self.client.begun().to_vec()));
            self.client.clear();
        }
        said.push(Said::MailEnd);
    }

    fn server(&mut self, mut bytes: &[u8], said: &mut Vec<Said>) {
        while !bytes.is_empty() {
            let (taken, line) = self.server.take(bytes, LINE_BYTES);
            bytes = bytes.get(taken..).unwrap_or_default();
            let Some(line) = line else { return };
            if line.is_cut {
                said.push(Said::LongLine(Side::Server));
            }
            let code = line.bytes.first_chunk::<3>().filter(|code| code.iter().all(u8::is_ascii_digit));
            match code {
                Some(code) => {
                    let last = line.bytes.get(3) != Some(&b'-');
                    let text = line.bytes.get(4..).unwrap_or_default().to_vec();
                    // what the server does not want is no mail
                    if last && std::mem::take(&mut self.asked_for_data) && !code.starts_with(b"3") {
                        self.state = State::Commands;
                    }
                    said.push(Said::Reply(*code, text, last));
                }
                None => said.push(Said::BrokenReply),
            }
            self.server.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(side: Side, pieces: &[&[u8]]) -> Vec<Said> {
        let (mut session, mut said) = (Session::default(), Vec::new());
        for piece in pieces {
            session.feed(side, piece, &mut said);
        }
        said
    }

    fn command(verb: &[u8], argument: &[u8]) -> Said {
        Said::Command(verb.to_vec(), argument.to_vec())
    }

    #[test]
    fn a_mail_between_commands() {
        let text = b"mail FROM:<a@b>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
        assert_eq!(
            all(Side::Client, &[text]),
            [
                command(b"MAIL", b"FROM:<a@b>"),
                command(b"DATA", b""),
                Said::Line(b"Subject: x".to_vec()),
                Said::Line(Vec::new()),
                Said::Line(b".dot".to_vec()),
                Said::MailEnd,
                command(b"QUIT", b""),
            ]
        );
        assert_eq!(
            all(Side::Client, &[b"BDAT 6 LAST\r\n.\r\nabcQUIT\r\n"]),
            [
                command(b"BDAT", b"6 LAST"),
                Said::Line(b".".to_vec()),
                Said::Line(b"abc".to_vec()),
                Said::MailEnd,
                command(b"QUIT", b""),
            ]
        );
    }

    #[test]
    fn a_mail_that_is_not_wanted_is_none() {
        let (mut session, mut said) = (Session::default(), Vec::new());
        session.feed(Side::Client, b"DATA\r\n", &mut said);
        session.feed(Side::Server, b"503 no\r\n", &mut said);
        session.feed(Side::Client, b"QUIT\r\n", &mut said);
        assert_eq!(
            said,
            [command(b"DATA", b""), Said::Reply(*b"503", b"no".to_vec(), true), command(b"QUIT", b"")]
        );
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1_usize..20, client in any::<bool>(), mail in any::<bool>()) {
            let side = if client { Side::Client } else { Side::Server };
            let bytes = if mail { [&b"DATA\r\n"[..], &bytes].concat() } else { bytes };
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(all(side, &pieces), all(side, &[&bytes]));
        }
    }
}
