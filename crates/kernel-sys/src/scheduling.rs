//! How the scheduler treats threads.

use std::io;

/// Puts a thread before all ordinary ones (`SCHED_FIFO` with the lowest of its priorities), or back among them.
///
/// Threads and processes that it starts are ordinary ones. Needs `CAP_SYS_NICE`.
pub fn set_first(thread: u32, first: bool) -> io::Result<()> {
    let thread = libc::pid_t::try_from(thread).map_err(io::Error::other)?;
    let policy = if first { libc::SCHED_FIFO } else { libc::SCHED_OTHER };
    let parameters = libc::sched_param { sched_priority: i32::from(first) };
    // SAFETY: the pointer is to a live structure that the kernel only reads; a thread that is not there is refused.
    // JUSTIFICATION: neither rustix nor std knows this call.
    let result = unsafe {
        libc::sched_setscheduler(thread, policy | libc::SCHED_RESET_ON_FORK, std::ptr::from_ref(&parameters))
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
