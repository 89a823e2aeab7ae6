//! Threads that packets wait for: before others, and how much of a processor they take.

use std::time::Duration;

pub use sakimori_kernel_sys::scheduling::set_first;

/// Processor time that a thread has used so far; `None` when it has gone.
///
/// # Source
/// `Documentation/scheduler/sched-stats.rst`: the first number of `/proc/PID/task/TID/schedstat`, in nanoseconds.
pub fn used(process: u32, thread: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).ok()?;
    Some(Duration::from_nanos(text.split_ascii_whitespace().next()?.parse().ok()?))
}

/// The number of the calling thread.
pub fn own_thread() -> u32 {
    u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_thread_goes_before_others_and_back_and_its_children_do_not() -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let policy = |thread: u32| -> io::Result<u32> {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat"))?;
            let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
            // Field 41 of proc(5); the state, field 3, comes first here.
            Ok(fields.split(' ').nth(38).and_then(|field| field.parse().ok()).unwrap_or(u32::MAX))
        };
        let own = own_thread();
        set_first(own, true)?;
        let child = std::thread::spawn(move || policy(own_thread())).join();
        let during = policy(own)?;
        set_first(own, false)?;
        assert_eq!((during, policy(own)?), (1, 0));
        assert_eq!(child.ok().and_then(Result::ok), Some(0), "a child is ordinary");
        Ok(())
    }

    #[test]
    fn time_that_was_used_is_known() {
        let own = own_thread();
        let before = used(std::process::id(), own);
        assert!(before.is_some());
        let mut sum = 0_u64;
        while used(std::process::id(), own) == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(used(std::process::id(), own) > before);
        assert_eq!(used(std::process::id(), u32::MAX), None);
    }
}
