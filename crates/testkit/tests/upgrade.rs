//! What the manager may do to agents, and what they do by themselves: real packages, a real package manager, real traffic.
#![expect(clippy::unwrap_used, reason = "a test reads files and ends where the world is not as it should be")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use sakimori_content::SigningKey;
use sakimori_content::package::{AGENT, SignedStatement, Statement};
use sakimori_testkit::agent::{Agent, PROGRAM};
use sakimori_testkit::blog::Blog;
use sakimori_testkit::fleet::{Protected, events_of, text};
use sakimori_testkit::manager::Manager;
use sakimori_testkit::package::{self, Package, Packing, Recipe};
use sakimori_testkit::story::Visitors;
use sakimori_testkit::{Lab, Programs, Role, numbered, process, wait};
use serde_json::{Value, json};

const POLICY: &str = "Web server";
/// An upgrade, with its settling, or a way back, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// A manager that trusts a key, an agent that does too, and more packages to come.
struct Fleet<'lab> {
    protected: Protected<'lab>,
    lab: &'lab Lab,
    packages: PathBuf,
    key: SigningKey,
}

impl<'lab> Fleet<'lab> {
    fn new(lab: &'lab Lab, programs: &Programs) -> Self {
        let packages = lab.folder().join("packages");
        std::fs::create_dir_all(&packages).unwrap();
        let key = SigningKey::generate().unwrap();
        let first = build(programs, &packages, "0.1.0", &key);
        sign(&first, "0.1.0", &key);
        let manager = Manager::start(lab, programs, &packages).unwrap();
        let api = manager.log_in().unwrap();
        let line = manager.deployment_line(&api).unwrap();
        let agent = Agent::deploy(lab.host(Role::Server), &line).unwrap();
        let protected = Protected { agent, manager, api };
        protected.told(protected.enforce(POLICY)).unwrap();
        let fleet = Self { protected, lab, packages, key };
        fleet.manager_trusts(&[&fleet.key]);
        fleet
    }

    fn manager_trusts(&self, keys: &[&SigningKey]) {
        let lines: Vec<String> = keys.iter().map(|key| key.verifying_key().to_base64()).collect();
        let text = lines.join("\n");
        let data = self.lab.host(Role::Manager).folder().join("data");
        std::fs::write(data.join("package-keys"), text).unwrap();
    }

    /// Begins a roll-out to all computers; its path.
    fn roll_out(&self, version: &str, healthy_within_secs: u32) -> String {
        let plan = json!({"rings": [{"percent": 100}], "healthyWithinSecs": healthy_within_secs, "haltAbovePercent": 0});
        let made =
            self.protected.api.post("/upgrades", &json!({"name": version, "version": version, "plan": plan}));
        format!("/upgrades/{}", text(&made.unwrap(), "/id"))
    }

    /// Waits until the roll-out is in a state; its one computer then.
    fn until(&self, path: &str, state: &str) -> Value {
        let computer = wait::until(&format!("the roll-out to be {state}"), PATIENCE, || {
            let upgrade = self.protected.api.get(path)?;
            let computer = self.protected.api.list(&format!("{path}/computers"))?.remove(0);
            anyhow::ensure!(text(&upgrade, "/state") == state, "{upgrade}\n{computer}");
            Ok(Some(computer))
        });
        self.protected.told(computer).unwrap()
    }

    /// The version that the package manager has, and the one that runs.
    fn versions(&self) -> [String; 2] {
        let server = self.lab.host(Role::Server);
        let installed =
            server.run("dpkg-query", &["--show", "--showformat=${Version} ${Status}", AGENT]).unwrap();
        let installed = installed.strip_suffix(" install ok installed").unwrap_or(&installed).to_owned();
        let runs = wait::until("the agent's status", Duration::from_mins(1), || {
            let said = server.run(PROGRAM, &["status", "--output", "json"])?;
            let said: Value = serde_json::from_str(&said)?;
            Ok(Some(text(&said, "/version").to_owned()))
        });
        [installed, self.protected.told(runs).unwrap()]
    }

    /// The codes of the agent's notices, newest first.
    fn notices(&self) -> Vec<String> {
        let events = events_of(&self.protected.api, "notice").unwrap();
        events.iter().map(|event| text(event, "/detail/code").to_owned()).collect()
    }

    fn stops_attacks(&self, site: std::net::SocketAddr) {
        let attacker = self.lab.host(Role::Attacker);
        let stops = wait::until("protection", Duration::from_mins(1), || {
            Ok((!numbered::attack(attacker, site, 1_000)?).then_some(()))
        });
        self.protected.told(stops).unwrap();
    }
}

fn build(programs: &Programs, out: &Path, version: &str, key: &SigningKey) -> PathBuf {
    let keys = key.verifying_key().to_base64();
    let recipe = Recipe { version, keys: &keys, packing: Packing::Fast };
    package::build_by(Package::Agent, programs.folder(), out, recipe).unwrap()
}

fn sign(package: &Path, version: &str, key: &SigningKey) {
    let sum = process::call("sha256sum", &["--", &package.to_string_lossy()]).unwrap();
    let statement = Statement {
        package: AGENT.to_owned(),
        version: version.to_owned(),
        architecture: package::architecture().to_owned(),
        size: std::fs::metadata(package).unwrap().len(),
        sha256: sum.split_whitespace().next().unwrap().to_owned(),
    };
    let signed = SignedStatement::sign(&statement, key).unwrap();
    std::fs::write(format!("{}.sig", package.display()), signed.to_text()).unwrap();
}

/// Changes what is in a package by a script that finds its files in `$1`.
fn change(package: &Path, script: &str) {
    let tree = package.with_extension("tree");
    let (deb, tree_text) = (package.to_string_lossy().into_owned(), tree.to_string_lossy().into_owned());
    process::call("dpkg-deb", &["--raw-extract", &deb, &tree_text]).unwrap();
    process::call("sh", &["-ec", script, "sh", &tree_text]).unwrap();
    process::call("dpkg-deb", &["--root-owner-group", "-Zgzip", "-z1", "--build", &tree_text, &deb]).unwrap();
    std::fs::remove_dir_all(tree).unwrap();
}

#[test]
fn an_upgrade_and_the_way_back_that_the_manager_orders_lose_nothing() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let fleet = Fleet::new(&lab, &programs);
    sign(&build(&programs, &fleet.packages, "0.1.1", &fleet.key), "0.1.1", &fleet.key);
    let visitors = Visitors::start(lab.host(Role::Visitor), blog.address(), "/").unwrap();
    let (attacker, site) = (lab.host(Role::Attacker), blog.address());
    let done = std::sync::atomic::AtomicBool::new(false);
    let (through, attacks) = std::thread::scope(|scope| {
        let attacks = scope.spawn(|| {
            let (mut through, mut number) = (0, 0);
            while !done.load(std::sync::atomic::Ordering::Relaxed) && number < 400 {
                through += u32::from(numbered::attack(attacker, site, number).unwrap());
                number += 1;
                wait::pause(Duration::from_millis(100)).unwrap();
            }
            (through, number)
        });
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let path = fleet.roll_out("0.1.1", 120);
            let computer = fleet.until(&path, "succeeded");
            assert_eq!((text(&computer, "/state"), text(&computer, "/step")), ("healthy", "running"));
            assert_eq!(fleet.versions(), ["0.1.1", "0.1.1"]);
            let back = json!({"all": true});
            fleet.protected.api.post(&format!("{path}/roll-back"), &back).unwrap();
            let computer = fleet.until(&path, "rolled-back");
            assert_eq!(text(&computer, "/state"), "returned", "{computer}");
            assert_eq!(fleet.versions(), ["0.1.0", "0.1.0"]);
        }));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let attacks = attacks.join().unwrap();
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
        attacks
    });
    let served = visitors.finish();
    assert!(served.all_well(), "{}", served.words());
    assert_eq!(through, 0, "attacks slipped by during the upgrade");
    assert_eq!(fleet.protected.agent.counter("packets-uninspected").unwrap(), 0);
    // Events are looked for among the newest.
    let newest: Vec<u32> = (attacks.saturating_sub(200)..attacks).collect();
    numbered::each_told_once(&fleet.protected, &newest).unwrap();
    println!("{attacks} attacks, 0 through; {}", served.words());
    for code in ["upgrade-verified", "upgrade-installing", "agent-upgraded"] {
        let found = wait::until(code, Duration::from_mins(1), || {
            Ok(fleet.notices().iter().any(|one| one == code).then_some(()))
        });
        fleet.protected.told(found).unwrap();
    }
}

#[test]
fn a_package_whose_signer_the_agent_does_not_know_is_refused_by_it_whatever_the_manager_says() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let fleet = Fleet::new(&lab, &programs);
    let intruder = SigningKey::generate().unwrap();
    sign(&build(&programs, &fleet.packages, "0.1.1", &intruder), "0.1.1", &intruder);
    fleet.manager_trusts(&[&fleet.key, &intruder]);
    let path = fleet.roll_out("0.1.1", 60);
    let computer = fleet.until(&path, "halted");
    assert_eq!((text(&computer, "/state"), text(&computer, "/step")), ("failed", "refused"));
    assert!(text(&computer, "/message").contains("none of the trusted package keys"), "{computer}");
    assert_eq!(fleet.versions(), ["0.1.0", "0.1.0"]);
    fleet.stops_attacks(blog.address());

    // A package that is older than what runs is no way back to a hole, though it is signed.
    fleet.protected.api.post(&format!("{path}/abort"), &json!({})).unwrap();
    sign(&build(&programs, &fleet.packages, "0.0.9", &fleet.key), "0.0.9", &fleet.key);
    let computer = fleet.until(&fleet.roll_out("0.0.9", 60), "halted");
    assert!(text(&computer, "/message").contains("older"), "{computer}");
    assert_eq!(fleet.versions(), ["0.1.0", "0.1.0"]);
}

#[test]
fn a_version_that_cannot_speak_with_the_manager_is_taken_back_by_the_agent_itself() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let fleet = Fleet::new(&lab, &programs);
    let bad = build(&programs, &fleet.packages, "0.1.1", &fleet.key);
    change(&bad, r#"sed -i 's#/agent/v1/check-in#/agent/v1/check-xx#g' "$1/usr/bin/sakimori-agent""#);
    sign(&bad, "0.1.1", &fleet.key);
    let visitors = Visitors::start(lab.host(Role::Visitor), blog.address(), "/").unwrap();
    let path = fleet.roll_out("0.1.1", 30);
    let computer = fleet.until(&path, "halted");
    assert_eq!((text(&computer, "/state"), text(&computer, "/step")), ("failed", "rolled-back"));
    assert!(text(&computer, "/message").contains("not in contact with the manager"), "{computer}");
    assert_eq!(fleet.versions(), ["0.1.0", "0.1.0"]);
    let served = visitors.finish();
    assert!(served.all_well(), "{}", served.words());
    fleet.stops_attacks(blog.address());
    assert_eq!(fleet.protected.agent.counter("packets-uninspected").unwrap(), 0, "inspected throughout");
    let told = wait::until("the event", Duration::from_mins(1), || {
        Ok(fleet.notices().iter().any(|code| code == "upgrade-rolled-back").then_some(()))
    });
    fleet.protected.told(told).unwrap();
    let manager = wait::until("the manager's event", Duration::from_mins(1), || {
        Ok(fleet.notices().iter().any(|code| code == "upgrade-halted").then_some(()))
    });
    fleet.protected.told(manager).unwrap();
}

#[test]
fn a_version_that_ends_at_once_is_taken_back_and_the_agent_started_again() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let blog = Blog::start(&lab, &programs).unwrap();
    let fleet = Fleet::new(&lab, &programs);
    let bad = build(&programs, &fleet.packages, "0.1.1", &fleet.key);
    let wrap = r#"mkdir -p "$1/usr/libexec"
mv "$1/usr/bin/sakimori-agent" "$1/usr/libexec/sakimori-agent-bad"
cat >"$1/usr/bin/sakimori-agent" <<'END'
#!/bin/sh
[ "$1" = run ] && exit 1
exec /usr/libexec/sakimori-agent-bad "$@"
END
chmod 755 "$1/usr/bin/sakimori-agent""#;
    change(&bad, wrap);
    sign(&bad, "0.1.1", &fleet.key);
    let path = fleet.roll_out("0.1.1", 20);
    let computer = fleet.until(&path, "halted");
    assert_eq!((text(&computer, "/state"), text(&computer, "/step")), ("failed", "rolled-back"));
    assert!(text(&computer, "/message").contains("not answered"), "{computer}");
    assert_eq!(fleet.versions(), ["0.1.0", "0.1.0"]);
    fleet.stops_attacks(blog.address());
}
