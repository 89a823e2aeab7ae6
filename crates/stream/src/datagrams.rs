//! Flows of packets that stand alone: UDP, ICMP, and whatever else is carried by IP and is not TCP.
//!
//! A flow is a pair of ends and a protocol; who sends first is its client. The table is bounded: the flow longest idle makes room.
use std::time::Duration;

use hashbrown::HashTable;
use sakimori_model::Now;
use siphasher::sip::SipHasher13;

use crate::flow::{Direction, Endpoint, Traffic};
use crate::list::{Lane, List};
use crate::slab::Slab;

/// The facts of a flow of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Number of the IP protocol.
    pub protocol: u8,
    /// Who sent first.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Monotonic time of the first packet.
    pub began: Duration,
    /// What the client sent.
    pub to_server: Traffic,
    /// What the server sent.
    pub to_client: Traffic,
}

/// A packet that stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Number of the IP protocol.
    pub protocol: u8,
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Bytes of its payload.
    pub length: usize,
}

#[derive(Debug)]
struct Entry<V> {
    exchange: Exchange,
    last_seen: Duration,
    value: V,
}

/// Flows with what is remembered of each.
#[derive(Debug)]
pub struct DatagramTable<V> {
    flows: usize,
    timeout: Duration,
    hasher: SipHasher13,
    index: HashTable<u32>,
    entries: Slab<Entry<V>>,
    by_age: List,
}

// === impl DatagramTable ===

impl<V> DatagramTable<V> {
    /// An empty table of at most `flows`, each forgotten when idle for `timeout`.
    pub fn new(flows: usize, timeout: Duration, hash_seed: u64) -> Self {
        Self {
            flows: flows.max(1),
            timeout,
            hasher: SipHasher13::new_with_keys(hash_seed, hash_seed.rotate_left(32) ^ 0x6461_7461_6772_616d),
            index: HashTable::new(),
            entries: Slab::new(),
            by_age: List::new(Lane::State),
        }
    }

    /// The flow of a packet, made by `make` if it is the first; and which way it goes. `gone` is told of flows that had to go.
    pub fn take(
        &mut self,
        now: Now,
        datagram: Datagram,
        make: impl FnOnce(&Exchange) -> V,
        mut gone: impl FnMut(V),
    ) -> Option<(&mut V, &Exchange, Direction)> {
        let Datagram { protocol, source, destination, length } = datagram;
        let hash = self.hash(protocol, source, destination);
        let found = self.index.find(hash, |at| self.is_of(*at, protocol, source, destination)).copied();
        let at = if let Some(at) = found {
            self.by_age.touch(&mut self.entries, at);
            at
        } else {
            while self.entries.used() >= self.flows
                && let Some(oldest) = self.by_age.oldest()
            {
                gone(self.remove(oldest)?);
            }
            let exchange = Exchange {
                protocol,
                client: source,
                server: destination,
                began: now.monotonic,
                to_server: Traffic::default(),
                to_client: Traffic::default(),
            };
            let value = make(&exchange);
            let at = self.entries.insert(Entry { exchange, last_seen: now.monotonic, value });
            self.by_age.push(&mut self.entries, at);
            let Self { index, entries, hasher, .. } = self;
            index.insert_unique(hash, at, |at| {
                entries.get(*at).map_or(0, |entry| {
                    hash_of(hasher, entry.exchange.protocol, entry.exchange.client, entry.exchange.server)
                })
            });
            at
        };
        let entry = self.entries.get_mut(at)?;
        entry.last_seen = now.monotonic;
        let direction =
            if entry.exchange.client == source { Direction::ToServer } else { Direction::ToClient };
        let traffic = match direction {
            Direction::ToServer => &mut entry.exchange.to_server,
            Direction::ToClient => &mut entry.exchange.to_client,
        };
        traffic.packets += 1;
        traffic.bytes += length as u64;
        Some((&mut entry.value, &entry.exchange, direction))
    }

    /// Forgets flows that were idle for too long, at most `at_once`; whether there are more.
    pub fn expire(&mut self, now: Now, at_once: usize, mut gone: impl FnMut(V)) -> bool {
        for _ in 0..at_once {
            let Some(oldest) = self.by_age.oldest() else { return false };
            let idle = |entry: &Entry<V>| now.monotonic.saturating_sub(entry.last_seen) >= self.timeout;
            if !self.entries.get(oldest).is_some_and(idle) {
                return false;
            }
            if let Some(value) = self.remove(oldest) {
                gone(value);
            }
        }
        true
    }

    /// Flows that are remembered.
    pub const fn flows(&self) -> usize {
        self.entries.used()
    }

    /// Bytes of memory held, without what values hold on the heap themselves.
    pub fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes() + self.index.allocation_size()
    }

    fn remove(&mut self, at: u32) -> Option<V> {
        let Exchange { protocol, client, server, .. } = self.entries.get(at)?.exchange;
        let hash = self.hash(protocol, client, server);
        self.by_age.remove(&mut self.entries, at);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        self.entries.remove(at).map(|entry| entry.value)
    }

    fn hash(&self, protocol: u8, one: Endpoint, other: Endpoint) -> u64 {
        hash_of(&self.hasher, protocol, one, other)
    }

    fn is_of(&self, at: u32, protocol: u8, one: Endpoint, other: Endpoint) -> bool {
        self.entries.get(at).is_some_and(|Entry { exchange: e, .. }| {
            e.protocol == protocol
                && ((e.client, e.server) == (one, other) || (e.client, e.server) == (other, one))
        })
    }
}

fn hash_of(hasher: &SipHasher13, protocol: u8, one: Endpoint, other: Endpoint) -> u64 {
    crate::table::key::hash(hasher, one, other) ^ u64::from(protocol).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_model::Timestamp;
    use std::net::{IpAddr, Ipv4Addr};

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port }
    }

    fn at(seconds: u64) -> Now {
        Now { wall: Timestamp(0), monotonic: Duration::from_secs(seconds) }
    }

    #[test]
    fn both_directions_are_one_flow_and_flows_are_bounded() {
        let mut table = DatagramTable::new(2, Duration::from_mins(1), 7);
        let (one, two, three) = (end(1, 1000), end(2, 53), end(3, 53));
        let mut take = |seconds, from, to| {
            let mut gone = Vec::new();
            let datagram = Datagram { protocol: 17, source: from, destination: to, length: 10 };
            let (value, exchange, direction) =
                table.take(at(seconds), datagram, |_| seconds, |value| gone.push(value)).unwrap();
            (*value, exchange.to_server.packets, direction, gone)
        };
        assert_eq!(take(1, one, two), (1, 1, Direction::ToServer, vec![]));
        assert_eq!(take(2, two, one), (1, 1, Direction::ToClient, vec![]));
        assert_eq!(take(3, one, three), (3, 1, Direction::ToServer, vec![]));
        assert_eq!(take(4, one, two), (1, 2, Direction::ToServer, vec![]));
        assert_eq!(take(5, three, two), (5, 1, Direction::ToServer, vec![3]), "the one longest idle goes");
        assert_eq!(table.flows(), 2);
        let mut gone = Vec::new();
        assert!(!table.expire(at(64), 10, |value| gone.push(value)));
        assert_eq!((gone, table.flows()), (vec![1], 1));
    }
}
