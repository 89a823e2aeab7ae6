//! The command line of `sakimori-agent`.
mod files;
mod firewall;

use crate::activation::{self, Outcome, Request};
use crate::bundle::EnforcedFile;
use crate::connection::explain;
use crate::identity::IdentityFiles;
use crate::inventory;
use crate::logs;
use crate::network;
use crate::scanner;
use crate::service::ServiceManager;
use crate::spool::{Spool, SpoolLimits};
use crate::status::{self, AskError, Order, Report};
use crate::supervisor::{self, End, World};
use crate::upgrade::apply;
use crate::upgrade::package::PROGRAM;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use sakimori_modules::recommendation::Recommendation;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The agent that protects this computer.
#[derive(Debug, Parser)]
#[command(name = "sakimori-agent", version, about)]
struct CommandLine {
    #[command(flatten)]
    dirs: Dirs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Dirs {
    /// Where identity, policy and unsent events are kept.
    #[arg(long, global = true, default_value = "/var/lib/sakimori-agent", env = "SAKIMORI_AGENT_STATE_DIR")]
    state_dir: PathBuf,
    /// Where the local socket is.
    #[arg(long, global = true, default_value = "/run/sakimori-agent", env = "SAKIMORI_AGENT_RUN_DIR")]
    run_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this machine a computer of a manager.
    Activate(Activate),
    /// Protect this computer until stopped (what the service runs).
    Run,
    /// Show what is enforced and how the manager is reached.
    Status {
        /// Text for people, or JSON.
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Stop protecting and forget the manager.
    Deactivate,
    /// Let the running agent become the program that now lies at its path, without a gap in protection.
    Upgrade,
    /// Install the package that the running agent was ordered to become; started by the agent itself.
    #[command(hide = true)]
    ApplyUpgrade,
    /// Check that this program can run on this computer with the state that is on it.
    SelfCheck,
    /// Look for malware now, with the rules in force.
    Scan(files::Scan),
    /// The files with malware that were moved away.
    Quarantine {
        #[command(subcommand)]
        order: files::Kept,
    },
    /// Look at the files that integrity monitoring watches, or take them as they are.
    Integrity {
        #[command(subcommand)]
        order: IntegrityOrder,
    },
    /// Empty the firewall for a while when it locks you out, and put it back.
    Firewall {
        #[command(subcommand)]
        order: firewall::Order,
    },
    /// Show what is installed and runs on this computer, as it is reported for recommendations.
    Inventory {
        /// Folders in which web applications are looked for, instead of the usual ones.
        #[arg(long = "web-root")]
        web_roots: Vec<String>,
    },
    /// Try log rules.
    Logs {
        #[command(subcommand)]
        command: LogsCommand,
    },
    /// The sandboxed processes; started by the agent itself.
    #[command(hide = true)]
    Worker {
        #[command(subcommand)]
        role: Role,
    },
}

#[derive(Debug, Args)]
struct Activate {
    /// Address of the manager: https://HOST:PORT.
    #[arg(long)]
    manager: String,
    /// Activation token: ID.SECRET.
    #[arg(long, env = "SAKIMORI_TOKEN", hide_env_values = true)]
    token: String,
    /// Policy to ask for, by name or id.
    #[arg(long)]
    policy: Option<String>,
    /// Pin of the manager's certificate authority: sha256//BASE64.
    #[arg(long)]
    ca_pin: Option<String>,
    /// The manager's certificate authority, in a PEM file.
    #[arg(long, conflicts_with = "ca_pin")]
    ca_file: Option<PathBuf>,
    /// HTTP CONNECT proxy on the way to the manager: http://HOST:PORT. Kept for the service.
    #[arg(long)]
    proxy: Option<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum IntegrityOrder {
    /// Compare every watched file with the baseline now.
    Scan,
    /// Forget the baseline and take every watched file as it is now.
    Baseline,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum LogsCommand {
    /// Read lines from standard input and say the decoder, rule and level of each.
    Test {
        /// Files and folders of decoders and rules in the OSSEC language, in their order; our own where none are named.
        #[arg(long)]
        rules: Vec<PathBuf>,
        /// Count and match as Wazuh does, not as OSSEC.
        #[arg(long)]
        wazuh: bool,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Role {
    /// Judges log lines.
    Logs,
    /// Judges packets.
    Network,
    /// Looks into files.
    Scanner,
    /// Looks into what says which software is installed.
    Inventory,
}

/// Runs the program; its exit code is 0 if what was asked was done, 1 if not, 2 for a wrong command line.
pub fn main() -> ExitCode {
    let line = CommandLine::parse();
    // A worker logs nothing and must not open files: it goes before everything else.
    if let Command::Worker { role } = line.command {
        return work(role);
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("SAKIMORI_LOG")
        .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info,reqwest=warn,hyper=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .init();
    match execute(line) {
        Ok(code) => code,
        Err(error) => {
            let words = explain(error.as_ref());
            // Nothing is left to be done if even that cannot be said.
            let _unsaid = writeln!(std::io::stderr(), "sakimori-agent: {words}");
            ExitCode::FAILURE
        }
    }
}

fn execute(line: CommandLine) -> anyhow::Result<ExitCode> {
    let CommandLine { dirs, command } = line;
    match command {
        Command::Activate(arguments) => activate(&dirs, arguments),
        Command::Run => run(&dirs),
        Command::Status { output } => show_status(&dirs, output),
        Command::Deactivate => deactivate(&dirs),
        Command::Upgrade => {
            order(&dirs.run_dir, &Order::Upgrade)?;
            say("The agent is becoming the new program.")
        }
        Command::SelfCheck => self_check(&dirs),
        Command::ApplyUpgrade => {
            apply::execute(&dirs.state_dir, &dirs.run_dir).map_err(|reason| anyhow::anyhow!(reason))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Scan(arguments) => files::scan(&dirs, arguments),
        Command::Quarantine { order } => files::quarantine(&dirs, order),
        Command::Integrity { order: IntegrityOrder::Scan } => {
            order(&dirs.run_dir, &Order::IntegrityScan)?;
            say("The scan has begun; 'sakimori-agent status' shows when it has ended, events what it found.")
        }
        Command::Integrity { order: IntegrityOrder::Baseline } => {
            order(&dirs.run_dir, &Order::IntegrityBaseline)?;
            say("The baseline is built anew; changes are seen from its end on.")
        }
        Command::Firewall { order } => firewall::execute(&dirs, order),
        Command::Inventory { web_roots } => {
            let web_roots =
                if web_roots.is_empty() { Recommendation::default().web_roots } else { web_roots };
            let inventory = inventory::take(&web_roots, inventory::provider())?;
            say(&serde_json::to_string_pretty(&inventory)?)
        }
        Command::Logs { command: LogsCommand::Test { rules, wazuh } } => {
            let sound =
                logs::test_command::run(&rules, wazuh, &mut std::io::stdin().lock(), &mut std::io::stdout())?;
            Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Worker { role } => Ok(work(role)),
    }
}

fn work(role: Role) -> ExitCode {
    match role {
        Role::Logs => logs::worker::run(),
        Role::Network => network::worker::run(),
        Role::Scanner => scanner::worker::run(),
        Role::Inventory => inventory::worker::run(),
    }
}

fn say(line: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "{line}").context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime cannot be made")
}

fn activate(dirs: &Dirs, arguments: Activate) -> anyhow::Result<ExitCode> {
    let Activate { manager, token, policy, ca_pin, ca_file, proxy } = arguments;
    let request = Request { manager, token, policy, ca_pin, ca_file, proxy };
    let outcome = runtime()?.block_on(activation::activate(&dirs.state_dir, &request))?;
    match order(&dirs.run_dir, &Order::Reload) {
        Ok(()) => tracing::debug!("the running agent knows"),
        Err(error) => tracing::debug!("no agent runs yet: {}", explain(error.as_ref())),
    }
    match outcome {
        Outcome::Activated(computer) => say(&format!("Activated as computer {computer}.")),
        Outcome::Already(computer) => {
            say(&format!("Already activated with this manager as computer {computer}; nothing changed."))
        }
    }
}

fn deactivate(dirs: &Dirs) -> anyhow::Result<ExitCode> {
    match order(&dirs.run_dir, &Order::Deactivate) {
        Ok(()) => (),
        Err(error)
            if error
                .downcast_ref::<AskError>()
                .is_some_and(|ask| matches!(ask, AskError::NotRunning { .. })) =>
        {
            IdentityFiles::in_dir(&dirs.state_dir).remove()?;
            EnforcedFile::in_dir(&dirs.state_dir).remove()?;
            let spool = dirs.state_dir.join("spool");
            if spool.exists() {
                Spool::open(&spool, SpoolLimits::default())?.discard()?;
            }
        }
        Err(error) => return Err(error),
    }
    say("Deactivated. Delete the computer in the manager as well.")
}

fn order(run_dir: &Path, order: &Order) -> anyhow::Result<()> {
    let done: status::Done = serde_json::from_str(&status::ask(run_dir, order)?)?;
    match done.error {
        Some(error) => Err(anyhow::anyhow!(error)),
        None => Ok(()),
    }
}

fn show_status(dirs: &Dirs, output: Output) -> anyhow::Result<ExitCode> {
    let text = status::ask(&dirs.run_dir, &Order::Status)?;
    let report: Report = serde_json::from_str(&text).map_err(AskError::Malformed)?;
    match output {
        Output::Table => say(report.to_text().trim_end()),
        Output::Json => say(&serde_json::to_string_pretty(&report)?),
    }
}

/// What an upgrade asks the new program before it is trusted with the computer.
fn self_check(dirs: &Dirs) -> anyhow::Result<ExitCode> {
    let identity = IdentityFiles::in_dir(&dirs.state_dir).load()?;
    if let Some(keyed) = &identity {
        keyed.validity()?;
        keyed.client_identity()?;
        EnforcedFile::in_dir(&dirs.state_dir).load(&keyed.identity.bundle_key)?;
    }
    say(&format!("sakimori-agent {} is able to run here.", env!("CARGO_PKG_VERSION")))
}

fn run(dirs: &Dirs) -> anyhow::Result<ExitCode> {
    let service = ServiceManager::from_environment();
    let mut world = World {
        state_dir: dirs.state_dir.clone(),
        run_dir: dirs.run_dir.clone(),
        parts: crate::parts::all(),
        handed_over: |variable| std::env::var_os(variable),
        sockets: crate::coverage::listening_sockets,
        service: service.clone(),
    };
    let control = supervisor::prepare(&mut world)?;
    loop {
        let runtime = runtime()?;
        let end = runtime.block_on(supervisor::run(Arc::clone(&control), &world))?;
        // Loops that still compile or write finish within this; nothing durable depends on them.
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        match end {
            End::Stop => break,
            End::Upgrade => match upgrade(&control, dirs) {
                Ok(never) => match never {},
                Err(error) => tracing::error!("the upgrade did not happen, this program goes on: {error:#}"),
            },
        }
    }
    service.stopping();
    control.stop();
    Ok(ExitCode::SUCCESS)
}

/// Becomes the program that lies at this program's path now.
fn upgrade(control: &crate::control::Control, dirs: &Dirs) -> anyhow::Result<std::convert::Infallible> {
    let path = own_path()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the agent's own program, asked whether it can run, then become"
    )]
    let command = || std::process::Command::new(&path);
    let dir_arguments = |command: &mut std::process::Command| {
        command.arg("--state-dir").arg(&dirs.state_dir).arg("--run-dir").arg(&dirs.run_dir);
    };
    let mut check = command();
    dir_arguments(check.arg("self-check"));
    let checked = check.output().with_context(|| format!("{} does not start", path.display()))?;
    anyhow::ensure!(
        checked.status.success(),
        "{} cannot run here: {}",
        path.display(),
        String::from_utf8_lossy(&checked.stderr)
    );

    let handed_over = control.hand_over().map_err(|reason| anyhow::anyhow!(reason))?;
    let mut become_it = command();
    dir_arguments(become_it.arg("run"));
    become_it.envs(handed_over.iter().map(|(variable, value)| (variable, value)));
    let failed = become_it.exec();
    control.resume(|variable| handed_over.iter().find(|(name, _)| name == variable).map(|(_, v)| v.clone()));
    control.enforce_last();
    Err(failed).with_context(|| format!("{} does not start", path.display()))
}

/// Where this program lies; a package that was replaced under it shows as deleted.
pub(crate) fn own_path() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe().context("the program's path is unknown")?;
    Ok(match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        // A version that lay elsewhere leaves nothing there.
        Some(text) if Path::new(text).exists() => PathBuf::from(text),
        Some(_) => PathBuf::from(PROGRAM),
        None => path,
    })
}
