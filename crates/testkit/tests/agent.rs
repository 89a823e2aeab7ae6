//! What a running agent promises: nothing is lost, nothing slips by, nothing is left.
#![expect(clippy::disallowed_methods, reason = "a test measures real time")]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use sakimori_testkit::agent::{Agent, PROGRAM};
use sakimori_testkit::blog::Blog;
use sakimori_testkit::fleet::{Protected, text};
use sakimori_testkit::story::Visitors;
use sakimori_testkit::{Lab, Programs, Role, attack, numbered, process, wait};
use serde_json::json;

const POLICY: &str = "Web server";

#[test]
fn an_agent_killed_while_events_are_in_flight_loses_none() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let mut protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    let attacker = lab.host(Role::Attacker);
    let mut stopped = Vec::new();
    for number in 1..=30 {
        // Between two attacks, at once after the verdict: the event is in the ring, the spool or on its way.
        if number % 10 == 0 {
            protected.agent.kill().unwrap();
            protected.agent = Agent::start(lab.host(Role::Server)).unwrap();
        }
        if !numbered::attack(attacker, blog.address(), number).unwrap() {
            stopped.push(number);
        }
    }
    assert!(stopped.len() >= 20, "only {stopped:?} were stopped");
    numbered::each_told_once(&protected, &stopped).unwrap();
}

#[test]
fn a_worker_killed_under_load_fails_open_and_is_back_within_a_second() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    let visitor = lab.host(Role::Visitor);
    let crowd: Vec<Visitors> =
        (0..4).map(|_| Visitors::start(visitor, blog.address(), "/").unwrap()).collect();
    for _ in 0..3 {
        wait::pause(Duration::from_millis(500)).unwrap();
        let old = protected.agent.kill_worker().unwrap();
        let start = Instant::now();
        let back = wait::until("a new worker", Duration::from_secs(10), || {
            let worker = protected.agent.worker()?;
            Ok((worker != old).then_some(start.elapsed()))
        });
        let back = protected.told(back).unwrap();
        assert!(back < Duration::from_secs(1), "the new worker took {back:?}");
    }
    wait::pause(Duration::from_secs(1)).unwrap();
    for visits in crowd {
        let served = visits.finish();
        assert!(served.all_well(), "{}", served.words());
    }
    let protects_again = wait::until("the new worker to judge", Duration::from_secs(1), || {
        Ok((!attack::deface(lab.host(Role::Attacker), blog.address(), "query")?.succeeded()).then_some(()))
    });
    protected.told(protects_again).unwrap();
    println!("uninspected: {}", protected.agent.counter("packets-uninspected").unwrap());
}

#[test]
fn a_worker_killed_under_load_fails_closed_and_no_packet_slips_by() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    let parent = protected.api.list("/policies").unwrap();
    let parent = parent.iter().find(|policy| text(policy, "/name") == POLICY).unwrap();
    let closed = json!({
        "name": "Closed",
        "parentId": text(parent, "/id"),
        "settings": {"intrusion-prevention": {"failureResponse": "closed"}},
    });
    protected.api.post("/policies", &closed).unwrap();
    protected.told(protected.enforce("Closed")).unwrap();

    let attacker = lab.host(Role::Attacker);
    let site = blog.address();
    let attacks = std::thread::scope(|scope| {
        let attacks = scope
            .spawn(|| (0..40).filter(|number| numbered::attack(attacker, site, *number).unwrap()).count());
        for _ in 0..5 {
            wait::pause(Duration::from_millis(150)).unwrap();
            let old = protected.agent.kill_worker().unwrap();
            let back = wait::until("a new worker", Duration::from_secs(10), || {
                Ok((protected.agent.worker()? != old).then_some(()))
            });
            protected.told(back).unwrap();
        }
        attacks.join().unwrap()
    });
    assert_eq!(attacks, 0, "attacks slipped by while no worker judged");
    assert_eq!(protected.agent.counter("packets-uninspected").unwrap(), 0);
}

#[test]
fn an_upgrade_under_load_loses_nothing() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    let (server, attacker) = (lab.host(Role::Server), lab.host(Role::Attacker));
    let visitors = Visitors::start(lab.host(Role::Visitor), blog.address(), "/").unwrap();
    let site = blog.address();
    let through = std::thread::scope(|scope| {
        let attacks = scope
            .spawn(|| (0..40).filter(|number| numbered::attack(attacker, site, *number).unwrap()).count());
        wait::pause(Duration::from_millis(200)).unwrap();
        // As a package does: the program is replaced by another file, then the running one told.
        server.shell(&format!("cp {PROGRAM} {PROGRAM}.new && mv {PROGRAM}.new {PROGRAM}")).unwrap();
        let old = protected.agent.worker().unwrap();
        server.run(PROGRAM, &["upgrade"]).unwrap();
        let new = wait::until("the new program's worker", Duration::from_secs(20), || {
            Ok((protected.agent.worker()? != old).then_some(()))
        });
        protected.told(new).unwrap();
        attacks.join().unwrap()
    });
    let program = std::fs::read_link(format!("/proc/{}/exe", protected.agent.pid())).unwrap();
    assert!(!program.to_string_lossy().contains("deleted"), "the old program still runs");
    let served = visitors.finish();
    assert!(served.all_well(), "{}", served.words());
    assert_eq!(through, 0, "attacks slipped by during the upgrade");
    // The socket is there once every part is in force again.
    let uninspected = wait::until("the new program's status", Duration::from_secs(20), || {
        Ok(protected.agent.counter("packets-uninspected").ok())
    });
    assert_eq!(protected.told(uninspected).unwrap(), 0);
    numbered::each_told_once(&protected, &(0..40).collect::<Vec<_>>()).unwrap();
}

#[test]
fn an_attack_while_the_manager_is_down_is_stopped_and_told_later() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let mut protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    protected.manager.stop().unwrap();
    let attacker = lab.host(Role::Attacker);
    for number in 0..5 {
        assert!(!numbered::attack(attacker, blog.address(), number).unwrap(), "attack {number} got through");
    }
    // Also an agent that starts without its manager enforces what it enforced last.
    protected.agent.kill().unwrap();
    protected.agent = Agent::start(lab.host(Role::Server)).unwrap();
    let protects = wait::until("protection without the manager", Duration::from_secs(10), || {
        Ok((!numbered::attack(attacker, blog.address(), 5)?).then_some(()))
    });
    protected.told(protects).unwrap();
    protected.manager.start_again().unwrap();
    protected.manager.wait_until_ready().unwrap();
    numbered::each_told_once(&protected, &[0, 1, 2, 3, 4]).unwrap();
}

#[test]
fn purging_the_package_leaves_nothing() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let server = lab.host(Role::Server);
    let tables = || server.run("nft", &["list", "ruleset"]).unwrap();
    let files = || server.shell("find /etc /usr /var /run -xdev | grep -i sakimori || true").unwrap();
    assert_eq!((tables(), files()), (String::new(), String::new()));
    let mut protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    assert!(tables().contains("sakimori"), "{}", tables());
    assert!(Path::new(&server.outside(PROGRAM)).exists());
    server.run("dpkg", &["--purge", "sakimori-agent"]).unwrap();
    process::until_gone(protected.agent.pid(), Duration::from_secs(10)).unwrap();
    assert_eq!(tables(), "", "kernel tables are left");
    assert_eq!(files(), "", "files are left");
    let left =
        server.processes().into_iter().filter(|pid| process::command_line(*pid).contains("sakimori-agent"));
    assert_eq!(left.count(), 0);
    protected.agent.stop().unwrap();
}

#[test]
fn both_families_are_protected() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let (server, attacker) = (lab.host(Role::Server), lab.host(Role::Attacker));
    let v6 = SocketAddr::new(IpAddr::V6(server.v6()), 80);
    let blog = Blog::start_on(&lab, &programs, v6).unwrap();
    assert!(attack::deface(attacker, v6, "query").unwrap().succeeded());
    blog.restore().unwrap();
    let protected = Protected::deploy(&lab, &programs, POLICY).unwrap();
    for form in ["query", "body", "route"] {
        let outcome = attack::deface(attacker, v6, form).unwrap();
        assert!(!outcome.succeeded(), "{form}: {outcome:?}\n{}", protected.agent.tail(20));
    }
}
