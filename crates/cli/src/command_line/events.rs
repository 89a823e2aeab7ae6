//! Events, and rules that tag them.
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// By what events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountBy {
    Severity,
    Module,
    Computer,
    Rule,
    Source,
}

/// In which order events are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventSort {
    /// The newest first.
    Received,
    /// Severity times the computer's worth, the highest first.
    Rank,
}

impl From<EventSort> for sakimori_api::SortEventsBy {
    fn from(sort: EventSort) -> Self {
        match sort {
            EventSort::Received => Self::Received,
            EventSort::Rank => Self::Rank,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    Csv,
    Jsonl,
}

/// Which events are written to a file, and how.
#[derive(Debug, Args)]
pub(crate) struct Exported {
    /// Form of the file.
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: ExportFormat,
    /// Only events that this filter finds.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Only at or after this time (RFC 3339).
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Only before this time (RFC 3339).
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// In which order.
    #[arg(long, value_enum, default_value = "received")]
    pub(crate) sort: EventSort,
    /// At most so many, the first in this order.
    #[arg(long)]
    pub(crate) limit: Option<u32>,
}

impl From<ExportFormat> for sakimori_api::ExportFormat {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => Self::Csv,
            ExportFormat::Jsonl => Self::Jsonl,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Newest first, or those first that matter most.
    List {
        /// Only of this computer, by id or name.
        #[arg(long)]
        computer: Option<String>,
        /// Only of this module.
        #[arg(long)]
        module: Option<String>,
        /// Only of this severity.
        #[arg(long)]
        severity: Option<String>,
        /// Only with this action: detected, blocked, noted.
        #[arg(long)]
        action: Option<String>,
        /// Only those that contain this: an address, a CVE, an incident id.
        #[arg(long)]
        query: Option<String>,
        /// Only those that this finds, in the filter language: 'rank >= 5000 AND tag = review'.
        #[arg(long, conflicts_with = "follow")]
        filter: Option<String>,
        /// Not before this time (RFC 3339).
        #[arg(long)]
        from: Option<String>,
        /// Before this time (RFC 3339).
        #[arg(long)]
        to: Option<String>,
        /// In which order.
        #[arg(long, value_enum, default_value = "received")]
        sort: EventSort,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Go on showing what happens, until interrupted.
        #[arg(long, conflicts_with = "sort")]
        follow: bool,
    },
    /// One event with everything known of it.
    Show {
        /// Id.
        event: uuid::Uuid,
    },
    /// How many there were, by time.
    Count {
        /// Split by this.
        #[arg(long, value_enum)]
        by: Option<CountBy>,
        /// Length of an interval: 15m, 1h, 1d.
        #[arg(long, default_value = "1h")]
        interval: String,
        /// Only those that this finds, in the filter language.
        #[arg(long)]
        filter: Option<String>,
        /// Not before this time (RFC 3339); a day ago where absent.
        #[arg(long)]
        from: Option<String>,
        /// Before this time (RFC 3339).
        #[arg(long)]
        to: Option<String>,
    },
    /// Write them to a file; 'sakimori operations start event-export' does so for very many.
    Export {
        /// The file.
        output_file: PathBuf,
        #[command(flatten)]
        wanted: Exported,
    },
    /// Give an event tags, or take tags away.
    Tag {
        /// Id.
        event: uuid::Uuid,
        /// Tags.
        tags: Vec<String>,
        /// Take this tag away; several times.
        #[arg(long)]
        remove: Vec<String>,
    },
    /// Write about an event.
    Comment {
        /// Id.
        event: uuid::Uuid,
        /// The text.
        text: String,
    },
    /// What was written about an event.
    Comments {
        /// Id.
        event: uuid::Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AutoTags {
    /// All rules.
    List,
    /// Make a rule: events that arrive from now on and that it finds get the tag.
    Create {
        /// Name.
        name: String,
        /// Which events, in the filter language: 'severity >= high AND module = firewall'.
        filter: String,
        /// The tag.
        tag: String,
    },
    /// Change a rule; events that have arrived keep their tags.
    Edit {
        /// Id or name.
        rule: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// New filter.
        #[arg(long)]
        filter: Option<String>,
        /// New tag.
        #[arg(long)]
        tag: Option<String>,
        /// Whether it is in force.
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Delete a rule.
    Delete {
        /// Id or name.
        rule: String,
    },
}
