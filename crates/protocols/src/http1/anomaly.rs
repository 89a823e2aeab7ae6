//! What is odd about a message, as a small set.

/// One oddity. None of them is an error: the message is parsed as servers would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Anomaly {
    /// A line that is no request line was skipped.
    Garbage,
    /// The head is larger than the limit; the rest of it was not kept.
    HeadTooLong,
    /// More header fields than the limit; the rest is in the raw head only.
    TooManyHeaders,
    /// A header line without a colon.
    HeaderWithoutColon,
    /// White space between a header's name and its colon: some proxies and servers disagree on it (request smuggling).
    SpaceBeforeColon,
    /// A header value continued on the next line (obsolete since RFC 7230).
    FoldedHeader,
    /// A NUL byte in the head.
    NulByte,
    /// Both Transfer-Encoding and Content-Length (request smuggling, RFC 9112 §6.1).
    LengthAndChunked,
    /// Content-Length fields that differ.
    LengthConflict,
    /// A Content-Length that is no number.
    LengthInvalid,
    /// A Transfer-Encoding that is not plainly `chunked`.
    TransferEncodingUnknown,
    /// A chunk whose size line is no hexadecimal number; the rest of the connection is taken as its body.
    ChunkInvalid,
    /// The body is larger than what is kept for inspection.
    BodyTruncated,
    /// Bytes of the message are missing.
    Gap,
    /// No protocol version: HTTP/0.9.
    Http09,
    /// A Content-Encoding that is not undone: unknown, or one too many.
    ContentEncodingUnknown,
    /// No protocol version, and header fields all the same.
    VersionMissing,
    /// Something behind the size of a chunk.
    ChunkExtension,
}

impl Anomaly {
    /// All of them, in order of their bits.
    pub const ALL: [Self; 18] = [
        Self::Garbage,
        Self::HeadTooLong,
        Self::TooManyHeaders,
        Self::HeaderWithoutColon,
        Self::SpaceBeforeColon,
        Self::FoldedHeader,
        Self::NulByte,
        Self::LengthAndChunked,
        Self::LengthConflict,
        Self::LengthInvalid,
        Self::TransferEncodingUnknown,
        Self::ChunkInvalid,
        Self::BodyTruncated,
        Self::Gap,
        Self::Http09,
        Self::ContentEncodingUnknown,
        Self::VersionMissing,
        Self::ChunkExtension,
    ];
}

/// A set of [`Anomaly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u32);

impl Anomalies {
    /// Adds one.
    pub fn insert(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, anomaly: Anomaly) {
        self.0 &= !(1 << anomaly as u8);
    }

    /// Whether it is in the set.
    pub const fn contains(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Whether the message is plain.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.into_iter().filter(move |a| self.contains(*a))
    }
}
