//! What a rule matches, in a form that can be compared.
use crate::address::Mac;
use crate::ranges::{addresses, meant, ports};
use crate::rule::{Among, Direction, Frame, Rule, TcpFlags};
use std::collections::BTreeSet;

/// Disjoint ascending ranges with gaps between; `None` for all.
type Ranges = Option<Vec<(u128, u128)>>;

pub(crate) struct Shape {
    direction: Direction,
    /// Empty for all.
    protocols: Vec<u8>,
    /// Remote and local addresses of IPv4; `None` where it matches none.
    v4: Option<[Ranges; 2]>,
    v6: Option<[Ranges; 2]>,
    ports: [Ranges; 2],
    interfaces: Ranges,
    icmp: Ranges,
    /// Sets of flags that fit; `None` for all.
    flags: Option<BTreeSet<u8>>,
    /// `None`: from any card, and by any kind of link.
    macs: Option<Among<Mac>>,
}

/// Whether a rule can match packets of IPv4 and of IPv6, as far as its frame type and addresses say.
pub(crate) fn versions(rule: &Rule) -> [bool; 2] {
    [true, false].map(|v4| {
        let some = |among| addresses(among, v4).is_none_or(|ranges| !ranges.is_empty());
        (rule.frame == Frame::Ip || (rule.frame == Frame::V4) == v4)
            && some(&rule.remote)
            && some(&rule.local)
    })
}

impl Shape {
    pub(crate) fn of(rule: &Rule) -> Self {
        let [has_v4, has_v6] = versions(rule);
        let ends = |v4| [addresses(&rule.remote, v4), addresses(&rule.local, v4)];
        let flags = &rule.tcp_flags;
        let fits = |bits: u8| flags.entries.iter().any(|wanted: &TcpFlags| wanted.fits(bits)) != flags.not;
        Self {
            direction: rule.direction,
            protocols: rule.protocol.numbers(),
            v4: has_v4.then(|| ends(true)),
            v6: has_v6.then(|| ends(false)),
            ports: [ports(&rule.local_ports), ports(&rule.remote_ports)],
            interfaces: meant(&rule.interfaces, u128::MAX, |name| Some(name.bounds())),
            icmp: meant(&rule.icmp, u16::MAX.into(), |kind| Some(kind.bounds())),
            flags: (!flags.is_all()).then(|| (0..=u8::MAX).filter(|bits| fits(*bits)).collect()),
            macs: (!rule.macs.is_all()).then(|| rule.macs.clone()),
        }
    }

    /// Whether everything that the other matches is matched by this one. "No" where it is not certain.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let ends = |ours: &Option<[Ranges; 2]>, theirs: &Option<[Ranges; 2]>| match (ours, theirs) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours.iter().zip(theirs).all(|(ours, theirs)| within(theirs, ours)),
        };
        let protocols = self.protocols.is_empty()
            || (!other.protocols.is_empty()
                && other.protocols.iter().all(|one| self.protocols.contains(one)));
        let flags = match (&self.flags, &other.flags) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.is_subset(ours),
        };
        self.direction == other.direction
            && protocols
            && self.ports.iter().zip(&other.ports).all(|(ours, theirs)| within(theirs, ours))
            && ends(&self.v4, &other.v4)
            && ends(&self.v6, &other.v6)
            && within(&other.interfaces, &self.interfaces)
            && within(&other.icmp, &self.icmp)
            && flags
            && cards(self.macs.as_ref(), other.macs.as_ref())
    }
}

/// Whether each of the inner ranges lies in one of the outer ones.
fn within(inner: &Ranges, outer: &Ranges) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(inner), Some(outer)) => inner.iter().all(|(first, last)| {
            let behind = outer.partition_point(|(start, _)| start <= first);
            behind.checked_sub(1).and_then(|at| outer.get(at)).is_some_and(|(_, end)| last <= end)
        }),
    }
}

fn cards(ours: Option<&Among<Mac>>, theirs: Option<&Among<Mac>>) -> bool {
    let (ours, theirs) = match (ours, theirs) {
        (None, _) => return true,
        (Some(_), None) => return false,
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    let set = |among: &Among<Mac>| among.entries.iter().copied().collect::<BTreeSet<_>>();
    let (of_ours, of_theirs) = (set(ours), set(theirs));
    match (ours.not, theirs.not) {
        (false, false) => of_theirs.is_subset(&of_ours),
        (true, true) => of_ours.is_subset(&of_theirs),
        (true, false) => of_ours.is_disjoint(&of_theirs),
        // There are more cards than a rule can name.
        (false, true) => false,
    }
}
