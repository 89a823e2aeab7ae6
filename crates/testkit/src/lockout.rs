//! The drill "lockout": firewall policies that cut the manager or the operator off, on a server that nobody can walk to.

mod proxied;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::agent::{Agent, PROGRAM};
use crate::attack;
use crate::blog::Blog;
use crate::command_line::CommandLine;
use crate::fleet::{self, Protected, text};
use crate::manager::PUBLIC;
use crate::report::{Report, Target};
use crate::{Host, Lab, Programs, Role, wait};

/// A port that nobody listens on: refused at once where it is let through, and silence where it is denied.
const CLOSED: u16 = 81;
/// How long a connection that is denied is waited for.
const SILENCE: Duration = Duration::from_millis(400);
/// How long the fleet's parts may take to agree on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// The rules that stand before and after each act: a web server.
const BEFORE: &str = "Open for visitors";

/// How long a change is on trial.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Seconds in which the manager has to be reached.
    pub manager: u32,
    /// Seconds in which the operator has to confirm.
    pub operator: u32,
}

/// Plays all acts.
///
/// # Errors
/// Where the stage cannot be set, or an act does not come to its end.
pub fn play(programs: &Programs, windows: Windows) -> anyhow::Result<Report> {
    let lab = Lab::new()?;
    let blog = Blog::start(&lab, programs)?;
    let protected = Protected::deploy(&lab, programs, "Web server")?;
    let mut stage = Stage { lab: &lab, programs, protected, blog, windows, report: Report::new("lockout") };
    let played = stage.play();
    stage.protected.told(played)?;
    Ok(stage.report)
}

pub use proxied::play as play_through_a_proxy;

struct Stage<'lab> {
    lab: &'lab Lab,
    programs: &'lab Programs,
    protected: Protected<'lab>,
    blog: Blog<'lab>,
    windows: Windows,
    report: Report,
}

impl<'lab> Stage<'lab> {
    fn play(&mut self) -> anyhow::Result<()> {
        let web = json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["80"]});
        self.policy(BEFORE, &json!({"defaultInbound": "deny", "rules": {"web": web}}))?;
        self.protected.enforce(BEFORE)?;
        self.step("confirmed", 1)?;
        self.fact("a change that cuts nobody off stays", self.stands());
        self.cut_off()?;
        self.killed_in_the_window()?;
        self.killed_past_the_window()?;
        self.no_operator()?;
        self.operator()?;
        self.at_its_hour()?;
        self.break_glass_without_manager()?;
        self.break_glass_without_agent()
    }

    /// A policy denies everything including the manager.
    fn cut_off(&mut self) -> anyhow::Result<()> {
        let locked =
            json!({"defaultInbound": "deny", "defaultOutbound": "deny", "alwaysAllowManager": false});
        self.policy("Locked", &locked)?;
        let start = Instant::now();
        fleet::assign_policy(&self.protected.api, &fleet::computer_online(&self.protected.api)?, "Locked")?;
        wait::until("the policy to lock everybody out", PATIENCE, || Ok((!self.is_served()).then_some(())))?;
        let locked_at = Instant::now();
        let manager = SocketAddr::new(IpAddr::V4(self.lab.host(Role::Manager).v4()), PUBLIC);
        let reached = self.server().connect(manager, SILENCE).is_ok();
        self.fact("the policy really cuts the manager off", !reached);
        wait::until("the former rules", PATIENCE, || Ok(self.is_served().then_some(())))?;
        let window = f64::from(self.windows.manager);
        let back = Target::AtMost(window + 2.0);
        self.report.add("locked out for", locked_at.elapsed().as_secs_f64(), "s", back);
        let told = self.step("reverted", 1)?;
        self.report.add(
            "from the assignment to the report at the manager",
            start.elapsed().as_secs_f64(),
            "s",
            Target::None,
        );
        self.fact("the event says why", text(&told, "/detail/reason") == "manager-unreachable");
        self.fact("the rules of before are in force", self.stands());
        let computer = fleet::computer_enforcing(&self.protected.api, "Locked")?;
        self.fact("the rest of the bundle is enforced", true);
        let firewall = module(&computer, "firewall")?;
        let reverted =
            firewall.get("reasons").is_some_and(|reasons| reasons.to_string().contains("reverted"));
        self.fact("the module's status says so", text(firewall, "/state") == "degraded" && reverted);
        let stopped =
            !attack::deface(self.lab.host(Role::Attacker), self.blog.address(), "query")?.succeeded();
        let active = text(module(&computer, "intrusion-prevention")?, "/state") == "active";
        self.fact("intrusion prevention is untouched", stopped && active);
        // It is the same policy over and over: nothing may begin anew by itself.
        wait::pause(Duration::from_secs(u64::from(self.windows.manager)))?;
        self.fact("it is not tried again by itself", self.steps("reverted")? == 1 && self.stands());
        Ok(())
    }

    /// The agent is killed while the change is on trial.
    fn killed_in_the_window(&mut self) -> anyhow::Result<()> {
        self.retry()?;
        let start = Instant::now();
        self.protected.agent.kill()?;
        self.fact("the change is in force without the agent", !self.is_served());
        self.protected.agent = Agent::start(self.server())?;
        wait::until("the former rules", PATIENCE, || Ok(self.is_served().then_some(())))?;
        let back = Target::AtMost(f64::from(self.windows.manager) + 5.0);
        self.report.add("killed in the window, back after", start.elapsed().as_secs_f64(), "s", back);
        self.step("reverted", 2)?;
        self.fact("killed in the window: the rules of before are in force", self.stands());
        Ok(())
    }

    /// The agent is killed and does not come back before the window is over.
    fn killed_past_the_window(&mut self) -> anyhow::Result<()> {
        self.retry()?;
        self.protected.agent.kill()?;
        wait::pause(Duration::from_secs(u64::from(self.windows.manager) + 1))?;
        self.protected.agent = Agent::start(self.server())?;
        let start = Instant::now();
        wait::until("the former rules", PATIENCE, || Ok(self.is_served().then_some(())))?;
        self.report.add(
            "killed past the window, back after the start",
            start.elapsed().as_secs_f64(),
            "s",
            Target::AtMost(5.0),
        );
        let told = self.step("reverted", 3)?;
        self.fact("the event says that it was interrupted", text(&told, "/detail/reason") == "interrupted");
        self.fact("killed past the window: the rules of before are in force", self.stands());
        Ok(())
    }

    /// The manager is reached, but the operator is locked out and cannot confirm.
    fn no_operator(&mut self) -> anyhow::Result<()> {
        let asked = json!({"defaultInbound": "deny", "operatorConfirms": true, "rules": {}});
        self.policy("Asked", &asked)?;
        let computer = fleet::computer_online(&self.protected.api)?;
        fleet::assign_policy(&self.protected.api, &computer, "Asked")?;
        let state = self.standing("on-trial")?;
        self.fact("the console knows the deadline", !text(&state, "/operatorUntil").is_empty());
        wait::until("the policy to lock the operator out", PATIENCE, || {
            Ok((!self.is_served()).then_some(()))
        })?;
        let start = Instant::now();
        wait::until("the former rules", PATIENCE * 4, || Ok(self.is_served().then_some(())))?;
        let back = Target::AtMost(f64::from(self.windows.operator) + 2.0);
        self.report.add("not confirmed, back after", start.elapsed().as_secs_f64(), "s", back);
        let told = self.step("reverted", 4)?;
        self.fact(
            "the event says that nobody confirmed it",
            text(&told, "/detail/reason") == "not-confirmed",
        );
        self.fact("not confirmed: the rules of before are in force", self.stands());
        Ok(())
    }

    /// The operator tries again and confirms.
    fn operator(&mut self) -> anyhow::Result<()> {
        let confirmed = self.steps("confirmed")?;
        self.retry()?;
        let line = CommandLine::new(&self.protected.api, &self.protected.manager, self.lab, self.programs);
        self.standing("on-trial")?;
        let id = self.computer_id()?;
        line.run(&["firewall", "confirm", &id])?;
        self.step("confirmed", confirmed + 1)?;
        wait::pause(Duration::from_secs(u64::from(self.windows.operator)))?;
        self.standing("settled")?;
        self.fact("a confirmed change stays", !self.is_served());
        self.protected.enforce(BEFORE)?;
        self.step("confirmed", confirmed + 2)?;
        self.fact("the next policy is in force", self.stands());
        Ok(())
    }

    /// A rule that cuts the manager off begins to count after its policy was confirmed.
    fn at_its_hour(&mut self) -> anyhow::Result<()> {
        // The next minute, or the one after it: the policy is confirmed before.
        let minute = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 20) / 60 + 1;
        let at = |minute: u64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
        let hour = format!("mon-sun {}-{} UTC", at(minute), at(minute + 60));
        let night = |direction: &str| json!({"action": "deny", "direction": direction, "schedule": [hour]});
        let web = json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["80"]});
        let rules = json!({"web": web, "night in": night("in"), "night out": night("out")});
        self.policy("Night", &json!({"alwaysAllowManager": false, "rules": rules}))?;
        let confirmed = self.steps("confirmed")?;
        let reverted = self.steps("reverted")?;
        self.protected.enforce("Night")?;
        self.step("confirmed", confirmed + 1)?;
        self.fact("before its hour the rule does nothing", self.is_served());
        wait::until("the rule's hour", PATIENCE * 2, || Ok((!self.is_served()).then_some(())))?;
        let start = Instant::now();
        wait::until("the rule to be taken back", PATIENCE, || Ok(self.is_served().then_some(())))?;
        let back = Target::AtMost(f64::from(self.windows.manager) + 3.0);
        self.report.add("cut off at its hour, back after", start.elapsed().as_secs_f64(), "s", back);
        let told = self.step("reverted", reverted + 1)?;
        self.fact("at its hour: the event says why", text(&told, "/detail/reason") == "manager-unreachable");
        wait::pause(Duration::from_secs(u64::from(self.windows.manager)))?;
        self.fact("at its hour: it is not tried again by itself", self.is_served());
        // The agent that is started anew knows it.
        self.protected.agent.kill()?;
        self.protected.agent = Agent::start(self.server())?;
        wait::pause(Duration::from_secs(5))?;
        self.fact("at its hour: also after a kill", self.is_served());
        self.protected.enforce(BEFORE)?;
        self.step("confirmed", confirmed + 2)?;
        self.fact("at its hour: the next policy is in force", self.stands());
        Ok(())
    }

    /// A person at the server's own console, and no manager.
    fn break_glass_without_manager(&mut self) -> anyhow::Result<()> {
        self.protected.manager.stop()?;
        let start = Instant::now();
        let release = ["firewall", "release", "--for", "10m", "--reason", "drill"];
        self.server().run(PROGRAM, &release)?;
        self.report.add("released after", start.elapsed().as_secs_f64(), "s", Target::AtMost(2.0));
        self.fact("released: everything passes", self.passes());
        let stopped =
            !attack::deface(self.lab.host(Role::Attacker), self.blog.address(), "query")?.succeeded();
        self.fact("released: intrusion prevention stays", stopped);
        let status = self.server().run(PROGRAM, &["status"])?;
        self.fact("the local status says until when", status.contains("released by hand until"));
        self.protected.agent.kill()?;
        self.protected.agent = Agent::start(self.server())?;
        self.fact("released: also after a kill", self.passes());
        self.server().run(PROGRAM, &["firewall", "restore"])?;
        self.fact("restored: the policy's rules are in force", self.stands());
        self.protected.manager.start_again()?;
        self.protected.manager.wait_until_ready()?;
        let told = self.step("released", 1)?;
        self.fact("the manager hears of it later", text(&told, "/detail/note") == "drill");
        Ok(())
    }

    /// The same without an agent that runs.
    fn break_glass_without_agent(&mut self) -> anyhow::Result<()> {
        self.protected.agent.kill()?;
        let closed = !self.passes();
        // What was queued for a worker that ends with its agent is sent once more by its sender, a second later.
        wait::until("visitors without an agent", PATIENCE, || Ok(self.is_served().then_some(())))?;
        self.fact("the firewall stands without its agent", closed && self.stands());
        self.server().run(PROGRAM, &["firewall", "release", "--for", "10m", "--reason", "no agent"])?;
        self.fact("released without the agent: everything passes", self.passes());
        self.protected.agent = Agent::start(self.server())?;
        let told = self.step("released", 2)?;
        self.fact("an event tells of it", text(&told, "/detail/note") == "no agent");
        self.fact("it holds for the agent that was started", self.passes());
        self.server().run(PROGRAM, &["firewall", "restore"])?;
        self.fact("and is restored by it", self.stands());
        Ok(())
    }

    // === looking ===

    fn server(&self) -> &'lab Host {
        self.lab.host(Role::Server)
    }

    fn fact(&mut self, name: &str, is_so: bool) {
        self.report.add(name, f64::from(u8::from(is_so)), "", Target::AtLeast(1.0));
    }

    /// Whether the visitor's connection to the blog is taken.
    fn is_served(&self) -> bool {
        self.lab.host(Role::Visitor).connect(self.blog.address(), SILENCE).is_ok()
    }

    /// Whether a port that no rule allows answers: with a refusal, because nobody listens.
    fn passes(&self) -> bool {
        let closed = SocketAddr::new(self.blog.address().ip(), CLOSED);
        let error = self.lab.host(Role::Visitor).connect(closed, SILENCE).err();
        error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    }

    /// Whether the rules of [`BEFORE`] are in force, and the manager is reached from the server.
    fn stands(&self) -> bool {
        let manager = SocketAddr::new(IpAddr::V4(self.lab.host(Role::Manager).v4()), PUBLIC);
        let reached = || self.server().connect(manager, SILENCE).is_ok();
        // Without a manager there is nothing to reach.
        self.is_served() && !self.passes() && (reached() || self.protected.manager.output().is_empty())
    }

    fn computer_id(&self) -> anyhow::Result<String> {
        let computers = self.protected.api.list("/computers")?;
        Ok(text(computers.first().context("no computer")?, "/id").to_owned())
    }

    fn retry(&self) -> anyhow::Result<()> {
        let id = self.computer_id()?;
        wait::until("the computer to take another try", PATIENCE, || {
            self.protected.api.post(&format!("/computers/{id}/firewall/retry"), &json!({})).map(Some)
        })?;
        wait::until("the change to be in force again", PATIENCE, || Ok((!self.is_served()).then_some(())))
    }

    fn standing(&self, wanted: &str) -> anyhow::Result<Value> {
        let id = self.computer_id()?;
        wait::until("the manager to hear how the change stands", PATIENCE, || {
            let state = self.protected.api.get(&format!("/computers/{id}/firewall"))?;
            ensure!(text(&state, "/standing") == wanted, "{state}");
            Ok(Some(state))
        })
    }

    fn steps(&self, step: &str) -> anyhow::Result<usize> {
        let events = fleet::events_of(&self.protected.api, "firewall-change")?;
        Ok(events.iter().filter(|event| text(event, "/detail/step") == step).count())
    }

    /// Waits for so many events of a step; gives the newest.
    fn step(&self, step: &str, count: usize) -> anyhow::Result<Value> {
        wait::until(&format!("{count} events {step:?}"), PATIENCE, || {
            let mut events = fleet::events_of(&self.protected.api, "firewall-change")?;
            events.retain(|event| text(event, "/detail/step") == step);
            if events.len() < count {
                bail!("{} so far", events.len());
            }
            Ok(events.into_iter().next())
        })
    }

    /// Makes a policy below the web server's with this firewall.
    fn policy(&self, name: &str, firewall: &Value) -> anyhow::Result<()> {
        let policies = self.protected.api.list("/policies")?;
        let parent = policies.iter().find(|policy| text(policy, "/name") == "Web server");
        let mut settings = json!({
            "mode": "prevent",
            "confirmWithinSecs": self.windows.manager,
            "operatorWithinSecs": self.windows.operator,
        });
        let own = firewall.as_object().context("settings are an object")?;
        settings.as_object_mut().context("settings are an object")?.extend(own.clone());
        let policy = json!({
            "name": name,
            "parentId": text(parent.context("no web server policy")?, "/id"),
            "settings": {"firewall": settings},
        });
        self.protected.api.post("/policies", &policy).map(drop)
    }
}

/// How a module of a computer is.
fn module<'json>(computer: &'json Value, name: &str) -> anyhow::Result<&'json Value> {
    let modules = computer.get("modules").and_then(Value::as_array).context("a computer has modules")?;
    modules.iter().find(|module| text(module, "/module") == name).with_context(|| format!("no {name}"))
}
