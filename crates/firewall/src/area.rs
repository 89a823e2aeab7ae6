//! What steps match, as sets that can be compared: ranges of numbers in a few dimensions.
use crate::plan::{AddressRanges, Condition, Side, Step};
use crate::ranges::merge;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// Disjoint ascending ranges.
type Set = Vec<(u128, u128)>;

const PROTOCOL: usize = 0;
const SOURCE: usize = 1;
const DESTINATION: usize = 2;
const SOURCE_PORT: usize = 3;
const DESTINATION_PORT: usize = 4;
const ICMP: usize = 5;
const TCP_FLAGS: usize = 6;
const FROM_INTERFACE: usize = 7;
const TO_INTERFACE: usize = 8;
const DIMENSIONS: usize = 9;

/// Packets of one IP version: those whose numbers lie in all of the sets, and that meet the other conditions.
#[derive(Clone, Debug)]
pub(crate) struct Area<'p> {
    v4: bool,
    sets: [Set; DIMENSIONS],
    others: Vec<&'p Condition>,
}

impl<'p> Area<'p> {
    /// All packets of an IP version.
    fn all(v4: bool) -> Self {
        let up_to = |highest: u128| vec![(0, highest)];
        let addresses = || up_to(if v4 { u32::MAX.into() } else { u128::MAX });
        let (byte, half, whole) = (u8::MAX.into(), u16::MAX.into(), u128::MAX);
        Self {
            v4,
            sets: [
                up_to(byte),
                addresses(),
                addresses(),
                up_to(half),
                up_to(half),
                up_to(half),
                up_to(byte),
                up_to(whole),
                up_to(whole),
            ],
            others: Vec::new(),
        }
    }

    /// New connections to a TCP port.
    pub(crate) fn tcp_port(v4: bool, port: u16) -> Self {
        let mut area = Self::all(v4);
        area.narrow(PROTOCOL, &[(6, 6)]);
        area.narrow(DESTINATION_PORT, &[(port.into(), port.into())]);
        area.narrow(TCP_FLAGS, &[(2, 2)]);
        area
    }

    /// What a step matches: an area for each IP version of which it matches anything.
    pub(crate) fn of(step: &'p Step) -> Vec<Self> {
        let of_version = |v4| {
            let mut area = Self::all(v4);
            for condition in &step.conditions {
                area.restrict(condition)?;
            }
            area.sets.iter().all(|set| !set.is_empty()).then_some(area)
        };
        [true, false].into_iter().filter_map(of_version).collect()
    }

    /// Whether only numbers decide.
    pub(crate) fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    fn restrict(&mut self, condition: &'p Condition) -> Option<()> {
        match condition {
            Condition::Family { v4 } if *v4 != self.v4 => return None,
            Condition::Family { .. } => {}
            Condition::Protocol(numbers) => {
                self.narrow(PROTOCOL, &merge(numbers.iter().map(|n| ((*n).into(), (*n).into())).collect()));
            }
            Condition::Address(side, ranges) => {
                let set: Set = match ranges {
                    AddressRanges::V4(ranges) if self.v4 => numbers(ranges),
                    AddressRanges::V6(ranges) if !self.v4 => numbers(ranges),
                    AddressRanges::V4(_) | AddressRanges::V6(_) => return None,
                };
                self.narrow(if *side == Side::Source { SOURCE } else { DESTINATION }, &set);
            }
            Condition::Port(side, ranges) => {
                let dimension = if *side == Side::Source { SOURCE_PORT } else { DESTINATION_PORT };
                self.narrow(dimension, &numbers(ranges));
            }
            Condition::InterfaceName(side, names) => {
                let dimension = if *side == Side::Source { FROM_INTERFACE } else { TO_INTERFACE };
                self.narrow(dimension, &numbers(names));
            }
            // A frame by number has no ICMP type: its place is free.
            Condition::Icmp(types) | Condition::EtherType(types) => self.narrow(ICMP, &numbers(types)),
            Condition::TcpFlags { any, not } => {
                let fitting =
                    (0..=u8::MAX).filter(|bits| any.iter().any(|wanted| wanted.fits(*bits)) != *not);
                self.narrow(TCP_FLAGS, &merge(fitting.map(|bits| (bits.into(), bits.into())).collect()));
            }
            Condition::Injected
            | Condition::Established
            | Condition::Interface(..)
            | Condition::FromCard { .. }
            | Condition::Watch(_) => self.others.push(condition),
        }
        Some(())
    }

    fn narrow(&mut self, dimension: usize, to: &[(u128, u128)]) {
        if let Some(set) = self.sets.get_mut(dimension) {
            *set = common(set, to);
        }
    }

    /// Whether every packet of `piece` meets the conditions that are no numbers.
    fn others_hold_in(&self, piece: &Self) -> bool {
        self.others.iter().all(|condition| {
            piece.others.iter().any(|known| match (condition, known) {
                (
                    Condition::FromCard { macs: ours, not: false },
                    Condition::FromCard { macs: theirs, not: false },
                ) => theirs.iter().all(|card| ours.binary_search(card).is_ok()),
                _ => *condition == *known,
            })
        })
    }

    /// Whether it matches the packet of `piece` whose numbers are the lowest.
    fn has_lowest_of(&self, piece: &Self) -> bool {
        self.v4 == piece.v4
            && self
                .sets
                .iter()
                .zip(&piece.sets)
                .all(|(ours, theirs)| theirs.first().is_some_and(|(lowest, _)| contains(ours, *lowest)))
            && self.others_hold_in(piece)
    }

    /// Whether some packet may be in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.v4 == other.v4 && self.sets.iter().zip(&other.sets).all(|(ours, theirs)| overlap(ours, theirs))
    }

    /// What is in both; the other conditions are its own.
    pub(crate) fn within(&self, other: &Self) -> Self {
        let mut area = self.clone();
        for (set, theirs) in area.sets.iter_mut().zip(&other.sets) {
            *set = common(set, theirs);
        }
        area
    }

    /// What is left of it without `by`, in pieces that do not overlap.
    fn without(&self, by: &Self) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut rest = self.clone();
        for dimension in 0..self.sets.len() {
            let (Some(ours), Some(theirs)) = (rest.sets.get(dimension), by.sets.get(dimension)) else {
                continue;
            };
            let (outside, inside) = (difference(ours, theirs), common(ours, theirs));
            if !outside.is_empty() {
                let mut piece = rest.clone();
                if let Some(set) = piece.sets.get_mut(dimension) {
                    *set = outside;
                }
                pieces.push(piece);
            }
            if let Some(set) = rest.sets.get_mut(dimension) {
                *set = inside;
            }
        }
        pieces
    }
}

fn numbers<T: Copy + Into<u128>>(ranges: &[RangeInclusive<T>]) -> Set {
    ranges.iter().map(|range| ((*range.start()).into(), (*range.end()).into())).collect()
}

fn contains(set: &[(u128, u128)], value: u128) -> bool {
    let after = set.partition_point(|(first, _)| *first <= value);
    after.checked_sub(1).and_then(|at| set.get(at)).is_some_and(|(_, last)| value <= *last)
}

fn overlap(a: &[(u128, u128)], b: &[(u128, u128)]) -> bool {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    small.iter().any(|(first, last)| {
        let next = large.partition_point(|(_, end)| end < first);
        large.get(next).is_some_and(|(begin, _)| begin <= last)
    })
}

fn common(a: &[(u128, u128)], b: &[(u128, u128)]) -> Set {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some((first, last)), Some((begin, end))) = (a.get(i), b.get(j)) {
        let (low, high) = (first.max(begin), last.min(end));
        if low <= high {
            both.push((*low, *high));
        }
        if last < end { i += 1 } else { j += 1 }
    }
    both
}

fn difference(a: &[(u128, u128)], b: &[(u128, u128)]) -> Set {
    let mut left = Vec::new();
    for (first, last) in a {
        let mut from = Some(*first);
        let next = b.partition_point(|(_, end)| end < first);
        for (begin, end) in b.iter().skip(next).take_while(|(begin, _)| begin <= last) {
            let Some(at) = from else { break };
            if let Some(before) = begin.checked_sub(1).filter(|before| at <= *before) {
                left.push((at, before));
            }
            from = end.checked_add(1);
        }
        if let Some(at) = from.filter(|at| at <= last) {
            left.push((at, *last));
        }
    }
    merge(left)
}

/// Areas in their order, found by what they contain.
#[derive(Debug, Default)]
pub(crate) struct Cover<'p> {
    areas: Vec<(Area<'p>, usize)>,
    /// Their places, ascending.
    places: HashMap<Key, Vec<usize>>,
    /// Comparisons that may still be made.
    budget: usize,
}

/// IP version; a destination port; the beginning of an address of one end. `None` for areas that have (nearly) all.
type Key = (bool, Option<u128>, Option<(usize, u128)>);

/// An area with more ports, or more beginnings of addresses, than this is looked at for all of them.
const KEYS: u128 = 64;
/// Places of one area at most.
const PLACES: usize = 512;
/// Pieces that one area is cut into at most.
const PIECES: usize = 256;

/// What a [`Cover`] says of an area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Covered {
    /// Every packet of it is in one of these.
    By(Vec<usize>),
    /// Some are not.
    No,
    /// It was not found out.
    Unknown,
}

impl<'p> Cover<'p> {
    /// Nothing yet; not more comparisons than this are made.
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Adds an area behind the others; `owner` is given back where it covers.
    pub(crate) fn push(&mut self, area: Area<'p>, owner: usize) {
        let at = self.areas.len();
        let ports = keys(&area, DESTINATION_PORT, 0);
        let by_side = |side| Some((side, keys(&area, side, shift(area.v4))?));
        let networks = [SOURCE, DESTINATION].into_iter().find_map(by_side);
        let networks: Vec<Option<(usize, u128)>> = match networks {
            Some((side, keys)) => keys.into_iter().map(|key| Some((side, key))).collect(),
            None => vec![None],
        };
        let mut ports: Vec<Option<u128>> =
            ports.map_or_else(|| vec![None], |ports| ports.into_iter().map(Some).collect());
        if ports.len() * networks.len() > PLACES {
            ports = vec![None];
        }
        for port in ports {
            for network in &networks {
                self.places.entry((area.v4, port, *network)).or_default().push(at);
            }
        }
        self.areas.push((area, owner));
    }

    /// Whether the areas together contain all of one, and whose they are: in order of their first use.
    pub(crate) fn covers(&mut self, area: &Area<'p>) -> Covered {
        let mut owners = Vec::new();
        let mut left = vec![area.clone()];
        let mut pieces = 0;
        while let Some(piece) = left.pop() {
            pieces += 1;
            if pieces > PIECES || self.budget == 0 {
                return Covered::Unknown;
            }
            let Some((first, owner)) = self.first_with_lowest_of(&piece) else { return Covered::No };
            if !owners.contains(&owner) {
                owners.push(owner);
            }
            let Some((by, _)) = self.areas.get(first) else { return Covered::Unknown };
            left.extend(piece.without(by));
        }
        Covered::By(owners)
    }

    fn first_with_lowest_of(&mut self, piece: &Area<'p>) -> Option<(usize, usize)> {
        let lowest = |dimension: usize| piece.sets.get(dimension)?.first().map(|(first, _)| *first);
        let network = |side| Some((side, lowest(side)? >> shift(piece.v4)));
        let networks = [None, network(SOURCE), network(DESTINATION)];
        let keys =
            [None, lowest(DESTINATION_PORT)].map(|port| networks.map(|network| (piece.v4, port, network)));
        let mut lists: Vec<&[usize]> =
            keys.as_flattened().iter().filter_map(|key| self.places.get(key)).map(Vec::as_slice).collect();
        let mut found = None;
        // The lists are ascending: the first of all is the first of one.
        while let Some(list) =
            lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| list.first().copied())
        {
            let Some((at, rest)) = list.split_first() else { break };
            *list = rest;
            let Some((area, owner)) = self.areas.get(*at) else { continue };
            self.budget = self.budget.saturating_sub(1);
            if area.has_lowest_of(piece) {
                found = Some((*at, *owner));
                break;
            }
            if self.budget == 0 {
                break;
            }
        }
        found
    }
}

/// Networks of an address that have a list of their own: of 16 bits, of IPv6 of 32.
const fn shift(v4: bool) -> u32 {
    if v4 { 16 } else { 96 }
}

/// The numbers of a dimension without their lowest bits; `None` where they are many.
fn keys(area: &Area<'_>, dimension: usize, shift: u32) -> Option<Vec<u128>> {
    let mut keys = Vec::new();
    for (first, last) in area.sets.get(dimension)? {
        let (first, last) = (first >> shift, last >> shift);
        if last - first >= KEYS || keys.len() as u128 + (last - first) >= KEYS {
            return None;
        }
        keys.extend(first..=last);
    }
    keys.dedup();
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_taken_from_ranges() {
        let a = [(0, 9), (20, 29)];
        assert_eq!(common(&a, &[(5, 24)]), [(5, 9), (20, 24)]);
        assert_eq!(difference(&a, &[(5, 24)]), [(0, 4), (25, 29)]);
        assert_eq!(difference(&[(0, u128::MAX)], &[(0, 3), (9, u128::MAX)]), [(4, 8)]);
        assert!(overlap(&a, &[(29, 40)]) && !overlap(&a, &[(10, 19)]));
        assert!(contains(&a, 20) && !contains(&a, 10) && !contains(&a, 30));
    }
}
