//! Agent packages, and their roll-out in rings.
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Packages {
    /// The packages that the manager has, and why one is refused.
    List,
    /// Bring a package to the manager, with its signature.
    Upload {
        /// The package: sakimori-agent_VERSION_ARCHITECTURE.deb.
        file: PathBuf,
        /// Its signature; beside it, as FILE.sig, where absent.
        #[arg(long)]
        signature: Option<PathBuf>,
    },
    /// Remove a package from the manager.
    Delete {
        /// Its SHA-256, or its file name.
        package: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Upgrades {
    /// All roll-outs, newest first.
    List,
    /// One roll-out with its rings.
    Show {
        /// Id or name.
        upgrade: String,
    },
    /// How far each computer is.
    Computers {
        /// Id or name.
        upgrade: String,
        /// Only computers of this ring, from 1.
        #[arg(long)]
        ring: Option<u32>,
    },
    /// Begin a roll-out with the computers that fit now.
    Create(Box<Create>),
    /// Tell nobody new until it is resumed.
    Pause {
        /// Id or name.
        upgrade: String,
    },
    /// Go on with one that was paused.
    Resume {
        /// Id or name.
        upgrade: String,
    },
    /// End a roll-out where it is.
    Abort {
        /// Id or name.
        upgrade: String,
    },
    /// Let computers go back to the version before.
    RollBack {
        /// Id or name.
        upgrade: String,
        /// Those of every ring, not only of the one that is at work.
        #[arg(long)]
        all: bool,
    },
    /// Delete a roll-out that has ended.
    Delete {
        /// Id or name.
        upgrade: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name.
    pub(crate) name: String,
    /// The version.
    #[arg(long)]
    pub(crate) version: String,
    /// Only computers with this policy, by id or name.
    #[arg(long)]
    pub(crate) policy: Option<String>,
    /// Only computers of this group and of those below it, by id or name.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Only computers of this smart folder, by id or name.
    #[arg(long)]
    pub(crate) search: Option<String>,
    /// Only computers that this filter finds.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// A ring; repeated in their order: 10% (with those before), tag:KEY=VALUE, or group:NAME [default: 1% 10% 100%].
    #[arg(long = "ring")]
    pub(crate) rings: Vec<String>,
    /// Seconds in which the new version has to become healthy on a computer.
    #[arg(long, default_value_t = 600)]
    pub(crate) healthy_within: u32,
    /// Seconds for which a ring is watched before the next one begins.
    #[arg(long, default_value_t = 3_600)]
    pub(crate) wait: u32,
    /// Seconds for which a computer that is not in contact is waited for.
    #[arg(long, default_value_t = 86_400)]
    pub(crate) reach_within: u32,
    /// It halts when more than this share of a ring fails, in percent.
    #[arg(long, default_value_t = 10)]
    pub(crate) halt_above: u32,
    /// Computers at it at once.
    #[arg(long, default_value_t = 50)]
    pub(crate) at_once: u32,
    /// A ring that was halted goes back by itself.
    #[arg(long)]
    pub(crate) roll_back_on_halt: bool,
    /// When the maintenance window opens: five fields of cron.
    #[arg(long, requires = "window_secs")]
    pub(crate) window: Option<String>,
    /// In which zone, as Asia/Tokyo.
    #[arg(long, default_value = "UTC")]
    pub(crate) time_zone: String,
    /// Seconds for which it stays open.
    #[arg(long, requires = "window")]
    pub(crate) window_secs: Option<u32>,
}
