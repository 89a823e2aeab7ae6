//! One scanner as the supervisor sees it: its process, its channel, and the file it looks at.

use super::channel::{Answer, CageReport, Channel, Rules};
use super::worker::DESCRIPTORS_VARIABLE;
use rustix::event::{PollFd, PollFlags, poll};
use sakimori_kernel::clock;
use sakimori_kernel::pidfd::PidFd;
use sakimori_kernel::spawn::{self, Program};
use sakimori_model::Diagnostic;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::time::Duration;

/// How long the rules may compile: a hundred times as long as the largest public set here.
const COMPILE_PATIENCE: Duration = Duration::from_mins(2);

/// A running scanner with compiled rules.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u32,
    pub(super) process: PidFd,
    pub(super) channel: Channel,
    pub(super) cage: CageReport,
}

/// What came of the rules.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rules: u32,
    pub(super) hashes: u32,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Why there is no scanner.
#[derive(Debug)]
pub(super) enum SessionError {
    Rules(Vec<Diagnostic>),
    Worker(String),
}

// === impl Session ===

impl Session {
    /// Starts a scanner and has it compile the rules. Blocks; must not be called by the thread that answers openers,
    /// for the new process opens its program and its libraries.
    pub(super) fn start(worker: &Path, rules: Rules) -> Result<(Self, Compiled), SessionError> {
        let session = Self::spawn(worker).map_err(|e| SessionError::Worker(e.to_string()))?;
        match session.compile(rules) {
            Ok((cage, compiled)) => Ok((Self { cage, ..session }, compiled)),
            Err(error) => {
                session.end();
                Err(error)
            }
        }
    }

    fn spawn(worker: &Path) -> io::Result<Self> {
        let (channel, theirs) = Channel::pair()?;
        let child = spawn::spawn(&Program {
            path: worker.to_owned(),
            name: "sakimori-agent".into(),
            arguments: vec!["worker".into(), "scanner".into()],
            environment: vec![
                (DESCRIPTORS_VARIABLE.into(), theirs.as_fd().as_raw_fd().to_string().into()),
                ("GLIBC_TUNABLES".into(), "glibc.malloc.arena_max=1".into()),
            ],
            descriptors: vec![theirs.as_fd()],
        })?;
        let cage = CageReport { landlock_abi: 0, landlock_complete: false, seccomp: false };
        Ok(Self { id: child.id, process: child.process, channel, cage })
    }

    fn compile(&self, rules: Rules) -> Result<(CageReport, Compiled), SessionError> {
        let failed = |e: io::Error| SessionError::Worker(e.to_string());
        let memory = rules.into_memory().map_err(failed)?;
        self.channel.send_rules(memory.as_fd()).map_err(failed)?;
        let give_up = clock::monotonic() + COMPILE_PATIENCE;
        loop {
            let left = give_up.saturating_sub(clock::monotonic());
            if left.is_zero() {
                return Err(SessionError::Worker("it did not compile the rules in time".to_owned()));
            }
            let timeout = rustix::time::Timespec::try_from(left).ok();
            let _ready = poll(&mut [PollFd::new(&self.channel, PollFlags::IN)], timeout.as_ref());
            return match self.channel.take_answer() {
                Ok(None) => continue,
                Ok(Some(Answer::Ready { rules, hashes, findings, cage })) => {
                    let warnings = findings.into_iter().map(Into::into).collect();
                    Ok((cage, Compiled { rules, hashes, warnings }))
                }
                Ok(Some(Answer::Refused(findings))) => {
                    Err(SessionError::Rules(findings.into_iter().map(Into::into).collect()))
                }
                Ok(Some(Answer::Panicked(words))) => {
                    Err(SessionError::Worker(format!("it failed: {words:?}")))
                }
                Ok(Some(Answer::Verdict { .. })) => {
                    Err(SessionError::Worker("it answered out of turn".to_owned()))
                }
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(SessionError::Worker("it ended".to_owned()))
                }
                Err(e) => Err(failed(e)),
            };
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.process.wait(Some(Duration::ZERO))
    }

    /// Ends it.
    pub(super) fn end(self) {
        let _gone_already = self.process.kill();
        self.process.reap();
    }
}
