use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

fn detector() -> Detector {
    let kinds = [Kind::Scan, Kind::Fingerprint, Kind::Null, Kind::Fin, Kind::Xmas, Kind::SynFin];
    Detector::new(Sensitivity {
        kinds: kinds.into(),
        places: 20,
        within: Duration::from_mins(5),
        near: Vec::new(),
    })
}

fn at(seconds: u64) -> Now {
    Now { wall: Timestamp(i64::try_from(seconds).unwrap()), monotonic: Duration::from_secs(seconds) }
}

fn syn(source: IpAddr, port: u16) -> Seen {
    Seen { source, destination: HERE, protocol: 6, port, is: Mark::Begins, oddity: None }
}

fn with(source: IpAddr, flags: u8, urgent: u16, port: u16) -> Seen {
    let (is, oddity) = Mark::of_tcp(flags, urgent);
    Seen { is, oddity, ..syn(source, port) }
}

#[test]
fn twenty_ports_in_five_minutes_are_a_scan_and_told_once() {
    let mut detector = detector();
    for port in 1..20 {
        assert_eq!(detector.see(at(10), &syn(THERE, port)), []);
    }
    let told = detector.see(at(11), &syn(THERE, 20));
    let [scan] = &told[..] else { panic!("{told:?}") };
    assert_eq!((scan.kind, scan.source, scan.places, scan.addresses), (Kind::Scan, THERE, 20, 1));
    assert_eq!((scan.sampled, scan.first, scan.last), (20, Timestamp(10), Timestamp(11)));
    assert_eq!((scan.ports.len(), scan.protocols.clone()), (20, [6].into()));
    for port in 21..200 {
        assert_eq!(detector.see(at(12), &syn(THERE, port)), [], "not twice in a minute");
    }
    let goes_on = detector.see(at(80), &syn(THERE, 300));
    assert_eq!(goes_on.iter().map(|one| (one.kind, one.places)).collect::<Vec<_>>(), [(Kind::Scan, PLACES)]);
}

#[test]
fn addresses_count_like_ports_and_udp_like_tcp() {
    let mut detector = detector();
    let mut told = Vec::new();
    for host in 1..=20 {
        let destination = Ipv4Addr::new(192, 0, 2, host).into();
        let protocol = if host % 2 == 0 { 6 } else { 17 };
        told.extend(detector.see(at(0), &Seen { destination, protocol, ..syn(THERE, 445) }));
    }
    let [scan] = &told[..] else { panic!("{told:?}") };
    assert_eq!((scan.addresses, scan.ports.clone(), scan.protocols.clone()), (20, vec![445], [6, 17].into()));
}

#[test]
fn ordinary_visitors_are_not_told_of() {
    let mut detector = detector();
    for connection in 0..200 {
        assert_eq!(detector.see(at(connection), &syn(THERE, 8080)), [], "one port, however often");
    }
    for connection in 0..30 {
        let port = [81, 8443, 9000][connection % 3];
        assert_eq!(detector.see(at(300), &syn(THERE, port)), []);
    }
    let slow = Ipv4Addr::new(203, 0, 113, 10).into();
    for port in 0..200_u16 {
        assert_eq!(detector.see(at(400 + u64::from(port) * 20), &syn(slow, port)), [], "15 in five minutes");
    }
    // A packet that a line has spoilt.
    for flags in [0, 1, 0x29, 3] {
        assert_eq!(detector.see(at(9000), &with(slow, flags, 0, 80)), []);
    }
}

#[test]
fn each_kind_of_impossible_flags_is_told_by_its_name() {
    for (flags, kind) in [
        (0, Kind::Null),
        (0x01, Kind::Fin),
        (0x29, Kind::Xmas),
        (0x03, Kind::SynFin),
        (0x06, Kind::SynFin),
        // ECN bits say nothing.
        (0xC3, Kind::SynFin),
    ] {
        let mut detector = detector();
        let told: Vec<Kind> = (70..=90)
            .flat_map(|port| detector.see(at(1), &with(THERE, flags, 0, port)))
            .map(|sighting| sighting.kind)
            .collect();
        assert_eq!(told, [kind], "flags {flags:#x}");
    }
    for honest in [0x02, 0x10, 0x11, 0x12, 0x18, 0x14, 0x04, 0xC2, 0x38] {
        let (is, oddity) = Mark::of_tcp(honest, 0);
        assert!(is.kind().is_none() && oddity.is_none(), "flags {honest:#x}");
    }
}

#[test]
fn a_scan_behind_other_probes_is_told_as_well() {
    let mut detector = detector();
    let mut told = Vec::new();
    for port in 70..=90 {
        told.extend(detector.see(at(1), &with(THERE, 0, 0, port)));
    }
    for port in 100..=130 {
        told.extend(detector.see(at(2), &syn(THERE, port)));
    }
    let kinds: Vec<(Kind, usize)> = told.iter().map(|one| (one.kind, one.places)).collect();
    assert_eq!(kinds, [(Kind::Null, 5), (Kind::Scan, 20)]);
    assert!(told[1].ports.iter().all(|port| *port >= 100), "{told:?}");
}

#[test]
fn two_signs_make_a_fingerprint_probe() {
    let icmp = Seen { protocol: 1, port: 0, is: Mark::Other, oddity: Some(Oddity::Icmp), ..syn(THERE, 0) };
    let mut detector = detector();
    assert_eq!(detector.see(at(0), &icmp), []);
    assert_eq!(detector.see(at(1), &icmp), [], "the same sign again");
    let told = detector.see(at(2), &with(THERE, 0x02, 0xF7F5, 80));
    assert_eq!(told.iter().map(|one| one.kind).collect::<Vec<_>>(), [Kind::Fingerprint]);
    assert_eq!(told[0].protocols, [1, 6].into());
    // Scans with several kinds of flags are none.
    let other = Ipv4Addr::new(203, 0, 113, 10).into();
    let told = [0, 1, 0x29, 3].iter().flat_map(|flags| detector.see(at(3), &with(other, *flags, 0, 80)));
    assert_eq!(told.count(), 0);
}

#[test]
fn what_is_not_looked_for_is_not_told() {
    let mut detector = Detector::new(Sensitivity {
        kinds: [Kind::Null].into(),
        places: 5,
        within: Duration::from_mins(1),
        near: Vec::new(),
    });
    assert!((1..100).all(|port| detector.see(at(1), &syn(THERE, port)).is_empty()));
    detector.set(Sensitivity {
        kinds: [Kind::Scan].into(),
        places: 5,
        within: Duration::from_mins(1),
        near: Vec::new(),
    });
    assert_eq!(detector.see(at(2), &syn(THERE, 1)).len(), 1);
}

#[test]
fn a_flood_of_forged_sources_hides_no_scanner_and_takes_no_more_room() {
    let mut detector = detector();
    let mut told = BTreeSet::new();
    let mut number = 0_u32;
    for port in 1..=25 {
        for _forged in 0..300 {
            number += 1;
            let forged = Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(number) << 64).into();
            told.extend(detector.see(at(1), &syn(forged, 80)).into_iter().map(|one| one.source));
        }
        told.extend(detector.see(at(1), &syn(THERE, port)).into_iter().map(|one| one.source));
    }
    assert_eq!(told, [THERE].into());
    assert_eq!(detector.remembered(), SOURCES);
    assert!(detector.sources.values().all(|source| source.places.len() <= PLACES));
}

#[test]
fn many_scanners_are_told_of_by_and_by() {
    let mut detector = detector();
    let mut told = Vec::new();
    let scanner = |number: u8| IpAddr::V4(Ipv4Addr::new(203, 0, 113, number));
    let mut all = |detector: &mut Detector, second| -> usize {
        let mut count = 0;
        for number in 0..100 {
            for port in 1..=20 {
                let more = detector.see(at(second), &syn(scanner(number), port));
                count += more.len();
                told.extend(more);
            }
        }
        count
    };
    assert_eq!(all(&mut detector, 1), TOLD);
    assert_eq!(all(&mut detector, 2), 0);
    assert_eq!(all(&mut detector, 62), TOLD, "the others, and those who go on");
    let sources: BTreeSet<IpAddr> = told.iter().map(|one| one.source).collect();
    assert!(sources.len() >= TOLD, "{}", sources.len());
}

proptest! {
    /// Whatever comes: bounded, and never told of without enough places.
    #[test]
    fn memory_is_bounded(packets in proptest::collection::vec((any::<u32>(), any::<u16>(), any::<u8>(), any::<u16>(), 0..400_u64), 0..3000)) {
        let mut detector = detector();
        let mut second = 0;
        for (source, port, flags, urgent, later) in packets {
            second += later / 100;
            let source = Ipv4Addr::from(source % 3000).into();
            for sighting in detector.see(at(second), &with(source, flags, urgent, port)) {
                prop_assert!(sighting.kind != Kind::Scan || sighting.places >= 20);
                prop_assert!(sighting.ports.len() <= PORTS && sighting.places <= PLACES);
            }
            prop_assert!(detector.remembered() <= SOURCES && detector.told.len() <= TOLD);
        }
    }

    #[test]
    fn any_flags_are_one_mark(flags in any::<u8>(), urgent in any::<u16>()) {
        let (is, oddity) = Mark::of_tcp(flags, urgent);
        // ECN is no matter; what acknowledges and nothing else is never odd.
        prop_assert_eq!(Mark::of_tcp(flags ^ 0xC0, urgent), (is, oddity));
        if flags & 0x17 == 0x10 {
            prop_assert_eq!((is, oddity), (Mark::Other, None));
        }
    }
}

#[test]
fn who_has_a_network_is_one_source_and_neighbours_are_themselves() {
    let from = |detector: &mut Detector, network: u128| -> Vec<IpAddr> {
        let sources = (1..=20_u16).map(|host| Ipv6Addr::from(network | (u128::from(host) * 0x1_0001)));
        sources
            .zip(1..)
            .flat_map(|(source, port)| detector.see(at(1), &syn(source.into(), port)))
            .map(|one| one.source)
            .collect()
    };
    let mut detector = detector();
    let customer = 0x2001_0db8_0000_0001 << 64;
    let told = from(&mut detector, customer);
    assert_eq!(told, [IpAddr::from(Ipv6Addr::from(customer | (20 * 0x1_0001)))], "named by its last address");
    assert_eq!(detector.remembered(), 1);
    assert_eq!(from(&mut detector, 0xfe80 << 112), [] as [IpAddr; 0], "neighbours of the same link");
    let near = vec![Ipv6Addr::from(0x2001_0db8_0000_0002 << 64 | 9)];
    detector.set(Sensitivity { near, ..detector.sensitivity.clone() });
    assert_eq!(from(&mut detector, 0x2001_0db8_0000_0002 << 64), [] as [IpAddr; 0], "neighbours of ours");
}
