//! What somebody who edits policies relies on: each value can be set, left out and given back, and says who set it;
//! lists are renamed under those who use them; what is exported can be applied again.
use crate::support::{Api, Machine, Site};
use reqwest::StatusCode;
use sakimori_protocol::Bundle;
use serde_json::{Value, json};

async fn made(admin: &Api, path: &str, body: Value) -> (Value, String) {
    let (status, made) = admin.post(path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let at = format!("{path}/{}", made["id"].as_str().unwrap());
    (made, at)
}

async fn changed(admin: &Api, path: &str, body: Value) -> Value {
    let (status, changed) = admin.patch(path, body).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    changed
}

async fn shown(admin: &Api, path: &str) -> Value {
    let (status, shown) = admin.get(path).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    shown
}

/// The settings of a module in the bundle that a machine is given.
async fn enforced(machine: &Machine, module: &str) -> Value {
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let bundle: Bundle = serde_json::from_str(&signed.bundle).unwrap();
    bundle.modules.get(module).map(|part| part.settings.clone()).unwrap_or_default()
}

/// Base → Shop → one computer, each with something of its own.
async fn three_layers(site: &Site, admin: &Api) -> (Value, String, String, Machine) {
    let allow =
        |port: &str| json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": [port]});
    let (base, base_path) = made(
        admin,
        "/policies",
        json!({"name": "All", "settings": {
            "firewall": {"mode": "detect", "rules": {"ssh": allow("22"), "web": allow("80")}},
            "intrusion-prevention": {"ruleModes": {"1": "detect"}, "httpPorts": ["80"]}}}),
    )
    .await;
    let (shop, shop_path) = made(
        admin,
        "/policies",
        json!({"name": "Shop", "parentId": base["id"], "settings": {
            "firewall": {"mode": "prevent", "rules": {"ssh": "excluded", "web": allow("443")}},
            "intrusion-prevention": {"ruleModes": {"1": "prevent"}}}}),
    )
    .await;
    let machine = site.machine(admin).await;
    changed(admin, &format!("/computers/{}", machine.id()), json!({"policyId": shop["id"]})).await;
    (base, base_path, shop_path, machine)
}

#[tokio::test]
async fn every_value_says_who_set_it_and_goes_back_to_who_set_it_before() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (base, _, shop_path, machine) = three_layers(&site, &admin).await;
    let own_path = format!("/computers/{}/settings", machine.id());
    let own = changed(
        &admin,
        &own_path,
        json!({"settings": {"firewall": {"mode": "off", "rules": {"ssh": {"action": "deny", "direction": "in"},
            "web": "excluded"}}, "intrusion-prevention": {"ruleModes": {"1": "off"}}}}),
    )
    .await;
    let shop = shown(&admin, &shop_path).await;
    let (base_id, shop_id, own_id) = (&base["id"], &shop["id"], &json!(machine.id()));
    // Of the computer: everything it sets is its own, the rest says its policy.
    assert_eq!(
        own["origins"]["firewall"],
        json!({"/mode": own_id, "/rules/ssh": own_id, "/rules/web": own_id})
    );
    assert_eq!(own["settings"]["firewall"]["rules"], json!({"ssh": {"action": "deny", "direction": "in"}}));
    assert_eq!(
        own["origins"]["intrusion-prevention"],
        json!({"/httpPorts": base_id, "/ruleModes/1": own_id})
    );
    // A property that is given back: the policy's.
    let own = changed(&admin, &own_path, json!({"settings": {"firewall": {"mode": null}}})).await;
    assert_eq!(
        (&own["settings"]["firewall"]["mode"], &own["origins"]["firewall"]["/mode"]),
        (&json!("prevent"), shop_id)
    );
    // A rule's assignment: the policy leaves `ssh` out, and so does the computer again.
    let own = changed(&admin, &own_path, json!({"settings": {"firewall": {"rules": {"ssh": null}}}})).await;
    assert_eq!(own["settings"]["firewall"]["rules"], json!({}));
    assert_eq!(
        own["origins"]["firewall"],
        json!({"/mode": shop_id, "/rules/ssh": shop_id, "/rules/web": own_id})
    );
    // A rule's mode.
    let own =
        changed(&admin, &own_path, json!({"settings": {"intrusion-prevention": {"ruleModes": {"1": null}}}}))
            .await;
    assert_eq!(own["settings"]["intrusion-prevention"]["ruleModes"], json!({"1": "prevent"}));
    assert_eq!(own["origins"]["intrusion-prevention"]["/ruleModes/1"], *shop_id);
    // A keyed property as a whole, then a module: nothing is left.
    let own = changed(&admin, &own_path, json!({"settings": {"firewall": {"rules": null}}})).await;
    assert_eq!(own["local"], json!({}));
    // The same one policy further up; a default has no origin.
    let shop = changed(
        &admin,
        &shop_path,
        json!({"settings": {"firewall": {"rules": {"ssh": null}, "mode": null}}}),
    )
    .await;
    assert_eq!(
        shop["origins"]["firewall"],
        json!({"/mode": base_id, "/rules/ssh": base_id, "/rules/web": shop_id})
    );
    assert_eq!(shop["settings"]["firewall"]["defaultInbound"], "auto");
    assert_eq!(shop["settings"]["firewall"]["rules"]["ssh"]["ports"], json!(["22"]));
    let shop =
        changed(&admin, &shop_path, json!({"settings": {"firewall": null, "intrusion-prevention": null}}))
            .await;
    assert_eq!((&shop["local"], &shop["origins"]["firewall"]["/rules/web"]), (&json!({}), base_id));
    assert_eq!(enforced(&machine, "firewall").await["rules"]["web"]["ports"], json!(["80"]));
}

#[tokio::test]
async fn an_exclusion_is_local_and_ends_where_it_is_taken_back() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (_, base_path, shop_path, machine) = three_layers(&site, &admin).await;
    let rules = || async { enforced(&machine, "firewall").await["rules"].clone() };
    let names = |rules: Value| rules.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(rules().await), ["web"]);
    // Who inherits sees a new rule at once, and not the one that is left out.
    let deny = json!({"action": "deny", "direction": "in", "protocol": "tcp", "ports": ["23"]});
    let rule = json!({"settings": {"firewall": {"rules": {"telnet": deny, "ssh": deny}}}});
    changed(&admin, &base_path, rule).await;
    assert_eq!(names(rules().await), ["telnet", "web"]);
    // An exclusion of what nobody has is kept: it is there when somebody sets it.
    let early = json!({"settings": {"firewall": {"rules": {"future": "excluded"}}}});
    let shop = changed(&admin, &shop_path, early).await;
    assert_eq!(shop["local"]["firewall"]["rules"]["future"], "excluded");
    changed(&admin, &base_path, json!({"settings": {"firewall": {"rules": {"future": deny}}}})).await;
    assert_eq!(names(rules().await), ["telnet", "web"]);
    changed(&admin, &shop_path, json!({"settings": {"firewall": {"rules": {"future": null, "ssh": null}}}}))
        .await;
    assert_eq!(names(rules().await), ["future", "ssh", "telnet", "web"]);
    // The word stands for nothing but an entry of a keyed property.
    let (status, problem) =
        admin.patch(&shop_path, json!({"settings": {"firewall": {"mode": "excluded"}}})).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::BAD_REQUEST, &json!("/settings/firewall/mode"))
    );
}

#[tokio::test]
async fn one_computer_is_tried_before_it_is_changed() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (base, _, shop_path, machine) = three_layers(&site, &admin).await;
    let computer = format!("/computers/{}", machine.id());
    let tried = |body: Value| {
        let (admin, path) = (&admin, format!("{computer}/dry-run"));
        async move { admin.post(&path, body).await }
    };
    let settings = json!({"settings": {"firewall": {"mode": "detect", "rules": {"web": "excluded"}}}});
    let (status, would) = tried(settings.clone()).await;
    assert_eq!((status, &would["computers"]), (StatusCode::OK, &json!(1)), "{would}");
    let group = &would["groups"][0];
    assert_eq!((&group["policyName"], &group["examples"][0]["id"]), (&json!("Shop"), &json!(machine.id())));
    let said: Vec<String> = group["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            format!(
                "{} {} {} [{}] [{}]",
                c["module"].as_str().unwrap(),
                c["pointer"].as_str().unwrap(),
                c["change"].as_str().unwrap(),
                c["beforeOrigin"]["name"].as_str().unwrap(),
                c["afterOrigin"]["kind"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        said,
        ["firewall /mode changed [Shop] [computer]", "firewall /rules/web removed [Shop] [computer]"]
    );
    // What comes to the same is nothing, and nothing was saved.
    assert_eq!(tried(json!({"settings": {"firewall": {"mode": "prevent"}}})).await.1["computers"], 0);
    assert_eq!(tried(json!({})).await.1["groups"], json!([]));
    let own = shown(&admin, &format!("{computer}/settings")).await;
    assert_eq!((&own["local"], &own["etag"]), (&json!({}), &json!("\"0\"")));
    // Another policy, with what the computer sets itself: that stays.
    changed(&admin, &format!("{computer}/settings"), json!({"settings": {"firewall": {"mode": "off"}}}))
        .await;
    let (_, would) = tried(json!({"policyId": base["id"]})).await;
    let pointers: Vec<&str> = would["groups"][0]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        (&would["groups"][0]["policyName"], pointers),
        (&json!("All"), vec!["/rules/ssh", "/rules/web", "/ruleModes/1"])
    );
    assert_eq!(shown(&admin, &computer).await["policyName"], "Shop");
    // What would be refused is refused.
    let (status, problem) = tried(json!({"settings": {"firewall": {"mode": "loud", "tea": 1}}})).await;
    let at = |problem: &Value| {
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|e| e["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (status, at(&problem)),
        (
            StatusCode::BAD_REQUEST,
            vec!["/settings/firewall/mode".to_owned(), "/settings/firewall/tea".to_owned()]
        )
    );
    let (status, problem) = tried(json!({"policyId": machine.id()})).await;
    assert_eq!((status, at(&problem)), (StatusCode::BAD_REQUEST, vec!["/policyId".to_owned()]));
    let (status, _) =
        admin.post(&format!("/computers/{}/dry-run", base["id"].as_str().unwrap()), json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(shown(&admin, &shop_path).await["etag"], "\"1\"");
}

/// A list of each new kind, and a policy and a computer that use them.
async fn listed(site: &Site, admin: &Api) -> (String, String, String, Machine) {
    let (_, macs) = made(
        admin,
        "/common-objects",
        json!({"kind": "macs", "name": "desks", "items": ["02-00-5E-10-00-01", " 0200.5e10.0002 "]}),
    )
    .await;
    let (_, office) = made(
        admin,
        "/common-objects",
        json!({"kind": "context", "name": "office",
            "items": ["INTERFACE eth* and address 192.0.2.0/24", "reachable intranet.example:443"]}),
    )
    .await;
    let (shop, policy) = made(
        admin,
        "/policies",
        json!({"name": "Desk", "settings": {"firewall": {"mode": "prevent", "rules": {"ssh": {"action": "allow",
            "direction": "in", "protocol": "tcp", "ports": ["22"], "macs": ["list:desks", "02-00-5E-10-00-FF"],
            "context": ["list:office", "NOT reachable manager"]}}}}}),
    )
    .await;
    let machine = site.machine(admin).await;
    changed(admin, &format!("/computers/{}", machine.id()), json!({"policyId": shop["id"]})).await;
    (macs, office, policy, machine)
}

#[tokio::test]
async fn contexts_and_mac_lists_reach_the_agent_in_one_form() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (macs, office, policy, machine) = listed(&site, &admin).await;
    assert_eq!(shown(&admin, &macs).await["items"], json!(["02:00:5e:10:00:01", "02:00:5e:10:00:02"]));
    assert_eq!(shown(&admin, &office).await["items"][0], "interface eth* and address 192.0.2.0/24");
    let local = shown(&admin, &policy).await["local"]["firewall"]["rules"]["ssh"].clone();
    assert_eq!(local["macs"], json!(["list:desks", "02:00:5e:10:00:ff"]));
    assert_eq!(local["context"], json!(["list:office", "not reachable manager"]));
    let rule = enforced(&machine, "firewall").await["rules"]["ssh"].clone();
    assert_eq!(rule["macs"], json!(["02:00:5e:10:00:01", "02:00:5e:10:00:02", "02:00:5e:10:00:ff"]));
    assert_eq!(
        rule["context"],
        json!([
            "office: interface eth* and address 192.0.2.0/24",
            "office: reachable intranet.example:443",
            "not reachable manager"
        ])
    );
    // Mistakes are named where they were written.
    let wrong =
        json!({"action": "deny", "direction": "out", "macs": ["list:desks"], "context": ["list:nowhere"]});
    let (status, problem) =
        admin.patch(&policy, json!({"settings": {"firewall": {"rules": {"x": wrong}}}})).await;
    let codes: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["code"].as_str().unwrap()).collect();
    assert_eq!(
        (status, codes),
        (StatusCode::BAD_REQUEST, vec!["no-such-list", "macs-outgoing"]),
        "{problem}"
    );
    for (kind, item, code) in [
        ("macs", "ff:ff:ff:ff:ff:ff", "not-a-mac"),
        ("macs", "02:00", "not-a-mac"),
        ("context", "interface", "not-a-context"),
        ("context", "office: interface eth0", "not-a-context"),
    ] {
        let body = json!({"kind": kind, "name": "x", "items": [item]});
        let (status, problem) = admin.post("/common-objects", body).await;
        assert_eq!(
            (status, &problem["errors"][0]["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{item}"
        );
    }
}

#[tokio::test]
async fn a_list_is_renamed_under_those_who_use_it() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (macs, office, policy, machine) = listed(&site, &admin).await;
    let own_path = format!("/computers/{}/settings", machine.id());
    let rule = json!({"action": "deny", "direction": "in", "macs": ["list:desks"]});
    changed(&admin, &own_path, json!({"settings": {"firewall": {"rules": {"own": rule}}}})).await;
    // A version that refers to it, and one that does not.
    changed(
        &admin,
        &policy,
        json!({"settings": {"firewall": {"rules": {"ssh": "excluded"}}}, "comment": "off"}),
    )
    .await;
    let before = enforced(&machine, "firewall").await;
    let renamed = changed(&admin, &macs, json!({"name": "all desks"})).await;
    assert_eq!(renamed["usedBy"].as_array().unwrap().len(), 1, "{renamed}");
    let own = shown(&admin, &own_path).await;
    assert_eq!(own["local"]["firewall"]["rules"]["own"]["macs"], json!(["list:all desks"]));
    assert_eq!(own["etag"], "\"2\"", "who edits it now is told");
    assert_eq!(enforced(&machine, "firewall").await, before, "nothing else is enforced");
    let (_, first) = admin.get(&format!("{policy}/versions/1")).await;
    let rule = &first["local"]["firewall"]["rules"]["ssh"];
    assert_eq!(rule["macs"], json!(["list:all desks", "02:00:5e:10:00:ff"]));
    assert_eq!(rule["context"], json!(["list:office", "not reachable manager"]), "another kind");
    let (status, back) = admin.post(&format!("{policy}/roll-back"), json!({"version": 1})).await;
    assert_eq!((status, &back["local"]["firewall"]["rules"]["ssh"]["macs"]), (StatusCode::OK, &rule["macs"]));
    // A policy that uses it has a version that says so.
    changed(&admin, &office, json!({"name": "bureau"})).await;
    let versions = admin.list(&format!("{policy}/versions")).await;
    assert_eq!(
        (&versions[0]["action"], &versions[0]["comment"]),
        (&json!("changed"), &json!("list:office → list:bureau"))
    );
    let local = shown(&admin, &policy).await["local"]["firewall"]["rules"]["ssh"].clone();
    assert_eq!(local["context"], json!(["list:bureau", "not reachable manager"]));
    assert_eq!(
        enforced(&machine, "firewall").await["rules"]["ssh"]["context"][0]
            .as_str()
            .unwrap()
            .split(':')
            .next(),
        Some("bureau")
    );
    assert_eq!(admin.delete(&office).await, StatusCode::CONFLICT);
    // A name that would mean another list as well is refused while something refers to it.
    let (_, folders) = made(
        &admin,
        "/common-objects",
        json!({"kind": "folders", "name": "caches", "items": ["/var/cache"]}),
    )
    .await;
    let (_, files) =
        made(&admin, "/common-objects", json!({"kind": "files", "name": "swap", "items": ["/swap"]})).await;
    changed(
        &admin,
        &policy,
        json!({"settings": {"anti-malware": {"exclusions": {"list:swap": true, "list:caches": true}}}}),
    )
    .await;
    let (status, problem) = admin.patch(&files, json!({"name": "caches"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("name-taken")), "{problem}");
    changed(&admin, &folders, json!({"name": "temporary"})).await;
    changed(&admin, &files, json!({"name": "caches"})).await;
    let shop = shown(&admin, &policy).await;
    assert_eq!(
        shop["local"]["anti-malware"]["exclusions"],
        json!({"list:caches": true, "list:temporary": true})
    );
}

#[tokio::test]
async fn what_is_exported_is_unchanged_when_it_is_applied() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (macs, _, _, _) = listed(&site, &admin).await;
    for (kind, name, item) in [
        ("addresses", "net", "192.0.2.0/24"),
        ("ports", "web", "8000-8090"),
        ("files", "one", "/swap"),
        ("folders", "some", "/var/cache"),
        ("extensions", "noise", "tar.gz"),
        ("schedule", "night", "mon-fri 22:00-06:00 Asia/Tokyo"),
    ] {
        made(&admin, "/common-objects", json!({"kind": kind, "name": name, "items": [item]})).await;
    }
    changed(&admin, &macs, json!({"name": "all desks"})).await;
    let document = shown(&admin, "/policy-document").await;
    let kinds: Vec<&str> =
        document["lists"].as_array().unwrap().iter().map(|l| l["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    let apply = |document: Value| {
        let admin = &admin;
        async move {
            let (status, applied) = admin.post("/policy-document", json!({"document": document})).await;
            assert_eq!(status, StatusCode::OK, "{applied}");
            let objects = applied["objects"].as_array().unwrap().clone();
            objects.into_iter().filter(|object| object["outcome"] != "unchanged").collect::<Vec<_>>()
        }
    };
    assert_eq!(apply(document.clone()).await, [] as [Value; 0]);
    // Another form of the same is the same.
    let text = document
        .to_string()
        .replace("02:00:5e:10:00:01", "0200.5E10.0001")
        .replace("not reachable", "NOT  Reachable");
    assert_eq!(apply(serde_json::from_str(&text).unwrap()).await, [] as [Value; 0]);
    assert_eq!(shown(&admin, "/policy-document").await, document);
}
