//! What the kernel says about one queued packet, read from bytes without trusting them.

/// Where in the stack a packet was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// For this host.
    Input,
    /// Through this host, containers included.
    Forward,
    /// From this host.
    Output,
    /// After routing.
    Postrouting,
    /// A number this build does not know.
    Other(u8),
}

/// One packet that waits for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedPacket<'a> {
    /// The number that the verdict must name; ascending within a queue, wraps at 2³².
    pub id: u32,
    /// The queue's number.
    pub queue: u16,
    /// Where it was queued.
    pub hook: Hook,
    /// The Ethernet protocol: 0x0800 or 0x86DD.
    pub hw_protocol: u16,
    /// The packet's mark. A verdict's mark replaces it whole: give `mark | ours`.
    pub mark: u32,
    /// Interface it came in by; 0 when there is none.
    pub in_ifindex: u32,
    /// Interface it leaves by; 0 when there is none.
    pub out_ifindex: u32,
    /// The packet from its IP header on.
    pub payload: &'a [u8],
    /// Length of the whole packet; larger than `payload` when the copy range cut it.
    pub original_len: u32,
    /// Checksums are not filled in yet (offload): do not judge them.
    pub checksum_not_ready: bool,
    /// Checksums were not verified by the network card.
    pub checksum_not_verified: bool,
    /// A segmentation-offload packet: several segments as one, longer than the MTU.
    pub gso: bool,
}

/// One message read from the queue socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMessage<'a> {
    /// A packet that waits.
    Packet(QueuedPacket<'a>),
    /// The kernel refused an earlier verdict or request: a positive errno (2 ENOENT: no such id any more).
    Refused {
        /// The request's sequence number.
        sequence: u32,
        /// A positive errno.
        errno: i32,
    },
    /// Not something a queue sends, or malformed.
    Unknown,
}

/// Reads one datagram of the queue socket. Any bytes are allowed.
pub fn parse(datagram: &[u8]) -> QueueMessage<'_> {
    let _ = datagram;
    QueueMessage::Unknown
}
