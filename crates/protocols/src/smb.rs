//! SMB 1 to 3: shares, files and pipes (MS-CIFS, MS-SMB2).
//!
//! # Bounds
//! [`MESSAGE_BYTES`] of a message are held, what is behind them is passed over; [`MOST`] requests, files and shares.
use crate::Side;
use std::collections::BTreeMap;

mod version1;
mod version2;

/// What is held of a message.
pub const MESSAGE_BYTES: usize = 160 << 10;
/// Requests that wait for their answer, open files, connected shares.
pub const MOST: usize = 256;

/// An open file: what the server calls it.
pub type FileId = [u8; 16];

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message begins; what follows up to the next one is of it.
    Message(Message),
    /// A share is asked for; whether it is one of pipes.
    Share(Vec<u8>, bool),
    /// Who logs on: user and domain.
    Login(Vec<u8>, Vec<u8>),
    /// A part of a file.
    Data(Data),
    /// Bytes through a pipe.
    Pipe(FileId, Vec<u8>),
    /// A file is closed.
    Close(FileId),
    /// What came is no message.
    Broken,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// 1 or 2 (which is 3 too).
    pub version: u8,
    /// The same of a request and its answer.
    pub id: u64,
    /// Whether it is the answer.
    pub is_response: bool,
    /// What it asks for.
    pub command: u16,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The file.
    pub file: FileId,
    /// What it is called.
    pub name: Vec<u8>,
    /// Where the part stands in it.
    pub offset: u64,
    /// As much of it as was held.
    pub bytes: Vec<u8>,
    /// How much there was.
    pub length: u64,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    halves: [Half; 2],
    state: State,
}

/// What of the conversation gives later messages their meaning.
#[derive(Clone, Debug, Default)]
struct State {
    waiting: BTreeMap<u64, Waiting>,
    files: BTreeMap<FileId, Opened>,
    /// Whether a share is one of pipes, by its number.
    shares: BTreeMap<u32, bool>,
}

/// What an answer is to.
#[derive(Clone, Debug)]
enum Waiting {
    /// Whether the share is one of pipes.
    Share(bool),
    /// A file is to be opened.
    Open(Opened),
    Read(FileId, u64),
    /// A call through a pipe.
    Call(FileId),
}

#[derive(Clone, Debug, Default)]
struct Opened {
    name: Vec<u8>,
    is_pipe: bool,
}

#[derive(Clone, Debug, Default)]
struct Half {
    header: Vec<u8>,
    message: Vec<u8>,
    left: usize,
}

impl Session {
    /// Whether bytes may begin a connection; none while there are too few.
    pub fn may_begin_with(bytes: &[u8]) -> Option<bool> {
        match *bytes {
            // a session over NetBIOS may be asked for first
            [0, _, _, _, 0xfd..=0xff, b'S', b'M', b'B', ..] | [0x81, 0, 0, 68, 32, ..] => Some(true),
            [0 | 0x81, ..] if bytes.len() < 8 => None,
            _ => Some(false),
        }
    }

    /// Takes the next bytes of a side; what is said is added.
    pub fn feed(&mut self, side: Side, mut bytes: &[u8], said: &mut Vec<Said>) {
        let Some(half) = self.halves.get_mut(usize::from(side == Side::Server)) else { return };
        while !bytes.is_empty() {
            if half.left == 0 {
                let (now, rest) = bytes.split_at((4 - half.header.len()).min(bytes.len()));
                half.header.extend_from_slice(now);
                bytes = rest;
                if let [_, a, b, c] = *half.header.as_slice() {
                    half.left = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(0);
                    half.header.clear();
                }
                continue;
            }
            let (now, rest) = bytes.split_at(half.left.min(bytes.len()));
            half.left -= now.len();
            bytes = rest;
            let room = MESSAGE_BYTES - half.message.len();
            half.message.extend_from_slice(now.get(..room).unwrap_or(now));
            if half.left == 0 {
                let message = std::mem::take(&mut half.message);
                read(&mut self.state, side, &message, said);
            }
        }
    }

    /// Bytes of a side are missing: as many are passed over.
    pub fn gap(&mut self, side: Side, bytes: u64) -> bool {
        let Some(half) = self.halves.get_mut(usize::from(side == Side::Server)) else { return false };
        match usize::try_from(bytes).ok().and_then(|bytes| half.left.checked_sub(bytes)) {
            Some(left) => {
                half.left = left;
                half.message.clear();
                true
            }
            // the beginning of the next message is not known
            None => false,
        }
    }

    /// Bytes of memory held in messages.
    pub fn memory_bytes(&self) -> usize {
        self.halves.iter().map(|half| half.message.capacity()).sum()
    }
}

fn read(state: &mut State, side: Side, message: &[u8], said: &mut Vec<Said>) {
    match message {
        [0xff, b'S', b'M', b'B', ..] => version1::read(state, side, message, said),
        [0xfe, b'S', b'M', b'B', ..] => version2::read(state, message, said),
        // encrypted, compressed, or one of NetBIOS
        [0xfd | 0xfc, b'S', b'M', b'B', ..] | [32, ..] => {}
        _ => said.push(Said::Broken),
    }
}

impl State {
    fn wait(&mut self, id: u64, what: Waiting) {
        if self.waiting.len() < MOST {
            self.waiting.insert(id, what);
        }
    }

    fn open(&mut self, file: FileId, opened: Opened) {
        if self.files.len() < MOST {
            self.files.insert(file, opened);
        }
    }

    fn share(&mut self, number: u32, is_pipe: bool) {
        if self.shares.len() < MOST {
            self.shares.insert(number, is_pipe);
        }
    }

    /// What is said by bytes read from a file or written to it.
    fn transferred(&self, file: FileId, offset: u64, bytes: &[u8], length: u64, said: &mut Vec<Said>) {
        let opened = self.files.get(&file);
        if opened.is_some_and(|opened| opened.is_pipe) {
            said.push(Said::Pipe(file, bytes.to_vec()));
        } else {
            let name = opened.map(|opened| opened.name.clone()).unwrap_or_default();
            said.push(Said::Data(Data { file, name, offset, bytes: bytes.to_vec(), length }));
        }
    }
}

/// Numbers in a message, lowest byte first.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Text of two bytes a character; what is no character is replaced.
fn wide(bytes: &[u8]) -> Vec<u8> {
    let units = bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
    let units = units.take_while(|unit| *unit != 0);
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into_bytes()
}

/// Whether a share is one of pipes.
fn is_pipe(share: &[u8]) -> bool {
    share.to_ascii_uppercase().ends_with(b"IPC$")
}

/// Who logs on: the third message of NTLM, wherever it stands.
fn login(bytes: &[u8]) -> Option<Said> {
    let at = memchr::memmem::find(bytes, b"NTLMSSP\0\x03\0\0\0")?;
    let message = bytes.get(at..)?;
    let is_wide = u32_at(message, 60)? & 1 != 0;
    let field = |at: usize| -> Option<Vec<u8>> {
        let (length, offset) = (u16_at(message, at)?, u32_at(message, at + 4)?);
        let offset = usize::try_from(offset).ok()?;
        let text = message.get(offset..offset.checked_add(usize::from(length))?)?;
        Some(if is_wide { wide(text) } else { text.to_vec() })
    };
    Some(Said::Login(field(36)?, field(28)?))
}

#[cfg(test)]
mod tests;
