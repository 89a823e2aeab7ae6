//! A file system of a test's own, in a mount namespace of its own.
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs `work` in a thread with a private tmpfs; says so without root.
pub(crate) fn on_private_tmpfs(work: impl FnOnce(&Path) + Send) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let place: PathBuf = std::env::temp_dir().join(format!("sakimori-tmpfs-{}-{number}", std::process::id()));
    fs::create_dir(&place).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            sakimori_kernel_sys::process::unshare_mounts().unwrap();
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
            mount("tmpfs", &place, "tmpfs", MountFlags::empty(), None).unwrap();
            work(&place);
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    fs::remove_dir(&place).unwrap();
}
