//! Two managers on one database: what one is told, the other knows.
#![expect(clippy::disallowed_methods, reason = "tests run the real program and read its files")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do: by a panic that says where"
)]
use crate::support::{Api, Home, Machine, Site, answer, intrusion, log_in, new_token, post_agent, until};
use reqwest::{Method, StatusCode};
use sakimori_manager::{Manager, StartError};
use sakimori_protocol::{Application, Bundle, CheckInAnswer, Command, Hash, Inventory, OrderDone, paths};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What is looked at by the clock is not looked at within a test: what is heard is heard by a notification.
const NEVER: Duration = Duration::from_mins(10);

impl Site {
    /// Another manager of the same database, with the same keys and clock.
    pub(crate) async fn beside(&self) -> Self {
        Self::at(self.clock.clone(), self.home.beside(), |_options| {}).await
    }
}

impl Home {
    /// A directory of its own, with the same database and keys.
    pub(crate) fn beside(&self) -> Self {
        let (dir, database) = (tempfile::tempdir().unwrap(), self.database.clone());
        let other = Self { dir, database, disk: self.disk.clone() };
        std::fs::create_dir(other.data()).unwrap();
        for name in ["ca.key", "ca.pem", "tls.key", "bundle-signing.key", "secrets.key"] {
            std::fs::copy(self.data().join(name), other.data().join(name)).unwrap();
        }
        other
    }
}

/// A machine whose check-in is held by a manager.
struct Holding {
    machine: Machine,
    answer: tokio::task::JoinHandle<(StatusCode, Value)>,
}

/// Lets a machine check in and be held; it enforces what it is to enforce.
async fn hold(machine: Machine, at: &Site, admin: &Api) -> Holding {
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let message = machine.check_in_message(Some(Hash::of(signed.bundle.as_bytes())), 60);
    let request = machine.client.post(format!("{}{}", machine.gateway, paths::CHECK_IN)).json(&message);
    let answer = tokio::spawn(answer(request));
    until("it is held", async || held(at).await.eq(&1).then_some(())).await;
    let id = machine.id();
    until("it is there", async || {
        (admin.get(&format!("/computers/{id}")).await.1["status"] == "online").then_some(())
    })
    .await;
    Holding { machine, answer }
}

/// How many check-ins a manager holds.
async fn held(site: &Site) -> u64 {
    let text = site.nobody().text(&site.url("/metrics")).await;
    let line = text.lines().find(|line| line.starts_with("sakimori_check_ins_held ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

impl Holding {
    /// What the held check-in is answered with.
    async fn answered(self) -> (Machine, CheckInAnswer) {
        let (status, answer) = self.answer.await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        (self.machine, serde_json::from_value(answer).unwrap())
    }
}

fn bundle(answer: &CheckInAnswer) -> Bundle {
    serde_json::from_str(&answer.bundle.as_ref().unwrap().bundle).unwrap()
}

/// Changes the policy `Base`; which change it is.
async fn edit(admin: &Api, ports: &str) {
    let base = admin.policy("Base").await;
    let path = format!("/policies/{}", base["id"].as_str().unwrap());
    let settings = json!({"settings": {"intrusion-prevention": {"httpPorts": [ports]}}});
    let (status, said) = admin.patch(&path, settings).await;
    assert_eq!(status, StatusCode::OK, "{said}");
}

#[tokio::test]
async fn an_edit_at_one_manager_reaches_a_computer_held_by_the_other_at_once() {
    let a = Site::with(|options| options.node_beat = NEVER).await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let machine = a.machine(&at_a).await;
    let mut holding = hold(machine, &a, &at_a).await;
    let mut slowest = Duration::ZERO;
    for ports in ["8001", "8002", "8003"] {
        let began = Instant::now();
        edit(&at_b, ports).await;
        let (machine, said) = holding.answered().await;
        slowest = slowest.max(began.elapsed());
        let settings = &bundle(&said).modules["intrusion-prevention"].settings;
        assert_eq!(settings["httpPorts"], json!([ports]));
        assert_eq!(machine.check_in(None).await.unwrap().bundle, said.bundle, "it stays so");
        holding = hold(machine, &a, &at_a).await;
    }
    println!("from an edit at one manager to the answer of the other: {slowest:?} at most");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}: of notifications, not of looking by the clock");

    // What is set on the computer itself, and another policy.
    let computer = format!("/computers/{}", holding.machine.id());
    let own = json!({"settings": {"intrusion-prevention": {"httpPorts": ["8100"]}}});
    let (status, said) = at_b.patch(&format!("{computer}/settings"), own).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let (machine, said) = holding.answered().await;
    assert_eq!(bundle(&said).modules["intrusion-prevention"].settings["httpPorts"], json!(["8100"]));
    let holding = hold(machine, &a, &at_a).await;
    let web = at_b.policy("Web server").await;
    let (status, _) = at_b.patch(&computer, json!({"policyId": web["id"]})).await;
    assert_eq!(status, StatusCode::OK);
    let (machine, said) = holding.answered().await;
    assert_eq!(bundle(&said).policy_name, "Web server");
    // The other manager gives the same bundle, byte for byte.
    let machine = machine.at(&b);
    assert_eq!(machine.check_in(None).await.unwrap().bundle, said.bundle);
}

#[tokio::test]
async fn events_that_arrive_at_one_manager_are_once_in_the_live_streams_of_both() {
    let a = Site::new().await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let (machine_a, machine_b) = (a.machine(&at_a).await, b.machine(&at_b).await);
    let mut stream = at_b.request(Method::GET, "/stream").send().await.unwrap();
    let (there, here) = ("SKM-0000-0000-0000-000A", "SKM-0000-0000-0000-000B");
    machine_a.send_events(Uuid::now_v7(), 1, &intrusion(there)).await;
    machine_b.send_events(Uuid::now_v7(), 1, &intrusion(here)).await;
    let mut told = String::new();
    let mut rounds_more = 3;
    let began = Instant::now();
    while rounds_more > 0 {
        assert!(began.elapsed() < Duration::from_mins(1), "{told}");
        match tokio::time::timeout(Duration::from_secs(1), stream.chunk()).await {
            Ok(chunk) => told.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap()),
            // What is told of begins when somebody listens: time does not run away from it.
            Err(_nothing) => a.clock.advance(Duration::from_secs(1)),
        }
        // What is told twice is told twice within the next looks.
        rounds_more -= i32::from(told.contains(there) && told.contains(here));
    }
    assert_eq!(
        [there, here].map(|incident| told.matches(&format!("\"{incident}\"")).count()),
        [1, 1],
        "{told}"
    );
}

#[tokio::test]
async fn a_computer_deleted_at_one_manager_is_refused_by_the_other() {
    let a = Site::with(|options| options.node_beat = NEVER).await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let machine = a.machine(&at_a).await;
    let holding = hold(machine, &a, &at_a).await;
    let path = format!("/computers/{}", holding.machine.id());
    let (status, _) = at_b.post(&format!("{path}/deactivate"), json!({})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, said) = holding.answer.await.unwrap();
    assert_eq!(
        (status, &said["code"]),
        (StatusCode::FORBIDDEN, &json!("computer-unknown")),
        "it is told at once"
    );
    let machine = holding.machine;
    assert_eq!(machine.send_check_in(&machine.check_in_message(None, 0)).await.0, StatusCode::FORBIDDEN);
    let (status, _) = at_b.post(&format!("{path}/reactivate"), json!({})).await;
    assert_eq!(status, StatusCode::OK);
    until("it is let in again", async || {
        let (status, _) = machine.send_check_in(&machine.check_in_message(None, 0)).await;
        (status == StatusCode::OK).then_some(())
    })
    .await;
    let holding = hold(machine, &a, &at_a).await;
    assert_eq!(at_b.delete(&path).await, StatusCode::NO_CONTENT);
    let (status, said) = holding.answer.await.unwrap();
    assert_eq!((status, &said["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    let machine = holding.machine;
    assert_eq!(machine.send_check_in(&machine.check_in_message(None, 0)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(machine.send_events(Uuid::now_v7(), 1, &intrusion("x")).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_request_for_a_scan_and_what_came_of_it_go_from_one_manager_to_the_other() {
    let a = Site::with(|options| options.node_beat = NEVER).await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let on = json!({"recommendation": {"mode": "detect"}, "intrusion-prevention": {"assignRecommended": true,
        "assignAll": false}});
    let base = at_b.policy("Base").await;
    let path = format!("/policies/{}", base["id"].as_str().unwrap());
    let (status, said) = at_b.patch(&path, json!({"settings": on})).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let machine = a.machine(&at_a).await;
    let holding = hold(machine, &a, &at_a).await;
    let computer = format!("/computers/{}", holding.machine.id());
    let (status, said) = at_b.post(&format!("{computer}/recommendations/scan"), json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{said}");
    let (machine, told) = holding.answered().await;
    assert_eq!(told.commands, [Command::TakeInventory]);
    let blog = Application {
        kind: "application".to_owned(),
        name: "sakimori-demo-blog".to_owned(),
        title: "A blog".to_owned(),
        version: "0.1.0".to_owned(),
        place: "/srv/blog".to_owned(),
    };
    let inventory = Inventory { applications: vec![blog], ..Inventory::default() };
    let (status, said) = machine.send_inventory(serde_json::to_vec(&inventory).unwrap()).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{said}");
    let (_, found) = at_b.get(&format!("{computer}/recommendations")).await;
    assert!(!found["rules"].as_array().unwrap().is_empty(), "{found}");
    assert_eq!(found["scanRequestedAt"], Value::Null, "{found}");
    let wanted = machine.check_in(None).await.unwrap().bundle.unwrap();
    assert!(wanted.bundle.contains("\"assigned\""), "{}", wanted.bundle);
    let machine = machine.at(&b);
    until("the other manager knows what is recommended", async || {
        let answer = machine.check_in(None).await.unwrap();
        (answer.bundle.as_ref() == Some(&wanted)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_order_given_at_one_manager_is_taken_at_the_other() {
    let a = Site::new().await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let machine = a.machine(&at_a).await;
    let holding = hold(machine, &a, &at_a).await;
    let new = json!({"name": "Now", "kind": "integrity-scan", "schedule": "0 0 1 1 *", "jitterSecs": 0});
    let (status, task) = at_b.post("/tasks", new).await;
    assert_eq!(status, StatusCode::CREATED, "{task}");
    let runs = format!("/tasks/{}/runs", task["id"].as_str().unwrap());
    assert_eq!(at_b.post(&runs, json!({})).await.0, StatusCode::ACCEPTED);
    let (machine, told) = holding.answered().await;
    let [Command::Order { run, order }] = told.commands.as_slice() else { panic!("{told:?}") };
    assert_eq!(order, "integrity-scan");
    // It answers at the other manager.
    let machine = machine.at(&b);
    let done = OrderDone { run: *run, ..OrderDone::default() };
    machine.order_done(&done).await;
    until("the run has ended", async || {
        let run = at_a.list(&runs).await.remove(0);
        (run["state"] == "succeeded").then(|| assert_eq!(run["done"], 1))
    })
    .await;
}

#[tokio::test]
async fn what_was_missed_is_caught_up_with() {
    // By the clock alone: rows as another manager writes them, and nobody notified.
    let a = Site::with(|options| options.node_beat = Duration::from_secs(1)).await;
    let at_a = a.admin().await;
    let machine = a.machine(&at_a).await;
    let id = machine.id();
    let holding = hold(machine, &a, &at_a).await;
    let web = at_a.policy("Web server").await["id"].as_str().unwrap().to_owned();
    let database = a.home.database.as_deref().map(|(database, _)| database).unwrap();
    let tenant = database.sql("SELECT id FROM tenant").unwrap().trim().to_owned();
    let other = Uuid::now_v7();
    database
        .sql(&format!(
            "BEGIN; UPDATE computer SET policy_id = '{web}' WHERE id = '{id}'; \
             UPDATE generation SET value = value + 1; INSERT INTO node_change SELECT '{tenant}', value, \
             {now}, '{other}', 'computer', '{id}' FROM generation; COMMIT",
            now = a.clock.now().0
        ))
        .unwrap();
    let (machine, said) = holding.answered().await;
    assert_eq!(bundle(&said).policy_name, "Web server");

    // So far behind that the changes are gone: everything is read anew.
    let holding = hold(machine, &a, &at_a).await;
    let base = at_a.policy("Base").await["id"].as_str().unwrap().to_owned();
    database
        .sql(&format!(
            "BEGIN; UPDATE computer SET policy_id = '{base}' WHERE id = '{id}'; \
             UPDATE generation SET value = value + 5000; DELETE FROM node_change; COMMIT"
        ))
        .unwrap();
    let (_machine, said) = holding.answered().await;
    assert_eq!(bundle(&said).policy_name, "Base");
}

#[tokio::test]
async fn a_broken_connection_of_the_listener_comes_back_and_nothing_is_missed() {
    let a = Site::with(|options| options.node_beat = NEVER).await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let machine = a.machine(&at_a).await;
    let mut holding = hold(machine, &a, &at_a).await;
    let database = a.home.database.as_deref().map(|(database, _)| database).unwrap();
    for ports in ["8001", "8002", "8003"] {
        let ended = database
            .sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                 AND query LIKE 'LISTEN%'",
            )
            .unwrap();
        assert_eq!(ended.trim(), "2", "both managers listen");
        edit(&at_b, ports).await;
        let (machine, said) = holding.answered().await;
        assert_eq!(bundle(&said).modules["intrusion-prevention"].settings["httpPorts"], json!([ports]));
        holding = hold(machine, &a, &at_a).await;
        until("both listen again", async || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
            (database.sql(sql).unwrap().trim() == "2").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn who_is_held_by_one_manager_is_there_for_the_other_until_that_one_is_killed() {
    let a = Site::with(|options| options.node_beat = Duration::from_secs(1)).await;
    let clock = a.clock.clone();
    // The other one, in a runtime of its own: it ends as by `kill -9`.
    let home = a.home.beside();
    let mut options = home.options(&clock);
    options.node_beat = Duration::from_secs(1);
    let start = move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let manager = runtime.block_on(Manager::start(options)).unwrap();
        (runtime, manager)
    };
    let (runtime, manager) = std::thread::spawn(start).join().unwrap();
    let b = Site { clock: clock.clone(), manager, home };
    let at_a = a.admin().await;
    let machine = a.machine(&at_a).await.at(&b);
    let id = machine.id();
    let path = format!("/computers/{id}");
    let at_b = b.admin().await;
    let holding = hold(machine, &b, &at_b).await;
    until("it is there for the other manager too", async || {
        let (_, computer) = at_a.get(&path).await;
        (computer["status"] == "online" && computer["bundle"]["upToDate"] == true).then_some(())
    })
    .await;
    // Longer than without a held check-in: whoever looks counts it as there.
    clock.advance(Duration::from_mins(4));
    let lost = json!({"enabled": true, "threshold": 1});
    let (status, said) = at_a.patch("/alert-conditions/computer-offline", lost).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    for admin in [&at_a, &at_b] {
        assert_eq!(admin.get(&path).await.1["status"], "online");
    }
    // Work that is not done: a run whose computer has not answered, and leases of the one that dies.
    let new = json!({"name": "Now", "kind": "integrity-scan", "schedule": "0 0 1 1 *", "jitterSecs": 0});
    let (_, task) = at_b.post("/tasks", new).await;
    let runs = format!("/tasks/{}/runs", task["id"].as_str().unwrap());
    assert_eq!(at_b.post(&runs, json!({})).await.0, StatusCode::ACCEPTED);
    let (machine, told) = holding.answered().await;
    let [Command::Order { run, .. }] = told.commands.as_slice() else { panic!("{told:?}") };
    let holding = hold(machine, &b, &at_b).await;
    until("that is written down", async || {
        let database = a.home.database.as_deref().map(|(database, _)| database).unwrap();
        let held = database.sql("SELECT count(*) FROM computer WHERE held_by IS NOT NULL").unwrap();
        (held.trim() == "1").then_some(())
    })
    .await;
    let Site { manager, .. } = b;
    runtime.shutdown_background();
    #[expect(clippy::mem_forget, reason = "it ends as by `kill -9`: nothing of it runs any more")]
    std::mem::forget(manager);
    until("it has gone", async || {
        clock.advance(Duration::from_secs(5));
        (at_a.get(&path).await.1["status"] == "offline").then_some(())
    })
    .await;
    // The other one takes up what the first one did by lease: alerts and tasks.
    until("an alert is raised", async || {
        clock.advance(Duration::from_secs(10));
        at_a.list("/alerts?conditionId=computer-offline").await.into_iter().next()
    })
    .await;
    let machine = holding.machine.at(&a);
    let done = OrderDone { run: *run, ..OrderDone::default() };
    machine.order_done(&done).await;
    until("the run is ended by the one that lives", async || {
        let run = at_a.list(&runs).await.remove(0);
        (run["state"] == "succeeded").then_some(())
    })
    .await;
    // Nobody hears of a manager's death before its silence has lasted; then its place is the other one's.
    until("it is there for the one that lives", async || {
        machine.check_in(None).await.unwrap();
        (at_a.get(&path).await.1["status"] == "online").then_some(())
    })
    .await;
}

#[tokio::test]
async fn tokens_keys_sessions_and_tags_hold_on_both_managers_at_once() {
    let a = Site::with(|options| options.node_beat = NEVER).await;
    let b = a.beside().await;
    let (at_a, at_b) = (a.admin().await, b.admin().await);
    let once = new_token(&at_a, json!({"name": "once", "maxUses": 1})).await;
    let mut machine = Machine::new();
    machine.enrol(&b, &once).await;
    let (status, said) = post_agent(&a, paths::ENROLL, &Machine::new().enrol_message(&once)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{said}");
    let (_, made) = at_b.post("/activation-tokens", json!({"name": "revoked"})).await;
    let path = format!("/activation-tokens/{}", made["activationToken"]["id"].as_str().unwrap());
    assert_eq!(at_b.delete(&path).await, StatusCode::NO_CONTENT);
    let token = made["token"].as_str().unwrap();
    let (status, said) = post_agent(&a, paths::ENROLL, &Machine::new().enrol_message(token)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{said}");

    let (_, key) = at_b.post("/api-keys", json!({"name": "gone", "role": "auditor"})).await;
    let with_key = a.with_key(key["secret"].as_str().unwrap());
    assert_eq!(with_key.get("/policies").await.0, StatusCode::OK);
    assert_eq!(
        at_b.delete(&format!("/api-keys/{}", key["apiKey"]["id"].as_str().unwrap())).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(with_key.get("/policies").await.0, StatusCode::UNAUTHORIZED);

    let (cookie, csrf) = log_in(&b.nobody(), crate::support::PASSWORD).await;
    let current = async |site: &Site, method: Method| {
        let nobody = site.nobody();
        let request = nobody.request(method, "/sessions/current");
        nobody.send(request.header("cookie", &cookie).header("x-csrf-token", &csrf)).await.0
    };
    assert_eq!(current(&a, Method::GET).await, StatusCode::OK, "a session counts everywhere");
    assert_eq!(current(&b, Method::DELETE).await, StatusCode::NO_CONTENT);
    assert_eq!(current(&a, Method::GET).await, StatusCode::UNAUTHORIZED);

    let rule = json!({"name": "grave", "filter": "severity >= critical", "tag": "review"});
    let (status, said) = at_b.post("/auto-tag-rules", rule).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    let machine = machine.at(&a);
    let epoch = Uuid::now_v7();
    let mut sequence = 0;
    until("events that arrive at the other manager are tagged", async || {
        sequence += 1;
        let (status, said) =
            machine.send_events(epoch, sequence, &intrusion("SKM-0123-4567-89AB-CDEF")).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        let events = at_a.list("/events?limit=500").await;
        events.iter().any(|event| event["tags"] == json!(["review"])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_manager_with_other_keys_does_not_start_beside_one() {
    let a = Site::new().await;
    let home = a.home.beside();
    std::fs::remove_file(home.data().join("bundle-signing.key")).unwrap();
    until("the first one is known", async || match Manager::start(home.options(&a.clock)).await {
        Err(StartError::OtherKeys(_)) => Some(()),
        Err(other) => panic!("{other}"),
        Ok(manager) => {
            manager.stop().await;
            None
        }
    })
    .await;
    assert_eq!(a.admin().await.get("/policies").await.0, StatusCode::OK);
}

#[tokio::test]
async fn rules_that_one_manager_puts_in_force_are_in_force_at_the_other() {
    let key = sakimori_content::SigningKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("virtual-patches.json");
    let set = |options: &mut sakimori_manager::Options| {
        let pack = sakimori_content::Pack::embedded().unwrap();
        options.content = Some(sakimori_manager::content::Content::of_pack(&pack).unwrap());
        options.content_source = Some(sakimori_manager::ContentSource {
            place: file.to_str().unwrap().to_owned(),
            key: key.verifying_key(),
        });
    };
    let one = Site::with(set).await;
    let two = Site::at(one.clock.clone(), one.home.beside(), set).await;
    let admin = one.admin().await;
    let at_two = admin.at(&two);
    let mut pack = serde_json::to_value(sakimori_content::Pack::embedded().unwrap()).unwrap();
    pack["info"]["version"] = json!(9);
    let pack = serde_json::from_value(pack).unwrap();
    let text = sakimori_content::SignedPack::seal(&pack, &key).unwrap().to_text().unwrap();
    std::fs::write(&file, text).unwrap();
    let new = json!({"name": "Rules", "kind": "content-update", "schedule": "0 4 * * *"});
    let (status, made) = admin.post("/tasks", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    admin.post(&format!("/tasks/{}/runs", made["id"].as_str().unwrap()), json!({})).await;
    for api in [&admin, &at_two] {
        until("the newer rules", async || (api.get("/content").await.1["version"] == 9).then_some(())).await;
    }
    one.manager.stop().await;
    two.manager.stop().await;
}
