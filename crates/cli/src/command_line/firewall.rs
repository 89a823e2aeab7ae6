//! Questions about the firewall.
use super::firewall_changes::Change;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Firewall {
    /// What happens to a packet, which rule decides, and why the others do not.
    Explain(Box<Explain>),
    /// Rules that never decide, contradict each other or do nothing, and who would be locked out. Exit code 1 where
    /// something is found.
    Lint(Lint),
    #[command(flatten)]
    Change(Change),
}

/// Whose rules.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Whose {
    /// Those of this computer, by id or name.
    #[arg(long, conflicts_with = "policy")]
    pub(crate) computer: Option<String>,
    /// Those of this policy, by id or name.
    #[arg(long)]
    pub(crate) policy: Option<String>,
    /// A file with settings, tried and not saved: {"firewall": {…}}, or what stands in it. Over those of the policy or the
    /// computer where one is named, else over the built-in defaults.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    En,
    Ja,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    In,
    Out,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// The address that the packet comes from.
    #[arg(long, required_unless_present_any = ["to", "frame"])]
    pub(crate) from: Option<String>,
    /// The address that it goes to.
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// What kind of packet: ip (where absent), arp, or the number of another frame, 0x88cc.
    #[arg(long)]
    pub(crate) frame: Option<String>,
    /// Protocol: tcp (where absent), udp, icmp, icmpv6, another one, or its number.
    #[arg(long, visible_alias = "proto")]
    pub(crate) protocol: Option<String>,
    /// The port that it goes to.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// The port that it comes from.
    #[arg(long)]
    pub(crate) source_port: Option<u16>,
    /// Towards the computer or from it.
    #[arg(long, value_enum, default_value = "in")]
    pub(crate) direction: Way,
    /// It belongs to an established connection.
    #[arg(long)]
    pub(crate) established: bool,
    /// The MAC address of who sent its frame.
    #[arg(long)]
    pub(crate) mac: Option<String>,
    /// The TCP flags that are set: syn,ack.
    #[arg(long)]
    pub(crate) flags: Option<String>,
    /// ICMP type, with its code: 3/4.
    #[arg(long)]
    pub(crate) icmp_type: Option<String>,
    /// The interface that it comes in by, or leaves by.
    #[arg(long)]
    pub(crate) interface: Option<String>,
    /// It goes to a container of the computer, or comes from one.
    #[arg(long)]
    pub(crate) container: bool,
    /// It is a fragment from the middle of a packet.
    #[arg(long)]
    pub(crate) fragment: bool,
    /// The moment, as 2026-01-31T18:00:00Z; now where absent.
    #[arg(long)]
    pub(crate) at: Option<String>,
    /// A context that holds, by its name; several times. Of the others of a computer it is what the computer last said.
    #[arg(long = "context")]
    pub(crate) contexts: Vec<String>,
    /// A context that does not hold, by its name; several times.
    #[arg(long = "not-context")]
    pub(crate) not_contexts: Vec<String>,
    /// Language of the sentences.
    #[arg(long, value_enum, default_value = "en")]
    pub(crate) language: Language,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// The address that has to be let in; this machine's, as the manager sees it, where absent.
    #[arg(long)]
    pub(crate) operator: Option<String>,
    /// The TCP port by which the computers are managed.
    #[arg(long, default_value_t = 22)]
    pub(crate) management_port: u16,
    /// Language of the sentences.
    #[arg(long, value_enum, default_value = "en")]
    pub(crate) language: Language,
}
