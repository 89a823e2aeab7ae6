//! Computers in groups, with tags, found again; what is protected of them.
use crate::support::{Api, Machine, Site, new_token};
use reqwest::StatusCode;
use sakimori_protocol::{ListeningPort, Mode, ModuleState, ModuleStatus, PortCoverage};
use serde_json::{Value, json};

async fn group(admin: &Api, name: &str, parent: Option<&Value>) -> Value {
    let parent = parent.map_or(Value::Null, |parent| parent["id"].clone());
    let (status, group) = admin.post("/computer-groups", json!({"name": name, "parentId": parent})).await;
    assert_eq!(status, StatusCode::CREATED, "{group}");
    group
}

fn path(of: &str, thing: &Value) -> String {
    format!("/{of}/{}", thing["id"].as_str().unwrap())
}

async fn named(site: &Site, admin: &Api, token: &str, name: &str) -> Machine {
    let mut machine = Machine::new();
    let mut message = machine.enrol_message(token);
    message.host_name = name.to_owned();
    let (status, answer) = crate::support::post_agent(site, sakimori_protocol::paths::ENROLL, &message).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let answer: sakimori_protocol::EnrolAnswer = serde_json::from_value(answer).unwrap();
    machine.use_certificate(site, &answer.certificate);
    machine.answer = Some(answer);
    let (status, _) =
        admin.patch(&format!("/computers/{}", machine.id()), json!({"displayName": name})).await;
    assert_eq!(status, StatusCode::OK);
    machine
}

async fn names(admin: &Api, query: &str) -> Vec<String> {
    let all = admin.list(&format!("/computers?{query}")).await;
    all.iter().map(|computer| computer["displayName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn groups_are_a_tree_and_a_computer_is_in_one_at_most() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let asia = group(&admin, "Asia", None).await;
    let japan = group(&admin, "Japan", Some(&asia)).await;
    let tokyo = group(&admin, "Tokyo", Some(&japan)).await;
    let (status, problem) = admin.post("/computer-groups", json!({"name": "Asia"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("name-taken")));
    // Not into itself, and not into what is below it.
    for below in [&asia, &tokyo] {
        let (status, problem) =
            admin.patch(&path("computer-groups", &asia), json!({"parentId": below["id"]})).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("cycle")));
    }
    let machine = site.machine(&admin).await;
    let computer = format!("/computers/{}", machine.id());
    let (status, moved) = admin.patch(&computer, json!({"groupId": tokyo["id"]})).await;
    assert_eq!((status, &moved["groupName"]), (StatusCode::OK, &json!("Tokyo")));
    let other = site.machine(&admin).await;
    for (group, expected) in [(&asia, 1), (&japan, 1), (&tokyo, 1)] {
        let found = admin.list(&format!("/computers?groupId={}", group["id"].as_str().unwrap())).await;
        assert_eq!(found.len(), expected);
        assert_eq!(found[0]["id"], json!(machine.id()));
    }
    assert_ne!(machine.id(), other.id());
    let (_, shown) = admin.get(&path("computer-groups", &tokyo)).await;
    assert_eq!(shown["computers"], 1);

    // What holds something is not deleted.
    let (status, problem) =
        admin.send(admin.request(reqwest::Method::DELETE, &path("computer-groups", &tokyo))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("in-use")), "a computer");
    assert_eq!(admin.delete(&path("computer-groups", &japan)).await, StatusCode::CONFLICT, "a group");
    admin.patch(&computer, json!({"groupId": null})).await;
    assert_eq!(admin.delete(&path("computer-groups", &tokyo)).await, StatusCode::NO_CONTENT);

    // Two editors.
    let edit = admin.request(reqwest::Method::PATCH, &path("computer-groups", &japan));
    let (status, problem) = admin.send(edit.header("if-match", "\"7\"").json(&json!({"name": "x"}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &json!("changed-meanwhile")));
}

#[tokio::test]
async fn computers_are_found_by_tag_policy_platform_state_and_filter() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let web = admin.policy("Web server").await;
    let token = new_token(&admin, json!({"name": "t", "tags": {"env": "prod"}})).await;
    let beta = named(&site, &admin, &token, "beta").await;
    let alpha = named(&site, &admin, &token, "Alpha").await;
    let gamma = named(&site, &admin, &token, "gamma").await;
    beta.check_in(None).await;
    let tag = |machine: &Machine, patch: Value| {
        let path = format!("/computers/{}", machine.id());
        let admin = &admin;
        async move { admin.patch(&path, patch).await }
    };
    let (_, shown) = tag(&alpha, json!({"tags": {"role": "web", "canary": ""}, "assetValue": 90})).await;
    assert_eq!(shown["tags"], json!({"canary": "", "env": "prod", "role": "web"}));
    let (_, shown) = tag(&gamma, json!({"tags": {"env": null, "note": "says \"role\":\"web\" here"}})).await;
    assert_eq!(shown["tags"], json!({"note": "says \"role\":\"web\" here"}));
    tag(&beta, json!({"policyId": web["id"], "tags": {"role": "db"}})).await;
    for wrong in [json!({"tags": {"a b": ""}}), json!({"assetValue": 0}), json!({"assetValue": 101})] {
        assert_eq!(tag(&beta, wrong).await.0, StatusCode::BAD_REQUEST);
    }

    for (query, expected) in [
        ("tag=role", vec!["beta", "Alpha"]),
        ("tag=role%3Dweb", vec!["Alpha"]),
        ("tag=canary", vec!["Alpha"]),
        ("tag=env%3Dprod&sort=displayName", vec!["Alpha", "beta"]),
        ("sort=displayName&descending=true", vec!["gamma", "beta", "Alpha"]),
        ("sort=assetValue&descending=true&limit=1", vec!["Alpha"]),
        ("platform=debian&q=gam", vec!["gamma"]),
        ("platform=windows", vec![]),
        ("status=pending", vec!["Alpha", "gamma"]),
        ("module=intrusion-prevention&moduleState=active", vec!["beta"]),
        ("filter=tags.role%20%3D%20web%20OR%20status%20%3D%20online", vec!["beta", "Alpha"]),
        ("filter=assetValue%20%3E%3D%2050", vec!["Alpha"]),
        ("filter=NOT%20tag%20%3D%20role", vec!["gamma"]),
        ("filter=name%20%3D%20ga*%20lastSeen%20%3C%20-1h", vec!["gamma"]),
    ] {
        assert_eq!(names(&admin, query).await, expected, "{query}");
    }
    let by_policy = format!("policyId={}", web["id"].as_str().unwrap());
    assert_eq!(names(&admin, &by_policy).await, ["beta"]);
    let (status, problem) = admin.get("/computers?filter=severity%20%3D%20high").await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("Q005")));

    // A list in parts says everybody once, in order, whatever it is sorted by.
    for sort in ["activatedAt", "displayName", "lastSeen", "assetValue"] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let (_, page) = admin.get(&format!("/computers?limit=1&sort={sort}{cursor}")).await;
            found.extend(page["items"].as_array().unwrap().iter().map(|c| c["displayName"].clone()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let whole: Vec<Value> = admin
            .list(&format!("/computers?sort={sort}"))
            .await
            .iter()
            .map(|c| c["displayName"].clone())
            .collect();
        assert_eq!(found, whole, "{sort}");
        assert_eq!(found.len(), 3);
    }
}

#[tokio::test]
async fn a_smart_folder_is_a_saved_search_of_computers() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let token = new_token(&admin, json!({"name": "t"})).await;
    let machine = named(&site, &admin, &token, "web-1").await;
    named(&site, &admin, &token, "db-1").await;
    let folder = json!({"name": "Web", "subject": "computers", "filter": "name = web-*", "shared": true});
    let (status, folder) = admin.post("/saved-searches", folder).await;
    assert_eq!(status, StatusCode::CREATED, "{folder}");
    let query = format!("searchId={}", folder["id"].as_str().unwrap());
    assert_eq!(names(&admin, &query).await, ["web-1"]);
    // A field of events is none of computers, and the other way round.
    let wrong = json!({"name": "x", "subject": "computers", "filter": "severity = high"});
    assert_eq!(admin.post("/saved-searches", wrong).await.0, StatusCode::BAD_REQUEST);
    let wrong = json!({"name": "x", "filter": "status = online"});
    assert_eq!(admin.post("/saved-searches", wrong).await.0, StatusCode::BAD_REQUEST);
    let (_, events) = admin.post("/saved-searches", json!({"name": "e", "filter": "severity = high"})).await;
    let query = format!("/computers?searchId={}", events["id"].as_str().unwrap());
    assert_eq!(admin.get(&query).await.0, StatusCode::BAD_REQUEST);
    assert!(!machine.id().is_nil());
}

#[tokio::test]
async fn coverage_says_what_is_not_protected_and_why() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let coverage = |module: &'static str| {
        let path = format!("/computers/{}/coverage", machine.id());
        let admin = &admin;
        async move {
            let (status, all) = admin.get(&path).await;
            assert_eq!(status, StatusCode::OK, "{all}");
            let found =
                all["modules"].as_array().unwrap().iter().find(|m| m["module"] == module).unwrap().clone();
            let codes: Vec<String> = found["findings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|finding| {
                    assert!(!finding["text"]["en"].as_str().unwrap().is_empty());
                    assert!(!finding["text"]["ja"].as_str().unwrap().is_empty());
                    finding["code"].as_str().unwrap().to_owned()
                })
                .collect();
            (found["state"].as_str().unwrap().to_owned(), codes.join(" "))
        }
    };
    assert_eq!(coverage("firewall").await, ("unknown".to_owned(), "no-contact-yet".to_owned()));

    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let hash = sakimori_protocol::Hash::of(signed.bundle.as_bytes());
    let module = |id: &str, state, mode, reasons: &[&str]| ModuleStatus {
        module: id.to_owned(),
        state,
        mode,
        reasons: reasons.iter().map(|&reason| reason.to_owned()).collect(),
        rules: 1,
        counters: Vec::new(),
    };
    let port = |port, coverage| ListeningPort {
        protocol: "tcp".to_owned(),
        address: "0.0.0.0".to_owned(),
        port,
        process: String::new(),
        coverage,
    };
    let mut message = machine.check_in_message(Some(hash), 0);
    message.modules = vec![
        module("intrusion-prevention", ModuleState::Active, Mode::Prevent, &[]),
        module("firewall", ModuleState::Off, Mode::Off, &[]),
        module("anti-malware", ModuleState::Failed, Mode::Prevent, &["something-new"]),
        module("log-inspection", ModuleState::Active, Mode::Detect, &[]),
        module("web-reputation", ModuleState::Active, Mode::Detect, &[]),
    ];
    let full = message.full.as_mut().unwrap();
    full.ports = vec![
        port(80, PortCoverage::Inspected),
        port(443, PortCoverage::NotInspectedEncrypted),
        port(5432, PortCoverage::NotInspectedPolicy),
    ];
    assert_eq!(machine.send_check_in(&message).await.0, StatusCode::NO_CONTENT);
    let is = |state: &str, codes: &str| (state.to_owned(), codes.to_owned());
    assert_eq!(coverage("intrusion-prevention").await, is("partial", "ports-encrypted ports-not-inspected"));
    assert_eq!(coverage("firewall").await, is("none", "module-off"));
    assert_eq!(coverage("anti-malware").await, is("none", "something-new"));
    assert_eq!(coverage("log-inspection").await, is("full", ""));
    assert_eq!(coverage("web-reputation").await, is("partial", "detect-only"));
    assert_eq!(coverage("integrity-monitoring").await, is("unknown", "not-reported"));

    let (_, fleet) = admin.get("/coverage").await;
    assert_eq!(fleet["computers"], 1);
    let statuses = fleet["statuses"].as_object().unwrap();
    assert_eq!(statuses.values().filter_map(Value::as_u64).sum::<u64>(), 1, "{statuses:?}");
    let firewall =
        fleet["modules"].as_array().unwrap().iter().find(|m| m["module"] == "firewall").unwrap().clone();
    assert_eq!((&firewall["none"], &firewall["full"]), (&json!(1), &json!(0)));
    assert_eq!(firewall["findings"][0]["code"], "module-off");
}
