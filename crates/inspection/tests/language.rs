//! The rule language beyond HTTP, as far as the pipeline feeds it: greetings of TLS, packets, raw bytes beside requests, counts.
#![expect(clippy::unwrap_used, reason = "a test ends when its greeting does not fit together")]
use sakimori_inspection::offline::{Conversation, Played, play};
use sakimori_inspection::{Checksums, Config, Engine, Verdict, coverage};
use sakimori_model::{Action, Detail, IntrusionPrevention, Mode, Now, PortRange};
use sakimori_packet::Flags;
use sakimori_packet::build::Segment;
use sakimori_signatures::{RuleSet, SourceFile, Variables, compile};
use std::sync::Arc;

fn rules(text: &str) -> Arc<RuleSet> {
    let file = SourceFile { name: "t.rules".to_owned(), text: text.as_bytes().to_vec() };
    let compiled = compile(&[file], &Variables::default());
    assert_eq!(compiled.refused, 0, "{:#?}", compiled.diagnostics);
    Arc::new(compiled.rules)
}

fn settings(mode: Mode) -> IntrusionPrevention {
    IntrusionPrevention {
        mode: Mode::Prevent,
        default_rule_mode: mode,
        http_ports: vec![PortRange::single(80)],
        ..IntrusionPrevention::default()
    }
}

fn prevent(text: &str, bytes: &[u8], segment: usize) -> Played {
    play(&rules(text), &settings(Mode::Prevent), bytes, segment)
}

/// A client's first message with one extension: the name of the server.
fn greeting(name: &str) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let names = sized(&[&[0][..], &sized(name.as_bytes())].concat());
    let extensions = sized(&[&[0, 0][..], &sized(&names)].concat());
    let body = [&[3, 3][..], &[7; 32], &[0], &sized(&[0x13, 0x01]), &[1, 0], &extensions].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], length.get(1..).unwrap(), &body].concat();
    [&[22, 3, 1][..], &sized(&message)].concat()
}

#[test]
fn the_name_in_a_greeting_is_looked_at_however_it_is_cut() {
    let text = r#"alert tls any any -> any any (msg:"bad name"; flow:to_server,established; tls.sni; dotprefix; content:".evil.example"; nocase; endswith; sid:1;)"#;
    for segment in [1, 7, 1460] {
        let played = prevent(text, &greeting("www.EVIL.example"), segment);
        assert!(played.blocked, "cut at {segment}");
        let Detail::Intrusion(intrusion) = &played.events.first().unwrap().detail else { unreachable!() };
        assert_eq!(intrusion.buffer, "tls.sni");
        assert!(!prevent(text, &greeting("www.notevil.example"), segment).blocked);
    }
    assert!(!prevent(text, b"GET / HTTP/1.1\r\nHost: www.evil.example\r\n\r\n", 1460).blocked);
}

#[test]
fn raw_bytes_and_requests_in_one_rule() {
    let text = r#"alert http any any -> any any (msg:"both"; flow:to_server,established; content:"|0d 0a|X-Odd: 1|0d 0a|"; http.uri; content:"/evil"; sid:1;)"#;
    for segment in [1, 9, 1460] {
        assert!(prevent(text, b"GET /evil HTTP/1.1\r\nX-Odd: 1\r\nHost: a\r\n\r\n", segment).blocked);
        assert!(!prevent(text, b"GET /good HTTP/1.1\r\nX-Odd: 1\r\nHost: a\r\n\r\n", segment).blocked);
        assert!(!prevent(text, b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n", segment).blocked);
    }
}

#[test]
fn packets_one_by_one() {
    let text = r#"alert tcp any any -> any any (msg:"short"; flow:to_server,established; dsize:4; content:"PING"; sid:1;)"#;
    assert!(prevent(text, b"PING", 1460).blocked);
    assert!(!prevent(text, b"PINGS", 1460).blocked);
    assert!(!prevent(text, b"PING", 2).blocked, "a packet is no stream");
}

#[test]
fn the_packet_that_opens_a_connection() {
    let text = r#"alert tcp any any -> any any (msg:"odd window"; flow:stateless; flags:S,12; window:55808; ttl:64; sid:1;)"#;
    for (window, verdict) in [(55_808, Verdict::Drop), (1024, Verdict::Accept)] {
        let mut engine = Engine::new(Config::new(settings(Mode::Prevent), 1, 2), rules(text));
        let packet = Segment {
            source: "192.0.2.1".parse().unwrap(),
            destination: "198.51.100.1".parse().unwrap(),
            source_port: 40_000,
            destination_port: 80,
            sequence: 1,
            acknowledgement: 0,
            flags: Flags::SYN,
            window,
            timestamps: None,
            payload: &[],
        }
        .packet();
        assert_eq!(engine.inspect(Now::default(), &packet, Checksums::Verify).verdict, verdict);
        assert_eq!(engine.drain_events().count(), usize::from(verdict == Verdict::Drop));
    }
}

#[test]
fn a_rule_that_counts_matches_when_the_number_is_reached() {
    let text = r#"alert http any any -> any any (msg:"guessing"; flow:to_server,established; http.uri; content:"/login"; threshold:type both, track by_src, count 3, seconds 60; sid:1;)"#;
    let request = b"GET /login HTTP/1.1\r\nHost: a\r\n\r\n";
    for mode in [Mode::Prevent, Mode::Detect] {
        let mut engine = Engine::new(Config::new(settings(mode), 1, 2), rules(text));
        let mut connection = Conversation::new(80);
        connection.open(&mut engine);
        let verdicts: Vec<Verdict> = (0..3).map(|_| connection.send(&mut engine, request).verdict).collect();
        let last = if mode == Mode::Prevent { Verdict::Drop } else { Verdict::Accept };
        assert_eq!(verdicts, [Verdict::Accept, Verdict::Accept, last]);
        let events: Vec<Action> = engine.drain_events().map(|event| event.action).collect();
        assert_eq!(events, [if mode == Mode::Prevent { Action::Blocked } else { Action::Detected }]);
        connection.send(&mut engine, request);
        assert_eq!(engine.drain_events().count(), 0, "one report in a window");
    }
}

#[test]
fn what_nobody_shows_is_said() {
    let set = rules(concat!(
        "alert http any any -> any any (msg:\"m\"; http.uri; content:\"a\"; sid:1;)\n",
        "alert dns any any -> any any (msg:\"m\"; dns.query; content:\"a\"; sid:2;)\n",
        "alert tls any any -> any any (msg:\"m\"; tls.sni; content:\"a\"; sid:3;)\n",
        "alert tls any any -> any any (msg:\"m\"; tls.cert_subject; content:\"a\"; sid:4;)\n",
        "alert udp any any -> any any (msg:\"m\"; content:\"a\"; sid:5;)\n",
        "alert tcp any any -> any any (msg:\"m\"; content:\"a\"; sid:6;)\n",
        "alert tcp any any -> any any (msg:\"m\"; flow.age:>5; content:\"a\"; sid:7;)\n",
        "alert icmp any any -> any any (msg:\"m\"; itype:8; sid:8;)\n",
    ));
    let mut fed: Vec<u32> =
        set.rules().iter().filter(|rule| coverage::is_fed(rule)).map(|rule| rule.sid.0).collect();
    fed.sort_unstable();
    assert_eq!(fed, [1, 2, 3, 4, 5, 6, 8]);
    let findings = set.unseen(&["t.rules".to_owned()], coverage::is_fed_inline);
    let titles: Vec<&str> = findings.iter().map(|f| f.title.as_str()).collect();
    assert_eq!(findings.len(), 3, "{titles:?}");
    assert!(findings.iter().all(|f| f.code == "S059" && f.source == "t.rules"));
}
