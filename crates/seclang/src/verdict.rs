//! What the engine says of a transaction.

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    #[default]
    Pass,
    /// It is answered with a status instead.
    Deny {
        /// Of HTTP.
        status: u16,
        /// The rule that says so; 0 where it is a limit of the engine.
        rule: u64,
    },
    /// The connection is closed.
    Drop {
        /// The rule that says so.
        rule: u64,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// Of HTTP.
        status: u16,
        /// Where to.
        url: Vec<u8>,
        /// The rule that says so.
        rule: u64,
    },
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its number.
    pub rule: u64,
    /// Phase, from 1.
    pub phase: u8,
    /// Where it stands.
    pub file: String,
    /// Line of the file.
    pub line: u32,
    /// Whether it asks to be told.
    pub log: bool,
    /// Whether it asks to be in the audit log.
    pub audit_log: bool,
    /// Its message.
    pub message: Vec<u8>,
    /// What it says of each value that matched; at most [`MATCHED`].
    pub data: Vec<Vec<u8>>,
    /// From 0, emergency, to 7.
    pub severity: Option<u8>,
    /// Its tags.
    pub tags: Vec<Vec<u8>>,
    /// Its version.
    pub ver: String,
    /// Its revision.
    pub rev: String,
    /// Values that matched; at most [`MATCHED`].
    pub matched: Vec<Matched>,
    /// It would have blocked, or has.
    pub disruptive: bool,
}

/// Values of a match that are told.
pub const MATCHED: usize = 16;

/// Bytes of a value that are told.
pub const MATCHED_BYTES: usize = 512;

/// A value that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The variable with its name, as `ARGS:id`.
    pub variable: Vec<u8>,
    /// The value after transformations, cut to [`MATCHED_BYTES`].
    pub value: Vec<u8>,
}
