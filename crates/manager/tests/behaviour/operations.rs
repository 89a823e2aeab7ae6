//! What takes longer than a request.
use crate::support::{Api, Site, notice, on_postgres, until};
use reqwest::{Method, StatusCode};
use sakimori_protocol::Command;
use serde_json::{Value, json};
use uuid::Uuid;

/// Begins an operation and waits for its end.
async fn done(admin: &Api, path: &str, body: Value) -> Value {
    let answer = admin.request(Method::POST, path).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let at = answer.headers()["location"].to_str().unwrap().to_owned();
    let begun: Value = answer.json().await.unwrap();
    assert_eq!(begun["state"], "running");
    assert_eq!(at, format!("/api/v1/operations/{}", begun["id"].as_str().unwrap()));
    let at = at.strip_prefix("/api/v1").unwrap().to_owned();
    until("the operation's end", async || {
        let (status, operation) = admin.get(&at).await;
        assert_eq!(status, StatusCode::OK, "{operation}");
        (operation["state"] != "running").then_some(operation)
    })
    .await
}

async fn fetch(admin: &Api, path: &str) -> String {
    let answer = admin.request(Method::GET, path.strip_prefix("/api/v1").unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    answer.text().await.unwrap()
}

#[tokio::test]
async fn events_are_exported_to_a_file_that_is_fetched() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let lines: Vec<String> = (0..1_200).map(|number| notice(&format!("n{number}"))).collect();
    let (status, _) = machine.send_events(Uuid::now_v7(), 1, &lines.join("\n")).await;
    assert_eq!(status, StatusCode::OK);
    let wanted = "detail.code = n7* OR detail.code = n11";
    for format in ["csv", "jsonl"] {
        let operation = done(&admin, "/events/exports", json!({"format": format, "filter": wanted})).await;
        assert_eq!(operation["state"], "succeeded", "{operation}");
        assert_eq!((&operation["done"], &operation["total"]), (&json!(112), &json!(112)), "{operation}");
        let file = fetch(&admin, operation["result"].as_str().unwrap()).await;
        let path = format!(
            "/events/export?format={format}&filter=detail.code%20%3D%20n7*%20OR%20detail.code%20%3D%20n11"
        );
        let direct = admin.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
        assert_eq!(file, direct, "both come from one hand");
    }
    for (body, pointer) in [
        (json!({"format": "csv", "filter": "severity >"}), "/filter"),
        (json!({"format": "csv", "from": "yesterday"}), "/from"),
        (json!({"format": "csv", "limit": 0}), "/limit"),
    ] {
        let (status, problem) = admin.post("/events/exports", body).await;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::BAD_REQUEST, &json!(pointer)));
    }
    let listed = admin.list("/operations").await;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["askedBy"], "test");
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert!(other.list("/operations").await.is_empty());
    let theirs = listed[0]["result"].as_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
    assert_eq!(other.get(&theirs).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn backups_and_scans_are_begun_on_request() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let scan = done(&admin, "/recommendation-scans", json!({})).await;
    assert_eq!(
        (&scan["state"], &scan["done"], &scan["result"]),
        (&json!("succeeded"), &json!(1), &Value::Null),
        "{scan}"
    );
    let answer = machine.check_in(None).await.unwrap();
    assert!(answer.commands.contains(&Command::TakeInventory), "{:?}", answer.commands);
    let backup = done(&admin, "/backups", json!({})).await;
    assert_eq!(backup["state"], "succeeded", "{backup}");
    let file = backup["message"].as_str().unwrap().strip_prefix("Written to ").unwrap().trim_end_matches('.');
    assert!(std::fs::metadata(file).unwrap().len() > 10_000 || on_postgres(), "{file}");
    let (status, problem) =
        admin.get(&format!("/operations/{}/result", backup["id"].as_str().unwrap())).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("no-result")));
}
