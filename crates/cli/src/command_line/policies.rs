//! Policies, the lists that they refer to, and rules.
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListKind {
    Addresses,
    Ports,
    Macs,
    Interfaces,
    Files,
    Folders,
    Extensions,
    Schedule,
    Context,
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
