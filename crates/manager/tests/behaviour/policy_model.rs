//! History, differences, dry runs, settings of one computer, common objects.
use crate::support::{Api, Site};
use reqwest::{Method, StatusCode};
use sakimori_protocol::Bundle;
use serde_json::{Value, json};

fn path_of(object: &Value, kind: &str) -> String {
    format!("/{kind}/{}", object["id"].as_str().unwrap())
}

async fn policy(admin: &Api, body: Value) -> (Value, String) {
    let (status, made) = admin.post("/policies", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = path_of(&made, "policies");
    (made, path)
}

async fn changed(admin: &Api, path: &str, body: Value) -> Value {
    let (status, changed) = admin.patch(path, body).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    changed
}

async fn list(admin: &Api, kind: &str, name: &str, items: &[&str]) -> String {
    let (status, made) =
        admin.post("/common-objects", json!({"kind": kind, "name": name, "items": items})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    path_of(&made, "common-objects")
}

/// What a machine is told to enforce.
async fn bundle(machine: &crate::support::Machine) -> Bundle {
    let answer = machine.check_in(None).await.unwrap();
    serde_json::from_str(&answer.bundle.unwrap().bundle).unwrap()
}

#[tokio::test]
async fn every_change_is_a_version_and_any_version_can_come_back() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (_, path) = policy(&admin, json!({"name": "Shop", "comment": "first"})).await;
    let prevent = json!({"settings": {"firewall": {"mode": "prevent"}}, "comment": "go live, ticket 7"});
    changed(&admin, &path, prevent).await;
    let more = json!({"name": "Webshop", "settings": {"firewall": {"mode": null, "rules": {"ssh":
        {"action": "allow", "direction": "in"}}}}});
    changed(&admin, &path, more).await;

    let versions = admin.list(&format!("{path}/versions")).await;
    let said: Vec<(u64, &str, &str, &str)> = versions
        .iter()
        .map(|v| {
            let text = |member: &str| v[member].as_str().unwrap();
            (v["version"].as_u64().unwrap(), text("action"), text("comment"), text("author"))
        })
        .collect();
    assert_eq!(
        said,
        [
            (3, "changed", "", "test"),
            (2, "changed", "go live, ticket 7", "test"),
            (1, "created", "first", "test")
        ]
    );
    let (_, second) = admin.get(&format!("{path}/versions/2")).await;
    assert_eq!(second["local"], json!({"firewall": {"mode": "prevent"}}));
    let (status, page) = admin.get(&format!("{path}/versions?limit=2")).await;
    assert_eq!((status, &page["nextCursor"]), (StatusCode::OK, &json!("2")));
    assert_eq!(admin.list(&format!("{path}/versions?limit=2&cursor=2")).await.len(), 1);

    let (_, diff) = admin.get(&format!("{path}/diff?version=2&withVersion=3")).await;
    let changes: Vec<(&str, &str, &str)> = diff["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            (c["module"].as_str().unwrap(), c["pointer"].as_str().unwrap(), c["change"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("policy", "/name", "changed"),
            ("firewall", "/mode", "changed"),
            ("firewall", "/rules/ssh", "added")
        ]
    );
    let mode = &diff["changes"][1];
    assert_eq!((&mode["before"], &mode["after"]), (&json!("prevent"), &json!("off")));
    assert_eq!(
        (&mode["beforeOrigin"]["kind"], &mode["afterOrigin"]["kind"]),
        (&json!("policy"), &json!("default"))
    );

    let back = |etag: &str| {
        let request = admin.request(Method::POST, &format!("{path}/roll-back")).header("if-match", etag);
        admin.send(request.json(&json!({"version": 2, "comment": "the shop was down"})))
    };
    let (status, problem) = back("\"2\"").await;
    assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &json!("changed-meanwhile")));
    let (status, restored) = back("\"3\"").await;
    assert_eq!(status, StatusCode::OK, "{restored}");
    assert_eq!((&restored["name"], &restored["etag"]), (&json!("Shop"), &json!("\"4\"")));
    assert_eq!(restored["local"], json!({"firewall": {"mode": "prevent"}}));
    let (_, newest) = admin.get(&format!("{path}/versions/4")).await;
    assert_eq!(newest["version"]["action"], "rolled-back");
    assert_eq!(newest["version"]["comment"], "the shop was down");

    for missing in ["9", "0", "99999999999999999999"] {
        assert_eq!(
            admin.get(&format!("{path}/versions/{missing}")).await.0,
            StatusCode::NOT_FOUND,
            "{missing}"
        );
    }
    let (status, _) = admin.post(&format!("{path}/roll-back"), json!({"version": 9})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_bounded_number_of_versions_is_kept() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (_, path) = policy(&admin, json!({"name": "Busy"})).await;
    for number in 0..205 {
        changed(&admin, &path, json!({"description": number.to_string()})).await;
    }
    let versions = admin.list(&format!("{path}/versions?limit=500")).await;
    assert_eq!(versions.len(), 200);
    assert_eq!((&versions[0]["version"], &versions[199]["version"]), (&json!(206), &json!(7)));
    assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(&format!("{path}/versions")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_policies_are_compared_member_by_member() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let rule = |port: &str| json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": [port]});
    let rules = |ssh: &str| json!({"firewall": {"rules": {"ssh": rule(ssh), "web": rule("80")}}});
    let (base, base_path) = policy(&admin, json!({"name": "A", "settings": rules("22")})).await;
    let (other, _) = policy(
        &admin,
        json!({"name": "B", "parentId": base["id"], "settings": {"firewall": {"rules": {"ssh": rule("2222"),
            "web": "excluded"}}, "anti-malware": {"onAccess": true}}}),
    )
    .await;
    let (_, diff) = admin.get(&format!("{base_path}/diff?with={}", other["id"].as_str().unwrap())).await;
    let changes = diff["changes"].as_array().unwrap();
    let said: Vec<String> = changes
        .iter()
        .map(|c| {
            format!("{}{} {}", c["module"].as_str().unwrap(), c["pointer"].as_str().unwrap(), c["change"])
        })
        .collect();
    assert_eq!(
        said,
        [
            "firewall/rules/ssh \"changed\"",
            "firewall/rules/web \"removed\"",
            "anti-malware/onAccess \"changed\""
        ]
    );
    assert_eq!(changes[0]["before"]["ports"], json!(["22"]));
    assert_eq!(changes[1]["afterOrigin"]["name"], "B");
    assert_eq!((&diff["total"], &diff["after"]["name"]), (&json!(3), &json!("B")));
}

#[tokio::test]
async fn a_dry_run_names_the_computers_and_saves_nothing() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (machine, own) = (site.machine(&admin).await, site.machine(&admin).await);
    let base = admin.policy("Base").await;
    let path = path_of(&base, "policies");
    let own_path = format!("/computers/{}/settings", own.id());
    changed(&admin, &own_path, json!({"settings": {"firewall": {"mode": "detect"}}})).await;

    let dry_run = format!("{path}/dry-run");
    let patch = json!({"settings": {"firewall": {"mode": "prevent", "rules": {"ssh":
        {"action": "allow", "direction": "in"}}}}});
    let (status, would) = admin.post(&dry_run, patch.clone()).await;
    assert_eq!(status, StatusCode::OK, "{would}");
    assert_eq!(would["computers"], 2);
    let groups = would["groups"].as_array().unwrap();
    let of =
        |id: uuid::Uuid| groups.iter().find(|g| g["examples"][0]["id"] == json!(id.to_string())).unwrap();
    let with_policy = of(machine.id());
    assert_eq!(
        with_policy["modules"],
        json!([{"module": "firewall", "properties": 1, "added": 1, "removed": 0, "changed": 0}])
    );
    let with_own = of(own.id());
    assert_eq!(
        with_own["modules"],
        json!([{"module": "firewall", "properties": 0, "added": 1, "removed": 0, "changed": 0}]),
        "its own mode stays"
    );
    assert!(
        groups.iter().any(|g| g["policyName"] == "Web server" && g["computers"] == 0),
        "inherits: {would}"
    );
    assert_eq!(admin.get(&path).await.1["etag"], base["etag"]);

    let (status, nothing) = admin.post(&dry_run, json!({"description": "other words"})).await;
    assert_eq!((status, &nothing["computers"]), (StatusCode::OK, &json!(0)));
    let (status, wrong) = admin.post(&dry_run, json!({"settings": {"firewall": {"mode": "hot"}}})).await;
    assert_eq!(
        (status, &wrong["errors"][0]["pointer"]),
        (StatusCode::BAD_REQUEST, &json!("/settings/firewall/mode"))
    );
}

#[tokio::test]
async fn a_computer_has_settings_above_its_policy() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (machine, other) = (site.machine(&admin).await, site.machine(&admin).await);
    let before = bundle(&machine).await;
    assert_eq!(before, bundle(&other).await, "one bundle for all of a policy");
    let path = format!("/computers/{}/settings", machine.id());
    let (_, untouched) = admin.get(&path).await;
    assert_eq!((&untouched["local"], &untouched["etag"]), (&json!({}), &json!("\"0\"")));

    let set = json!({"settings": {"firewall": {"mode": "prevent"}, "intrusion-prevention": {"ruleModes": {"7": "off"}}}});
    let own = changed(&admin, &path, set).await;
    assert_eq!(own["origins"]["firewall"]["/mode"], json!(machine.id()));
    let base = admin.policy("Base").await;
    assert_eq!(own["origins"]["intrusion-prevention"]["/mode"], base["id"]);
    let now = bundle(&machine).await;
    assert_eq!(now.modules["firewall"].settings["mode"], "prevent");
    assert_eq!(now.modules["intrusion-prevention"].settings["ruleModes"], json!({"7": "off"}));
    assert_eq!(bundle(&other).await, before, "nobody else is touched");

    let stale =
        admin.request(Method::PATCH, &path).header("if-match", "\"0\"").json(&json!({"settings": {}}));
    assert_eq!(admin.send(stale).await.0, StatusCode::PRECONDITION_FAILED);
    let (status, wrong) =
        admin.patch(&path, json!({"settings": {"firewall": {"defaultInbound": "maybe"}}})).await;
    assert_eq!(
        (status, &wrong["errors"][0]["pointer"]),
        (StatusCode::BAD_REQUEST, &json!("/settings/firewall/defaultInbound"))
    );

    // Another policy shows below what is set on the computer, and a restart changes nothing.
    let web = admin.policy("Web server").await;
    changed(&admin, &format!("/computers/{}", machine.id()), json!({"policyId": web["id"]})).await;
    let moved = bundle(&machine).await;
    assert_eq!(moved.policy_name, "Web server");
    assert_eq!(moved.modules["intrusion-prevention"].settings["mode"], "prevent");
    assert_eq!(moved.modules["firewall"].settings["mode"], "prevent");
    let site = site.restart().await;
    let mut machine = machine;
    machine.gateway = site.gateway_url("");
    assert_eq!(bundle(&machine).await, moved);

    let admin = site.admin().await;
    let reset =
        changed(&admin, &path, json!({"settings": {"firewall": null, "intrusion-prevention": null}})).await;
    assert_eq!(reset["local"], json!({}));
    assert_eq!(bundle(&machine).await.modules["firewall"].settings["mode"], "off");
    assert_eq!(admin.delete(&format!("/computers/{}", machine.id())).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(&path).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_reach_the_agent_as_plain_values() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let office = list(&admin, "addresses", "office", &["192.0.2.0/24", "2001:db8::/32"]).await;
    list(&admin, "ports", "web", &["80", "8000-8090"]).await;
    list(&admin, "folders", "caches", &["/var/cache"]).await;
    list(&admin, "extensions", "noise", &["log"]).await;
    let base = path_of(&admin.policy("Base").await, "policies");
    let rule = json!({"action": "allow", "direction": "in", "protocol": "tcp", "remote": ["list:office", "198.51.100.7"],
        "ports": ["list:web", "443"]});
    let settings = json!({
        "firewall": {"rules": {"web": rule}},
        "intrusion-prevention": {"httpPorts": ["list:web"]},
        "anti-malware": {"exclusions": {"list:caches": true}},
        "integrity-monitoring": {"sets": {"home": {"base": "/home", "exclude": ["list:noise"]}}},
    });
    let shown = changed(&admin, &base, json!({"settings": settings})).await;
    assert_eq!(
        shown["settings"]["firewall"]["rules"]["web"],
        json!({"action": "allow", "direction": "in",
        "protocol": "tcp", "remote": ["list:office", "198.51.100.7"], "ports": ["list:web", "443"]}),
        "people see the list"
    );
    let plain = bundle(&machine).await.modules;
    let web = &plain["firewall"].settings["rules"]["web"];
    assert_eq!(web["remote"], json!(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"]));
    assert_eq!(web["ports"], json!(["80", "8000-8090", "443"]));
    assert_eq!(plain["intrusion-prevention"].settings["httpPorts"], json!(["80", "8000-8090"]));
    assert_eq!(plain["anti-malware"].settings["exclusions"], json!({"/var/cache": true}));
    assert_eq!(plain["integrity-monitoring"].settings["sets"]["home"]["exclude"], json!(["**/*.log"]));

    changed(&admin, &office, json!({"items": ["203.0.113.0/24"]})).await;
    let web = bundle(&machine).await.modules["firewall"].settings["rules"]["web"].clone();
    assert_eq!(web["remote"], json!(["203.0.113.0/24", "198.51.100.7"]), "a change of the list goes out");
}

#[tokio::test]
async fn a_list_in_use_stays_and_says_by_whom() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let web = list(&admin, "ports", "web", &["80"]).await;
    let own = format!("/computers/{}/settings", machine.id());
    changed(&admin, &own, json!({"settings": {"intrusion-prevention": {"httpPorts": ["list:web"]}}})).await;
    let (_, shown) = admin.get(&web).await;
    assert_eq!(shown["usedBy"][0]["kind"], "computer");
    assert_eq!(shown["usedBy"][0]["pointer"], "/intrusion-prevention/httpPorts/0");
    let (status, problem) = admin.send(admin.request(Method::DELETE, &web)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("in-use")));
    assert!(problem["detail"].as_str().unwrap().contains("web1 refers to it"), "{problem}");
    changed(&admin, &web, json!({"name": "web", "description": "the same name"})).await;

    let (status, problem) = admin.patch(&web, json!({"items": []})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("not-a-list")));
    let many: Vec<String> = (1..=65).map(|port: u16| port.to_string()).collect();
    let (status, problem) = admin.patch(&web, json!({"items": many})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "more ports than a module takes: {problem}");
    assert_eq!(problem["errors"][0]["args"]["computer"], "web1");

    changed(&admin, &own, json!({"settings": {"intrusion-prevention": null}})).await;
    assert_eq!(admin.delete(&web).await, StatusCode::NO_CONTENT);
    let (status, problem) =
        admin.patch(&own, json!({"settings": {"intrusion-prevention": {"httpPorts": ["list:web"]}}})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("no-such-list")));

    let twice = json!({"kind": "ports", "name": "db", "items": ["5432"]});
    assert_eq!(admin.post("/common-objects", twice.clone()).await.0, StatusCode::CREATED);
    assert_eq!(admin.post("/common-objects", twice).await.0, StatusCode::CONFLICT);
    let same_name = json!({"kind": "addresses", "name": "db", "items": ["192.0.2.1"]});
    assert_eq!(admin.post("/common-objects", same_name).await.0, StatusCode::CREATED);
    assert_eq!(admin.list("/common-objects?kind=ports").await.len(), 1);
    let (_, first) = admin.get("/common-objects?limit=1").await;
    let cursor = first["nextCursor"].as_str().unwrap().replace('\n', "%0A");
    assert_eq!(admin.list(&format!("/common-objects?limit=1&cursor={cursor}")).await.len(), 1);
}

fn document() -> Value {
    json!({
        "sakimori": 1,
        "lists": [{"kind": "addresses", "name": "office", "items": ["192.0.2.0/24"]}],
        "policies": [
            {"name": "Shop EU", "parent": "Shop", "settings": {"firewall": {"rules": {"ssh": "excluded"}}}},
            {"name": "Shop", "parent": "Base", "description": "Web shops", "settings": {
                "firewall": {"mode": "prevent", "rules": {"ssh": {"action": "allow", "direction": "in",
                    "protocol": "tcp", "ports": ["22"], "remote": ["list:office"]}}},
                "intrusion-prevention": {"ruleModes": {"7": "off"}}}},
        ],
    })
}

fn outcomes(applied: &Value) -> Vec<String> {
    let objects = applied["objects"].as_array().unwrap().iter();
    objects.map(|o| format!("{} {}", o["name"].as_str().unwrap(), o["outcome"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_document_is_applied_once_and_then_unchanged() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let before = admin.list("/policies").await.len();
    let apply = |document: Value, dry_run: bool| {
        admin
            .post("/policy-document", json!({"document": document, "dryRun": dry_run, "comment": "from Git"}))
    };
    let (status, would) = apply(document(), true).await;
    assert_eq!(status, StatusCode::OK, "{would}");
    assert_eq!(outcomes(&would), ["office created", "Shop EU created", "Shop created"]);
    assert_eq!(admin.list("/policies").await.len(), before, "a dry run saves nothing");
    assert!(admin.list("/common-objects").await.is_empty());

    let (status, applied) = apply(document(), false).await;
    assert_eq!(status, StatusCode::OK, "{applied}");
    let (shop, eu) = (admin.policy("Shop").await, admin.policy("Shop EU").await);
    assert_eq!((&eu["parentId"], &shop["parentId"]), (&shop["id"], &admin.policy("Base").await["id"]));
    assert_eq!(eu["settings"]["firewall"]["rules"], json!({}));
    let versions = admin.list(&format!("{}/versions", path_of(&shop, "policies"))).await;
    assert_eq!((&versions[0]["action"], &versions[0]["comment"]), (&json!("applied"), &json!("from Git")));

    let (_, again) = apply(document(), false).await;
    assert_eq!(outcomes(&again), ["office unchanged", "Shop EU unchanged", "Shop unchanged"]);
    assert_eq!(admin.policy("Shop").await["etag"], shop["etag"], "no new version");

    // What is exported is what was applied.
    let id = eu["id"].as_str().unwrap();
    let (_, exported) = admin.get(&format!("/policy-document?policy={id}")).await;
    let names: Vec<&str> =
        exported["policies"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Base", "Shop", "Shop EU"]);
    assert_eq!(exported["lists"], document()["lists"]);
    assert_eq!(exported["policies"][1], document()["policies"][1]);
    let (_, same) = apply(exported, false).await;
    assert!(outcomes(&same).iter().all(|outcome| outcome.ends_with("unchanged")), "{same}");

    // Settings that the document no longer names are inherited again.
    let mut less = document();
    less["policies"][1]["settings"] = json!({"firewall": {"mode": "prevent"}});
    let (_, applied) = apply(less, false).await;
    assert_eq!(outcomes(&applied), ["office unchanged", "Shop EU unchanged", "Shop changed"]);
    assert_eq!(admin.policy("Shop").await["local"], json!({"firewall": {"mode": "prevent"}}));
}

#[tokio::test]
async fn a_document_with_a_mistake_changes_nothing_and_names_them_all() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let wrong = json!({
        "sakimori": 1,
        "lists": [{"kind": "ports", "name": "web", "items": ["80", "http"]}],
        "policies": [
            {"name": "A", "parent": "Nobody"},
            {"name": "B", "settings": {"firewall": {"mode": "hot"}, "tea": {}}},
            {"name": "C"}, {"name": "C"},
        ],
    });
    let (status, problem) = admin.post("/policy-document", json!({"document": wrong})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let at: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        at,
        [
            "/document/lists/0/items/1",
            "/document/policies/3/name",
            "/document/policies/0/parent",
            "/document/policies/1/settings/firewall/mode",
            "/document/policies/1/settings/tea",
        ]
    );
    let cycle =
        json!({"sakimori": 1, "policies": [{"name": "A", "parent": "B"}, {"name": "B", "parent": "A"}]});
    let (status, problem) = admin.post("/policy-document", json!({"document": cycle})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("cycle")));
    let (status, _) = admin.post("/policy-document", json!({"document": {"sakimori": 2}})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(admin.list("/policies").await.len(), 2, "the two of the product");
    assert!(admin.list("/common-objects").await.is_empty());
}

#[tokio::test]
async fn pruning_deletes_what_is_not_named_but_nothing_in_use() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    admin.post("/policy-document", json!({"document": document()})).await;
    let shop = admin.policy("Shop").await;
    let assign = format!("/computers/{}", machine.id());
    changed(&admin, &assign, json!({"policyId": shop["id"]})).await;
    let prune =
        |document: Value| admin.post("/policy-document", json!({"document": document, "prune": true}));
    let nothing = json!({"sakimori": 1});
    let (status, problem) = prune(nothing.clone()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("in-use")));
    assert!(problem["detail"].as_str().unwrap().contains("'Shop' is assigned to web1"), "{problem}");
    assert_eq!(admin.list("/policies").await.len(), 4);

    changed(&admin, &assign, json!({"policyId": admin.policy("Base").await["id"]})).await;
    let mut keeps = document();
    keeps["lists"] = json!([]);
    keeps["policies"].as_array_mut().unwrap().remove(0);
    let (status, problem) = prune(keeps).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the list is still referred to: {problem}");
    assert_eq!(problem["errors"][0]["code"], "no-such-list");
    let (status, applied) = prune(nothing).await;
    assert_eq!(status, StatusCode::OK, "{applied}");
    assert_eq!(admin.list("/policies").await.len(), 2, "those of the product stay");
    assert!(admin.list("/common-objects").await.is_empty());
}
