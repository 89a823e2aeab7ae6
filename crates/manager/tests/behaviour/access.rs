//! Who may do what.
use crate::support::{Api, Machine, PASSWORD, Site, log_in, new_token, notice};
use expect_test::expect_file;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use uuid::Uuid;

async fn key(admin: &Api, site: &Site, role: &str) -> Api {
    let (status, made) = admin.post("/api-keys", json!({"name": role, "role": role})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    site.with_key(made["secret"].as_str().unwrap())
}

/// An administrator's key with these scopes alone.
async fn narrow(admin: &Api, site: &Site, scopes: &[String]) -> Api {
    let key = json!({"name": "narrow", "role": "administrator", "scopes": scopes});
    let (status, made) = admin.post("/api-keys", key).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    site.with_key(made["secret"].as_str().unwrap())
}

/// The scope that a refusal asks for.
fn scope_missing(problem: &Value) -> Option<String> {
    let detail = problem["detail"].as_str()?;
    (problem["code"] == "scope-missing").then(|| {
        detail.strip_prefix("Use a key with the scope ").unwrap().strip_suffix('.').unwrap().to_owned()
    })
}

/// Each operation of the document: its name, how it is asked, and a path that names nothing where it names something.
pub(crate) fn operations() -> Vec<(String, Method, String)> {
    let document: Value = serde_json::from_str(&sakimori_manager::openapi_json().unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let relative = path
            .strip_prefix("/api/v1")
            .unwrap()
            .replace("{id}", &Uuid::nil().to_string())
            .replace("{sid}", "1")
            .replace("{version}", "1")
            .replace("{tag}", "t");
        let relative = relative
            .strip_suffix("/export")
            .map_or_else(|| relative.clone(), |events| format!("{events}/export?format=csv"));
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            operations.push((name, method, relative.clone()));
        }
    }
    operations
}

/// A message that is valid, for each operation that takes one.
pub(crate) fn body(operation: &str) -> Option<Value> {
    let body = match operation {
        "logIn" => json!({"user": "nobody", "password": "wrong"}),
        "changePassword" => json!({"currentPassword": "x", "newPassword": "twelve characters"}),
        "createApiKey" => json!({"name": "k", "role": "auditor", "scopes": ["api-keys:read"]}),
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
        "confirmFirewallChange" | "revertFirewallChange" => json!({"number": 1}),
        "letSourceIn" => json!({"source": "192.0.2.9"}),
        "explainFirewall" | "explainFirewallOfPolicy" | "explainFirewallOfComputer" => {
            json!({"from": "192.0.2.7", "port": 22})
        }
        "updateComputerSettings" => json!({"settings": {}}),
        "createCommonObject" => json!({"kind": "ports", "name": Uuid::now_v7(), "items": ["80"]}),
        "commentEvent" => json!({"text": "seen"}),
        "startEventExport" => json!({"format": "csv"}),
        "createTask" => json!({"name": Uuid::now_v7(), "kind": "retention", "schedule": "0 3 * * *"}),
        "createUpgrade" => json!({"name": Uuid::now_v7(), "version": "1.0"}),
        "createChannel" => {
            json!({"name": Uuid::now_v7(), "target": {"kind": "syslog", "server": "127.0.0.1", "port": 9,
            "transport": "udp", "format": "cef"}})
        }
        "rollBackUpgrade"
        | "updateTask"
        | "updateChannel"
        | "updateAlert"
        | "updateAlertCondition"
        | "updateComputer"
        | "updatePolicy"
        | "dryRunPolicy"
        | "excludeWafEvent"
        | "tryWafExclusions"
        | "lintFirewall"
        | "lintFirewallOfPolicy"
        | "lintFirewallOfComputer"
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
    let all: Vec<String> = sakimori_api::Scope::all().map(|scope| scope.to_string()).collect();
    let elsewhere = ["rules:read", "audit-records:read"].map(|scope| vec![scope.to_owned()]);
    let mut keys: BTreeMap<Vec<String>, Api> = BTreeMap::new();
    let mut matrix = String::new();
    for (name, method, path) in operations() {
        let ask = async |caller: &Api| {
            let request = caller.request(method.clone(), &path);
            match body(&name) {
                Some(body) => request.json(&body),
                None => request,
            }
            .send()
            .await
            .unwrap()
        };
        let mut row = Vec::new();
        for caller in &callers {
            row.push(ask(caller).await.status().as_u16().to_string());
        }
        // A key with other scopes than those needed is refused and told what it lacks; with those it may what its role may.
        let mut needed: Vec<String> = Vec::new();
        // Too many wrong log-ins are refused, whoever asks.
        let mut tried = if name == "logIn" { Vec::new() } else { elsewhere.to_vec() };
        let narrowest = loop {
            let Some(scopes) = tried.pop() else { break row.last().unwrap().clone() };
            if !keys.contains_key(&scopes) {
                keys.insert(scopes.clone(), narrow(&admin, &site, &scopes).await);
            }
            let answer = ask(&keys[&scopes]).await;
            let status = answer.status();
            let problem = match status {
                StatusCode::FORBIDDEN => answer.json().await.unwrap(),
                _ => Value::Null,
            };
            match scope_missing(&problem) {
                Some(scope) => {
                    needed.push(scope);
                    tried = vec![needed.clone()];
                }
                None if tried.is_empty() => break status.as_u16().to_string(),
                None => {}
            }
        };
        assert_eq!(Some(&narrowest), row.last(), "{name} with {needed:?}");
        for scope in &needed {
            let resource = scope.split(':').next().unwrap();
            let but = |other: &&String| {
                !(other.starts_with(resource) && (*other == scope || other.ends_with(":write")))
            };
            let scopes: Vec<String> = all.iter().filter(but).cloned().collect();
            if !keys.contains_key(&scopes) {
                keys.insert(scopes.clone(), narrow(&admin, &site, &scopes).await);
            }
            let problem = ask(&keys[&scopes]).await.json().await.unwrap();
            assert_eq!(scope_missing(&problem).as_ref(), Some(scope), "{name} with all other scopes");
        }
        let line = format!("{name:24} {} {}", row.join(" "), needed.join(" "));
        writeln!(matrix, "{}", line.trim_end()).unwrap();
    }
    // Nobody, auditor, operator, administrator, and the scopes that a key needs. 404: the nil id names nothing. An API
    // key has no session (403).
    expect_file!["roles.txt"].assert_eq(&matrix);
}

#[tokio::test]
async fn a_key_works_from_its_sources_and_makes_none_that_can_more() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let make = async |by: &Api, key: Value| by.post("/api-keys", key).await;
    let from = |sources: Value| json!({"name": "k", "role": "auditor", "sources": sources});
    let (_, far) = make(&admin, from(json!(["192.0.2.0/24", "2001:db8::/32"]))).await;
    let (status, problem) = site.with_key(far["secret"].as_str().unwrap()).get("/policies").await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("source-not-allowed")));
    let (status, near) = make(&admin, from(json!(["192.0.2.1", "127.0.0.0/8"]))).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(near["apiKey"]["sources"], json!(["192.0.2.1", "127.0.0.0/8"]));
    assert_eq!(site.with_key(near["secret"].as_str().unwrap()).get("/policies").await.0, StatusCode::OK);
    for (key, pointer) in [
        (from(json!(["192.0.2.0/33"])), "/sources/0"),
        (from(json!([])), "/sources"),
        (json!({"name": "k", "role": "auditor", "scopes": []}), "/scopes"),
    ] {
        let (status, problem) = make(&admin, key).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!(pointer)));
    }
    let unknown = json!({"name": "k", "role": "auditor", "scopes": ["everything:read"]});
    assert_eq!(make(&admin, unknown).await.0, StatusCode::BAD_REQUEST);

    let limited = json!({"name": "maker", "role": "administrator", "scopes": ["api-keys:write", "events:write"],
        "sources": ["127.0.0.0/8"]});
    let (_, maker) = make(&admin, limited).await;
    let maker = site.with_key(maker["secret"].as_str().unwrap());
    let wish = |scopes: Value, sources: Value| json!({"name": "k", "role": "auditor", "scopes": scopes, "sources": sources});
    for (key, expected) in [
        (wish(json!(["events:read"]), json!(["127.0.0.1"])), StatusCode::CREATED),
        (wish(json!(["policies:read"]), json!(["127.0.0.1"])), StatusCode::FORBIDDEN),
        (wish(Value::Null, json!(["127.0.0.1"])), StatusCode::FORBIDDEN),
        (wish(json!(["events:read"]), Value::Null), StatusCode::FORBIDDEN),
        (wish(json!(["events:read"]), json!(["0.0.0.0/0"])), StatusCode::FORBIDDEN),
    ] {
        let (status, made) = make(&maker, key.clone()).await;
        assert_eq!(status, expected, "{key}: {made}");
    }
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
