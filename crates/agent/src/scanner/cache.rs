//! What was judged lately, so that a file is looked at once and not at every opening.
//!
//! # Bounds
//! Two halves of 32,768 files. The younger one becomes the older one when it is full, so that what is in use stays.

use sakimori_kernel::fanotify::content::{FileKey, Identity};
use std::collections::HashMap;

/// Files in each half: 6 MiB in all.
const HALF: usize = 32_768;
/// A file changed less than this long ago may be changed once more within the same tick of the file system's clock.
const TICK_NANOSECONDS: i128 = 20_000_000;

/// What becomes of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It may be opened.
    Pass,
    /// It may not.
    Deny,
}

/// The verdicts of one set of rules and settings.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<FileKey, (Identity, Judged)>,
    old: HashMap<FileKey, (Identity, Judged)>,
}

// === impl Cache ===

impl Cache {
    /// What was judged of exactly this content.
    pub(super) fn look(&mut self, identity: &Identity) -> Option<Judged> {
        if let Some((known, judged)) = self.young.get(&identity.file) {
            return (known == identity).then_some(*judged);
        }
        let (known, judged) = self.old.remove(&identity.file)?;
        if known != *identity {
            return None;
        }
        self.insert(known, judged);
        Some(judged)
    }

    /// Keeps a verdict that was found at `now` (nanoseconds since 1970), unless the file is too young for its times to tell.
    pub(super) fn keep(&mut self, identity: Identity, judged: Judged, now: i128) {
        let age = now - identity.changed.max(identity.modified);
        if age >= TICK_NANOSECONDS {
            self.insert(identity, judged);
        }
    }

    /// The file was written.
    pub(super) fn forget(&mut self, file: &FileKey) {
        let _known = self.young.remove(file);
        let _known = self.old.remove(file);
    }

    /// Rules or settings changed.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn insert(&mut self, identity: Identity, judged: Judged) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        let _former = self.young.insert(identity.file, (identity, judged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i128 = 1_000_000_000_000;

    fn identity(inode: u64, changed: i128) -> Identity {
        Identity { file: FileKey { device: 1, inode }, changed, modified: changed, size: 4 }
    }

    #[test]
    fn a_verdict_holds_for_the_same_content_only() {
        let mut cache = Cache::default();
        let file = identity(1, 5);
        cache.keep(file, Judged::Deny, NOW);
        assert_eq!(cache.look(&file), Some(Judged::Deny));
        assert_eq!(cache.look(&identity(1, 6)), None, "changed");
        assert_eq!(cache.look(&Identity { size: 5, ..file }), None, "longer");
        cache.forget(&file.file);
        assert_eq!(cache.look(&file), None);
    }

    #[test]
    fn a_file_that_was_changed_just_now_is_not_kept() {
        let mut cache = Cache::default();
        cache.keep(identity(1, NOW - 1), Judged::Pass, NOW);
        assert_eq!(cache.look(&identity(1, NOW - 1)), None);
        cache.keep(identity(1, NOW + 5), Judged::Pass, NOW);
        assert_eq!(cache.look(&identity(1, NOW + 5)), None, "from the future");
    }

    #[test]
    fn it_stays_bounded_and_keeps_what_is_in_use() {
        let mut cache = Cache::default();
        let used = identity(0, 5);
        cache.keep(used, Judged::Pass, NOW);
        for inode in 1..200_000 {
            cache.keep(identity(inode, 5), Judged::Pass, NOW);
            if inode % 1000 == 0 {
                assert_eq!(cache.look(&used), Some(Judged::Pass));
            }
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * HALF);
        assert_eq!(cache.look(&identity(1, 5)), None);
    }
}
