//! The ready group against port scanners, with Debian's nmap: each kind of probe is told, honest visitors are not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use sakimori_testkit::blog::Blog;
use sakimori_testkit::fleet::{self, Protected, text};
use sakimori_testkit::{Lab, Programs, Role, wait};
use serde_json::{Value, json};

/// Probes as nmap sends them, and the rule that has to tell of each.
const PROBES: [(&[&str], &str); 5] = [
    (&["-sN"], "Scanner probe: null scan"),
    (&["-sF"], "Scanner probe: FIN scan"),
    (&["-sX"], "Scanner probe: Xmas scan"),
    (&["-sS", "--scanflags", "SYNFIN"], "Scanner probe: SYN and FIN"),
    (&["-sS", "--scanflags", "SYNRST"], "Scanner probe: SYN and RST"),
];

#[test]
fn probes_of_port_scanners_are_told_and_honest_visitors_are_not() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let protected = Protected::deploy(&lab, &programs, "Web server").unwrap();
    let api = &protected.api;
    let groups = api.list("/firewall/rule-groups").unwrap();
    let group = groups.iter().find(|group| text(group, "/id") == "scanner-probes").unwrap();
    let policies = api.list("/policies").unwrap();
    let parent = policies.iter().find(|policy| text(policy, "/name") == "Web server").unwrap();
    let policy = json!({
        "name": "Probes",
        "parentId": text(parent, "/id"),
        "settings": {"firewall": {"mode": "prevent", "rules": group.get("rules")}},
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
    for (probe, _rule) in PROBES {
        let common = ["-n", "-Pn", "-T4", "--max-retries", "0", "-p", "70-90"];
        attacker.run("nmap", &[&common[..], probe, &[&server]].concat()).unwrap();
    }
    let told = wait::until("an event of each kind of probe", Duration::from_mins(1), || {
        let events = fleet::events_of(api, "firewall")?;
        for (_probe, rule) in PROBES {
            ensure!(events.iter().any(|event| text(event, "/detail/rule") == rule), "no event of {rule}");
        }
        Ok(Some(events))
    });
    let told: Vec<Value> = protected.told(told).unwrap();
    let from = |source: &str| told.iter().filter(|event| text(event, "/detail/source") == source).count();
    assert!(from(&attacker.v4().to_string()) >= PROBES.len(), "{told:?}");
    assert_eq!(from(&IpAddr::V4(visitor.v4()).to_string()), 0, "{told:?}");
}
