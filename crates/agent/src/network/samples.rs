//! Samples of the firewall's packets, gathered to events. In the worker: the bytes are an attacker's.
//!
//! Samples are limited in the kernel and gathered here over a window, so a flood is a few events; how many packets
//! there were in truth is what the rule's counter says.

use sakimori_kernel::nflog::Sample;
use sakimori_model::{Action, Now, Severity};
use sakimori_modules::firewall::{self, Direction, FirewallEvent};
use sakimori_protocol::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long like packets are gathered to one event.
const WINDOW: Duration = Duration::from_secs(2);
/// Different (rule, addresses, port) of one window; what comes on top is in the rules' counters alone.
const KEYS: usize = 512;
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
struct Facts {
    protocol: u8,
    source: IpAddr,
    destination: IpAddr,
    ports: Option<(u16, u16)>,
}

/// What is alike in one event: the label, both ends without the source port, the interface.
type Key = (Vec<u8>, u8, IpAddr, IpAddr, u16, u32);

/// The samples of the window at hand.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By the counter's name, which is the sample's label without its last character.
    labels: BTreeMap<String, Label>,
    alike: BTreeMap<Key, (u64, u16)>,
    began: Duration,
}

// === impl Gathered ===

impl Gathered {
    pub(super) fn set_labels(&mut self, labels: BTreeMap<String, Label>) {
        self.labels = labels;
    }

    pub(super) fn take(&mut self, sample: &Sample<'_>) {
        let Some(facts) = facts(sample.packet) else { return };
        let (source_port, port) = facts.ports.unwrap_or((0, 0));
        let interface = if sample.in_ifindex == 0 { sample.out_ifindex } else { sample.in_ifindex };
        let label = sample.label.get(..128).unwrap_or(sample.label).to_vec();
        let key = (label, facts.protocol, facts.source, facts.destination, port, interface);
        if self.alike.len() >= KEYS && !self.alike.contains_key(&key) {
            return;
        }
        self.alike.entry(key).or_insert((0, source_port)).0 += 1;
    }

    /// The events of a window that is over.
    pub(super) fn drain(&mut self, now: Now) -> Vec<Event> {
        if now.monotonic.saturating_sub(self.began) < WINDOW {
            return Vec::new();
        }
        self.began = now.monotonic;
        let alike = std::mem::take(&mut self.alike);
        alike.into_iter().filter_map(|(key, (count, port))| self.event(now, &key, count, port)).collect()
    }

    fn event(&self, now: Now, key: &Key, count: u64, source_port: u16) -> Option<Event> {
        let (label, protocol, source, destination, port, interface) = key;
        let (outcome, counter) = label.split_last()?;
        let known = self.labels.get(std::str::from_utf8(counter).ok()?)?;
        let (action, severity) = match outcome {
            b'!' => (Action::Blocked, Severity::Low),
            b'?' => (Action::Detected, Severity::Low),
            _ => (Action::Noted, Severity::Info),
        };
        let detail = FirewallEvent {
            rule: known.rule.clone(),
            direction: if known.inward { Direction::In } else { Direction::Out },
            protocol: match protocol {
                1 => "icmp".to_owned(),
                6 => "tcp".to_owned(),
                17 => "udp".to_owned(),
                58 => "icmpv6".to_owned(),
                other => other.to_string(),
            },
            source: source.to_string(),
            source_port,
            destination: destination.to_string(),
            destination_port: *port,
            // The supervisor knows the name.
            interface: interface.to_string(),
            count,
        };
        Some(Event::new(now.wall, firewall::MODULE.id, severity, action, &detail))
    }
}

/// Reads addresses, protocol and ports at their fixed places. `None` where even those are missing.
///
/// # Source
/// RFC 791 §3.1, RFC 8200 §4
fn facts(packet: &[u8]) -> Option<Facts> {
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
            _ => return None,
        };
    let ports =
        transport.filter(|_| matches!(protocol, 6 | 17)).and_then(|at| Some((half(at)?, half(at + 2)?)));
    Some(Facts { protocol, source, destination, ports })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sakimori_model::Timestamp;

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
    fn like_packets_are_one_event_and_a_flood_is_bounded() {
        let mut gathered = Gathered::default();
        gathered.set_labels([("fw_a".to_owned(), Label { rule: "a".into(), inward: true })].into());
        let packet = udp4();
        let sample = |label| Sample { label, in_ifindex: 3, out_ifindex: 0, packet: &packet };
        for _ in 0..5 {
            gathered.take(&sample(b"fw_a!"));
        }
        gathered.take(&sample(b"fw_unknown!"));
        let at = |seconds| Now { wall: Timestamp(1), monotonic: Duration::from_secs(seconds) };
        assert!(gathered.drain(at(1)).is_empty());
        let events = gathered.drain(at(2));
        let [event] = &events[..] else { panic!("{events:?}") };
        let detail: FirewallEvent = event.read().unwrap();
        assert_eq!(
            (detail.rule.as_str(), detail.count, detail.destination_port, event.action.as_str()),
            ("a", 5, 53, "blocked")
        );
        for host in 0..2_000_u16 {
            let mut packet = udp4();
            packet[14..16].copy_from_slice(&host.to_be_bytes());
            gathered.take(&Sample { label: b"fw_a?", in_ifindex: 3, out_ifindex: 0, packet: &packet });
        }
        assert_eq!(gathered.drain(at(5)).len(), KEYS);
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
