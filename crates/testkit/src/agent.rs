//! An agent that was installed on the lab's server by the deployment line.

use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use serde_json::Value;

use crate::process::{self, command_line, signal_pid};
use crate::{Host, Process, wait};

/// Where the package puts the program.
pub const PROGRAM: &str = "/usr/bin/sakimori-agent";
/// How long starting and applying may take on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An agent that runs on the server.
#[derive(Debug)]
pub struct Agent<'lab> {
    host: &'lab Host,
    process: Process,
}

impl<'lab> Agent<'lab> {
    /// Runs the deployment line on `host` (installs the package, activates), which has no service
    /// manager, so the agent is started by hand as the line says.
    pub fn deploy(host: &'lab Host, line: &str) -> anyhow::Result<Self> {
        let log = host.shell(&format!("{line} 2>&1")).context("the deployment line")?;
        if !host.outside(PROGRAM).exists() {
            bail!("the deployment line ended well but installed no agent:\n{log}");
        }
        Self::start(host)
    }

    /// Starts the installed, activated agent.
    pub fn start(host: &'lab Host) -> anyhow::Result<Self> {
        let mut command = host.command(PROGRAM);
        command.arg("run");
        let mut agent = Self { host, process: host.start("agent", command)? };
        agent.wait_until_it_answers()?;
        Ok(agent)
    }

    /// Waits until the local status answers.
    pub fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        wait::until("the agent's status", PATIENCE, || {
            self.process.check_alive()?;
            status(self.host).map(Some)
        })?;
        Ok(())
    }

    /// Its local status, as JSON.
    pub fn status(&self) -> anyhow::Result<Value> {
        status(self.host)
    }

    /// A counter of its modules, from its local status.
    pub fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let status = self.status()?;
        let modules = status.get("modules").and_then(Value::as_array).context("a status has modules")?;
        let mut counters = modules.iter().filter_map(|module| module.get("counters")?.get(name)?.as_u64());
        counters.next().with_context(|| format!("the status has no counter {name:?}: {status}"))
    }

    /// Process id of the supervisor.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Every process of the agent.
    pub fn processes(&self) -> Vec<u32> {
        process::tree(self.pid())
    }

    /// The network worker: the process that parses packets.
    pub fn worker(&self) -> anyhow::Result<u32> {
        let mut below = self.processes().into_iter().skip(1);
        below
            .find(|pid| command_line(*pid).contains("worker network"))
            .context("the agent runs no network worker")
    }

    /// SIGKILL to the network worker alone.
    pub fn kill_worker(&self) -> anyhow::Result<u32> {
        let worker = self.worker()?;
        signal_pid(worker, Signal::KILL)?;
        Ok(worker)
    }

    /// SIGKILL to the supervisor and everything below it.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let all = self.processes();
        self.process.kill()?;
        for pid in all.into_iter().skip(1) {
            // Workers may have noticed and ended by themselves.
            drop(signal_pid(pid, Signal::KILL));
            process::until_gone(pid, Duration::from_secs(5))?;
        }
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.process.stop()?;
        if !status.success() {
            bail!("the agent ended with {status}:\n{}", self.process.tail(20));
        }
        Ok(())
    }

    /// The last lines that it wrote.
    pub fn tail(&self, lines: usize) -> String {
        self.process.tail(lines)
    }
}

fn status(host: &Host) -> anyhow::Result<Value> {
    let text = host.run(PROGRAM, &["status", "--output", "json"])?;
    serde_json::from_str(&text).context("the agent's status is JSON")
}
