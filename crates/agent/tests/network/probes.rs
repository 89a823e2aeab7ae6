//! Those who look for ways in, by Debian's nmap: told, kept out for a time; ordinary visitors are neither.
use super::lab::{Lab, able, enter, get, plan, start, until};
use sakimori_agent::network::{Network, NetworkPlan};
use sakimori_kernel::nftables::Table;
use sakimori_model::{FailureResponse, Mode};
use sakimori_modules::firewall::{Firewall, Probe, Reconnaissance};
use sakimori_protocol::Event;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(8);
const BRIEFLY: Duration = Duration::from_millis(700);
const CLIENT: &str = "10.77.0.2";
/// Another one in the same namespace.
const OTHER: &str = "10.77.0.3";

fn watching(firewall: serde_json::Value) -> NetworkPlan {
    let firewall: Firewall = serde_json::from_value(firewall).unwrap();
    NetworkPlan { firewall, ..plan(Mode::Prevent, FailureResponse::Open, "") }
}

fn reports() -> serde_json::Value {
    let all: serde_json::Map<String, serde_json::Value> =
        Probe::ALL.iter().map(|probe| (probe.as_str().to_owned(), serde_json::json!({}))).collect();
    serde_json::json!({"mode": "prevent", "reconnaissance": all})
}

fn nmap(lab: &Lab, arguments: &[&str]) {
    let mut command = vec!["netns", "exec", &lab.client, "nmap", "-n", "-Pn", "--max-retries", "0"];
    command.extend(arguments);
    let output = Command::new("ip").args(&command).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn second_address(lab: &Lab) {
    let add = ["-n", &lab.client, "addr", "add", "10.77.0.3/24", "dev", "v0"];
    assert!(Command::new("ip").args(add).status().unwrap().success());
}

fn told(events: &Arc<Mutex<Vec<Event>>>) -> Vec<Reconnaissance> {
    events.lock().unwrap().iter().filter_map(Event::read::<Reconnaissance>).collect()
}

fn counter(network: &Network, name: &str) -> Option<u64> {
    let statuses = network.statuses();
    let status = statuses.iter().find(|status| status.module == "firewall").unwrap();
    status.counters.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
}

fn reached(lab: &Lab) -> bool {
    lab.as_client(|| get("10.77.0.1:8080", "/", BRIEFLY)).is_ok_and(|page| page.contains("hello"))
}

#[test]
fn every_kind_of_probe_is_told_by_its_name() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    network.apply(watching(reports())).unwrap();
    // Ordinary visitors: many connections to one port, some to three, two of them closed.
    lab.as_client(|| {
        for connection in 0..200 {
            drop(TcpStream::connect("10.77.0.1:8080").unwrap());
            if connection < 30 {
                let port = [8080, 81, 8443][connection % 3];
                let _closed =
                    TcpStream::connect_timeout(&format!("10.77.0.1:{port}").parse().unwrap(), BRIEFLY);
            }
        }
    });
    for (scan, ports, probe) in [
        ("-sN", "70-90", Probe::Null),
        ("-sF", "70-90", Probe::Fin),
        ("-sX", "70-90", Probe::Xmas),
        ("--scanflags=SYNFIN", "70-90", Probe::SynFin),
        ("-sS", "100-300", Probe::Scan),
    ] {
        assert!(told(&events).iter().all(|one| one.probe != probe), "{probe:?} before: {:?}", told(&events));
        nmap(&lab, &[scan, "-p", ports, "10.77.0.1"]);
        let found = || told(&events).into_iter().find(|one| one.probe == probe);
        assert!(until(SOON, || found().is_some()), "no {probe:?}: {:?}", told(&events));
        let one = found().unwrap();
        assert_eq!(
            (one.source.as_str(), one.interface.as_str(), one.protocols.as_str()),
            (CLIENT, "v0", "tcp")
        );
        assert!(one.blocked_until.is_empty() && one.not_blocked.is_empty(), "{one:?}");
    }
    second_address(&lab);
    nmap(&lab, &["-sU", "-p", "100-160", "-S", OTHER, "-e", "v0", "10.77.0.1"]);
    let udp = || told(&events).into_iter().find(|one| one.source == OTHER);
    assert!(until(SOON, || udp().is_some()), "{:?}", told(&events));
    assert_eq!((udp().unwrap().probe, udp().unwrap().protocols.as_str()), (Probe::Scan, "udp"));
    nmap(&lab, &["-O", "-p", "8080,81", "fd77::1", "-6"]);
    nmap(&lab, &["-O", "-p", "8080,81", "10.77.0.1"]);
    let fingerprint = |v4: bool| {
        told(&events).into_iter().any(|one| {
            one.probe == Probe::Fingerprint && one.source.parse::<IpAddr>().unwrap().is_ipv4() == v4
        })
    };
    assert!(until(SOON, || fingerprint(true)), "{:?}", told(&events));
    assert!(until(SOON, || fingerprint(false)), "{:?}", told(&events));
    assert!(counter(&network, "blocked-sources") == Some(0) && reached(&lab));
    network.stop();
}

#[test]
fn ordinary_visitors_and_exceptions_are_not_told() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let mut settings = reports();
    settings["reconnaissanceExcept"] = serde_json::json!(["10.77.0.2"]);
    network.apply(watching(settings.clone())).unwrap();
    // A monitoring host that asks for everything.
    nmap(&lab, &["-sS", "-p", "1-500", "10.77.0.1"]);
    nmap(&lab, &["-sX", "-p", "70-90", "10.77.0.1"]);
    settings["reconnaissanceExcept"] = serde_json::json!([]);
    settings["reconnaissanceOnly"] = serde_json::json!(["10.77.0.9"]);
    network.apply(watching(settings.clone())).unwrap();
    nmap(&lab, &["-sS", "-p", "1-500", "10.77.0.1"]);
    settings["reconnaissanceOnly"] = serde_json::json!([]);
    network.apply(watching(settings)).unwrap();
    lab.as_client(|| {
        for connection in 0..200 {
            drop(TcpStream::connect("10.77.0.1:8080").unwrap());
            let port = [8080, 81, 8443][connection % 3];
            let _closed = TcpStream::connect_timeout(&format!("10.77.0.1:{port}").parse().unwrap(), BRIEFLY);
        }
        let socket = UdpSocket::bind("10.77.0.2:0").unwrap();
        (0..100).for_each(|_| drop(socket.send_to(b"?", "10.77.0.1:161")));
    });
    // What comes later is told, so nothing of this is on its way.
    nmap(&lab, &["-sN", "-p", "70-90", "10.77.0.1"]);
    assert!(until(SOON, || !told(&events).is_empty()));
    let kinds: Vec<Probe> = told(&events).iter().map(|one| one.probe).collect();
    assert_eq!(kinds, [Probe::Null]);
    network.stop();
}

#[test]
fn a_scanner_is_kept_out_for_a_time_and_who_is_connected_is_not() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let blocking = serde_json::json!({"mode": "prevent",
        "reconnaissance": {"scan": {"response": "block", "blockMinutes": 1}}});
    network.apply(watching(blocking.clone())).unwrap();
    second_address(&lab);
    // An open session: what looks like a scan of its address may be another's.
    let session = lab.as_client(|| TcpStream::connect("10.77.0.1:8080").unwrap());
    nmap(&lab, &["-sS", "-p", "100-300", "10.77.0.1"]);
    assert!(until(SOON, || !told(&events).is_empty()));
    assert_eq!(told(&events)[0].not_blocked, "connected", "{:?}", told(&events));
    assert!(reached(&lab));
    drop(session);
    // One without.
    nmap(&lab, &["-sS", "-S", OTHER, "-e", "v0", "-p", "100-300", "10.77.0.1"]);
    let of_other = || told(&events).into_iter().find(|one| one.source == OTHER);
    assert!(until(SOON, || of_other().is_some()), "{:?}", told(&events));
    let event = of_other().unwrap();
    assert!(event.not_blocked.is_empty() && !event.blocked_until.is_empty(), "{event:?}");
    let from_other = || {
        let ask = [
            "netns",
            "exec",
            &lab.client,
            "curl",
            "-s",
            "-m",
            "1",
            "--interface",
            OTHER,
            "http://10.77.0.1:8080/",
        ];
        Command::new("ip").args(ask).output().unwrap().status.success()
    };
    assert!(!from_other() && reached(&lab));
    assert_eq!(counter(&network, "blocked-sources"), Some(1));
    assert!(counter(&network, &format!("blocked:{OTHER}")).is_some());
    assert!(counter(&network, "blocked-source-packets").unwrap() > 0);
    // Who has an IPv6 network has all of its addresses: another one for each packet.
    let network_of = |number: u8| format!("2001:db8:77:1::{number:x}");
    for number in 1..=25_u8 {
        let add =
            ["-n", &lab.client, "addr", "add", &format!("{}/128", network_of(number)), "dev", "v0", "nodad"];
        assert!(Command::new("ip").args(add).status().unwrap().success());
    }
    let way = ["-n", &lab.server, "route", "add", "2001:db8:77:1::/64", "dev", "v0"];
    assert!(Command::new("ip").args(way).status().unwrap().success());
    for number in 1..=25_u8 {
        nmap(
            &lab,
            &[
                "-6",
                "-sS",
                "-S",
                &network_of(number),
                "-e",
                "v0",
                "-p",
                &(600 + u16::from(number)).to_string(),
                "fd77::1",
            ],
        );
    }
    let of_network = || told(&events).into_iter().find(|one| one.source.starts_with("2001:db8:77:1::"));
    assert!(until(SOON, || of_network().is_some()), "{:?}", told(&events));
    assert!(!of_network().unwrap().blocked_until.is_empty(), "{:?}", of_network());
    assert!(counter(&network, "blocked:2001:db8:77:1::/64").is_some());
    assert_eq!(network.let_in(network_of(7).parse().unwrap()), Ok(true));
    assert_eq!(counter(&network, "blocked-sources"), Some(1));
    // Another policy, and another program in this one's place, change nothing of it.
    let mut other = blocking.clone();
    other["rules"] =
        serde_json::json!({"x": {"action": "deny", "direction": "in", "protocol": "tcp", "ports": ["9"]}});
    network.apply(watching(other.clone())).unwrap();
    assert!(!from_other(), "a new policy ends no block");
    assert_eq!(network.let_in(OTHER.parse().unwrap()), Ok(true));
    assert_eq!(network.let_in(OTHER.parse().unwrap()), Ok(false));
    assert!(from_other(), "a person lets it in");

    nmap(&lab, &["-sS", "-S", OTHER, "-e", "v0", "-p", "400-600", "10.77.0.1"]);
    let again = || told(&events).iter().filter(|one| one.source == OTHER).count() > 1;
    assert!(
        until(Duration::from_secs(4), || Table::open().unwrap().blocked().unwrap().len() == 1) || !again()
    );
    other["reconnaissanceExcept"] = serde_json::json!([OTHER]);
    network.apply(watching(other.clone())).unwrap();
    assert!(from_other(), "the list of exceptions lets it in at once");
    other["mode"] = serde_json::json!("detect");
    other["reconnaissanceExcept"] = serde_json::json!([]);
    network.apply(watching(other)).unwrap();
    network.stop();
    enter(&lab.server);
    assert!(!Table::open().unwrap().exists().unwrap());
}
