//! What holds for every request: carried out once, and not too many.
use super::access::{body, operations};
use crate::support::{Api, Home, PASSWORD, Site, log_in, on_postgres};
use reqwest::{Method, StatusCode};
use sakimori_manager::clock::Clock;
use sakimori_manager::{Manager, RateLimits};
use serde_json::{Value, json};
use std::time::Duration;

struct Answer {
    status: StatusCode,
    replayed: bool,
    body: Value,
}

async fn post(api: &Api, path: &str, key: &str, body: Option<&Value>) -> Answer {
    let request = api.request(Method::POST, path).header("idempotency-key", key);
    let answer = match body {
        Some(body) => request.json(body),
        None => request,
    }
    .send()
    .await
    .unwrap();
    let status = answer.status();
    let replayed = answer.headers().contains_key("idempotency-replayed");
    let text = answer.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Answer { status, replayed, body }
}

#[tokio::test]
async fn every_post_is_carried_out_once_for_a_key() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let mut carried_out = 0;
    for (name, method, path) in operations() {
        if method != Method::POST || name == "logIn" {
            continue;
        }
        let sent = body(&name);
        let first = post(&admin, &path, &name, sent.as_ref()).await;
        assert!(!first.replayed, "{name}");
        if !first.status.is_success() {
            continue;
        }
        carried_out += 1;
        let again = post(&admin, &path, &name, sent.as_ref()).await;
        assert!(again.replayed, "{name}");
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{name}");
        let other = post(&admin, &path, &name, Some(&json!({"something": "else"}))).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert_eq!(other.body["code"], "idempotency-key-reused", "{name}");
    }
    assert!(carried_out >= 10, "{carried_out}");
}

#[tokio::test]
async fn a_repeated_request_makes_nothing_twice() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let token = json!({"name": "t"});
    let at_once = futures_util::future::join_all(
        (0..8).map(|_| post(&admin, "/activation-tokens", "\"one\"", Some(&token))),
    )
    .await;
    for answer in &at_once {
        assert!(matches!(answer.status, StatusCode::CREATED | StatusCode::CONFLICT), "{}", answer.body);
        let running = answer.status == StatusCode::CONFLICT;
        assert_eq!(answer.body["code"] == "still-running", running, "{}", answer.body);
    }
    let first = post(&admin, "/activation-tokens", "one", Some(&token)).await;
    assert!(first.replayed);
    assert_eq!(admin.list("/activation-tokens").await.len(), 1);

    // Somebody else's key is another one, and so is the same person's in another session.
    let (_, made) = admin.post("/api-keys", json!({"name": "k", "role": "operator"})).await;
    let other = site.with_key(made["secret"].as_str().unwrap());
    let theirs = post(&other, "/activation-tokens", "one", Some(&token)).await;
    assert_eq!((theirs.status, theirs.replayed), (StatusCode::CREATED, false));
    let nobody = site.nobody();
    for (expected, replayed) in [(StatusCode::CREATED, false), (StatusCode::CONFLICT, false)] {
        let (cookie, csrf) = log_in(&nobody, PASSWORD).await;
        let request = nobody
            .request(Method::POST, "/activation-tokens")
            .header("cookie", cookie)
            .header("x-csrf-token", csrf)
            .header("idempotency-key", "one")
            .json(&token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        assert_eq!(answer.headers().contains_key("idempotency-replayed"), replayed);
    }
    assert_eq!(admin.list("/activation-tokens").await.len(), 3);

    // What was shown once lies nowhere in clear, and outlives the manager.
    let secret = first.body["token"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
    assert!(secret.len() >= 32, "{}", first.body);
    let site = site.restart().await;
    if !on_postgres() {
        for file in ["manager.db", "manager.db-wal"] {
            let bytes = std::fs::read(site.home.data().join(file)).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
        }
    }
    let admin = admin.at(&site);
    let after = post(&admin, "/activation-tokens", "one", Some(&token)).await;
    assert_eq!((after.replayed, &after.body), (true, &first.body));
    site.clock.advance(Duration::from_secs(24 * 3_600 + 1));
    let later = post(&admin, "/activation-tokens", "one", Some(&token)).await;
    assert_eq!((later.status, later.replayed), (StatusCode::CREATED, false));
}

#[tokio::test]
async fn a_refusal_is_not_kept_and_a_bad_key_is_refused() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let refused = post(&admin, "/policies", "p", Some(&json!({"name": ""}))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let made = post(&admin, "/policies", "p", Some(&json!({"name": "Shop"}))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    for key in ["", "a b", &"k".repeat(256), "\"\""] {
        let answer = post(&admin, "/policies", key, Some(&json!({"name": "Other"}))).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (StatusCode::BAD_REQUEST, &json!("idempotency-key")),
            "{key}"
        );
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let clock = Clock::default();
    let home = Home::new();
    let mut options = home.options(&clock);
    options.rate_limits = RateLimits { principal: 20, tenant: 26 };
    let manager = Manager::start(options).await.unwrap();
    let site = Site { clock, manager, home };
    let admin = site.admin().await;
    let (_, made) = admin.post("/api-keys", json!({"name": "k", "role": "auditor"})).await;
    let other = site.with_key(made["secret"].as_str().unwrap());
    let mut last = None;
    for number in 2..=400 {
        let answer = admin.request(Method::GET, "/policies").send().await.unwrap();
        assert_eq!(
            answer.headers()["ratelimit-policy"].to_str().unwrap().split(',').next(),
            Some("\"principal\";q=20;w=60")
        );
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(number > 20, "{number}");
            last = Some(answer);
            break;
        }
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let answer = last.unwrap();
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    assert!(answer.headers()["ratelimit"].to_str().unwrap().starts_with("\"principal\";r=0;"));
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "rate-limited");
    assert_eq!(other.get("/policies").await.0, StatusCode::OK, "another key has a limit of its own");
    let mut of_tenant = 0;
    while other.get("/policies").await.0 == StatusCode::OK {
        of_tenant += 1;
        assert!(of_tenant < 20, "the tenant's limit was never reached");
    }
}

#[tokio::test]
async fn the_page_of_the_interface_runs_nothing_but_its_own_script() {
    let site = Site::new().await;
    let client = crate::support::client(&site.manager.authority_pem(), None);
    let fetch = async |path: &str| {
        let answer = client.get(site.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    };
    let (kind, page) = fetch("/api/docs").await;
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("style="), "{page}");
    let sources: Vec<&str> = page
        .split("src=\"")
        .chain(page.split("rel=\"stylesheet\" href=\""))
        .filter(|part| part.starts_with('/'))
        .collect();
    assert_eq!(sources.len(), 2, "{page}");
    for source in sources {
        let path = source.split('"').next().unwrap();
        let (kind, text) = fetch(path).await;
        assert!(
            kind.starts_with(if std::path::Path::new(path).extension().is_some_and(|end| end == "js") {
                "text/javascript"
            } else {
                "text/css"
            }),
            "{kind}"
        );
        assert!(!text.contains("innerHTML") && !text.contains("eval("), "{path}");
    }
}
