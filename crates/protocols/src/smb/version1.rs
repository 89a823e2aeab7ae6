//! Messages of SMB 1.
use super::{FileId, Message, Opened, Said, State, Waiting, is_pipe, login, u16_at, u32_at, wide};
use crate::Side;

const HEADER: usize = 32;
/// Commands in one message.
const CHAIN: usize = 4;

/// A command of a message: its words, and the bytes behind them with where these begin.
struct Command<'a> {
    number: u8,
    words: &'a [u8],
    data: &'a [u8],
    data_at: usize,
}

pub(super) fn read(state: &mut State, side: Side, bytes: &[u8], said: &mut Vec<Said>) {
    if message(state, side, bytes, said).is_none() {
        said.push(Said::Broken);
    }
}

fn message(state: &mut State, side: Side, bytes: &[u8], said: &mut Vec<Said>) -> Option<()> {
    let mut number = *bytes.get(4)?;
    let (flags, flags2) = (*bytes.get(9)?, u16_at(bytes, 10)?);
    let is_response = flags & 0x80 != 0 || side == Side::Server;
    let is_wide = flags2 & 0x8000 != 0;
    let share = u16_at(bytes, 24)?;
    let id = [26, 28, 30].iter().try_fold(0_u64, |id, at| Some(id << 16 | u64::from(u16_at(bytes, *at)?)))?;
    let failed = is_response && u32_at(bytes, 5)? & 0xc000_0000 == 0xc000_0000;
    said.push(Said::Message(Message { version: 1, id, is_response, command: number.into() }));
    let asked = if is_response { state.waiting.remove(&id) } else { None };
    if failed {
        return Some(());
    }
    let mut at = HEADER;
    for _ in 0..CHAIN {
        let Some(command) = command(bytes, number, at) else { break };
        if is_response {
            response(state, share, bytes, &command, asked.as_ref(), said);
        } else {
            request(state, (id, share, is_wide), bytes, &command, said);
        }
        // those that others may follow say which, and where
        let follows = matches!(number, 0x2d | 0x2e | 0x2f | 0x73 | 0x75 | 0xa2);
        match (command.words.first(), u16_at(command.words, 2)) {
            (Some(next), Some(offset)) if follows && *next != 0xff && usize::from(offset) > at => {
                number = *next;
                at = usize::from(offset);
            }
            _ => break,
        }
    }
    Some(())
}

fn command(bytes: &[u8], number: u8, at: usize) -> Option<Command<'_>> {
    let count = usize::from(*bytes.get(at)?) * 2;
    let words = bytes.get(at + 1..at + 1 + count)?;
    let data_at = at + 1 + count + 2;
    Some(Command { number, words, data: bytes.get(data_at..).unwrap_or_default(), data_at })
}

/// A text behind the words; of two bytes a character it begins at an even place of the message.
fn text(command: &Command<'_>, from: usize, is_wide: bool) -> Option<Vec<u8>> {
    if is_wide {
        let pad = (command.data_at + from) % 2;
        return Some(wide(command.data.get(from + pad..)?));
    }
    let text = command.data.get(from..)?;
    Some(text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}

/// The file that a number of 16 bits stands for.
fn file_id(words: &[u8], at: usize) -> Option<FileId> {
    let [a, b] = u16_at(words, at)?.to_le_bytes();
    let mut file = FileId::default();
    file.first_chunk_mut::<2>()?.copy_from_slice(&[a, b]);
    Some(file)
}

fn part(bytes: &[u8], offset: u16, length: usize) -> Option<&[u8]> {
    let from = bytes.get(usize::from(offset)..)?;
    Some(from.get(..length).unwrap_or(from))
}

fn request(
    state: &mut State,
    (id, share, is_wide): (u64, u16, bool),
    bytes: &[u8],
    command: &Command<'_>,
    said: &mut Vec<Said>,
) -> Option<()> {
    let words = command.words;
    match command.number {
        0x73 => said.extend(login(command.data)),
        0x75 => {
            let path = text(command, usize::from(u16_at(words, 6)?), is_wide)?;
            let is_pipe = is_pipe(&path);
            said.push(Said::Share(path, is_pipe));
            state.wait(id, Waiting::Share(is_pipe));
        }
        0xa2 => {
            let is_pipe = state.shares.get(&share.into()).copied().unwrap_or(false);
            state.wait(id, Waiting::Open(Opened { name: text(command, 0, is_wide)?, is_pipe }));
        }
        0x04 => {
            let file = file_id(words, 0)?;
            state.files.remove(&file);
            said.push(Said::Close(file));
        }
        0x2e => {
            let offset = u64::from(u32_at(words, 6)?) | u64::from(u32_at(words, 20).unwrap_or(0)) << 32;
            state.wait(id, Waiting::Read(file_id(words, 4)?, offset));
        }
        0x2f => {
            let offset = u64::from(u32_at(words, 6)?) | u64::from(u32_at(words, 24).unwrap_or(0)) << 32;
            let length = u32::from(u16_at(words, 20)?) | u32::from(u16_at(words, 18)?) << 16;
            let data = part(bytes, u16_at(words, 22)?, usize::try_from(length).ok()?)?;
            state.transferred(file_id(words, 4)?, offset, data, length.into(), said);
        }
        // a call through a pipe
        0x25 if u16_at(words, 28)? == 0x26 => {
            let data = part(bytes, u16_at(words, 24)?, usize::from(u16_at(words, 22)?))?;
            let file = file_id(words, 30)?;
            said.push(Said::Pipe(file, data.to_vec()));
            state.wait(id, Waiting::Call(file));
        }
        _ => {}
    }
    Some(())
}

fn response(
    state: &mut State,
    share: u16,
    bytes: &[u8],
    command: &Command<'_>,
    asked: Option<&Waiting>,
    said: &mut Vec<Said>,
) -> Option<()> {
    let words = command.words;
    match (command.number, asked?) {
        (0x75, Waiting::Share(is_pipe)) => state.share(share.into(), *is_pipe),
        (0xa2, Waiting::Open(opened)) => state.open(file_id(words, 5)?, opened.clone()),
        (0x2e, Waiting::Read(file, offset)) => {
            let length = u32::from(u16_at(words, 10)?) | u32::from(u16_at(words, 14)?) << 16;
            let data = part(bytes, u16_at(words, 12)?, usize::try_from(length).ok()?)?;
            state.transferred(*file, *offset, data, length.into(), said);
        }
        (0x25, Waiting::Call(file)) => {
            let data = part(bytes, u16_at(words, 14)?, usize::from(u16_at(words, 12)?))?;
            said.push(Said::Pipe(*file, data.to_vec()));
        }
        _ => {}
    }
    Some(())
}
