//! The one place where the manager asks how full its disk is.
//!
//! Like [`Clock`](crate::clock::Clock), a [`Disk`] can be told what to say: a test then depends on no disk but the one
//! that it describes.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Says how full the file system under a folder is.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// What it says in place of what the kernel says.
    told: Option<Arc<AtomicU8>>,
}

impl Disk {
    /// One that is as full as it is told to be; empty at first.
    pub fn made_up() -> Self {
        Self { told: Some(Arc::default()) }
    }

    /// From now on so many percent are used, if this is a made-up one.
    pub fn set_percent(&self, used: u8) {
        if let Some(told) = &self.told {
            told.store(used, Ordering::Relaxed);
        }
    }

    /// How much is used, rounded down, as `df` has it: what root alone may use counts neither as free nor as there.
    ///
    /// # Units
    /// Percent, 0 to 100; nothing where the kernel does not say.
    pub(crate) fn percent(&self, folder: &Path) -> Option<u8> {
        if let Some(told) = &self.told {
            return Some(told.load(Ordering::Relaxed));
        }
        let about = rustix::fs::statvfs(folder).ok()?;
        let used = u128::from(about.f_blocks.saturating_sub(about.f_bfree));
        let percent = (used * 100).checked_div(used + u128::from(about.f_bavail))?;
        u8::try_from(percent).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_asked_unless_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Disk::default().percent(dir.path()).is_some_and(|percent| percent <= 100));
        assert_eq!(Disk::default().percent(&dir.path().join("absent")), None);
        let disk = Disk::made_up();
        disk.set_percent(97);
        assert_eq!(disk.clone().percent(dir.path()), Some(97));
    }
}
