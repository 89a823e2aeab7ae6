//! Events filtered, counted, exported, tagged and written about.
use crate::support::{Machine, Site, intrusion, notice};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write as _;
use uuid::Uuid;

async fn send(machine: &Machine, lines: &[String]) {
    let (status, answer) = machine.send_events(Uuid::now_v7(), 1, &lines.join("\n")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn filter(text: &str) -> String {
    let encoded: String = text.bytes().fold(String::new(), |mut all, b| {
        write!(all, "%{b:02x}").unwrap();
        all
    });
    format!("filter={encoded}")
}

#[tokio::test]
async fn a_filter_narrows_and_says_what_is_wrong_with_it() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    send(
        &machine,
        &[notice("agent-started"), intrusion("SKM-0123-4567-89AB-CDEF"), notice("policy-applied")],
    )
    .await;
    for (text, expected) in [
        ("severity >= high", 1),
        ("severity < high AND module = agent", 2),
        ("detail.sid = 7000000..7000002", 1),
        ("detail.sid > 7000001", 0),
        ("detail.cves = CVE-2017-1001000 OR detail.code = agent-*", 2),
        ("detail.http.target ~ WP-JSON", 1),
        ("NOT detail.http.method = *", 2),
        ("computer = web1 AND NOT (kind = notice)", 1),
        ("detail.args = *", 0),
        ("\"' OR 1=1 --\"", 0),
        ("detail.message = \"' OR '1'='1\"", 0),
        ("at < now", 3),
        ("at > now", 0),
    ] {
        let found = admin.list(&format!("/events?{}", filter(text))).await;
        assert_eq!(found.len(), expected, "{text}");
    }
    let by_id = format!("/events?{}", filter(&format!("computer = {}", machine.id())));
    assert_eq!(admin.list(&by_id).await.len(), 3);
    let (status, problem) =
        admin.get(&format!("/events?{}", filter("severity = hgih OR colour = red"))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let told: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["code"].as_str().unwrap(), e["args"]["column"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("Q008", "12"), ("Q005", "20")]);
    assert_eq!(problem["errors"][0]["pointer"], "/filter");
}

#[tokio::test]
async fn events_are_counted_over_time() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    // 2026-11-18T11:06:40Z and an hour later.
    let later = notice("b").replace("1795000000000000", "1795003600000000");
    assert_ne!(later, notice("b"));
    send(&machine, &[notice("a"), notice("b"), intrusion("SKM-0123-4567-89AB-CDEF"), later]).await;
    let range = "from=2026-11-18T00:00:00Z&to=2026-11-19T00:00:00Z";
    let count = |of: &Value| {
        let counts = of["counts"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        counts
            .into_iter()
            .map(|c| (text(&c["from"]), text(&c["key"]), c["count"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    let row =
        |hour: &str, key: &str, count: u64| (format!("2026-11-18T{hour}:00:00Z"), key.to_owned(), count);
    let (first, second) = ("11", "12");
    let (status, all) = admin.get(&format!("/events/counts?{range}")).await;
    assert_eq!((status, &all["intervalSecs"]), (StatusCode::OK, &json!(3600)));
    assert_eq!(count(&all), [row(first, "", 3), row(second, "", 1)]);
    let (_, by) = admin.get(&format!("/events/counts?{range}&interval=1h&by=severity")).await;
    assert_eq!(count(&by), [row(first, "critical", 1), row(first, "info", 2), row(second, "info", 1)]);
    let (_, by) = admin
        .get(&format!("/events/counts?{range}&interval=1d&by=computer&{}", filter("kind = notice")))
        .await;
    assert_eq!(count(&by), [row("00", "web1", 3)]);
    // What has no rule and no source is not among them.
    let (_, by) = admin.get(&format!("/events/counts?{range}&interval=1d&by=rule")).await;
    assert_eq!(count(&by), [row("00", "intrusion:7000001", 1)]);
    let (_, by) = admin.get(&format!("/events/counts?{range}&interval=1d&by=source")).await;
    assert_eq!(count(&by), [row("00", "203.0.113.9", 1)]);
    for wrong in [
        "interval=1s",
        "interval=0m",
        "interval=",
        "by=colour",
        "interval=1m&from=2020-01-01T00:00:00Z",
        "from=2030-01-01T00:00:00Z",
    ] {
        assert_eq!(admin.get(&format!("/events/counts?{wrong}")).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn an_export_is_whole_and_runs_nothing_in_a_spreadsheet() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let mut machine = Machine::new();
    let token = crate::support::new_token(&admin, json!({"name": "t"})).await;
    let mut message = machine.enrol_message(&token);
    message.host_name = "=cmd|' /C calc'!A0".to_owned();
    let (status, answer) =
        crate::support::post_agent(&site, sakimori_protocol::paths::ENROLL, &message).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let answer: sakimori_protocol::EnrolAnswer = serde_json::from_value(answer).unwrap();
    machine.use_certificate(&site, &answer.certificate);
    let lines: Vec<String> = (0..1200).map(|n| notice(&format!("n{n}"))).collect();
    send(&machine, &lines).await;
    let export = async |query: &str| {
        let answer = admin.request(Method::GET, &format!("/events/export?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
        answer.text().await.unwrap()
    };
    let csv = export("format=csv").await;
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 1201);
    assert!(rows[0].starts_with("id,at,receivedAt"));
    assert!(rows[1].contains("\"'=cmd|' /C calc'!A0\""), "{}", rows[1]);
    assert!(rows[1].contains("\"\"n1199\"\""), "the newest comes first: {}", rows[1]);
    let jsonl = export(&format!("format=jsonl&limit=700&{}", filter("kind = notice"))).await;
    let events: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 700);
    assert_eq!(events[0], admin.list("/events?limit=1").await[0]);
    assert_eq!(export(&format!("format=jsonl&{}", filter("kind = nothing"))).await, "");
    assert_eq!(admin.get("/events/export").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn tags_and_comments_stay_with_their_event() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    send(&machine, &[notice("a"), notice("b")]).await;
    let id = admin.list("/events").await[0]["id"].as_str().unwrap().to_owned();
    let put = async |path: String| admin.send(admin.request(Method::PUT, &path)).await.0;
    for tag in ["review", "review", "pci:10.2"] {
        assert_eq!(put(format!("/events/{id}/tags/{tag}")).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(put(format!("/events/{id}/tags/a%20b")).await, StatusCode::BAD_REQUEST);
    assert_eq!(put(format!("/events/{}/tags/review", Uuid::now_v7())).await, StatusCode::NOT_FOUND);
    let found = admin.list(&format!("/events?{}", filter("tag = review"))).await;
    assert_eq!((found.len(), &found[0]["tags"]), (1, &json!(["pci:10.2", "review"])));
    assert_eq!(admin.list(&format!("/events?{}", filter("tag != review"))).await.len(), 1);
    assert_eq!(admin.delete(&format!("/events/{id}/tags/review")).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.delete(&format!("/events/{id}/tags/review")).await, StatusCode::NOT_FOUND);

    let comments = format!("/events/{id}/comments");
    let text = "a scanner of ours\n<script>alert(1)</script>";
    let (status, made) = admin.post(&comments, json!({"text": text})).await;
    assert_eq!((status, &made["author"]), (StatusCode::CREATED, &json!("test")));
    assert_eq!(admin.post(&comments, json!({"text": " "})).await.0, StatusCode::BAD_REQUEST);
    let site = site.restart().await;
    let admin = site.admin().await;
    assert_eq!(admin.list(&comments).await, [made]);
    assert_eq!(admin.get(&format!("/events/{id}")).await.1["tags"], json!(["pci:10.2"]));
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert_eq!(other.get(&comments).await.0, StatusCode::NOT_FOUND);
    assert_eq!(other.delete(&format!("/events/{id}/tags/pci:10.2")).await, StatusCode::NOT_FOUND);
    let audited = admin.list("/audit-records").await;
    let actions: Vec<&str> =
        audited.iter().filter_map(|r| r["action"].as_str()).filter(|a| a.starts_with("event.")).collect();
    assert_eq!(actions, ["event.comment", "event.untag", "event.tag", "event.tag"]);
}

#[tokio::test]
async fn rules_tag_events_as_they_arrive() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let rule = json!({"name": "grave", "filter": "severity >= high", "tag": "review"});
    let (status, made) = admin.post("/auto-tag-rules", rule.clone()).await;
    assert_eq!((status, &made["enabled"]), (StatusCode::CREATED, &json!(true)), "{made}");
    assert_eq!(admin.post("/auto-tag-rules", rule).await.0, StatusCode::CONFLICT);
    let wrong = json!({"name": "x", "filter": "severity ~ x", "tag": "review"});
    let (status, problem) = admin.post("/auto-tag-rules", wrong).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("Q006")));
    send(&machine, &[notice("a"), intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    let tagged = async |site: &Site| {
        site.admin().await.list(&format!("/events?{}", filter("tag = review"))).await.len()
    };
    assert_eq!(tagged(&site).await, 1);
    let path = format!("/auto-tag-rules/{}", made["id"].as_str().unwrap());
    let (status, off) = admin.patch(&path, json!({"enabled": false})).await;
    assert_eq!((status, &off["enabled"]), (StatusCode::OK, &json!(false)));
    send(&machine, &[intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    assert_eq!(tagged(&site).await, 1, "a rule that is off tags nothing");
    admin.patch(&path, json!({"enabled": true})).await;
    let site = site.restart().await;
    let mut machine = machine;
    let certificate = machine.answer.as_ref().unwrap().certificate.clone();
    machine.use_certificate(&site, &certificate);
    send(&machine, &[intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    assert_eq!(tagged(&site).await, 2, "rules are in force after a restart");
    let stale = site.admin().await;
    let request =
        stale.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({"tag": "other"}));
    assert_eq!(stale.send(request).await.0, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale.delete(&path).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_search_is_kept_by_one_and_seen_by_others_when_shared() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let key = async |role: &str| {
        let (_, made) = admin.post("/api-keys", json!({"name": role, "role": role})).await;
        site.with_key(made["secret"].as_str().unwrap())
    };
    let (auditor, operator) = (key("auditor").await, key("operator").await);
    let own = json!({"name": "mine", "filter": "severity >= high"});
    let (status, mine) = auditor.post("/saved-searches", own.clone()).await;
    assert_eq!((status, &mine["own"]), (StatusCode::CREATED, &json!(true)));
    assert_eq!(auditor.post("/saved-searches", own.clone()).await.0, StatusCode::CONFLICT);
    assert_eq!(
        operator.post("/saved-searches", own).await.0,
        StatusCode::CREATED,
        "names are each one's own"
    );
    let path = format!("/saved-searches/{}", mine["id"].as_str().unwrap());
    assert_eq!(operator.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(auditor.patch(&path, json!({"shared": true})).await.0, StatusCode::FORBIDDEN);
    let shared = json!({"name": "all see it", "filter": "tag = review", "shared": true});
    let (_, shared) = operator.post("/saved-searches", shared).await;
    let path = format!("/saved-searches/{}", shared["id"].as_str().unwrap());
    assert_eq!(auditor.get(&path).await.1["own"], false);
    assert_eq!(auditor.patch(&path, json!({"name": "n"})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(auditor.delete(&path).await, StatusCode::FORBIDDEN);
    let (status, changed) = operator.patch(&path, json!({"filter": "tag in (review, pci)"})).await;
    assert_eq!((status, &changed["filter"]), (StatusCode::OK, &json!("tag in (review, pci)")));
    assert_eq!(operator.patch(&path, json!({"filter": "("})).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(auditor.list("/saved-searches").await.len(), 2);
    assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
}
