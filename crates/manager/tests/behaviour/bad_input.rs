//! What comes from hostile or broken callers: too much, too slow, at the wrong time, and texts that want to be run.
use crate::support::{Home, Site, notice, until};
use reqwest::{Method, StatusCode};
use sakimori_manager::Manager;
use sakimori_manager::clock::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use uuid::Uuid;

/// A connection to the public listener, for bytes of one's own.
async fn connect(site: &Site) -> TlsStream<TcpStream> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(site.manager.authority_pem().as_bytes()).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = TcpStream::connect(site.manager.public()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Everything that comes until the other side ends.
async fn read_all(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    // A connection that is torn down is an end as well.
    let _end = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn fifty_megabytes_are_refused_before_they_are_read() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let mut stream = connect(&site).await;
    let head = "POST /api/v1/policies HTTP/1.1\r\nhost: manager\r\ncontent-type: application/json\r\n\
        authorization: Bearer KEY\r\ncontent-length: 52428800\r\n\r\n";
    let (_, made) = admin.post("/api-keys", json!({"name": "k", "role": "operator"})).await;
    let head = head.replace("KEY", made["secret"].as_str().unwrap());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut sent = 0_usize;
    let piece = vec![b' '; 64 << 10];
    while sent < 52_428_800 {
        match tokio::time::timeout(Duration::from_secs(5), stream.write_all(&piece)).await {
            Ok(Ok(())) => sent += piece.len(),
            // Nobody reads any more.
            _ => break,
        }
    }
    assert!(sent < 30 << 20, "{sent} bytes were taken");
    let answer = read_all(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // Whoever says the length and waits is told at once.
    let big = admin.request(Method::POST, "/policies").header("content-type", "application/json");
    let refused = big.header("expect", "100-continue").body(vec![b' '; 3 << 20]).send().await;
    if let Ok(refused) = refused {
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "too-large");
    }
    assert_eq!(admin.get("/policies").await.0, StatusCode::OK);
}

#[tokio::test]
async fn slow_senders_are_cut_off_while_others_are_served() {
    let clock = Clock::default();
    let home = Home::new();
    let mut options = home.options(&clock);
    options.patience = Duration::from_millis(500);
    let manager = Manager::start(options).await.unwrap();
    let site = Site { clock, manager, home };
    let admin = site.admin().await;
    let begun = Instant::now();
    let slow = async |head: &str, drip: &str| {
        let mut stream = connect(&site).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut answer = Vec::new();
        let drops = async {
            while writer.write_all(drip.as_bytes()).await.is_ok() && writer.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            _end = reader.read_to_end(&mut answer) => {}
            () = drops => {}
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("still there after half a minute: {head}"),
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let body = "POST /api/v1/sessions HTTP/1.1\r\nhost: m\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let others = async {
        for _ in 0..20 {
            assert_eq!(admin.get("/policies").await.0, StatusCode::OK);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // A head in drops; a body that stops; a body in drops.
    let (head, stopped, dripped, ()) = tokio::join!(
        slow("GET /api/v1/policies HTTP/1.1\r\nx: ", "y"),
        slow(body, ""),
        slow(body, " "),
        others
    );
    assert!(!head.contains(" 200 "), "{head}");
    for answer in [stopped, dripped] {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn events_of_computers_with_wrong_clocks_are_kept_found_and_counted() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let times =
        [i64::MIN, -1, 0, 946_684_800_000_000, 4_102_444_800_000_000, 253_402_300_800_000_000, i64::MAX];
    let lines: Vec<String> = times
        .iter()
        .map(|at| {
            let mut event: Value = serde_json::from_str(&notice("skew")).unwrap();
            event["at"] = json!(at);
            event.to_string()
        })
        .collect();
    let (status, answer) = machine.send_events(Uuid::now_v7(), 1, &lines.join("\n")).await;
    assert_eq!((status, &answer["acknowledged"]), (StatusCode::OK, &json!(times.len())), "{answer}");
    let found = admin.list("/events?filter=detail.code%20%3D%20skew").await;
    assert_eq!(found.len(), times.len());
    for event in &found {
        let (at, received) = (event["at"].as_str().unwrap(), event["receivedAt"].as_str().unwrap());
        assert!(at.ends_with('Z'), "{at}");
        assert!(received.starts_with("20"), "the time of arrival is the manager's: {received}");
    }
    let (status, counts) = admin.get("/events/counts?by=severity").await;
    assert_eq!(status, StatusCode::OK, "{counts}");
    let (status, _) = admin.get("/events?from=2000-01-01T00:00:00Z&to=2099-01-01T00:00:00Z").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn of_two_editors_the_second_is_told_of_the_first() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let policy = admin.policy("Base").await;
    let path = format!("/policies/{}", policy["id"].as_str().unwrap());
    let edit = async |etag: &str, mode: &str| {
        let change = json!({"settings": {"intrusion-prevention": {"mode": mode}}});
        admin.send(admin.request(Method::PATCH, &path).header("if-match", etag).json(&change)).await
    };
    let read = policy["etag"].as_str().unwrap();
    let (first, second) = tokio::join!(edit(read, "prevent"), edit(read, "off"));
    let mut statuses = [first.0.as_u16(), second.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let (won, lost) = if first.0 == StatusCode::OK { (first.1, second.1) } else { (second.1, first.1) };
    assert_eq!(lost["code"], "changed-meanwhile");
    let (_, now) = admin.get(&path).await;
    assert_eq!(now["settings"], won["settings"], "nothing of the second is there");
    assert_eq!(edit(now["etag"].as_str().unwrap(), "off").await.0, StatusCode::OK);
}

#[tokio::test]
async fn names_and_log_lines_run_nothing() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let mut check_in = machine.check_in_message(None, 0);
    let hostile = "=cmd|' /C calc'!A0<script>alert(1)</script>\u{1b}]0;x\u{7}";
    let mut full = check_in.full.take().unwrap();
    full.host_name = hostile.to_owned();
    check_in.full = Some(full);
    machine.send_check_in(&check_in).await;
    let mut event: Value = serde_json::from_str(&notice("x")).unwrap();
    event["detail"]["args"][0]["value"] = json!(hostile);
    let (status, answer) = machine.send_events(Uuid::now_v7(), 1, &event.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    until("the event", async || (!admin.list("/events").await.is_empty()).then_some(())).await;

    // JSON, never HTML, whatever stands in it, and nothing may guess otherwise.
    let answer = admin.request(Method::GET, "/computers").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(!answer.text().await.unwrap().contains('\u{1b}'), "control characters are escaped");

    let csv = admin.request(Method::GET, "/events/export?format=csv").send().await.unwrap();
    assert!(csv.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let csv = csv.text().await.unwrap();
    assert!(csv.contains("\"'=cmd") && !csv.contains(",\"=cmd"), "{csv}");
    assert!(!csv.contains('\u{1b}'), "{csv}");
}

#[tokio::test]
async fn who_hangs_up_leaves_nothing_for_the_next() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let lines: Vec<String> = (0..600).map(|number| notice(&format!("n{number}"))).collect();
    assert_eq!(machine.send_events(Uuid::now_v7(), 1, &lines.join("\n")).await.0, StatusCode::OK);
    for round in 0..25 {
        // The head of the answer is here, its body is being read from the database, and nobody wants it any more.
        for _ in 0..4 {
            drop(admin.request(Method::GET, "/events/export?format=jsonl").send().await.unwrap());
        }
        let (status, made) = admin.post("/policies", json!({"name": format!("p{round}")})).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
    }
}

#[tokio::test]
async fn who_sends_a_little_too_much_reads_why() {
    let site = Site::new().await;
    let admin = site.admin().await;
    for (name, bytes) in [("x-nothing", 3 << 20), ("idempotency-key", 3 << 20), ("x-nothing", 12 << 20)] {
        let big = admin.request(Method::POST, "/policies").header("content-type", "application/json");
        let refused = big.header(name, "large").body(vec![b' '; bytes]).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE, "{name} {bytes}");
        assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too-large");
    }
}

/// The head of one answer, and its body by the length that it says.
async fn read_answer(stream: &mut TlsStream<TcpStream>) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(answer).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// The refusal is known with the head, the body comes later: it belongs to this request, and the connection goes on.
#[tokio::test]
async fn who_is_refused_before_the_body_has_come_goes_on_with_the_connection() {
    let site = Site::new().await;
    let mut stream = connect(&site).await;
    let head = "POST /api/v1/policies HTTP/1.1\r\nhost: manager\r\ncontent-type: application/json\r\n\
        content-length: 20\r\n\r\n";
    for _ in 0..3 {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(200), stream.read_u8()).await;
        assert!(early.is_err(), "answered, or cut off, before the body has come: {early:?}");
        stream.write_all(&[b' '; 20]).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
    // Who waits to be told to send is told the end instead.
    let waits = head.replace("content-length", "expect: 100-continue\r\ncontent-length");
    stream.write_all(waits.as_bytes()).await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_text_with_a_nul_is_refused_wherever_it_stands() {
    let site = Site::new().await;
    let admin = site.admin().await;
    for body in [
        json!({"name": "nul", "description": "a\0b"}),
        json!({"name": "nul", "comment": "\0"}),
        json!({"name": "nul", "settings": {"integrity-monitoring": {"sets": {"a\0": null}}}}),
    ] {
        let (status, problem) = admin.post("/policies", body.clone()).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid")), "{body}");
    }
    let credentials = json!({"user": "a\0", "password": "b\0"});
    assert_eq!(site.nobody().post("/sessions", credentials).await.0, StatusCode::BAD_REQUEST);
    for path in ["/computers?q=a%00", "/rules?q=%00", "/policies?cursor=a%00b", "/events?module=%00"] {
        assert_eq!(admin.get(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    for path in ["/alert-conditions/%00", "/policies/%00", "/computers/a%00"] {
        assert_eq!(admin.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(admin.list("/policies").await.iter().all(|policy| policy["name"] != "nul"));
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (status, made) = admin.post("/activation-tokens", json!({"name": "t", "maxUses": 5.0})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["activationToken"]["maxUses"], 5);
    let settings = json!({"anti-malware": {"maxFileBytes": 2048.0}});
    let (status, made) = admin.post("/policies", json!({"name": "p", "settings": settings})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["local"]["anti-malware"]["maxFileBytes"].to_string(), "2048");
    for part in [5.5, -1.0, 1e300] {
        let (status, _) = admin.post("/activation-tokens", json!({"name": "t", "maxUses": part})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{part}");
    }
}

#[tokio::test]
async fn words_and_numbers_that_mean_nothing_are_refused_and_not_passed_over() {
    let site = Site::new().await;
    let admin = site.admin().await;
    for path in [
        "/events?severity=grave",
        "/events/counts?interval=01h",
        "/events/counts?interval=%2B1h",
        "/events/export?format=csv&limit=1000000001",
    ] {
        assert_eq!(admin.get(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    for list in [json!([]), json!([null, null]), json!([null, null, null, null, null])] {
        assert_eq!(admin.patch("/fleet-settings", list.clone()).await.0, StatusCode::BAD_REQUEST, "{list}");
    }
    let export = json!({"format": "csv", "limit": 1_000_000_001});
    assert_eq!(admin.post("/events/exports", export).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(admin.get("/events?severity=high").await.0, StatusCode::OK);
}
