//! A fleet of simulated agents, and what measures the manager with it.
//!
//! Agents speak the real protocol over real TLS with keys and certificates of their own: activation on the public
//! listener, check-ins, bundles with their parts, events and good-byes on the gateway. The manager is its own program
//! beside this one, so that memory and processor time are its own.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a simulator measures real time and starts a real program")]
#![expect(clippy::print_stdout, reason = "benchmarks and drills report on the terminal")]

mod agent;
mod autoscale;
mod bench;
mod fleet;
mod link;
mod manager;
mod outage;
mod stream;
mod volume;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sakimori_model::Timestamp;
use sakimori_testkit::Programs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(name = "sakimori-simulator")]
struct Arguments {
    /// The manager's program; the one beside this program where absent.
    #[arg(long, global = true)]
    manager: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the manager does for a fleet, and what it takes.
    Bench(bench::Wish),
    /// Instances come up, are recognised, and go without leaving anything.
    Autoscale(autoscale::Wish),
    /// The manager is killed under ingest and its database goes away: nothing is lost or doubled.
    Outage(outage::Wish),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<bool> {
    raise_files()?;
    let program = match arguments.manager {
        Some(program) => program,
        None => Programs::find()?.manager(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let work = async {
            match arguments.command {
                Command::Bench(wish) => bench::manager(&program, &wish).await,
                Command::Autoscale(wish) => autoscale::autoscale(&program, &wish).await,
                Command::Outage(wish) => outage::outage(&program, &wish).await,
            }
        };
        let mut terminate = signal(SignalKind::terminate())?;
        // What was started ends with what it belongs to.
        tokio::select! {
            done = work => done,
            _ = terminate.recv() => anyhow::bail!("told to end"),
            _ = ctrl_c() => anyhow::bail!("told to end"),
        }
    })
}

/// Each agent is a connection.
fn raise_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).context("the number of open files")
}

/// Now, by the clock on the wall.
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
