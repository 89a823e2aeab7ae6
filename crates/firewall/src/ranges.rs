//! Disjoint ascending ranges of numbers, with gaps between.
use crate::address::Network;
use crate::rule::Among;
use sakimori_model::PortRange;
use std::ops::RangeInclusive;

/// Such ranges of what is given in any order, with repetitions and overlaps. What is turned around is left out.
pub(crate) fn merge(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.retain(|(first, last)| first <= last);
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// Everything up to `highest` that is not in the ranges.
fn complement(ranges: &[(u128, u128)], highest: u128) -> Vec<(u128, u128)> {
    let mut rest = Vec::new();
    let mut from = Some(0);
    for (first, last) in ranges {
        let Some(begin) = from else { break };
        if let Some(before) = first.checked_sub(1).filter(|before| begin <= *before) {
            rest.push((begin, before));
        }
        from = last.checked_add(1).filter(|next| *next <= highest);
    }
    rest.extend(from.map(|begin| (begin, highest)));
    rest
}

/// The numbers from 0 to `highest` that are meant; `None` for all of them.
///
/// `of` leaves out entries that are of another family: those of both families are one statement, so entries of the other
/// one alone mean none of this.
pub(crate) fn meant<T: Copy>(
    among: &Among<T>,
    highest: u128,
    of: impl Fn(T) -> Option<(u128, u128)>,
) -> Option<Vec<(u128, u128)>> {
    if among.is_all() {
        return None;
    }
    let mut ranges = merge(among.entries.iter().filter_map(|entry| of(*entry)).collect());
    if among.not {
        ranges = complement(&ranges, highest);
    }
    (ranges != [(0, highest)]).then_some(ranges)
}

/// The addresses of a family that are meant; `None` for all of them.
pub(crate) fn addresses(among: &Among<Network>, v4: bool) -> Option<Vec<(u128, u128)>> {
    let highest = if v4 { u32::MAX.into() } else { u128::MAX };
    meant(among, highest, |network| (network.is_v4() == v4).then(|| network.bounds()))
}

/// The ports that are meant; `None` for all of them.
pub(crate) fn ports(among: &Among<PortRange>) -> Option<Vec<(u128, u128)>> {
    meant(among, u16::MAX.into(), |ports| Some((ports.first.into(), ports.last.into())))
}

/// Ranges of numbers of a smaller kind.
pub(crate) fn narrowed<T: TryFrom<u128>>(ranges: Vec<(u128, u128)>) -> Vec<RangeInclusive<T>> {
    let narrow = |(first, last)| Some(T::try_from(first).ok()?..=T::try_from(last).ok()?);
    ranges.into_iter().filter_map(narrow).collect()
}

/// Whether a number is in one of the ranges.
pub(crate) fn holds<T: PartialOrd>(ranges: &[RangeInclusive<T>], number: &T) -> bool {
    let behind = ranges.partition_point(|range| range.start() <= number);
    behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| number <= range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_between_ranges() {
        let not = |entries: &[(u128, u128)]| meant(&Among { entries: entries.to_vec(), not: true }, 99, Some);
        assert_eq!(not(&[]), None, "nothing is said");
        assert_eq!(not(&[(0, 99)]), Some(vec![]));
        assert_eq!(not(&[(0, 4), (90, 99)]), Some(vec![(5, 89)]));
        assert_eq!(not(&[(5, 5), (3, 4), (7, 7)]), Some(vec![(0, 2), (6, 6), (8, 99)]));
        let full = Among { entries: vec![(0, u128::MAX)], not: true };
        assert_eq!(meant(&full, u128::MAX, Some), Some(vec![]));
        let none_of_this_family = Among { entries: vec![7], not: true };
        assert_eq!(meant(&none_of_this_family, 99, |_| None), None, "all of it");
        assert_eq!(meant(&Among { not: false, ..none_of_this_family }, 99, |_| None), Some(vec![]));
    }

    #[test]
    fn a_number_is_found_in_its_range() {
        let ranges = [2..=3_u8, 7..=7, 9..=255];
        let found: Vec<u8> = (0..=10).filter(|number| holds(&ranges, number)).collect();
        assert_eq!(found, [2, 3, 7, 9, 10]);
    }
}
