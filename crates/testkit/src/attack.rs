//! The demo's attack scripts, run from the attacker's machine.

use std::net::SocketAddr;

use anyhow::bail;

use crate::{Host, process, programs};

/// How an attack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server did what the attacker wanted.
    Succeeded(String),
    /// The server answered with a refusal.
    Refused(String),
    /// No answer came: reset, or dropped.
    NoAnswer(String),
}

impl Outcome {
    /// Whether the attacker got what he wanted.
    pub fn succeeded(&self) -> bool {
        matches!(self, Self::Succeeded(_))
    }

    /// What the script said.
    pub fn words(&self) -> &str {
        match self {
            Self::Succeeded(words) | Self::Refused(words) | Self::NoAnswer(words) => words,
        }
    }
}

/// The defacement; `form` is `query`, `body` or `route` (see the script).
pub fn deface(attacker: &Host, site: SocketAddr, form: &str) -> anyhow::Result<Outcome> {
    script(attacker, "deface.sh", &[&format!("http://{site}"), form])
}

/// The upload of the harmless marker.
pub fn backdoor(attacker: &Host, site: SocketAddr) -> anyhow::Result<Outcome> {
    script(attacker, "backdoor.sh", &[&format!("http://{site}")])
}

fn script(attacker: &Host, name: &str, arguments: &[&str]) -> anyhow::Result<Outcome> {
    let mut command = attacker.command("sh");
    command.arg(programs::source().join("demo/attack").join(name)).args(arguments);
    let output = process::output(&mut command)?;
    let words =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let words = words.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    Ok(match output.status.code() {
        Some(0) => Outcome::Succeeded(words),
        Some(1) => Outcome::Refused(words),
        Some(2) => Outcome::NoAnswer(words),
        _ => bail!("{name} ended with {}: {words}", output.status),
    })
}
