//! The choices that a tracker has to make where stacks differ or where bytes are missing.
//!
//! **In-line** (enforcing) there is one answer to overlapping bytes: the copy that we let through first is the one
//! that we inspected, and a segment that brings other bytes for the same place is dropped. No receiver can then be
//! made to read anything else, whatever its own policy is. The policies below are for captures and for detection
//! only, where nothing can be dropped and the question is what the receiver *will* have read.

/// Which copy wins where out-of-order segments overlap with different content.
///
/// # Source
/// J. Novak, S. Sturges: *Target-Based TCP Stream Reassembly*, Sourcefire 2007. `Linux` follows what
/// `tcp_data_queue_ofo` in Linux since 4.9 does. Bytes that were already delivered always stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverlapPolicy {
    /// The first copy. Solaris in most cases; Windows Vista and later.
    First,
    /// The last copy. Cisco IOS.
    Last,
    /// The earlier segment where it does not begin after the new one, else the new one. BSD, AIX, IRIX.
    Bsd,
    /// The earlier segment where it begins before the new one, or at the same place and is not shorter; else the new.
    #[default]
    Linux,
    /// As BSD: Windows 2000, XP and 2003.
    Windows,
}

impl OverlapPolicy {
    /// Whether the bytes of a held segment `held` (begin, end) stay against those of a new one, both as offsets.
    pub(crate) const fn keeps_held(self, held: (i64, i64), new: (i64, i64)) -> bool {
        match self {
            Self::First => true,
            Self::Last => false,
            Self::Bsd | Self::Windows => held.0 <= new.0,
            Self::Linux => held.0 < new.0 || (held.0 == new.0 && held.1 >= new.1),
        }
    }
}

/// What follows when bytes are missing for good.
///
/// In-line that needs bytes which the kernel let by unseen (fail-open under overload): the skipped bytes are
/// remembered as never seen, so that whoever sends them later has them dropped. A gap cannot be used to get bytes
/// past the inspection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GapPolicy {
    /// The application is told and inspection goes on behind the gap.
    #[default]
    Continue,
    /// The flow is blocked.
    Block,
}

/// What happens to a flow that is met in its middle: after a start of ours, or evicted in a flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MidstreamPolicy {
    /// It is inspected from where it was met.
    #[default]
    Inspect,
    /// It passes uninspected.
    Pass,
    /// Its data is dropped: the client has to open a new connection. Only sane some time after a start.
    Drop,
}

/// What the byte under the urgent pointer becomes.
///
/// Linux takes it out of the stream unless the program asked for it in-line (`SO_OOBINLINE`), which web servers do
/// not do; other stacks and programs leave it in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UrgentPolicy {
    /// In-line, segments with an urgent pointer are dropped: HTTP never uses it, and no guess is needed.
    /// Not enforcing, as [`OutOfBand`](Self::OutOfBand).
    #[default]
    Drop,
    /// The byte is taken out, as Linux does: it lies one below the urgent pointer.
    OutOfBand,
    /// The byte stays in the stream.
    Inline,
}
