//! Changes of the firewall on a live server.
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Change {
    /// How the last change of a computer's firewall stands.
    Status {
        /// Id or name.
        computer: String,
    },
    /// Confirm the change that is on trial on a computer: you still reach it.
    Confirm {
        /// Id or name.
        computer: String,
    },
    /// Take back the change that is on trial on a computer.
    Revert {
        /// Id or name.
        computer: String,
    },
    /// The ready groups of rules.
    Groups,
    /// Add a ready group of rules to a policy.
    AddGroup {
        /// Policy, by id or name.
        policy: String,
        /// Group: 'sakimori firewall groups' shows them.
        group: String,
        /// Address, network or list:NAME of the other side, where the group asks for it; several times.
        #[arg(long)]
        remote: Vec<String>,
        /// What to remember of this change in the policy's history.
        #[arg(long)]
        comment: Option<String>,
    },
    /// Let a source in again that a computer keeps out because it looked for ways in.
    LetIn {
        /// Computer, by id or name.
        computer: String,
        /// Its address, or an IPv6 network as the computer shows it.
        source: String,
    },
    /// Have a computer try again the change that was taken back.
    Retry {
        /// Id or name.
        computer: String,
    },
}
