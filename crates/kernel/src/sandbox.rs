//! The cage of a worker: what a process that reads hostile bytes gives up before the first of them.
//!
//! [`enter`] is called once, by a process with one thread, and cannot be undone. Threads that it needs are started
//! inside, between the layers. Four layers, each of which would do alone against most break-outs: no user and no capabilities (bounding set included), no file system
//! and no TCP (Landlock with an empty rule set), no resources to build something with (limits), and a list of
//! system calls that is complete ([`seccomp`]). What stays is the memory, the descriptors that the starter
//! handed over, and the clock.
//!
//! [`SandboxReport`] says what is really in force, because a kernel may lack a layer: the agent's status shows it.

pub mod seccomp;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr,
    RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use rustix::thread::{Gid, Uid};
use std::io;

pub use seccomp::SystemCalls;

/// User and group of the cage: nobody's. Above the ranges of distributions, systemd's dynamic users and the usual
/// container maps, so that no other process can be signalled or traced as "the same user".
const CAGE_ID: u32 = 2_013_265_920;
/// `nobody`, where a user namespace maps no higher number.
const NOBODY: u32 = 65_534;

/// Bound of new descriptors' numbers in the cage; open ones stay.
const DESCRIPTORS: i32 = 8;

/// What a worker keeps.
#[derive(Clone, Debug)]
pub struct Cage {
    /// The system calls that it needs, with their descriptors.
    pub system_calls: SystemCalls,
    /// Bound of its data (heap and private mappings), bytes.
    pub data_bytes: u64,
    /// Leave the system-call filter out. For tests that show the other layers to hold alone.
    pub without_seccomp: bool,
}

/// What is in force after [`enter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxReport {
    /// The user it runs as now.
    pub uid: u32,
    /// No capability is left, not in the bounding set either.
    pub capabilities_dropped: bool,
    /// The version of Landlock that the kernel and we agree on; 0 where there is none.
    pub landlock_abi: u32,
    /// Whether everything that we ask of Landlock is enforced (an older kernel enforces a part).
    pub landlock_complete: bool,
    /// The system-call filter is on.
    pub seccomp: bool,
}

/// A layer that every supported kernel has could not be put in force: do not go on.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// There is more than one thread: the others would stay outside.
    #[error("the sandbox must be entered before threads are started ({0} are running)")]
    Threads(usize),
    /// A system call failed.
    #[error("cannot {step}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// The kernel's word.
        #[source]
        source: io::Error,
    },
    /// Landlock exists but refused.
    #[error("cannot give up the file system")]
    Landlock(#[source] landlock::RulesetError),
    /// The filter was refused.
    #[error("cannot filter system calls")]
    Seccomp(#[source] seccompiler::Error),
}

/// Gives up everything that `cage` does not keep. `inside` is called when only the last layer is missing, which
/// then covers all threads: it starts the threads that the worker needs, for afterwards there can be no more.
pub fn enter(cage: &Cage, inside: impl FnOnce() -> io::Result<()>) -> Result<SandboxReport, SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(step("count the threads"))?.count();
    if threads != 1 {
        return Err(SandboxError::Threads(threads));
    }
    // The first look at a clock finds the kernel's shared page by calls that are not on the list.
    let _now = (crate::clock::monotonic(), crate::clock::wall_micros());
    let filter = if cage.without_seccomp { None } else { Some(seccomp::program(&cage.system_calls)?) };
    limit_resources(cage.data_bytes)?;
    let uid = drop_privileges()?;
    let (landlock_abi, landlock_complete) = drop_file_system()?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(rustix_step("forbid memory dumps"))?;
    inside().map_err(step("start the threads of the worker"))?;
    limit(Resource::Nproc, 0)?;
    if let Some(program) = &filter {
        seccompiler::apply_filter_all_threads(program).map_err(SandboxError::Seccomp)?;
    }
    Ok(SandboxReport {
        uid,
        capabilities_dropped: true,
        landlock_abi,
        landlock_complete,
        seccomp: filter.is_some(),
    })
}

fn limit_resources(data_bytes: u64) -> Result<(), SandboxError> {
    // NOFILE bounds new descriptors and the length of a poll set; open ones stay.
    let descriptors = u64::try_from(DESCRIPTORS).unwrap_or(0);
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, descriptors),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Data, data_bytes),
    ];
    limits.into_iter().try_for_each(|(resource, most)| limit(resource, most))
}

fn limit(resource: Resource, most: u64) -> Result<(), SandboxError> {
    rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
        .map_err(rustix_step("limit resources"))
}

/// Becomes nobody, without capabilities. Gives the new user.
fn drop_privileges() -> Result<u32, SandboxError> {
    if !rustix::process::geteuid().is_root() {
        // Nothing to give up but what no_new_privs and an empty permitted set take.
        clear_capabilities()?;
        return Ok(rustix::process::geteuid().as_raw());
    }
    // Needs CAP_SETPCAP, so before the capabilities go. The list ends where the kernel knows no more.
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL) => break,
            Err(e) => {
                return Err(SandboxError::Step {
                    step: "empty the capability bounding set",
                    source: e.into(),
                });
            }
        }
    }
    rustix::thread::set_thread_groups(&[]).map_err(rustix_step("leave all groups"))?;
    let mut id = CAGE_ID;
    if set_ids(id).is_err() {
        id = NOBODY;
        set_ids(id).map_err(rustix_step("change the user"))?;
    }
    clear_capabilities()?;
    Ok(id)
}

fn set_ids(id: u32) -> rustix::io::Result<()> {
    // The group first: without the user's privileges it could not be changed.
    let gid = Gid::from_raw(id);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    let uid = Uid::from_raw(id);
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

fn clear_capabilities() -> Result<(), SandboxError> {
    rustix::thread::clear_ambient_capability_set().map_err(rustix_step("clear ambient capabilities"))?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
    .map_err(rustix_step("clear capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(rustix_step("give up new privileges"))
}

fn drop_file_system() -> Result<(u32, bool), SandboxError> {
    // Everything that ABI 6 can handle, and not one rule that allows any of it. Older kernels handle less.
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|r| r.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|r| r.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(SandboxError::Landlock)?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
        _ => 0,
    };
    Ok((abi, status.ruleset == RulesetStatus::FullyEnforced))
}

fn step(step: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
    move |source| SandboxError::Step { step, source }
}

fn rustix_step(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> SandboxError {
    move |source| SandboxError::Step { step, source: source.into() }
}
