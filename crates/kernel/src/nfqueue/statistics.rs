//! The kernel's own numbers about its queues.

use std::fs::File;
use std::io::Read as _;

/// One line of `/proc/net/netfilter/nfnetlink_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueStatistics {
    /// The queue's number.
    pub queue: u16,
    /// The netlink port of the listener.
    pub port_id: u32,
    /// Packets that wait for a verdict.
    pub waiting: u32,
    /// Bytes of each packet that are copied.
    pub copy_range: u32,
    /// Packets dropped because the queue was full. Stays 0 under fail-open.
    pub queue_dropped: u64,
    /// Packets dropped because the socket's buffer was full. Stays 0 under fail-open.
    pub user_dropped: u64,
    /// The number of the last packet queued: with wrap-around, the count of packets.
    pub last_id: u32,
}

/// Why the numbers could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the queue statistics of the kernel")]
pub struct StatisticsError(#[source] pub std::io::Error);

/// The kernel's list has one line of under 100 bytes per queue; 65,536 queues are possible, ours is among the
/// first whenever the file is this long.
const READ_LIMIT: u64 = 1 << 20;

/// The numbers of `queue` in the calling thread's network namespace; `None` when nobody is bound.
pub fn read_statistics(queue: u16) -> Result<Option<QueueStatistics>, StatisticsError> {
    // `thread-self`: /proc/net is the namespace of the process's first thread.
    let file = File::open("/proc/thread-self/net/netfilter/nfnetlink_queue").map_err(StatisticsError)?;
    let mut text = String::new();
    file.take(READ_LIMIT).read_to_string(&mut text).map_err(StatisticsError)?;
    Ok(text.lines().filter_map(parse_line).find(|statistics| statistics.queue == queue))
}

/// # Shape
/// queue, port, waiting, copy mode, copy range, queue dropped, user dropped, last id, 1
fn parse_line(line: &str) -> Option<QueueStatistics> {
    let mut fields = line.split_ascii_whitespace();
    let queue = fields.next()?.parse().ok()?;
    let port_id = fields.next()?.parse().ok()?;
    let waiting = fields.next()?.parse().ok()?;
    let _copy_mode = fields.next()?;
    Some(QueueStatistics {
        queue,
        port_id,
        waiting,
        copy_range: fields.next()?.parse().ok()?,
        queue_dropped: fields.next()?.parse().ok()?,
        user_dropped: fields.next()?.parse().ok()?,
        last_id: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_others_are_not() {
        let line = "    7  31415     3 2 65531     4     5     6  1";
        assert_eq!(
            parse_line(line),
            Some(QueueStatistics {
                queue: 7,
                port_id: 31415,
                waiting: 3,
                copy_range: 65531,
                queue_dropped: 4,
                user_dropped: 5,
                last_id: 6
            })
        );
        assert_eq!(parse_line(""), None);
        assert_eq!(parse_line("7 1 2"), None);
        assert_eq!(parse_line("70000 1 2 2 5 6 7 8 1"), None);
    }
}
