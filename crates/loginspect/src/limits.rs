//! Bounds, each with its reason.

/// The longest line that is judged; a longer one is cut there. OSSEC and Wazuh stop at the same length.
pub const LINE_BYTES: usize = 64 * 1024;
/// Fields kept of one line: Wazuh's own default for the words of `order`.
pub const FIELDS: usize = 256;
/// A rule file: three times the largest published one.
pub const FILE_BYTES: usize = 4 << 20;
/// Elements of one file, and of their nesting.
pub const ELEMENTS: usize = 200_000;
/// Nesting of elements; the language needs four.
pub const DEPTH: usize = 8;
/// Rules of a set: three times Wazuh's.
pub const RULES: usize = 16_384;
/// Decoders of a set.
pub const DECODERS: usize = 8_192;
/// Rules below one another; published sets go to 7.
pub const RULE_DEPTH: usize = 24;
/// Past events that one list of a composite rule remembers: with eight attackers at once each still reaches the
/// published maximum of a hundred.
pub const LIST_EVENTS: usize = 1_024;
/// Past events remembered by all lists together. With [`PAST_BYTES`] this bounds the memory to 32 MiB.
pub const PAST_EVENTS: usize = 16_384;
/// Bytes of all fields of one remembered event; fields past it are not remembered.
pub const PAST_BYTES: usize = 2_048;
/// The highest `frequency`: what a list can hold, with room for others.
pub const FREQUENCY: u32 = 1_000;
/// The longest `timeframe` and `ignore`: OSSEC's own bound, a little more than a day.
pub const TIMEFRAME_SECONDS: u32 = 99_999;
/// A compiled pattern, in bytes.
pub const PATTERN_BYTES: usize = 1 << 20;
/// What a pattern may cache while it matches, in bytes.
pub const PATTERN_CACHE_BYTES: usize = 256 << 10;
/// A group, word or name of a rule file.
pub const NAME_BYTES: usize = 256;
