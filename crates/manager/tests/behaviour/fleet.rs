//! Machines become computers, are told what to enforce, and stay themselves.
use crate::support::{Machine, PASSWORD, Site, answer, client, log_in, new_token, post_agent};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::KeyPair;
use reqwest::StatusCode;
use sakimori_protocol::{Bundle, CheckInAnswer, Enrol, Hash, Renew, RenewAnswer, SignedBundle, paths};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Verifies a bundle as an agent does.
fn verified(machine: &Machine, signed: &SignedBundle) -> (Hash, Bundle) {
    let key = BASE64.decode(&machine.answer.as_ref().unwrap().bundle_key).unwrap();
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key);
    let message = [SignedBundle::CONTEXT, signed.bundle.as_bytes()].concat();
    key.verify(&message, &BASE64.decode(&signed.signature).unwrap()).unwrap();
    (Hash::of(signed.bundle.as_bytes()), serde_json::from_str(&signed.bundle).unwrap())
}

async fn computer(admin: &crate::support::Api, machine: &Machine) -> Value {
    let (status, computer) = admin.get(&format!("/computers/{}", machine.id())).await;
    assert_eq!(status, StatusCode::OK, "{computer}");
    computer
}

#[tokio::test]
async fn a_machine_is_activated_checks_in_and_gets_its_policy() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let web = admin.policy("Web server").await;
    let token = new_token(&admin, json!({"name": "t", "policyId": web["id"], "maxUses": 1})).await;
    let mut machine = Machine::new();
    machine.enrol(&site, &token).await;
    assert_eq!(computer(&admin, &machine).await["status"], "pending");
    assert_eq!(machine.answer.as_ref().unwrap().gateway, site.gateway_url(""));

    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let (hash, bundle) = verified(&machine, &signed);
    assert_eq!(bundle.policy_name, "Web server");
    assert_eq!(bundle.modules["intrusion-prevention"].settings["mode"], "prevent");
    for rule in &bundle.modules["intrusion-prevention"].content {
        let url = site.url(&format!("{}/{}", paths::BLOBS, rule.hash));
        let blob = client(&site.manager.authority_pem(), None).get(url).send().await.unwrap();
        assert_eq!(Hash::of(&blob.bytes().await.unwrap()), rule.hash);
    }
    let before = computer(&admin, &machine).await;
    assert_eq!(before["bundle"]["upToDate"], false);
    assert_eq!(machine.check_in(Some(hash)).await, None, "nothing new");
    let shown = computer(&admin, &machine).await;
    assert_eq!(shown["status"], "online", "{shown}");
    assert_eq!(
        shown["bundle"],
        json!({"assigned": hash.to_string(), "enforced": hash.to_string(),
        "upToDate": true, "refused": null})
    );
    assert_eq!(shown["modules"][0]["counters"]["packets"], 7);
    assert_eq!(shown["addresses"], json!(["192.0.2.1"]));

    site.clock.advance(Duration::from_mins(1));
    assert_eq!(computer(&admin, &machine).await["status"], "offline");
    assert_eq!(admin.list("/computers?status=offline&q=WEB1").await.len(), 1);
    assert_eq!(admin.list("/computers?q=elsewhere").await.len(), 0);
}

#[tokio::test]
async fn a_policy_edit_wakes_a_held_check_in() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let (hash, _) = verified(&machine, &signed);

    let message = machine.check_in_message(Some(hash), 30);
    let edit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let base = admin.policy("Base").await;
        let path = format!("/policies/{}", base["id"].as_str().unwrap());
        let (status, _) =
            admin.patch(&path, json!({"settings": {"intrusion-prevention": {"mode": "prevent"}}})).await;
        assert_eq!(status, StatusCode::OK);
    };
    let begun = Instant::now();
    let ((status, answer), ()) = tokio::join!(machine.send_check_in(&message), edit);
    assert_eq!(status, StatusCode::OK);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let answer: CheckInAnswer = serde_json::from_value(answer).unwrap();
    let (changed, bundle) = verified(&machine, &answer.bundle.unwrap());
    assert_eq!(bundle.modules["intrusion-prevention"].settings["mode"], "prevent");

    // An edit that changes nothing for the computer leaves the bundle's name as it is.
    let base = admin.policy("Base").await;
    let path = format!("/policies/{}", base["id"].as_str().unwrap());
    admin.patch(&path, json!({"description": "another text"})).await;
    assert_eq!(machine.check_in(Some(changed)).await, None);

    // Another policy, assigned while the check-in is held, wakes it too.
    let message = machine.check_in_message(Some(changed), 30);
    let web = admin.policy("Web server").await;
    let computer_path = format!("/computers/{}", machine.id());
    let assign = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (status, _) = admin.patch(&computer_path, json!({"policyId": web["id"]})).await;
        assert_eq!(status, StatusCode::OK);
    };
    let ((status, answer), ()) = tokio::join!(machine.send_check_in(&message), assign);
    assert_eq!(status, StatusCode::OK);
    let answer: CheckInAnswer = serde_json::from_value(answer).unwrap();
    assert_eq!(verified(&machine, &answer.bundle.unwrap()).1.policy_name, "Web server");
}

#[tokio::test]
async fn a_refused_bundle_is_shown_and_not_sent_again() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let mut message = machine.check_in_message(None, 0);
    message.refused = Some((Hash::of(signed.bundle.as_bytes()), "a rule does not compile".to_owned()));
    assert_eq!(machine.send_check_in(&message).await.0, StatusCode::NO_CONTENT);
    let shown = computer(&admin, &machine).await;
    assert_eq!(shown["status"], "degraded");
    assert_eq!(shown["statusReasons"][0]["code"], "policy-refused");
    assert_eq!(shown["bundle"]["refused"], "a rule does not compile");
}

#[tokio::test]
async fn enrolment_is_repeatable_and_a_token_gives_no_more_than_it_says() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let web = admin.policy("Web server").await;
    let token = new_token(&admin, json!({"name": "t", "policyId": web["id"], "maxUses": 1})).await;
    let mut machine = Machine::new();
    machine.enrol(&site, &token).await;
    let first = machine.id();
    machine.enrol(&site, &token).await;
    assert_eq!(machine.id(), first, "the answer was lost and asked for again");
    assert_eq!(admin.list("/computers").await.len(), 1);
    assert_eq!(admin.list("/activation-tokens").await[0]["uses"], 1);

    let refused = async |message: Enrol, code: &str| {
        let (status, problem) = post_agent(&site, paths::ENROLL, &message).await;
        assert!(status.is_client_error(), "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    };
    refused(Machine::new().enrol_message(&token), "token-invalid").await;
    let mut stolen = machine.enrol_message(&token);
    stolen.csr = Machine::new().csr();
    refused(stolen, "message-invalid").await;

    let any = new_token(&admin, json!({"name": "any"})).await;
    let mut message = machine.enrol_message(&any);
    message.enrolment = Uuid::now_v7();
    refused(message, "clone").await;
    let fresh = Machine::new();
    refused(fresh.enrol_message(&format!("{}.{}", Uuid::now_v7(), "0".repeat(64))), "token-invalid").await;
    refused(fresh.enrol_message("nonsense"), "token-invalid").await;
    let (id, _) = any.split_once('.').unwrap();
    refused(fresh.enrol_message(&format!("{id}.{}", "0".repeat(64))), "token-invalid").await;
    let mut message = fresh.enrol_message(&any);
    message.policy = Some("No such policy".to_owned());
    refused(message, "policy-invalid").await;
    let only = new_token(&admin, json!({"name": "only", "policyId": web["id"]})).await;
    let mut message = fresh.enrol_message(&only);
    message.policy = Some("Base".to_owned());
    refused(message, "policy-invalid").await;
    let mut message = fresh.enrol_message(&any);
    message.csr = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".to_owned();
    refused(message, "message-invalid").await;
    let mut message = fresh.enrol_message(&any);
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    message.csr = rcgen::CertificateParams::default().serialize_request(&ed25519).unwrap().pem().unwrap();
    refused(message, "message-invalid").await;
    // A request for a key that the sender does not have: the signature is somebody else's.
    let mut message = fresh.enrol_message(&any);
    message.csr = tampered(&message.csr);
    refused(message, "message-invalid").await;

    site.clock.advance(Duration::from_secs(3601));
    refused(fresh.enrol_message(&any), "token-invalid").await;
    let revoked = new_token(&admin, json!({"name": "revoked"})).await;
    let (id, _) = revoked.split_once('.').unwrap();
    assert_eq!(admin.delete(&format!("/activation-tokens/{id}")).await, StatusCode::NO_CONTENT);
    refused(fresh.enrol_message(&revoked), "token-invalid").await;
    assert_eq!(admin.list("/computers").await.len(), 1);
}

/// Changes the last byte of the signature of a request.
fn tampered(csr: &str) -> String {
    let body: String = csr.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = BASE64.decode(body).unwrap();
    *der.last_mut().unwrap() ^= 1;
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        BASE64.encode(der)
    )
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_by_its_key_only() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let mut machine = site.machine(&admin).await;
    machine.check_in(None).await;
    site.clock.advance(Duration::from_hours(91 * 24));
    let url = format!("{}{}", machine.gateway, paths::CHECK_IN);
    let expired = client(
        &site.manager.authority_pem(),
        Some((&machine.answer.as_ref().unwrap().certificate, &machine.key)),
    );
    let refused = expired.post(&url).json(&machine.check_in_message(None, 0)).send().await;
    assert!(refused.is_err(), "an expired certificate opens nothing");

    let renew = |key: &Machine, computer: Uuid| Renew {
        computer,
        csr: key.csr(),
        fingerprint: machine.fingerprint.clone(),
    };
    let (status, problem) = post_agent(&site, paths::RENEW, &renew(&Machine::new(), machine.id())).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    let (status, problem) = post_agent(&site, paths::RENEW, &renew(&machine, Uuid::now_v7())).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    let (status, renewed) = post_agent(&site, paths::RENEW, &renew(&machine, machine.id())).await;
    assert_eq!(status, StatusCode::OK, "{renewed}");
    let renewed: RenewAnswer = serde_json::from_value(renewed).unwrap();
    machine.use_certificate(&site, &renewed.certificate);
    assert!(machine.check_in(None).await.unwrap().bundle.is_some());
}

#[tokio::test]
async fn a_copied_machine_is_refused_and_the_original_left_alone() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    machine.check_in(None).await;

    let mut copy = machine.check_in_message(None, 0);
    copy.fingerprint.dmi_uuid = "another box".to_owned();
    let (status, problem) = machine.send_check_in(&copy).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("clone")), "{problem}");
    let renewal = Renew { computer: machine.id(), csr: machine.csr(), fingerprint: copy.fingerprint.clone() };
    assert_eq!(post_agent(&site, paths::RENEW, &renewal).await.0, StatusCode::CONFLICT);

    let shown = computer(&admin, &machine).await;
    assert_eq!(shown["status"], "clone");
    assert_eq!(shown["fingerprint"]["cloneDiffersIn"], json!(["dmi-uuid"]));
    assert!(machine.check_in(None).await.unwrap().bundle.is_some(), "the original goes on");
    let path = format!("/computers/{}", machine.id());
    assert_eq!(admin.patch(&path, json!({"clone": false})).await.0, StatusCode::OK);
    assert_eq!(computer(&admin, &machine).await["status"], "online");

    // The machine id was made anew on the same box: the same machine, and from now on known as such.
    let mut reimaged = machine.check_in_message(None, 0);
    reimaged.fingerprint.machine_id = "new".to_owned();
    assert_eq!(machine.send_check_in(&reimaged).await.0, StatusCode::OK);
    assert_eq!(computer(&admin, &machine).await["status"], "online");
}

#[tokio::test]
async fn two_agents_with_all_facts_equal_are_told_apart_by_their_boots() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let with_boot = |boot: &str| {
        let mut message = machine.check_in_message(None, 0);
        message.boot = boot.to_owned();
        message
    };
    for boot in ["a", "b"] {
        assert_eq!(machine.send_check_in(&with_boot(boot)).await.0, StatusCode::OK);
    }
    assert_eq!(computer(&admin, &machine).await["status"], "online", "a restart is no clone");
    machine.send_check_in(&with_boot("a")).await;
    assert_eq!(computer(&admin, &machine).await["status"], "clone");
}

#[tokio::test]
async fn a_deleted_computer_is_refused_at_once() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let signed = machine.check_in(None).await.unwrap().bundle.unwrap();
    let message = machine.check_in_message(Some(Hash::of(signed.bundle.as_bytes())), 30);
    let path = format!("/computers/{}", machine.id());
    let delete = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
    };
    let ((status, problem), ()) = tokio::join!(machine.send_check_in(&message), delete);
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    let (status, problem) = machine.send_check_in(&message).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("computer-unknown")));
    let renewal =
        Renew { computer: machine.id(), csr: machine.csr(), fingerprint: machine.fingerprint.clone() };
    assert_eq!(post_agent(&site, paths::RENEW, &renewal).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_gateway_takes_only_our_certificates() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let machine = site.machine(&admin).await;
    let url = format!("{}{}", site.gateway_url(""), paths::CHECK_IN);
    let nobody = client(&site.manager.authority_pem(), None);
    assert!(nobody.post(&url).json(&machine.check_in_message(None, 0)).send().await.is_err());
    let own =
        rcgen::generate_simple_self_signed(vec![format!("urn:sakimori:{}:{}", Uuid::nil(), machine.id())])
            .unwrap();
    let forged = client(&site.manager.authority_pem(), Some((&own.cert.pem(), &own.signing_key)));
    assert!(forged.post(&url).json(&machine.check_in_message(None, 0)).send().await.is_err());
    // What belongs to the gateway is not on the public listener, and the other way round.
    let (status, _) = answer(nobody.post(site.url(paths::CHECK_IN)).json(&json!({}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    log_in(&site.nobody(), PASSWORD).await;
    let (status, _) = answer(machine.client.get(site.gateway_url("/api/v1/policies"))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
