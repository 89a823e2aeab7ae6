//! Messages of SMB 2 and 3.
use super::{FileId, Message, Opened, Said, State, Waiting, is_pipe, login, u16_at, u32_at, u64_at, wide};

const HEADER: usize = 64;
/// A call through a pipe, in one.
const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
/// Messages in one.
const COMPOUND: usize = 64;

pub(super) fn read(state: &mut State, bytes: &[u8], said: &mut Vec<Said>) {
    let mut rest = bytes;
    for _ in 0..COMPOUND {
        let next =
            u32_at(rest, 20).and_then(|next| usize::try_from(next).ok()).filter(|next| *next >= HEADER);
        let one = next.and_then(|next| rest.get(..next)).unwrap_or(rest);
        if message(state, one, said).is_none() {
            said.push(Said::Broken);
            return;
        }
        match next.and_then(|next| rest.get(next..)) {
            Some(after) if !after.is_empty() => rest = after,
            _ => return,
        }
    }
}

/// None where it is cut short.
fn message(state: &mut State, bytes: &[u8], said: &mut Vec<Said>) -> Option<()> {
    let command = u16_at(bytes, 12)?;
    let is_response = u32_at(bytes, 16)? & 1 != 0;
    let (id, share) = (u64_at(bytes, 24)?, u32_at(bytes, 36)?);
    let failed = is_response && u32_at(bytes, 8)? & 0xc000_0000 == 0xc000_0000;
    let body = bytes.get(HEADER..)?;
    said.push(Said::Message(Message { version: 2, id, is_response, command }));
    if is_response {
        let asked = state.waiting.remove(&id);
        if !failed {
            response(state, (command, share), bytes, body, asked, said);
        }
    } else {
        request(state, (command, id, share), bytes, body, said);
    }
    Some(())
}

fn file_id(body: &[u8], at: usize) -> Option<FileId> {
    body.get(at..)?.first_chunk().copied()
}

/// A part of a message by its offset from the header's beginning; what of it is there.
fn part(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    let from = bytes.get(offset..)?;
    Some(from.get(..length).unwrap_or(from))
}

fn request(
    state: &mut State,
    (command, id, share): (u16, u64, u32),
    bytes: &[u8],
    body: &[u8],
    said: &mut Vec<Said>,
) -> Option<()> {
    match command {
        1 => said.extend(login(body)),
        3 => {
            let path = part(bytes, usize::from(u16_at(body, 4)?), usize::from(u16_at(body, 6)?))?;
            let path = wide(path);
            let is_pipe = is_pipe(&path);
            said.push(Said::Share(path, is_pipe));
            state.wait(id, Waiting::Share(is_pipe));
        }
        5 => {
            let name = part(bytes, usize::from(u16_at(body, 44)?), usize::from(u16_at(body, 46)?))?;
            let is_pipe = state.shares.get(&share).copied().unwrap_or(false);
            state.wait(id, Waiting::Open(Opened { name: wide(name), is_pipe }));
        }
        6 => {
            let file = file_id(body, 8)?;
            state.files.remove(&file);
            said.push(Said::Close(file));
        }
        8 => state.wait(id, Waiting::Read(file_id(body, 16)?, u64_at(body, 8)?)),
        9 => {
            let (offset, length) = (usize::from(u16_at(body, 2)?), u32_at(body, 4)?);
            let data = part(bytes, offset, usize::try_from(length).ok()?)?;
            state.transferred(file_id(body, 16)?, u64_at(body, 8)?, data, length.into(), said);
        }
        11 if u32_at(body, 4)? == PIPE_TRANSCEIVE => {
            let file = file_id(body, 8)?;
            let (offset, length) = (u32_at(body, 24)?, u32_at(body, 28)?);
            let data = part(bytes, usize::try_from(offset).ok()?, usize::try_from(length).ok()?)?;
            said.push(Said::Pipe(file, data.to_vec()));
            state.wait(id, Waiting::Call(file));
        }
        _ => {}
    }
    Some(())
}

fn response(
    state: &mut State,
    (command, share): (u16, u32),
    bytes: &[u8],
    body: &[u8],
    asked: Option<Waiting>,
    said: &mut Vec<Said>,
) -> Option<()> {
    match (command, asked?) {
        (3, Waiting::Share(is_pipe)) => state.share(share, is_pipe),
        (5, Waiting::Open(opened)) => state.open(file_id(body, 64)?, opened),
        (8, Waiting::Read(file, offset)) => {
            let (at, length) = (usize::from(*body.get(2)?), u32_at(body, 4)?);
            let data = part(bytes, at, usize::try_from(length).ok()?)?;
            state.transferred(file, offset, data, length.into(), said);
        }
        (11, Waiting::Call(file)) => {
            let (offset, length) = (u32_at(body, 32)?, u32_at(body, 36)?);
            let data = part(bytes, usize::try_from(offset).ok()?, usize::try_from(length).ok()?)?;
            said.push(Said::Pipe(file, data.to_vec()));
        }
        _ => {}
    }
    Some(())
}
