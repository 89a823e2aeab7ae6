//! Rules for frames at interfaces that come while they are in force.
use super::lab::{Lab, able, plan, start, until};
use sakimori_agent::network::NetworkPlan;
use sakimori_kernel::nftables::Table;
use sakimori_model::{FailureResponse, Mode};
use std::process::Command;
use std::time::Duration;

/// For experiments (IEEE 802).
const TYPE: &str = "88b5";

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success(), "ip {arguments:?}");
}

/// Sends a frame of the type out of an interface of the client's.
fn send(lab: &Lab, interface: &str) {
    let program = "import socket, sys\n\
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
        s.bind((sys.argv[1], 0))\n\
        s.send(b'\\xff' * 6 + bytes.fromhex('02005e100007' + sys.argv[2]) + b'x' * 60)";
    ip(&["netns", "exec", &lab.client, "python3", "-c", program, interface, TYPE]);
}

fn dropped() -> u64 {
    let counters = Table::open().unwrap().read_firewall_counters().unwrap();
    counters.iter().filter(|(name, _)| name.starts_with("fw_no_one_")).map(|(_, count)| count.packets).sum()
}

#[test]
fn an_interface_that_comes_later_gets_the_rules_for_frames() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    let rules = format!(
        r#"{{"mode":"prevent","rules":{{"no one":{{"action":"deny","direction":"in","frame":"0x{TYPE}"}}}}}}"#
    );
    let inspected = plan(Mode::Prevent, FailureResponse::Open, "");
    network.apply(NetworkPlan { firewall: serde_json::from_str(&rules).unwrap(), ..inspected }).unwrap();
    send(&lab, "v0");
    assert!(until(Duration::from_secs(3), || dropped() == 1), "{}", dropped());
    for name in ["late0", "late1"] {
        let pair = [
            "-n",
            &lab.server,
            "link",
            "add",
            name,
            "type",
            "veth",
            "peer",
            "name",
            name,
            "netns",
            &lab.client,
        ];
        ip(&pair);
        ip(&["-n", &lab.server, "link", "set", name, "up"]);
        ip(&["-n", &lab.client, "link", "set", name, "up"]);
        let before = dropped();
        let is_filtered = || {
            send(&lab, name);
            dropped() > before
        };
        assert!(until(Duration::from_secs(6), is_filtered), "{name}: no rule for frames is there");
    }
    // One that goes takes nothing along.
    ip(&["-n", &lab.server, "link", "del", "late0"]);
    let before = dropped();
    send(&lab, "late1");
    send(&lab, "v0");
    assert!(until(Duration::from_secs(3), || dropped() == before + 2), "{} after {before}", dropped());
    network.stop();
}
