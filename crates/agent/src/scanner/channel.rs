//! What supervisor and scanner say to each other: open files down, verdicts up.
//!
//! # Shape
//! A socket pair of whole messages. Down: one byte for the kind, two little-endian 64-bit numbers (the job and the
//! file's length), and one descriptor: the file to look at, or shared memory with the rules. Up: an [`Answer`] as
//! JSON. Answers come from a process that may have been taken over: their length is bounded, descriptors in them
//! are dropped, and their texts are only ever shown.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use sakimori_antimalware::{Source, SourceKind};
use sakimori_kernel::sandbox::SandboxReport;
use sakimori_model::{Diagnostic, Level};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of a message down.
const ORDER_BYTES: usize = 17;
/// Bound of an answer, in bytes: 40 findings.
const ANSWER_BYTES: usize = 64 << 10;
/// Findings that are told; the rest is of the same kind by experience.
pub(super) const FINDINGS: usize = 40;
/// Bound of a finding's texts, in bytes.
const TEXT_BYTES: usize = 400;
/// Bound of the rules' description in shared memory, in bytes.
const HEADER_BYTES: u32 = 1 << 20;

/// Supervisor to scanner.
#[derive(Debug)]
pub(super) enum Order {
    /// The rules are in this memory: compile them. The first order.
    Rules(OwnedFd),
    /// Look at this file.
    Scan {
        /// Comes back with the verdict.
        job: u64,
        /// Its length.
        size: u64,
        /// The file.
        file: OwnedFd,
    },
}

/// Scanner to supervisor, one for each order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The rules are compiled.
    Ready { rules: u32, hashes: u32, findings: Vec<Finding>, cage: CageReport },
    /// The rules are not usable.
    Refused(Vec<Finding>),
    /// What was found in a file.
    Verdict { job: u64, found: Found, sha256: Option<String>, bytes: u64 },
    /// The last words of a defect.
    Panicked(String),
}

/// [`sakimori_antimalware::Verdict`] on this wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Found {
    Clean,
    Infected { by: String, signature: String, others: u32 },
    Partial(String),
    Unreadable,
}

/// [`SandboxReport`] on this wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CageReport {
    pub(super) landlock_abi: u32,
    pub(super) landlock_complete: bool,
    pub(super) seccomp: bool,
}

/// [`Diagnostic`] on this wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Finding {
    code: String,
    error: bool,
    title: String,
    source: String,
    line: u32,
    column: u32,
    help: String,
}

/// What precedes the rules in shared memory.
#[derive(Debug, Serialize, Deserialize)]
struct RulesHeader {
    max_file_bytes: u64,
    scan_milliseconds: u64,
    /// Name, whether YARA, length.
    files: Vec<(String, bool, u64)>,
}

/// The rules as they arrive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) max_file_bytes: u64,
    pub(super) scan_milliseconds: u64,
    pub(super) sources: Vec<Source>,
}

/// One end of the socket pair.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

// === impl Channel ===

impl Channel {
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(a), Self(b)))
    }

    pub(super) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends the rules.
    pub(super) fn send_rules(&self, memory: BorrowedFd<'_>) -> io::Result<()> {
        self.send(0, [0, 0], memory)
    }

    /// Sends a file. Does not wait: there is always room for one.
    pub(super) fn send_file(&self, job: u64, size: u64, file: BorrowedFd<'_>) -> io::Result<()> {
        self.send(1, [job, size], file)
    }

    fn send(&self, kind: u8, [first, second]: [u64; 2], file: BorrowedFd<'_>) -> io::Result<()> {
        let mut message = [0; ORDER_BYTES];
        let numbers = first.to_le_bytes().into_iter().chain(second.to_le_bytes());
        message.iter_mut().zip(std::iter::once(kind).chain(numbers)).for_each(|(to, from)| *to = from);
        let files = [file];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let _fits = control.push(SendAncillaryMessage::ScmRights(&files));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _whole = rustix::net::sendmsg(&self.0, &[IoSlice::new(&message)], &mut control, flags)?;
        Ok(())
    }

    /// The next order; nothing when the supervisor has gone.
    pub(super) fn receive_order(&self) -> io::Result<Option<Order>> {
        let mut message = [0; ORDER_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = loop {
            let mut parts = [IoSliceMut::new(&mut message)];
            match rustix::net::recvmsg(&self.0, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        if got.bytes == 0 {
            return Ok(None);
        }
        let file = control.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let file = file.ok_or(io::ErrorKind::InvalidData)?;
        let number =
            |at: usize| message.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        Ok(Some(match message.first() {
            Some(0) => Order::Rules(file),
            _ => Order::Scan { job: number(1), size: number(9), file },
        }))
    }

    pub(super) fn send_answer(&self, answer: &Answer) -> io::Result<()> {
        let json = serde_json::to_vec(answer)?;
        // `write`, not `send`: the scanner may use no other call on it.
        let _whole = rustix::io::write(&self.0, &json)?;
        Ok(())
    }

    /// The next answer if it is there; `Err` of kind `UnexpectedEof` when the scanner has gone.
    pub(super) fn take_answer(&self) -> io::Result<Option<Answer>> {
        let mut bytes = vec![0; ANSWER_BYTES];
        let (length, _) = match rustix::net::recv(&self.0, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok(got) => got,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(serde_json::from_slice(bytes.get(..length).unwrap_or_default())?))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

// === impl Rules ===

impl Rules {
    /// Writes them into shared memory that nobody can change any more.
    pub(super) fn into_memory(self) -> io::Result<OwnedFd> {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
        let files = self.sources.iter().map(|source| {
            (
                source.name.clone(),
                source.kind == SourceKind::Yara,
                u64::try_from(source.text.len()).unwrap_or(0),
            )
        });
        let header = serde_json::to_vec(&RulesHeader {
            max_file_bytes: self.max_file_bytes,
            scan_milliseconds: self.scan_milliseconds,
            files: files.collect(),
        })?;
        let length = u32::try_from(header.len()).ok().filter(|length| *length <= HEADER_BYTES);
        let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
        let memory = memfd_create("sakimori-rules", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = std::fs::File::from(memory);
        io::Write::write_all(&mut file, &length.to_le_bytes())?;
        io::Write::write_all(&mut file, &header)?;
        for source in &self.sources {
            io::Write::write_all(&mut file, &source.text)?;
        }
        fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
        Ok(file.into())
    }

    pub(super) fn from_memory(memory: &OwnedFd) -> io::Result<Self> {
        let mut length = [0; 4];
        read_exactly(memory, &mut length, 0)?;
        let length = u32::from_le_bytes(length).min(HEADER_BYTES);
        let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
        read_exactly(memory, &mut header, 4)?;
        let header: RulesHeader = serde_json::from_slice(&header)?;
        let mut at = 4 + u64::from(length);
        let mut sources = Vec::with_capacity(header.files.len());
        for (name, yara, length) in header.files {
            let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            read_exactly(memory, &mut text, at)?;
            at += length;
            sources.push(Source {
                name,
                kind: if yara { SourceKind::Yara } else { SourceKind::Sha256 },
                text,
            });
        }
        Ok(Self {
            max_file_bytes: header.max_file_bytes,
            scan_milliseconds: header.scan_milliseconds,
            sources,
        })
    }
}

fn read_exactly(file: &OwnedFd, into: &mut [u8], at: u64) -> io::Result<()> {
    if read_some(file, into, at)? == into.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Reads until `into` is full or the file ends; says how much there was.
pub(super) fn read_some(file: &OwnedFd, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        let offset = at + u64::try_from(have).unwrap_or(0);
        match rustix::io::pread(file, into.get_mut(have..).unwrap_or_default(), offset) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(have)
}

// === conversions ===

impl From<SandboxReport> for CageReport {
    fn from(report: SandboxReport) -> Self {
        Self {
            landlock_abi: report.landlock_abi,
            landlock_complete: report.landlock_complete,
            seccomp: report.seccomp,
        }
    }
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Self {
        let cut = |text: String| text.chars().take(TEXT_BYTES / 4).collect();
        Self {
            code: diagnostic.code.to_owned(),
            error: diagnostic.level == Level::Error,
            title: cut(diagnostic.title),
            source: cut(diagnostic.source),
            line: diagnostic.line,
            column: diagnostic.column,
            help: cut(diagnostic.help),
        }
    }
}

impl From<Finding> for Diagnostic {
    fn from(finding: Finding) -> Self {
        const CODES: [&str; 7] = ["M001", "M010", "M011", "M012", "M020", "M021", "M022"];
        Self {
            code: CODES.into_iter().find(|code| *code == finding.code).unwrap_or("M000"),
            level: if finding.error { Level::Error } else { Level::Warning },
            title: finding.title,
            source: finding.source,
            line: finding.line,
            column: finding.column,
            help: finding.help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_arrive_with_their_numbers_and_the_end_is_seen() {
        let (ours, theirs) = Channel::pair().unwrap();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        ours.send_file(u64::MAX - 1, 7, file.as_fd()).unwrap();
        let Some(Order::Scan { job, size, file }) = theirs.receive_order().unwrap() else {
            panic!("no file")
        };
        assert_eq!((job, size), (u64::MAX - 1, 7));
        let mut bytes = [0; 4];
        assert_eq!(read_some(&file, &mut bytes, 0).unwrap(), 4);
        assert_eq!(&bytes, b"Name");
        assert!(ours.take_answer().unwrap().is_none());
        let answer = Answer::Verdict { job, found: Found::Clean, sha256: None, bytes: 4 };
        theirs.send_answer(&answer).unwrap();
        assert!(matches!(ours.take_answer().unwrap(), Some(Answer::Verdict { found: Found::Clean, .. })));
        drop(ours);
        assert!(theirs.receive_order().unwrap().is_none());
    }

    #[test]
    fn an_ended_scanner_and_nonsense_from_one_are_errors() {
        let (ours, theirs) = Channel::pair().unwrap();
        rustix::io::write(&theirs, b"nonsense").unwrap();
        assert!(ours.take_answer().is_err());
        drop(theirs);
        assert_eq!(ours.take_answer().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn rules_arrive_as_they_were_sent() {
        let sources = vec![
            Source {
                name: "a.yar".into(),
                kind: SourceKind::Yara,
                text: b"rule a { condition: true }".to_vec(),
            },
            Source { name: "b".into(), kind: SourceKind::Sha256, text: vec![0xff; 3] },
        ];
        let rules = || Rules { max_file_bytes: 5, scan_milliseconds: 6, sources: sources.clone() };
        let memory = rules().into_memory().unwrap();
        assert_eq!(Rules::from_memory(&memory).unwrap(), rules());
        assert!(rustix::io::write(&memory, b"x").is_err(), "sealed");
    }
}
