//! The thread that acts on what was found, and reports it.
//!
//! It may open files and wait for disks: openers do not wait for it, the guard does not either.

use super::guard::{Infected, Work};
use super::quarantine::{Quarantine, named, remove_name};
use super::tally::Tally;
use super::{Action, Done, Malware, Report};
use crate::connection::explain;
use crate::state;
use sakimori_kernel::clock;
use sakimori_kernel::fanotify::content::path_of;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Bound of the file that names users, in bytes.
const USERS_BYTES: u64 = 4 << 20;

/// The keeper's state.
pub(super) struct Keeper {
    pub(super) quarantine: Quarantine,
    pub(super) tally: Arc<Tally>,
    pub(super) reports: Box<dyn FnMut(Report) + Send>,
}

// === impl Keeper ===

impl Keeper {
    /// The body of the thread; ends when the guard has ended.
    pub(super) fn work(mut self, work: &Receiver<Work>) {
        while let Ok(work) = work.recv() {
            let report = match work {
                Work::Infected(infected) => Report::Malware(Box::new(self.act(*infected))),
                Work::Notice(code, args) => Report::Notice { code, args },
                Work::Unscanned(count, reason) => Report::Unscanned { count, reason },
            };
            (self.reports)(report);
        }
    }

    fn act(&self, infected: Infected) -> Malware {
        let Infected { file, by, signature, others, sha256, size, trigger, process, action, denied } =
            infected;
        let path = path_of(file.as_fd()).unwrap_or_default();
        let links = rustix::fs::fstat(&file).map_or(1, |stat| stat.st_nlink);
        let path = named(path, links);
        let now = clock::wall_micros();
        let mut quarantine_id = None;
        let result = match action {
            // Opening it is denied where openers are asked, and only there.
            Action::DenyAccess if denied => Ok(Done::Denied),
            Action::Pass | Action::DenyAccess => Ok(Done::Passed),
            Action::Quarantine => self.quarantine.take(file.as_fd(), &signature, now).map(|entry| {
                self.tally.quarantined.add(1);
                quarantine_id = Some(entry.id);
                Done::Quarantined
            }),
            Action::Delete => remove_name(file.as_fd(), &path).map(|()| {
                self.tally.deleted.add(1);
                Done::Deleted
            }),
        };
        let (done, failure) = match result {
            Ok(done) => (done, None),
            Err(error) => {
                self.tally.failed.add(1);
                let words = explain(&error);
                tracing::error!("{}: {words}", path.display());
                (if denied { Done::Denied } else { Done::Failed }, Some(words))
            }
        };
        let process = process.map(|mut process| {
            process.user = process.uid.and_then(user_name);
            process
        });
        Malware {
            at: now,
            path,
            sha256,
            size,
            signature,
            by,
            others,
            trigger,
            done,
            failure,
            quarantine_id,
            process,
        }
    }
}

/// The name of a user, as `/etc/passwd` has it.
fn user_name(uid: u32) -> Option<String> {
    let text = state::read_capped(Path::new("/etc/passwd"), USERS_BYTES).ok()??;
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
