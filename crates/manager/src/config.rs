//! Where settings come from: flags before environment before file before defaults.
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use sakimori_content::VerifyingKey;
use sakimori_manager::store::Database;
use sakimori_manager::{ContentSource, Options};
use serde::Deserialize;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bound of a file of settings.
const FILE_BYTES: u64 = 1 << 20;

/// Bound of a rate: more than a manager can do is no pace.
const RATE: u32 = 100_000;

/// The Sakimori manager: console, REST interface and gateway for agents.
#[derive(Debug, Parser)]
#[command(name = "sakimori-manager", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the manager until Ctrl-C or SIGTERM.
    Run(Box<Flags>),
    /// Write everything that the manager keeps into one file, also while it runs. The file holds private keys.
    Backup(Box<BackupFlags>),
    /// Unpack a backup into an empty data directory and, with --database, an empty database.
    Restore(Box<BackupFlags>),
    /// Print the document of the REST interface for `OpenAPI`.
    Openapi,
}

/// Flags of `backup` and `restore`.
#[derive(Debug, Args)]
pub(crate) struct BackupFlags {
    #[command(flatten)]
    pub(crate) flags: Flags,
    /// The backup.
    pub(crate) file: PathBuf,
}

/// Flags and environment of `run`.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// TOML file with the same settings, written with underscores: `data_dir` = "/srv/sakimori".
    #[arg(long, env = "SAKIMORI_CONFIG")]
    config: Option<PathBuf>,
    /// Directory for everything the manager keeps [default: /var/lib/sakimori-manager].
    #[arg(long, env = "SAKIMORI_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Address of a `PostgreSQL` server, as `postgres://user:password@host/name` [default: `SQLite` in the data
    /// directory].
    #[arg(long, env = "SAKIMORI_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Address for console, REST and enrolment [default: 0.0.0.0:4433].
    #[arg(long, env = "SAKIMORI_PUBLIC")]
    public: Option<SocketAddr>,
    /// Address for agents with a certificate [default: 0.0.0.0:4434].
    #[arg(long, env = "SAKIMORI_GATEWAY")]
    gateway: Option<SocketAddr>,
    /// Name or address by which the manager is reached; may be repeated [default: the host's name].
    #[arg(long, env = "SAKIMORI_PUBLIC_HOST", value_delimiter = ',')]
    public_host: Vec<String>,
    /// File with the first administrator's password, read at the first start only [default: one is made].
    #[arg(long, env = "SAKIMORI_INITIAL_ADMIN_PASSWORD_FILE")]
    initial_admin_password_file: Option<PathBuf>,
    /// Directory with agent packages [default: packages in the data directory].
    #[arg(long, env = "SAKIMORI_PACKAGES")]
    packages: Option<PathBuf>,
    /// Where the task `content-update` looks for newer rules: an https URL, a file, or a folder with
    /// `virtual-patches.json`.
    #[arg(long, env = "SAKIMORI_CONTENT_SOURCE", hide_env_values = true)]
    content_source: Option<String>,
    /// Public key of who signs them: 32 bytes in base64.
    #[arg(long, env = "SAKIMORI_CONTENT_KEY")]
    content_key: Option<String>,
    /// Days that events are kept [default: 30].
    #[arg(long, env = "SAKIMORI_EVENT_DAYS")]
    event_days: Option<u32>,
    /// Computers that are handed a new bundle in a second, when a change concerns many [default: 500].
    #[arg(long, env = "SAKIMORI_BUNDLES_PER_SECOND")]
    bundles_per_second: Option<u32>,
    /// New connections of agents taken in a second [default: 1000].
    #[arg(long, env = "SAKIMORI_CONNECTIONS_PER_SECOND")]
    connections_per_second: Option<u32>,
    /// Requests a minute of one user or API key; 0: any [default: 1200].
    #[arg(long, env = "SAKIMORI_RATE_LIMIT")]
    rate_limit: Option<u32>,
    /// Requests a minute of all users and API keys together; 0: any [default: 6000].
    #[arg(long, env = "SAKIMORI_TENANT_RATE_LIMIT")]
    tenant_rate_limit: Option<u32>,
    /// Directory with a built console, instead of the one in the binary.
    #[arg(long, env = "SAKIMORI_CONSOLE_DIST")]
    console_dist: Option<PathBuf>,
    /// Form of the log [default: text].
    #[arg(long, env = "SAKIMORI_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// What to log, as `info` or `sakimori_manager=debug,warn` [default: info].
    #[arg(long, env = "SAKIMORI_LOG")]
    log: Option<String>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The same settings in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    data_dir: Option<PathBuf>,
    database: Option<String>,
    public: Option<SocketAddr>,
    gateway: Option<SocketAddr>,
    public_hosts: Vec<String>,
    initial_admin_password_file: Option<PathBuf>,
    packages: Option<PathBuf>,
    content_source: Option<String>,
    content_key: Option<String>,
    event_days: Option<u32>,
    bundles_per_second: Option<u32>,
    connections_per_second: Option<u32>,
    rate_limit: Option<u32>,
    tenant_rate_limit: Option<u32>,
    console_dist: Option<PathBuf>,
    log_format: Option<LogFormat>,
    log: Option<String>,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) options: Options,
    pub(crate) log_format: LogFormat,
    pub(crate) log: String,
}

impl Flags {
    /// Lays flags and environment over the file and the defaults.
    pub(crate) fn settle(self) -> anyhow::Result<Settings> {
        let file = match &self.config {
            None => Written::default(),
            Some(path) => {
                let text = read(path)?;
                toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))?
            }
        };
        let data_dir = self.data_dir.or(file.data_dir).unwrap_or_else(|| "/var/lib/sakimori-manager".into());
        let mut options = Options::new(data_dir);
        options.database = self.database.or(file.database).map(|url| database(&url)).transpose()?;
        options.public = self.public.or(file.public).unwrap_or(options.public);
        options.gateway = self.gateway.or(file.gateway).unwrap_or(options.gateway);
        options.public_hosts = if self.public_host.is_empty() { file.public_hosts } else { self.public_host };
        options.packages = self.packages.or(file.packages);
        options.content_source = source(
            self.content_source.or(file.content_source),
            self.content_key.or(file.content_key).as_deref(),
        )?;
        options.event_days = self.event_days.or(file.event_days).unwrap_or(options.event_days);
        let limits = &mut options.rate_limits;
        limits.principal = self.rate_limit.or(file.rate_limit).unwrap_or(limits.principal);
        limits.tenant = self.tenant_rate_limit.or(file.tenant_rate_limit).unwrap_or(limits.tenant);
        options.console_dist = self.console_dist.or(file.console_dist);
        options.bundles_per_second =
            self.bundles_per_second.or(file.bundles_per_second).unwrap_or(options.bundles_per_second);
        options.connections_per_second = self
            .connections_per_second
            .or(file.connections_per_second)
            .unwrap_or(options.connections_per_second);
        anyhow::ensure!(
            (1..=RATE).contains(&options.bundles_per_second)
                && (1..=RATE).contains(&options.connections_per_second),
            "bundles and connections per second: a rate lies between 1 and {RATE}; lower it to spare the database and the \
             network, raise it to be done sooner"
        );
        anyhow::ensure!(options.event_days > 0, "event days: events are kept for at least one day");
        if let Some(path) = self.initial_admin_password_file.or(file.initial_admin_password_file) {
            options.initial_password = Some(read(&path)?.trim_end_matches(['\r', '\n']).to_owned());
        }
        Ok(Settings {
            options,
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
        })
    }
}

/// Where newer rules come from; nowhere where nothing was said.
fn source(place: Option<String>, key: Option<&str>) -> anyhow::Result<Option<ContentSource>> {
    let (place, key) = match (place, key) {
        (None, None) => return Ok(None),
        (Some(place), Some(key)) => (place, key),
        _ => anyhow::bail!(
            "content source and content key belong together: rules are taken only where it is known who signs them"
        ),
    };
    let key = VerifyingKey::from_base64(key).context("content key")?;
    Ok(Some(ContentSource { place, key }))
}

/// The address of a database server. What is wrong with it is said without it: it may hold a password.
fn database(url: &str) -> anyhow::Result<Database> {
    anyhow::ensure!(
        ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)),
        "database: the address begins with postgres://"
    );
    Ok(Database::Postgres(url.to_owned()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let context = || format!("cannot read {}", path.display());
    let file = std::fs::File::open(path).with_context(context)?;
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).with_context(context)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(args: &[&str]) -> anyhow::Result<Settings> {
        let cli = Cli::try_parse_from([&["sakimori-manager", "run"], args].concat())?;
        match cli.command {
            Command::Run(flags) => flags.settle(),
            _ => anyhow::bail!("not run"),
        }
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("manager.toml");
        std::fs::write(&file, "public = \"127.0.0.1:1\"\nevent_days = 7\npublic_hosts = [\"a.example\"]\n")
            .unwrap();
        let file = file.to_str().unwrap();
        let settings = settle(&["--config", file, "--public", "127.0.0.1:2"]).unwrap();
        assert_eq!(settings.options.public.port(), 2);
        assert_eq!(settings.options.gateway.port(), 4434);
        assert_eq!(settings.options.event_days, 7);
        assert_eq!(settings.options.public_hosts, ["a.example"]);
        std::fs::write(file, "bundles_per_second = 50\n").unwrap();
        let settings = settle(&["--config", file, "--connections-per-second", "20"]).unwrap();
        assert_eq!((settings.options.bundles_per_second, settings.options.connections_per_second), (50, 20));
        assert!(settle(&["--bundles-per-second", "0"]).is_err());
        let place = ["--content-source", "https://content.example/virtual-patches.json"];
        let error = settle(&place).unwrap_err();
        assert!(error.to_string().contains("belong together"), "{error}");
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let settings = settle(&[place.as_slice(), &["--content-key", key]].concat()).unwrap();
        assert_eq!(settings.options.content_source.unwrap().place, place[1]);
        assert!(settle(&[place.as_slice(), &["--content-key", "no key"]].concat()).is_err());
        std::fs::write(file, "pubic = 1\n").unwrap();
        let error = settle(&["--config", file]).unwrap_err();
        assert!(format!("{error:#}").contains("unknown field `pubic`"), "{error:#}");
    }
}
