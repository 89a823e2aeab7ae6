//! The network part against real packets: a table, a queue and a sandboxed worker in namespaces of the test's own.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: it waits, starts `ip`, says why it is skipped, and fails by panicking"
)]

#[path = "network/flood.rs"]
mod flood;
#[path = "network/frames.rs"]
mod frames;
#[path = "network/lab.rs"]
mod lab;
#[path = "network/modules.rs"]
mod modules;
#[path = "network/probes.rs"]
mod probes;
#[path = "network/stateful.rs"]
mod stateful;
#[path = "network/waf.rs"]
mod waf;

use lab::{Lab, PORT, RULE, SERVER, able, counter, get, kill, plan, request, start, until, worker_id};
use sakimori_model::{FailureResponse, Level, Mode, PortRange};
use sakimori_modules::agent::{Gap, Notice};
use sakimori_modules::intrusion_prevention::Intrusion;
use sakimori_protocol::ModuleState;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(3);

#[test]
fn an_attack_is_stopped_and_reported_and_visitors_are_served() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_ok(), "unprotected before the first plan");
    let applied = network.apply(plan(Mode::Prevent, FailureResponse::Open, RULE)).unwrap();
    assert_eq!(applied.rules, 1);
    assert_eq!(network.inspected_ports(), [PortRange::single(PORT)]);
    let served = lab.served();

    for server in [SERVER, "[fd77::1]:8080"] {
        assert!(lab.as_client(|| get(server, "/index.html", PATIENCE)).unwrap().contains("200 OK"));
        let began = Instant::now();
        let attack = lab.as_client(|| get(server, "/attack", PATIENCE));
        assert!(attack.is_err(), "the attack was answered: {attack:?}");
        assert!(began.elapsed() < PATIENCE, "reset at once, not a time-out: {attack:?}");
    }
    assert_eq!(lab.served() - served, 2, "only the visitors' requests arrived");

    assert!(until(PATIENCE, || events.lock().unwrap().len() >= 2));
    let events = events.lock().unwrap();
    for event in events.iter() {
        assert_eq!(event.action, "blocked");
        let Some(intrusion) = event.read::<Intrusion>() else { panic!("not an intrusion: {event:?}") };
        assert_eq!((intrusion.sid, intrusion.server_port), (4_000_001, PORT));
        assert_eq!(intrusion.http.as_ref().unwrap().target, "/attack");
    }
    let status = network.status();
    assert_eq!((status.state, status.rules), (ModuleState::Active, 1), "{status:?}");
    // An event is told before its packet's verdict is counted.
    assert!(until(PATIENCE, || counter(&network, "blocked") == 2));
    assert_eq!(counter(&network, "packets-uninspected"), 0);
    network.stop();
    assert!(
        lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_ok(),
        "nothing of us is left after the end"
    );
}

#[test]
fn modes_and_rule_sets_change_whole_or_not_at_all() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Open, RULE)).unwrap();
    let worker = worker_id().unwrap();

    let broken = format!("{RULE}\nalert http any any -> any any (msg:\"x\"; no_such_keyword; sid:2;)\n");
    let refused = network.apply(plan(Mode::Prevent, FailureResponse::Open, &broken)).unwrap_err();
    let sakimori_agent::network::ApplyError::Rules(findings) = refused else { panic!("{refused:?}") };
    let error = findings.iter().find(|f| f.level == Level::Error).unwrap();
    assert_eq!((error.source.as_str(), error.line), ("test.rules", 2));
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_err(), "the old set is still in force");

    network.apply(plan(Mode::Detect, FailureResponse::Open, RULE)).unwrap();
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_ok());
    assert!(until(PATIENCE, || events.lock().unwrap().iter().any(|e| e.action == "detected")));
    assert_eq!(worker_id(), Some(worker), "the worker and its flows live on");

    network.apply(plan(Mode::Off, FailureResponse::Open, RULE)).unwrap();
    assert_eq!(network.status().state, ModuleState::Off);
    assert!(network.inspected_ports().is_empty());
    assert!(worker_id().is_none());
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_ok());
    network.stop();
}

#[test]
fn the_worker_is_caged() {
    if !able() {
        return;
    }
    let _lab = Lab::new();
    let (network, _events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Open, RULE)).unwrap();
    let worker = worker_id().unwrap();
    for task in std::fs::read_dir(format!("/proc/{worker}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(capabilities), "0000000000000000", "{capabilities}");
        }
        assert_eq!((field("Seccomp").as_str(), field("NoNewPrivs").as_str()), ("2", "1"));
        assert!(field("Uid").split_whitespace().all(|id| id != "0"), "{}", field("Uid"));
        assert_eq!(field("Groups"), "");
    }
    let environment = std::fs::read(format!("/proc/{worker}/environ")).unwrap();
    let names: Vec<_> = environment.split(|b| *b == 0).filter(|e| !e.is_empty()).collect();
    assert_eq!(names.len(), 2, "{}", String::from_utf8_lossy(&environment));
    network.stop();
}

#[test]
fn a_visitor_who_gets_the_port_of_a_blocked_attack_is_served() {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    use std::net::{Ipv4Addr, SocketAddrV4};
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Closed, RULE)).unwrap();
    let from_one_port = |path: &str| {
        let own = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        rustix::net::sockopt::set_socket_reuseaddr(&own, true)?;
        bind(&own, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 45_678))?;
        // A SYN that is dropped is sent again after a second; three of those are too long.
        rustix::net::sockopt::set_tcp_user_timeout(&own, 2_500)?;
        rustix::net::connect(&own, &SERVER.parse::<SocketAddrV4>().unwrap())?;
        request(&mut TcpStream::from(own), path, PATIENCE)
    };
    for path in ["/attack", "/attack-again-from-the-same-port"] {
        let attack = lab.as_client(|| from_one_port(path));
        assert!(attack.is_err(), "{attack:?}");
    }
    let visit = lab.as_client(|| from_one_port("/"));
    assert!(visit.is_ok(), "{visit:?}");
    assert_eq!(counter(&network, "blocked"), 2);
    network.stop();
}

/// Ends the clients also when the test fails: a scope waits for its threads.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Clients that send a request every few milliseconds on connections of their own while the worker is killed.
struct Load {
    requests: u64,
    failed: u64,
}

fn load(lab: &Lab, connections: usize, during: impl FnOnce() + Send) -> Load {
    let (ending, requests, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..connections {
            let (ending, requests, failed) = (&ending, &requests, &failed);
            scope.spawn(move || {
                lab::enter(&lab.client);
                let mut connection = TcpStream::connect(SERVER).unwrap();
                connection.set_nodelay(true).unwrap();
                while !ending.load(Ordering::SeqCst) {
                    requests.fetch_add(1, Ordering::SeqCst);
                    if request(&mut connection, "/", Duration::from_secs(10)).is_err() {
                        failed.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
            });
        }
        let _ending = Ending(&ending);
        during();
    });
    Load { requests: requests.into_inner(), failed: failed.into_inner() }
}

#[test]
fn fail_open_loses_no_connection_when_the_worker_is_killed() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Open, RULE)).unwrap();
    let mut longest = Duration::ZERO;
    let load = load(&lab, 16, || {
        std::thread::sleep(Duration::from_millis(500));
        for _ in 0..3 {
            let old = worker_id().unwrap();
            let judged = counter(&network, "packets-judged");
            let began = Instant::now();
            kill(old);
            assert!(until(PATIENCE, || worker_id().is_some_and(|new| new != old)), "no new worker");
            assert!(
                until(PATIENCE, || counter(&network, "packets-judged") > judged + 100),
                "it does not judge"
            );
            longest = longest.max(began.elapsed());
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    eprintln!(
        "{} requests on 16 connections, {} failed; back after {longest:?} at most",
        load.requests, load.failed
    );
    assert_eq!(load.failed, 0);
    assert!(load.requests > 1_000);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert_eq!(counter(&network, "worker-restarts"), 3);
    let uninspected = counter(&network, "packets-uninspected");
    let told: u64 = events
        .lock()
        .unwrap()
        .iter()
        .filter_map(|e| e.read::<Gap>().filter(|gap| gap.what == "packets-uninspected"))
        .map(|gap| gap.count)
        .sum();
    assert_eq!(uninspected, told, "every packet that passed uninspected is told of");
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_err(), "still protected");
    network.stop();
}

#[test]
fn fail_closed_lets_nothing_pass_while_no_worker_judges() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Closed, RULE)).unwrap();
    let served = lab.served();
    let (ending, attacks) = (AtomicBool::new(false), AtomicU64::new(0));
    let reset = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (lab, ending, attacks, reset) = (&lab, &ending, &attacks, &reset);
            scope.spawn(move || {
                lab::enter(&lab.client);
                while !ending.load(Ordering::SeqCst) {
                    let number = attacks.fetch_add(1, Ordering::SeqCst);
                    let path = format!("/attack/{client}-{number}");
                    match get(SERVER, &path, Duration::from_millis(300)) {
                        Ok(answer) => panic!("an attack was answered: {answer}"),
                        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {
                            reset.lock().unwrap().push(path);
                        }
                        Err(_nobody_answered) => {}
                    }
                }
            });
        }
        let _ending = Ending(&ending);
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(400));
            let old = worker_id().unwrap();
            kill(old);
            assert!(until(PATIENCE, || worker_id().is_some_and(|new| new != old)), "no new worker");
        }
        std::thread::sleep(Duration::from_millis(500));
    });
    eprintln!("{} attacks, {} reached the server", attacks.load(Ordering::SeqCst), lab.served() - served);
    assert!(attacks.load(Ordering::SeqCst) > 20);
    assert_eq!(lab.served(), served, "no attack reached the server");
    assert!(
        until(PATIENCE, || lab.as_client(|| get(SERVER, "/", PATIENCE)).is_ok()),
        "visitors are served again"
    );
    assert_eq!(counter(&network, "packets-uninspected"), 0);
    network.stop();

    // The event is in its ring before anything of the verdict is seen: it survives the worker.
    let events = events.lock().unwrap();
    let targets = events.iter().filter_map(|event| Some(event.read::<Intrusion>()?.http?.target));
    let reported: std::collections::BTreeSet<String> = targets.collect();
    let reset = reset.into_inner().unwrap();
    assert!(reset.len() > 20);
    let unreported: Vec<_> = reset.iter().filter(|path| !reported.contains(path.as_str())).collect();
    assert!(unreported.is_empty(), "blocked without an event: {unreported:?}");
}

#[test]
fn a_worker_that_hangs_is_replaced() {
    use rustix::process::{Pid, Signal, kill_process};
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Open, RULE)).unwrap();
    lab.as_client(|| {
        let mut connection = TcpStream::connect(SERVER).unwrap();
        request(&mut connection, "/", PATIENCE).unwrap();
        let worker = worker_id().unwrap();
        kill_process(Pid::from_raw(i32::try_from(worker).unwrap()).unwrap(), Signal::STOP).unwrap();
        request(&mut connection, "/", Duration::from_secs(20)).unwrap();
        assert_ne!(worker_id(), Some(worker));
    });
    assert_eq!(counter(&network, "worker-restarts"), 1);
    let why = |events: &[sakimori_protocol::Event]| {
        let notices = events.iter().filter_map(sakimori_protocol::Event::read::<Notice>);
        notices.filter(|n| n.code == "worker-restarted").find_map(|n| Some(n.arg("why")?.to_owned()))
    };
    assert!(until(PATIENCE, || why(&events.lock().unwrap()).is_some()));
    assert_eq!(why(&events.lock().unwrap()).unwrap(), "hung");
    network.stop();
}

/// The supervisor of [`a_new_program_takes_over_under_load`]: its own process, since it becomes another program.
/// Does nothing when it is run like a test.
#[test]
fn supervisor_that_is_replaced() {
    use sakimori_agent::network::{HAND_OVER_VARIABLE, Network};
    use std::io::BufRead as _;
    use std::os::unix::process::CommandExt as _;
    let Ok(namespace) = std::env::var("SAKIMORI_TEST_NAMESPACE") else { return };
    let mut orders = std::io::stdin().lock().lines();
    let mut order = || orders.next().and_then(Result::ok);
    let say = |words: &str| std::fs::write(std::env::var("SAKIMORI_TEST_SAYS").unwrap(), words).unwrap();
    let network = match std::env::var_os(HAND_OVER_VARIABLE) {
        None => {
            lab::enter(&namespace);
            let network = Network::start_with(lab::worker(), |_events| {}).unwrap();
            network.apply(plan(Mode::Prevent, FailureResponse::Closed, RULE)).unwrap();
            say(&format!("began {}", worker_id().unwrap()));
            network
        }
        Some(handed_over) => {
            let network = Network::resume_with(lab::worker(), &handed_over, |_events| {}).unwrap();
            say(&format!("resumed {}", worker_id().unwrap()));
            network
        }
    };
    if order().as_deref() == Some("become") {
        let handed_over = network.hand_over().unwrap();
        let failed = std::process::Command::new(std::env::current_exe().unwrap())
            .args(std::env::args().skip(1))
            .env(HAND_OVER_VARIABLE, handed_over)
            .exec();
        panic!("{failed}");
    }
    let numbers = ["packets-judged", "packets-uninspected", "packets-refused", "worker-restarts", "blocked"]
        .map(|name| counter(&network, name).to_string());
    network.stop();
    say(&numbers.join(" "));
}

/// A supervisor in a process of its own, and what it says.
struct Supervisor {
    process: std::process::Child,
    says: std::path::PathBuf,
}

impl Supervisor {
    fn start(lab: &Lab) -> Self {
        let says = std::env::temp_dir().join(format!("sakimori-test-says-{}", lab.server));
        let process = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "supervisor_that_is_replaced", "--test-threads=1", "--nocapture"])
            .env("SAKIMORI_TEST_NAMESPACE", &lab.server)
            .env("SAKIMORI_TEST_SAYS", &says)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self { process, says }
    }

    /// Waits until it says something that begins with `word`.
    fn said(&self, word: &str) -> String {
        let mut text = String::new();
        let heard = until(Duration::from_secs(20), || {
            text = std::fs::read_to_string(&self.says).unwrap_or_default();
            text.starts_with(word)
        });
        assert!(heard, "waited for {word:?}, heard {text:?}");
        text
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
        let _never_said = std::fs::remove_file(&self.says);
    }
}

#[test]
fn a_killed_supervisor_takes_its_worker_along_and_a_new_one_takes_over() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let mut former = Supervisor::start(&lab);
    let began = former.said("began");
    let worker = format!("/proc/{}", began.split(' ').nth(1).unwrap());
    former.process.kill().unwrap();
    former.process.wait().unwrap();
    assert!(until(PATIENCE, || !std::path::Path::new(&worker).exists()), "the worker lives on");
    assert!(lab.as_client(|| get(SERVER, "/", Duration::from_millis(500))).is_err(), "fail closed");

    let (network, _events) = start();
    network.apply(plan(Mode::Prevent, FailureResponse::Closed, RULE)).unwrap();
    assert!(lab.as_client(|| get(SERVER, "/", PATIENCE)).is_ok());
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_err());
    network.stop();
}

#[test]
fn a_new_program_takes_over_under_load() {
    use std::io::Write as _;
    if !able() {
        return;
    }
    let lab = Lab::new();
    let mut supervisor = Supervisor::start(&lab);
    let mut orders = supervisor.process.stdin.take().unwrap();
    let old_worker = supervisor.said("began");
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_err());
    let load = load(&lab, 16, || {
        std::thread::sleep(Duration::from_millis(300));
        orders.write_all(b"become\n").unwrap();
        let new_worker = supervisor.said("resumed");
        assert_ne!(new_worker.split(' ').nth(1), old_worker.split(' ').nth(1), "a worker of the new program");
        std::thread::sleep(Duration::from_millis(300));
    });
    eprintln!("{} requests on 16 connections over the change, {} failed", load.requests, load.failed);
    assert_eq!(load.failed, 0);
    assert!(load.requests > 500);
    assert!(lab.as_client(|| get(SERVER, "/attack", PATIENCE)).is_err(), "the new one protects");
    drop(orders);
    assert!(supervisor.process.wait().unwrap().success());
    let numbers = std::fs::read_to_string(&supervisor.says).unwrap();
    eprintln!("judged, uninspected, refused, restarts, blocked: {numbers}");
    let numbers: Vec<u64> = numbers.split(' ').map(|n| n.parse().unwrap()).collect();
    assert_eq!(numbers[1..], [0, 0, 0, 2], "nothing uninspected, nothing refused, both attacks blocked");
}
