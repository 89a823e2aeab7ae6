//! Starting other programs: the only place for it.
//!
//! A child gets the arguments, the environment and the descriptors that are named and nothing else: no input, no
//! other descriptor. Descriptors keep their numbers; the child learns them from its environment.

use crate::pidfd::PidFd;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub use sakimori_kernel_sys::process::{bequeath, inherited};

/// The running program's own file, also after it was replaced on disk.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// A program to be started.
#[derive(Debug)]
pub struct Program<'a> {
    /// Its file.
    pub path: PathBuf,
    /// What it is called in process lists.
    pub name: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// What it inherits, each under its own number.
    pub descriptors: Vec<BorrowedFd<'a>>,
}

/// A started child.
#[derive(Debug)]
pub struct Child {
    /// Its number.
    pub id: u32,
    /// Its handle.
    pub process: PidFd,
}

/// Starts a program. Standard input is empty, standard output is discarded, standard error is ours.
#[expect(clippy::disallowed_methods, reason = "the named place for it")]
pub fn spawn(program: &Program<'_>) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    let _same = command
        .arg0(&program.name)
        .args(&program.arguments)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    let numbers: Vec<RawFd> = program.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    sakimori_kernel_sys::process::keep_descriptors(&mut command, numbers);
    let child = command.spawn()?;
    // Not waited for yet, so the number is still this child's.
    let process = PidFd::open(child.id())?;
    Ok(Child { id: child.id(), process })
}

/// Takes over several descriptors, by the numbers in a comma-separated list.
pub fn inherited_list(list: &str) -> io::Result<Vec<OwnedFd>> {
    list.split(',')
        .map(|number| {
            let number = number.parse().map_err(|_e| io::Error::from(io::ErrorKind::InvalidInput))?;
            inherited(number)
        })
        .collect()
}
