//! What can be typed.
pub(crate) mod alerts;
pub(crate) mod computers;
pub(crate) mod events;
pub(crate) mod firewall;
pub(crate) mod firewall_changes;
pub(crate) mod fleet;
pub(crate) mod operations;
pub(crate) mod policies;
pub(crate) mod upgrades;
pub(crate) mod waf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sakimori's command line: computers, policies, events and tokens of a manager.
///
/// The manager and the credentials come from SAKIMORI_URL, SAKIMORI_API_KEY and SAKIMORI_CA_PIN, else from 'sakimori login'.
/// Exit codes: 0 done, 1 failed, 2 wrong command line, 3 not found, 4 not logged in or not allowed, 5 manager not reachable.
#[derive(Debug, Parser)]
#[command(name = "sakimori", version)]
#[expect(clippy::doc_markdown, reason = "the words are shown in a terminal")]
pub(crate) struct CommandLine {
    /// Tables for people, JSON for scripts.
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in to a manager and keep the session.
    Login(Login),
    /// End the session and forget the manager.
    Logout,
    /// Protected computers.
    #[command(subcommand)]
    Computers(computers::Computers),
    /// Groups of computers.
    #[command(subcommand)]
    Groups(fleet::Groups),
    /// What is done with computers when something happens to them.
    #[command(subcommand, name = "event-based-tasks")]
    EventBasedTasks(fleet::Tasks),
    /// The fleet as a whole: what is protected, and what becomes of ephemeral computers.
    #[command(subcommand)]
    Fleet(fleet::Fleet),
    /// Saved searches; those of computers are smart folders.
    #[command(subcommand)]
    Searches(fleet::Searches),
    /// Policies.
    #[command(subcommand, alias = "policy")]
    Policies(policies::Policies),
    /// What the firewall does to a packet, what is noticed about its rules, and changes of it on a live server.
    #[command(subcommand)]
    Firewall(firewall::Firewall),
    /// Lists of addresses, ports, files, folders, extensions and times of the week that policies refer to as list:NAME.
    #[command(subcommand)]
    Lists(policies::Lists),
    /// What happened.
    #[command(subcommand)]
    Events(events::Events),
    /// Rules that give tags to events as they arrive.
    #[command(subcommand, name = "auto-tags")]
    AutoTags(events::AutoTags),
    /// What somebody should look at.
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// What is done by the clock.
    #[command(subcommand)]
    Tasks(Tasks),
    /// Where alerts and events are sent.
    #[command(subcommand)]
    Channels(alerts::Channels),
    /// What takes the manager longer than a request: exports, backups, scans of all computers.
    #[command(subcommand)]
    Operations(operations::Operations),
    /// Packages of the agent, for upgrades.
    #[command(subcommand, name = "agent-packages")]
    AgentPackages(upgrades::Packages),
    /// Roll-outs of another agent version, ring by ring.
    #[command(subcommand)]
    Upgrades(upgrades::Upgrades),
    /// Activation tokens: how machines get in.
    #[command(subcommand)]
    Tokens(Tokens),
    /// Who may log in.
    #[command(subcommand)]
    Users(Users),
    /// Keys for scripts.
    #[command(subcommand, name = "api-keys")]
    ApiKeys(ApiKeys),
    /// Rules of the content packs.
    #[command(subcommand)]
    Rules(policies::Rules),
    /// Rule sets of the web application firewall, exclusions, and what rules say of recorded requests.
    #[command(subcommand)]
    Waf(waf::Waf),
    /// Who changed what.
    #[command(subcommand)]
    Audit(Audit),
    /// The agent on this machine.
    #[command(subcommand)]
    Agent(Agent),
    /// Rules of intrusion prevention over recorded traffic: what would they have said? Events as EVE JSON.
    Inspect(Inspect),
    /// Completions for a shell, to standard output.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The capture: pcap or pcapng.
    pub(crate) file: PathBuf,
    /// Rule files in Suricata's language, or folders with such (*.rules).
    #[arg(long, required = true)]
    pub(crate) rules: Vec<PathBuf>,
    /// Drop where rules say drop or reject, as if the engine had been in the traffic's way.
    #[arg(long)]
    pub(crate) ips: bool,
    /// Look at packets with wrong checksums too: captures from the sending machine are full of them.
    #[arg(long)]
    pub(crate) ignore_checksums: bool,
    /// Look at connections whose beginning was not captured.
    #[arg(long)]
    pub(crate) midstream: bool,
    /// A variable of the rules: `HOME_NET=10.0.0.0/8`.
    #[arg(long = "var")]
    pub(crate) variables: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The manager: https://HOST:PORT.
    #[arg(long, env = "SAKIMORI_URL")]
    pub(crate) url: String,
    /// User name.
    #[arg(long)]
    pub(crate) user: String,
    /// Take the password from the first line of standard input (else it is asked for).
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Pin of the manager's key or authority: sha256//BASE64.
    #[arg(long, env = "SAKIMORI_CA_PIN")]
    pub(crate) ca_pin: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TaskKind {
    IntegrityScan,
    MalwareScan,
    RecommendationScan,
    Backup,
    Retention,
    Report,
    ContentUpdate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// All tasks.
    List,
    /// One task with its last run.
    Show {
        /// Id or name.
        task: String,
    },
    /// Make a task.
    Create {
        /// Name.
        name: String,
        /// What it does.
        #[arg(long)]
        kind: TaskKind,
        /// When: minute, hour, day of month, month, day of week, as '30 2 * * sun'.
        #[arg(long)]
        schedule: String,
        /// In which zone, as Asia/Tokyo.
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Computers begin at some moment within this many seconds.
        #[arg(long, default_value_t = 600)]
        jitter: u32,
        /// Seconds after which whatever has not begun is left out.
        #[arg(long, default_value_t = 14_400)]
        window: u32,
        /// Only computers with this policy, by id or name.
        #[arg(long)]
        policy: Option<String>,
    },
    /// Change a task.
    Edit {
        /// Id or name.
        task: String,
        /// New schedule.
        #[arg(long)]
        schedule: Option<String>,
        /// New zone.
        #[arg(long)]
        time_zone: Option<String>,
        /// In force or not.
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Run a task now.
    Run {
        /// Id or name.
        task: String,
    },
    /// What came of a task, newest first.
    Runs {
        /// Id or name.
        task: String,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// How far each computer is in a run.
    Computers {
        /// Id of the run.
        run: uuid::Uuid,
    },
    /// Delete a task with its runs.
    Delete {
        /// Id or name.
        task: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// All users.
    List,
    /// Change one's own password, which ends one's other sessions.
    ChangePassword {
        /// Take the password until now and the new one from the first two lines of standard input (else they are asked for).
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// All tokens, without their secrets.
    List,
    /// Make a token; it is shown once, with the line to run on the machine to be protected.
    Create {
        /// What it is for.
        #[arg(default_value = "command line")]
        name: String,
        /// Policy of the computers activated with it, by id or name.
        #[arg(long)]
        policy: Option<String>,
        /// Seconds until it expires.
        #[arg(long, visible_alias = "expires")]
        expires_in: Option<u64>,
        /// How many computers it may activate.
        #[arg(long, visible_alias = "uses")]
        max_uses: Option<u32>,
        /// Group of the computers activated with it, by id or name.
        #[arg(long)]
        group: Option<String>,
        /// Tag of the computers activated with it, KEY or KEY=VALUE; several times.
        #[arg(long = "tag")]
        tags: Vec<String>,
        /// The computers come and go: suspended once they have gone, then cleaned up.
        #[arg(long)]
        ephemeral: bool,
        /// Only computers that an event-based task lets in.
        #[arg(long)]
        needs_task: bool,
    },
    /// Make a token useless.
    Revoke {
        /// Id.
        token: uuid::Uuid,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    Administrator,
    Operator,
    Auditor,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeys {
    /// All keys, without their secrets.
    List,
    /// Make a key; it is shown once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do.
        #[arg(long, default_value = "auditor")]
        role: Role,
        /// Only this much of what the role allows, as `events:read` or `policies:write`; may be repeated.
        #[arg(long, value_delimiter = ',')]
        scope: Vec<sakimori_api::Scope>,
        /// Only from this address or network, as `192.0.2.0/24`; may be repeated.
        #[arg(long, value_delimiter = ',')]
        source: Vec<String>,
        /// Seconds until it expires; never when absent.
        #[arg(long)]
        expires_in: Option<u64>,
    },
    /// Make a key useless.
    Revoke {
        /// Id.
        key: uuid::Uuid,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// What the agent on this machine enforces and how it reaches its manager (as root).
    Status {
        /// The agent's program.
        #[arg(long, default_value = "/usr/bin/sakimori-agent")]
        program: PathBuf,
        /// Where the agent's socket is.
        #[arg(long)]
        run_dir: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_can_be_typed() {
        CommandLine::command().debug_assert();
        let line = ["sakimori", "computers", "settings", "web1", "--set", "firewall.mode=detect"];
        assert!(CommandLine::try_parse_from(line).is_ok());
        let line =
            "sakimori firewall explain --from 192.0.2.7 --to 192.0.2.1 --proto tcp --port 443 --policy Shop";
        assert!(CommandLine::try_parse_from(line.split(' ')).is_ok());
        let nobodys = "sakimori firewall explain --from 192.0.2.7 --port 443";
        assert!(CommandLine::try_parse_from(nobodys.split(' ')).is_err(), "whose rules?");
        assert!(
            CommandLine::try_parse_from(["sakimori", "policy", "apply", "-f", "dir", "--dry-run"]).is_ok()
        );
    }
}
