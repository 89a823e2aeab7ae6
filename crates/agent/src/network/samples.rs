//! Samples of the firewall's packets, gathered to events. In the worker: the bytes are an attacker's.
//!
//! Samples are limited in the kernel, for each rule and in total, and gathered here over a window, so a flood is a few
//! events a second. How many packets there were in truth, the supervisor takes from the rules' counters (`accounts.rs`).

use sakimori_kernel::nflog::Sample;
use sakimori_model::{Action, Now, Severity, Timestamp};
use sakimori_modules::Mac;
use sakimori_modules::firewall::{self, Direction, FirewallEvent};
use sakimori_protocol::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long like packets are gathered to one event.
const WINDOW: Duration = Duration::from_secs(2);
/// Events of one rule in a window, besides one for all others of it: a scan must not hide what other rules see.
const OF_RULE: usize = 40;
/// Events of a window, besides those for all others of a rule.
const KEYS: usize = 160;
/// Rules of a window that have an event for all others of them. What is seen of further rules is in their counters.
const OTHERS: usize = 40;
/// The Ethernet type of ARP.
const ARP: u16 = 0x0806;
/// IPv6 extension headers that are stepped over.
const EXTENSIONS: usize = 8;

/// A rule as events name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) rule: String,
    pub(super) inward: bool,
}

/// What a packet says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Facts {
    /// The IP protocol's number; above 255 what the frame is of: [`ARP`], or another `EtherType`.
    pub(super) protocol: u16,
    pub(super) source: End,
    pub(super) destination: End,
    pub(super) ports: Option<(u16, u16)>,
    /// Where the transport header begins; nowhere in a later fragment.
    pub(super) transport: Option<usize>,
}

/// Where a packet comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Address(IpAddr),
    Card(Mac),
}

/// What is alike in one event: the label, both ends without the source port, the interface.
type Key = (Vec<u8>, u16, End, End, u16, u32);

/// Like packets of a window.
#[derive(Clone, Copy, Debug)]
struct Alike {
    samples: u64,
    /// Of the first one.
    source_port: u16,
    first: Timestamp,
    last: Timestamp,
}

/// The samples of the window at hand.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By the counter's name, which is the sample's label without its last character.
    labels: BTreeMap<String, Label>,
    alike: BTreeMap<Key, Alike>,
    /// Different keys by label.
    of_label: BTreeMap<Vec<u8>, usize>,
    /// By label, what found no room.
    others: BTreeMap<Vec<u8>, Alike>,
    began: Duration,
}

// === impl Gathered ===

impl Gathered {
    pub(super) fn set_labels(&mut self, labels: BTreeMap<String, Label>) {
        self.labels = labels;
    }

    pub(super) fn take(&mut self, at: Timestamp, sample: &Sample<'_>) {
        let facts = match sample.ether_type {
            0 | ARP | 0x0800 | 0x86dd => facts(sample.packet),
            other => frame(other, if sample.link.is_empty() { sample.packet } else { sample.link }),
        };
        let Some(facts) = facts else { return };
        let (source_port, port) = facts.ports.unwrap_or((0, 0));
        let interface = if sample.in_ifindex == 0 { sample.out_ifindex } else { sample.in_ifindex };
        let label = sample.label.get(..128).unwrap_or(sample.label).to_vec();
        let key = (label, facts.protocol, facts.source, facts.destination, port, interface);
        let fresh = Alike { samples: 0, source_port, first: at, last: at };
        if let Some(alike) = self.alike.get_mut(&key) {
            return alike.add(at);
        }
        let of_label = self.of_label.get(&key.0).copied().unwrap_or_default();
        if self.alike.len() < KEYS && of_label < OF_RULE {
            self.of_label.insert(key.0.clone(), of_label + 1);
            return self.alike.entry(key).or_insert(fresh).add(at);
        }
        if self.others.len() < OTHERS || self.others.contains_key(&key.0) {
            self.others.entry(key.0).or_insert(fresh).add(at);
        }
    }

    /// The events of a window that is over.
    pub(super) fn drain(&mut self, now: Now) -> Vec<Event> {
        if now.monotonic.saturating_sub(self.began) < WINDOW {
            return Vec::new();
        }
        self.began = now.monotonic;
        self.of_label.clear();
        let alike = std::mem::take(&mut self.alike);
        let others = std::mem::take(&mut self.others);
        let events = alike.into_iter().filter_map(|(key, alike)| self.event(now, &key, alike));
        let more = others.into_iter().filter_map(|(label, alike)| self.event_of_others(now, &label, alike));
        events.chain(more).collect()
    }

    /// Whose the label is, and what became of the packets.
    fn known(&self, label: &[u8]) -> Option<(&Label, Action, Severity)> {
        let (outcome, counter) = label.split_last()?;
        let known = self.labels.get(std::str::from_utf8(counter).ok()?)?;
        let (action, severity) = match outcome {
            b'!' => (Action::Blocked, Severity::Low),
            b'?' => (Action::Detected, Severity::Low),
            _ => (Action::Noted, Severity::Info),
        };
        Some((known, action, severity))
    }

    fn event_of_others(&self, now: Now, label: &[u8], alike: Alike) -> Option<Event> {
        let (known, action, severity) = self.known(label)?;
        let detail = FirewallEvent {
            count: alike.samples,
            sampled: alike.samples,
            ..FirewallEvent::of_several(known.rule.clone(), known.direction(), alike.first.0, alike.last.0)
        };
        Some(Event::new(now.wall, firewall::MODULE.id, severity, action, &detail))
    }

    fn event(&self, now: Now, key: &Key, alike: Alike) -> Option<Event> {
        let (label, protocol, source, destination, port, interface) = key;
        let (known, action, severity) = self.known(label)?;
        let detail = FirewallEvent {
            protocol: match u8::try_from(*protocol) {
                Ok(number) => firewall::Protocol::Number(number).to_string(),
                Err(_above) if *protocol == ARP => "arp".to_owned(),
                Err(_above) => firewall::Frame::Number(*protocol).to_string(),
            },
            source: source.to_string(),
            source_port: alike.source_port,
            destination: destination.to_string(),
            destination_port: *port,
            // The supervisor knows the name.
            interface: interface.to_string(),
            count: alike.samples,
            sampled: alike.samples,
            ..FirewallEvent::of_several(known.rule.clone(), known.direction(), alike.first.0, alike.last.0)
        };
        Some(Event::new(now.wall, firewall::MODULE.id, severity, action, &detail))
    }
}

impl Alike {
    fn add(&mut self, at: Timestamp) {
        self.samples += 1;
        self.last = at;
    }
}

impl Label {
    const fn direction(&self) -> Direction {
        if self.inward { Direction::In } else { Direction::Out }
    }
}

/// Reads addresses, protocol and ports at their fixed places. `None` where even those are missing.
///
/// # Source
/// RFC 791 §3.1, RFC 8200 §4
pub(super) fn facts(packet: &[u8]) -> Option<Facts> {
    let half = |at: usize| packet.get(at..at + 2).map(|b| b.iter().fold(0, |n, b| n << 8 | u16::from(*b)));
    let (protocol, source, destination, transport): (u8, IpAddr, IpAddr, Option<usize>) =
        match packet.first()? >> 4 {
            4 => {
                let address = |at: usize| {
                    let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                    Some(IpAddr::V4(Ipv4Addr::from(bytes)))
                };
                let header = usize::from(packet.first()? & 15) * 4;
                let fragment_offset = half(6)? & 0x1FFF;
                let first_fragment = fragment_offset == 0;
                (*packet.get(9)?, address(12)?, address(16)?, first_fragment.then_some(header))
            }
            6 => {
                let address = |at: usize| {
                    let bytes: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                    Some(IpAddr::V6(Ipv6Addr::from(bytes)))
                };
                let (mut next, mut at) = (*packet.get(6)?, Some(40));
                for _ in 0..EXTENSIONS {
                    let Some(here) = at.filter(|_| matches!(next, 0 | 43 | 44 | 60)) else { break };
                    let Some([follows, length]) =
                        packet.get(here..here + 2).and_then(|b| <[u8; 2]>::try_from(b).ok())
                    else {
                        at = None;
                        break;
                    };
                    let later_fragment =
                        next == 44 && half(here + 2).is_none_or(|offset| offset & 0xFFF8 != 0);
                    let length = if next == 44 { 8 } else { (usize::from(length) + 1) * 8 };
                    next = follows;
                    at = (!later_fragment).then_some(here + length);
                }
                (next, address(8)?, address(24)?, at)
            }
            // ARP begins with the kind of link, which is a small number.
            0 => return arp(packet),
            _ => return None,
        };
    let ports = transport
        .filter(|_| matches!(protocol, 6 | 17 | 33 | 132 | 136))
        .and_then(|at| Some((half(at)?, half(at + 2)?)));
    let (source, destination) = (End::Address(source), End::Address(destination));
    Some(Facts { protocol: protocol.into(), source, destination, ports, transport })
}

/// What an ARP message over Ethernet and IPv4 says of its sender and its target.
///
/// # Source
/// RFC 826
fn arp(packet: &[u8]) -> Option<Facts> {
    let address = |at: usize| {
        let bytes: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(End::Address(IpAddr::V4(Ipv4Addr::from(bytes))))
    };
    let known = packet.get(..6)? == [0, 1, 8, 0, 6, 4];
    known.then_some(())?;
    Some(Facts {
        protocol: ARP,
        source: address(14)?,
        destination: address(24)?,
        ports: None,
        transport: None,
    })
}

/// The cards that an Ethernet header names: whom the frame is for, then who sent it.
fn frame(ether_type: u16, header: &[u8]) -> Option<Facts> {
    let card = |at: usize| Some(End::Card(Mac(header.get(at..at + 6)?.try_into().ok()?)));
    Some(Facts {
        protocol: ether_type,
        source: card(6)?,
        destination: card(0)?,
        ports: None,
        transport: None,
    })
}

impl End {
    pub(super) const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Card(_) => None,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Card(card) => card.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn udp4() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7];
        packet.extend([0x9C, 0x40, 0, 53, 0, 8, 0, 0]);
        packet
    }

    fn tcp6() -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 28, 60, 64];
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        packet.extend([6, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([0x9C, 0x40, 0, 22]);
        packet
    }

    #[test]
    fn both_versions_are_read() {
        let read = facts(&udp4()).unwrap();
        assert_eq!((read.protocol, read.ports), (17, Some((40_000, 53))));
        assert_eq!(
            (read.source.to_string(), read.destination.to_string()),
            ("192.0.2.1".into(), "198.51.100.7".into())
        );
        let read = facts(&tcp6()).unwrap();
        assert_eq!(
            (read.protocol, read.ports, read.destination.to_string()),
            (6, Some((40_000, 22)), "2001:db8::2".into())
        );
        let mut fragment = udp4();
        fragment[7] = 9;
        assert_eq!(facts(&fragment).unwrap().ports, None, "a later fragment has none");
    }

    #[test]
    fn arp_says_who_asks_for_whom() {
        let mut message = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0x5e, 0x10, 0, 2, 192, 0, 2, 7];
        message.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        let read = facts(&message).unwrap();
        assert_eq!((read.protocol, read.ports), (ARP, None));
        assert_eq!(
            (read.source.to_string(), read.destination.to_string()),
            ("192.0.2.7".into(), "192.0.2.1".into())
        );
        message[3] = 1;
        assert_eq!(facts(&message), None, "addresses of another kind");
        assert_eq!(facts(&message[..20]), None);
    }

    #[test]
    fn like_packets_are_one_event_and_a_flood_is_bounded() {
        let mut gathered = Gathered::default();
        gathered.set_labels([("fw_a".to_owned(), Label { rule: "a".into(), inward: true })].into());
        let packet = udp4();
        let sample = |label| Sample { label, in_ifindex: 3, packet: &packet, ..Sample::default() };
        for _ in 0..5 {
            gathered.take(Timestamp(7), &sample(b"fw_a!"));
        }
        gathered.take(Timestamp(9), &sample(b"fw_unknown!"));
        let at = |seconds| Now { wall: Timestamp(1), monotonic: Duration::from_secs(seconds) };
        assert!(gathered.drain(at(1)).is_empty());
        let events = gathered.drain(at(2));
        let [event] = &events[..] else { panic!("{events:?}") };
        let detail: FirewallEvent = event.read().unwrap();
        assert_eq!(
            (detail.rule.as_str(), detail.count, detail.destination_port, event.action.as_str()),
            ("a", 5, 53, "blocked")
        );
        assert_eq!((detail.sampled, detail.first.as_str()), (5, "1970-01-01T00:00:00.000007Z"));
        for rule in 0..200_u8 {
            gathered.labels.insert(format!("fw_{rule}"), Label { rule: rule.to_string(), inward: true });
        }
        for host in 0..2_000_u16 {
            let mut packet = udp4();
            packet[14..16].copy_from_slice(&host.to_be_bytes());
            let mut take = |label: &str| {
                let label = label.as_bytes();
                gathered.take(
                    Timestamp(1),
                    &Sample { label, in_ifindex: 3, packet: &packet, ..Sample::default() },
                );
            };
            take("fw_a?");
            take(&format!("fw_{}?", host / 10));
        }
        let events = gathered.drain(at(5));
        let details: Vec<FirewallEvent> = events.iter().map(|event| event.read().unwrap()).collect();
        let others: Vec<&FirewallEvent> = details.iter().filter(|one| one.source == "*").collect();
        assert_eq!((details.len() - others.len(), others.len()), (KEYS, OTHERS));
        let of_a: Vec<u64> = details.iter().filter(|one| one.rule == "a").map(|one| one.sampled).collect();
        assert_eq!(
            (of_a.len(), of_a.iter().sum::<u64>()),
            (OF_RULE + 1, 2_000),
            "nothing of it is forgotten"
        );
        assert!(gathered.alike.is_empty() && gathered.others.is_empty() && gathered.of_label.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..140), at in 0..200_usize, value in any::<u8>()) {
            let _any = facts(&bytes);
            for mut packet in [udp4(), tcp6()] {
                let length = packet.len();
                packet[at % length] = value;
                let _any = facts(&packet);
                let _cut = facts(&packet[..at % length]);
            }
        }
    }
}
