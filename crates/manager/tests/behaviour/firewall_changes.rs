//! The firewall's changes on computers: how they stand, and an operator's word that reaches the agent.
use super::support::Site;
use axum::http::StatusCode;
use sakimori_protocol::{CheckIn, CheckInAnswer, Command, Hash, Mode, ModuleState, ModuleStatus, OrderDone};
use serde_json::{Value, json};
use std::time::Duration;

fn firewall(state: ModuleState, reason: &str, counters: &[(&str, u64)]) -> ModuleStatus {
    ModuleStatus {
        module: "firewall".to_owned(),
        state,
        mode: Mode::Prevent,
        reasons: if reason.is_empty() { Vec::new() } else { vec![reason.to_owned()] },
        rules: 1,
        counters: counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    }
}

#[tokio::test]
async fn a_word_on_the_change_that_is_on_trial_is_told_until_the_agent_has_answered() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let first = machine.check_in(None).await.unwrap();
    let bundle = Hash::of(first.bundle.unwrap().bundle.as_bytes());
    let path = format!("/computers/{}/firewall", machine.id());
    let said = |status: ModuleStatus, hold_secs: u64| CheckIn {
        modules: vec![status],
        ..machine.check_in_message(Some(bundle), hold_secs)
    };

    let trial = [("change-number", 7), ("change-operator-until", 1_795_000_000)];
    machine.send_check_in(&said(firewall(ModuleState::Active, "unconfirmed", &trial), 0)).await;
    let (status, state) = admin.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{state}");
    let until = "2026-11-18T11:06:40Z";
    assert_eq!(
        state,
        json!({"standing": "on-trial", "number": 7, "managerUntil": null, "operatorUntil": until, "releasedUntil": null})
    );

    // Another change is not meant, and what is on trial was not taken back.
    let confirm = format!("{path}/confirm");
    for (path, body) in [(&confirm, json!({"number": 6})), (&format!("{path}/retry"), json!({}))] {
        let (status, problem) = admin.post(path, body).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("no-such-change")), "{path}");
    }

    let ask = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        admin.post(&confirm, json!({"number": 7})).await
    };
    let held = said(firewall(ModuleState::Active, "unconfirmed", &trial), 30);
    let ((_, answer), (status, asked)) = tokio::join!(machine.send_check_in(&held), ask);
    assert_eq!((status, &asked["online"]), (StatusCode::ACCEPTED, &json!(true)), "{asked}");
    let told = |answer: Value| {
        let answer: CheckInAnswer = serde_json::from_value(answer).unwrap();
        let [Command::Order { run, order }] = &answer.commands[..] else { panic!("{answer:?}") };
        (*run, order.clone())
    };
    let (run, order) = told(answer);
    assert_eq!(order, "firewall-confirm 7");

    // The agent says nothing of it: that answer may have been lost on its way.
    let (_, again) = machine.send_check_in(&held).await;
    assert_eq!(told(again), (run, order), "the same, by its id");
    let done = OrderDone { run, ..OrderDone::default() };
    machine.order_done(&done).await;
    // Two looks of the manager later nothing more is said.
    let settled = said(firewall(ModuleState::Active, "", &[]), 2);
    assert_eq!(machine.send_check_in(&settled).await, (StatusCode::NO_CONTENT, Value::Null), "answered");
    assert_eq!(admin.get(&path).await.1["standing"], "settled");
    let audit = admin.list("/audit-records").await;
    assert!(audit.iter().any(|record| record["action"] == "computer.firewall-confirm"), "{audit:?}");

    let back = said(firewall(ModuleState::Degraded, "reverted", &[("change-number", 8)]), 0);
    machine.send_check_in(&back).await;
    assert_eq!(admin.get(&path).await.1["standing"], "reverted");
    let (status, _) = admin.post(&format!("{path}/retry"), json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let held = said(firewall(ModuleState::Degraded, "reverted", &[("change-number", 8)]), 30);
    let (_, answer) = machine.send_check_in(&held).await;
    assert_eq!(told(answer).1, "firewall-retry 8", "only that change is meant");
}

#[tokio::test]
async fn a_source_that_is_kept_out_is_let_in_again() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let first = machine.check_in(None).await.unwrap();
    let bundle = Hash::of(first.bundle.unwrap().bundle.as_bytes());
    let path = format!("/computers/{}/firewall/let-in", machine.id());
    for source in ["", "web.example", "192.0.2.0/24"] {
        let (status, problem) = admin.post(&path, json!({"source": source})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
    let (status, _) = admin.post(&path, json!({"source": "2001:db8:0:7::/64"})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (status, problem) = admin.post(&path, json!({"source": "192.0.2.9"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("order-waiting")));
    let (_, answer) = machine.send_check_in(&machine.check_in_message(Some(bundle), 30)).await;
    let answer: CheckInAnswer = serde_json::from_value(answer).unwrap();
    let [Command::Order { run, order }] = &answer.commands[..] else { panic!("{answer:?}") };
    assert_eq!(order, "firewall-let-in 2001:db8:0:7::");
    machine.order_done(&OrderDone { run: *run, ..OrderDone::default() }).await;
    let (status, _) = admin.post(&path, json!({"source": "192.0.2.9"})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "once the computer has answered");
    let audit = admin.list("/audit-records").await;
    let record = audit.iter().find(|record| record["action"] == "computer.firewall-let-in");
    assert!(record.unwrap().to_string().contains("192.0.2.9"), "{record:?}");
}

#[tokio::test]
async fn ready_groups_fit_into_a_policy() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let groups = admin.list("/firewall/rule-groups").await;
    assert!(groups.iter().any(|group| group["id"] == "web-server"), "{groups:?}");
    for group in groups {
        let mut rules = group["rules"].clone();
        if group["asksRemote"] == true {
            for rule in rules.as_object_mut().unwrap().values_mut() {
                rule["remote"] = json!(["192.0.2.0/24"]);
            }
        }
        let policy = json!({"name": group["id"], "settings": {"firewall": {"rules": rules}}});
        let (status, made) = admin.post("/policies", policy).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
    }
}
