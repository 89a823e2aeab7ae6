//! Connections that one flow announces and another one is: FTP's data.
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Announcements that are kept; older ones go first.
const MOST: usize = 4096;

/// What a data connection carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// `RETR`
    pub(crate) command: Vec<u8>,
    pub(crate) name: Vec<u8>,
}

/// Announced connections, by the end that waits for them.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    transfers: BTreeMap<(IpAddr, u16), Transfer>,
    order: VecDeque<(IpAddr, u16)>,
}

// === impl Expected ===

impl Expected {
    pub(crate) fn announce(&mut self, end: (IpAddr, u16), transfer: Transfer) {
        if self.transfers.insert(end, transfer).is_none() {
            self.order.push_back(end);
            while self.order.len() > MOST {
                if let Some(oldest) = self.order.pop_front() {
                    self.transfers.remove(&oldest);
                }
            }
        }
    }

    pub(crate) fn get(&self, end: (IpAddr, u16)) -> Option<&Transfer> {
        self.transfers.get(&end)
    }

    /// Takes an announcement: the connection is there.
    pub(crate) fn take(&mut self, end: (IpAddr, u16)) -> Option<Transfer> {
        let transfer = self.transfers.remove(&end)?;
        self.order.retain(|other| *other != end);
        Some(transfer)
    }
}
