//! The fanotify calls: a group, its marks, and its events with the descriptors in them.
//!
//! The type is here because of the descriptors: a number in an event is a fresh descriptor of this process only if
//! the kernel wrote it, and the kernel alone writes what [`Group::read`] reads.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_uint};

/// Bytes of `struct fanotify_event_metadata`, version 3.
const METADATA: usize = 24;
/// Bytes of `struct fanotify_event_info_header`.
const INFO_HEADER: usize = 4;

/// An event as the kernel gives it.
#[derive(Debug)]
pub struct RawEvent {
    /// `FAN_*` bits of what happened.
    pub mask: u64,
    /// Process that did it; 0 if it is outside this process's PID namespace.
    pub pid: i32,
    /// The file, opened for this process; nothing in groups that report file handles, and with a queue overflow.
    pub file: Option<OwnedFd>,
    /// The negated errno where the kernel could not open the file (`FAN_REPORT_FD_ERROR`).
    pub file_error: i32,
    /// The process as a descriptor (`FAN_REPORT_PIDFD`), if it still lived.
    pub process: Option<OwnedFd>,
    /// The information records that follow the metadata, as they are, without those of processes.
    ///
    /// # Shape
    /// Each: type (1 byte), padding (1), length with this header (2, native order), body.
    pub info: Vec<u8>,
}

/// A fanotify group. Closing it removes its marks and lets everybody who waits for an answer pass.
#[derive(Debug)]
pub struct Group(OwnedFd);

// === impl Group ===

impl Group {
    /// `fanotify_init(2)` with `FAN_CLOEXEC` and `FAN_NONBLOCK` added. `file_flags` are those of the files in events.
    pub fn init(flags: c_uint, file_flags: c_int) -> io::Result<Self> {
        let flags = flags | libc::FAN_CLOEXEC | libc::FAN_NONBLOCK;
        let file_flags = c_uint::from_ne_bytes((file_flags | libc::O_CLOEXEC).to_ne_bytes());
        // SAFETY: takes numbers only; the kernel checks them.
        let fd = unsafe { libc::fanotify_init(flags, file_flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made by the kernel for this process; nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// `fanotify_mark(2)` on a path.
    pub fn mark(&self, flags: c_uint, mask: u64, path: &CStr) -> io::Result<()> {
        // SAFETY: the path is terminated and live; everything else is numbers.
        let result =
            unsafe { libc::fanotify_mark(self.0.as_raw_fd(), flags, mask, libc::AT_FDCWD, path.as_ptr()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// `fanotify_mark(2)` on an open file.
    pub fn mark_file(&self, flags: c_uint, mask: u64, file: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: with a null path the descriptor itself is marked; everything else is numbers.
        let result = unsafe {
            libc::fanotify_mark(self.0.as_raw_fd(), flags, mask, file.as_raw_fd(), std::ptr::null())
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Reads events that wait into `events`; none is no error. `buffer` bounds how many files are opened at once:
    /// 24 bytes an event, more with information records.
    ///
    /// # Errors
    /// As `read(2)`; `EINVAL` where the buffer is too short for the next event.
    pub fn read(&self, buffer: &mut [u8], events: &mut Vec<RawEvent>) -> io::Result<()> {
        let length = match rustix::io::read(&self.0, &mut *buffer) {
            Ok(length) => length,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some(event) = rest.get(..METADATA) {
            let event_length = usize::try_from(u32_at(event, 0)).unwrap_or(0);
            let Some((whole, after)) = rest.split_at_checked(event_length.max(METADATA)) else { break };
            events.push(parse(whole));
            rest = after;
        }
        Ok(())
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One event, from bytes that the kernel wrote and that are looked at only once.
fn parse(event: &[u8]) -> RawEvent {
    let metadata_length = usize::from(u16_at(event, 6));
    let number = i32::from_ne_bytes(u32_at(event, 16).to_ne_bytes());
    let mut parsed = RawEvent {
        mask: u64_at(event, 8),
        pid: i32::from_ne_bytes(u32_at(event, 20).to_ne_bytes()),
        file: own(number),
        file_error: if number < libc::FAN_NOFD { number } else { 0 },
        process: None,
        info: Vec::new(),
    };
    let mut rest = event.get(metadata_length..).unwrap_or_default();
    while rest.len() >= INFO_HEADER {
        let length = usize::from(u16_at(rest, 2)).max(INFO_HEADER);
        let Some((record, after)) = rest.split_at_checked(length) else { break };
        if record.first() == Some(&libc::FAN_EVENT_INFO_TYPE_PIDFD) && record.len() >= INFO_HEADER + 4 {
            parsed.process = own(i32::from_ne_bytes(u32_at(record, INFO_HEADER).to_ne_bytes()));
        } else {
            parsed.info.extend_from_slice(record);
        }
        rest = after;
    }
    parsed
}

fn own(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: a number that is not negative is a descriptor which the kernel made for the reader of this event;
    // each event is read once and each of its numbers is looked at once.
    (number >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    from.get(at..at + N).and_then(|b| b.try_into().ok()).unwrap_or([0; N])
}

fn u16_at(from: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes(from, at))
}

fn u32_at(from: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes(from, at))
}

fn u64_at(from: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes(from, at))
}
