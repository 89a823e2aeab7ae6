//! What somebody should look at.
use crate::support::{Api, Machine, Site, intrusion, notice, until};
use reqwest::{Method, StatusCode};
use sakimori_protocol::ModuleState;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn alert(admin: &Api, condition: &str, state: &str) -> Value {
    until(&format!("{condition} is {state}"), async || {
        let path = format!("/alerts?conditionId={condition}&state={state}");
        admin.list(&path).await.into_iter().next()
    })
    .await
}

/// A whole look at what is the matter has begun and ended: the one that finds room again begins after the one that found
/// none, which may have been under way.
async fn looked(site: &Site, admin: &Api) {
    let before = admin.list("/alerts?conditionId=disk-nearly-full&state=resolved").await.len();
    site.home.disk.set_percent(99);
    alert(admin, "disk-nearly-full", "open").await;
    site.home.disk.set_percent(0);
    until("there is room again", async || {
        let resolved = admin.list("/alerts?conditionId=disk-nearly-full&state=resolved").await.len();
        (resolved > before).then_some(())
    })
    .await;
}

async fn send(machine: &Machine, lines: &[String]) {
    let (status, answer) = machine.send_events(Uuid::now_v7(), 1, &(lines.join("\n") + "\n")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn an_alert_on_a_state_is_raised_once_and_resolved_with_its_cause() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let mut message = machine.check_in_message(None, 0);
    message.modules[0].state = ModuleState::Degraded;
    message.modules[0].reasons = vec!["rules-refused".to_owned()];
    machine.send_check_in(&message).await;
    let raised = alert(&admin, "module-degraded", "open").await;
    assert_eq!(raised["computerId"], json!(machine.id()));
    assert_eq!((&raised["severity"], &raised["count"]), (&json!("medium"), &json!(1)));
    let text = raised["explanation"]["en"].as_str().unwrap();
    assert!(text.contains("web1") && text.contains("rules-refused"), "{text}");
    for part in ["title", "explanation", "remedy"] {
        assert!(!raised[part]["ja"].as_str().unwrap().is_empty(), "{raised}");
    }
    let (_, summary) = admin.get("/alerts/summary").await;
    assert_eq!((&summary["open"], &summary["bySeverity"]["medium"]), (&json!(1), &json!(1)));

    let path = format!("/alerts/{}", raised["id"].as_str().unwrap());
    let (status, seen) = admin.patch(&path, json!({"state": "acknowledged", "comment": "on it"})).await;
    assert_eq!((status, &seen["stateBy"]), (StatusCode::OK, &json!("test")), "{seen}");
    let stale =
        admin.request(Method::PATCH, &path).header("if-match", &raised["etag"].as_str().unwrap().to_owned());
    assert_eq!(
        admin.send(stale.json(&json!({"state": "dismissed"}))).await.0,
        StatusCode::PRECONDITION_FAILED
    );
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(admin.list("/alerts").await.len(), 1, "one alert stands for its cause");

    machine.send_check_in(&machine.check_in_message(None, 0)).await;
    let resolved = alert(&admin, "module-degraded", "resolved").await;
    assert_eq!((&resolved["active"], &resolved["comment"]), (&json!(false), &json!("on it")));
    assert!(resolved["resolvedAt"].is_string());
    let (status, _) = admin.patch(&path, json!({"state": "open"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let audited = admin.list("/audit-records").await;
    assert_eq!(audited[0]["action"], "alert.update");
}

#[tokio::test]
async fn what_was_dismissed_is_not_raised_again_while_its_cause_lasts() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    machine.check_in(None).await;
    site.clock.advance(Duration::from_mins(17));
    let offline = alert(&admin, "computer-offline", "open").await;
    assert!(offline["explanation"]["en"].as_str().unwrap().contains("not been in contact since"));
    let path = format!("/alerts/{}", offline["id"].as_str().unwrap());
    admin.patch(&path, json!({"state": "dismissed"})).await;
    let site = site.restart().await;
    let admin = site.admin().await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    let list = "/alerts?conditionId=computer-offline";
    assert_eq!(admin.list(list).await.len(), 1);
    let mut machine = machine;
    let certificate = machine.answer.as_ref().unwrap().certificate.clone();
    machine.use_certificate(&site, &certificate);
    machine.check_in(None).await;
    until("the cause has gone", async || admin.list(list).await.into_iter().find(|a| a["active"] == false))
        .await;
    site.clock.advance(Duration::from_mins(17));
    let again = alert(&admin, "computer-offline", "open").await;
    assert_ne!(again["id"], offline["id"]);
    admin.delete(&format!("/computers/{}", machine.id())).await;
    alert(&admin, "computer-offline", "resolved").await;
}

#[tokio::test]
async fn a_full_disk_is_said_to_each_tenant_until_there_is_room() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    site.home.disk.set_percent(93);
    for tenant in [&admin, &other] {
        let raised = alert(tenant, "disk-nearly-full", "open").await;
        assert!(raised["explanation"]["en"].as_str().unwrap().contains("93 %"), "{raised}");
    }
    site.home.disk.set_percent(89);
    for tenant in [&admin, &other] {
        alert(tenant, "disk-nearly-full", "resolved").await;
    }
}

#[tokio::test]
async fn so_many_events_within_a_time_raise_an_alert_for_each_computer() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (one, two) = (site.machine(&admin).await, site.machine(&admin).await);
    send(&one, &[intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    // What arrived before a condition was made does not count; it is looked at within seconds.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let condition =
        json!({"name": "Attacks", "filter": "kind = intrusion", "threshold": 3, "severity": "critical"});
    let (status, made) = admin.post("/alert-conditions", condition.clone()).await;
    assert_eq!((status, &made["windowSecs"]), (StatusCode::CREATED, &json!(300)), "{made}");
    assert_eq!(admin.post("/alert-conditions", condition).await.0, StatusCode::CONFLICT);
    let (status, problem) = admin.post("/alert-conditions", json!({"name": "x", "filter": "("})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!("/filter")));
    let id = made["id"].as_str().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    send(&one, &[intrusion("SKM-0123-4567-89AB-CDEF"), notice("a"), intrusion("SKM-0123-4567-89AB-CDEF")])
        .await;
    send(&two, &[intrusion("SKM-0123-4567-89AB-CDEF"), intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(admin.list(&format!("/alerts?conditionId={id}&computerId={}", two.id())).await.len(), 0);
    send(&one, &[intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    let raised = alert(&admin, id, "open").await;
    assert_eq!((&raised["computerId"], &raised["severity"]), (&json!(one.id()), &json!("critical")));
    assert!(raised["explanation"]["ja"].as_str().unwrap().contains("Attacks"));

    // What comes counts into it; a manager that is started again goes on where it was.
    let site = site.restart().await;
    let admin = site.admin().await;
    let mut one = one;
    let certificate = one.answer.as_ref().unwrap().certificate.clone();
    one.use_certificate(&site, &certificate);
    let before = raised["count"].as_u64().unwrap();
    send(&one, &vec![intrusion("SKM-0123-4567-89AB-CDEF"); 50]).await;
    let path = format!("/alerts/{}", raised["id"].as_str().unwrap());
    until("all events are counted", async || {
        (admin.get(&path).await.1["count"] == before + 50).then_some(())
    })
    .await;
    admin.patch(&path, json!({"state": "dismissed"})).await;
    send(&one, &vec![intrusion("SKM-0123-4567-89AB-CDEF"); 3]).await;
    let again = alert(&admin, id, "open").await;
    assert_ne!(again["id"], raised["id"]);
    assert_eq!(again["count"], 3);
    assert_eq!(admin.delete(&format!("/alert-conditions/{id}")).await, StatusCode::NO_CONTENT);
    until("its alerts go with a condition", async || {
        admin.list(&format!("/alerts?conditionId={id}&state=open")).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn conditions_of_the_product_are_changed_and_never_lost() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let all = admin.list("/alert-conditions").await;
    assert!(all.len() >= 12 && all.iter().all(|c| c["builtIn"] == true && c["enabled"] == true));
    let path = "/alert-conditions/computer-offline";
    let (status, changed) = admin.patch(path, json!({"threshold": 60, "severity": "low"})).await;
    assert_eq!((status, &changed["threshold"]), (StatusCode::OK, &json!(60)), "{changed}");
    assert_eq!(changed["thresholdUnit"], "minutes");
    for wrong in [json!({"filter": "kind = gap"}), json!({"threshold": 0}), json!({"severity": "grave"})] {
        assert_eq!(admin.patch(path, wrong).await.0, StatusCode::BAD_REQUEST);
    }
    let (status, _) = admin.patch("/alert-conditions/module-failed", json!({"threshold": 2})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(admin.patch("/alert-conditions/tea", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(admin.delete(path).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.get(path).await.1["threshold"], 10);

    let machine = site.machine(&admin).await;
    admin.patch("/alert-conditions/module-failed", json!({"enabled": false})).await;
    looked(&site, &admin).await;
    let mut message = machine.check_in_message(None, 0);
    message.modules[0].state = ModuleState::Failed;
    machine.send_check_in(&message).await;
    looked(&site, &admin).await;
    assert!(admin.list("/alerts?conditionId=module-failed").await.is_empty());
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert_eq!(other.get("/alert-conditions/module-failed").await.1["enabled"], true);
}
