//! Connections to the outside, judged by what they ask for.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test ends where its own input is wrong"
)]
use sakimori_inspection::offline::Conversation;
use sakimori_inspection::{
    Checksums, Config, Engine, FlowMark, Judgement, Path, SeenIn, Sighting, Verdict, WebReputation,
};
use sakimori_model::{Action, IntrusionPrevention, Mode, PortRange, Severity};
use sakimori_packet::decode_with;
use sakimori_reputation::Builder;
use sakimori_signatures::{SourceFile, Variables, compile};
use std::sync::Arc;

const RULES: &str = r#"alert http any any -> any any (msg:"Evil path"; flow:to_server,established; http.uri; content:"/evil"; sid:1;)
alert tcp any any -> any any (msg:"Raw"; flow:to_server,established; content:"NEEDLE"; sid:2;)"#;

fn web(mode: Mode) -> WebReputation {
    let mut builder = Builder::new(3);
    let list = b"@category malware\n@severity high\nbad.example.test\nmixed.example.test/evil phishing critical\n198.51.100.1 c2 critical\n";
    assert_eq!(builder.block_list("list", list), []);
    assert_eq!(builder.allow_list("mine", b"fine.bad.example.test\n"), []);
    WebReputation {
        mode,
        ports: vec![PortRange::single(80), PortRange::single(443)],
        block_page: true,
        lists: Arc::new(builder.build()),
    }
}

fn engine(mode: Mode, ips: Mode) -> Engine {
    let source = SourceFile { name: "t.rules".to_owned(), text: RULES.as_bytes().to_vec() };
    let rules = Arc::new(compile(&[source], &Variables::default()).rules);
    let settings =
        IntrusionPrevention { mode: ips, default_rule_mode: Mode::Prevent, ..IntrusionPrevention::default() };
    let mut engine = Engine::new(Config::new(settings, 1, 2), rules);
    engine.set_web_reputation(web(mode));
    engine
}

/// Plays a client's bytes to a fresh engine; gives the last judgement and what was seen.
fn play(
    (mode, ips): (Mode, Mode),
    path: Path,
    port: u16,
    bytes: &[u8],
    segment: usize,
) -> (Judgement, Vec<Sighting>) {
    let engine = &mut engine(mode, ips);
    let mut connection = Conversation::new(port).on(path);
    connection.open(engine);
    let mut last = None;
    for piece in bytes.chunks(segment) {
        let judgement = connection.send(engine, piece);
        let over = judgement.mark != FlowMark::None;
        last = Some(judgement);
        if over {
            break;
        }
    }
    (last.unwrap(), engine.drain_sightings().collect())
}

fn get(host: &str, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

fn hello(name: &str) -> Vec<u8> {
    let vector16 = |content: &[u8]| [&(content.len() as u16).to_be_bytes()[..], content].concat();
    let server_name = vector16(&[&[0][..], &vector16(name.as_bytes())].concat());
    let extensions = [&[0, 0][..], &vector16(&server_name)].concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &vector16(&[0x13, 1]), &[1, 0], &vector16(&extensions)].concat();
    let message = [&[1, 0][..], &vector16(&body)].concat();
    [&[22, 3, 1][..], &vector16(&message)].concat()
}

#[test]
fn a_request_for_a_bad_place_gets_a_page_and_is_told_in_full() {
    for segment in [1, 9, 1460] {
        let modes = (Mode::Prevent, Mode::Off);
        let (judgement, seen) = play(modes, Path::Leaving, 80, &get("cdn.BAD.example.test", "/x?y"), segment);
        assert_eq!((judgement.verdict, judgement.mark), (Verdict::Drop, FlowMark::Blocked));
        let [one] = &seen[..] else { unreachable!("{seen:?}") };
        assert_eq!((one.url.as_str(), one.entry.as_str()), ("cdn.bad.example.test/x?y", "bad.example.test"));
        assert_eq!((one.category.as_str(), one.list.as_str()), ("malware", "list"));
        assert_eq!((one.action, one.severity, one.seen_in), (Action::Blocked, Severity::High, SeenIn::Http));
        assert_eq!((one.client_port, one.server_port), (40_000, 80));
        let page: Vec<u8> = judgement
            .inject
            .iter()
            .flat_map(|i| {
                decode_with(&i.packet, Checksums::Verify)
                    .tcp()
                    .filter(|t| t.source_port == 80)
                    .map(|t| t.payload.to_vec())
                    .unwrap_or_default()
            })
            .collect();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("Site blocked") && page.contains(&one.incident.to_string()), "{page}");
    }
}

#[test]
fn a_greeting_is_judged_by_its_name_and_others_are_never_seen_again() {
    for segment in [1, 20, 1460] {
        let modes = (Mode::Prevent, Mode::Off);
        let (judgement, seen) = play(modes, Path::Leaving, 443, &hello("www.bad.example.test"), segment);
        assert_eq!(
            (judgement.mark, seen.len(), judgement.inject.len()),
            (FlowMark::Blocked, 1, 2),
            "two resets"
        );
        assert_eq!(seen[0].seen_in, SeenIn::Tls);
        let (judgement, seen) = play(modes, Path::Leaving, 443, &hello("fine.bad.example.test"), segment);
        assert_eq!((judgement.verdict, judgement.mark, seen.len()), (Verdict::Accept, FlowMark::Done, 0));
    }
}

#[test]
fn detection_reports_every_request_and_lets_pass() {
    let modes = (Mode::Detect, Mode::Off);
    let two =
        [get("bad.example.test", "/1"), get("good.example.test", "/2"), get("mixed.example.test", "/evil/3")]
            .concat();
    let (judgement, seen) = play(modes, Path::Leaving, 80, &two, 1460);
    assert_eq!((judgement.verdict, judgement.mark), (Verdict::Accept, FlowMark::None));
    let urls: Vec<_> = seen.iter().map(|one| (one.url.as_str(), one.action)).collect();
    assert_eq!(
        urls,
        [("bad.example.test/1", Action::Detected), ("mixed.example.test/evil/3", Action::Detected)]
    );
}

#[test]
fn what_comes_in_is_not_judged_by_its_host_and_what_goes_out_not_by_signatures() {
    let modes = (Mode::Prevent, Mode::Prevent);
    let (judgement, seen) = play(modes, Path::Serving, 80, &get("bad.example.test", "/"), 1460);
    assert_eq!((judgement.verdict, seen.len()), (Verdict::Accept, 0));
    let (judgement, _) = play(modes, Path::Serving, 80, &get("x", "/evil"), 1460);
    assert_eq!(judgement.mark, FlowMark::Blocked);
    let (judgement, _) = play(modes, Path::Leaving, 80, &get("x", "/evil?NEEDLE"), 1460);
    assert_eq!((judgement.verdict, judgement.mark), (Verdict::Accept, FlowMark::None));
    let (judgement, seen) = play(modes, Path::FromContainer, 80, &get("bad.example.test", "/"), 1460);
    assert_eq!((judgement.mark, seen.len()), (FlowMark::Blocked, 1));
    let (judgement, _) = play(modes, Path::FromContainer, 443, &hello("good.example.test"), 1460);
    assert_eq!(judgement.mark, FlowMark::Done);
}

#[test]
fn tunnels_addresses_and_other_protocols() {
    let modes = (Mode::Prevent, Mode::Off);
    let (judgement, seen) =
        play(modes, Path::Leaving, 80, b"CONNECT bad.example.test:443 HTTP/1.1\r\n\r\n", 1460);
    assert_eq!((judgement.mark, seen.len()), (FlowMark::Blocked, 1));
    let (judgement, _) =
        play(modes, Path::Leaving, 80, b"CONNECT good.example.test:443 HTTP/1.1\r\n\r\n", 1460);
    assert_eq!(judgement.mark, FlowMark::Done);
    let (judgement, _) = play(modes, Path::Leaving, 443, b"\x00\x01binary", 1460);
    assert_eq!((judgement.verdict, judgement.mark), (Verdict::Accept, FlowMark::Done));
    let (judgement, seen) = play(modes, Path::Leaving, 80, b"GET / HTTP/1.0\r\n\r\n", 1460);
    assert_eq!(
        (judgement.mark, seen[0].category.as_str()),
        (FlowMark::Blocked, "c2"),
        "the address is on the list"
    );
    let modes = (Mode::Off, Mode::Off);
    let (judgement, seen) = play(modes, Path::Leaving, 80, &get("bad.example.test", "/"), 1460);
    assert_eq!((judgement.mark, seen.len()), (FlowMark::None, 0));
}
