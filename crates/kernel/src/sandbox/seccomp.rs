//! The complete list of what a caged worker may ask of the kernel.
//!
//! Everything else ends the process at once, with `SIGSYS`: a worker that asks for something outside this list has
//! been taken over or has a defect, and the supervisor has a fresh one within a second. Descriptors are allowed
//! by number; a number in a filter cannot be changed by whoever took over the process. One call on the list makes
//! new descriptors, where it is asked for: `recvmsg` takes those that the supervisor sends.

use super::SandboxError;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

/// Which descriptors may be used for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemCalls {
    /// `recvmmsg`: the queue socket.
    pub receive_many: Vec<RawFd>,
    /// `sendto`: the raw sockets.
    pub send_to: Vec<RawFd>,
    /// `read`: the control channel.
    pub read: Vec<RawFd>,
    /// `write`: wake-ups and the control channel.
    pub write: Vec<RawFd>,
    /// `recvmsg`: a channel over which the supervisor sends open files.
    pub receive_files: Vec<RawFd>,
    /// `pread64`: open files that were sent; the numbers that they may get.
    pub read_at: Vec<RawFd>,
}

impl SystemCalls {
    /// What a worker needs that is sent files over `channel` and looks at them.
    pub fn reader_of_sent_files(channel: RawFd) -> Self {
        Self {
            write: vec![channel],
            receive_files: vec![channel],
            // New descriptors get the lowest free numbers, and the cage allows none from here on.
            read_at: (3..super::DESCRIPTORS).collect(),
            ..Self::default()
        }
    }
}

/// The filter for the calling architecture.
pub(super) fn program(calls: &SystemCalls) -> Result<BpfProgram, SandboxError> {
    build(calls).map_err(|source| SandboxError::Seccomp(seccompiler::Error::Backend(source)))
}

fn build(calls: &SystemCalls) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();

    // The worker's own business, by descriptor.
    on_descriptors(&mut allowed, libc::SYS_recvmmsg, &calls.receive_many)?; // packets from the queue
    on_descriptors(&mut allowed, libc::SYS_sendto, &calls.send_to)?; // resets and answer pages
    on_descriptors(&mut allowed, libc::SYS_read, &calls.read)?; // rule sets and orders
    on_descriptors(&mut allowed, libc::SYS_write, &calls.write)?; // wake-ups; answers to orders
    on_descriptors(&mut allowed, libc::SYS_recvmsg, &calls.receive_files)?; // files to be looked at
    on_descriptors(&mut allowed, libc::SYS_pread64, &calls.read_at)?; // their content

    // Waiting for packets and orders. A poll set names descriptors in memory, which a filter cannot see;
    // asking whether a descriptor is ready gives nothing away.
    #[cfg(target_arch = "x86_64")]
    let _poll = allowed.insert(libc::SYS_poll, vec![]);
    let _ppoll = allowed.insert(libc::SYS_ppoll, vec![]);

    // Memory of the allocator: never executable, never a file's.
    let _mmap = allowed.insert(
        libc::SYS_mmap,
        vec![SeccompRule::new(vec![
            masked(2, bits(libc::PROT_EXEC), 0)?,
            masked(3, bits(libc::MAP_ANONYMOUS), bits(libc::MAP_ANONYMOUS))?,
        ])?],
    );
    let _brk = allowed.insert(libc::SYS_brk, vec![]); // the heap
    let _munmap = allowed.insert(libc::SYS_munmap, vec![]); // large allocations given back
    let _mremap = allowed.insert(libc::SYS_mremap, vec![]); // realloc; keeps the protection it finds
    let _mprotect = allowed
        .insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![masked(2, bits(libc::PROT_EXEC), 0)?])?]); // the allocator's growth in a second thread
    let _madvise = allowed.insert(libc::SYS_madvise, vec![]); // the allocator's trimming

    // Time and chance.
    let _clock = allowed.insert(libc::SYS_clock_gettime, vec![]); // where the vDSO cannot answer
    let _sleep = allowed.insert(libc::SYS_clock_nanosleep, vec![]); // waiting for room in a ring
    let _nanosleep = allowed.insert(libc::SYS_nanosleep, vec![]); // the same, by older C libraries
    let _yield = allowed.insert(libc::SYS_sched_yield, vec![]); // waiting for room in a ring, briefly
    let _random = allowed.insert(libc::SYS_getrandom, vec![]); // seeds of hash tables
    let _futex = allowed.insert(libc::SYS_futex, vec![]); // locks of the standard library

    // A signal's or a system call's return, and the end.
    let _sigreturn = allowed.insert(libc::SYS_rt_sigreturn, vec![]); // after a handled signal
    let _mask = allowed.insert(libc::SYS_rt_sigprocmask, vec![]); // the end of a thread, an abort
    let _restart = allowed.insert(libc::SYS_restart_syscall, vec![]); // a sleep that a stop interrupted
    let _altstack = allowed.insert(libc::SYS_sigaltstack, vec![]); // the standard library, at the end of main
    let _close = allowed.insert(libc::SYS_close, vec![]); // dropping what it has
    let _flags =
        allowed.insert(libc::SYS_fcntl, vec![SeccompRule::new(vec![equal(1, bits(libc::F_GETFD))?])?]); // debug builds, before close
    let _exit = allowed.insert(libc::SYS_exit, vec![]);
    let _exit_group = allowed.insert(libc::SYS_exit_group, vec![]);

    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(allowed, SeccompAction::KillProcess, SeccompAction::Allow, architecture)?.try_into()
}

/// Allows a call whose first argument is one of these descriptors; not at all where there are none.
fn on_descriptors(
    allowed: &mut BTreeMap<i64, Vec<SeccompRule>>,
    call: i64,
    descriptors: &[RawFd],
) -> Result<(), seccompiler::BackendError> {
    let rules = descriptors
        .iter()
        .map(|descriptor| SeccompRule::new(vec![equal(0, bits(*descriptor))?]))
        .collect::<Result<Vec<_>, _>>()?;
    // An empty list of rules would mean "always".
    if !rules.is_empty() {
        let _none_before = allowed.insert(call, rules);
    }
    Ok(())
}

fn equal(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

/// A C `int` as the filter sees it: 32 bits.
fn bits(value: i32) -> u64 {
    u64::from(u32::from_ne_bytes(value.to_ne_bytes()))
}
