//! What is looked at beside the rules: the state of connections, their number, fragments.
//!
//! Rules decide first; what they let pass is looked at here, except what Bypass names. Only what comes in is judged by
//! its state; of what goes out connections are counted.

use crate::judge::Packet;
use sakimori_model::{Mode, PortRange};
use std::collections::BTreeMap;

/// What is looked at, and how far each goes. Nothing by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stateful {
    /// Packets of no possible state: impossible TCP flags, and what connection tracking calls invalid.
    pub invalid: Mode,
    /// TCP packets that open no connection and belong to none.
    pub out_of_connection: Mode,
    /// TCP packets with CWR or ECE.
    pub congestion_flags: Mode,
    /// Fragments of IP packets for this host.
    pub fragments: Mode,
    /// Of these such as no honest sender makes.
    pub short_fragments: Mode,
    /// The least bytes of a fragment that is not the last one, its IP header included.
    pub min_fragment: u16,
    /// TCP connections from one source address at most; 0 for any number. Of IPv6 a /64 is one source.
    pub from_one_source: u32,
    /// TCP connections to one address at most; 0 for any number.
    pub to_one_destination: u32,
    /// TCP connections to the outside at most; 0 for any number.
    pub outgoing: u32,
    /// TCP connections that are half open at most, of an IP version; further ones are answered by SYN cookies. 0 for any
    /// number.
    pub half_open: u32,
    /// Server ports at which FTP is spoken: its data connections are related.
    pub ftp: Vec<PortRange>,
    /// How long connections are remembered that nothing is heard of, in seconds; the kernel's own where none is said.
    pub timeouts: BTreeMap<Timeout, u32>,
}

/// A state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeout {
    /// TCP: SYN was seen.
    SynSent,
    /// TCP: SYN was answered.
    SynReceived,
    /// TCP: established.
    Established,
    /// TCP: one side has ended.
    FinWait,
    /// TCP: the other side has acknowledged that.
    CloseWait,
    /// TCP: both sides have ended.
    LastAck,
    /// TCP: all is acknowledged.
    TimeWait,
    /// TCP: reset.
    Close,
    /// UDP: not answered.
    Udp,
    /// UDP: both sides have sent.
    UdpStream,
    /// ICMP and `ICMPv6`: a question.
    Icmp,
}

/// What a packet may be found to be. Each has a counter and a name in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// TCP flags that go together in no state.
    InvalidFlags,
    /// Of no state that connection tracking knows.
    InvalidPacket,
    /// TCP that opens no connection and belongs to none.
    OutOfConnection,
    /// TCP with CWR or ECE.
    CongestionFlags,
    /// A fragment.
    Fragment,
    /// A fragment such as no honest sender makes.
    ShortFragment,
    /// One connection too many from this source.
    FromOneSource,
    /// One connection too many to this destination.
    ToOneDestination,
    /// One connection too many to the outside.
    Outgoing,
    /// One half-open connection too many: answered by a SYN cookie.
    HalfOpen,
    /// An answer to a SYN cookie, true or not.
    CookieAnswer,
}

/// A condition of stateful checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The product has sent it, or a rule takes it out of all inspection.
    NotAsked,
    /// The packet begins a connection, as far as tracking knows.
    New,
    /// Tracking knows no state for it.
    Invalid,
    /// It begins one or is invalid.
    NewOrInvalid,
    /// It goes to an address of this host.
    ForHere,
    /// It is a fragment.
    Fragment {
        /// IPv4; IPv6 otherwise.
        v4: bool,
        /// Which ones.
        which: Fragments,
    },
    /// With this connection there are more than `most` of its kind.
    Crowded {
        /// Whose are counted.
        of: Crowd,
        /// IPv4; IPv6 otherwise.
        v4: bool,
        /// How many may be.
        most: u32,
    },
    /// There is room for one more half-open connection, which it takes.
    HalfOpenRoom {
        /// IPv4; IPv6 otherwise.
        v4: bool,
        /// How many may be.
        most: u32,
    },
    /// A SYN cookie was sent for its destination port a short time ago.
    CookiesSent,
    /// It answers a packet whose connection the kernel has not taken up: a SYN cookie, where it is SYN and ACK.
    AnswersInPlace,
}

/// Which fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragments {
    /// All.
    All,
    /// Those that are not the last one, and with their IP header shorter than so many bytes.
    Shorter(u16),
    /// Those that are not the first one, and begin before so many bytes of the whole packet's data.
    Before(u16),
}

/// Whose connections are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crowd {
    /// From the packet's source.
    Source,
    /// To its destination.
    Destination,
    /// All that go out.
    Outgoing,
}

/// What is done to a packet that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its connection is half open no more.
    Opened {
        /// IPv4; IPv6 otherwise.
        v4: bool,
        /// The limit.
        most: u32,
    },
    /// It is remembered that cookies are sent for its destination port.
    CookieSent,
    /// The kernel answers it in place of the server: SYN by a cookie, an answer to that by opening the connection. The
    /// packet itself goes no further.
    SynCookie,
    /// It is as if the product had sent it: not to be queued. The kernel would drop it there, since its connection is not
    /// taken up.
    Own,
    /// FTP is spoken on its connection.
    Ftp,
    /// Its connection is remembered so long.
    Timeouts(Timeouts),
}

/// How long connections of one protocol are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The IP protocol's number.
    pub protocol: u8,
    /// Seconds by the number that the kernel gives a state, in steps from 1; 0 for its own.
    pub seconds: [u32; 8],
}

/// What a plan needs of the kernel, or what a kernel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, by itself")]
pub struct Needs {
    /// Counting connections by address.
    pub limits: bool,
    /// Seeing fragments before they are put together.
    pub fragments: bool,
    /// SYN cookies.
    pub cookies: bool,
    /// Timeouts of its own.
    pub timeouts: bool,
    /// Following FTP.
    pub ftp: bool,
}

/// What an IP packet says of being a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where it begins in the whole, in bytes.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
    /// Bytes of this packet from the IP header on.
    pub length: u16,
}

/// Bits of a TCP header.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const URG: u8 = 32;
/// Bytes that the headers before a fragment's data may take: an offset below [`Stateful::min_fragment`] less these cannot
/// follow a fragment that is long enough.
const HEADERS: u16 = 60;

/// Flags that go together in some state, of those that tracking looks at.
///
/// # Source
/// RFC 9293 §3.5; the same that Linux takes (`net/netfilter/nf_conntrack_proto_tcp.c`)
pub(crate) const POSSIBLE: [u8; 9] =
    [SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG];
/// The flags that [`POSSIBLE`] is about.
pub(crate) const LOOKED_AT: u8 = FIN | SYN | RST | ACK | URG;

// === impl Stateful ===

impl Stateful {
    /// The most connections that a limit may name: each new one is compared with those that are counted with it.
    pub const MOST: u32 = 10_000;
    /// Bounds of [`Self::min_fragment`]. The least MTU of IPv6 is 1280: what an honest sender cuts may be that short.
    pub const FRAGMENTS: std::ops::RangeInclusive<u16> = 68..=1280;
    /// The longest time that is remembered: the kernel's own for established connections is five days.
    pub const LONGEST: u32 = 30 * 24 * 3600;

    /// Whether nothing is looked at.
    pub fn is_idle(&self) -> bool {
        Self { min_fragment: Self::default().min_fragment, ..self.clone() } == Self::default()
    }
}

impl Default for Stateful {
    fn default() -> Self {
        Self {
            invalid: Mode::Off,
            out_of_connection: Mode::Off,
            congestion_flags: Mode::Off,
            fragments: Mode::Off,
            short_fragments: Mode::Off,
            min_fragment: 120,
            from_one_source: 0,
            to_one_destination: 0,
            outgoing: 0,
            half_open: 0,
            ftp: Vec::new(),
            timeouts: BTreeMap::new(),
        }
    }
}

// === impl Timeout ===

impl Timeout {
    /// The IP protocols of such connections, and the kernel's number of the state.
    pub(crate) const fn place(self) -> (&'static [u8], usize) {
        match self {
            Self::SynSent => (&[6], 1),
            Self::SynReceived => (&[6], 2),
            Self::Established => (&[6], 3),
            Self::FinWait => (&[6], 4),
            Self::CloseWait => (&[6], 5),
            Self::LastAck => (&[6], 6),
            Self::TimeWait => (&[6], 7),
            Self::Close => (&[6], 8),
            Self::Udp => (&[17], 1),
            Self::UdpStream => (&[17], 2),
            Self::Icmp => (&[1, 58], 1),
        }
    }
}

// === impl Check ===

impl Check {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::InvalidFlags,
        Self::InvalidPacket,
        Self::OutOfConnection,
        Self::CongestionFlags,
        Self::Fragment,
        Self::ShortFragment,
        Self::FromOneSource,
        Self::ToOneDestination,
        Self::Outgoing,
        Self::HalfOpen,
        Self::CookieAnswer,
    ];

    /// What events and statuses call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidFlags => "invalid-flags",
            Self::InvalidPacket => "invalid-packet",
            Self::OutOfConnection => "out-of-connection",
            Self::CongestionFlags => "congestion-flags",
            Self::Fragment => "fragment",
            Self::ShortFragment => "short-fragment",
            Self::FromOneSource => "too-many-from-source",
            Self::ToOneDestination => "too-many-to-destination",
            Self::Outgoing => "too-many-outgoing",
            Self::HalfOpen => "too-many-half-open",
            Self::CookieAnswer => "cookie-answer",
        }
    }

    /// Its counter, and the chain that decides about what it finds.
    pub const fn counter(self) -> &'static str {
        match self {
            Self::InvalidFlags => "fw_state_invalid_flags",
            Self::InvalidPacket => "fw_state_invalid_packet",
            Self::OutOfConnection => "fw_state_out_of_connection",
            Self::CongestionFlags => "fw_state_congestion_flags",
            Self::Fragment => "fw_state_fragment",
            Self::ShortFragment => "fw_state_short_fragment",
            Self::FromOneSource => "fw_state_from_one_source",
            Self::ToOneDestination => "fw_state_to_one_destination",
            Self::Outgoing => "fw_state_outgoing",
            Self::HalfOpen => "fw_state_half_open",
            Self::CookieAnswer => "fw_state_cookie_answer",
        }
    }

    /// Whether it depends on packets that came before: nobody can say it of one packet alone.
    pub const fn counts_connections(self) -> bool {
        matches!(
            self,
            Self::FromOneSource
                | Self::ToOneDestination
                | Self::Outgoing
                | Self::HalfOpen
                | Self::CookieAnswer
        )
    }
}

// === impl Watch ===

impl Watch {
    /// Whether a packet meets it. Limits are never exceeded: one packet does not say.
    pub(crate) fn is_met(self, packet: &Packet) -> bool {
        match self {
            Self::NotAsked => packet.injected,
            Self::New => packet.begins(),
            Self::Invalid => !packet.established && !packet.begins() && !packet.is_untracked(),
            Self::NewOrInvalid => !packet.established && !packet.is_untracked(),
            Self::ForHere => packet.to.is_none(),
            Self::Fragment { v4, which } => {
                packet.source.is_ipv4() == v4
                    && packet.fragment.is_some_and(|fragment| which.contain(fragment))
            }
            Self::Crowded { .. } | Self::CookiesSent | Self::AnswersInPlace => false,
            Self::HalfOpenRoom { v4, .. } => packet.source.is_ipv4() == v4,
        }
    }
}

// === impl Needs ===

impl Needs {
    /// Adds what a condition needs.
    pub const fn watch(&mut self, watch: Watch) {
        match watch {
            Watch::NotAsked | Watch::New | Watch::Invalid | Watch::NewOrInvalid => {}
            Watch::ForHere | Watch::Fragment { .. } => self.fragments = true,
            Watch::Crowded { .. } => self.limits = true,
            Watch::HalfOpenRoom { .. } | Watch::CookiesSent | Watch::AnswersInPlace => self.cookies = true,
        }
    }

    /// Adds what an effect needs.
    pub const fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Opened { .. } | Effect::CookieSent | Effect::SynCookie | Effect::Own => {
                self.cookies = true;
            }
            Effect::Ftp => self.ftp = true,
            Effect::Timeouts(_) => self.timeouts = true,
        }
    }

    /// What of it `has` does not have.
    #[must_use]
    pub const fn less(self, has: Self) -> Self {
        Self {
            limits: self.limits && !has.limits,
            fragments: self.fragments && !has.fragments,
            cookies: self.cookies && !has.cookies,
            timeouts: self.timeouts && !has.timeouts,
            ftp: self.ftp && !has.ftp,
        }
    }
}

// === impl Fragments ===

impl Fragments {
    /// Those that no honest sender makes where fragments have at least so many bytes.
    pub(crate) const fn short(least: u16) -> [Self; 2] {
        [Self::Shorter(least), Self::Before(least.saturating_sub(HEADERS) / 8 * 8)]
    }

    const fn contain(self, fragment: Fragment) -> bool {
        match self {
            Self::All => true,
            Self::Shorter(least) => fragment.more && fragment.length < least,
            Self::Before(offset) => fragment.offset != 0 && fragment.offset < offset,
        }
    }
}

// === impl Packet ===

impl Packet {
    /// Whether tracking takes it for the beginning of a connection, where it belongs to none that is known.
    ///
    /// A TCP packet with ACK alone is one that is picked up in the middle of its connection; with `nf_conntrack_tcp_loose`
    /// switched off it is invalid.
    fn begins(&self) -> bool {
        if self.established || self.is_untracked() {
            return false;
        }
        match (self.protocol, self.tcp_flags, self.icmp) {
            (6, Some(flags), _) => {
                matches!(flags & LOOKED_AT, f if f & (SYN | ACK) == SYN && f & (FIN | RST) == 0
                || f & (SYN | RST | FIN) == 0 && f & ACK != 0)
            }
            // Of the other IP version's, tracking wants to know nothing.
            (1, _, Some((kind, _))) => self.source.is_ipv4() && matches!(kind, 8 | 13 | 15 | 17),
            (58, _, Some((kind, _))) => self.source.is_ipv6() && matches!(kind, 128 | 139),
            _ => true,
        }
    }

    /// Neighbour discovery and multicast membership have no connections. As Linux 6.18 has it, type by type.
    fn is_untracked(&self) -> bool {
        self.protocol == 58
            && self.source.is_ipv6()
            && self.icmp.is_some_and(|(kind, _)| matches!(kind, 130..=137 | 143 | 151 | 152))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_that_nobody_honest_makes() {
        let of = |offset, more, length| {
            Fragments::short(120).iter().any(|which| which.contain(Fragment { offset, more, length }))
        };
        assert!(of(0, true, 119) && of(48, false, 500) && of(8, true, 1500));
        assert!(!of(0, true, 120) && !of(0, false, 40) && !of(56, false, 21) && !of(1480, true, 1500));
    }

    #[test]
    fn checks_have_names_of_their_own() {
        let names = Check::ALL.map(Check::name);
        let counters = Check::ALL.map(Check::counter);
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name) && !counters[..at].contains(&counters[at]), "{name}");
        }
    }
}
