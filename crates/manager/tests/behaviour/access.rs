//! Who may do what.
use crate::support::{Api, Machine, PASSWORD, Site, log_in, new_token, notice};
use expect_test::expect_file;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;
use uuid::Uuid;

async fn key(admin: &Api, site: &Site, role: &str) -> Api {
    let (status, made) = admin.post("/api-keys", json!({"name": role, "role": role})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    site.with_key(made["secret"].as_str().unwrap())
}

/// A message that is valid, for each operation that takes one.
fn body(operation: &str) -> Option<Value> {
    let body = match operation {
        "logIn" => json!({"user": "nobody", "password": "wrong"}),
        "changePassword" => json!({"currentPassword": "x", "newPassword": "twelve characters"}),
        "createApiKey" => json!({"name": "k", "role": "auditor"}),
        "createPolicy" | "createComputerGroup" => json!({"name": Uuid::now_v7()}),
        "createEventBasedTask" => json!({"name": Uuid::now_v7(), "triggers": ["activated"],
            "actions": [{"action": "mark-ephemeral"}]}),
        "testEventBasedTasks" => json!({"trigger": "activated"}),
        "createActivationToken" => json!({"name": "t"}),
        "createSavedSearch" | "createAlertCondition" => {
            json!({"name": Uuid::now_v7(), "filter": "severity >= high"})
        }
        "createAutoTagRule" => json!({"name": Uuid::now_v7(), "filter": "severity >= high", "tag": "grave"}),
        "applyPolicies" => json!({"document": {"sakimori": 1}}),
        "rollBackPolicy" => json!({"version": 1}),
        "updateComputerSettings" => json!({"settings": {}}),
        "createCommonObject" => json!({"kind": "ports", "name": Uuid::now_v7(), "items": ["80"]}),
        "commentEvent" => json!({"text": "seen"}),
        "createTask" => json!({"name": Uuid::now_v7(), "kind": "retention", "schedule": "0 3 * * *"}),
        "createChannel" => {
            json!({"name": Uuid::now_v7(), "target": {"kind": "syslog", "server": "127.0.0.1", "port": 9,
            "transport": "udp", "format": "cef"}})
        }
        "updateTask"
        | "updateChannel"
        | "updateAlert"
        | "updateAlertCondition"
        | "updateComputer"
        | "updatePolicy"
        | "dryRunPolicy"
        | "updateCommonObject"
        | "updateSavedSearch"
        | "updateAutoTagRule"
        | "updateComputerGroup"
        | "updateEventBasedTask"
        | "updateFleetSettings" => json!({}),
        _ => return None,
    };
    Some(body)
}

#[tokio::test]
async fn every_endpoint_asks_who_and_whether() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let callers = [
        site.nobody(),
        key(&admin, &site, "auditor").await,
        key(&admin, &site, "operator").await,
        key(&admin, &site, "administrator").await,
    ];
    let document: Value = serde_json::from_str(&sakimori_manager::openapi_json().unwrap()).unwrap();
    let mut matrix = String::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let relative = path.strip_prefix("/api/v1").unwrap();
            let relative = relative
                .replace("{id}", &Uuid::nil().to_string())
                .replace("{sid}", "1")
                .replace("{version}", "1")
                .replace("{tag}", "t")
                .replace("/export", "/export?format=csv");
            let mut row = Vec::new();
            for caller in &callers {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let mut request = caller.request(method, &relative);
                if let Some(body) = body(name) {
                    request = request.json(&body);
                }
                row.push(request.send().await.unwrap().status().as_u16().to_string());
            }
            writeln!(matrix, "{name:24} {}", row.join(" ")).unwrap();
        }
    }
    // Nobody, auditor, operator, administrator. 404: the nil id names nothing. An API key has no session (403).
    expect_file!["roles.txt"].assert_eq(&matrix);
}

#[tokio::test]
async fn a_session_needs_its_csrf_token_and_ends() {
    let site = Site::new().await;
    let api = site.nobody();
    let (cookie, csrf) = log_in(&api, PASSWORD).await;
    let with = |method: Method, path: &str| api.request(method, path).header("cookie", cookie.clone());

    let (status, session) = api.send(with(Method::GET, "/sessions/current")).await;
    assert_eq!((status, &session["csrfToken"]), (StatusCode::OK, &json!(csrf)));
    let token = json!({"name": "t"});
    let (status, problem) = api.send(with(Method::POST, "/activation-tokens").json(&token)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("csrf")));
    let wrong = with(Method::POST, "/activation-tokens").header("x-csrf-token", "wrong").json(&token);
    assert_eq!(api.send(wrong).await.0, StatusCode::FORBIDDEN);
    let right = with(Method::POST, "/activation-tokens").header("x-csrf-token", &csrf).json(&token);
    assert_eq!(api.send(right).await.0, StatusCode::CREATED);

    site.clock.advance(Duration::from_hours(3));
    assert_eq!(api.send(with(Method::GET, "/sessions/current")).await.0, StatusCode::UNAUTHORIZED, "idle");
}

#[tokio::test]
async fn a_changed_password_ends_other_sessions() {
    let site = Site::new().await;
    let api = site.nobody();
    let (mine, csrf) = log_in(&api, PASSWORD).await;
    let (other, _) = log_in(&api, PASSWORD).await;
    let change = |current: &str, new: &str| {
        api.request(Method::POST, "/users/current/password")
            .header("cookie", &mine)
            .header("x-csrf-token", &csrf)
            .json(&json!({"currentPassword": current, "newPassword": new}))
    };
    let (status, problem) = api.send(change(PASSWORD, "short")).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!("/newPassword")));
    assert_eq!(api.send(change("not it", "a new long password")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(api.send(change(PASSWORD, "a new long password")).await.0, StatusCode::NO_CONTENT);
    for (cookie, status) in [(&mine, StatusCode::OK), (&other, StatusCode::UNAUTHORIZED)] {
        let request = api.request(Method::GET, "/sessions/current").header("cookie", cookie);
        assert_eq!(api.send(request).await.0, status);
    }
    log_in(&api, "a new long password").await;
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let site = Site::new().await;
    let api = site.nobody();
    let guess = json!({"user": "admin", "password": "wrong"});
    for _ in 0..5 {
        assert_eq!(api.post("/sessions", guess.clone()).await.0, StatusCode::UNAUTHORIZED);
    }
    let right = api.request(Method::POST, "/sessions").json(&json!({"user": "admin", "password": PASSWORD}));
    let refused = right.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    site.clock.advance(Duration::from_secs(61));
    log_in(&api, PASSWORD).await;
}

#[tokio::test]
async fn a_deleted_or_expired_key_opens_nothing() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (_, made) =
        admin.post("/api-keys", json!({"name": "k", "role": "auditor", "expiresInSecs": 60})).await;
    let short = site.with_key(made["secret"].as_str().unwrap());
    assert_eq!(short.get("/policies").await.0, StatusCode::OK);
    let mut forged = made["secret"].as_str().unwrap().to_owned();
    forged.replace_range(forged.len() - 1.., if forged.ends_with('0') { "1" } else { "0" });
    assert_eq!(site.with_key(&forged).get("/policies").await.0, StatusCode::UNAUTHORIZED);
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(short.get("/policies").await.0, StatusCode::UNAUTHORIZED);
    let lasting = key(&admin, &site, "auditor").await;
    let id =
        admin.list("/api-keys").await.into_iter().find(|k| k["name"] == "auditor").unwrap()["id"].clone();
    assert_eq!(admin.delete(&format!("/api-keys/{}", id.as_str().unwrap())).await, StatusCode::NO_CONTENT);
    assert_eq!(lasting.get("/policies").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn one_tenant_sees_nothing_of_another() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine: Machine = site.machine(&admin).await;
    machine.check_in(None).await;
    let (status, _) = machine.send_events(Uuid::now_v7(), 1, &notice("one")).await;
    assert_eq!(status, StatusCode::OK);
    new_token(&admin, json!({"name": "theirs"})).await;
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());

    let lists = ["/computers", "/policies", "/events", "/activation-tokens", "/api-keys"];
    for list in lists {
        let id_of = |item: &Value| item["id"].as_str().unwrap().to_owned();
        let theirs: Vec<String> = admin.list(list).await.iter().map(id_of).collect();
        assert!(!theirs.is_empty(), "{list}");
        let own: Vec<String> = other.list(list).await.iter().map(id_of).collect();
        for id in theirs {
            assert!(!own.contains(&id), "{list}");
            let path = format!("{list}/{id}");
            if !matches!(list, "/activation-tokens" | "/api-keys") {
                assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND, "{path}");
            }
            if list != "/events" {
                assert_eq!(other.delete(&path).await, StatusCode::NOT_FOUND, "{path}");
            }
            if matches!(list, "/computers" | "/policies") {
                assert_eq!(other.patch(&path, json!({})).await.0, StatusCode::NOT_FOUND, "{path}");
            }
        }
    }
    assert!(other.list("/users").await.is_empty());
    assert!(other.list("/audit-records").await.is_empty());
    let foreign = admin.policy("Base").await["id"].clone();
    let (status, _) = other.post("/activation-tokens", json!({"name": "t", "policyId": foreign})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = other.post("/policies", json!({"name": "p", "parentId": foreign})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_change_is_in_the_audit_trail() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (_, policy) = admin.post("/policies", json!({"name": "Shop"})).await;
    let path = format!("/policies/{}", policy["id"].as_str().unwrap());
    admin.patch(&path, json!({"settings": {"intrusion-prevention": {"mode": "prevent"}}})).await;
    admin.delete(&path).await;
    let mut records: Vec<sakimori_api::AuditRecord> =
        admin.list("/audit-records").await.into_iter().map(|r| serde_json::from_value(r).unwrap()).collect();
    records.reverse();
    let actions: Vec<&str> = records.iter().map(|r| r.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "user.create",
            "session.create",
            "api-key.create",
            "policy.create",
            "policy.update",
            "policy.delete"
        ]
    );
    let update = &records[4];
    assert_eq!((update.actor_kind.as_str(), update.actor_name.as_str()), ("api-key", "test"));
    assert_eq!(update.before.as_ref().unwrap()["settings"]["intrusion-prevention"]["mode"], "off");
    assert_eq!(update.after.as_ref().unwrap()["settings"]["intrusion-prevention"]["mode"], "prevent");
    assert_eq!(sakimori_manager::store::verify_chain(&records).unwrap(), None);
    records[3].actor_name = "somebody else".to_owned();
    assert_eq!(sakimori_manager::store::verify_chain(&records).unwrap(), Some(4));
}
