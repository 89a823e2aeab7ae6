//! Captures made here, in each form, through the engine.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its own input is wrong")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use sakimori_packet::Flags;
use sakimori_packet::build::Segment;
use sakimori_recordings::{CaptureError, Options, Replay, Statistics, frames};
use sakimori_signatures::{SourceFile, Variables, compile};
use serde_json::Value;

const RULES: &str = r#"
alert http any any -> any any (msg:"looked at"; http.uri; content:"/etc/passwd"; sid:1; rev:2; gid:3; priority:2;)
drop http any any -> any any (msg:"stopped"; http.uri; content:"/etc/shadow"; sid:4;)
"#;

/// A connection's packets: handshake, one request, its answer, the end.
fn conversation(target: &str) -> Vec<Vec<u8>> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (client, server) =
        (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)));
    let (asked, told) = (u32::try_from(request.len()).unwrap(), u32::try_from(answer.len()).unwrap());
    let to_server = |sequence, acknowledgement, flags, payload| Segment {
        source: client,
        destination: server,
        source_port: 40_000,
        destination_port: 8080,
        sequence,
        acknowledgement,
        flags,
        window: 512,
        timestamps: None,
        payload,
    };
    let to_client = |sequence, acknowledgement, flags, payload| Segment {
        source: server,
        destination: client,
        source_port: 8080,
        destination_port: 40_000,
        ..to_server(sequence, acknowledgement, flags, payload)
    };
    let push = Flags::ACK.with(Flags::PSH);
    let over = Flags::ACK.with(Flags::FIN);
    [
        to_server(99, 0, Flags::SYN, &[][..]),
        to_client(499, 100, Flags::SYN.with(Flags::ACK), &[]),
        to_server(100, 500, Flags::ACK, &[]),
        to_server(100, 500, push, request.as_bytes()),
        to_client(500, 100 + asked, push, answer.as_bytes()),
        to_server(100 + asked, 500 + told, over, &[]),
        to_client(500 + told, 101 + asked, over, &[]),
    ]
    .iter()
    .map(Segment::packet)
    .collect()
}

/// The moment of the first packet: 2024-02-03T04:05:06.789012Z.
const SECONDS: u32 = 1_706_933_106;
const MICROS: u32 = 789_012;

fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00], packet].concat()
}

fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xA1B2_C3D4_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
        file.extend(number.to_le_bytes());
    }
    for (at, packet) in packets.iter().enumerate() {
        let frame = ethernet(packet);
        let length = u32::try_from(frame.len()).unwrap();
        for number in [SECONDS + u32::try_from(at).unwrap(), MICROS, length, length] {
            file.extend(number.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

fn pcapng(packets: &[Vec<u8>]) -> Vec<u8> {
    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = body.len().next_multiple_of(4) - body.len();
        let length = u32::try_from(body.len() + padding + 12).unwrap().to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &[0; 3][..padding], &length].concat()
    }
    let numbers =
        |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = block(0x0A0D_0D0A, &numbers(&[0x1A2B_3C4D, 1, u32::MAX, u32::MAX]));
    file.extend(block(1, &numbers(&[1, 65_535])));
    for (at, packet) in packets.iter().enumerate() {
        let frame = ethernet(packet);
        let length = u32::try_from(frame.len()).unwrap();
        let micros = (u64::from(SECONDS) + at as u64) * 1_000_000 + u64::from(MICROS);
        let [high, low] = [micros >> 32, micros & 0xFFFF_FFFF].map(|half| u32::try_from(half).unwrap());
        let head = numbers(&[0, high, low, length, length]);
        file.extend(block(6, &[head, frame].concat()));
    }
    file
}

fn replay(capture: &[u8], inline: bool) -> (Vec<Value>, Statistics) {
    let files = [SourceFile { name: "test".to_owned(), text: RULES.as_bytes().to_vec() }];
    let compiled = compile(&files, &Variables::default());
    assert_eq!(compiled.loaded, 2, "{:?}", compiled.diagnostics);
    let options =
        Options { inline, ignore_checksums: false, midstream: false, ethernet: false, dns_version: 3 };
    let mut replay = Replay::new(Arc::new(compiled.rules), options);
    let mut events = Vec::new();
    frames(capture, |frame| replay.frame(frame, &mut |event| events.push(event))).unwrap();
    let statistics = replay.end(&mut |event| events.push(event));
    (events, statistics)
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event_type"].as_str().unwrap()).collect()
}

#[test]
fn an_alert_has_the_fields_that_suricatas_users_know() {
    for capture in [pcap, pcapng] {
        let (events, statistics) = replay(&capture(&conversation("/?f=/etc/passwd")), false);
        assert_eq!(kinds(&events), ["alert", "fileinfo", "http", "flow", "stats"]);
        let alert = &events[0];
        for (field, wanted) in [
            ("/timestamp", "2024-02-03T04:05:09.789012+0000".into()),
            ("/pcap_cnt", 4.into()),
            ("/src_ip", "192.0.2.1".into()),
            ("/src_port", 40_000.into()),
            ("/dest_ip", "198.51.100.1".into()),
            ("/dest_port", 8080.into()),
            ("/proto", "TCP".into()),
            ("/app_proto", "http".into()),
            ("/direction", "to_server".into()),
            ("/alert/action", "allowed".into()),
            ("/alert/gid", 3.into()),
            ("/alert/signature_id", 1.into()),
            ("/alert/rev", 2.into()),
            ("/alert/signature", "looked at".into()),
            ("/alert/severity", 2.into()),
            ("/http/hostname", "www.example.com".into()),
            ("/http/url", "/?f=/etc/passwd".into()),
            ("/flow/pkts_toserver", 3.into()),
            ("/flow/pkts_toclient", 1.into()),
        ] {
            assert_eq!(alert.pointer(field), Some(&wanted), "{field} of {alert}");
        }
        for (event, field, wanted) in [
            (1, "/src_ip", Value::from("198.51.100.1")),
            (1, "/pcap_cnt", 5.into()),
            (1, "/fileinfo/filename", "/".into()),
            (1, "/fileinfo/size", 2.into()),
            (1, "/fileinfo/state", "CLOSED".into()),
            (1, "/http/hostname", "www.example.com".into()),
            (2, "/src_ip", "192.0.2.1".into()),
            (2, "/http/url", "/?f=/etc/passwd".into()),
            (2, "/http/http_method", "GET".into()),
            (2, "/http/protocol", "HTTP/1.1".into()),
            (2, "/http/status", 200.into()),
            (2, "/http/length", 2.into()),
        ] {
            assert_eq!(events[event].pointer(field), Some(&wanted), "{field} of {}", events[event]);
        }
        let flow = &events[3];
        assert_eq!(flow["flow_id"], alert["flow_id"]);
        for (field, wanted) in [
            ("/flow/state", Value::from("closed")),
            ("/flow/age", 6.into()),
            ("/flow/alerted", true.into()),
            ("/flow/pkts_toserver", 4.into()),
            ("/tcp/tcp_flags", "1b".into()),
            ("/tcp/fin", true.into()),
        ] {
            assert_eq!(flow.pointer(field), Some(&wanted), "{field} of {flow}");
        }
        assert_eq!((statistics.frames, statistics.alerts, statistics.dropped), (7, 1, 0));
    }
}

#[test]
fn what_rules_drop_is_dropped_only_in_the_traffics_way() {
    let capture = pcap(&conversation("/?f=/etc/shadow"));
    let (events, statistics) = replay(&capture, false);
    assert_eq!((kinds(&events), statistics.dropped), (vec!["alert", "fileinfo", "http", "flow", "stats"], 0));
    assert_eq!(events[0]["alert"]["action"], "allowed");
    let (events, statistics) = replay(&capture, true);
    assert_eq!(kinds(&events)[..2], ["alert", "drop"]);
    assert_eq!(events[0]["alert"]["action"], "blocked");
    assert!(statistics.dropped >= 1, "{statistics:?}");
    let (events, statistics) = replay(&pcap(&conversation("/")), true);
    assert_eq!((kinds(&events), statistics.dropped), (vec!["fileinfo", "http", "flow", "stats"], 0));
}

#[test]
fn broken_captures_are_read_as_far_as_they_go() {
    let whole = pcap(&conversation("/"));
    let mut count = 0;
    let cut = frames(&whole[..whole.len() - 5], |_| count += 1);
    assert!(matches!(cut, Err(CaptureError::Cut(6))), "{cut:?}");
    assert_eq!(count, 6);
    for nothing in [&b""[..], b"no capture at all, but words"] {
        let read = frames(nothing, |_| count += 1);
        assert!(matches!(read, Err(CaptureError::Form | CaptureError::Cut(0))), "{read:?}");
    }
    assert_eq!(count, 6);
}
