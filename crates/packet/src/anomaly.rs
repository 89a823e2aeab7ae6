//! What was odd about a packet, as a small set of names.
//!
//! The set type is made by [`named_set!`](crate::named_set), which `sakimori-stream` uses for its own anomalies too.

/// Makes an enum of named oddities and a `Copy` set of them that fits into a `u32`.
#[macro_export]
macro_rules! named_set {
    (
        $(#[$set_doc:meta])* $set:ident;
        $(#[$enum_doc:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $( $(#[$doc])* $variant, )+ }

        impl $name {
            /// All of them, in the order of their bits.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The name that rules, events and counters use.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }

            const fn bit(self) -> u32 { 1 << self as u8 }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.name()) }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $set(u32);

        impl $set {
            /// Nothing odd.
            pub const NONE: Self = Self(0);

            /// Whether nothing is in the set.
            pub const fn is_empty(self) -> bool { self.0 == 0 }

            /// Whether `one` is in the set.
            pub const fn contains(self, one: $name) -> bool { self.0 & one.bit() != 0 }

            /// Adds `one`.
            pub const fn insert(&mut self, one: $name) { self.0 |= one.bit(); }

            /// Both sets together.
            #[must_use]
            pub const fn union(self, other: Self) -> Self { Self(self.0 | other.0) }

            /// The members, in the order of their bits.
            pub fn iter(self) -> impl Iterator<Item = $name> {
                $name::ALL.iter().copied().filter(move |one| self.contains(*one))
            }
        }

        impl From<$name> for $set {
            fn from(one: $name) -> Self { Self(one.bit()) }
        }

        impl std::fmt::Debug for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_set().entries(self.iter().map($name::name)).finish()
            }
        }
    };
}

named_set! {
    /// The oddities of one packet.
    Anomalies;
    /// One oddity of a packet.
    Anomaly {
        /// Neither IPv4 nor IPv6 by its first nibble, or empty.
        NotIp = "not_ip",
        /// Fewer bytes are here than the headers promise: the payload is not whole.
        Truncated = "truncated",
        /// An IP or TCP header length that is too small or reaches past the packet.
        BadHeaderLength = "bad_header_length",
        /// An IP total (or UDP) length smaller than its own header.
        BadTotalLength = "bad_total_length",
        /// Bytes after the IP total length; they are not looked at.
        TrailingBytes = "trailing_bytes",
        /// TCP options that do not parse; the ones before the fault are kept.
        OptionsMalformed = "options_malformed",
        /// IPv4 options are present.
        Ipv4Options = "ipv4_options",
        /// Source and destination address (and port) are the same: the LAND attack.
        Land = "land",
        /// A checksum is wrong (only found when asked for, see `Checksums`).
        BadChecksum = "bad_checksum",
        /// More IPv6 extension headers than the bound; what follows is not decoded.
        TooManyExtensionHeaders = "too_many_extension_headers",
        /// An IPv6 fragment header on a packet that is not fragmented (RFC 6946).
        AtomicFragment = "atomic_fragment",
        /// A fragment that would end past 65,535 bytes: the ping of death.
        FragmentTooLong = "fragment_too_long",
        /// A fragment that is not the last and whose length is no multiple of 8.
        FragmentUneven = "fragment_uneven",
        /// Fragments of one packet overlap (the packet is thrown away, RFC 5722).
        FragmentOverlap = "fragment_overlap",
        /// Flags that no stack sends together: SYN+FIN, SYN+RST, FIN without ACK, or none at all.
        BadFlags = "bad_flags",
        /// A source or destination port of 0.
        PortZero = "port_zero",
        /// The reserved bit of the IPv4 header is set (RFC 3514 has a name for it).
        ReservedBit = "reserved_bit",
    }
}
