//! What is done by the clock.
use crate::support::{Api, Machine, Site, answer, notice, until};
use reqwest::{Method, StatusCode};
use sakimori_protocol::{Command, OrderDone, paths};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn task(admin: &Api, new: Value) -> String {
    let (status, made) = admin.post("/tasks", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    format!("/tasks/{}", made["id"].as_str().unwrap())
}

async fn last_run(admin: &Api, task: &str, state: &str) -> Value {
    until(&format!("the run is {state}"), async || {
        let run = admin.list(&format!("{task}/runs?limit=1")).await.into_iter().next()?;
        (run["state"] == state).then_some(run)
    })
    .await
}

/// Checks in, held for a short time, until it is told something.
async fn told(machine: &Machine) -> Command {
    until("an order", async || {
        let first = machine.check_in(None).await.unwrap_or_default();
        if let Some(command) = first.commands.into_iter().next() {
            return Some(command);
        }
        let hash = first.bundle.map(|signed| sakimori_protocol::Hash::of(signed.bundle.as_bytes()));
        let (status, answer) = machine.send_check_in(&machine.check_in_message(hash, 3)).await;
        if status != StatusCode::OK {
            return None;
        }
        let answer: sakimori_protocol::CheckInAnswer = serde_json::from_value(answer).unwrap();
        answer.commands.into_iter().next()
    })
    .await
}

async fn done(machine: &Machine, run: Uuid, error: Option<&str>) {
    let message = OrderDone { run, error: error.map(str::to_owned), ..OrderDone::default() };
    machine.order_done(&message).await;
}

#[tokio::test]
async fn a_task_of_computers_is_told_answered_and_goes_on_after_a_restart() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (mut one, two) = (site.machine(&admin).await, site.machine(&admin).await);
    let path = task(
        &admin,
        json!({"name": "Nightly", "kind": "integrity-scan", "schedule": "* * * * *", "jitterSecs": 0, "windowSecs": 3600}),
    )
    .await;
    site.clock.advance(Duration::from_secs(61));
    let run = last_run(&admin, &path, "running").await;
    assert_eq!((&run["waiting"], &run["askedBy"]), (&json!(2), &Value::Null));
    admin.patch(&path, json!({"enabled": false})).await;
    let Command::Order { run: id, order } = told(&one).await else { panic!("another order") };
    assert_eq!((json!(id), order.as_str()), (run["id"].clone(), "integrity-scan"));
    let computers = format!("/task-runs/{id}/computers");
    until("it is known to be told", async || {
        let all = admin.list(&computers).await;
        all.iter()
            .any(|c| {
                c["state"] == "sent" && c["computerId"] == json!(one.id()) && c["computerName"].is_string()
            })
            .then_some(())
    })
    .await;

    // The manager is started again; who has not answered is told again later.
    let site = site.restart().await;
    let admin = site.admin().await;
    site.clock.advance(Duration::from_mins(11));
    let certificate = one.answer.as_ref().unwrap().certificate.clone();
    one.use_certificate(&site, &certificate);
    assert!(matches!(told(&one).await, Command::Order { run, .. } if run == id));
    done(&one, id, None).await;
    let mut two = two;
    let certificate = two.answer.as_ref().unwrap().certificate.clone();
    two.use_certificate(&site, &certificate);
    assert!(matches!(told(&two).await, Command::Order { run, .. } if run == id));
    done(&two, id, Some("integrity monitoring is off\u{1b}[2J")).await;
    let run = last_run(&admin, &path, "failed").await;
    assert_eq!((&run["done"], &run["failed"]), (&json!(1), &json!(1)));
    let all = admin.list(&computers).await;
    let failed = all.iter().find(|c| c["state"] == "failed").unwrap();
    assert_eq!(failed["message"], "integrity monitoring is off\u{fffd}[2J");
    // An answer that comes again, or for another's run, changes nothing.
    done(&two, id, None).await;
    assert_eq!(admin.list(&computers).await, all);
}

#[tokio::test]
async fn the_managers_own_tasks_leave_their_files_and_are_run_now() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    machine.send_events(Uuid::now_v7(), 1, &notice("n")).await;
    for (kind, ending) in [("backup", Some("tar")), ("report", Some("csv")), ("retention", None)] {
        let path = task(
            &admin,
            json!({"name": kind, "kind": kind, "schedule": "0 3 * * *", "timeZone": "Asia/Tokyo"}),
        )
        .await;
        let (status, run) = admin.post(&format!("{path}/runs"), json!({})).await;
        assert_eq!((status, &run["state"]), (StatusCode::ACCEPTED, &json!("running")), "{run}");
        assert_eq!(run["askedBy"], "test");
        let run = last_run(&admin, &path, "succeeded").await;
        let message = run["message"].as_str().unwrap().to_owned();
        if let Some(ending) = ending {
            let file = message.trim_start_matches("Written to ").trim_end_matches('.').to_owned();
            assert!(file.ends_with(ending) && std::fs::metadata(&file).unwrap().len() > 50, "{message}");
        }
        assert!(admin.get(&path).await.1["nextAt"].as_str().unwrap().ends_with("T18:00:00Z"));
    }
}

#[tokio::test]
async fn a_time_that_passed_unseen_is_made_up_for_within_its_window_or_said_to_be_missed() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let new = |name: &str, window: u32| json!({"name": name, "kind": "retention", "schedule": "0 * * * *", "windowSecs": window, "jitterSecs": 0});
    let (late, strict) = (task(&admin, new("late", 3_600)).await, task(&admin, new("strict", 60)).await);
    let Site { clock, manager, home } = site;
    manager.stop().await;
    // To half past an hour, some hours later.
    let past = Duration::from_micros(u64::try_from(clock.now().0).unwrap()).as_secs() % 3_600;
    clock.advance(Duration::from_secs(5 * 3_600 - past + 1_800));
    let manager = sakimori_manager::Manager::start(home.options(&clock)).await.unwrap();
    let site = Site { clock, manager, home };
    let admin = site.admin().await;
    last_run(&admin, &late, "succeeded").await;
    let missed = last_run(&admin, &strict, "missed").await;
    assert!(!missed["message"].as_str().unwrap().is_empty());
    for path in [&late, &strict] {
        assert_eq!(admin.list(&format!("{path}/runs")).await.len(), 1, "one run for all that passed");
    }
    until("it raises an alert", async || {
        let alerts = admin.list("/alerts?conditionId=task-failed").await;
        alerts.into_iter().find(|alert| alert["subject"] == "strict")
    })
    .await;
    assert_eq!(admin.post(&format!("{strict}/runs"), json!({})).await.0, StatusCode::ACCEPTED);
    until("a run that succeeds resolves it", async || {
        admin.list("/alerts?conditionId=task-failed&state=resolved").await.into_iter().next()
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_task_is_said() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let new = |change: Value| {
        let mut new = json!({"name": "x", "kind": "retention", "schedule": "0 3 * * *"});
        for (key, value) in change.as_object().unwrap() {
            new[key] = value.clone();
        }
        new
    };
    for (change, pointer) in [
        (json!({"schedule": "0 3 * *"}), "/schedule"),
        (json!({"schedule": "0 0 31 feb *"}), "/schedule"),
        (json!({"timeZone": "Moon/Tycho"}), "/timeZone"),
        (json!({"windowSecs": 10}), "/windowSecs"),
        (json!({"policyId": Uuid::nil()}), "/policyId"),
    ] {
        let (status, problem) = admin.post("/tasks", new(change)).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!(pointer)));
    }
    let path = task(&admin, new(json!({}))).await;
    assert_eq!(admin.post("/tasks", new(json!({}))).await.0, StatusCode::CONFLICT);
    let stale =
        admin.request(Method::PATCH, &path).header("if-match", "\"7\"").json(&json!({"enabled": false}));
    assert_eq!(admin.send(stale).await.0, StatusCode::PRECONDITION_FAILED);
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&format!("{path}/runs"), json!({})).await.0, StatusCode::NOT_FOUND);
    let (status, problem) = other.post("/tasks", new(json!({"kind": "backup"}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!("/kind")));
    assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_malware_scan_says_how_far_it_is_and_what_came_of_it() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let new = json!({"name": "Weekly", "kind": "malware-scan", "schedule": "0 0 1 1 *", "jitterSecs": 0, "windowSecs": 86_400});
    let path = task(&admin, new).await;
    assert_eq!(admin.post(&format!("{path}/runs"), json!({})).await.0, StatusCode::ACCEPTED);
    let Command::Order { run, order } = told(&machine).await else { panic!("another order") };
    assert_eq!(order, "malware-scan");
    let say = async |goes_on: bool, words: &str| {
        let message = OrderDone { run, error: None, goes_on, words: words.to_owned() };
        let url = format!("{}{}", machine.gateway, paths::ORDERS);
        let (status, said) = answer(machine.client.post(url).json(&message)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{said}");
    };
    let seen = async || {
        let computer = admin.list(&format!("/task-runs/{run}/computers")).await.remove(0);
        (computer["state"].clone(), computer["message"].clone())
    };
    say(true, "10 files looked at").await;
    assert_eq!(seen().await, (json!("sent"), json!("10 files looked at")));
    // As long as it says so, it is not told again.
    site.clock.advance(Duration::from_mins(9));
    say(true, "20 files\u{1b}[2J looked at").await;
    site.clock.advance(Duration::from_mins(9));
    assert_eq!(
        seen().await,
        (json!("sent"), json!("20 files\u{fffd}[2J looked at")),
        "no orders to terminals"
    );
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let hash = sakimori_protocol::Hash::of(signed.bundle.as_bytes());
    let (status, said) = machine.send_check_in(&machine.check_in_message(Some(hash), 3)).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{said}");
    last_run(&admin, &path, "running").await;
    say(false, "30 files looked at, 1 with malware").await;
    assert_eq!(seen().await, (json!("done"), json!("30 files looked at, 1 with malware")));
    last_run(&admin, &path, "succeeded").await;
}
