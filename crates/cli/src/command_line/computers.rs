//! Computers.
use super::policies::Settings;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    Online,
    Offline,
    Degraded,
    Clone,
    Pending,
    Suspended,
    Unmanaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComputerSort {
    Activated,
    Name,
    LastSeen,
    AssetValue,
}

/// Which computers are listed.
#[derive(Debug, Args)]
pub(crate) struct ComputersWanted {
    /// Only those of this status.
    #[arg(long)]
    pub(crate) status: Option<Status>,
    /// Only those whose name or address contains this.
    #[arg(long)]
    pub(crate) query: Option<String>,
    /// Only those in this group or one below it, by id or name.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Only those with this tag: KEY or KEY=VALUE.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only those with this policy, by id or name.
    #[arg(long)]
    pub(crate) policy: Option<String>,
    /// Only those whose operating system contains this.
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Only those that this filter finds: 'status = offline AND tags.role = web AND lastSeen < -1d'.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Only those of this smart folder, by id or name.
    #[arg(long)]
    pub(crate) search: Option<String>,
    /// In this order.
    #[arg(long)]
    pub(crate) sort: Option<ComputerSort>,
    /// The other way round.
    #[arg(long)]
    pub(crate) descending: bool,
}

/// By what computers are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountBy {
    #[default]
    Status,
    Policy,
    Group,
    Platform,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Computers {
    /// All computers.
    List(ComputersWanted),
    /// One computer with its modules and ports.
    Show {
        /// Id or name.
        computer: String,
    },
    /// Assign a policy.
    AssignPolicy {
        /// Id or name.
        computer: String,
        /// Policy, by id or name.
        policy: String,
        /// Only say what it would enforce differently.
        #[arg(long)]
        dry_run: bool,
    },
    /// How many there are.
    Count {
        /// By what.
        #[arg(long, default_value = "status", conflicts_with = "tag_key")]
        by: CountBy,
        /// By the values of the tag with this key.
        #[arg(long)]
        tag_key: Option<String>,
        #[command(flatten)]
        wanted: ComputersWanted,
    },
    /// The settings of one computer, and with --set what is set on it above its policy.
    Settings {
        /// Id or name.
        computer: String,
        #[command(flatten)]
        settings: Settings,
        /// Only say what it would enforce differently.
        #[arg(long)]
        dry_run: bool,
    },
    /// Give a computer tags, or take tags away.
    Tag {
        /// Id or name.
        computer: String,
        /// KEY or KEY=VALUE, several times.
        tags: Vec<String>,
        /// Take the tag KEY away; several times.
        #[arg(long)]
        remove: Vec<String>,
    },
    /// Move a computer into a group.
    Move {
        /// Id or name.
        computer: String,
        /// Group, by id or name; 'none' takes it out of its group.
        group: String,
    },
    /// Name a computer, or say what it is worth and whether it comes and goes.
    Edit {
        /// Id or name.
        computer: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// What it is worth, 1 to 100.
        #[arg(long)]
        asset_value: Option<u32>,
        /// Whether it comes and goes.
        #[arg(long)]
        ephemeral: Option<bool>,
    },
    /// What of a computer is protected, and why the rest is not.
    Coverage {
        /// Id or name.
        computer: String,
    },
    /// Take a computer's identity away; what is known of it stays.
    Deactivate {
        /// Id or name.
        computer: String,
    },
    /// Give a computer its identity back.
    Reactivate {
        /// Id or name.
        computer: String,
    },
    /// What is installed and runs on a computer.
    Inventory {
        /// Id or name.
        computer: String,
        /// Packages of the distribution as well.
        #[arg(long)]
        packages: bool,
        /// Programs that run as well.
        #[arg(long)]
        processes: bool,
    },
    /// Which rules a computer needs, and why.
    Recommendations {
        /// Id or name.
        computer: String,
    },
    /// Have a computer look anew at what is installed.
    Scan {
        /// Id or name.
        computer: String,
    },
    /// Forget a computer; its agent is no longer let in.
    Delete {
        /// Id or name.
        computer: String,
    },
}
