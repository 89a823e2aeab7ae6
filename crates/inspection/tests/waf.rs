//! The web application firewall over HTTP as it comes in packets.
#![expect(clippy::unwrap_used, reason = "a test ends where its own input is wrong")]
use sakimori_inspection::offline::Conversation;
use sakimori_inspection::{BodyLimits, Config, Engine, FlowMark, Judgement, WebAttack, WebFirewall};
use sakimori_model::{Action, IntrusionPrevention, Mode, Severity};
use sakimori_seclang::{NoFiles, RECOMMENDED, SourceFile, compile};
use sakimori_signatures::{Variables, compile as compile_signatures};
use std::sync::Arc;

/// Scores as the Core Rule Set keeps them.
const RULES: &str = r#"
SecRequestBodyLimit 67108864
SecRequestBodyNoFilesLimit 67108864
SecAction "id:1,phase:1,pass,nolog,setvar:tx.inbound_anomaly_score_threshold=5,setvar:tx.blocking_paranoia_level=1"
SecRule ARGS|REQUEST_HEADERS:User-Agent "@contains union select" "id:942100,phase:2,pass,log,t:none,t:lowercase,t:urlDecodeUni,msg:'SQL injection',logdata:'%{MATCHED_VAR}',severity:2,tag:'attack-sqli',tag:'paranoia-level/1',setvar:tx.blocking_inbound_anomaly_score=+5"
SecRule FILES "@endsWith .php" "id:933110,phase:2,pass,log,msg:'PHP upload',severity:2,setvar:tx.blocking_inbound_anomaly_score=+5"
SecRule ARGS "@contains odd" "id:920300,phase:2,pass,log,msg:'Odd',severity:5,setvar:tx.blocking_inbound_anomaly_score=+2"
SecAction "id:2,phase:1,pass,nolog,setvar:tx.outbound_anomaly_score_threshold=4"
SecRule RESPONSE_BODY "@contains SQL syntax" "id:951100,phase:4,pass,log,msg:'Error of a database',severity:3,setvar:tx.blocking_outbound_anomaly_score=+4"
SecRule RESPONSE_HEADERS:X-Leak "@rx ." "id:950100,phase:3,deny,log,msg:'Leak',severity:2"
SecRule TX:blocking_outbound_anomaly_score "@ge %{tx.outbound_anomaly_score_threshold}" "id:959100,phase:4,deny,log,msg:'Outbound score exceeded'"
SecRule TX:blocking_inbound_anomaly_score "@ge %{tx.inbound_anomaly_score_threshold}" "id:949110,phase:2,deny,log,msg:'Score exceeded'"
"#;

fn firewall(mode: Mode) -> WebFirewall {
    let engine = if mode == Mode::Prevent { "SecRuleEngine On" } else { "SecRuleEngine DetectionOnly" };
    let file = |text: &str| SourceFile { name: "t.conf".to_owned(), text: text.as_bytes().to_vec() };
    let responses = file("SecResponseBodyAccess On\nSecResponseBodyLimit 4000");
    let compiled = compile(&[file(RECOMMENDED), file(RULES), file(engine), responses], &NoFiles);
    assert_eq!(compiled.diagnostics, []);
    WebFirewall {
        mode,
        rules: Arc::new(compiled.ruleset.unwrap()),
        limits: BodyLimits {
            plain: 200_000,
            upload: 400_000,
            paths: vec![("/big/*".to_owned(), 300_000), ("/big/small".to_owned(), 1000)],
            partial: false,
        },
        tells_all: false,
    }
}

fn engine(web: WebFirewall) -> Engine {
    let rules = Arc::new(compile_signatures(&[], &Variables::default()).rules);
    let settings = IntrusionPrevention { mode: Mode::Off, ..IntrusionPrevention::default() };
    let mut engine = Engine::new(Config::new(settings, 1, 2), rules);
    engine.set_web_firewall(Some(web));
    engine
}

/// Plays bytes in pieces until the flow is blocked.
fn send(engine: &mut Engine, connection: &mut Conversation, bytes: &[u8], segment: usize) -> Judgement {
    let mut last = None;
    for piece in bytes.chunks(segment) {
        let judgement = connection.send(engine, piece);
        let over = judgement.mark != FlowMark::None;
        last = Some(judgement);
        if over {
            break;
        }
    }
    last.unwrap()
}

fn play(web: WebFirewall, bytes: &[u8], segment: usize) -> (bool, Vec<WebAttack>) {
    let engine = &mut engine(web);
    let mut connection = Conversation::new(80);
    connection.open(engine);
    let judgement = send(engine, &mut connection, bytes, segment);
    (judgement.mark == FlowMark::Blocked, engine.drain_web_attacks().collect())
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n").into_bytes()
}

fn post(target: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: a.test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn an_injection_is_blocked_with_what_where_and_how_much() {
    for segment in [1, 7, 4096] {
        let (blocked, attacks) = play(firewall(Mode::Prevent), &get("/s?x=1&id=1+UNION+SELECT+2"), segment);
        assert!(blocked);
        let [attack] = attacks.as_slice() else { panic!("{attacks:?}") };
        assert_eq!((attack.action, attack.severity), (Action::Blocked, Severity::High));
        assert_eq!((attack.score, attack.threshold, attack.decided_by), (5, 5, 949_110));
        assert_eq!((attack.path.as_str(), attack.paranoia_level), ("/s", 1));
        let [rule] = attack.rules.as_slice() else { panic!("{attack:?}") };
        assert_eq!((rule.id, rule.paranoia_level, rule.message.as_str()), (942_100, 1, "SQL injection"));
        assert_eq!(rule.targets[0].0, "ARGS:id");
        assert!(rule.targets[0].1.contains("union select"), "{rule:?}");
    }
    let (blocked, attacks) = play(firewall(Mode::Prevent), &get("/s?q=the+union+selected+him"), 4096);
    assert!(blocked && attacks.len() == 1, "the test's own rule looks no closer");
    let (blocked, attacks) = play(firewall(Mode::Prevent), &get("/s?q=green+tea"), 4096);
    assert!(!blocked && attacks.is_empty());
}

#[test]
fn detection_says_what_would_be_blocked_and_lets_pass() {
    let (blocked, attacks) = play(firewall(Mode::Detect), &get("/s?id=1+union+select+2"), 4096);
    assert!(!blocked);
    assert_eq!(attacks.len(), 1);
    assert!(attacks[0].would_block && attacks[0].action == Action::Detected);
    // Below the threshold it is told where that was asked for.
    let (_, attacks) = play(firewall(Mode::Detect), &get("/s?id=odd"), 4096);
    assert_eq!(attacks, []);
    let telling = WebFirewall { tells_all: true, ..firewall(Mode::Detect) };
    let (_, attacks) = play(telling, &get("/s?id=odd"), 4096);
    assert_eq!((attacks[0].would_block, attacks[0].score), (false, 2));
}

#[test]
fn a_head_is_judged_before_its_body_comes_and_the_body_with_its_last_byte() {
    let request = post("/s?id=1+union+select+2", FORM, b"a=b");
    let head = request.len() - 3;
    let (blocked, attacks) = play(firewall(Mode::Prevent), &request[..head], 4096);
    assert!(blocked, "servers act on a head before the body is there");
    assert_eq!(attacks.len(), 1);
    let (blocked, attacks) = play(firewall(Mode::Detect), &request, 4096);
    assert!(!blocked);
    assert_eq!(attacks.len(), 1, "told once");

    let request = post("/s", FORM, b"a=1+union+select+2");
    let (blocked, attacks) = play(firewall(Mode::Prevent), &request[..request.len() - 1], 4096);
    assert!(!blocked && attacks.is_empty());
    let (blocked, attacks) = play(firewall(Mode::Prevent), &request, 3);
    assert!(blocked);
    assert_eq!(attacks[0].rules[0].targets[0].0, "ARGS:a");
}

#[test]
fn each_request_of_a_connection_is_judged_by_itself() {
    let requests = [get("/a?x=odd"), get("/b?x=odd"), get("/c?x=odd")].concat();
    let (blocked, attacks) = play(firewall(Mode::Prevent), &requests, 5000);
    assert!(!blocked && attacks.is_empty(), "scores do not add up over requests");
    let requests = [get("/a"), get("/b?x=union+select"), get("/c")].concat();
    let (blocked, attacks) = play(firewall(Mode::Prevent), &requests, 5000);
    assert!(blocked && attacks.len() == 1);
}

#[test]
fn bodies_longer_than_the_policy_allows_are_refused_or_looked_at_in_part() {
    let plain = |target: &str, bytes: usize| {
        let mut body = b"a=union+select&b=".to_vec();
        body.resize(bytes, b'x');
        post(target, FORM, &body)
    };
    let clean =
        |target: &str, bytes: usize| post(target, FORM, &[b"a=", vec![b'x'; bytes].as_slice()].concat());
    let by_limit = |request: &[u8], web: WebFirewall| {
        let (blocked, attacks) = play(web, request, 1400);
        assert_eq!(blocked, !attacks.is_empty());
        attacks.first().map(|attack| attack.decided_by)
    };
    assert_eq!(by_limit(&clean("/a", 190_000), firewall(Mode::Prevent)), None);
    assert_eq!(by_limit(&clean("/a", 210_000), firewall(Mode::Prevent)), Some(0));
    assert_eq!(by_limit(&clean("/big/x", 290_000), firewall(Mode::Prevent)), None);
    assert_eq!(
        by_limit(&clean("/big/small", 2000), firewall(Mode::Prevent)),
        Some(0),
        "the longest path counts"
    );
    // What stands at the end of a long body is seen, beyond what signatures look at.
    let mut late = b"b=".to_vec();
    late.resize(180_000, b'x');
    late.extend_from_slice(b"&a=union+select");
    assert_eq!(by_limit(&post("/a", FORM, &late), firewall(Mode::Prevent)), Some(949_110));

    let partial = || {
        let mut web = firewall(Mode::Prevent);
        web.limits.partial = true;
        web
    };
    assert_eq!(by_limit(&clean("/a", 210_000), partial()), None);
    assert_eq!(by_limit(&plain("/a", 210_000), partial()), Some(949_110));
}

#[test]
fn uploads_have_their_own_limit_and_are_read_in_part_as_forms() {
    let upload = |name: &str, bytes: usize| {
        let head = format!(
            "--b0\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
        );
        let body = [head.as_bytes(), &vec![0x89; bytes], b"\r\n--b0--\r\n"].concat();
        post("/up", "multipart/form-data; boundary=b0", &body)
    };
    let (blocked, attacks) = play(firewall(Mode::Prevent), &upload("tea.png", 390_000), 1400);
    assert!(!blocked, "{attacks:?}");
    let (blocked, attacks) = play(firewall(Mode::Prevent), &upload("shell.php", 390_000), 1400);
    assert!(blocked);
    assert_eq!(attacks[0].rules[0].id, 933_110);
    let mut web = firewall(Mode::Prevent);
    web.limits.partial = true;
    let (blocked, attacks) = play(web.clone(), &upload("tea.png", 600_000), 1400);
    assert!(!blocked, "a form that was cut is no broken one: {attacks:?}");
    let (blocked, _) = play(web, &upload("shell.php", 600_000), 1400);
    assert!(blocked);
}

#[test]
fn a_firewall_swaps_whole_between_packets() {
    let engine = &mut engine(firewall(Mode::Prevent));
    let mut connection = Conversation::new(80);
    connection.open(engine);
    let request = post("/s", FORM, b"a=1+union+select+2");
    send(engine, &mut connection, &request[..request.len() - 4], 4096);
    engine.set_web_firewall(Some(firewall(Mode::Detect)));
    let judgement = send(engine, &mut connection, &request[request.len() - 4..], 4096);
    assert_eq!(judgement.mark, FlowMark::None);
    assert_eq!(engine.drain_web_attacks().count(), 1);
    engine.set_web_firewall(Some(firewall(Mode::Prevent)));
    let judgement = send(engine, &mut connection, &get("/?a=union+select"), 4096);
    assert_eq!(judgement.mark, FlowMark::Blocked);
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// What becomes of a response in pieces; whether it was blocked, how many bytes went out, and what was told.
fn answered(web: WebFirewall, pieces: &[&[u8]]) -> (bool, usize, Vec<WebAttack>) {
    let engine = &mut engine(web);
    let mut connection = Conversation::new(80);
    connection.open(engine);
    send(engine, &mut connection, &get("/shop?x=1"), 4096);
    let mut passed = 0;
    for piece in pieces {
        let judgement = connection.answer(engine, piece);
        if judgement.mark == FlowMark::Blocked {
            return (true, passed, engine.drain_web_attacks().collect());
        }
        passed += piece.len();
    }
    (false, passed, engine.drain_web_attacks().collect())
}

const HTML: &str = "Content-Type: text/html\r\n";

#[test]
fn a_response_that_leaks_is_cut_off_with_its_last_bytes_and_told_with_its_request() {
    let whole = response(HTML, b"You have an error in your SQL syntax near");
    let (first, rest) = whole.split_at(whole.len() - 10);
    let (blocked, passed, attacks) = answered(firewall(Mode::Prevent), &[first, rest]);
    assert!(blocked && passed == first.len());
    let [attack] = attacks.as_slice() else { panic!("{attacks:?}") };
    assert!(attack.response && attack.would_block);
    assert_eq!((attack.score, attack.threshold, attack.decided_by), (4, 4, 959_100));
    assert_eq!((attack.path.as_str(), attack.http.target.as_str()), ("/shop", "/shop?x=1"));
    assert_eq!(attack.rules[0].id, 951_100);
    let (blocked, _, attacks) = answered(firewall(Mode::Detect), &[&whole]);
    assert!(!blocked && attacks.len() == 1);
    let (blocked, _, attacks) = answered(firewall(Mode::Prevent), &[&response(HTML, b"green tea")]);
    assert!(!blocked && attacks.is_empty());
    let image = response("Content-Type: image/png\r\n", b"SQL syntax");
    assert!(!answered(firewall(Mode::Prevent), &[&image]).0, "its type is not looked at");
    let (blocked, passed, _) = answered(firewall(Mode::Prevent), &[&response("X-Leak: 1\r\n", b"tea")]);
    assert!(blocked && passed == 0, "a head is judged as soon as it is whole");
}

#[test]
fn streams_go_on_and_only_the_beginning_of_a_long_body_is_looked_at() {
    let mut long = vec![b'x'; 5000];
    long.extend_from_slice(b"SQL syntax");
    assert!(!answered(firewall(Mode::Prevent), &[&response(HTML, &long)]).0);
    let stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let (blocked, passed, _) = answered(firewall(Mode::Prevent), &[stream, b"data: 1\n\n", b"data: 2\n\n"]);
    assert!(!blocked && passed == stream.len() + 18);
    let upgraded = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    let (blocked, _, attacks) =
        answered(firewall(Mode::Prevent), &[upgraded, b"\x81\x0aSQL syntax", b"\x81\x01a"]);
    assert!(!blocked && attacks.is_empty());
}

#[test]
fn each_response_belongs_to_its_request() {
    let engine = &mut engine(firewall(Mode::Detect));
    let mut connection = Conversation::new(80);
    connection.open(engine);
    send(engine, &mut connection, &[get("/a"), get("/b")].concat(), 4096);
    connection.answer(engine, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.answer(engine, &response(HTML, b"fine"));
    connection.answer(engine, &response(HTML, b"SQL syntax"));
    let attacks: Vec<WebAttack> = engine.drain_web_attacks().collect();
    assert_eq!(attacks.iter().map(|attack| attack.path.as_str()).collect::<Vec<_>>(), ["/b"]);
}
