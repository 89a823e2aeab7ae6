//! Events: kept once, never lost, found again.
use crate::support::{Site, intrusion, notice, pack};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

fn codes(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["detail"]["code"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_batch_sent_again_is_kept_once() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let epoch = Uuid::now_v7();
    let lines = |range: std::ops::RangeInclusive<u32>| {
        range.map(|n| notice(&n.to_string())).collect::<Vec<_>>().join("\n")
    };
    let (status, answer) = machine.send_events(epoch, 1, &lines(1..=3)).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"acknowledged": 3})));
    let (status, answer) = machine.send_events(epoch, 1, &lines(1..=3)).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"acknowledged": 3})));
    let (status, answer) = machine.send_events(epoch, 2, &lines(2..=5)).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"acknowledged": 5})));
    let (status, problem) = machine.send_events(epoch, 8, &lines(8..=8)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("sequence-invalid")));
    assert!(problem["detail"].as_str().unwrap().contains('6'), "{problem}");
    assert_eq!(codes(&admin.list("/events").await), ["5", "4", "3", "2", "1"]);

    // The watermark survives a restart, and a new epoch is a new stream.
    let site = site.restart().await;
    let admin = site.admin().await;
    let mut machine = machine;
    let certificate = machine.answer.as_ref().unwrap().certificate.clone();
    machine.use_certificate(&site, &certificate);
    let (status, answer) = machine.send_events(epoch, 4, &lines(4..=6)).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"acknowledged": 6})));
    assert_eq!(codes(&admin.list("/events").await), ["6", "5", "4", "3", "2", "1"]);
    let (status, answer) = machine.send_events(Uuid::now_v7(), 1, &lines(1..=1)).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"acknowledged": 1})));
    assert_eq!(admin.list("/events").await.len(), 7);
}

#[tokio::test]
async fn a_stream_goes_on_over_midnight_and_after_its_files_were_removed() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let epoch = Uuid::now_v7();
    assert_eq!(machine.send_events(epoch, 1, &notice("1")).await.0, StatusCode::OK);
    site.clock.advance(Duration::from_hours(24));
    let two = format!("{}\n{}", notice("1"), notice("2"));
    assert_eq!(machine.send_events(epoch, 1, &two).await.1, json!({"acknowledged": 2}));
    assert_eq!(codes(&admin.list("/events").await), ["2", "1"]);
    assert_eq!(admin.list("/events?limit=1").await.len(), 1);
    site.clock.advance(Duration::from_hours(40 * 24));
    assert_eq!(machine.send_events(Uuid::now_v7(), 1, &notice("other")).await.0, StatusCode::OK);
    assert_eq!(codes(&admin.list("/events").await), ["other"], "past their time");
    let site = site.restart().await;
    let mut machine = machine;
    let certificate = machine.answer.as_ref().unwrap().certificate.clone();
    machine.use_certificate(&site, &certificate);
    let three = format!("{}\n{}", notice("2"), notice("3"));
    assert_eq!(machine.send_events(epoch, 2, &three).await.1, json!({"acknowledged": 3}));
    assert_eq!(
        codes(&site.admin().await.list("/events").await),
        ["3", "other"],
        "the watermark outlived its file"
    );
}

#[tokio::test]
async fn garbage_is_refused_whole() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let epoch = Uuid::now_v7();
    let half = pack(&notice("x").repeat(50));
    let bomb = pack(&" ".repeat(17 << 20));
    let batches: [(&str, Vec<u8>); 8] = [
        ("not zstd", b"hello".to_vec()),
        ("empty", Vec::new()),
        ("cut", half[..half.len() / 2].to_vec()),
        ("too large unpacked", bomb),
        ("not JSON", pack("{")),
        (
            "not UTF-8",
            ruzstd::encoding::compress_to_vec(&[0xff, 0xfe][..], ruzstd::encoding::CompressionLevel::Fastest),
        ),
        (
            "no severity",
            pack(
                r#"{"at":1,"module":"agent","action":"noted","kind":"notice","detail":{"code":"x","args":[]}}"#,
            ),
        ),
        (
            "second line wrong",
            pack(&format!("{}\n{}", notice("1"), notice("2").replace("\"args\"", "\"arg\""))),
        ),
    ];
    for (what, batch) in batches {
        let (status, problem) = machine.send_batch(epoch, 1, batch).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("message-invalid")),
            "{what}: {problem}"
        );
    }
    let (status, _) = machine.send_batch(epoch, 1, vec![0; (1 << 20) + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(machine.send_batch(epoch, 0, pack(&notice("x"))).await.0, StatusCode::BAD_REQUEST);
    assert!(admin.list("/events").await.is_empty(), "nothing of a refused batch is kept");
    let unknown = notice("x").replace("\"notice\"", "\"of-the-future\"");
    assert_eq!(machine.send_events(epoch, 1, &unknown).await.0, StatusCode::OK);
    assert_eq!(admin.list("/events").await[0]["detail"]["code"], "x", "a kind not known is kept as it is");
}

#[tokio::test]
async fn events_are_found_and_explained() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let lines =
        [notice("agent-started"), intrusion("SKM-0123-4567-89AB-CDEF"), notice("policy-applied")].join("\n");
    machine.send_events(Uuid::now_v7(), 1, &lines).await;
    for query in [
        "q=skm-0123-4567-89ab-cdef",
        "q=CVE-2017-1001000",
        "q=203.0.113.9",
        "severity=critical",
        "action=blocked",
        "module=intrusion-prevention",
        "from=2020-01-01T00:00:00Z&severity=critical",
    ] {
        let found = admin.list(&format!("/events?{query}")).await;
        assert_eq!(found.len(), 1, "{query}");
        assert_eq!(found[0]["detail"]["sid"], 7_000_001);
    }
    assert!(admin.list("/events?to=2020-01-01T00:00:00Z").await.is_empty());
    assert!(admin.list("/events?q=%25").await.is_empty(), "no wildcards");
    assert_eq!(admin.list(&format!("/events?computerId={}", machine.id())).await.len(), 3);
    assert!(admin.list(&format!("/events?computerId={}", Uuid::nil())).await.is_empty());

    let (_, page) = admin.get("/events?limit=2").await;
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = admin.list(&format!("/events?limit=2&cursor={cursor}")).await;
    assert_eq!(codes(&rest), ["agent-started"]);

    let attack = admin.list("/events?severity=critical").await.remove(0);
    let (status, one) = admin.get(&format!("/events/{}", attack["id"].as_str().unwrap())).await;
    assert_eq!((status, &one), (StatusCode::OK, &attack));
    let (en, ja) = (one["explanation"]["en"].as_str().unwrap(), one["explanation"]["ja"].as_str().unwrap());
    assert!(en.contains("203.0.113.9 attacked web1") && en.contains("was blocked"), "{en}");
    assert!(ja.contains("遮断しました") && ja.contains("CVE-2017-1001000"), "{ja}");
}

#[tokio::test]
async fn consoles_are_told_at_once() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    let mut stream = admin.request(Method::GET, "/stream").send().await.unwrap();
    let mut foreign = other.request(Method::GET, "/stream").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    machine.send_events(Uuid::now_v7(), 1, &intrusion("SKM-0123-4567-89AB-CDEF")).await;
    machine.check_in(None).await;
    let mut text = String::new();
    while !text.contains("event: computer") {
        let chunk =
            tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("event: event") && text.contains("SKM-0123-4567-89AB-CDEF"), "{text}");
    let nothing = tokio::time::timeout(Duration::from_millis(500), foreign.chunk()).await;
    assert!(nothing.is_err(), "another tenant is told nothing");
}

#[tokio::test]
async fn many_machines_send_at_once_and_nothing_is_lost() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let token = crate::support::new_token(&admin, json!({"name": "t"})).await;
    let mut senders = Vec::new();
    for _ in 0..8 {
        let mut machine = crate::support::Machine::new();
        machine.enrol(&site, &token).await;
        senders.push(tokio::spawn(async move {
            let epoch = Uuid::now_v7();
            for batch in 0..10_u64 {
                let first = batch * 20 + 1;
                let lines: Vec<String> = (first..first + 20).map(|n| notice(&n.to_string())).collect();
                // As an agent does: until it is acknowledged.
                loop {
                    let (status, answer) = machine.send_events(epoch, first, &lines.join("\n")).await;
                    match status {
                        StatusCode::OK => {
                            assert_eq!(answer["acknowledged"], first + 19);
                            break;
                        }
                        StatusCode::SERVICE_UNAVAILABLE => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        other => panic!("{other}: {answer}"),
                    }
                }
            }
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let (mut kept, mut query) = (0, "?limit=500".to_owned());
    loop {
        let (_, page) = admin.get(&format!("/events{query}")).await;
        kept += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        query = format!("?limit=500&cursor={cursor}");
    }
    assert_eq!(kept, 8 * 10 * 20);
}
