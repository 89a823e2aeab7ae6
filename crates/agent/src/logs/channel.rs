//! What supervisor and log worker say to each other: orders down, answers up, one answer to each order.
//!
//! # Shape
//! A frame is two little-endian 32-bit lengths, then JSON of the first length, then raw bytes of the second. Answers
//! come from a process that may have been taken over: their length is bounded, and their texts are cut and only shown.

use crate::pipe;
use rustix::event::{PollFd, PollFlags, poll};
use sakimori_modules::log_inspection::LogEvent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The longest order: rules of a few published sets.
const ORDER_BYTES: u32 = 64 << 20;
/// The longest answer: [`super::worker::EVENTS`] events with all texts full.
const ANSWER_BYTES: u32 = 8 << 20;

/// Supervisor to worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Compile the rule files that follow and judge with them, whole or not at all.
    Configure {
        /// Name and length of each file.
        files: Vec<(String, u32)>,
        /// Rules below this level make no event.
        minimum_level: u8,
        /// Rules that make no event.
        off: Vec<u32>,
    },
    /// Judge the bytes that follow.
    Judge(Chunk),
}

/// A piece of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chunk {
    /// The file's path.
    pub(super) source: String,
    /// Whether lines may begin with a syslog header.
    pub(super) header: bool,
    /// The piece begins inside a line that was judged already, as far as it is looked at.
    pub(super) cut: bool,
    /// Nothing follows: a last line without an end is a line.
    pub(super) last: bool,
    /// Seconds of the clock that does not go back.
    pub(super) seconds: u64,
    /// Seconds since 1970.
    pub(super) wall: i64,
}

/// Worker to supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The rules are in force.
    Configured { rules: u32, warnings: Vec<String>, cage: String },
    /// They are not; how many errors, and the first findings in words.
    Refused { errors: u32, findings: Vec<String> },
    /// What came of a piece.
    Judged(Judged),
    /// The last words of a defect.
    Panicked(String),
}

/// What came of a piece.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Judged {
    /// Bytes that need not be sent again.
    pub(super) consumed: u32,
    /// They end inside a line that was judged.
    pub(super) cut: bool,
    /// Lines judged.
    pub(super) lines: u32,
    /// Of these, longer than is looked at.
    pub(super) long: u32,
    /// Events in order.
    pub(super) events: Vec<LogEvent>,
    /// Past events that composite rules forgot for want of room, since the worker's start.
    pub(super) forgotten: u64,
}

/// One end of the socket pair.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

// === impl Channel ===

impl Channel {
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Whether a frame begins, or the other end is gone, within `timeout`.
    pub(super) fn readable(&self, timeout: Duration) -> bool {
        let timeout = rustix::time::Timespec::try_from(timeout).ok();
        matches!(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()), Ok(n) if n > 0)
    }

    pub(super) fn send_order(&self, order: &Order, raw: &[&[u8]]) -> io::Result<()> {
        self.send(order, raw, ORDER_BYTES)
    }

    pub(super) fn receive_order(&self) -> io::Result<(Order, Vec<u8>)> {
        self.receive(ORDER_BYTES)
    }

    pub(super) fn send_answer(&self, answer: &Answer) -> io::Result<()> {
        self.send(answer, &[], ANSWER_BYTES)
    }

    pub(super) fn receive_answer(&self) -> io::Result<Answer> {
        self.receive(ANSWER_BYTES).map(|(answer, _raw)| answer)
    }

    fn send(&self, message: &impl Serialize, raw: &[&[u8]], most: u32) -> io::Result<()> {
        let json = serde_json::to_vec(message)?;
        let raw_bytes: usize = raw.iter().map(|part| part.len()).sum();
        let lengths = [json.len(), raw_bytes].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        if lengths.iter().any(|length| *length > most) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        lengths.iter().try_for_each(|length| pipe::send_all(&self.0, &length.to_le_bytes()))?;
        pipe::send_all(&self.0, &json)?;
        raw.iter().try_for_each(|part| pipe::send_all(&self.0, part))
    }

    fn receive<T: DeserializeOwned>(&self, most: u32) -> io::Result<(T, Vec<u8>)> {
        let mut lengths = [0; 2];
        for length in &mut lengths {
            let mut bytes = [0; 4];
            pipe::fill(&self.0, &mut bytes)?;
            *length = u32::from_le_bytes(bytes);
        }
        let [json, raw] = lengths;
        if json > most || raw > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let message = serde_json::from_slice(&pipe::receive(&self.0, json)?)?;
        Ok((message, pipe::receive(&self.0, raw)?))
    }
}
