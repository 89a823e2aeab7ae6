//! A change that concerns many goes out at a rate; one computer's own does not wait for it.
use crate::support::{Home, Machine, Site, client, new_token, until};
use reqwest::{Method, StatusCode};
use sakimori_manager::clock::Clock;
use sakimori_manager::{Manager, Options};
use sakimori_protocol::Hash;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const MACHINES: usize = 8;

async fn metric(site: &Site, name: &str) -> u64 {
    let client = client(&site.manager.authority_pem(), None);
    let text = client.get(site.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().to_owned();
    line.parse().unwrap()
}

#[tokio::test]
async fn a_change_for_all_is_handed_out_at_the_rate_and_that_of_one_computer_at_once() {
    let (clock, home) = (Clock::default(), Home::new());
    let options = Options { bundles_per_second: 1, ..home.options(&clock) };
    let site = Site { manager: Manager::start(options).await.unwrap(), clock, home };
    let admin = site.admin().await;
    let base = admin.policy("Base").await;
    let web = admin.policy("Web server").await;
    let token = new_token(&admin, json!({"name": "t"})).await;

    // First bundles do not wait: whoever is activated is protected.
    let mut machines = Vec::new();
    for _ in 0..MACHINES {
        let mut machine = Machine::new();
        machine.enrol(&site, &token).await;
        let first = machine.check_in(None).await.unwrap().bundle.unwrap();
        machines.push((Arc::new(machine), Hash::of(first.bundle.as_bytes())));
    }

    let (answers, mut answered) = mpsc::unbounded_channel();
    for (number, (machine, hash)) in machines.iter().enumerate() {
        let (answers, machine, hash) = (answers.clone(), Arc::clone(machine), *hash);
        tokio::spawn(async move {
            let answer = machine.send_check_in(&machine.check_in_message(Some(hash), 30)).await;
            answers.send((number, Instant::now(), answer)).unwrap();
        });
    }
    let all = u64::try_from(MACHINES).unwrap();
    until("all check-ins are held", async || {
        (metric(&site, "sakimori_check_ins_held").await == all).then_some(())
    })
    .await;
    let begun = Instant::now();
    let edit = json!({"settings": {"intrusion-prevention": {"httpPorts": ["8088"]}}});
    let path = format!("/policies/{}", base["id"].as_str().unwrap());
    let request = admin.request(Method::PATCH, &path).header("if-match", base["etag"].as_str().unwrap());
    assert_eq!(admin.send(request.json(&edit)).await.0, StatusCode::OK);
    let policy = |answer: &(StatusCode, Value)| {
        assert_eq!(answer.0, StatusCode::OK);
        let bundle: Value = serde_json::from_str(answer.1["bundle"]["bundle"].as_str().unwrap()).unwrap();
        bundle["policyName"].as_str().unwrap().to_owned()
    };
    // Two may go at once, one with what was saved up.
    let mut waiting: Vec<usize> = (0..MACHINES).collect();
    for _ in 0..2 {
        let (number, _, answer) = answered.recv().await.unwrap();
        assert_eq!(policy(&answer), "Base");
        waiting.retain(|other| *other != number);
    }
    assert!(metric(&site, "sakimori_bundles_waiting").await > 0);

    // Somebody edits a computer whose turn has not come: it has its change before them.
    let last = *waiting.last().unwrap();
    let edited = Instant::now();
    let (status, _) =
        admin.patch(&format!("/computers/{}", machines[last].0.id()), json!({"policyId": web["id"]})).await;
    assert_eq!(status, StatusCode::OK);
    let mut end = begun;
    let mut own = None;
    while !waiting.is_empty() {
        let (number, at, answer) = answered.recv().await.unwrap();
        waiting.retain(|other| *other != number);
        if number == last {
            own = Some((policy(&answer), at - edited));
        } else {
            assert_eq!(policy(&answer), "Base");
            end = at;
        }
    }
    let (own, took) = own.unwrap();
    assert_eq!(own, "Web server");
    // Each other one takes a second.
    let all = end - begun;
    assert!(all > Duration::from_secs(4) && took < all, "{took:?} of {all:?}");
}
