//! Files by the kernel's own handle, and a thread's claim to the disk.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long};

/// Longest handle: `MAX_HANDLE_SZ` of the kernel.
pub const HANDLE_BYTES: usize = 128;

/// `struct file_handle` with room for the longest one.
#[repr(C)]
struct FileHandle {
    length: u32,
    kind: c_int,
    bytes: [u8; HANDLE_BYTES],
}

/// Opens (as `O_PATH`: nothing can be read through it) the file of a handle, on the file system that `mount` lies on and
/// as seen through that mount. Needs `CAP_DAC_READ_SEARCH`.
///
/// # Errors
/// `ESTALE` where the file is gone; `InvalidInput` for a handle that is too long.
pub fn open_by_handle(mount: BorrowedFd<'_>, kind: i32, handle: &[u8]) -> io::Result<OwnedFd> {
    let mut whole = FileHandle { length: 0, kind, bytes: [0; HANDLE_BYTES] };
    let room = whole.bytes.get_mut(..handle.len()).ok_or(io::ErrorKind::InvalidInput)?;
    room.copy_from_slice(handle);
    whole.length = u32::try_from(handle.len()).unwrap_or(0);
    let flags = c_long::from(libc::O_PATH | libc::O_CLOEXEC);
    let place: *mut FileHandle = &raw mut whole;
    // SAFETY: the pointer is to a live `file_handle` whose length states bytes that are there; the kernel reads it.
    // JUSTIFICATION: rustix has no `open_by_handle_at`.
    let fd = unsafe { libc::syscall(libc::SYS_open_by_handle_at, mount.as_raw_fd(), place, flags) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made by the kernel for this process; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets the calling thread use the disk only when nobody else does (`IOPRIO_CLASS_IDLE`).
///
/// # Source
/// `ioprio_set(2)`. Heeded by the schedulers BFQ and mq-deadline; without effect elsewhere.
pub fn idle_io() -> io::Result<()> {
    const WHO_PROCESS: c_long = 1;
    const CLASS_IDLE: c_long = 3 << 13;
    // SAFETY: takes numbers only; 0 is the calling thread.
    // JUSTIFICATION: neither rustix nor libc wrap it.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0 as c_long, CLASS_IDLE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
