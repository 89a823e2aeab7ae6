//! The manager of the fleet: see the library of the same name.
#![forbid(unsafe_code)]

mod config;

use anyhow::Context as _;
use clap::Parser as _;
use config::{BackupFlags, Cli, Command, LogFormat, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sakimori_manager::{Manager, backup};
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done about a standard error that cannot be written to.
            let _lost = writeln!(std::io::stderr(), "sakimori-manager: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Openapi => Ok(std::io::stdout().write_all(sakimori_manager::openapi_json()?.as_bytes())?),
        Command::Backup(asked) => {
            let BackupFlags { flags, file } = *asked;
            let options = flags.settle()?.options;
            let (database, clock) = (options.database(), options.clock.clone());
            block_on(async move { Ok(backup::backup(&options.data_dir, &database, &file, &clock).await?) })
        }
        Command::Restore(asked) => {
            let BackupFlags { flags, file } = *asked;
            let options = flags.settle()?.options;
            let database = options.database();
            block_on(async move { Ok(backup::restore(&options.data_dir, &database, &file).await?) })
        }
        Command::Run(flags) => {
            let settings = flags.settle()?;
            log_to_stderr(&settings)?;
            raise_open_files();
            block_on(run(settings))
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Each agent is a connection: as many files are open as the system lets this program have.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files stays as it is, and with it that of agents");
    }
}

fn log_to_stderr(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log).context("the log filter is not valid")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    // Before the first port is open, so that no signal finds nobody listening for it.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let manager = Manager::start(settings.options).await?;
    if let Some(first) = manager.first_start() {
        let mut out = std::io::stdout().lock();
        writeln!(out, "Console: {}", manager.console_url())?;
        writeln!(out, "User: {}", first.user)?;
        writeln!(out, "Password: {}", first.password)?;
        writeln!(out, "Public key pin: {}", manager.tls_pin())?;
        out.flush()?;
    }
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing what was begun"),
        _ = interrupt.recv() => tracing::info!("Ctrl-C: finishing what was begun"),
    }
    manager.stop().await;
    Ok(())
}
