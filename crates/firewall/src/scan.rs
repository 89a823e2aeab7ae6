//! Reconnaissance: who looks for ways in, told from samples of packets.
//!
//! [`Watch`] says what the kernel takes samples of: packets that begin something at a place where nothing answers, and
//! packets that no honest program sends. [`Detector`] counts them by source.
//!
//! # Bounds
//! A detector remembers [`SOURCES`] sources and [`PLACES`] places of each, however many come and whatever they claim to
//! be: where there is no room, the one that has shown least makes room. It tells of [`TOLD`] sources a minute; others
//! are told of when it is their turn, while they go on.

use crate::address::Network;
use crate::plan::AddressRanges;
use crate::ranges::{addresses, narrowed};
use crate::rule::Among;
use sakimori_model::{Now, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Sources that are remembered: some 1 MiB in a flood of forged ones, 7 MiB where each shows all its [`PLACES`]. A scanner
/// is hidden by forged sources only where so many are sampled between two of its packets.
pub const SOURCES: usize = 2048;
/// Places of one source that are remembered.
pub const PLACES: usize = 64;
/// Sources that are told of in a minute.
pub const TOLD: usize = 60;
/// Packets with impossible flags that make a scan: a single one may be a broken cable's.
const FLAGGED: u32 = 5;
/// How long a source is not told of again for the same.
const AGAIN: Duration = Duration::from_mins(1);
/// Ports that are named.
const PORTS: usize = 32;

/// What a source does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It asks for many places where nothing answers.
    Scan,
    /// It sends what finds out the operating system.
    Fingerprint,
    /// TCP segments without any flag.
    Null,
    /// TCP segments with FIN alone.
    Fin,
    /// TCP segments with FIN, PSH and URG.
    Xmas,
    /// TCP segments with SYN together with FIN or RST.
    SynFin,
}

/// What the kernel takes samples of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What is looked for.
    pub kinds: BTreeSet<Kind>,
    /// Sources that are not looked at, by family.
    pub except: Vec<AddressRanges>,
    /// Of the computer's own addresses those at which it is not looked for, by family.
    pub elsewhere: Vec<AddressRanges>,
    /// UDP ports that late answers come to: the ones that the computer itself asks from.
    pub answered_at: RangeInclusive<u16>,
}

/// What makes a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensitivity {
    /// What is looked for.
    pub kinds: BTreeSet<Kind>,
    /// So many places, [`PLACES`] at most.
    pub places: usize,
    /// In this time.
    pub within: Duration,
    /// Addresses of our own: their neighbours count one by one, everybody else's by the network that one customer has.
    pub near: Vec<Ipv6Addr>,
}

/// The part of an IPv6 address that names a network: whoever has one has all of its addresses (RFC 7421).
const NETWORK: u128 = u128::MAX << 64;

/// Who a source counts as: an IPv6 address as its /64, written as the first address of it, where it is no neighbour of
/// one of ours.
pub fn counted(source: IpAddr, near: &[Ipv6Addr]) -> IpAddr {
    let IpAddr::V6(v6) = source else { return source };
    let network = v6.to_bits() & NETWORK;
    let is_near = || near.iter().any(|own| own.to_bits() & NETWORK == network);
    if v6.is_unicast_link_local() || is_near() { source } else { Ipv6Addr::from_bits(network).into() }
}

/// A sampled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it comes from, or claims to.
    pub source: IpAddr,
    /// Where it goes to.
    pub destination: IpAddr,
    /// The transport protocol's number.
    pub protocol: u8,
    /// The port that it goes to; 0 where there is none.
    pub port: u16,
    /// What it is.
    pub is: Mark,
    /// A trait of it that some tool sends to find out the operating system.
    pub oddity: Option<Oddity>,
}

/// What a packet is by its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It begins something at a place where nothing has answered.
    Begins,
    /// TCP without flags.
    Null,
    /// TCP with FIN alone.
    Fin,
    /// TCP with FIN, PSH and URG.
    Xmas,
    /// TCP with SYN and FIN, or SYN and RST.
    SynFin,
    /// None of these.
    Other,
}

/// What no program sends but one that finds out operating systems by the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// An ICMP echo request with a code, or a request that is long obsolete.
    Icmp,
    /// A SYN with an urgent pointer and without URG.
    UrgentPointer,
    /// SYN, FIN, PSH and URG at once.
    AllFlags,
    /// A UDP datagram filled with one letter.
    Filled,
}

/// A source was found to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What.
    pub kind: Kind,
    /// Who: the one whose packet it was found by.
    pub source: IpAddr,
    /// Transport protocols, ascending.
    pub protocols: BTreeSet<u8>,
    /// Different places: ports of addresses.
    pub places: usize,
    /// Different addresses among them.
    pub addresses: usize,
    /// Some of the ports, ascending.
    pub ports: Vec<u16>,
    /// Packets that were looked at since the source was told of last.
    pub sampled: u64,
    /// When the first of these came.
    pub first: Timestamp,
    /// When the last came.
    pub last: Timestamp,
}

/// A port of an address, by protocol, and the kind of flags that were sent there, where they were impossible.
type Place = (IpAddr, u8, u16, Option<Kind>);

#[derive(Debug)]
struct Source {
    /// Ascending by the time of the last packet to it.
    places: VecDeque<(Place, Duration)>,
    /// By kind, packets with impossible flags, and when the first came.
    flagged: BTreeMap<Kind, (u32, Duration)>,
    oddities: BTreeMap<Oddity, Duration>,
    /// When it was told of, by kind.
    told: BTreeMap<Kind, Duration>,
    protocols: BTreeSet<u8>,
    sampled: u64,
    first: Timestamp,
    last: Timestamp,
    seen: Duration,
    /// How much it has shown: who has shown least makes room for others.
    shown: usize,
}

/// Counts samples by source.
#[derive(Debug)]
pub struct Detector {
    sensitivity: Sensitivity,
    sources: BTreeMap<IpAddr, Source>,
    /// When sources were told of in the last minute.
    told: VecDeque<Duration>,
}

// === impl Watch ===

impl Watch {
    /// Looks for these kinds, not at these sources, at these of the computer's own addresses.
    pub fn new(kinds: BTreeSet<Kind>, except: &Among<Network>, only: &Among<Network>) -> Self {
        let ranges = |v4, ranges| {
            if v4 { AddressRanges::V4(narrowed(ranges)) } else { AddressRanges::V6(narrowed(ranges)) }
        };
        let families = || [true, false].into_iter();
        let except = families().filter_map(|v4| Some(ranges(v4, addresses(except, v4)?)));
        let others = Among { entries: only.entries.clone(), not: !only.not };
        // None of a family is all of it, here as everywhere.
        let whole = |v4| vec![(0, if v4 { u32::MAX.into() } else { u128::MAX })];
        let elsewhere = families().filter(|_| !only.is_all());
        let elsewhere = elsewhere.map(|v4| ranges(v4, addresses(&others, v4).unwrap_or_else(|| whole(v4))));
        // Linux has these where nobody chose others.
        Self { kinds, except: except.collect(), elsewhere: elsewhere.collect(), answered_at: 32_768..=60_999 }
    }
}

// === impl Mark ===

impl Mark {
    /// Of a TCP segment by its flags, and what is odd about it.
    pub const fn of_tcp(flags: u8, urgent_pointer: u16) -> (Self, Option<Oddity>) {
        const FIN: u8 = 1;
        const SYN: u8 = 2;
        const RST: u8 = 4;
        const PSH: u8 = 8;
        const URG: u8 = 32;
        let flags = flags & 0x3F;
        if flags == 0 {
            (Self::Null, None)
        } else if flags == FIN {
            (Self::Fin, None)
        } else if flags == FIN | PSH | URG {
            (Self::Xmas, None)
        } else if flags & (SYN | FIN) == SYN | FIN || flags & (SYN | RST) == SYN | RST {
            let all = flags == SYN | FIN | PSH | URG;
            (Self::SynFin, if all { Some(Oddity::AllFlags) } else { None })
        } else if flags & 0x17 == SYN {
            let odd = urgent_pointer != 0 && flags & URG == 0;
            (Self::Begins, if odd { Some(Oddity::UrgentPointer) } else { None })
        } else {
            (Self::Other, None)
        }
    }

    const fn kind(self) -> Option<Kind> {
        match self {
            Self::Null => Some(Kind::Null),
            Self::Fin => Some(Kind::Fin),
            Self::Xmas => Some(Kind::Xmas),
            Self::SynFin => Some(Kind::SynFin),
            Self::Begins | Self::Other => None,
        }
    }
}

// === impl Detector ===

impl Detector {
    /// That has seen nothing.
    pub const fn new(sensitivity: Sensitivity) -> Self {
        Self { sensitivity, sources: BTreeMap::new(), told: VecDeque::new() }
    }

    /// From now on with this; what was seen stays.
    pub fn set(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    /// Sources that are remembered now.
    pub fn remembered(&self) -> usize {
        self.sources.len()
    }

    /// Counts a packet; what its source is found to do by it.
    pub fn see(&mut self, now: Now, seen: &Seen) -> Vec<Sighting> {
        let Sensitivity { kinds, places, within, near } = &self.sensitivity;
        let counted = counted(seen.source, near);
        let (within, places) = (*within, (*places).clamp(1, PLACES));
        let at = now.monotonic;
        if !self.sources.contains_key(&counted) && self.sources.len() >= SOURCES {
            make_room(&mut self.sources, within, at);
        }
        let source = self.sources.entry(counted).or_insert_with(|| Source::new(now));
        source.forget(at, within);
        source.take(now, seen);
        while self.told.front().is_some_and(|told| at.saturating_sub(*told) >= AGAIN) {
            self.told.pop_front();
        }
        let found = kinds.iter().filter(|kind| source.does(**kind, places) && source.may_tell(**kind, at));
        let found: Vec<Kind> = found.copied().take(TOLD.saturating_sub(self.told.len())).collect();
        let sightings: Vec<Sighting> = found.iter().map(|kind| source.sighting(*kind, seen.source)).collect();
        for kind in found {
            source.has_told(kind, at);
            self.told.push_back(at);
        }
        sightings
    }
}

/// Forgets the source that has shown least: one that is over, else one with the fewest traits.
fn make_room(sources: &mut BTreeMap<IpAddr, Source>, within: Duration, at: Duration) {
    let weight = |source: &Source| (at.saturating_sub(source.seen) < within, source.shown, source.seen);
    let least = sources.iter().min_by_key(|(_, source)| weight(source)).map(|(address, _)| *address);
    if let Some(least) = least {
        sources.remove(&least);
    }
}

// === impl Source ===

impl Source {
    const fn new(now: Now) -> Self {
        Self {
            places: VecDeque::new(),
            flagged: BTreeMap::new(),
            oddities: BTreeMap::new(),
            told: BTreeMap::new(),
            protocols: BTreeSet::new(),
            sampled: 0,
            first: now.wall,
            last: now.wall,
            seen: now.monotonic,
            shown: 0,
        }
    }

    /// Forgets what is longer ago.
    fn forget(&mut self, at: Duration, within: Duration) {
        let recent = |then: &Duration| at.saturating_sub(*then) < within;
        while self.places.front().is_some_and(|(_, then)| !recent(then)) {
            self.places.pop_front();
        }
        self.flagged.retain(|_, (_, then)| recent(then));
        self.oddities.retain(|_, then| recent(then));
        self.told.retain(|_, then| at.saturating_sub(*then) < AGAIN);
        if self.places.is_empty() && self.flagged.is_empty() && self.oddities.is_empty() {
            (self.sampled, self.protocols) = (0, BTreeSet::new());
        }
    }

    fn take(&mut self, now: Now, seen: &Seen) {
        let at = now.monotonic;
        if self.sampled == 0 {
            self.first = now.wall;
        }
        (self.last, self.seen) = (now.wall, at);
        self.sampled = self.sampled.saturating_add(1);
        self.protocols.insert(seen.protocol);
        if let Some(kind) = seen.is.kind() {
            let (count, _) = self.flagged.entry(kind).or_insert((0, at));
            *count = count.saturating_add(1);
        }
        if let Some(oddity) = seen.oddity {
            self.oddities.insert(oddity, at);
        }
        if seen.is != Mark::Other {
            let place = (seen.destination, seen.protocol, seen.port, seen.is.kind());
            self.places.retain(|(known, _)| *known != place);
            if self.places.len() >= PLACES {
                self.places.pop_front();
            }
            self.places.push_back((place, at));
        }
        let flagged: usize =
            self.flagged.values().map(|(count, _)| usize::try_from(*count).unwrap_or(PLACES)).sum();
        self.shown = self.places.len() + self.oddities.len() + flagged;
    }

    fn does(&self, kind: Kind, places: usize) -> bool {
        match kind {
            Kind::Scan => self.places_of(kind).count() >= places,
            // Two signs: one may be an accident, or a scan of another kind.
            Kind::Fingerprint => !self.oddities.is_empty() && self.oddities.len() + self.flagged.len() >= 2,
            flagged => self.flagged.get(&flagged).is_some_and(|(count, _)| *count >= FLAGGED),
        }
    }

    /// Where it did this.
    fn places_of(&self, kind: Kind) -> impl Iterator<Item = Place> {
        let flags = if kind == Kind::Scan { None } else { Some(kind) };
        let fits = move |place: &Place| kind == Kind::Fingerprint || place.3 == flags;
        self.places.iter().map(|(place, _)| *place).filter(fits)
    }

    fn may_tell(&self, kind: Kind, at: Duration) -> bool {
        self.told.get(&kind).is_none_or(|told| at.saturating_sub(*told) >= AGAIN)
    }

    /// It begins anew: told of again is only who goes on.
    fn has_told(&mut self, kind: Kind, at: Duration) {
        self.told.insert(kind, at);
        let flags = if kind == Kind::Scan { None } else { Some(kind) };
        self.places.retain(|(place, _)| place.3 != flags);
        self.flagged.remove(&kind);
        if kind == Kind::Fingerprint {
            self.oddities.clear();
        }
        self.sampled = 0;
        self.protocols.clear();
    }

    fn sighting(&self, kind: Kind, source: IpAddr) -> Sighting {
        let addresses: BTreeSet<IpAddr> = self.places_of(kind).map(|place| place.0).collect();
        let ports: BTreeSet<u16> = self.places_of(kind).map(|place| place.2).collect();
        Sighting {
            kind,
            source,
            protocols: self.protocols.clone(),
            places: self.places_of(kind).count(),
            addresses: addresses.len(),
            ports: ports.into_iter().take(PORTS).collect(),
            sampled: self.sampled,
            first: self.first,
            last: self.last,
        }
    }
}

#[cfg(test)]
mod tests;
