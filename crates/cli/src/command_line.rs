//! What can be typed.
pub(crate) mod events;
pub(crate) mod fleet;
pub(crate) mod upgrades;

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
    Computers(Computers),
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
    Policies(Policies),
    /// Lists of addresses, ports, files, folders, extensions and times of the week that policies refer to as list:NAME.
    #[command(subcommand)]
    Lists(Lists),
    /// What happened.
    #[command(subcommand)]
    Events(events::Events),
    /// Rules that give tags to events as they arrive.
    #[command(subcommand, name = "auto-tags")]
    AutoTags(events::AutoTags),
    /// What somebody should look at.
    #[command(subcommand)]
    Alerts(Alerts),
    /// What is done by the clock.
    #[command(subcommand)]
    Tasks(Tasks),
    /// Where alerts and events are sent.
    #[command(subcommand)]
    Channels(Channels),
    /// What takes the manager longer than a request: exports, backups, scans of all computers.
    #[command(subcommand)]
    Operations(Operations),
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
    Rules(Rules),
    /// Who changed what.
    #[command(subcommand)]
    Audit(Audit),
    /// The agent on this machine.
    #[command(subcommand)]
    Agent(Agent),
    /// Completions for a shell, to standard output.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
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
pub(crate) enum Status {
    Online,
    Offline,
    Degraded,
    Clone,
    Pending,
    Suspended,
    Unmanaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComputerSort {
    Activated,
    Name,
    LastSeen,
    AssetValue,
}

/// Which computers are listed.
#[derive(Debug, Args)]
pub(crate) struct ComputersWanted {
    /// Only those of this status.
    #[arg(long)]
    pub(crate) status: Option<Status>,
    /// Only those whose name or address contains this.
    #[arg(long)]
    pub(crate) query: Option<String>,
    /// Only those in this group or one below it, by id or name.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Only those with this tag: KEY or KEY=VALUE.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only those with this policy, by id or name.
    #[arg(long)]
    pub(crate) policy: Option<String>,
    /// Only those whose operating system contains this.
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Only those that this filter finds: 'status = offline AND tags.role = web AND lastSeen < -1d'.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Only those of this smart folder, by id or name.
    #[arg(long)]
    pub(crate) search: Option<String>,
    /// In this order.
    #[arg(long)]
    pub(crate) sort: Option<ComputerSort>,
    /// The other way round.
    #[arg(long)]
    pub(crate) descending: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Computers {
    /// All computers.
    List(ComputersWanted),
    /// One computer with its modules and ports.
    Show {
        /// Id or name.
        computer: String,
    },
    /// Assign a policy.
    AssignPolicy {
        /// Id or name.
        computer: String,
        /// Policy, by id or name.
        policy: String,
        /// Only say what it would enforce differently.
        #[arg(long)]
        dry_run: bool,
    },
    /// How many there are.
    Count {
        /// By what.
        #[arg(long, default_value = "status", conflicts_with = "tag_key")]
        by: CountBy,
        /// By the values of the tag with this key.
        #[arg(long)]
        tag_key: Option<String>,
        #[command(flatten)]
        wanted: ComputersWanted,
    },
    /// The settings of one computer, and with --set what is set on it above its policy.
    Settings {
        /// Id or name.
        computer: String,
        #[command(flatten)]
        settings: Settings,
        /// Only say what it would enforce differently.
        #[arg(long)]
        dry_run: bool,
    },
    /// Give a computer tags, or take tags away.
    Tag {
        /// Id or name.
        computer: String,
        /// KEY or KEY=VALUE, several times.
        tags: Vec<String>,
        /// Take the tag KEY away; several times.
        #[arg(long)]
        remove: Vec<String>,
    },
    /// Move a computer into a group.
    Move {
        /// Id or name.
        computer: String,
        /// Group, by id or name; 'none' takes it out of its group.
        group: String,
    },
    /// Name a computer, or say what it is worth and whether it comes and goes.
    Edit {
        /// Id or name.
        computer: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// What it is worth, 1 to 100.
        #[arg(long)]
        asset_value: Option<u32>,
        /// Whether it comes and goes.
        #[arg(long)]
        ephemeral: Option<bool>,
    },
    /// What of a computer is protected, and why the rest is not.
    Coverage {
        /// Id or name.
        computer: String,
    },
    /// Take a computer's identity away; what is known of it stays.
    Deactivate {
        /// Id or name.
        computer: String,
    },
    /// Give a computer its identity back.
    Reactivate {
        /// Id or name.
        computer: String,
    },
    /// What is installed and runs on a computer.
    Inventory {
        /// Id or name.
        computer: String,
        /// Packages of the distribution as well.
        #[arg(long)]
        packages: bool,
        /// Programs that run as well.
        #[arg(long)]
        processes: bool,
    },
    /// Which rules a computer needs, and why.
    Recommendations {
        /// Id or name.
        computer: String,
    },
    /// Have a computer look anew at what is installed.
    Scan {
        /// Id or name.
        computer: String,
    },
    /// Forget a computer; its agent is no longer let in.
    Delete {
        /// Id or name.
        computer: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Off,
    Detect,
    Prevent,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policies {
    /// All policies.
    List,
    /// One policy with its settings.
    Show {
        /// Id or name.
        policy: String,
    },
    /// Make a policy.
    Create {
        /// Name.
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// Policy to inherit from, by id or name.
        #[arg(long)]
        parent: Option<String>,
        #[command(flatten)]
        settings: Settings,
        /// What to remember of it in the policy's history.
        #[arg(long)]
        comment: Option<String>,
    },
    /// Change a policy.
    Edit {
        /// Id or name.
        policy: String,
        /// New name.
        #[arg(long)]
        name: Option<String>,
        /// New description.
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        settings: Settings,
        /// What to remember of it in the policy's history.
        #[arg(long)]
        comment: Option<String>,
        /// Only say which computers would change, and how.
        #[arg(long)]
        dry_run: bool,
    },
    /// Its versions, or one of them with all that it set.
    Versions {
        /// Id or name.
        policy: String,
        /// Number of the version.
        version: Option<u64>,
    },
    /// Make a policy what it was in a version.
    RollBack {
        /// Id or name.
        policy: String,
        /// Number of the version.
        version: u64,
        /// Why.
        #[arg(long)]
        comment: Option<String>,
    },
    /// What differs between two policies, or two versions: 'Web server@3' 'Web server'.
    Diff {
        /// Id or name, with @VERSION for a version.
        first: String,
        /// Id or name, with @VERSION for a version.
        second: String,
    },
    /// Policies and lists as a document, for Git.
    Export(Export),
    /// Make policies and lists what files say, all or nothing; a second time changes nothing.
    Apply(Apply),
    /// Set the mode of one rule in a policy.
    SetRuleMode {
        /// Id or name.
        policy: String,
        /// Signature id.
        sid: u32,
        /// The mode; 'inherit' takes the parent's again.
        mode: RuleMode,
    },
    /// Delete a policy that no computer has.
    Delete {
        /// Id or name.
        policy: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only this policy, those it inherits from and the lists they refer to, by id or name.
    pub(crate) policy: Option<String>,
    /// Form of the document.
    #[arg(long, value_enum, default_value = "yaml")]
    pub(crate) form: FileForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileForm {
    Yaml,
    Toml,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A file (.yaml, .yml, .toml, .json), a folder of them, or - for YAML from standard input.
    #[arg(short, long)]
    pub(crate) file: PathBuf,
    /// Only say what would change.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Also delete policies and lists that the files do not name, those of the product excepted.
    #[arg(long)]
    pub(crate) prune: bool,
    /// Do not ask before deleting.
    #[arg(long)]
    pub(crate) yes: bool,
    /// What to remember of it in the history of the policies.
    #[arg(long)]
    pub(crate) comment: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListKind {
    Addresses,
    Ports,
    Macs,
    Files,
    Folders,
    Extensions,
    Schedule,
    Context,
}

/// By what computers are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountBy {
    #[default]
    Status,
    Policy,
    Group,
    Platform,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lists {
    /// All lists.
    List {
        /// Only those of this kind.
        #[arg(long)]
        kind: Option<ListKind>,
    },
    /// One list with its items and who refers to it.
    Show {
        /// Id, name, or KIND:NAME.
        list: String,
    },
    /// Make a list.
    Create {
        /// What it is a list of.
        kind: ListKind,
        /// Name.
        name: String,
        /// Its items.
        #[arg(required = true)]
        items: Vec<String>,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Change a list; every policy that refers to it follows.
    Edit {
        /// Id, name, or KIND:NAME.
        list: String,
        /// New name; only while nothing refers to it.
        #[arg(long)]
        name: Option<String>,
        /// New description.
        #[arg(long)]
        description: Option<String>,
        /// All its items anew.
        items: Vec<String>,
        /// One more item; may be repeated.
        #[arg(long)]
        add: Vec<String>,
        /// One item less; may be repeated.
        #[arg(long)]
        remove: Vec<String>,
    },
    /// Delete a list that nothing refers to.
    Delete {
        /// Id, name, or KIND:NAME.
        list: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleMode {
    Off,
    Detect,
    Prevent,
    Inherit,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Settings {
    /// MODULE.SETTING=VALUE, several times: intrusion-prevention.mode=prevent, intrusion-prevention.httpPorts=80,8000-8090,
    /// firewall.rules.ssh={"action":"allow","direction":"in"}. 'inherit' as a value takes the parent's again, 'excluded'
    /// leaves out a part that is inherited. 'sakimori policies show' lists every setting.
    #[arg(long = "set", value_name = "MODULE.SETTING=VALUE")]
    pub(crate) set: Vec<String>,
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
pub(crate) enum AlertState {
    Open,
    Acknowledged,
    Dismissed,
    Resolved,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<AlertState>,
        /// Only about this computer, by id or name.
        #[arg(long)]
        computer: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One alert with what to do about it.
    Show {
        /// Id.
        alert: uuid::Uuid,
    },
    /// Say that somebody looks at it.
    Acknowledge(AlertNote),
    /// Say that it needs nothing (more).
    Dismiss(AlertNote),
    /// Open it again.
    Reopen(AlertNote),
    /// How many wait for somebody.
    Summary,
    /// Under which conditions alerts are raised.
    #[command(subcommand)]
    Conditions(AlertConditions),
}

#[derive(Debug, Args)]
pub(crate) struct AlertNote {
    /// Id.
    pub(crate) alert: uuid::Uuid,
    /// What there is to say.
    #[arg(long)]
    pub(crate) comment: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AlertConditions {
    /// The product's, then one's own.
    List,
    /// Make one: so many events that a filter finds, within so long a time.
    Create {
        /// Name.
        name: String,
        /// Which events count: 'severity >= high AND module = intrusion-prevention'.
        #[arg(long)]
        filter: String,
        /// So many events.
        #[arg(long, default_value_t = 1)]
        threshold: u32,
        /// Within so many seconds.
        #[arg(long, default_value_t = 300)]
        window: u32,
        /// Count the events of all computers together.
        #[arg(long)]
        all_together: bool,
        /// Severity of its alerts.
        #[arg(long, default_value = "medium")]
        severity: String,
    },
    /// Change one.
    Edit {
        /// Id: the word of one of the product's, or that of one's own.
        condition: String,
        /// In force or not.
        #[arg(long)]
        enabled: Option<bool>,
        /// New severity.
        #[arg(long)]
        severity: Option<String>,
        /// New threshold.
        #[arg(long)]
        threshold: Option<u32>,
        /// New filter.
        #[arg(long)]
        filter: Option<String>,
    },
    /// Delete one of one's own; one of the product's is as it came again.
    Delete {
        /// Id.
        condition: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Channels {
    /// All channels with how far they are.
    List,
    /// One channel.
    Show {
        /// Id or name.
        channel: String,
    },
    /// Make a channel.
    Create {
        /// Name.
        name: String,
        /// Where, and how, as JSON: {"kind":"syslog","server":"siem","port":6514,"transport":"tls","format":"cef"};
        /// the kinds email, webhook and otlp are in docs/delivery.md.
        #[arg(long)]
        target: String,
        /// Alerts of this severity and graver.
        #[arg(long)]
        alerts: Option<String>,
        /// Events that this filter finds.
        #[arg(long)]
        events: Option<String>,
        /// Take the secrets from standard input, as JSON: {"password":"...","signingKey":"...","headers":{"Authorization":"..."}}.
        #[arg(long)]
        secrets_stdin: bool,
    },
    /// Change a channel.
    Edit {
        /// Id or name.
        channel: String,
        /// New target, as JSON; secrets do not go along to it.
        #[arg(long)]
        target: Option<String>,
        /// Alerts of this severity and graver; 'none' for none.
        #[arg(long)]
        alerts: Option<String>,
        /// Events that this filter finds; 'none' for none.
        #[arg(long)]
        events: Option<String>,
        /// Whether it sends.
        #[arg(long)]
        enabled: Option<bool>,
        /// Take new secrets from standard input, as JSON.
        #[arg(long)]
        secrets_stdin: bool,
    },
    /// Send a test at once.
    Test {
        /// Id or name.
        channel: String,
    },
    /// Delete a channel.
    Delete {
        /// Id or name.
        channel: String,
    },
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

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportFormat {
    Csv,
    Jsonl,
}

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
    EventExport {
        /// Form of the file.
        #[arg(long, default_value = "jsonl")]
        format: ExportFormat,
        /// Only events that this filter finds.
        #[arg(long)]
        filter: Option<String>,
        /// Only at or after this time (RFC 3339).
        #[arg(long)]
        from: Option<String>,
        /// Only before this time (RFC 3339).
        #[arg(long)]
        to: Option<String>,
        /// In which order.
        #[arg(long, value_enum, default_value = "received")]
        sort: EventSort,
        /// At most so many, the first in this order.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Write everything that the manager keeps to a file beside its data.
    Backup,
    /// Ask all computers what is installed on them.
    RecommendationScan,
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
pub(crate) enum Rules {
    /// All rules.
    List {
        /// Only those that contain this: a CVE, a word.
        #[arg(long)]
        query: Option<String>,
    },
    /// One rule with its text.
    Show {
        /// Signature id.
        sid: u32,
    },
    /// Which rules are in force, and since when.
    Version,
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
        assert!(
            CommandLine::try_parse_from(["sakimori", "policy", "apply", "-f", "dir", "--dry-run"]).is_ok()
        );
    }
}
