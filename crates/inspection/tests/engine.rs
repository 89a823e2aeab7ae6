//! Behaviour of the whole pipeline through its public face.
use sakimori_inspection::offline::{Conversation, Played, play};
use sakimori_inspection::{Checksums, Config, Engine, FlowMark, Verdict};
use sakimori_model::{Action, Detail, Event, Intrusion, IntrusionPrevention, Mode, Now, PortRange, Sid};
use sakimori_packet::decode_with;
use sakimori_signatures::{RuleSet, SourceFile, Variables, compile};
use std::sync::Arc;

const RULES: &str = r#"
alert http any any -> any any (msg:"Evil path"; flow:to_server,established; http.uri; content:"/evil"; nocase; sid:1; rev:3; reference:cve,2024-0001; classtype:web-application-attack;)
alert http any any -> any any (msg:"Evil body"; flow:to_server,established; http.method; content:"POST"; http.request_body; content:"rm -rf"; pcre:"/^\s+\//R"; sid:2;)
alert tcp any any -> any any (msg:"Raw needle"; flow:to_server,established; content:"NEEDLE-IN-STREAM"; sid:3;)
alert http any any -> any any (msg:"Cookie"; flow:to_server,established; http.cookie; content:"() {"; sid:4;)
"#;

fn rules() -> Arc<RuleSet> {
    let compiled = compile(
        &[SourceFile { name: "t.rules".to_owned(), text: RULES.as_bytes().to_vec() }],
        &Variables::default(),
    );
    assert_eq!(compiled.loaded, 4, "{:#?}", compiled.diagnostics);
    Arc::new(compiled.rules)
}

fn settings(mode: Mode) -> IntrusionPrevention {
    IntrusionPrevention {
        mode,
        default_rule_mode: Mode::Prevent,
        http_ports: vec![PortRange::single(80)],
        ..IntrusionPrevention::default()
    }
}

fn prevent(request: &str, segment: usize) -> Played {
    play(&rules(), &settings(Mode::Prevent), request.as_bytes(), segment)
}

fn intrusion(event: &Event) -> &Intrusion {
    let Detail::Intrusion(intrusion) = &event.detail else { unreachable!("{event:?}") };
    intrusion
}

#[test]
fn an_attack_is_blocked_and_told_in_full() {
    let played = prevent("GET /a/../EVIL?x=1 HTTP/1.1\r\nHost: blog\r\nUser-Agent: t\r\n\r\n", 1460);
    assert!(played.blocked);
    assert!(played.passed.is_empty());
    let [event] = &played.events[..] else { unreachable!("{:?}", played.events) };
    assert_eq!(event.action, Action::Blocked);
    let i = intrusion(event);
    assert_eq!((i.sid, i.revision, i.message.as_str()), (Sid(1), 3, "Evil path"));
    assert_eq!(i.cves, ["CVE-2024-0001"]);
    assert_eq!((i.buffer.as_str(), i.offset, i.length), ("http.uri", 0, 5));
    assert_eq!(i.excerpt, b"/EVIL?x=1");
    let http = i.http.as_ref().unwrap();
    assert_eq!(
        (http.method.as_str(), http.host.as_str(), http.target.as_str()),
        ("GET", "blog", "/a/../EVIL?x=1")
    );
}

#[test]
fn cutting_a_request_into_pieces_hides_nothing() {
    for segment in [1, 2, 3, 7, 50] {
        let played = prevent("GET /%65vil HTTP/1.1\r\nHost: blog\r\n\r\n", segment);
        assert!(played.blocked, "segments of {segment}");
        assert_eq!(played.events.len(), 1);
        let passed = String::from_utf8(played.passed).unwrap();
        assert!(!passed.ends_with("\r\n\r\n"), "the server never gets a whole request: {passed:?}");
    }
}

#[test]
fn a_body_is_judged_across_segments_and_chunks() {
    let request =
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nrm -\r\n5\r\nrf  /\r\n0\r\n\r\n";
    for segment in [1, 5, 1460] {
        assert!(prevent(request, segment).blocked, "segments of {segment}");
    }
    let benign = "POST /x HTTP/1.1\r\nContent-Length: 10\r\n\r\nrm -rf foo";
    assert!(!prevent(benign, 1460).blocked);
}

#[test]
fn the_second_request_of_a_connection_is_judged_like_the_first() {
    let played = prevent("GET / HTTP/1.1\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", 1460);
    assert!(played.blocked);
    let played = prevent("garbage\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", 9);
    assert!(played.blocked);
}

#[test]
fn raw_rules_see_the_stream_across_segments() {
    assert!(prevent("GET /?NEEDLE-IN-STREAM HTTP/1.1\r\n\r\n", 4).blocked);
    assert!(prevent("POST / HTTP/1.1\r\nCookie: a=1\r\nCookie: b=() { :; }\r\n\r\n", 1460).blocked);
}

#[test]
fn visitors_pass_untouched() {
    let request = "GET /index.php?p=1 HTTP/1.1\r\nHost: blog\r\nCookie: a=b\r\n\r\n";
    let played = prevent(request, 1460);
    assert!(!played.blocked && played.events.is_empty() && played.injected.is_empty());
    assert_eq!(played.passed, request.as_bytes());
}

#[test]
fn detect_reports_and_lets_pass() {
    let request = b"GET /evil HTTP/1.1\r\n\r\n";
    let played = play(&rules(), &settings(Mode::Detect), request, 1460);
    assert!(!played.blocked);
    assert_eq!(played.passed, request);
    assert_eq!(played.events.iter().map(|e| e.action).collect::<Vec<_>>(), [Action::Detected]);
}

#[test]
fn a_rule_has_its_own_mode() {
    let mut settings = settings(Mode::Prevent);
    settings.rule_modes.insert(Sid(1), Mode::Detect);
    let played = play(&rules(), &settings, b"GET /evil HTTP/1.1\r\n\r\n", 1460);
    assert!(!played.blocked && played.events.len() == 1);
    settings.rule_modes.insert(Sid(1), Mode::Off);
    let played = play(&rules(), &settings, b"GET /evil HTTP/1.1\r\n\r\n", 1460);
    assert!(!played.blocked && played.events.is_empty());
}

#[test]
fn both_sides_are_told_and_the_visitor_gets_the_incident() {
    let played = prevent("GET /evil HTTP/1.1\r\n\r\n", 1460);
    let incident = intrusion(&played.events[0]).incident.to_string();
    let packets: Vec<_> = played.injected.iter().map(|p| decode_with(p, Checksums::Verify)).collect();
    assert!(packets.iter().all(|p| p.anomalies.is_empty()));
    let segments: Vec<_> = packets.iter().map(|p| p.tcp().unwrap()).collect();
    let to_server: Vec<_> = segments.iter().filter(|t| t.destination_port == 80).collect();
    assert!(to_server.len() == 1 && to_server[0].flags.rst());
    assert_eq!(to_server[0].sequence, 1001, "the first byte the server lacks");
    let page: Vec<u8> =
        segments.iter().filter(|t| t.source_port == 80).flat_map(|t| t.payload.to_vec()).collect();
    let page = String::from_utf8(page).unwrap();
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains(&incident), "{page}");
    let mut without = settings(Mode::Prevent);
    without.answer_page = false;
    let played = play(&rules(), &without, b"GET /evil HTTP/1.1\r\n\r\n", 1460);
    let resets = played
        .injected
        .iter()
        .filter(|p| decode_with(p, Checksums::Verify).tcp().unwrap().flags.rst())
        .count();
    assert_eq!((played.injected.len(), resets), (2, 2));
}

#[test]
fn a_blocked_flow_stays_blocked() {
    let played = prevent("GET /evil HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 5);
    assert!(!String::from_utf8_lossy(&played.passed).contains("GET / "));
    assert_eq!(played.events.len(), 1);
}

#[test]
fn new_rules_judge_a_request_in_progress_from_its_first_byte() {
    let empty = Arc::new(compile(&[], &Variables::default()).rules);
    let mut engine = Engine::new(Config::new(settings(Mode::Prevent), 1, 2), empty);
    let mut connection = Conversation::new(80);
    connection.open(&mut engine);
    // With no rule at all nothing is parsed, so the new rules begin with the next request.
    assert_eq!(connection.send(&mut engine, b"GET / HTTP/1.1\r\n\r\n").verdict, Verdict::Accept);
    engine.swap(settings(Mode::Prevent), rules());
    assert_eq!(connection.send(&mut engine, b"GET /evil HT").verdict, Verdict::Accept);
    engine.swap(settings(Mode::Prevent), rules());
    let judgement = connection.send(&mut engine, b"TP/1.1\r\n\r\n");
    assert_eq!((judgement.verdict, judgement.mark), (Verdict::Drop, FlowMark::Blocked));
}

#[test]
fn garbage_packets_pass_and_are_counted() {
    let mut engine = Engine::new(Config::new(settings(Mode::Prevent), 1, 2), rules());
    for n in 0..2000_u32 {
        let bytes: Vec<u8> =
            (0..n % 90).map(|i| (n.wrapping_mul(2_654_435_761).rotate_left(i % 32) & 0xff) as u8).collect();
        engine.inspect(Now::default(), &bytes, Checksums::VerifyUnlessOffloaded);
    }
    let counters = engine.counters();
    assert_eq!(counters.packets, 2000);
    assert!(counters.not_inspected > 0);
    assert!(engine.memory_bytes() < 10 << 20);
}

#[test]
fn events_are_bounded() {
    let mut config = Config::new(settings(Mode::Detect), 1, 2);
    config.limits.events = 3;
    let mut engine = Engine::new(config, rules());
    let mut connection = Conversation::new(80);
    connection.open(&mut engine);
    for _ in 0..10 {
        connection.send(&mut engine, b"GET /evil HTTP/1.1\r\n\r\n");
    }
    assert_eq!(engine.drain_events().count(), 3);
    assert_eq!(engine.counters().events_lost, 7);
}
