//! The command line of the manager's API: `sakimori`.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong command line; 3 not found; 4 not logged in or not allowed;
//! 5 the manager cannot be reached.
#![forbid(unsafe_code)]

mod client;
mod command_line;
mod commands;
mod problem;
mod profile;
mod table;

use clap::Parser as _;
use command_line::CommandLine;
use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::execute(line)),
        Err(error) => Err(problem::Failure::Other(error.into())),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            // Nothing is left to be done if even that cannot be said.
            let _unsaid = writeln!(io::stderr(), "sakimori: {}", table::harmless(&failure.to_string()));
            ExitCode::from(failure.exit_code())
        }
    }
}
