//! What the firewall does to a packet, and what is noticed about its rules before they are saved.
use crate::support::{Api, Site};
use reqwest::StatusCode;
use sakimori_protocol::{CheckIn, Mode, ModuleState, ModuleStatus};
use serde_json::{Value, json};

async fn shop(admin: &Api) -> String {
    let (status, _) = admin
        .post("/common-objects", json!({"kind": "addresses", "name": "Office", "items": ["198.51.100.0/24"]}))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let settings = json!({"firewall": {"mode": "prevent", "defaultInbound": "deny", "rules": {
        "web": {"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["443"]},
        "ssh": {"action": "force-allow", "direction": "in", "protocol": "tcp", "ports": ["22"], "remote": ["list:Office"]},
    }}});
    let (status, made) = admin.post("/policies", json!({"name": "Shop", "settings": settings})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    format!("/policies/{}", made["id"].as_str().unwrap())
}

async fn asked(admin: &Api, path: &str, question: Value) -> Value {
    let (status, answer) = admin.post(path, question).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

fn decision(answer: &Value) -> [&str; 3] {
    ["verdict", "by", "rule"].map(|member| answer["decision"][member].as_str().unwrap_or("-"))
}

fn codes(answer: &Value) -> Vec<(&str, &str)> {
    let findings = answer.as_array().unwrap().iter();
    findings.map(|one| (one["code"].as_str().unwrap(), one["rule"].as_str().unwrap_or("-"))).collect()
}

#[tokio::test]
async fn a_packet_is_explained_by_the_rules_of_a_policy_and_of_a_draft() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let path = format!("{}/firewall/explain", shop(&admin).await);

    let answer = asked(&admin, &path, json!({"from": "203.0.113.9", "port": 443})).await;
    assert_eq!(decision(&answer), ["passes", "rule", "web"]);
    let reasons: Vec<(&str, &str)> = answer["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap_or("-"), rule["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(reasons, [("ssh", "address"), ("web", "decided"), ("-", "earlier-decided")]);
    let text = &answer["rules"][0]["text"];
    assert!(text["en"].as_str().unwrap().contains("198.51.100.0/24"), "the list's networks: {text}");
    assert!(text["ja"].as_str().unwrap().contains("203.0.113.9"), "{text}");

    let office = json!({"from": "198.51.100.9", "port": 22});
    assert_eq!(decision(&asked(&admin, &path, office.clone()).await), ["passes", "rule", "ssh"]);
    let mut draft = office;
    draft["settings"] = json!({"firewall": {"rules": {"ssh": null}}});
    assert_eq!(decision(&asked(&admin, &path, draft).await), ["dropped", "default", "-"]);
    let out = json!({"direction": "out", "to": "203.0.113.53", "protocol": "udp", "port": 53});
    assert_eq!(decision(&asked(&admin, &path, out).await)[0], "passes");
    let alone = json!({"from": "203.0.113.9", "port": 22, "settings": {"firewall": {"mode": "detect", "defaultInbound": "deny"}}});
    let alone = asked(&admin, "/firewall/explain", alone).await;
    assert_eq!(decision(&alone), ["would-be-dropped", "default", "-"]);

    let rules = json!({"gateway": {"action": "deny", "direction": "in", "frame": "arp", "remote": ["192.0.2.1"]},
        "lldp": {"action": "deny", "direction": "in", "frame": "0x88cc"}});
    let tried = json!({"firewall": {"mode": "prevent", "rules": rules}});
    for (frame, from, rule) in [("arp", Some("192.0.2.1"), "gateway"), ("35020", None, "lldp")] {
        let question = json!({"frame": frame, "from": from, "settings": tried});
        assert_eq!(decision(&asked(&admin, "/firewall/explain", question).await), ["dropped", "rule", rule]);
    }

    for (wrong, pointer) in [
        (json!({"port": 80}), "/from"),
        (json!({"from": "203.0.113.9"}), "/port"),
        (json!({"from": "203.0.113.9", "to": "2001:db8::1", "port": 80}), "/to"),
        (json!({"from": "example", "port": 80}), "/from"),
        (json!({"from": "203.0.113.9", "port": 80, "protocol": "tcp-udp"}), "/protocol"),
        (json!({"from": "203.0.113.9", "port": 80, "mac": "x"}), "/mac"),
        (json!({"from": "203.0.113.9", "port": 80, "at": "noon"}), "/at"),
        (json!({"from": "203.0.113.9", "port": 80, "interface": "a/b"}), "/interface"),
        (json!({"frame": "0x05ff"}), "/frame"),
        (json!({"frame": "0x88cc", "to": "203.0.113.9"}), "/to"),
        (json!({"frame": "arp", "from": "2001:db8::1"}), "/from"),
        (json!({"frame": "arp", "from": "203.0.113.9", "protocol": "tcp"}), "/protocol"),
        (json!({"frame": "ipv6", "from": "203.0.113.9", "port": 80}), "/from"),
    ] {
        let (status, problem) = admin.post(&path, wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn in_a_tap_nothing_of_the_network_is_stopped_and_the_computer_is_told_so() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let path = shop(&admin).await;
    let settings = json!({
        "network-engine": {"mode": "tap"},
        "intrusion-prevention": {"mode": "prevent", "failureResponse": "closed"},
        "web-reputation": {"mode": "prevent"},
        "anti-malware": {"mode": "prevent", "failureResponse": "closed"},
    });
    let ssh = json!({"from": "203.0.113.9", "port": 22});
    let explain = format!("{path}/firewall/explain");
    assert_eq!(decision(&asked(&admin, &explain, ssh.clone()).await)[0], "dropped");
    let (status, saved) = admin.patch(&path, json!({"settings": settings})).await;
    assert_eq!(status, StatusCode::OK, "{saved}");
    assert_eq!(saved["settings"]["firewall"]["mode"], "prevent", "the module's own mode is as it was");
    assert_eq!(decision(&asked(&admin, &explain, ssh).await)[0], "would-be-dropped");

    let machine = site.machine(&admin).await;
    let computer = json!({"policyId": saved["id"]});
    let (status, said) = admin.patch(&format!("/computers/{}", machine.id()), computer).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let bundle = machine.check_in(None).await.unwrap().bundle.unwrap().bundle;
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let of = |module: &str, member: &str| bundle["modules"][module]["settings"][member].clone();
    for module in ["firewall", "intrusion-prevention", "web-reputation"] {
        assert_eq!(of(module, "mode"), "detect", "{module}");
    }
    assert_eq!(of("intrusion-prevention", "failureResponse"), "open");
    assert_eq!(
        (of("anti-malware", "mode"), of("anti-malware", "failureResponse")),
        (json!("prevent"), json!("closed"))
    );
    assert_eq!(bundle["modules"].get("network-engine"), None, "there is nothing to enforce in it");
}

#[tokio::test]
async fn a_computer_is_explained_with_its_own_rules_and_what_only_it_knows() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let policy = shop(&admin).await;
    let machine = site.machine(&admin).await;
    let computer = format!("/computers/{}", machine.id());
    let assign = json!({"policyId": policy.rsplit('/').next().unwrap()});
    assert_eq!(admin.patch(&computer, assign).await.0, StatusCode::OK);
    let own = json!({"settings": {"firewall": {"rules": {"backup": {"action": "force-allow", "direction": "in",
        "protocol": "tcp", "ports": ["873"], "context": ["address 192.0.2.0/24"]}}}}});
    assert_eq!(admin.patch(&format!("{computer}/settings"), own).await.0, StatusCode::OK);
    let path = format!("{computer}/firewall/explain");
    let question = json!({"from": "203.0.113.9", "port": 873});
    let answer = asked(&admin, &path, question.clone()).await;
    assert_eq!(decision(&answer), ["dropped", "default", "-"]);
    assert_eq!(answer["otherwise"][0]["rule"], "backup", "{answer}");
    let mut here = question;
    here["contexts"] = json!({"address 192.0.2.0/24": true});
    let answer = asked(&admin, &path, here).await;
    assert_eq!((decision(&answer), &answer["otherwise"]), (["passes", "rule", "backup"], &json!([])));
    // What the computer last said of its contexts counts, unless the question says otherwise.
    let status = |holds| ModuleStatus {
        module: "firewall".to_owned(),
        state: ModuleState::Active,
        mode: Mode::Prevent,
        reasons: Vec::new(),
        rules: 1,
        counters: vec![("context:address 192.0.2.0/24".to_owned(), holds)],
    };
    for (holds, verdict) in [(1, ["passes", "rule", "backup"]), (0, ["dropped", "default", "-"])] {
        let said = CheckIn { modules: vec![status(holds)], ..machine.check_in_message(None, 0) };
        machine.send_check_in(&said).await;
        let question = json!({"from": "203.0.113.9", "port": 873});
        let answer = asked(&admin, &path, question.clone()).await;
        assert_eq!((decision(&answer), &answer["otherwise"]), (verdict, &json!([])));
        let mut otherwise = question;
        otherwise["contexts"] = json!({"address 192.0.2.0/24": holds == 0});
        assert_ne!(decision(&asked(&admin, &path, otherwise).await), verdict);
    }
    let found = asked(&admin, &format!("{computer}/firewall/lint"), json!({"operator": "203.0.113.9"})).await;
    assert_eq!(codes(&found["findings"]), [("F114", "-")]);
}

#[tokio::test]
async fn rules_are_looked_at_before_they_are_saved() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let policy = shop(&admin).await;
    let path = format!("{policy}/firewall/lint");
    let found = asked(&admin, &path, json!({})).await;
    assert_eq!(
        codes(&found["findings"]),
        [],
        "whoever asks from the computer itself is not let in from anywhere"
    );
    let found = asked(&admin, &path, json!({"operator": "203.0.113.9"})).await;
    assert_eq!(codes(&found["findings"]), [("F114", "-")]);
    let again = json!({"firewall": {"rules": {
        "www": {"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["443"], "remote": ["10.0.0.0/8"]},
        "ssh": null,
    }}});
    let found = asked(&admin, &path, json!({"settings": again})).await;
    assert_eq!(codes(&found["findings"]), [("F101", "www"), ("F113", "-")], "{found}");
    assert!(found["findings"][1]["remedy"]["ja"].as_str().unwrap().contains("許可"));
    let dry = asked(&admin, &format!("{policy}/dry-run"), json!({"settings": again})).await;
    assert_eq!(codes(&dry["firewall"]), [("F101", "www"), ("F113", "-")]);
    let dry = asked(&admin, &format!("{policy}/dry-run"), json!({"name": "Webshop"})).await;
    assert_eq!(dry["firewall"], json!([]), "the rules stay as they are");
    let wrong = json!({"settings": {"firewall": {"rules": {"ssh": {"action": "allow", "direction": "in", "priority": 9}}}}});
    assert_eq!(admin.post(&path, wrong).await.0, StatusCode::BAD_REQUEST);
}
