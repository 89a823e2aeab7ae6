//! Looking at everything below some paths: on request, and on schedule.
//!
//! # Bounds
//! Symbolic links are not followed, other file systems are entered only if they hold files (not `proc` and its like),
//! and [`IN_FLIGHT`] files are open at a time.

use super::guard::{Order, Outcome, Request};
use super::{Scanned, Trigger};
use rustix::fs::{CWD, Mode, OFlags, openat};
use sakimori_kernel::fanotify::content::Identity;
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Files that are open at a time.
const IN_FLIGHT: usize = 16;
/// Infected files that a summary names.
const NAMED: usize = 1_000;
/// How long a verdict may take before the walk gives up: scanners have their own, shorter limits.
const PATIENCE: Duration = Duration::from_mins(5);

/// What came of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Files looked at.
    pub files: u64,
    /// Of those, files with malware.
    pub infected: u64,
    /// Of those, files that were looked at in part.
    pub partial: u64,
    /// Files that could not be looked at.
    pub failed: u64,
    /// The infected ones, the first 1,000.
    pub found: Vec<Scanned>,
    /// It was broken off.
    pub interrupted: bool,
}

pub(super) struct Walk<'a> {
    pub(super) send: &'a dyn Fn(Order) -> bool,
    pub(super) stop: &'a dyn Fn() -> bool,
    pub(super) excluded: &'a [PathBuf],
    pub(super) trigger: Trigger,
    /// Is told how far it is.
    pub(super) said: &'a dyn Fn(&Summary),
}

impl Summary {
    /// For people.
    pub(super) fn words(&self) -> String {
        let Self { files, infected, partial, failed, .. } = self;
        format!(
            "{files} files looked at ({partial} in part), {infected} with malware, {failed} could not be looked at"
        )
    }
}

struct Verdicts {
    reply: Sender<Outcome>,
    outcomes: Receiver<Outcome>,
    waiting: usize,
    summary: Summary,
}

// === impl Walk ===

impl Walk<'_> {
    /// Walks; blocks until every verdict is there.
    pub(super) fn run(&self, paths: &[PathBuf]) -> Summary {
        let (reply, outcomes) = channel();
        let mut verdicts = Verdicts { reply, outcomes, waiting: 0, summary: Summary::default() };
        // A stack, so that the depth of a tree costs no stack of ours.
        let mut places: Vec<PathBuf> = paths.to_vec();
        places.reverse();
        while let Some(place) = places.pop() {
            if (self.stop)() || verdicts.summary.interrupted {
                verdicts.summary.interrupted = true;
                break;
            }
            if self.excluded.iter().any(|excluded| place.starts_with(excluded)) {
                continue;
            }
            self.visit(&place, &mut places, &mut verdicts);
            (self.said)(&verdicts.summary);
        }
        while verdicts.waiting > 0 && verdicts.take() {}
        verdicts.summary
    }

    fn visit(&self, place: &Path, places: &mut Vec<PathBuf>, verdicts: &mut Verdicts) {
        let Ok(meta) = std::fs::symlink_metadata(place) else {
            verdicts.summary.failed += 1;
            return;
        };
        if meta.is_dir() {
            if super::guard::watchable(place).is_err() {
                return;
            }
            let Ok(entries) = std::fs::read_dir(place) else {
                verdicts.summary.failed += 1;
                return;
            };
            places.extend(entries.flatten().map(|entry| entry.path()));
        } else if meta.is_file() {
            match open(place) {
                Ok(Some((file, identity))) => self.hand_over(file, identity, verdicts),
                Ok(None) => {}
                Err(_gone_or_refused) => verdicts.summary.failed += 1,
            }
        }
    }

    fn hand_over(&self, file: OwnedFd, identity: Identity, verdicts: &mut Verdicts) {
        let request = Request { file, identity, trigger: self.trigger, reply: verdicts.reply.clone() };
        if !(self.send)(Order::Scan(request)) {
            verdicts.summary.interrupted = true;
            return;
        }
        verdicts.waiting += 1;
        while verdicts.waiting >= IN_FLIGHT && verdicts.take() {}
    }
}

// === impl Verdicts ===

impl Verdicts {
    /// Takes one; false if there will be none.
    fn take(&mut self) -> bool {
        let Ok(outcome) = self.outcomes.recv_timeout(PATIENCE) else {
            self.summary.interrupted = true;
            self.waiting = 0;
            return false;
        };
        self.waiting -= 1;
        let summary = &mut self.summary;
        summary.files += 1;
        match outcome {
            Outcome::Clean => {}
            Outcome::Partial => summary.partial += 1,
            Outcome::Unscanned => {
                summary.files -= 1;
                summary.failed += 1;
            }
            Outcome::Infected { path, signature } => {
                summary.infected += 1;
                if summary.found.len() < NAMED {
                    summary.found.push(Scanned { path, signature });
                }
            }
        }
        true
    }
}

/// Opens a regular file, and whatever took its place since is no file to us.
fn open(path: &Path) -> std::io::Result<Option<(OwnedFd, Identity)>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(CWD, path, flags | OFlags::NOATIME, Mode::empty()) {
        Err(rustix::io::Errno::PERM) => openat(CWD, path, flags, Mode::empty())?,
        other => other?,
    };
    let identity = Identity::of(file.as_fd())?;
    Ok(identity.filter(|identity| identity.size > 0).map(|identity| (file, identity)))
}
