//! What a rule asks of everything but the bytes of a buffer, and what it remembers.
use crate::dataset::Dataset;
use crate::event::EventName;
use crate::fact::Fact;
use crate::pattern::Range;
use crate::protocol::Protocol;
use std::time::Duration;

/// A condition that is no condition on a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// A number is in some of the ranges (or, negated, in none).
    Number { fact: Fact, ranges: Vec<Range>, negated: bool },
    /// One of several numbers, all of them, or some one is in the range.
    Numbers { fact: Fact, range: Range, which: Which },
    /// Any of these holds.
    Any(Vec<Self>),
    /// Payload of the packet.
    Segment(Range),
    /// Some of these bits and no others, all of them, any of them, or none.
    Bits { fact: Fact, ignored: u64, wanted: u64, how: BitTest },
    /// Bytes of the stream that one side has sent, or both.
    StreamSize { side: StreamSide, range: Range },
    /// Something odd was seen.
    Event(EventName),
    /// The protocol that was found out for the flow.
    Application { protocols: Vec<Protocol>, unknown: bool, negated: bool },
    /// Source and destination are one.
    SameAddress,
    /// What is known of an address.
    Reputation { whose: Whose, category: String, range: Range },
}

/// Which of several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Any,
    All,
    /// From the first one on, or (negative) from behind the last one back.
    At(i32),
}

/// How bits are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitTest {
    Exactly,
    AllAndMore,
    Any,
    None,
}

/// Whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamSide {
    Client,
    Server,
    Both,
    Either,
}

/// Whose address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Source,
    Destination,
    Any,
    Both,
}

/// What becomes of a bit, or is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitOperation {
    Set,
    Unset,
    Toggle,
    IsSet,
    IsNotSet,
}

impl BitOperation {
    pub(crate) const fn asks(self) -> bool {
        matches!(self, Self::IsSet | Self::IsNotSet)
    }

    pub(crate) const fn sets(self) -> bool {
        matches!(self, Self::Set | Self::Toggle)
    }
}

/// By whose address a bit or a count is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// By the source.
    Source,
    /// By the destination.
    Destination,
    /// By both of them.
    Pair,
    /// By the rule alone.
    Rule,
    /// By the flow.
    Flow,
}

/// What becomes of a number of a flow, or is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IntOperation {
    Add(IntValue),
    Subtract(IntValue),
    Assign(IntValue),
    Compare(Ordering, IntValue),
    IsSet,
    IsNotSet,
}

impl IntOperation {
    pub(crate) const fn asks(&self) -> bool {
        matches!(self, Self::Compare(..) | Self::IsSet | Self::IsNotSet)
    }
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ordering {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Ordering {
    pub(crate) const fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::GreaterOrEqual => left >= right,
            Self::Greater => left > right,
        }
    }
}

/// A number, or another number of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IntValue {
    Is(u64),
    Of(String),
}

/// What is remembered between rules; names become numbers when a rule set is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) what: Memory,
    /// Position in the rule, for findings.
    pub(crate) at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// `flowbits`: any of the names.
    FlowBits { operation: BitOperation, names: Vec<String> },
    /// `xbits` and `hostbits`.
    HostBits { operation: BitOperation, name: String, tracks: Vec<Track>, expires: Duration },
    /// `flowint`.
    FlowInt { name: String, operation: IntOperation },
    /// `dataset` of an address.
    Addresses { set: Dataset, whose: Track },
}

impl Memory {
    /// Whether it asks and changes nothing.
    pub(crate) const fn asks(&self) -> bool {
        match self {
            Self::FlowBits { operation, .. } | Self::HostBits { operation, .. } => operation.asks(),
            Self::FlowInt { operation, .. } => operation.asks(),
            Self::Addresses { set, .. } => set.operation.asks(),
        }
    }
}
