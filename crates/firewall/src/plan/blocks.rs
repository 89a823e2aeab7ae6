//! Rules in blocks: a packet that no rule of a block can match goes past all of them by one look into a set.
//!
//! Each rule of a block implies its guard: their ports, addresses, interfaces or ICMP types together. The guard leads to
//! a chain of its own with the rules in their order, so nothing changes but the time: 10,000 rules are five levels of 8.
use super::{AddressRanges, Chain, ChainName, Condition, Hook, Plan, Side, Step, Then};
use crate::ranges::{merge, narrowed};
use std::ops::RangeInclusive;

/// Steps of a chain that are asked one by one.
const FEW: usize = 8;
/// Steps for which a guard is not worth it.
const TOO_FEW: usize = 4;
/// A guard lets by at most one of four values: bits by which it has to narrow.
const WORTH_IT: u32 = 2;
/// What a guard can look at, in the order of preference.
const DIMENSIONS: [Dimension; 7] = [
    Dimension::Address(Side::Source),
    Dimension::Address(Side::Destination),
    Dimension::Port(Side::Destination),
    Dimension::Port(Side::Source),
    Dimension::Icmp,
    Dimension::InterfaceName(Side::Source),
    Dimension::InterfaceName(Side::Destination),
];

/// What a guard looks at.
#[derive(Clone, Copy)]
enum Dimension {
    Address(Side),
    Port(Side),
    Icmp,
    InterfaceName(Side),
}

type Ranges = Vec<(u128, u128)>;

/// Values of a dimension.
#[derive(Clone, Debug, Default)]
struct Values {
    /// Of IPv4, or of what knows no family.
    first: Ranges,
    /// Of IPv6.
    second: Ranges,
}

/// A step or a block: what stands in its place in a chain, and which values it needs; `None`: any.
struct Node {
    entry: Vec<Step>,
    needs: [Option<Values>; DIMENSIONS.len()],
}

/// Nodes that follow each other and need values of the same dimensions.
#[derive(Default)]
struct Run {
    nodes: Vec<Node>,
    needs: [Option<Values>; DIMENSIONS.len()],
}

// === impl Plan ===

impl Plan {
    /// The plan as it is best carried out: it does the same to each packet, in fewer steps.
    #[must_use]
    pub fn in_blocks(&self) -> Self {
        let mut chains = Vec::new();
        for chain in &self.chains {
            // Others are in tables of their own, where a chain for a block would have to be too; their rules are few.
            if !matches!(chain.hook, None | Some(Hook::Input | Hook::Forward | Hook::Output)) {
                chains.push(chain.clone());
                continue;
            }
            let mut nodes: Vec<Node> = chain.steps.iter().map(Node::of).collect();
            let mut blocks = Vec::new();
            while nodes.len() > FEW {
                let before = nodes.len();
                nodes = level(nodes, chain.name, &mut blocks);
                if nodes.len() == before {
                    break;
                }
            }
            chains.extend(blocks);
            let steps = nodes.into_iter().flat_map(|node| node.entry).collect();
            chains.push(Chain { name: chain.name, hook: chain.hook, steps });
        }
        Self {
            chains,
            counters: self.counters.clone(),
            frames: self.frames.clone(),
            watch: self.watch.clone(),
        }
    }
}

/// Puts nodes that have something in common into blocks, in their order.
fn level(nodes: Vec<Node>, chain: ChainName, blocks: &mut Vec<Chain>) -> Vec<Node> {
    let mut next = Vec::new();
    let mut run = Run::default();
    for node in nodes {
        if run.nodes.len() == FEW || !run.takes(&node) {
            next.extend(std::mem::take(&mut run).close(chain, blocks));
        }
        run.push(node);
    }
    next.extend(run.close(chain, blocks));
    next
}

// === impl Node ===

impl Node {
    fn of(step: &Step) -> Self {
        let needs = DIMENSIONS.map(|dimension| {
            let mut found = step.conditions.iter().filter_map(|condition| dimension.values(condition));
            found.next().filter(|values| dimension.narrowing(values) >= WORTH_IT)
        });
        Self { entry: vec![step.clone()], needs }
    }
}

// === impl Run ===

impl Run {
    /// Whether a guard is left with this node.
    fn takes(&self, node: &Node) -> bool {
        self.nodes.is_empty() || self.with(node).iter().any(Option::is_some)
    }

    fn with(&self, node: &Node) -> [Option<Values>; DIMENSIONS.len()] {
        let mut sums = self.needs.iter().zip(&node.needs).zip(DIMENSIONS);
        std::array::from_fn(|_| {
            let ((ours, theirs), dimension) = sums.next()?;
            let sum = ours.as_ref()?.clone().and(theirs.as_ref()?);
            (dimension.narrowing(&sum) >= WORTH_IT).then_some(sum)
        })
    }

    fn push(&mut self, node: Node) {
        self.needs = if self.nodes.is_empty() { node.needs.clone() } else { self.with(&node) };
        self.nodes.push(node);
    }

    /// One node for all, where that is worth it.
    fn close(self, chain: ChainName, blocks: &mut Vec<Chain>) -> Vec<Node> {
        let Self { nodes, needs } = self;
        let guards = needs.iter().zip(DIMENSIONS);
        let guards = guards.filter_map(|(values, dimension)| Some((dimension, values.as_ref()?)));
        // Of the same narrowness the first.
        let best = guards.rev().max_by_key(|(dimension, values)| dimension.narrowing(values));
        let Some((dimension, values)) = best.filter(|_| nodes.len() >= TOO_FEW) else { return nodes };
        let block = blocks.len().saturating_add(1);
        let name = ChainName { of: chain.of, block: u32::try_from(block).unwrap_or(u32::MAX) };
        let entry = dimension.conditions(values).into_iter().map(|condition| Step {
            conditions: vec![condition],
            counter: None,
            sample: None,
            then: Then::Jump(name),
        });
        let entry = entry.collect();
        let steps = nodes.into_iter().flat_map(|node| node.entry).collect();
        blocks.push(Chain { name, hook: None, steps });
        vec![Node { entry, needs }]
    }
}

// === impl Values ===

impl Values {
    fn and(self, other: &Self) -> Self {
        let both =
            |ours: Ranges, theirs: &Ranges| merge(ours.into_iter().chain(theirs.iter().copied()).collect());
        Self { first: both(self.first, &other.first), second: both(self.second, &other.second) }
    }
}

// === impl Dimension ===

impl Dimension {
    /// The values that a condition asks for, where it is about this dimension.
    fn values(self, condition: &Condition) -> Option<Values> {
        fn wide<T: Copy + Into<u128>>(ranges: &[RangeInclusive<T>]) -> Ranges {
            ranges.iter().map(|range| ((*range.start()).into(), (*range.end()).into())).collect()
        }
        let first = |first| Some(Values { first, second: Vec::new() });
        match (self, condition) {
            (Self::Address(ours), Condition::Address(side, AddressRanges::V4(ranges))) if ours == *side => {
                first(wide(ranges))
            }
            (Self::Address(ours), Condition::Address(side, AddressRanges::V6(ranges))) if ours == *side => {
                Some(Values { first: Vec::new(), second: wide(ranges) })
            }
            (Self::Port(ours), Condition::Port(side, ranges)) if ours == *side => first(wide(ranges)),
            (Self::InterfaceName(ours), Condition::InterfaceName(side, ranges)) if ours == *side => {
                first(wide(ranges))
            }
            (Self::Icmp, Condition::Icmp(ranges)) => first(wide(ranges)),
            _ => None,
        }
    }

    /// The conditions of which a packet with one of the values meets one.
    fn conditions(self, values: &Values) -> Vec<Condition> {
        let Values { first, second } = values.clone();
        let condition = match self {
            Self::Address(side) => {
                let v4 = AddressRanges::V4(narrowed(first));
                let v6 = AddressRanges::V6(narrowed(second));
                let both = [(v4, values.first.is_empty()), (v6, values.second.is_empty())];
                let there = both.into_iter().filter(|(_, is_empty)| !is_empty);
                return there.map(|(ranges, _)| Condition::Address(side, ranges)).collect();
            }
            Self::Port(side) => Condition::Port(side, narrowed(first)),
            Self::InterfaceName(side) => Condition::InterfaceName(side, narrowed(first)),
            Self::Icmp => Condition::Icmp(narrowed(first)),
        };
        vec![condition]
    }

    /// How many bits of the dimension the values leave open, at the utmost 16.
    fn narrowing(self, values: &Values) -> u32 {
        let (first, second) = match self {
            Self::Address(_) => (32, 128),
            Self::Port(_) | Self::Icmp => (16, 16),
            // Names are few, whatever could be one.
            Self::InterfaceName(_) => (128, 128),
        };
        let open = |bits: u32, ranges: &Ranges| {
            let sizes = ranges.iter().map(|(first, last)| (last - first).saturating_add(1));
            let count = sizes.fold(0, u128::saturating_add);
            if count == 0 { u32::MAX } else { bits.saturating_sub(u128::BITS - (count - 1).leading_zeros()) }
        };
        open(first, &values.first).min(open(second, &values.second)).min(16)
    }
}
