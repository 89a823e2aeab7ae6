//! Groups, event-based tasks, what is protected.
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Groups {
    /// All groups, those below under those above.
    List,
    /// Make a group.
    Create {
        /// Name.
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// The group that it is in, by id or name.
        #[arg(long)]
        parent: Option<String>,
    },
    /// Change or move a group.
    Edit {
        /// Id or name.
        group: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// New description.
        #[arg(long)]
        description: Option<String>,
        /// The group to move it into, by id or name; 'none' puts it at the top.
        #[arg(long)]
        parent: Option<String>,
    },
    /// Delete a group that holds nothing.
    Delete {
        /// Id or name.
        group: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// All event-based tasks, in the order in which they are asked.
    List,
    /// One task, as JSON.
    Show {
        /// Id or name.
        task: String,
    },
    /// Make a task, or change the one of that name, from a file of JSON: name, triggers, conditions, actions.
    Apply {
        /// The file; '-' is standard input.
        #[arg(short, long)]
        file: PathBuf,
    },
    /// Take a task out of force.
    Disable {
        /// Id or name.
        task: String,
    },
    /// Put a task in force.
    Enable {
        /// Id or name.
        task: String,
    },
    /// Delete a task; what it did stays.
    Delete {
        /// Id or name.
        task: String,
    },
    /// Which tasks would fit, and why. Nothing is done.
    Test {
        /// A computer that is there, by id or name.
        #[arg(long)]
        computer: Option<String>,
        /// As if this had happened.
        #[arg(long, default_value = "activated")]
        trigger: Trigger,
        /// What is different, or said of a computer that is not there, as JSON: {"hostName": "web-1"}.
        #[arg(long)]
        facts: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trigger {
    Activated,
    Returned,
    AddressChanged,
    CloudChanged,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Fleet {
    /// What is protected on how many computers, and why the rest is not.
    Coverage,
    /// What becomes of ephemeral computers that have gone.
    Settings,
    /// Change what becomes of them.
    Set(FleetSet),
    /// Take the brake on mass loss off.
    ReleaseBrake,
}

#[derive(Debug, Args)]
pub(crate) struct FleetSet {
    /// Seconds without contact until an ephemeral computer is suspended.
    #[arg(long)]
    pub(crate) suspend_after: Option<u64>,
    /// Seconds until a suspended computer is cleaned up.
    #[arg(long)]
    pub(crate) clean_up_after: Option<u64>,
    /// The brake: more than this share of the fleet…
    #[arg(long)]
    pub(crate) brake_percent: Option<u32>,
    /// … and at least so many computers…
    #[arg(long)]
    pub(crate) brake_count: Option<u32>,
    /// … within so many seconds.
    #[arg(long)]
    pub(crate) brake_window: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Searches {
    /// Your saved searches and those that others share; those of computers are smart folders.
    List,
    /// Keep a search.
    Create {
        /// Name.
        name: String,
        /// The filter: 'status = offline AND tags.role = web'.
        filter: String,
        /// Of computers instead of events: a smart folder.
        #[arg(long)]
        computers: bool,
        /// Others see it.
        #[arg(long)]
        shared: bool,
    },
    /// Forget a search.
    Delete {
        /// Id or name.
        search: String,
    },
}
