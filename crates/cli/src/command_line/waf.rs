//! `sakimori waf`.
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Waf {
    /// Rule sets.
    #[command(subcommand)]
    Rules(Rules),
    /// Exclude what rules found in an event: each rule leaves out the variable in which it found something, on the event's path.
    Exclude(Exclude),
    /// What would rules say of recorded requests? Exit code 1 where one would be blocked.
    Check(Check),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// The rule sets, the newest first.
    List,
    /// Import a rule set: release archives, files of rules and lists, folders with such.
    Import {
        /// Archives (.tar.gz, .tgz, .tar, .zip), files (.conf, .data) or folders.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The name by which policies will call it; else one is made of its version.
        #[arg(long)]
        name: Option<String>,
    },
    /// Delete a rule set that no policy uses.
    Delete {
        /// Name or id.
        rule_set: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Exclude {
    /// The event's id.
    pub(crate) event: uuid::Uuid,
    /// Only for this rule.
    #[arg(long)]
    pub(crate) rule: Option<u64>,
    /// The policy that gets the exclusions; else the one of the event's computer.
    #[arg(long)]
    pub(crate) policy: Option<String>,
    /// Only show them and their effect on the last day's events.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Requests as they go over the wire, one file for each or several in one file.
    #[arg(required = true)]
    pub(crate) requests: Vec<PathBuf>,
    /// The rule set: archives, files or folders.
    #[arg(long, required = true)]
    pub(crate) rules: Vec<PathBuf>,
    /// Settings of the module as a JSON file: {"paranoiaLevel": 2}.
    #[arg(long)]
    pub(crate) settings: Option<PathBuf>,
}
