//! Events ranked by their severity and by what their computer is worth.
use crate::support::{Machine, Site, intrusion, notice};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn send(machine: &Machine, lines: &[String]) {
    let (status, answer) = machine.send_events(Uuid::now_v7(), 1, &lines.join("\n")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn attack(severity: &str) -> String {
    intrusion("SKM-0123-4567-89AB-CDEF").replace("critical", severity)
}

fn ranks(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["rank"].as_u64().unwrap()).collect()
}

/// Two computers, one worth 90 and one worth 1, with events of two days.
async fn site() -> (Site, Machine, Machine) {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (dear, cheap) = (site.machine(&admin).await, site.machine(&admin).await);
    let worth = async |machine: &Machine, value: u32| {
        let path = format!("/computers/{}", machine.id());
        assert_eq!(admin.patch(&path, json!({"assetValue": value})).await.0, StatusCode::OK);
    };
    worth(&dear, 90).await;
    send(&cheap, &[attack("critical"), notice("a"), attack("medium")]).await;
    send(&dear, &[attack("low"), notice("b")]).await;
    site.clock.advance(Duration::from_hours(24));
    send(&dear, &[attack("critical")]).await;
    // It was worth that at the time; what comes later is of another worth.
    worth(&dear, 10).await;
    send(&dear, &[attack("critical"), attack("high")]).await;
    (site, dear, cheap)
}

const RANKED: [u64; 8] = [9000, 2250, 1000, 750, 100, 90, 50, 1];

#[tokio::test]
async fn the_highest_rank_comes_first_and_parts_follow_each_other() {
    let (site, dear, cheap) = site().await;
    let admin = site.admin().await;
    let all = admin.list("/events?sort=rank").await;
    assert_eq!(ranks(&all), RANKED);
    let first = &all[0];
    assert_eq!((&first["assetValue"], &first["computerId"]), (&json!(90), &json!(dear.id())));
    assert_eq!(all[1]["assetValue"], 90, "what it was worth when the event arrived");
    assert_eq!(all[2]["assetValue"], 10);

    for limit in [1, 2, 3, 7] {
        let (mut found, mut query) = (Vec::new(), format!("/events?sort=rank&limit={limit}"));
        loop {
            let (status, page) = admin.get(&query).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{limit}");
            found.extend(items.iter().cloned());
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            query = format!("/events?sort=rank&limit={limit}&cursor={cursor}");
        }
        assert_eq!(found, all, "{limit} at a time");
    }

    // Of one rank the newest comes first.
    send(&cheap, &[attack("medium"), attack("medium")]).await;
    let same = admin.list("/events?sort=rank&filter=rank%3D50").await;
    let mut newest = admin.list("/events?filter=rank%3D50").await;
    assert_eq!((same.len(), &same), (3, &newest));
    newest.sort_by_key(|event| std::cmp::Reverse(event["id"].as_str().unwrap().to_owned()));
    assert_eq!(same, newest);

    // A cursor is of one order.
    let cursor = |page: Value| page["nextCursor"].as_str().unwrap().to_owned();
    let by_time = cursor(admin.get("/events?limit=1").await.1);
    let by_rank = cursor(admin.get("/events?limit=1&sort=rank").await.1);
    for wrong in [
        format!("sort=rank&cursor={by_time}"),
        format!("cursor={by_rank}"),
        format!("sort=rank&cursor=x~{by_time}"),
        "sort=rank&cursor=1~2".to_owned(),
        "sort=colour".to_owned(),
    ] {
        assert_eq!(admin.get(&format!("/events?{wrong}")).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert!(other.list("/events?sort=rank").await.is_empty(), "another tenant's");
}

#[tokio::test]
async fn ranks_are_asked_for_counted_exported_and_told() {
    let (site, dear, _) = site().await;
    let admin = site.admin().await;
    for (filter, expected) in [
        ("rank >= 50", 7),
        ("rank > 50", 6),
        ("rank = 50..1000", 5),
        ("rank < 50", 1),
        ("rank in (1, 9000)", 2),
        ("NOT rank in (1, 9000)", 6),
        ("rank != 50", 7),
        ("assetValue >= 50", 3),
        ("ASSETVALUE = 10 AND severity = high", 1),
    ] {
        let found = admin.list(&format!("/events?filter={}", filter.replace(' ', "%20"))).await;
        assert_eq!(found.len(), expected, "{filter}");
        let range = "from=2026-11-18T00:00:00Z&to=2026-11-19T00:00:00Z";
        let path = format!("/events/counts?{range}&interval=1d&filter={}", filter.replace(' ', "%20"));
        let (_, counts) = admin.get(&path).await;
        assert_eq!(counts["counts"][0]["count"], expected, "{filter}");
    }
    let (status, problem) = admin.get("/events?filter=rank%20%3E%20high").await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("Q010")));
    let (_, top) = admin
        .get("/events/counts?from=2026-11-18T00:00:00Z&to=2026-11-19T00:00:00Z&interval=1d&by=rule&filter=rank%20%3E%20500")
        .await;
    assert_eq!(top["counts"][0]["key"], "intrusion:7000001");
    assert_eq!(top["counts"][0]["count"], 4);

    let export = async |query: &str| {
        let answer = admin.request(Method::GET, &format!("/events/export?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    };
    let lines = export("format=jsonl&sort=rank&limit=3").await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ranks(&lines), RANKED[..3]);
    let csv = export("format=csv&sort=rank").await;
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[0].ends_with(",rank,assetValue"), "{}", rows[0]);
    assert!(rows[1].ends_with("\"9000\",\"90\""), "{}", rows[1]);
    assert_eq!(rows.len(), 9);

    // A rule that tags sees the rank, and so does who listens.
    let rule = json!({"name": "grave", "filter": "rank >= 1000", "tag": "grave"});
    assert_eq!(admin.post("/auto-tag-rules", rule).await.0, StatusCode::CREATED);
    let mut stream = admin.request(Method::GET, "/stream").send().await.unwrap();
    send(&dear, &[attack("critical")]).await;
    let mut text = String::new();
    while !text.contains("\"rank\":1000") {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap();
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    assert!(text.contains("\"assetValue\":10"), "{text}");
    assert_eq!(admin.list("/events?filter=tag%3Dgrave").await.len(), 1);
}
