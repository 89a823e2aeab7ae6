//! Policies and the form of messages.
use crate::support::{RULES, Site, client};
use reqwest::{Method, StatusCode};
use sakimori_protocol::Hash;
use serde_json::json;

#[tokio::test]
async fn the_committed_document_is_the_one_of_the_handlers() {
    let made = sakimori_manager::openapi_json().unwrap();
    // Out of date: run this test with UPDATE_EXPECT=1, or cargo run -p sakimori-manager -- openapi > crates/api/openapi.json.
    expect_test::expect_file!["../../../api/openapi.json"].assert_eq(&made);
    let site = Site::new().await;
    let (status, served) = site.nobody().get("/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(served, serde_json::from_str::<serde_json::Value>(&made).unwrap());
}

#[tokio::test]
async fn the_product_brings_two_policies_and_its_rules() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (base, web) = (admin.policy("Base").await, admin.policy("Web server").await);
    assert_eq!(base["settings"]["intrusion-prevention"]["mode"], "detect");
    assert_eq!(base["settings"]["intrusion-prevention"]["defaultRuleMode"], "detect");
    assert_eq!(web["settings"]["intrusion-prevention"]["mode"], "prevent");
    assert_eq!(web["settings"]["intrusion-prevention"]["defaultRuleMode"], "prevent");
    assert_eq!(web["parentId"], base["id"]);
    assert_eq!(
        admin.delete(&format!("/policies/{}", web["id"].as_str().unwrap())).await,
        StatusCode::CONFLICT
    );
    let blob = site.url(&format!("/agent/v1/blobs/{}", Hash::of(RULES)));
    let bytes =
        client(&site.manager.authority_pem(), None).get(blob).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, RULES);

    let product = sakimori_manager::content::Content::of_product().unwrap();
    let wordpress = product.rules.iter().find(|r| r.cves.iter().any(|c| c == "CVE-2017-1001000")).unwrap();
    assert!(!wordpress.text.is_empty() && !wordpress.title.ja.is_empty());
}

#[tokio::test]
async fn a_child_follows_its_parent_until_it_says_otherwise() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let base = admin.policy("Base").await;
    let (status, child) = admin
        .post(
            "/policies",
            json!({"name": "Shop", "parentId": base["id"], "settings": {"intrusion-prevention": {"httpPorts": ["81"]}}}),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{child}");
    assert_eq!(child["local"], json!({"intrusion-prevention": {"httpPorts": ["81"]}}));
    let base_path = format!("/policies/{}", base["id"].as_str().unwrap());
    let patch = json!({"settings": {"intrusion-prevention": {"mode": "off", "httpPorts": ["9000-9010"], "ruleModes": {"7": "off"}}}});
    assert_eq!(admin.patch(&base_path, patch).await.0, StatusCode::OK);
    let child_path = format!("/policies/{}", child["id"].as_str().unwrap());
    let (_, child) = admin.get(&child_path).await;
    assert_eq!(child["settings"]["intrusion-prevention"]["mode"], "off");
    assert_eq!(child["settings"]["intrusion-prevention"]["httpPorts"], json!(["81"]));
    assert_eq!(child["settings"]["intrusion-prevention"]["ruleModes"], json!({"7": "off"}));
    let origins = &child["origins"]["intrusion-prevention"];
    assert_eq!((&origins["/httpPorts"], &origins["/ruleModes/7"]), (&child["id"], &base["id"]), "{origins}");
    let (status, problem) = admin.patch(&base_path, json!({"parentId": child["id"]})).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (StatusCode::BAD_REQUEST, &json!("cycle")));
    assert_eq!(admin.delete(&base_path).await, StatusCode::CONFLICT);
    assert_eq!(admin.delete(&child_path).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn bad_input_is_refused_with_what_to_do() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let (status, policy) = admin.post("/policies", json!({"name": "Shop"})).await;
    assert_eq!(status, StatusCode::CREATED);
    let path = format!("/policies/{}", policy["id"].as_str().unwrap());

    let (status, problem) = admin.patch(&path, json!({"intrusionPreventoin": {}})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("intrusionPreventoin"), "{problem}");
    let (status, problem) = admin
        .patch(&path, json!({"name": "X", "settings": {"intrusion-prevention": {"httpPorts": ["80", "90-80", "http"]}}}))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "all findings at once: {problem}");
    assert_eq!(admin.get(&path).await.1["name"], "Shop", "nothing was changed");
    assert_eq!(admin.post("/policies", json!({"name": "Shop"})).await.0, StatusCode::CONFLICT);
    assert_eq!(admin.post("/policies", json!({"name": " "})).await.0, StatusCode::BAD_REQUEST);

    let stale = admin.request(Method::PATCH, &path).header("if-match", "\"99\"").json(&json!({}));
    assert_eq!(admin.send(stale).await.0, StatusCode::PRECONDITION_FAILED);
    let etag = policy["etag"].as_str().unwrap();
    let current =
        admin.request(Method::PATCH, &path).header("if-match", etag).json(&json!({"description": "d"}));
    let (status, changed) = admin.send(current).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(changed["etag"], policy["etag"]);

    for query in ["?limit=0", "?limit=501", "?limit=x", "?unknown=1"] {
        assert_eq!(admin.get(&format!("/policies{query}")).await.0, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(admin.get("/events?from=yesterday").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(admin.get("/policies/not-an-id").await.0, StatusCode::NOT_FOUND);
    assert_eq!(admin.get("/nothing").await.0, StatusCode::NOT_FOUND);
    assert_eq!(admin.send(admin.request(Method::PUT, "/policies")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let no_json = admin.request(Method::POST, "/policies").body("{}");
    assert_eq!(admin.send(no_json).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = admin.request(Method::POST, "/policies").json(&json!({"name": "x".repeat(2 << 20)}));
    assert_eq!(admin.send(large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn lists_are_read_in_parts() {
    let site = Site::new().await;
    let admin = site.admin().await;
    for number in 0..5 {
        admin.post("/policies", json!({"name": format!("p{number}")})).await;
    }
    let mut names = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let (_, page) = admin.get(&format!("/policies{query}")).await;
        names
            .extend(page["items"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        query = format!("?limit=2&cursor={}", cursor.replace(' ', "%20"));
    }
    assert_eq!(names, ["Base", "Web server", "p0", "p1", "p2", "p3", "p4"]);
}
