//! Reconnaissance with Debian's nmap, from the policy to the events: each kind of probe is told, its source is kept out, honest
//! visitors are neither.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use sakimori_testkit::blog::Blog;
use sakimori_testkit::fleet::{self, Protected, text};
use sakimori_testkit::{Lab, Programs, Role, wait};
use serde_json::{Value, json};

/// Probes as nmap sends them, and what has to be told of each.
const PROBES: [(&[&str], &str); 5] = [
    (&["-sN", "-p", "70-90"], "null"),
    (&["-sF", "-p", "70-90"], "fin"),
    (&["-sX", "-p", "70-90"], "xmas"),
    (&["-sS", "--scanflags", "SYNFIN", "-p", "70-90"], "syn-fin"),
    (&["-sS", "-p", "100-200"], "scan"),
];

#[test]
fn probes_of_port_scanners_are_told_and_honest_visitors_are_not() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let protected = Protected::deploy(&lab, &programs, "Web server").unwrap();
    let api = &protected.api;
    let policies = api.list("/policies").unwrap();
    let parent = policies.iter().find(|policy| text(policy, "/name") == "Web server").unwrap();
    let policy = json!({
        "name": "Probes",
        "parentId": text(parent, "/id"),
        "settings": {"firewall": {"mode": "prevent", "reconnaissance": {
            "null": {}, "fin": {}, "xmas": {}, "syn-fin": {}, "scan": {"response": "block", "blockMinutes": 5}}}},
    });
    api.post("/policies", &policy).unwrap();
    protected.told(protected.enforce("Probes")).unwrap();

    // Many connections to few ports, one of them closed.
    let visitor = lab.host(Role::Visitor);
    let closed = SocketAddr::new(blog.address().ip(), 81);
    for _ in 0..60 {
        drop(visitor.connect(blog.address(), Duration::from_secs(2)).unwrap());
        let refused = visitor.connect(closed, Duration::from_secs(2)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    let attacker = lab.host(Role::Attacker);
    let server = lab.host(Role::Server).v4().to_string();
    for (probe, _kind) in PROBES {
        let common = ["-n", "-Pn", "-T4", "--max-retries", "0"];
        attacker.run("nmap", &[&common[..], probe, &[&server]].concat()).unwrap();
    }
    let told = wait::until("an event of each kind of probe", Duration::from_mins(1), || {
        let events = fleet::events_of(api, "reconnaissance")?;
        for (_probe, kind) in PROBES {
            ensure!(events.iter().any(|event| text(event, "/detail/probe") == kind), "no event of {kind}");
        }
        Ok(Some(events))
    });
    let told: Vec<Value> = protected.told(told).unwrap();
    let from = |source: &str| told.iter().filter(|event| text(event, "/detail/source") == source).count();
    assert_eq!(from(&attacker.v4().to_string()), PROBES.len(), "{told:?}");
    assert_eq!(from(&IpAddr::V4(visitor.v4()).to_string()), 0, "{told:?}");
    for event in &told {
        let blocked = text(event, "/detail/probe") == "scan";
        assert_eq!(text(event, "/action"), if blocked { "blocked" } else { "detected" }, "{event}");
        assert_eq!(!text(event, "/detail/blockedUntil").is_empty(), blocked, "{event}");
    }
    let kept_out = || attacker.connect(blog.address(), Duration::from_secs(1)).is_err();
    assert!(kept_out() && visitor.connect(blog.address(), Duration::from_secs(2)).is_ok());

    // The list of exceptions lets it in again, from afar.
    let all = api.list("/policies").unwrap();
    let id = text(all.iter().find(|policy| text(policy, "/name") == "Probes").unwrap(), "/id");
    let except = json!({"settings": {"firewall": {"reconnaissanceExcept": [attacker.v4().to_string()]}}});
    api.patch(&format!("/policies/{id}"), &except).unwrap();
    let again =
        wait::until("the exception counts", Duration::from_mins(1), || Ok((!kept_out()).then_some(())));
    protected.told(again).unwrap();
}
