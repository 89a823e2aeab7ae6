//! How a flow is found: a seeded hash over both ends in an order of their own, so both directions find it.
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::flow::{Endpoint, FlowInfo};

/// The hash of a pair of ends, whichever sends.
pub(crate) fn hash(hasher: &SipHasher13, one: Endpoint, other: Endpoint) -> u64 {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let mut key = [0u8; 36];
    let (first, second) = key.split_at_mut(18);
    put(first, low);
    put(second, high);
    hasher.hash(&key)
}

/// Whether a flow has these two ends.
pub(super) fn same(info: &FlowInfo, one: Endpoint, other: Endpoint) -> bool {
    (info.client == one && info.server == other) || (info.client == other && info.server == one)
}

fn put(to: &mut [u8], end: Endpoint) {
    let address = match end.address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    for (to, from) in to.iter_mut().zip(address.into_iter().chain(end.port.to_be_bytes())) {
        *to = from;
    }
}
