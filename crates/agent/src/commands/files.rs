//! `sakimori-agent scan` and `sakimori-agent quarantine`.
use super::{Dirs, Output, say};
use crate::scanner::desk::{self, Request};
use crate::scanner::{Entry, Quarantine, Summary};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use uuid::Uuid;

/// Look for malware now, with the rules in force.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Files and folders; what the policy watches, if none are given.
    paths: Vec<PathBuf>,
    /// Text for people, or JSON.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// What to do with the files that were moved away.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Kept {
    /// List them.
    List {
        /// Text for people, or JSON.
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Show one of them.
    Show {
        /// Its id.
        id: Uuid,
        /// Text for people, or JSON.
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Put one back where it lay, with its owner and permissions, and allow its content from now on.
    Restore {
        /// Its id.
        id: Uuid,
    },
    /// Remove one for good.
    Delete {
        /// Its id.
        id: Uuid,
    },
}

/// Scans; fails if malware was found, or not everything could be looked at.
pub(super) fn scan(dirs: &Dirs, arguments: Scan) -> anyhow::Result<ExitCode> {
    let Scan { paths, output } = arguments;
    let paths = paths
        .into_iter()
        .map(|path| {
            std::path::absolute(&path).with_context(|| format!("{} has no whole path", path.display()))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let reply = desk::ask(&dirs.run_dir, &Request::Scan { paths })?;
    let summary = match (reply.summary, reply.error) {
        (Some(summary), _) => summary,
        (None, error) => anyhow::bail!(error.unwrap_or_else(|| "the agent did not scan".to_owned())),
    };
    say(&match output {
        Output::Json => serde_json::to_string_pretty(&summary)?,
        Output::Table => told(&summary),
    })?;
    let fine = summary.infected == 0 && !summary.interrupted;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lists, shows, restores, deletes.
pub(super) fn quarantine(dirs: &Dirs, order: Kept) -> anyhow::Result<ExitCode> {
    let quarantine = Quarantine::in_dir(&dirs.state_dir);
    match order {
        Kept::List { output: Output::Json } => say(&serde_json::to_string_pretty(&quarantine.list()?)?),
        Kept::List { output: Output::Table } => {
            let entries = quarantine.list()?;
            if entries.is_empty() {
                return say("The quarantine is empty.");
            }
            let lines: Vec<String> = entries.iter().map(line).collect();
            say(&lines.join("\n"))
        }
        Kept::Show { id, output: Output::Json } => say(&serde_json::to_string_pretty(&quarantine.show(id)?)?),
        Kept::Show { id, output: Output::Table } => say(shown(&quarantine.show(id)?).trim_end()),
        Kept::Restore { id } => {
            let entry =
                desk::restore(&dirs.run_dir, &quarantine, id).map_err(|words| anyhow::anyhow!(words))?;
            say(&format!(
                "{} is back. Files with the same content are allowed on this computer from now on.",
                entry.path.display()
            ))
        }
        Kept::Delete { id } => {
            quarantine.delete(id)?;
            say("Removed for good.")
        }
    }
}

fn told(summary: &Summary) -> String {
    let Summary { files, infected, partial, failed, found, interrupted } = summary;
    let mut out = String::new();
    for scanned in found {
        let _infallible = writeln!(out, "{}: {}", printable(&scanned.path), scanned.signature);
    }
    let _infallible = write!(
        out,
        "{files} files looked at, {infected} infected, {partial} looked at in part, {failed} not readable"
    );
    if *interrupted {
        out.push_str("; broken off before the end");
    }
    out
}

fn line(entry: &Entry) -> String {
    format!("{}  {:>10}  {}  {}", entry.id, entry.size, entry.signature, printable(&entry.path))
}

fn shown(entry: &Entry) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(out, "{name:<10} {value}");
    };
    line("Id", &entry.id.to_string());
    line("Path", &printable(&entry.path));
    line("Found", &entry.signature);
    line("SHA-256", &entry.sha256);
    line("Bytes", &entry.size.to_string());
    line("Owner", &format!("{}:{}, mode {:04o}", entry.uid, entry.gid, entry.mode));
    if entry.other_links > 0 {
        line("Beware", &format!("{} further names of the same file were not removed", entry.other_links));
    }
    out
}

/// A path on a terminal: names are the attacker's, and may hold anything.
fn printable(path: &std::path::Path) -> String {
    path.to_string_lossy().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_write_to_the_terminal() {
        assert_eq!(printable(std::path::Path::new("/a\x1b[2J\n/b")), "/a\u{fffd}[2J\u{fffd}/b");
    }
}
