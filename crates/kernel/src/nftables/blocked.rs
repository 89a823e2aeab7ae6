//! Sources that nothing new is let in from for a time: put into the table, listed, taken out, whatever its plan is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::expression::{NFTA_DATA_VALUE, NFTA_LIST_ELEM};
use super::named::{self, Kind, NamedSet};
use super::request::{
    NFPROTO_INET, NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM, NFTA_SET_ELEM_EXPIRATION, NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_TABLE, Request,
};
use super::table::{ENOENT, Listing, Table};
use super::{TABLE, TableError};
use crate::netlink::{self, NETFILTER_HEADER};

/// A source that is blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Its address, or the first address of an IPv6 network of 64 bits: all of that is blocked.
    pub address: IpAddr,
    /// For how long still.
    pub left: Duration,
}

impl Blocked {
    /// As people write it.
    pub fn source(&self) -> String {
        if is_network(self.address) { format!("{}/64", self.address) } else { self.address.to_string() }
    }
}

/// Whether an address is the first of an IPv6 network: then it stands for all of that. No host has it (RFC 4291 §2.6.1).
pub(crate) fn is_network(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[4..] == [0; 4])
}

impl Table {
    /// Blocks a source, or the whole IPv6 network that this is the first address of, for a time; refused where nothing is looked for, or where so many are blocked that there is no
    /// room for one more.
    pub fn block(&mut self, address: IpAddr, time: Duration) -> Result<(), TableError> {
        self.run(&[Request::Block { address, time }])
    }

    /// Lets a source in again, with the IPv6 network that it is in; whether either was blocked.
    pub fn unblock(&mut self, address: IpAddr) -> Result<bool, TableError> {
        let alone = self.forget(address)?;
        match address {
            IpAddr::V6(v6) if !is_network(address) => {
                let network = Ipv6Addr::from_bits(v6.to_bits() & u128::MAX << 64);
                Ok(self.forget(network.into())? || alone)
            }
            _ => Ok(alone),
        }
    }

    fn forget(&mut self, address: IpAddr) -> Result<bool, TableError> {
        match self.run(&[Request::Unblock { address }]) {
            Ok(()) => Ok(true),
            Err(TableError::Refused { source, .. }) if source.raw_os_error() == Some(ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The sources that are blocked now, by address; none where there is no table.
    pub fn blocked(&mut self) -> Result<Vec<Blocked>, TableError> {
        let mut all = Vec::new();
        for set in named::OF_SCANS.into_iter().filter(|set| set.kind == Kind::Blocked) {
            self.sources_in(set, &mut all)?;
        }
        all.sort_unstable_by_key(|one| one.address);
        Ok(all)
    }

    fn sources_in(&self, set: NamedSet, all: &mut Vec<Blocked>) -> Result<(), TableError> {
        let asked = Listing { ask: NFT_MSG_GETSETELEM, answer: NFT_MSG_NEWSETELEM, family: NFPROTO_INET };
        self.list(
            asked,
            "the blocked sources",
            |w| {
                w.string(NFTA_SET_ELEM_LIST_TABLE, TABLE);
                w.string(NFTA_SET_ELEM_LIST_SET, set.name());
            },
            |body| {
                let body = body.get(NETFILTER_HEADER..).unwrap_or_default();
                let lists =
                    netlink::attributes(body).filter(|(kind, _)| *kind == NFTA_SET_ELEM_LIST_ELEMENTS);
                let elements = lists.flat_map(|(_, list)| netlink::attributes(list));
                let elements = elements.filter(|(kind, _)| *kind == NFTA_LIST_ELEM);
                all.extend(elements.filter_map(|(_, element)| parse(element)));
            },
        )
    }
}

fn parse(element: &[u8]) -> Option<Blocked> {
    let (mut address, mut left) = (None, Duration::ZERO);
    for (kind, value) in netlink::attributes(element) {
        match kind {
            NFTA_SET_ELEM_KEY => {
                let (_, key) = netlink::attributes(value).find(|(kind, _)| *kind == NFTA_DATA_VALUE)?;
                address = match key.len() {
                    4 => <[u8; 4]>::try_from(key).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
                    _ => <[u8; 16]>::try_from(key).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
                };
            }
            NFTA_SET_ELEM_EXPIRATION => left = Duration::from_millis(netlink::be64(value)?),
            _ => {}
        }
    }
    Some(Blocked { address: address?, left })
}
