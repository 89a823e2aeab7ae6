//! Taking the firewall out of the table by hand, whatever the plan was that put it there.

use super::request::{
    NFPROTO_ARP, NFPROTO_INET, NFPROTO_NETDEV, NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, NFTA_CHAIN_HOOK,
    NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_TABLE_NAME, Request,
};
use super::table::{Listing, Table};
use super::{TABLE, TableError, plan};
use crate::netlink::{self, NETFILTER_HEADER, Writer};

/// A chain that is there.
pub(super) struct Standing {
    pub(super) name: String,
    /// Whether it is at a hook.
    pub(super) hangs: bool,
}

impl Table {
    /// Removes all rules of the firewall's chains, in one transaction, and leaves everything else of the table; whether
    /// there were such chains.
    pub fn empty_firewall(&mut self) -> Result<bool, TableError> {
        let mut requests: Vec<Request> = self
            .chains_of(NFPROTO_INET)?
            .into_iter()
            .map(|chain| Request::FlushChain { name: chain.name })
            .collect();
        // Those for ARP and other frames are the firewall's alone.
        let (arp, frames) = (self.table_exists(NFPROTO_ARP)?, self.table_exists(NFPROTO_NETDEV)?);
        requests.extend(plan::beside(arp, frames));
        if requests.is_empty() {
            return Ok(false);
        }
        self.run(&requests).map(|()| true)
    }

    /// The chains of our table of a family that are the firewall's.
    pub(super) fn chains_of(&self, family: u8) -> Result<Vec<Standing>, TableError> {
        let mut chains = Vec::new();
        let asked = Listing { ask: NFT_MSG_GETCHAIN, answer: NFT_MSG_NEWCHAIN, family };
        let which = |w: &mut Writer| w.string(NFTA_TABLE_NAME, TABLE);
        self.list(asked, "the chains of our table", which, |body| chains.extend(ours(body)))?;
        Ok(chains)
    }
}

/// Reads a chain of our table's firewall.
fn ours(body: &[u8]) -> Option<Standing> {
    let (mut table, mut name, mut hangs) = (None, None, false);
    for (kind, value) in netlink::attributes(body.get(NETFILTER_HEADER..)?) {
        match kind {
            NFTA_CHAIN_TABLE => table = value.strip_suffix(&[0]),
            NFTA_CHAIN_NAME => name = value.strip_suffix(&[0]),
            NFTA_CHAIN_HOOK => hangs = true,
            _ => {}
        }
    }
    let name = std::str::from_utf8(name?).ok()?;
    let is_ours = table == Some(TABLE.as_bytes()) && name.starts_with(sakimori_firewall::PREFIX);
    is_ours.then(|| Standing { name: name.to_owned(), hangs })
}
