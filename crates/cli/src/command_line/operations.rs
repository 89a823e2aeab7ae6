//! What takes the manager longer than a request.
use super::events::Exported;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Operations {
    /// Newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// How far one is.
    Show {
        /// Id.
        operation: uuid::Uuid,
    },
    /// Begin one.
    Start {
        /// Wait until it has ended.
        #[arg(long)]
        wait: bool,
        /// Wait, then write its result to this file.
        #[arg(long)]
        output_file: Option<PathBuf>,
        /// What.
        #[command(subcommand)]
        work: Work,
    },
    /// Write the result of one that has ended to a file.
    Fetch {
        /// Id.
        operation: uuid::Uuid,
        /// The file.
        #[arg(long)]
        output_file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Work {
    /// Write events to a file.
    EventExport(Exported),
    /// Write everything that the manager keeps to a file beside its data.
    Backup,
    /// Ask all computers what is installed on them.
    RecommendationScan,
}
