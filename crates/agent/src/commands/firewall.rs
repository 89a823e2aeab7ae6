//! `sakimori-agent firewall`: the way out for who is locked out, from the computer's own console.
use super::{Dirs, say};
use crate::firewall::release::{self, Wish};
use crate::status::{self, AskError, Done};
use clap::Subcommand;
use sakimori_kernel::nftables::Table;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

/// How long the agent may take: it may be compiling rules. Then the kernel is told without it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What to do with the firewall.
#[derive(Debug, Subcommand)]
pub(super) enum Order {
    /// Let everything pass for a while; all other protection stays. Recorded as an event.
    Release {
        /// For how long: 90s, 30m, 2h; at most 24h.
        #[arg(long = "for", default_value = "1h", value_parser = release::time)]
        time: Duration,
        /// Why, for whoever reads the event.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Put the policy's firewall in force again.
    Restore,
    /// Try again the change of the firewall that was taken back.
    Retry,
    /// Show the sources that are kept out because they looked for ways in, and for how long still.
    Blocked,
    /// Let such a source in again. Recorded as an event.
    Unblock {
        /// Its address, or an IPv6 network as it is shown.
        #[arg(value_parser = source)]
        source: IpAddr,
    },
}

/// Of an IPv6 network its first address stands for all of it.
fn source(text: &str) -> Result<IpAddr, String> {
    let address = text.strip_suffix("/64").unwrap_or(text).parse();
    address.map_err(|_not_one| format!("'{text}' is no address: write one as 203.0.113.9 or 2001:db8::/64"))
}

pub(super) fn execute(dirs: &Dirs, order: Order) -> anyhow::Result<ExitCode> {
    match order {
        Order::Release { time, reason } => release(dirs, time, &reason),
        Order::Restore => match ask(dirs, &status::Order::FirewallRestore) {
            Ok(()) => say("The policy's firewall is in force again."),
            Err(Failed::NotRunning(_)) => {
                release::restore_without_agent(&dirs.state_dir).map_err(anyhow::Error::msg)?;
                say("The release is over: the policy's firewall is in force as soon as the agent runs.")
            }
            Err(failed) => Err(failed.into()),
        },
        Order::Blocked => blocked(),
        Order::Unblock { source } => match ask(dirs, &status::Order::FirewallLetIn { source }) {
            Ok(()) => say(&format!("{source} is let in again.")),
            // The kernel keeps it out by itself.
            Err(Failed::NotRunning(_)) => {
                let was = table()?.unblock(source).map_err(anyhow::Error::new)?;
                anyhow::ensure!(was, "{source} is not blocked");
                say(&format!("The agent does not run. {source} is let in again."))
            }
            Err(failed) => Err(failed.into()),
        },
        Order::Retry => {
            ask(dirs, &status::Order::FirewallRetry)?;
            say("The change is in force on trial; 'sakimori-agent status' shows whether it stays.")
        }
    }
}

fn table() -> anyhow::Result<Table> {
    Table::open().map_err(anyhow::Error::new)
}

/// As the kernel has it, whether the agent runs or not.
fn blocked() -> anyhow::Result<ExitCode> {
    let all = table()?.blocked().map_err(anyhow::Error::new)?;
    if all.is_empty() {
        return say("No source is blocked.");
    }
    let lines: Vec<String> = all
        .iter()
        .map(|one| format!("{} for {} more seconds", one.source(), one.left.as_secs().max(1)))
        .collect();
    say(&lines.join("\n"))
}

fn release(dirs: &Dirs, time: Duration, reason: &str) -> anyhow::Result<ExitCode> {
    let asked = status::Order::FirewallRelease { for_secs: time.as_secs(), note: reason.to_owned() };
    let minutes = time.as_secs().div_ceil(60);
    match ask(dirs, &asked) {
        Ok(()) => say(&format!(
            "The firewall lets everything pass for {minutes} minutes; 'sakimori-agent firewall restore' ends that."
        )),
        Err(Failed::NotRunning(_)) => {
            let who = release::who(i32::try_from(std::process::id()).unwrap_or_default());
            let was = release::without_agent(&dirs.state_dir, &Wish::new(time, &who, reason))
                .map_err(anyhow::Error::msg)?;
            let did = if was { "was emptied" } else { "was not in force" };
            say(&format!(
                "The agent does not run. Its firewall {did} and stays released for {minutes} minutes, also when the agent \
                 is started; 'sakimori-agent firewall restore' ends that."
            ))
        }
        Err(failed) => {
            let was = release::empty().map_err(anyhow::Error::msg)?;
            let did = if was { "was emptied in the kernel" } else { "is not in force" };
            anyhow::bail!(
                "The agent did not release its firewall ({failed}). The firewall {did} even so, until the agent puts its \
                 next policy in force: stop the agent and run this again if it has to stay released."
            )
        }
    }
}

/// The running agent did not do it.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    NotRunning(AskError),
    #[error(transparent)]
    Asking(AskError),
    #[error("{0}")]
    Refused(String),
}

fn ask(dirs: &Dirs, order: &status::Order) -> Result<(), Failed> {
    let answer = status::ask_within(&dirs.run_dir, order, PATIENCE).map_err(|error| match error {
        AskError::NotRunning { .. } => Failed::NotRunning(error),
        error => Failed::Asking(error),
    })?;
    let done: Done =
        serde_json::from_str(&answer).map_err(|error| Failed::Asking(AskError::Malformed(error)))?;
    done.error.map_or(Ok(()), |words| Err(Failed::Refused(words)))
}
