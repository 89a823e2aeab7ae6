//! A process held by a descriptor: no number that another process could get in the meantime.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A process.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// The process that has this number now; right only for a child that has not been waited for.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Takes over a descriptor of another program's [`PidFd`].
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Waits for its end, `timeout` at most (`None`: for ever); whether it has ended.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let timeout = timeout.and_then(|t| rustix::time::Timespec::try_from(t).ok());
        matches!(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()), Ok(n) if n > 0)
    }

    /// Ends it at once (`SIGKILL`); nothing to do is success.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.0, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Takes the ended child out of the process table; waits for its end. Nothing to do is success.
    pub fn reap(&self) {
        let _not_a_child_any_more = rustix::process::waitid(
            rustix::process::WaitId::PidFd(self.0.as_fd()),
            rustix::process::WaitIdOptions::EXITED,
        );
    }

    /// The descriptor, to be passed on.
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
