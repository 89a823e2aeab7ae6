//! The web application firewall as operators set it up: rule sets, policies, exclusions from events.
use crate::support::{Api, Machine, Site, client};
use reqwest::{Method, StatusCode};
use sakimori_protocol::{Bundle, paths};
use serde_json::{Value, json};
use uuid::Uuid;

const RULES: &str = "# OWASP CRS ver.4.29.0\nSecRule ARGS \"@contains union\" \"id:942100,phase:2,deny,log,msg:'SQL',severity:2\"\n";

async fn import(api: &Api, query: &str, content: &[u8]) -> (StatusCode, Value) {
    let request = api.request(Method::POST, &format!("/waf-rule-sets?{query}"));
    let request = request.header("content-type", "application/octet-stream").body(content.to_vec());
    api.send(request).await
}

async fn set(api: &Api, name: &str, settings: Value) -> (StatusCode, Value) {
    let policy = api.policy(name).await;
    let path = format!("/policies/{}", policy["id"].as_str().unwrap());
    api.patch(&path, json!({"settings": {"web-application-firewall": settings}})).await
}

async fn bundle(machine: &Machine) -> Bundle {
    serde_json::from_str(&machine.check_in(None).await.unwrap().bundle.unwrap().bundle).unwrap()
}

/// An event of the last minute.
fn attack(site: &Site, incident: &str, variable: &str) -> String {
    let target = json!({"variable": variable, "value": "1 union", "data": ""});
    let rule = json!({"id": 942_100, "message": "SQL", "severity": "critical", "paranoiaLevel": 1, "tags": ["attack-sqli"],
        "file": "a.conf", "line": 2, "targets": [target]});
    json!({"at": site.clock.now().0 - 60_000_000, "module": "web-application-firewall", "severity": "high",
        "action": "blocked", "kind": "web-attack", "detail": {"incident": incident, "message": "SQL", "seenIn": "request",
        "wouldBlock": true, "decidedBy": 949_110, "score": 5, "threshold": 5, "detectionScore": 5, "paranoiaLevel": 1,
        "ruleIds": ["942100"], "rules": [rule], "moreRules": 0, "ruleSet": "crs", "path": "/search",
        "client": "203.0.113.9", "clientPort": 40000, "server": "192.0.2.1", "serverPort": 80,
        "http": {"method": "GET", "host": "blog", "target": "/search?q=1+union", "userAgent": "x"}}})
    .to_string()
}

#[tokio::test]
async fn a_rule_set_is_checked_kept_and_given_to_agents_and_bad_ones_name_every_line() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let bad = b"SecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"\nSecTea On\n";
    let (status, problem) = import(&admin, "file=bad.conf", bad).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    let lines: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["args"]["line"].as_str().unwrap())
        .collect();
    assert_eq!(lines, ["1", "2"], "{problem}");
    assert_eq!(problem["errors"][0]["args"]["file"], "bad.conf");
    let (status, problem) = import(&admin, "file=tea.txt", b"green").await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("not-rules")));
    assert!(admin.list("/waf-rule-sets").await.is_empty());

    let (status, made) = import(&admin, "file=a.conf", RULES.as_bytes()).await;
    assert_eq!((status, &made["name"]), (StatusCode::CREATED, &json!("crs-4.29.0")), "{made}");
    // Own rules beside it are another rule set.
    let own = b"SecRule ARGS \"@contains tea\" \"id:7,phase:2,deny\"\n";
    let query = format!("file=own.conf&name=mine&base={}", made["id"].as_str().unwrap());
    let (status, mine) = import(&admin, &query, own).await;
    assert_eq!((status, &mine["files"]), (StatusCode::CREATED, &json!(["a.conf", "own.conf"])), "{mine}");
    assert_eq!(
        import(&admin, "file=a.conf&name=mine", own).await.0,
        StatusCode::CONFLICT,
        "a rule set never changes"
    );

    let module = |bundle: &Bundle| bundle.modules["web-application-firewall"].clone();
    assert!(module(&bundle(&machine).await).content.is_empty(), "nothing is fetched while it is off");
    let (status, problem) = set(&admin, "Base", json!({"mode": "prevent", "ruleSet": "none"})).await;
    assert_eq!(
        (status, &problem["errors"][0]["code"]),
        (StatusCode::BAD_REQUEST, &json!("no-such-rule-set"))
    );
    assert_eq!(set(&admin, "Base", json!({"mode": "prevent"})).await.0, StatusCode::OK);
    let newest = module(&bundle(&machine).await);
    assert_eq!(newest.content[0].name, "mine");
    assert_eq!(set(&admin, "Base", json!({"ruleSet": "crs-4.29.0"})).await.0, StatusCode::OK);
    let named = module(&bundle(&machine).await);
    assert_eq!(named.content[0].name, "crs-4.29.0");
    let url = site.url(&format!("{}/{}", paths::BLOBS, named.content[0].hash));
    let blob = client(&site.manager.authority_pem(), None).get(url).send().await.unwrap();
    let document: Value = blob.json().await.unwrap();
    assert_eq!(document["files"][0]["text"], RULES);

    let path = |set: &Value| format!("/waf-rule-sets/{}", set["id"].as_str().unwrap());
    assert_eq!(admin.delete(&path(&made)).await, StatusCode::CONFLICT, "a policy names it");
    assert_eq!(admin.delete(&path(&mine)).await, StatusCode::NO_CONTENT);
    let left = admin.list("/waf-rule-sets").await;
    assert_eq!(left.len(), 1);
    assert!(left[0]["policies"].as_array().unwrap().contains(&json!("Base")));
}

#[tokio::test]
async fn an_event_becomes_narrow_exclusions_whose_effect_is_shown_first() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let lines = [attack(&site, "SKM-1", "ARGS:q"), attack(&site, "SKM-2", "ARGS:id")].join("\n");
    assert_eq!(machine.send_events(Uuid::now_v7(), 1, &lines).await.0, StatusCode::OK);
    let events = admin.list("/events?module=web-application-firewall").await;
    let event = events.iter().find(|event| event["detail"]["incident"] == "SKM-1").unwrap();
    let path = format!("/events/{}/waf-exclusions", event["id"].as_str().unwrap());
    assert!(event["explanation"]["ja"].as_str().unwrap().contains("942100"), "{event}");

    let (status, tried) = admin.post(&path, json!({"dryRun": true})).await;
    assert_eq!(status, StatusCode::OK, "{tried}");
    let effect = &tried["effect"];
    assert_eq!(
        (&tried["saved"], &effect["events"], &effect["passing"]),
        (&json!(false), &json!(2), &json!(1))
    );
    assert_eq!(effect["examples"][0]["request"], "GET /search");
    let policy = admin.policy(tried["policyName"].as_str().unwrap()).await;
    assert_eq!(policy["settings"]["web-application-firewall"]["exclusions"], json!({}));

    let (status, made) = admin.post(&path, json!({"rule": 942_100})).await;
    assert_eq!((status, &made["saved"]), (StatusCode::OK, &json!(true)), "{made}");
    let policy = admin.policy(tried["policyName"].as_str().unwrap()).await;
    let kept = &policy["settings"]["web-application-firewall"]["exclusions"]["942100 ARGS:q /search"];
    assert_eq!((&kept["rule"], &kept["variable"]), (&json!(942_100), &json!("ARGS:q")), "{policy}");

    let all = json!({"exclusions": {"a": {"tag": "attack-sqli"}}});
    let (status, effect) = admin.post("/waf-exclusions/effect", all).await;
    assert_eq!(
        (status, &effect["passing"], &effect["silenced"]),
        (StatusCode::OK, &json!(2), &json!(2)),
        "{effect}"
    );
    let (status, problem) = admin.post("/waf-exclusions/effect", json!({"exclusions": {"a": {}}})).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::BAD_REQUEST, &json!("/exclusions/a/rule"))
    );
    assert_eq!(
        admin.post(&path, json!({"rule": 1})).await.0,
        StatusCode::CONFLICT,
        "the event does not name it"
    );
}
