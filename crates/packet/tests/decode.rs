//! Packets as they come, right, wrong and hostile.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use sakimori_packet::build::Segment;
use sakimori_packet::{
    Anomalies, Anomaly, Checksums, Flags, Fragment, Packet, Transport, checksum, decode, decode_with,
};

fn tcp4(payload: &[u8]) -> Vec<u8> {
    Segment {
        source: "192.0.2.1".parse().unwrap(),
        destination: "198.51.100.2".parse().unwrap(),
        source_port: 50_000,
        destination_port: 80,
        sequence: 1,
        acknowledgement: 2,
        flags: Flags::ACK,
        window: 3,
        timestamps: None,
        payload,
    }
    .packet()
}

/// An IPv6 packet with these headers after the fixed one; `next` is the first one's number.
fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    packet.extend([next, 64]);
    packet.extend([1; 16]);
    packet.extend([2; 16]);
    packet.extend(rest);
    packet
}

fn tcp_header() -> Vec<u8> {
    tcp4(b"")[20..].to_vec()
}

fn only(packet: &Packet<'_>, anomaly: Anomaly) {
    assert_eq!(packet.anomalies, Anomalies::from(anomaly), "{packet:?}");
}

#[test]
fn payload_ends_with_the_ip_length() {
    let mut bytes = tcp4(b"hello");
    bytes.extend(b"ethernet padding");
    let packet = decode(&bytes);
    assert_eq!(packet.payload(), b"hello");
    assert_eq!(packet.bytes.len(), 45);
    only(&packet, Anomaly::TrailingBytes);
}

#[test]
fn cut_short_anywhere() {
    let bytes = tcp4(b"hello");
    for length in 0..bytes.len() {
        let packet = decode(&bytes[..length]);
        assert!(!packet.anomalies.is_empty());
        assert_eq!(packet.tcp().is_some(), length >= 40, "{length}");
        if length >= 40 {
            only(&packet, Anomaly::Truncated);
            assert_eq!(packet.payload(), &b"hello"[..length - 40]);
        }
    }
}

#[test]
fn header_lengths_that_lie() {
    let bytes = tcp4(b"hello");
    let change = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        bytes
    };
    only(&decode(&change(0, 0x44)), Anomaly::BadHeaderLength);
    only(&decode(&change(0, 0x4f)), Anomaly::BadHeaderLength);
    only(&decode(&change(3, 19)), Anomaly::BadTotalLength);
    only(&decode(&change(0, 0x50)), Anomaly::NotIp);
    only(&decode(&change(32, 0x40)), Anomaly::BadHeaderLength);
    only(&decode(&change(32, 0xf0)), Anomaly::BadHeaderLength);
    only(&decode(&[]), Anomaly::NotIp);
}

#[test]
fn ipv4_options_move_the_payload() {
    let inner = tcp4(b"hello");
    let mut bytes = inner[..20].to_vec();
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.extend([1, 1, 1, 0]);
    bytes.extend(&inner[20..]);
    let packet = decode(&bytes);
    only(&packet, Anomaly::Ipv4Options);
    assert_eq!(packet.payload(), b"hello");
}

#[test]
fn tcp_options() {
    let decode_options = |options: &[u8]| {
        let mut bytes = tcp4(b"");
        bytes.extend(options);
        bytes[3] = u8::try_from(bytes.len()).unwrap();
        bytes[32] = u8::try_from((20 + options.len()) / 4 * 16).unwrap();
        let packet = decode(&bytes);
        (packet.tcp().unwrap().options, packet.anomalies)
    };
    let (options, anomalies) =
        decode_options(&[2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0]);
    assert!(anomalies.is_empty());
    assert_eq!(options.mss, Some(1460));
    assert_eq!(options.window_scale, Some(7));
    assert_eq!(options.timestamps, Some((9, 8)));
    assert!(options.sack_permitted && !options.signed);
    for bad in [[2, 3, 0, 0], [2, 0, 0, 0], [1, 1, 1, 2], [9, 200, 0, 0]] {
        assert!(decode_options(&bad).1.contains(Anomaly::OptionsMalformed), "{bad:?}");
    }
    // What follows the end of the options is not read.
    assert!(decode_options(&[0, 2, 0, 0]).1.is_empty());
    assert!(decode_options(&[19, 4, 0, 0]).0.signed);
}

#[test]
fn flags_that_no_stack_sends() {
    for (flags, odd) in
        [(0x00, true), (0x03, true), (0x06, true), (0x01, true), (0x12, false), (0x11, false), (0x04, false)]
    {
        let mut bytes = tcp4(b"");
        bytes[33] = flags;
        assert_eq!(decode(&bytes).anomalies.contains(Anomaly::BadFlags), odd, "{flags:x}");
    }
}

#[test]
fn land() {
    let mut bytes = tcp4(b"");
    bytes.copy_within(12..16, 16);
    assert!(decode(&bytes).anomalies.is_empty(), "a host may call itself");
    bytes.copy_within(20..22, 22);
    only(&decode(&bytes), Anomaly::Land);
}

#[test]
fn checksums_when_asked_for() {
    let good = tcp4(b"hello");
    assert!(decode_with(&good, Checksums::Verify).anomalies.is_empty());
    let mut bad = good.clone();
    bad[40] ^= 1;
    assert!(decode(&bad).anomalies.is_empty());
    only(&decode_with(&bad, Checksums::Verify), Anomaly::BadChecksum);
    only(&decode_with(&bad, Checksums::VerifyUnlessOffloaded), Anomaly::BadChecksum);
    let mut header = good.clone();
    header[8] ^= 1;
    only(&decode_with(&header, Checksums::Verify), Anomaly::BadChecksum);
    // Left to the card: the field holds the pseudo-header's sum.
    let mut offloaded = good.clone();
    let packet = decode(&good);
    let partial = checksum::pseudo_header(packet.source, packet.destination, 6, 25).partial();
    offloaded[36..38].copy_from_slice(&partial.to_be_bytes());
    only(&decode_with(&offloaded, Checksums::Verify), Anomaly::BadChecksum);
    assert!(decode_with(&offloaded, Checksums::VerifyUnlessOffloaded).anomalies.is_empty());
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let mut rest = vec![60, 0, 1, 4, 0, 0, 0, 0]; // hop-by-hop, then destination options
    rest.extend([51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // then authentication
    rest.extend([6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // 12 bytes, then TCP
    rest.extend(tcp_header());
    rest.extend(b"hello");
    let bytes = ipv6(0, &rest);
    let packet = decode(&bytes);
    assert!(packet.anomalies.is_empty(), "{packet:?}");
    assert_eq!(packet.payload(), b"hello");
    assert_eq!(packet.tcp().unwrap().destination_port, 80);
}

#[test]
fn endless_extension_headers_end() {
    let mut rest = Vec::new();
    for _ in 0..100 {
        rest.extend([60, 0, 1, 4, 0, 0, 0, 0]);
    }
    let bytes = ipv6(60, &rest);
    let packet = decode(&bytes);
    only(&packet, Anomaly::TooManyExtensionHeaders);
    assert!(matches!(packet.transport, Transport::Undecodable(_)));
    only(&decode(&ipv6(60, &[6, 200, 0, 0, 0, 0, 0, 0])), Anomaly::BadHeaderLength);
    only(&decode(&ipv6(60, &[])), Anomaly::Truncated);
}

#[test]
fn fragments_are_known() {
    let mut bytes = tcp4(&[7; 12]);
    bytes[6] = 0x20;
    bytes[7] = 2;
    bytes[4] = 9;
    let packet = decode(&bytes);
    assert_eq!(packet.fragment, Some(Fragment { offset: 16, more: true, id: 0x0900, protocol: 6 }));
    assert!(matches!(packet.transport, Transport::Fragment(payload) if payload.len() == 32));
    bytes[6] = 0x3f;
    bytes[7] = 0xff;
    only(&decode(&bytes), Anomaly::FragmentTooLong);

    let mut rest = vec![6, 0, 0, 9, 0, 0, 0, 5];
    rest.extend([1; 8]);
    let bytes = ipv6(44, &rest);
    let packet = decode(&bytes);
    assert_eq!(packet.fragment, Some(Fragment { offset: 8, more: true, id: 5, protocol: 6 }));

    let mut atomic = vec![6, 0, 0, 0, 0, 0, 0, 5];
    atomic.extend(tcp_header());
    let bytes = ipv6(44, &atomic);
    let packet = decode(&bytes);
    only(&packet, Anomaly::AtomicFragment);
    assert!(packet.tcp().is_some());
}

#[test]
fn udp_and_icmp() {
    let mut bytes = tcp4(b"");
    bytes[9] = 17;
    bytes[24..28].copy_from_slice(&[0, 12, 0, 0]);
    let packet = decode(&bytes);
    assert!(
        matches!(packet.transport, Transport::Udp(udp) if udp.destination_port == 80 && udp.payload.len() == 4)
    );
    bytes[25] = 7;
    only(&decode(&bytes), Anomaly::BadTotalLength);
    bytes[25] = 60;
    only(&decode(&bytes), Anomaly::Truncated);
    bytes[9] = 1;
    assert!(matches!(decode(&bytes).transport, Transport::Icmp(icmp) if icmp.kind == 0xc3));
    bytes[9] = 47;
    assert!(matches!(decode(&bytes).transport, Transport::Other(_)));
}

#[test]
fn names_are_unique_and_small() {
    let mut all = Anomalies::NONE;
    for anomaly in Anomaly::ALL {
        assert!(!all.contains(*anomaly));
        all.insert(*anomaly);
    }
    let names: std::collections::BTreeSet<_> = all.iter().map(Anomaly::name).collect();
    assert_eq!(names.len(), Anomaly::ALL.len());
    assert_eq!(format!("{:?}", Anomalies::from(Anomaly::Land)), r#"{"land"}"#);
}

#[test]
fn garbage_is_never_a_panic() {
    let mut state = 1u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[4]
    };
    for round in 0..100_000u32 {
        let length = usize::from(next()) % 120;
        let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
        if let Some(first) = bytes.first_mut() {
            *first = if round % 2 == 0 { 0x45 } else { 0x60 };
        }
        // Chains of real headers more often than chance has them.
        if let Some(protocol) = bytes.get_mut(if round % 2 == 0 { 9 } else { 6 }) {
            *protocol = [0, 6, 17, 43, 44, 51, 58, 60][usize::from(*protocol % 8)];
        }
        let packet = decode_with(&bytes, Checksums::VerifyUnlessOffloaded);
        assert!(packet.payload().len() <= bytes.len());
    }
}
