//! A manager that runs on its machine of the lab.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::rest::Api;
use crate::{Host, Lab, Process, Programs, Role, wait};

/// The public port: console, REST, deployment, enrolment.
pub const PUBLIC: u16 = 4433;
/// How long a first start may take; a loaded machine makes keys slowly.
const START: Duration = Duration::from_mins(1);

/// A running manager and what it said at its first start.
#[derive(Debug)]
pub struct Manager<'lab> {
    host: &'lab Host,
    program: PathBuf,
    packages: PathBuf,
    settings: Vec<(String, String)>,
    process: Option<Process>,
    /// Name of the administrator.
    pub user: String,
    /// Password of the administrator, printed once.
    pub password: String,
    /// `sha256//…` of the public listener's key.
    pub pin: String,
}

impl<'lab> Manager<'lab> {
    /// Starts a fresh manager that serves the packages in `packages`.
    pub fn start(lab: &'lab Lab, programs: &Programs, packages: &Path) -> anyhow::Result<Self> {
        Self::start_with(lab, programs, packages, &[])
    }

    /// Starts a fresh manager with settings of its environment, as `SAKIMORI_RATE_LIMIT`.
    pub fn start_with(
        lab: &'lab Lab,
        programs: &Programs,
        packages: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut manager = Self {
            host: lab.host(Role::Manager),
            program: programs.manager(),
            packages: packages.to_owned(),
            settings: settings.iter().map(owned).collect(),
            process: None,
            user: String::new(),
            password: String::new(),
            pin: String::new(),
        };
        manager.start_again()?;
        let process = manager.process.as_mut().context("just started")?;
        let output = wait::until("the manager's first words", START, || {
            process.check_alive()?;
            let output = process.output();
            Ok(said(&output, "Public key pin:").is_some().then_some(output))
        })?;
        for (word, field) in [
            ("User:", &mut manager.user),
            ("Password:", &mut manager.password),
            ("Public key pin:", &mut manager.pin),
        ] {
            *field =
                said(&output, word).with_context(|| format!("the manager printed no {word:?}:\n{output}"))?;
        }
        manager.wait_until_ready()?;
        Ok(manager)
    }

    /// Starts it on its existing data.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let mut command = self.host.command(&self.program);
        command.args(["run", "--data-dir"]).arg(self.host.folder().join("data"));
        command.arg("--packages").arg(&self.packages);
        command.args(["--public-host", &self.host.v4().to_string(), "--public-host", "127.0.0.1"]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        self.process = Some(self.host.start("manager", command)?);
        Ok(())
    }

    /// Waits until the public port answers.
    pub fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let process = self.process.as_mut().context("the manager is not running")?;
        self.host.wait_for_port(PUBLIC, process, START)
    }

    /// Ends it as an operator does (SIGTERM).
    pub fn stop(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop().map(drop),
            None => Ok(()),
        }
    }

    /// The public listener's address in the lab.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.host.v4()), PUBLIC)
    }

    /// Logs in as the administrator, from the manager's own machine.
    pub fn log_in(&self) -> anyhow::Result<Api<'lab>> {
        Api::log_in(self.host, self.address(), &self.pin, &self.user, &self.password)
    }

    /// The line that protects a machine, as the manager gives it out.
    pub fn deployment_line(&self, api: &Api<'_>) -> anyhow::Result<String> {
        let token = api.post("/activation-tokens", &json!({"name": "lab", "expiresInSecs": 3600}))?;
        token
            .get("deploymentLine")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .context("a new token has a deploymentLine")
    }

    /// All that it wrote.
    pub fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// The last lines that it wrote.
    pub fn tail(&self, lines: usize) -> String {
        self.process.as_ref().map(|process| process.tail(lines)).unwrap_or_default()
    }
}

/// What stands behind `word` on a line of its own.
fn said(output: &str, word: &str) -> Option<String> {
    output.lines().find_map(|line| line.trim().strip_prefix(word)).map(|rest| rest.trim().to_owned())
}
