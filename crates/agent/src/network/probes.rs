//! Those who look for ways in, told from samples. In the worker: the bytes are an attacker's.
use super::samples::facts;
use sakimori_firewall::scan::{Detector, Kind, Mark, Oddity, Seen, Sensitivity, Sighting};
use sakimori_firewall_settings::probe;
use sakimori_kernel::nflog::Sample;
use sakimori_model::{Action, Now, Severity};
use sakimori_modules::firewall::{self, Protocol, Reconnaissance};
use sakimori_protocol::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Bytes of one letter that are no accident.
const FILLED: usize = 64;

/// What makes a scan, as the worker is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Looking {
    kinds: BTreeSet<firewall::Probe>,
    places: u32,
    within_secs: u64,
    near: Vec<Ipv6Addr>,
}

/// Counts samples by source, and makes events of what comes of it.
#[derive(Debug)]
pub(super) struct Probes(Detector);

// === impl Looking ===

impl From<&Sensitivity> for Looking {
    fn from(wanted: &Sensitivity) -> Self {
        Self {
            kinds: wanted.kinds.iter().map(|kind| probe(*kind)).collect(),
            places: u32::try_from(wanted.places).unwrap_or(u32::MAX),
            within_secs: wanted.within.as_secs(),
            near: wanted.near.clone(),
        }
    }
}

impl From<&Looking> for Sensitivity {
    fn from(looking: &Looking) -> Self {
        const KINDS: [Kind; 6] =
            [Kind::Scan, Kind::Fingerprint, Kind::Null, Kind::Fin, Kind::Xmas, Kind::SynFin];
        Self {
            kinds: KINDS.into_iter().filter(|kind| looking.kinds.contains(&probe(*kind))).collect(),
            places: usize::try_from(looking.places).unwrap_or(usize::MAX),
            within: Duration::from_secs(looking.within_secs),
            near: looking.near.clone(),
        }
    }
}

// === impl Probes ===

impl Default for Probes {
    fn default() -> Self {
        Self(Detector::new(Sensitivity::from(&Looking::default())))
    }
}

impl Probes {
    pub(super) fn set(&mut self, looking: &Looking) {
        self.0.set(looking.into());
    }

    /// Counts a sample; events about its source.
    pub(super) fn take(&mut self, now: Now, sample: &Sample<'_>) -> Vec<Event> {
        let Some(seen) = seen(sample.packet) else { return Vec::new() };
        let sightings = self.0.see(now, &seen);
        sightings.iter().map(|sighting| event(now, sighting, sample.in_ifindex)).collect()
    }
}

fn event(now: Now, sighting: &Sighting, interface: u32) -> Event {
    let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
    let protocols: Vec<String> =
        sighting.protocols.iter().map(|number| Protocol::Number(*number).to_string()).collect();
    let detail = Reconnaissance {
        probe: probe(sighting.kind),
        source: sighting.source.to_string(),
        protocols: protocols.join(","),
        targets: count(sighting.places),
        addresses: count(sighting.addresses),
        ports: sighting.ports.clone(),
        // The supervisor knows the name.
        interface: interface.to_string(),
        sampled: sighting.sampled,
        first: firewall::moment(sighting.first.0),
        last: firewall::moment(sighting.last.0),
        // So does it whether the source is to be blocked.
        blocked_until: String::new(),
        not_blocked: String::new(),
    };
    Event::new(now.wall, firewall::MODULE.id, Severity::Medium, Action::Detected, &detail)
}

/// What a packet says of its sender's intentions. `None` where it cannot be read.
///
/// # Source
/// RFC 9293 §3.1, RFC 792, RFC 4443 §4.1
fn seen(packet: &[u8]) -> Option<Seen> {
    let facts = facts(packet)?;
    let protocol = u8::try_from(facts.protocol).ok()?;
    let transport = packet.get(facts.transport?..)?;
    let (is, oddity) = match protocol {
        6 => {
            let urgent = [transport.get(18), transport.get(19)].map(|byte| byte.copied().unwrap_or_default());
            Mark::of_tcp(*transport.get(13)?, u16::from_be_bytes(urgent))
        }
        17 => (Mark::Begins, transport.get(8..).filter(|data| is_filled(data)).map(|_| Oddity::Filled)),
        1 | 58 => {
            (Mark::Other, is_odd(protocol, *transport.first()?, *transport.get(1)?).then_some(Oddity::Icmp))
        }
        _ => return None,
    };
    let port = facts.ports.map_or(0, |(_, port)| port);
    let (source, destination) = (facts.source.address()?, facts.destination.address()?);
    Some(Seen { source, destination, protocol, port, is, oddity })
}

/// Whether the data is one letter over and over. Zeros are what padding and pings consist of.
fn is_filled(data: &[u8]) -> bool {
    let first = data.first().copied().unwrap_or_default();
    data.len() >= FILLED && first != 0 && data.iter().all(|byte| *byte == first)
}

/// Whether no program asks so: an echo request with a code, or a question that is obsolete or long out of use.
const fn is_odd(protocol: u8, kind: u8, code: u8) -> bool {
    match (protocol, kind) {
        (1, 8) | (58, 128) => code != 0,
        (1, 15 | 17) | (58, 139) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sakimori_model::Timestamp;

    fn ip4(protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0, 203, 0, 113, 9, 192, 0, 2, 1];
        packet.extend(transport);
        packet
    }

    fn tcp(port: u16, flags: u8, urgent: [u8; 2]) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        let [u0, u1] = urgent;
        ip4(6, &[0x9C, 0x40, high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, u0, u1])
    }

    #[test]
    fn packets_are_what_they_show() {
        let is = |packet: &[u8]| seen(packet).map(|seen| (seen.port, seen.is, seen.oddity));
        assert_eq!(is(&tcp(22, 2, [0, 0])), Some((22, Mark::Begins, None)));
        assert_eq!(is(&tcp(22, 0, [0, 0])), Some((22, Mark::Null, None)));
        assert_eq!(is(&tcp(80, 0xC2, [0xF7, 0xF5])), Some((80, Mark::Begins, Some(Oddity::UrgentPointer))));
        let echo = |code| ip4(1, &[8, code, 0, 0, 0, 1, 0, 1]);
        assert_eq!(is(&echo(0)), Some((0, Mark::Other, None)));
        assert_eq!(is(&echo(9)), Some((0, Mark::Other, Some(Oddity::Icmp))));
        let udp = |letter| {
            let mut transport = vec![0x9C, 0x40, 0x9C, 0x41, 1, 52, 0, 0];
            transport.extend([letter; 100]);
            ip4(17, &transport)
        };
        assert_eq!(is(&udp(b'C')), Some((40_001, Mark::Begins, Some(Oddity::Filled))));
        assert_eq!(is(&udp(0)), Some((40_001, Mark::Begins, None)));
        assert_eq!(is(&ip4(47, &[0; 20])), None);
    }

    #[test]
    fn a_scan_becomes_an_event() {
        let mut probes = Probes::default();
        let looking =
            Looking { kinds: [firewall::Probe::Scan].into(), places: 20, within_secs: 300, near: Vec::new() };
        assert_eq!(Looking::from(&Sensitivity::from(&looking)), looking);
        probes.set(&looking);
        let now = Now { wall: Timestamp(7), monotonic: Duration::from_secs(1) };
        let mut events = Vec::new();
        for port in 1..=30 {
            let packet = tcp(port, 2, [0, 0]);
            events.extend(probes.take(
                now,
                &Sample {
                    label: b"scan",
                    in_ifindex: 3,
                    out_ifindex: 0,
                    ether_type: 0x0800,
                    link: &[],
                    packet: &packet,
                },
            ));
        }
        let [event] = &events[..] else { panic!("{events:?}") };
        let detail: Reconnaissance = event.read().unwrap();
        assert_eq!((detail.source.as_str(), detail.protocols.as_str()), ("203.0.113.9", "tcp"));
        assert_eq!((detail.targets, detail.addresses, detail.interface.as_str()), (20, 1, "3"));
        assert_eq!(detail.first, "1970-01-01T00:00:00.000007Z");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..140), cut in 0..60_usize) {
            let _any = seen(&bytes);
            let packet = tcp(1, 2, [0, 0]);
            let _cut = seen(packet.get(..cut).unwrap_or(&packet));
        }
    }
}
