//! Machines that come and go: tokens that bind, tasks that decide, ephemeral computers, clones of one image.
use crate::support::{Api, Machine, Site, new_token, post_agent};
use rcgen::KeyPair;
use reqwest::StatusCode;
use sakimori_protocol::{Cloud, Enrol, EnrolAnswer, Hash, Leaving, Renew, paths};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn made(admin: &Api, path: &str, body: Value) -> Value {
    let (status, made) = admin.post(path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made
}

async fn shown(admin: &Api, id: Uuid) -> Value {
    let (status, computer) = admin.get(&format!("/computers/{id}")).await;
    assert_eq!(status, StatusCode::OK, "{computer}");
    computer
}

/// A machine that says more of itself than its name.
async fn arrive(site: &Site, token: &str, change: impl FnOnce(&mut Enrol)) -> (StatusCode, Value, Machine) {
    let mut machine = Machine::new();
    let mut message = machine.enrol_message(token);
    change(&mut message);
    let (status, answer) = post_agent(site, paths::ENROLL, &message).await;
    if status == StatusCode::OK {
        let answer: EnrolAnswer = serde_json::from_value(answer.clone()).unwrap();
        machine.use_certificate(site, &answer.certificate);
        machine.answer = Some(answer);
        machine.fingerprint = message.fingerprint;
    }
    (status, answer, machine)
}

fn cloud(region: &str, scale_set: &str) -> Cloud {
    Cloud {
        provider: "azure".to_owned(),
        region: region.to_owned(),
        scale_set: scale_set.to_owned(),
        tags: vec![("env".to_owned(), "prod".to_owned())],
        ..Cloud::default()
    }
}

/// What the manager itself said, newest first: code and computer.
async fn notices(site: &Site, admin: &Api) -> Vec<(String, String)> {
    site.manager.keep_fleet_now().await.unwrap();
    let events = admin.list("/events?filter=module%20%3D%20manager&limit=500").await;
    let said = |event: &Value| {
        let code = event["detail"]["code"].as_str().unwrap().to_owned();
        assert!(!event["explanation"]["ja"].as_str().unwrap_or("-").is_empty());
        (code, event["computerName"].as_str().unwrap_or_default().to_owned())
    };
    events.iter().map(said).collect()
}

async fn actions(admin: &Api) -> Vec<String> {
    let records = admin.list("/audit-records?limit=500").await;
    records.iter().map(|record| record["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_token_binds_policy_group_tags_and_uses() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let web = admin.policy("Web server").await;
    let group = made(&admin, "/computer-groups", json!({"name": "Shop"})).await;
    let token = new_token(
        &admin,
        json!({"name": "asg", "policyId": web["id"], "groupId": group["id"], "tags": {"role": "web"},
            "ephemeral": true, "maxUses": 1}),
    )
    .await;
    let (_, _, machine) = arrive(&site, &token, |said| said.cloud = Some(cloud("japaneast", ""))).await;
    let computer = shown(&admin, machine.id()).await;
    assert_eq!((&computer["policyName"], &computer["groupName"]), (&json!("Web server"), &json!("Shop")));
    assert_eq!((&computer["tags"], &computer["ephemeral"]), (&json!({"role": "web"}), &json!(true)));
    assert_eq!(computer["cloud"]["region"], "japaneast");
    assert_eq!(computer["sourceAddress"], "127.0.0.1");
    let (status, problem, _) = arrive(&site, &token, |_| {}).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("token-invalid")));
    // A group that a usable token names is not deleted under it.
    let path = format!("/computer-groups/{}", group["id"].as_str().unwrap());
    assert_eq!(admin.delete(&path).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_task_counts_more_than_the_script_and_that_more_than_the_default() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let base = admin.policy("Base").await;
    let web = admin.policy("Web server").await;
    let shop = made(&admin, "/policies", json!({"name": "Shop", "parentId": base["id"]})).await;
    let group = made(&admin, "/computer-groups", json!({"name": "Japan"})).await;
    let token = new_token(&admin, json!({"name": "any"})).await;
    made(
        &admin,
        "/event-based-tasks",
        json!({"name": "shop", "triggers": ["activated"],
            "conditions": [{"field": "host-name", "value": "shop-*"},
                {"field": "cloud-tag", "key": "env", "value": "prod"},
                {"field": "source-address", "pattern": "network", "value": "127.0.0.0/8"},
                {"field": "token", "value": "any"}],
            "actions": [{"action": "assign-policy", "policyId": shop["id"]},
                {"action": "add-tags", "tags": {"role": "shop"}}, {"action": "mark-ephemeral"}]}),
    )
    .await;
    made(
        &admin,
        "/event-based-tasks",
        json!({"name": "japan", "triggers": ["activated", "cloud-changed"],
            "conditions": [{"field": "cloud-region", "pattern": "regex", "value": "^japan"}],
            "actions": [{"action": "assign-group", "groupId": group["id"]},
                {"action": "assign-policy", "policyId": base["id"]}]}),
    )
    .await;
    let policy = |name: &'static str, asked: Option<&'static str>, cloud: Option<Cloud>| {
        let (site, admin, token) = (&site, &admin, &token);
        async move {
            let (status, answer, machine) = arrive(site, token, |said| {
                said.host_name = name.to_owned();
                said.policy = asked.map(str::to_owned);
                said.cloud = cloud;
            })
            .await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            shown(admin, machine.id()).await
        }
    };
    let task = policy("shop-1", Some("Web server"), Some(cloud("japaneast", ""))).await;
    assert_eq!((&task["policyName"], &task["groupName"]), (&json!("Shop"), &json!("Japan")));
    assert_eq!((&task["tags"], &task["ephemeral"]), (&json!({"role": "shop"}), &json!(true)));
    let script = policy("web-1", Some("Web server"), None).await;
    assert_eq!(script["policyName"], "Web server");
    let default = policy("web-2", None, None).await;
    assert_eq!((&default["policyName"], &default["groupName"]), (&json!("Base"), &Value::Null));

    // The trial says what would come of it, and why, and does nothing.
    let trial = json!({"trigger": "activated", "facts": {"hostName": "shop-7",
        "cloud": {"region": "japanwest", "tags": {"env": "test"}}}});
    let (status, verdict) = admin.post("/event-based-tasks/test", trial).await;
    assert_eq!(status, StatusCode::OK, "{verdict}");
    assert_eq!(verdict["tasks"][0]["fits"], false);
    let met: Vec<bool> = verdict["tasks"][0]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["met"].as_bool().unwrap())
        .collect();
    assert_eq!(met, [true, false, false, false]);
    assert_eq!(verdict["tasks"][0]["conditions"][1]["values"], json!(["test"]));
    assert_eq!(verdict["tasks"][1]["fits"], true);
    assert_eq!(verdict["outcome"]["policyId"], base["id"]);
    let of_computer = json!({"trigger": "activated", "computerId": task["id"]});
    let (_, verdict) = admin.post("/event-based-tasks/test", of_computer).await;
    assert_eq!(verdict["outcome"]["policyId"], shop["id"]);
    assert_eq!(verdict["tasks"][1]["overruled"], json!(["assign-policy"]));

    // Audit trail and events say which task did what.
    assert_eq!(actions(&admin).await.iter().filter(|action| *action == "event-based-task.run").count(), 2);
    let said = notices(&site, &admin).await;
    let ran = ("event-based-task-ran".to_owned(), "shop-1".to_owned());
    assert_eq!(said, [ran.clone(), ran]);
    assert_ne!(web["id"], shop["id"]);
}

#[tokio::test]
async fn tasks_that_cannot_be_asked_are_refused() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let task = |conditions: Value, actions: Value| json!({"name": Uuid::now_v7(), "triggers": ["activated"], "conditions": conditions, "actions": actions});
    let ephemeral = || json!([{"action": "mark-ephemeral"}]);
    for (body, pointer) in [
        (
            task(json!([{"field": "host-name", "pattern": "regex", "value": "("}]), ephemeral()),
            "/conditions/0/value",
        ),
        (
            task(json!([{"field": "host-name", "pattern": "network", "value": "::/0"}]), ephemeral()),
            "/conditions/0/value",
        ),
        (task(json!([]), json!([])), "/actions"),
        (task(json!([]), json!([{"action": "assign-policy"}])), "/actions/0/policyId"),
        (
            task(json!([]), json!([{"action": "assign-policy", "policyId": Uuid::nil()}])),
            "/actions/0/policyId",
        ),
        (task(json!([]), json!([{"action": "assign-group", "groupId": Uuid::nil()}])), "/actions/0/groupId"),
        (task(json!([]), json!([{"action": "add-tags", "tags": {}}])), "/actions/0/tags"),
    ] {
        let (status, problem) = admin.post("/event-based-tasks", body.clone()).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::BAD_REQUEST, &json!(pointer)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn tasks_keep_machines_out_and_a_token_may_need_one_that_lets_in() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let open = new_token(&admin, json!({"name": "open"})).await;
    let strict = new_token(&admin, json!({"name": "strict", "needsTask": true, "maxUses": 1})).await;
    let host = |name: &str| json!([{"field": "host-name", "value": name}]);
    for (name, conditions, action) in [("no", host("evil*"), "deactivate"), ("yes", host("web*"), "activate")]
    {
        let task = json!({"name": name, "triggers": ["activated"], "conditions": conditions,
            "actions": [{"action": action}]});
        made(&admin, "/event-based-tasks", task).await;
    }
    let come = |token: &str, name: &'static str| {
        let token = token.to_owned();
        let site = &site;
        async move { arrive(site, &token, |said| said.host_name = name.to_owned()).await.0 }
    };
    assert_eq!(come(&open, "evil-1").await, StatusCode::FORBIDDEN);
    assert_eq!(come(&open, "other").await, StatusCode::OK);
    assert_eq!(come(&strict, "other").await, StatusCode::FORBIDDEN);
    assert_eq!(come(&strict, "web-1").await, StatusCode::OK, "those who were refused took no use of it");
    assert_eq!(actions(&admin).await.iter().filter(|action| *action == "computer.refuse").count(), 2);
}

#[tokio::test]
async fn tasks_run_when_addresses_or_the_cloud_change_and_when_a_computer_returns() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let web = admin.policy("Web server").await;
    for (name, trigger, conditions, actions) in [
        (
            "moved",
            "address-changed",
            json!([{"field": "address", "pattern": "network", "value": "10.0.0.0/8"}]),
            json!([{"action": "assign-policy", "policyId": web["id"]}]),
        ),
        (
            "cloud",
            "cloud-changed",
            json!([{"field": "cloud-scale-set", "value": "web*"}]),
            json!([{"action": "add-tags", "tags": {"scale-set": ""}}]),
        ),
        ("back", "returned", json!([]), json!([{"action": "add-tags", "tags": {"was-away": ""}}])),
    ] {
        let task = json!({"name": name, "triggers": [trigger], "conditions": conditions, "actions": actions});
        made(&admin, "/event-based-tasks", task).await;
    }
    let machine = site.machine(&admin).await;
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let hash = Some(Hash::of(signed.bundle.as_bytes()));
    assert_eq!(shown(&admin, machine.id()).await["policyName"], "Base", "first addresses are no change");

    let mut message = machine.check_in_message(hash, 30);
    message.full.as_mut().unwrap().addresses = vec!["10.9.8.7".to_owned()];
    message.full.as_mut().unwrap().cloud = Some(cloud("japaneast", "web-set"));
    let (status, answer) = machine.send_check_in(&message).await;
    assert_eq!(status, StatusCode::OK, "the answer brings the other policy at once");
    assert!(answer["bundle"]["bundle"].as_str().unwrap().contains("Web server"));
    let computer = shown(&admin, machine.id()).await;
    assert_eq!(
        (&computer["policyName"], &computer["tags"]),
        (&json!("Web server"), &json!({"scale-set": ""}))
    );

    site.clock.advance(Duration::from_mins(10));
    machine.check_in(hash).await;
    let computer = shown(&admin, machine.id()).await;
    assert_eq!(computer["tags"], json!({"scale-set": "", "was-away": ""}));
    // What a task wanted is so already: nothing is said again.
    site.clock.advance(Duration::from_mins(10));
    machine.check_in(hash).await;
    assert_eq!(notices(&site, &admin).await.len(), 3);

    // A task may also take the identity away.
    let gone =
        json!({"name": "gone", "triggers": ["returned"], "actions": [{"action": "delete"}], "position": 0});
    made(&admin, "/event-based-tasks", gone).await;
    site.clock.advance(Duration::from_mins(10));
    let (status, problem) = machine.send_check_in(&machine.check_in_message(hash, 0)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    assert_eq!(admin.get(&format!("/computers/{}", machine.id())).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_task_did_is_there_after_the_manager_was_killed() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let task = json!({"name": "tag", "triggers": ["activated"], "actions": [{"action": "add-tags", "tags": {"a": "b"}}]});
    made(&admin, "/event-based-tasks", task).await;
    let machine = site.machine(&admin).await;
    // The notice lies in the database with the computer; who comes next takes it to the events, once.
    let site = site.restart().await;
    let admin = site.admin().await;
    assert_eq!(shown(&admin, machine.id()).await["tags"], json!({"a": "b"}));
    for _ in 0..2 {
        assert_eq!(notices(&site, &admin).await.len(), 1);
    }
}

async fn patch_settings(admin: &Api, patch: Value) {
    let (status, settings) = admin.patch("/fleet-settings", patch).await;
    assert_eq!(status, StatusCode::OK, "{settings}");
}

#[tokio::test]
async fn an_ephemeral_computer_is_suspended_comes_back_and_is_cleaned_up_when_it_stays_away() {
    let site = Site::new().await;
    let admin = site.admin().await;
    patch_settings(&admin, json!({"suspendAfterSecs": 1200, "cleanUpAfterSecs": 3600})).await;
    let token = new_token(&admin, json!({"name": "t", "ephemeral": true, "expiresInSecs": 86_400})).await;
    let (_, _, machine) = arrive(&site, &token, |_| {}).await;
    let lasting = site.machine(&admin).await;
    for machine in [&machine, &lasting] {
        machine.check_in(None).await;
    }
    let status = |machine: &Machine| {
        let (id, admin) = (machine.id(), &admin);
        async move { shown(admin, id).await["status"].as_str().unwrap().to_owned() }
    };
    site.clock.advance(Duration::from_mins(15));
    site.manager.keep_fleet_now().await.unwrap();
    assert_eq!(status(&machine).await, "offline");
    site.clock.advance(Duration::from_mins(10));
    site.manager.keep_fleet_now().await.unwrap();
    assert_eq!(status(&machine).await, "suspended");
    assert_eq!(status(&lasting).await, "offline", "others wait for ever");

    // It comes back and is what it was.
    assert_eq!(machine.send_check_in(&machine.check_in_message(None, 0)).await.0, StatusCode::OK);
    assert_eq!(status(&machine).await, "online");

    // It says good-bye: suspended at once.
    let mut goodbye = machine.check_in_message(None, 0);
    goodbye.leaving = Some(Leaving::Stopping);
    assert_eq!(machine.send_check_in(&goodbye).await.0, StatusCode::NO_CONTENT);
    assert_eq!(status(&machine).await, "suspended");
    site.clock.advance(Duration::from_mins(61));
    site.manager.keep_fleet_now().await.unwrap();
    assert_eq!(admin.get(&format!("/computers/{}", machine.id())).await.0, StatusCode::NOT_FOUND);
    let (status, problem) = machine.send_check_in(&machine.check_in_message(None, 0)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    let codes: Vec<String> = notices(&site, &admin).await.into_iter().map(|(code, _)| code).collect();
    assert_eq!(
        codes,
        ["computer-cleaned-up", "computer-suspended", "computer-resumed", "computer-suspended"]
    );
}

#[tokio::test]
async fn mass_loss_brakes_until_a_person_has_looked() {
    let site = Site::new().await;
    let admin = site.admin().await;
    patch_settings(
        &admin,
        json!({"suspendAfterSecs": 600, "cleanUpAfterSecs": 60, "brakeCount": 3, "brakePercent": 30}),
    )
    .await;
    let token = new_token(&admin, json!({"name": "t", "ephemeral": true})).await;
    let mut machines = Vec::new();
    for _ in 0..4 {
        let (_, _, machine) = arrive(&site, &token, |_| {}).await;
        machine.check_in(None).await;
        machines.push(machine);
    }
    site.clock.advance(Duration::from_mins(20));
    machines[0].check_in(None).await;
    for _ in 0..2 {
        site.manager.keep_fleet_now().await.unwrap();
    }
    let (_, settings) = admin.get("/fleet-settings").await;
    assert_eq!((&settings["brake"]["lost"], &settings["brake"]["of"]), (&json!(3), &json!(4)), "{settings}");
    assert!(admin.list("/computers?status=suspended").await.is_empty());
    assert_eq!(notices(&site, &admin).await, [("mass-loss".to_owned(), "manager".to_owned())]);
    // It does not come off by itself once the window has passed.
    site.clock.advance(Duration::from_hours(3));
    machines[0].check_in(None).await;
    site.manager.keep_fleet_now().await.unwrap();
    assert!(admin.get("/fleet-settings").await.1["brake"].is_object());
    // A person has looked.
    let (status, settings) = admin.post("/fleet-settings/release-brake", json!({})).await;
    assert_eq!((status, &settings["brake"]), (StatusCode::OK, &Value::Null));
    machines[0].check_in(None).await;
    site.manager.keep_fleet_now().await.unwrap();
    assert_eq!(admin.list("/computers?status=suspended").await.len(), 3);
    site.clock.advance(Duration::from_mins(2));
    machines[0].check_in(None).await;
    site.manager.keep_fleet_now().await.unwrap();
    assert_eq!(admin.list("/computers").await.len(), 1);
}

#[tokio::test]
async fn three_clones_of_one_image_become_three_computers() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let token = new_token(&admin, json!({"name": "image", "maxUses": 10})).await;
    // The image was baked from a machine that had been activated.
    let golden = {
        let (_, _, machine) = arrive(&site, &token, |_| {}).await;
        machine.check_in(None).await;
        machine
    };
    let mut computers = vec![golden.id()];
    for number in 1..=3 {
        let mut copy = golden.check_in_message(None, 0);
        copy.fingerprint.cloud_instance = format!("azure:{number}");
        copy.fingerprint.dmi_uuid = format!("box-{number}");
        copy.boot = Uuid::now_v7().to_string();
        let (status, problem) = golden.send_check_in(&copy).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("clone")));
        let renewal =
            Renew { computer: golden.id(), csr: golden.csr(), fingerprint: copy.fingerprint.clone() };
        assert_eq!(post_agent(&site, paths::RENEW, &renewal).await.0, StatusCode::CONFLICT);
        // With the key that it was copied with it gets nothing; with one of its own it is a computer of its own.
        let mut machine = Machine::new();
        machine.fingerprint = copy.fingerprint;
        machine.key = KeyPair::try_from(golden.key.serialize_der()).unwrap();
        let (status, problem) = post_agent(&site, paths::ENROLL, &machine.enrol_message(&token)).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("clone")), "{problem}");
        machine.key = KeyPair::generate().unwrap();
        machine.enrol(&site, &token).await;
        assert!(machine.check_in(None).await.unwrap().bundle.is_some());
        computers.push(machine.id());
    }
    computers.sort_unstable();
    computers.dedup();
    assert_eq!(computers.len(), 4, "the original and three copies");
    assert!(golden.check_in(None).await.unwrap().bundle.is_some(), "the original goes on");

    // An image that was baked in the middle of an activation: the attempt is one machine's only.
    let half = Machine::new();
    assert_eq!(post_agent(&site, paths::ENROLL, &half.enrol_message(&token)).await.0, StatusCode::OK);
    let mut copied = half.enrol_message(&token);
    copied.fingerprint.dmi_uuid = "another box".to_owned();
    let (status, problem) = post_agent(&site, paths::ENROLL, &copied).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("clone")), "{problem}");
}

#[tokio::test]
async fn a_deactivated_computer_is_reactivated_by_a_person_or_by_its_own_machine() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let path = format!("/computers/{}", machine.id());
    admin.patch(&path, json!({"tags": {"kept": ""}, "displayName": "Till"})).await;
    machine.check_in(None).await;
    let refused = async || {
        let (status, problem) = machine.send_check_in(&machine.check_in_message(None, 0)).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
        let renewal =
            Renew { computer: machine.id(), csr: machine.csr(), fingerprint: machine.fingerprint.clone() };
        assert_eq!(post_agent(&site, paths::RENEW, &renewal).await.0, StatusCode::FORBIDDEN);
    };
    let (status, shown_now) = admin.post(&format!("{path}/deactivate"), json!({})).await;
    assert_eq!((status, &shown_now["status"]), (StatusCode::OK, &json!("unmanaged")));
    assert_eq!(shown_now["managed"], false);
    refused().await;
    // A person gives it back: the agent that still has its key is let in.
    let (status, _) = admin.post(&format!("{path}/reactivate"), json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(machine.check_in(None).await.unwrap().bundle.is_some());
    assert_eq!(shown(&admin, machine.id()).await["status"], "online");
    // Its agent gives the identity up.
    let mut goodbye = machine.check_in_message(None, 0);
    goodbye.leaving = Some(Leaving::Deactivated);
    assert_eq!(machine.send_check_in(&goodbye).await.0, StatusCode::NO_CONTENT);
    refused().await;
    // The same machine comes with a token: it is the computer that it was, with a new key.
    let token = new_token(&admin, json!({"name": "again"})).await;
    let mut again = Machine::new();
    again.fingerprint = machine.fingerprint.clone();
    again.enrol(&site, &token).await;
    assert_eq!(again.id(), machine.id());
    assert!(again.check_in(None).await.unwrap().bundle.is_some());
    let computer = shown(&admin, again.id()).await;
    assert_eq!((&computer["displayName"], &computer["tags"]), (&json!("Till"), &json!({"kept": ""})));
    assert_eq!(computer["managed"], true);
    refused().await;
    assert_eq!(admin.list("/computers").await.len(), 1);
}
