//! A fresh manager: zero configuration, one log-in, the deployment line.

use sakimori_testkit::fleet::{start_manager, text};
use sakimori_testkit::{Lab, Programs, Role};
use serde_json::Value;

#[test]
fn a_fresh_manager_lets_in_and_hands_out_the_deployment_line() {
    let lab = Lab::new().unwrap();
    let mut manager = start_manager(&lab, &Programs::find().unwrap()).unwrap();
    assert_eq!(manager.user, "admin");
    let api = manager.log_in().unwrap();
    let policies = api.list("/policies").unwrap();
    let names: Vec<&str> = policies.iter().map(|policy| text(policy, "/name")).collect();
    assert!(names.contains(&"Base") && names.contains(&"Web server"), "{names:?}");
    assert_eq!(api.list("/computers").unwrap(), Vec::<Value>::new());

    let line = manager.deployment_line(&api).unwrap();
    let (fetch, _shell) = line.split_once('|').unwrap();
    let server = lab.host(Role::Server);
    let script = server.shell(fetch).unwrap();
    assert!(script.starts_with("#!/bin/sh"), "{script}");
    // Somebody in between has another key: the line must not take his script.
    let forged = fetch.replace(manager.pin.as_str(), "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_ne!(forged, fetch);
    assert!(server.shell(&forged).is_err());

    // A second start keeps the data and says the password to nobody.
    manager.stop().unwrap();
    manager.start_again().unwrap();
    manager.wait_until_ready().unwrap();
    assert_eq!(api.list("/policies").unwrap().len(), policies.len());
    assert_eq!(manager.tail(10_000).matches(&manager.password).count(), 1);
}
