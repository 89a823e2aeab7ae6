//! What the manager says of the lab's one computer, its policy and its events.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::manager::Manager;
use crate::package::{self, Package, Packing};
use crate::rest::Api;
use crate::{Lab, Programs, Role, wait};

/// How long the fleet's parts may take to agree on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A manager, and an agent that enforces a policy on the lab's server.
#[derive(Debug)]
pub struct Protected<'lab> {
    /// The agent.
    pub agent: Agent<'lab>,
    /// The manager.
    pub manager: Manager<'lab>,
    /// The administrator's client.
    pub api: Api<'lab>,
}

impl<'lab> Protected<'lab> {
    /// Starts a manager, deploys the agent and waits until it enforces `policy`.
    pub fn deploy(lab: &'lab Lab, programs: &Programs, policy: &str) -> anyhow::Result<Self> {
        let manager = start_manager(lab, programs)?;
        let api = manager.log_in()?;
        let line = manager.deployment_line(&api)?;
        let agent = Agent::deploy(lab.host(Role::Server), &line)?;
        let protected = Self { agent, manager, api };
        protected.told(protected.enforce(policy))?;
        Ok(protected)
    }

    /// Assigns `policy` and waits until it is enforced.
    pub fn enforce(&self, policy: &str) -> anyhow::Result<()> {
        let computer = computer_online(&self.api)?;
        assign_policy(&self.api, &computer, policy)?;
        computer_enforcing(&self.api, policy).map(drop)
    }

    /// Adds the programs' last words to an error.
    pub fn told<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        result
            .with_context(|| format!("agent:\n{}\nmanager:\n{}", self.agent.tail(25), self.manager.tail(15)))
    }
}

/// Packs the agent and starts a fresh manager that serves it.
pub fn start_manager<'lab>(lab: &'lab Lab, programs: &Programs) -> anyhow::Result<Manager<'lab>> {
    let packages = lab.folder().join("packages");
    std::fs::create_dir_all(&packages)?;
    package::build(Package::Agent, programs.folder(), &packages, Packing::Fast)?;
    Manager::start(lab, programs, &packages)
}

/// The website of the lab's server.
pub fn website(lab: &Lab) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(lab.host(Role::Server).v4()), 80)
}

/// A member of a JSON object as text; empty when it is not there.
pub fn text<'json>(value: &'json Value, pointer: &str) -> &'json str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The lab's one computer.
fn computer(api: &Api<'_>) -> anyhow::Result<Value> {
    let mut computers = api.list("/computers")?;
    let one = computers.pop().context("no computer yet")?;
    api.get(&format!("/computers/{}", text(&one, "/id")))
}

/// Waits until the computer talks to the manager.
pub fn computer_online(api: &Api<'_>) -> anyhow::Result<Value> {
    wait::until("the computer to be online", PATIENCE, || {
        let computer = computer(api)?;
        match text(&computer, "/status") {
            "online" | "degraded" => Ok(Some(computer)),
            other => bail!("its status is {other:?}: {computer}"),
        }
    })
}

/// Assigns the policy called `name`.
pub fn assign_policy(api: &Api<'_>, computer: &Value, name: &str) -> anyhow::Result<()> {
    let policies = api.list("/policies")?;
    let policy = policies
        .iter()
        .find(|policy| text(policy, "/name") == name)
        .with_context(|| format!("there is no policy {name:?}"))?;
    api.patch(&format!("/computers/{}", text(computer, "/id")), &json!({"policyId": text(policy, "/id")}))?;
    Ok(())
}

/// Waits until the computer says that it enforces `policy` as it is now.
pub fn computer_enforcing(api: &Api<'_>, policy: &str) -> anyhow::Result<Value> {
    wait::until("the policy to be enforced", PATIENCE, || {
        let computer = computer(api)?;
        let up_to_date = computer.pointer("/bundle/upToDate").and_then(Value::as_bool).unwrap_or_default();
        if text(&computer, "/policyName") == policy
            && up_to_date
            && !text(&computer, "/bundle/enforced").is_empty()
        {
            return Ok(Some(computer));
        }
        bail!(
            "policy {:?}, bundle {}",
            text(&computer, "/policyName"),
            computer.get("bundle").unwrap_or(&Value::Null)
        );
    })
}

/// Every event of intrusion prevention, newest first.
pub fn events(api: &Api<'_>) -> anyhow::Result<Vec<Value>> {
    events_of(api, "intrusion")
}

/// The events of a kind, newest first.
pub fn events_of(api: &Api<'_>, kind: &str) -> anyhow::Result<Vec<Value>> {
    let events = api.list("/events?limit=500")?;
    Ok(events.into_iter().filter(|event| text(event, "/kind") == kind).collect())
}

/// Waits until `expected` more intrusions were told than `before`, and gives the new ones, oldest first.
pub fn blocked_events(api: &Api<'_>, before: usize, expected: usize) -> anyhow::Result<Vec<Value>> {
    wait::until("the events to arrive", PATIENCE, || {
        let mut events = events(api)?;
        if events.len() < before + expected {
            bail!("{} events of {expected} expected", events.len() - before);
        }
        events.truncate(events.len() - before);
        events.reverse();
        Ok(Some(events))
    })
}
