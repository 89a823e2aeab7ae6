//! Rules without a condition on bytes: most are lists of addresses, which are looked up and not tried one by one.
use crate::address::{Network, number};
use crate::draft::Header;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Blocks of one size, by their first address.
type Blocks = BTreeMap<u128, Vec<u32>>;

/// Programs by the blocks of one end.
#[derive(Debug, Default)]
struct Index {
    /// By family and mask.
    sizes: Vec<((bool, u128), Blocks)>,
}

/// The programs of a section that look at no buffer.
#[derive(Debug, Default)]
pub(crate) struct Bare {
    by_source: Index,
    by_destination: Index,
    others: Vec<u32>,
}

impl Index {
    fn insert(&mut self, network: Network, program: u32) {
        let size = network.size();
        let known = self.sizes.iter().position(|(other, _)| *other == size);
        let at = known.unwrap_or_else(|| {
            self.sizes.push((size, Blocks::new()));
            self.sizes.len() - 1
        });
        if let Some((_, blocks)) = self.sizes.get_mut(at) {
            blocks.entry(network.first()).or_default().push(program);
        }
    }

    fn find(&self, address: IpAddr, found: &mut impl FnMut(u32)) {
        let (v6, address) = (address.is_ipv6(), number(address));
        for ((family, mask), blocks) in &self.sizes {
            if *family == v6 {
                blocks.get(&(address & mask)).into_iter().flatten().for_each(|program| found(*program));
            }
        }
    }
}

impl Bare {
    pub(super) fn insert(&mut self, headers: &[Header], program: u32) {
        let blocks = |end: fn(&Header) -> Option<Vec<Network>>| -> Option<Vec<Network>> {
            let mut all = Vec::new();
            for header in headers.iter().filter(|header| !header.both_ways) {
                all.append(&mut end(header)?);
            }
            (headers.iter().all(|header| !header.both_ways)).then_some(all)
        };
        let source = blocks(|header| header.source.blocks());
        let destination = blocks(|header| header.destination.blocks());
        // the end that says more finds fewer
        let (index, blocks) = match (source, destination) {
            (Some(source), Some(destination)) if destination.len() < source.len() => {
                (&mut self.by_source, source)
            }
            (_, Some(destination)) => (&mut self.by_destination, destination),
            (Some(source), None) => (&mut self.by_source, source),
            (None, None) => return self.others.push(program),
        };
        for network in blocks {
            index.insert(network, program);
        }
    }

    /// The programs that may be about two addresses, with repetition.
    pub(crate) fn find(&self, source: IpAddr, destination: IpAddr, mut found: impl FnMut(u32)) {
        self.others.iter().for_each(|program| found(*program));
        self.by_source.find(source, &mut found);
        self.by_destination.find(destination, &mut found);
    }
}
