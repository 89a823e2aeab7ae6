//! Newer rules: fetched, checked, and in force whole or not at all.
use crate::support::{Api, Home, Site, client, until};
use reqwest::StatusCode;
use sakimori_content::{Pack, SignedPack, SigningKey};
use sakimori_manager::clock::Clock;
use sakimori_manager::content::Content;
use sakimori_manager::{ContentSource, Options};
use sakimori_protocol::{Bundle, paths};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A source of packs that answers as it is told.
#[derive(Clone)]
struct Shelf {
    port: u16,
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shelf = Self { port, answer: Arc::default(), asked: Arc::default() };
        let ours = shelf.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                ours.asked.lock().unwrap().push(String::from_utf8(head).unwrap().to_ascii_lowercase());
                let answer = ours.answer.lock().unwrap().clone();
                // Whoever refuses an answer may hang up before it has all of it.
                let _gone = stream.write_all(&answer).await;
                let _gone = stream.shutdown().await;
            }
        });
        shelf
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/virtual-patches.json", self.port)
    }

    fn answers(&self, head: &str, body: &[u8]) {
        let answer = [format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes(), body].concat();
        *self.answer.lock().unwrap() = answer;
    }

    fn gives(&self, text: &str) {
        self.answers(&format!("200 OK\r\ncontent-length: {}", text.len()), text.as_bytes());
    }

    fn last_asked(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap()
    }
}

const ADDED: &str =
    "alert http any any -> any any (msg:\"New\"; http.uri; content:\"/new-hole\"; sid:7999999; rev:1;)";

/// The product's pack as another version: one rule more, one changed, one less.
fn pack(version: u64, change: impl FnOnce(&mut Value)) -> Pack {
    let mut pack = serde_json::to_value(Pack::embedded().unwrap()).unwrap();
    pack["info"]["version"] = json!(version);
    pack["info"]["date"] = json!("2026-12-01");
    let text = pack["rules"][0]["text"].as_str().unwrap().to_owned();
    let lines = text.lines().filter(|line| !line.contains("sid:7000021;"));
    let mut lines: Vec<String> =
        lines.map(|line| line.replace("sid:7000020; rev:1;", "sid:7000020; rev:2;")).collect();
    lines.push(format!("{ADDED}\n"));
    pack["rules"][0]["text"] = json!(lines.join("\n"));
    pack["metadata"].as_object_mut().unwrap().remove("7000021");
    change(&mut pack);
    serde_json::from_value(pack).unwrap()
}

fn sealed(pack: &Pack, key: &SigningKey) -> String {
    SignedPack::seal(pack, key).unwrap().to_text().unwrap()
}

/// A manager with the product's rules and a source.
fn with(place: &str, key: &SigningKey) -> impl Fn(&mut Options) + use<> {
    let (place, key) = (place.to_owned(), key.verifying_key());
    move |options| {
        options.content = Some(Content::of_pack(&Pack::embedded().unwrap()).unwrap());
        options.content_source = Some(ContentSource { place: place.clone(), key });
    }
}

async fn task(admin: &Api) -> String {
    let new = json!({"name": "Rules", "kind": "content-update", "schedule": "0 4 * * *"});
    let (status, made) = admin.post("/tasks", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    format!("/tasks/{}", made["id"].as_str().unwrap())
}

/// Runs the task: how it ended, and its words.
async fn run(admin: &Api, task: &str) -> (String, String) {
    let (status, run) = admin.post(&format!("{task}/runs"), json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{run}");
    let id = run["id"].clone();
    let ended = until("the run has ended", async || {
        let run = admin.list(&format!("{task}/runs?limit=1")).await.into_iter().next()?;
        (run["id"] == id && run["state"] != "running").then_some(run)
    })
    .await;
    let text = |name: &str| ended[name].as_str().unwrap().to_owned();
    (text("state"), text("message"))
}

async fn version(admin: &Api) -> u64 {
    admin.get("/content").await.1["version"].as_u64().unwrap()
}

#[tokio::test]
async fn newer_rules_come_into_force_and_reach_computers() {
    let key = SigningKey::generate().unwrap();
    let shelf = Shelf::start().await;
    let set = with(&shelf.url(), &key);
    let site = Site::at(Clock::default(), Home::new(), &set).await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let there = Pack::embedded().unwrap();
    let (_, content) = admin.get("/content").await;
    assert_eq!(
        (&content["version"], &content["updatedAt"], &content["source"]),
        (&json!(there.info().version), &Value::Null, &json!(true))
    );
    let task = task(&admin).await;

    // What is in force already changes nothing.
    shelf.gives(&sealed(&there, &key));
    let (state, words) = run(&admin, &task).await;
    assert_eq!(state, "succeeded", "{words}");
    assert!(words.starts_with("Nothing newer: version 1 "), "{words}");

    let text = sealed(&pack(3, |_| {}), &key);
    shelf.answers(&format!("200 OK\r\netag: \"three\"\r\ncontent-length: {}", text.len()), text.as_bytes());
    let (state, words) = run(&admin, &task).await;
    assert_eq!(state, "succeeded", "{words}");
    assert_eq!(
        words,
        "Version 3 of 2026-12-01 is in force: rules 1 added (7999999), 1 changed (7000020), 1 removed (7000021)."
    );
    let (_, content) = admin.get("/content").await;
    assert_eq!((&content["version"], &content["date"]), (&json!(3), &json!("2026-12-01")));
    assert!(content["updatedAt"].is_string(), "{content}");
    assert_eq!(admin.get("/rules/7999999").await.0, StatusCode::OK);
    assert_eq!(admin.get("/rules/7000021").await.0, StatusCode::NOT_FOUND);
    let audited = admin.list("/audit-records").await;
    let record = audited.iter().find(|record| record["action"] == "content.update").unwrap();
    assert_eq!(record["before"]["version"], 1);
    assert_eq!(
        record["after"]["rules"],
        json!({"added": [7_999_999], "changed": [7_000_020], "removed": [7_000_021]})
    );
    let metrics = site.nobody().text(&site.url("/metrics")).await;
    assert!(metrics.contains("\nsakimori_content_version 3\n"), "{metrics}");
    assert!(metrics.contains("\nsakimori_content_released_timestamp_seconds 1796083200\n"), "{metrics}");

    // A computer is given it with its bundle.
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let bundle: Bundle = serde_json::from_str(&signed.bundle).unwrap();
    let mut texts = String::new();
    for part in &bundle.modules["intrusion-prevention"].content {
        let url = site.url(&format!("{}/{}", paths::BLOBS, part.hash));
        let blob = client(&site.manager.authority_pem(), None).get(url).send().await.unwrap();
        assert_eq!(blob.status(), StatusCode::OK);
        texts.push_str(&blob.text().await.unwrap());
    }
    assert!(texts.contains("sid:7999999;") && !texts.contains("sid:7000021;"));

    // What it has is not fetched again.
    shelf.answers("304 Not Modified", b"");
    let (state, words) = run(&admin, &task).await;
    assert_eq!(
        (state.as_str(), words.as_str()),
        ("succeeded", "Nothing newer: version 3 of 2026-12-01 is in force.")
    );
    assert!(shelf.last_asked().contains("\r\nif-none-match: \"three\"\r\n"), "{}", shelf.last_asked());

    // It outlives the manager.
    let Site { clock, manager, home } = site;
    manager.stop().await;
    let site = Site::at(clock, home, &set).await;
    let admin = site.admin().await;
    assert_eq!(version(&admin).await, 3);
    assert_eq!(admin.get("/rules/7999999").await.0, StatusCode::OK);

    // Rules belong to all tenants.
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert_eq!(version(&other).await, 3);
    let new = json!({"name": "Rules", "kind": "content-update", "schedule": "0 4 * * *"});
    let (status, problem) = other.post("/tasks", new).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!("/kind")));
}

#[tokio::test]
async fn what_is_not_whole_signed_and_newer_changes_nothing() {
    let key = SigningKey::generate().unwrap();
    let shelf = Shelf::start().await;
    let site = Site::at(Clock::default(), Home::new(), with(&shelf.url(), &key)).await;
    let admin = site.admin().await;
    let task = task(&admin).await;
    shelf.gives(&sealed(&pack(3, |_| {}), &key));
    assert_eq!(run(&admin, &task).await.0, "succeeded");

    let good = sealed(&pack(4, |_| {}), &key);
    let length = good.len();
    let foreign = sealed(&pack(4, |_| {}), &SigningKey::generate().unwrap());
    let broken = pack(4, |pack| {
        let text =
            pack["rules"][0]["text"].as_str().unwrap().replace("sid:7999999;", "no-such-word; sid:7999999;");
        pack["rules"][0]["text"] = json!(text);
    });
    let named = pack(4, |pack| pack["info"]["name"] = json!("another"));
    let ok = format!("200 OK\r\ncontent-length: {length}");
    let cases: [(&str, String, Vec<u8>, &str); 10] = [
        ("another key", ok.clone(), foreign.into_bytes(), "not signed by the key"),
        (
            "one byte",
            ok.clone(),
            good.replacen("\\\"version\\\":4", "\\\"version\\\":5", 1).into_bytes(),
            "not signed",
        ),
        (
            "older",
            "200 OK".to_owned(),
            sealed(&pack(2, |_| {}), &key).into_bytes(),
            "version 2 is older than version 3",
        ),
        ("another pack", "200 OK".to_owned(), sealed(&named, &key).into_bytes(), "this is the pack another"),
        ("does not compile", "200 OK".to_owned(), sealed(&broken, &key).into_bytes(), "no-such-word"),
        ("cut", ok, good.as_bytes()[..length / 2].to_vec(), "body"),
        (
            "cut, no length",
            "200 OK".to_owned(),
            good.as_bytes()[..length / 2].to_vec(),
            "not a signed content pack",
        ),
        ("too large", "200 OK\r\ncontent-length: 99999999999".to_owned(), b"{".to_vec(), "larger than"),
        (
            "elsewhere",
            "302 Found\r\nlocation: http://127.0.0.1:1/".to_owned(),
            Vec::new(),
            "redirects are not followed",
        ),
        ("not there", "404 Not Found".to_owned(), Vec::new(), "404"),
    ];
    for (what, head, body, expected) in cases {
        shelf.answers(&head, &body);
        let (state, words) = run(&admin, &task).await;
        assert_eq!(state, "failed", "{what}: {words}");
        assert!(words.contains(expected), "{what}: {words}");
        assert_eq!(version(&admin).await, 3, "{what}");
    }
    assert_eq!(admin.get("/rules/7999999").await.0, StatusCode::OK);
    let alert = until("an alert", async || {
        admin.list("/alerts").await.into_iter().find(|alert| alert["conditionId"] == "task-failed")
    })
    .await;
    assert_eq!(alert["subject"], "Rules");
    shelf.answers("200 OK", good.as_bytes());
    assert_eq!(run(&admin, &task).await.0, "succeeded");
    until("the alert is resolved", async || {
        let alert = admin.get(&format!("/alerts/{}", alert["id"].as_str().unwrap())).await.1;
        (alert["state"] == "resolved").then_some(())
    })
    .await;
    assert_eq!(version(&admin).await, 4);
}

#[tokio::test]
async fn a_folder_is_a_source_and_none_is_said() {
    let key = SigningKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let site = Site::at(Clock::default(), Home::new(), with(place, &key)).await;
    let admin = site.admin().await;
    let task_ = task(&admin).await;
    let (state, words) = run(&admin, &task_).await;
    assert_eq!(state, "failed");
    assert!(words.contains("virtual-patches.json") && words.contains("No such file"), "{words}");
    std::fs::write(folder.path().join("virtual-patches.json"), sealed(&pack(2, |_| {}), &key)).unwrap();
    let (state, words) = run(&admin, &task_).await;
    assert_eq!(state, "succeeded", "{words}");
    assert_eq!(version(&admin).await, 2);

    let site = Site::new().await;
    let admin = site.admin().await;
    let task_ = task(&admin).await;
    let (state, words) = run(&admin, &task_).await;
    assert_eq!(state, "failed");
    assert!(words.contains("--content-source"), "{words}");
}
