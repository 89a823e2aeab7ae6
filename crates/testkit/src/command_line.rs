//! `sakimori`, the command line, on a machine of the lab.

use std::path::PathBuf;

use crate::host::Host;
use crate::manager::Manager;
use crate::rest::Api;
use crate::{Lab, Programs, Role, process};

/// The command line, as an operator on the manager's machine uses it.
#[derive(Debug)]
pub struct CommandLine<'a> {
    host: &'a Host,
    program: PathBuf,
    url: String,
    key: String,
    pin: String,
}

impl<'a> CommandLine<'a> {
    /// With an administrator's key, on the manager's machine.
    pub fn new(api: &Api<'_>, manager: &Manager<'_>, lab: &'a Lab, programs: &Programs) -> Self {
        Self {
            host: lab.host(Role::Manager),
            program: programs.cli(),
            url: format!("https://{}", manager.address()),
            key: api.key().to_owned(),
            pin: manager.pin.clone(),
        }
    }

    /// Runs `sakimori` with these arguments; what it says.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.host.command(&self.program);
        command
            .env("SAKIMORI_URL", &self.url)
            .env("SAKIMORI_API_KEY", &self.key)
            .env("SAKIMORI_CA_PIN", &self.pin)
            .env("HOME", self.host.folder())
            .args(arguments);
        process::run(command)
    }
}
