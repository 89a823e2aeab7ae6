//! What rules look at: the buffers of a transaction, the directions and the stages they appear in.
use crate::protocol::Protocol;
use std::fmt;

mod table;

pub use table::Buffer;

/// How the bytes of a buffer come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// All at once.
    Whole,
    /// More may follow after it was first there.
    Grows,
    /// Several times in a transaction, each whole: a rule's conditions have to hold of one of them.
    Several,
}

impl Comes {
    const WHOLE: Self = Self::Whole;
    const GROWS: Self = Self::Grows;
    const SEVERAL: Self = Self::Several;
}

/// Where a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// On each packet.
    Packet,
    /// On the raw stream.
    Stream,
    /// On a transaction of a protocol.
    Transaction(Protocol),
}

/// Which way bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the side that opened the connection: requests.
    ToServer,
    /// To the side that opened the connection: responses.
    ToClient,
}

impl Direction {
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// A set of directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Directions(u8);

impl Directions {
    /// Neither.
    pub const NONE: Self = Self(0);
    /// Requests only.
    pub const TO_SERVER: Self = Self(1);
    /// Responses only.
    pub const TO_CLIENT: Self = Self(2);
    /// Both.
    pub const BOTH: Self = Self(3);

    /// Whether the direction is one of them.
    pub const fn contains(self, direction: Direction) -> bool {
        self.0 & (1 << direction.index()) != 0
    }

    /// The directions in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The directions in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How far a transaction has come when the rule set is asked.
///
/// Stages of one direction only move forward. Skipping one is allowed (a small request may be
/// inspected once, at `RequestEnd`); asking twice at the same stage is how a growing body is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The request line is there.
    RequestLine,
    /// All request header fields are there.
    RequestHeaders,
    /// More of the request body is there.
    RequestBody,
    /// The request is complete, or cut short: nothing of it will come any more.
    RequestEnd,
    /// The status line is there.
    ResponseLine,
    /// All response header fields are there.
    ResponseHeaders,
    /// More of the response body is there.
    ResponseBody,
    /// The response is complete, or cut short: nothing of it will come any more.
    ResponseEnd,
    /// More of the raw stream is there; asked with a [`TransactionState`](crate::TransactionState)
    /// of the flow's own, one for its whole life.
    Stream(Direction),
    /// One packet, with its header; asked with a [`TransactionState`](crate::TransactionState) of its own.
    Packet(Direction),
}

impl Stage {
    /// The direction whose bytes this stage is about.
    pub const fn direction(self) -> Direction {
        match self {
            Self::RequestLine | Self::RequestHeaders | Self::RequestBody | Self::RequestEnd => {
                Direction::ToServer
            }
            Self::ResponseLine | Self::ResponseHeaders | Self::ResponseBody | Self::ResponseEnd => {
                Direction::ToClient
            }
            Self::Stream(direction) | Self::Packet(direction) => direction,
        }
    }

    /// Whether nothing of this direction will come any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::RequestEnd | Self::ResponseEnd | Self::Packet(_))
    }

    /// Whether this is about one packet.
    pub(crate) const fn is_packet(self) -> bool {
        matches!(self, Self::Packet(_))
    }

    /// Whether only the first line of a message is there.
    pub(crate) const fn is_first_line(self) -> bool {
        matches!(self, Self::RequestLine | Self::ResponseLine)
    }
}

impl Buffer {
    /// Whether more bytes may follow after the buffer was first there.
    pub const fn grows(self) -> bool {
        matches!(self.comes(), Comes::Grows)
    }

    /// Whether there may be several of it in one transaction.
    pub const fn is_several(self) -> bool {
        matches!(self.comes(), Comes::Several)
    }

    /// Whether it belongs to packets alone.
    pub const fn is_header(self) -> bool {
        self.protocols().is_empty() && !matches!(self, Self::Payload)
    }

    /// The buffer that a keyword names.
    pub fn named(keyword: &str) -> Option<Self> {
        let payload = |b: &&Self| **b != Self::Payload;
        Self::ALL
            .iter()
            .filter(payload)
            .find(|b| b.name() == keyword || b.aliases().contains(&keyword))
            .copied()
    }

    /// The buffer into which a keyword moves the content before it.
    pub fn moved_to_by(keyword: &str) -> Option<Self> {
        Self::ALL.iter().find(|b| b.modifiers().contains(&keyword)).copied()
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
