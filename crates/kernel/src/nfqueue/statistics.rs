//! The kernel's own numbers about its queues.

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

/// The numbers of `queue` in the calling thread's network namespace; `None` when nobody is bound.
pub fn read_statistics(queue: u16) -> Result<Option<QueueStatistics>, StatisticsError> {
    let _ = queue;
    Err(StatisticsError(std::io::ErrorKind::Unsupported.into()))
}
