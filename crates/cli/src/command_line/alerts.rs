//! Alerts, and where alerts and events are sent.
use clap::{Args, Subcommand, ValueEnum};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AlertState {
    Open,
    Acknowledged,
    Dismissed,
    Resolved,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<AlertState>,
        /// Only about this computer, by id or name.
        #[arg(long)]
        computer: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One alert with what to do about it.
    Show {
        /// Id.
        alert: uuid::Uuid,
    },
    /// Say that somebody looks at it.
    Acknowledge(AlertNote),
    /// Say that it needs nothing (more).
    Dismiss(AlertNote),
    /// Open it again.
    Reopen(AlertNote),
    /// How many wait for somebody.
    Summary,
    /// Under which conditions alerts are raised.
    #[command(subcommand)]
    Conditions(AlertConditions),
}

#[derive(Debug, Args)]
pub(crate) struct AlertNote {
    /// Id.
    pub(crate) alert: uuid::Uuid,
    /// What there is to say.
    #[arg(long)]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertConditions {
    /// The product's, then one's own.
    List,
    /// Make one: so many events that a filter finds, within so long a time.
    Create {
        /// Name.
        name: String,
        /// Which events count: 'severity >= high AND module = intrusion-prevention'.
        #[arg(long)]
        filter: String,
        /// So many events.
        #[arg(long, default_value_t = 1)]
        threshold: u32,
        /// Within so many seconds.
        #[arg(long, default_value_t = 300)]
        window: u32,
        /// Count the events of all computers together.
        #[arg(long)]
        all_together: bool,
        /// Severity of its alerts.
        #[arg(long, default_value = "medium")]
        severity: String,
    },
    /// Change one.
    Edit {
        /// Id: the word of one of the product's, or that of one's own.
        condition: String,
        /// In force or not.
        #[arg(long)]
        enabled: Option<bool>,
        /// New severity.
        #[arg(long)]
        severity: Option<String>,
        /// New threshold.
        #[arg(long)]
        threshold: Option<u32>,
        /// New filter.
        #[arg(long)]
        filter: Option<String>,
    },
    /// Delete one of one's own; one of the product's is as it came again.
    Delete {
        /// Id.
        condition: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channels {
    /// All channels with how far they are.
    List,
    /// One channel.
    Show {
        /// Id or name.
        channel: String,
    },
    /// Make a channel.
    Create {
        /// Name.
        name: String,
        /// Where, and how, as JSON: {"kind":"syslog","server":"siem","port":6514,"transport":"tls","format":"cef"};
        /// the kinds email, webhook and otlp are in docs/delivery.md.
        #[arg(long)]
        target: String,
        /// Alerts of this severity and graver.
        #[arg(long)]
        alerts: Option<String>,
        /// Events that this filter finds.
        #[arg(long)]
        events: Option<String>,
        /// Take the secrets from standard input, as JSON: {"password":"...","signingKey":"...","headers":{"Authorization":"..."}}.
        #[arg(long)]
        secrets_stdin: bool,
    },
    /// Change a channel.
    Edit {
        /// Id or name.
        channel: String,
        /// New target, as JSON; secrets do not go along to it.
        #[arg(long)]
        target: Option<String>,
        /// Alerts of this severity and graver; 'none' for none.
        #[arg(long)]
        alerts: Option<String>,
        /// Events that this filter finds; 'none' for none.
        #[arg(long)]
        events: Option<String>,
        /// Whether it sends.
        #[arg(long)]
        enabled: Option<bool>,
        /// Take new secrets from standard input, as JSON.
        #[arg(long)]
        secrets_stdin: bool,
    },
    /// Send a test at once.
    Test {
        /// Id or name.
        channel: String,
    },
    /// Delete a channel.
    Delete {
        /// Id or name.
        channel: String,
    },
}
