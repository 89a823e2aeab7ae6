//! The firewall and web reputation through the whole network part: kernel table, worker, events, statuses.
use super::lab::{Lab, SOON, able, counter, enter, get, plan, start, until};
use sakimori_agent::network::{Network, NetworkPlan, Placed, RuleFile};
use sakimori_kernel::nftables::Table;
use sakimori_model::{FailureResponse, Mode, Sid};
use sakimori_modules::agent::Notice;
use sakimori_modules::firewall::FirewallEvent;
use sakimori_modules::web_reputation::WebReputationEvent;
use sakimori_protocol::{Event, Hash, ModuleState, ModuleStatus};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const BRIEFLY: Duration = Duration::from_millis(700);

pub(crate) fn firewalled(settings: &str) -> NetworkPlan {
    NetworkPlan {
        firewall: serde_json::from_str(settings).unwrap(),
        ..NetworkPlan::off(Hash::of(settings.as_bytes()))
    }
}

pub(crate) fn of(network: &Network, module: &str) -> ModuleStatus {
    network.statuses().into_iter().find(|status| status.module == module).unwrap()
}

#[test]
fn the_firewall_drops_counts_and_tells_and_goes_without_a_trace() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let open = TcpListener::bind(("::", 8081)).unwrap();
    let reached = |port: u16| {
        lab.as_client(|| {
            TcpStream::connect_timeout(&format!("10.77.0.1:{port}").parse().unwrap(), BRIEFLY).is_ok()
        })
    };
    assert!(reached(8081));
    let mut session = lab.as_client(|| TcpStream::connect("10.77.0.1:8081").unwrap());
    let rules = r#"{"mode":"prevent","defaultInbound":"deny","rules":{
        "web":{"action":"allow","direction":"in","protocol":"tcp","ports":["8080"]},
        "no mail":{"action":"deny","direction":"out","protocol":"tcp","ports":["25"]}}}"#;
    network.apply(firewalled(rules)).unwrap();
    assert!(lab.as_client(|| get("10.77.0.1:8080", "/", SOON)).unwrap().contains("hello"));
    assert!(lab.as_client(|| get("[fd77::1]:8080", "/", SOON)).unwrap().contains("hello"));
    assert!(!reached(8081), "denied by default");
    // The client speaks first over what stood before the firewall came.
    session.write_all(b"still here").unwrap();
    let (_, _) = open.accept().unwrap();
    let (mut served, _) = open.accept().unwrap();
    served.set_read_timeout(Some(SOON)).unwrap();
    let mut heard = [0; 10];
    served.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still here");
    let firewall = of(&network, "firewall");
    assert_eq!((firewall.state, firewall.rules), (ModuleState::Active, 2), "{firewall:?}");
    let value = |name: &str| firewall.counters.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(value("rule:web"), 2);
    assert!(value("default-inbound") >= 1);
    assert_eq!(of(&network, "intrusion-prevention").state, ModuleState::Off);
    let told = || events.lock().unwrap().iter().find_map(Event::read::<FirewallEvent>);
    assert!(until(Duration::from_secs(8), || told().is_some()), "no event: {:?}", events.lock().unwrap());
    let event = told().unwrap();
    assert_eq!(
        (event.rule.as_str(), event.interface.as_str(), event.destination_port),
        ("default-inbound", "v0", 8081)
    );
    assert_eq!((event.source.as_str(), event.protocol.as_str()), ("10.77.0.2", "tcp"));

    // A firewall that does not compile leaves the former one in force.
    let broken = r#"{"mode":"prevent","rules":{"x":{"action":"deny","direction":"in","ports":["80"]}}}"#;
    assert!(network.apply(firewalled(broken)).is_err());
    assert!(!reached(8081));
    network.apply(firewalled(&rules.replace("prevent", "detect"))).unwrap();
    assert!(reached(8081), "only detected");
    network.apply(NetworkPlan::off(Hash::of(b"off"))).unwrap();
    assert!(!Table::open().unwrap().exists().unwrap(), "removed with everything in it");
    assert!(reached(8081));
    drop((session, open));
}

#[test]
fn a_scheduled_rule_counts_at_its_times_alone() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    let open = TcpListener::bind(("::", 8081)).unwrap();
    // A full backlog would look like a denial.
    std::thread::spawn(move || open.incoming().for_each(drop));
    let reached =
        || lab.as_client(|| TcpStream::connect_timeout(&"10.77.0.1:8081".parse().unwrap(), BRIEFLY).is_ok());
    // From two hours from now on, for an hour, every day.
    let minute = sakimori_kernel::clock::wall_micros() / 60_000_000;
    let at = |hours: i64| {
        let minute = (minute + hours * 60).rem_euclid(24 * 60);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    let rules = format!(
        r#"{{"mode":"prevent","rules":{{"night":{{"action":"deny","direction":"in","protocol":"tcp","ports":["8081"],
            "schedule":["mon-sun {}-{} UTC"]}}}}}}"#,
        at(2),
        at(3)
    );
    network.apply(firewalled(&rules)).unwrap();
    assert!(reached(), "not yet");
    network.advance_schedules(Duration::from_mins(150));
    assert!(until(SOON, || !reached()), "denied at its time, without a new policy");
    assert_eq!(of(&network, "firewall").rules, 1);
    network.advance_schedules(Duration::from_hours(1));
    assert!(until(SOON, reached), "and no more after it");
}

/// Deny says what does not pass, bypass what nothing looks at, and an interface may come later.
#[test]
fn rules_of_every_kind_are_enforced_and_a_missing_interface_is_said() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let rules = r#"{"mode":"prevent","rules":{
        "web":{"action":"allow","direction":"in","protocol":"tcp","ports":["8080"],"interfaces":["v*"]},
        "look":{"action":"log-only","direction":"in","priority":4,"protocol":"tcp","flags":["syn,!ack"],"interfaces":["v0"]},
        "never":{"action":"deny","direction":"in","priority":3,"interfaces":["wg7"],"protocol":"tcp-udp","ports":["1-65535"]}}}"#;
    network.apply(firewalled(rules)).unwrap();
    assert!(lab.as_client(|| get("10.77.0.1:8080", "/", SOON)).unwrap().contains("hello"));
    let open = TcpListener::bind(("::", 8081)).unwrap();
    let reached =
        || lab.as_client(|| TcpStream::connect_timeout(&"10.77.0.1:8081".parse().unwrap(), BRIEFLY).is_ok());
    assert!(!reached(), "a rule allows, so what none names is denied");
    let firewall = of(&network, "firewall");
    assert_eq!(
        (firewall.state, firewall.reasons.as_slice()),
        (ModuleState::Active, ["interface-missing".to_owned()].as_slice()),
        "{firewall:?}"
    );
    let value = |name: &str| firewall.counters.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!((value("rule:web"), value("rule:never")), (1, 0), "{firewall:?}");
    assert!(value("rule:look") >= 2 && value("default-inbound") >= 1, "{firewall:?}");
    let told = |rule: &str| {
        let events = events.lock().unwrap();
        events.iter().any(|event| event.read::<FirewallEvent>().is_some_and(|event| event.rule == rule))
    };
    assert!(until(Duration::from_secs(8), || told("look") && told("default-inbound")));
    // Not the web server's requests: what a rule takes out of inspection is not even queued.
    let inspected = |bypass: &str| {
        let plan = NetworkPlan {
            firewall: serde_json::from_str(&format!(r#"{{"mode":"prevent","rules":{{{bypass}}}}}"#)).unwrap(),
            ..plan(Mode::Prevent, FailureResponse::Open, super::lab::RULE)
        };
        network.apply(plan).unwrap();
        let before = counter(&network, "packets-queued");
        assert!(lab.as_client(|| get("10.77.0.1:8080", "/", SOON)).unwrap().contains("hello"));
        counter(&network, "packets-queued") - before
    };
    assert!(inspected("") > 0);
    let both = r#""b":{"action":"bypass","direction":"in","protocol":"tcp","ports":["8080"]},
        "back":{"action":"bypass","direction":"out","protocol":"tcp","sourcePorts":["8080"]}"#;
    assert_eq!(inspected(both), 0);
    network.apply(NetworkPlan::off(Hash::of(b"off"))).unwrap();
    assert!(reached());
    drop(open);
}

/// The place decides, the agent finds it out by itself, and connections that stand are left alone.
#[test]
fn a_rule_counts_in_its_context_alone() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let open = TcpListener::bind(("::", 8081)).unwrap();
    std::thread::spawn(move || {
        for stream in open.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    let reached =
        || lab.as_client(|| TcpStream::connect_timeout(&"10.77.0.1:8081".parse().unwrap(), BRIEFLY).is_ok());
    // Away from the office nobody comes in; the office is a second address of the interface, and its server.
    let rules = r#"{"mode":"prevent","defaultOutbound":"deny","rules":{"away":{"action":"deny","direction":"in",
        "protocol":"tcp","ports":["8081"],"context":["office gone: not address 10.99.0.0/16",
        "server gone: interface v* and not reachable 10.77.0.2:7000"]}}}"#;
    let server = lab.as_client(|| TcpListener::bind("10.77.0.2:7000").unwrap());
    network.apply(firewalled(rules)).unwrap();
    assert!(!reached(), "denied from the first moment");
    let context = |name: &str| {
        let firewall = of(&network, "firewall");
        firewall.counters.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{firewall:?}")).1
    };
    // What the firewall denies to the rest, it does not deny to its own question.
    assert_eq!((context("context:office gone"), context("context:server gone")), (1, 0));
    let address = |word: &str| {
        let status =
            Command::new("ip").args(["-n", &lab.server, "addr", word, "10.99.0.1/16", "dev", "v0"]).status();
        assert!(status.unwrap().success());
    };
    address("add");
    assert!(until(SOON, reached), "at the office, without a new policy");
    assert_eq!(context("context:office gone"), 0);
    let mut session = lab.as_client(|| TcpStream::connect("10.77.0.1:8081").unwrap());
    session.set_read_timeout(Some(SOON)).unwrap();
    address("del");
    assert!(until(SOON, || !reached()), "away again");
    session.write_all(b"still here").unwrap();
    session.read_exact(&mut [0; 10]).unwrap();
    address("add");
    assert!(until(SOON, reached));
    drop(server);
    assert!(until(Duration::from_secs(15), || !reached()), "the server has gone");
    let told = || {
        let events = events.lock().unwrap();
        let notices = events.iter().filter_map(Event::read::<Notice>);
        let of = |notice: Notice| format!("{} {}", notice.code, notice.arg("context").unwrap_or_default());
        notices.map(of).filter(|text| text.starts_with("context-")).collect::<Vec<_>>()
    };
    let expected = [
        "context-holds office gone",
        "context-ended office gone",
        "context-holds office gone",
        "context-ended office gone",
        "context-holds server gone",
    ];
    assert!(until(SOON, || told() == expected), "{:?}", told());
    network.apply(NetworkPlan::off(Hash::of(b"off"))).unwrap();
    assert!(reached());
}

/// A signature is in force where its context holds, and elsewhere off; the others are in force everywhere.
#[test]
fn a_signature_counts_in_its_context_alone() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    enter(&lab.server);
    let (network, events) = start();
    let other = super::lab::RULE.replace("/attack", "/other").replace("4000001", "4000002");
    let rules = format!("{}\n{other}", super::lab::RULE);
    let office = "office: address 10.99.0.0/16".parse().unwrap();
    let placed = Placed { mode: Mode::Prevent, contexts: vec![office] };
    network
        .apply(NetworkPlan {
            placed: [(Sid(4_000_001), placed)].into(),
            ..plan(Mode::Prevent, FailureResponse::Open, &rules)
        })
        .unwrap();
    let answered = |target: &str| lab.as_client(|| get("10.77.0.1:8080", target, BRIEFLY)).is_ok();
    let context = || {
        let status = network.status();
        status.counters.iter().find(|(name, _)| name == "context:office").unwrap().1
    };
    assert!(answered("/attack") && !answered("/other"), "away from the office");
    assert_eq!(context(), 0);
    let address = |word: &str| {
        let status =
            Command::new("ip").args(["-n", &lab.server, "addr", word, "10.99.0.1/16", "dev", "v0"]).status();
        assert!(status.unwrap().success());
    };
    address("add");
    assert!(until(SOON, || !answered("/attack")), "at the office, without a new policy");
    assert_eq!(context(), 1);
    assert!(!answered("/other") && answered("/"));
    address("del");
    assert!(until(SOON, || answered("/attack")), "away again");
    assert!(!answered("/other"));
    let told = || {
        let events = events.lock().unwrap();
        let notices = events.iter().filter_map(Event::read::<Notice>);
        notices.map(|notice| notice.code).filter(|code| code.starts_with("context-")).collect::<Vec<_>>()
    };
    assert!(until(SOON, || told() == ["context-holds", "context-ended"]), "{:?}", told());
}

/// A plaintext web server in the client's namespace.
fn serve_plain(lab: &Lab) {
    let listener = lab.as_client(|| TcpListener::bind(("10.77.0.2", 80)).unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while connection.read(&mut piece).is_ok_and(|n| n > 0) {
                    if connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nthe site").is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A TLS server in the client's namespace, with a certificate that nobody trusts and a page of 4 MiB.
fn serve_tls(lab: &Lab, folder: &std::path::Path) -> Killed {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.test"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(folder.join("page"), vec![b'x'; 4 << 20]).unwrap();
    let folder = folder.to_owned();
    let child = lab.as_client(|| {
        Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "10.77.0.2:443",
                "-key",
                "key.pem",
                "-cert",
                "cert.pem",
                "-WWW",
                "-quiet",
            ])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    assert!(until(SOON, || TcpStream::connect("10.77.0.2:443").is_ok()));
    Killed(child)
}

/// curl in the agent's namespace; names resolve to the other one.
fn curl(url: &str) -> Output {
    let host = url.split('/').nth(2).unwrap();
    let port = if url.starts_with("https") { 443 } else { 80 };
    Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--max-time", "5", "--noproxy", "*"])
        .args(["--resolve", &format!("{host}:{port}:10.77.0.2"), url])
        .output()
        .unwrap()
}

#[test]
fn sites_on_a_list_are_blocked_for_real_clients_and_others_are_not() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    enter(&lab.server);
    serve_plain(&lab);
    let folder = tempfile::tempdir().unwrap();
    let _tls = serve_tls(&lab, folder.path());
    let (network, events) = start();
    let settings = r#"{"mode":"prevent","blocked":{"mixed.example.test/evil":"phishing"},"allowed":{"fine.bad.example.test":true}}"#;
    let with = |settings: &str| NetworkPlan {
        web: serde_json::from_str(settings).unwrap(),
        lists: vec![RuleFile {
            name: "test.list".into(),
            text: b"@category malware\n@severity high\nbad.example.test\n".to_vec(),
        }],
        ..plan(Mode::Prevent, FailureResponse::Open, super::lab::RULE)
    };
    network.apply(with(settings)).unwrap();
    let body = |url: &str| String::from_utf8_lossy(&curl(url).stdout).into_owned();

    assert_eq!(body("http://good.example.test/"), "the site");
    assert_eq!(body("http://fine.bad.example.test/"), "the site");
    assert_eq!(body("http://mixed.example.test/evil2"), "the site");
    assert_eq!(body("http://good.example.test/attack"), "the site", "signatures are for servers here");
    assert!(body("http://cdn.bad.example.test/x").contains("Site blocked"));
    assert!(body("http://mixed.example.test/a/../%65vil/x").contains("Site blocked"));
    assert_eq!(curl("https://good.example.test/page").stdout.len(), 4 << 20);
    let blocked = curl("https://www.bad.example.test/page");
    assert_eq!((blocked.status.code(), blocked.stdout.len()), (Some(35), 0), "the handshake is reset");

    let seen =
        || -> Vec<WebReputationEvent> { events.lock().unwrap().iter().filter_map(Event::read).collect() };
    assert!(until(SOON, || seen().len() >= 3));
    let seen = seen();
    let told: Vec<_> = seen
        .iter()
        .map(|e| (e.url.as_str(), e.category.as_str(), e.list.as_str(), e.seen_in.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("cdn.bad.example.test/x", "malware", "test.list", "http"),
            ("mixed.example.test/evil/x", "phishing", "policy", "http"),
            ("www.bad.example.test", "malware", "test.list", "tls"),
        ]
    );
    assert_eq!(
        (seen[0].client.as_str(), seen[0].server.as_str(), seen[0].server_port),
        ("10.77.0.1", "10.77.0.2", 80)
    );
    let status = of(&network, "web-reputation");
    assert_eq!((status.state, status.rules), (ModuleState::Active, 3), "{status:?}");
    assert!(status.counters.contains(&("sites-blocked".to_owned(), 3)), "{status:?}");

    // Once judged, a TLS connection is the kernel's alone.
    let queued = counter(&network, "packets-queued");
    assert_eq!(curl("https://good.example.test/page").stdout.len(), 4 << 20);
    let more = counter(&network, "packets-queued") - queued;
    assert!(more <= 4, "{more} packets of a download of 4 MiB were queued");

    // Servers here are inspected as before, and detection lets pass.
    assert!(lab.as_client(|| get("10.77.0.1:8080", "/attack", BRIEFLY)).is_err());
    assert!(lab.as_client(|| get("10.77.0.1:8080", "/", SOON)).unwrap().contains("hello"));
    network.apply(with(&settings.replace("prevent", "detect"))).unwrap();
    assert_eq!(body("http://cdn.bad.example.test/x"), "the site");
    let detected = |event: &Event| event.kind == "web-reputation" && event.action == "detected";
    assert!(until(SOON, || events.lock().unwrap().iter().any(detected)));
    network.apply(with(r#"{"mode":"off"}"#)).unwrap();
    assert_eq!(curl("https://www.bad.example.test/page").stdout.len(), 4 << 20);
}
