//! Starting a child with chosen descriptors, and taking over inherited ones.

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Mutex;

/// The descriptors of this process that [`inherited`] gave away already.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Makes `command`'s child keep `descriptors`, under their own numbers, and nothing else beside 0, 1 and 2.
///
/// The caller keeps them open until the child is spawned. A descriptor that is closed by then fails the spawn.
pub fn keep_descriptors(command: &mut Command, descriptors: Vec<RawFd>) {
    let prepare = move || {
        // Whatever was opened without close-on-exec by anybody in this process stays here.
        close_range_on_exec()?;
        for descriptor in &descriptors {
            // SAFETY: only the number is used, by a system call that checks it.
            let fd = unsafe { BorrowedFd::borrow_raw(*descriptor) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls; it
    // allocates nothing and takes no lock.
    let _same = unsafe { command.pre_exec(prepare) };
}

/// Takes over a descriptor that this process's starter left open under `number`, once.
///
/// # Errors
/// `EBADF` where nothing is open under it; `AlreadyExists` the second time; `InvalidInput` for 0, 1 and 2.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only the number is used, by a system call that checks it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // Inherited ones are exactly those without close-on-exec: everything that Rust opens has it.
    if fcntl_getfd(borrowed)?.contains(FdFlags::CLOEXEC) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut taken = TAKEN.lock().map_err(|_poisoned| io::Error::other("another thread panicked"))?;
    if !taken.insert(number) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, was left by the starter for this purpose (it lacks close-on-exec, so no value of
    // this process owns it), and `TAKEN` gives it away only once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Gives a descriptor to the next program of this process, under its number: the counterpart of [`inherited`].
///
/// Nothing in this program owns it afterwards; [`inherited`] takes it back if `execve` fails.
pub fn bequeath(descriptor: OwnedFd) -> io::Result<RawFd> {
    use std::os::fd::IntoRawFd as _;
    let mut taken = TAKEN.lock().map_err(|_poisoned| io::Error::other("another thread panicked"))?;
    fcntl_setfd(&descriptor, FdFlags::empty())?;
    let number = descriptor.into_raw_fd();
    let _was_taken = taken.remove(&number);
    Ok(number)
}

fn close_range_on_exec() -> io::Result<()> {
    // SAFETY: close_range with CLOSE_RANGE_CLOEXEC only sets a flag on descriptors; it closes nothing now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        // Before Linux 5.11: what Rust opened has the flag anyway.
        e if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => Ok(()),
        e => Err(e),
    }
}

/// Asks for a page that is both writable and executable, and gives it back: what a sandbox must refuse.
pub fn try_executable_page() -> io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
    const PAGE: usize = 4096;
    let protection = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    // SAFETY: the null hint lets the kernel pick an unused range, so no existing memory is touched.
    let page = unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE, protection, MapFlags::PRIVATE) }?;
    // SAFETY: exactly the range that was just got; nothing refers to it.
    unsafe { munmap(page, PAGE) }?;
    Ok(())
}

/// Puts the calling thread into a network namespace of its own, empty but for a loopback interface.
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: only the network namespace changes; descriptors and memory stay shared as they were.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.map_err(Into::into)
}

/// Puts the calling thread into a mount namespace of its own; what is mounted there afterwards is still shared with
/// the others until propagation is ended.
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: only the mount namespace and the thread's own root and working directory change; descriptors and
    // memory stay shared as they were.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.map_err(Into::into)
}

/// Puts the process into a user namespace of its own, where it would have all capabilities: what a sandbox must refuse.
pub fn unshare_user() -> io::Result<()> {
    // SAFETY: only the user namespace changes; descriptors and memory stay shared as they were.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }.map_err(Into::into)
}

/// Forks by the bare system call and waits for the child, which ends at once: what a sandbox must refuse.
pub fn try_fork() -> io::Result<()> {
    // SAFETY: a plain fork (no shared memory, no new stack); the child makes one system call, which ends it.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    match child {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: ends the child without running anything of this process's.
        0 => unsafe { libc::_exit(0) },
        _ => {
            let _reaped = rustix::process::wait(rustix::process::WaitOptions::empty())?;
            Ok(())
        }
    }
}

/// Replaces this program by `/bin/true`, by the bare system call; returns only if that failed: what a sandbox
/// must refuse.
pub fn try_execve() -> io::Error {
    let path = c"/bin/true".as_ptr();
    let arguments = [path, std::ptr::null()];
    // SAFETY: path and argument list are terminated and live; the environment may be empty.
    let _failed = unsafe { libc::execve(path, arguments.as_ptr(), arguments.as_ptr().wrapping_add(1)) };
    io::Error::last_os_error()
}
