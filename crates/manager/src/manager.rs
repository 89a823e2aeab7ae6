//! The whole manager: first start, running, end.
use crate::app::{App, stopped};
use crate::authority::{Authority, AuthorityError};
use crate::bundles::Bundles;
use crate::clock::Clock;
use crate::content::update::{self, Source};
use crate::content::{self, Content};
use crate::disk::Disk;
use crate::events::{AutoTags, EventStore as _, Events};
use crate::fleet::Fleet;
use crate::inventories::{self, Inventories};
use crate::limits::{Limits, RateLimits};
use crate::listener::Listener;
use crate::live::{self, Live};
use crate::metrics::Metrics;
use crate::nodes::{self, Nodes};
use crate::pacing::{Classes, Pace, Rollout};
use crate::packages::Packages;
use crate::problem::Refused;
use crate::secrets::{self, SecretError};
use crate::settings::LocalSettings;
use crate::store::{Change, Database, PolicyRow, Store, StoreError, TenantCtx, VersionNote};
use crate::tasks::Orders;
use crate::vault::Vault;
use crate::{ephemeral, notices};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use sakimori_api::{Mode, Role, SettingsPatch};
use sakimori_model::Timestamp;
use sakimori_modules::intrusion_prevention;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Presence is written down this often.
const FLUSH: Duration = Duration::from_secs(30);
/// Computers that have gone are looked for this often.
const SWEEP: Duration = Duration::from_secs(5);
/// Ephemeral computers are looked after this often.
const FLEET: Duration = Duration::from_secs(10);
/// News kept for a console that reads slowly.
const NEWS: usize = 1024;
/// The head of a request, and each piece of its body, takes at most this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections of the public listener at once.
const PUBLIC_CONNECTIONS: usize = 2_000;
/// Connections of the gateway at once: one a computer.
const GATEWAY_CONNECTIONS: usize = 30_000;
/// Callers that wait to be accepted: a fleet that comes back at once fits in, as far as the kernel allows.
const BACKLOG: u32 = 4_096;
/// The keys of the product's maker, who signs agent packages; the operator's own are in the data directory.
const PACKAGE_KEYS: &str = "/usr/share/sakimori-manager/package-keys";
/// The first administrator.
const ADMIN: &str = "admin";

/// How to run a manager.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything the manager keeps.
    pub data_dir: PathBuf,
    /// The system of record; `SQLite` in the data directory where there is none.
    pub database: Option<Database>,
    /// Where console, REST and enrolment listen.
    pub public: SocketAddr,
    /// Where agents with a certificate are served.
    pub gateway: SocketAddr,
    /// Names and addresses by which the manager is reached, the most public first; found out where empty.
    pub public_hosts: Vec<String>,
    /// The first administrator's password; made where there is none.
    pub initial_password: Option<String>,
    /// Agent packages; `packages` in the data directory where there is none.
    pub packages: Option<PathBuf>,
    /// The console from a folder instead of the binary.
    pub console_dist: Option<PathBuf>,
    /// Days that events are kept.
    pub event_days: u32,
    /// Rules; those that came with the product where there are none.
    pub content: Option<Content>,
    /// Where newer rules come from, and who signs them.
    pub content_source: Option<Source>,
    /// Computers that are handed a new bundle in a second, when a change concerns many.
    pub bundles_per_second: u32,
    /// New connections of agents taken in a second.
    pub connections_per_second: u32,
    /// What is the matter is looked at this often.
    pub alert_sweep: Duration,
    /// Managers of one database look after each other this often.
    pub node_beat: Duration,
    /// How often one may ask.
    pub rate_limits: RateLimits,
    /// The head of a request, and each piece of its body, takes at most this long.
    pub patience: Duration,
    /// Tells the time.
    pub clock: Clock,
    /// Says how full the disk is.
    pub disk: Disk,
}

impl Options {
    /// The defaults, for a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            database: None,
            public: SocketAddr::from(([0, 0, 0, 0], 4433)),
            gateway: SocketAddr::from(([0, 0, 0, 0], 4434)),
            public_hosts: Vec::new(),
            initial_password: None,
            packages: None,
            console_dist: None,
            event_days: 30,
            content: None,
            content_source: None,
            bundles_per_second: 500,
            connections_per_second: 500,
            alert_sweep: Duration::from_secs(15),
            node_beat: Duration::from_secs(3),
            rate_limits: RateLimits::default(),
            patience: PATIENCE,
            clock: Clock::default(),
            disk: Disk::default(),
        }
    }

    /// The system of record.
    pub fn database(&self) -> Database {
        self.database.clone().unwrap_or_else(|| Database::Sqlite(self.data_dir.join("manager.db")))
    }
}

/// The manager could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made or used.
    #[error("cannot use the data directory {0}")]
    DataDir(PathBuf, #[source] std::io::Error),
    /// Another manager uses the data directory.
    #[error("another manager uses {0}: stop it first")]
    InUse(PathBuf),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: is another program using the port?")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Keys or certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Another manager of the database has other keys.
    #[error(
        "the manager {0} uses the same database with other keys, so agents could not work with both: stop this manager, \
         copy ca.key, ca.pem, tls.key, bundle-signing.key and secrets.key from that one's data directory into this one's, and start \
         again"
    )]
    OtherKeys(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events.
    #[error("the event files cannot be used")]
    Events(#[source] sqlx::Error),
    /// Randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// TLS.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// TLS of the gateway.
    #[error("mutual TLS cannot be set up")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The policies could not be compiled.
    #[error("the policies could not be compiled: {0}")]
    Policies(String),
    /// The rules that came with the product are damaged.
    #[error("the content pack cannot be used: {0}")]
    Content(String),
    /// The first administrator's password is not acceptable.
    #[error("the initial password has to have 12 to 1024 characters")]
    Password,
}

/// What is printed once, when the first start has made everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstStart {
    /// Name of the first administrator.
    pub user: String,
    /// Its password, kept nowhere.
    pub password: String,
}

/// A running manager.
#[derive(Debug)]
pub struct Manager {
    app: Arc<App>,
    public: SocketAddr,
    gateway: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    first_start: Option<FirstStart>,
    _lock: std::fs::File,
}

impl Manager {
    /// Starts: makes what is missing in the data directory, then listens.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let dir = &options.data_dir;
        let unusable = |e| StartError::DataDir(dir.clone(), e);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        let lock = lock(dir)?;
        let packages = options.packages.clone().unwrap_or_else(|| dir.join("packages"));
        std::fs::create_dir_all(&packages).map_err(|e| StartError::DataDir(packages.clone(), e))?;
        let package_keys = vec![PathBuf::from(PACKAGE_KEYS), dir.join("package-keys")];

        let clock = options.clock.clone();
        let now = clock.now();
        let database = options.database();
        let store = Store::open(&database).await?;
        let public_socket = listen(options.public)?;
        let gateway_socket = listen(options.gateway)?;
        let public = public_socket.local_addr().map_err(unusable)?;
        let gateway = gateway_socket.local_addr().map_err(unusable)?;
        let public_hosts = public_hosts(&options.public_hosts);
        let authority = Authority::open(dir, &public_hosts, &clock)?;
        let vault = Vault::open(dir)?;
        let (tenant, first_start) = first_start(&store, options.initial_password, now).await?;
        let content = match options.content {
            Some(content) => content,
            None => Content::of_product().map_err(StartError::Content)?,
        };
        let content = update::newest(&store, &TenantCtx::system(tenant), content).await?;
        update::put_files(&store, &content, now).await?;
        let auto_tags = Arc::new(AutoTags::default());
        let events = Events::open(&store, &dir.join("events"), options.event_days, &clock, &auto_tags)
            .await
            .map_err(StartError::Events)?;
        let (stop, stopping) = watch::channel(false);
        let started_at = clock.now();
        let instance = store.node();
        // Before anything is read: what changes from now on is heard of.
        let known = store.generations().await?;
        let mut was_there_until = HashMap::new();
        for tenant in store.tenants().await? {
            was_there_until.insert(tenant, store.last_contact(&TenantCtx::system(tenant)).await?);
        }
        let app = Arc::new(App {
            clock,
            store,
            events,
            event_days: options.event_days,
            auto_tags,
            authority,
            vault,
            content: content::InForce::new(content),
            content_source: options.content_source,
            bundles: Bundles::default(),
            rollout: Arc::new(Rollout::new(options.bundles_per_second)),
            classes: Classes::default(),
            fleet: Fleet::default(),
            nodes: Nodes::default(),
            inventories: Inventories::default(),
            orders: Orders::default(),
            firewall_orders: crate::firewall_orders::FirewallOrders::default(),
            database,
            metrics: Arc::new(Metrics::default()),
            news: broadcast::channel(NEWS).0,
            live: Live::default(),
            limits: Limits::new(options.rate_limits),
            log_ins: Mutex::new(HashMap::new()),
            hashing: Semaphore::new(2),
            batches: Semaphore::new(64),
            unpacking: Semaphore::new(4),
            instance,
            data_dir: dir.clone(),
            disk: options.disk,
            tenant,
            public_hosts,
            public_port: public.port(),
            gateway_port: gateway.port(),
            agent_packages: Packages::new(packages.clone(), package_keys),
            packages,
            uploads: Semaphore::new(2),
            upgrades: crate::upgrades::Orders::default(),
            console_dist: options.console_dist,
            started_at,
            was_there_until,
            stopping,
        });
        if let Some(other) = nodes::with_other_keys(&app, options.node_beat).await? {
            return Err(StartError::OtherKeys(other));
        }
        app.vault.seal_old(&app.store).await?;
        for tenant in app.store.tenants().await? {
            app.refresh_auto_tags(tenant).await?;
            app.refresh_bundles(tenant)
                .await
                .map_err(|refused: Refused| StartError::Policies(refused.title))?;
        }
        app.inventories.load(&app.store).await?;
        app.agent_packages.look().await;
        let tasks = vec![
            tokio::spawn(inventories::consider_new_content(Arc::clone(&app))),
            tokio::spawn(
                Listener {
                    patience: options.patience,
                    ..listener(&app, "public", public_socket, tls(&app, false)?, crate::http::public(&app))
                }
                .run(),
            ),
            tokio::spawn(
                Listener {
                    connections: GATEWAY_CONNECTIONS,
                    pace: Some(Pace::new(options.connections_per_second)),
                    patience: options.patience,
                    ..listener(&app, "gateway", gateway_socket, tls(&app, true)?, crate::http::gateway(&app))
                }
                .run(),
            ),
            tokio::spawn(keep_presence(Arc::clone(&app))),
            tokio::spawn(live::run(Arc::clone(&app))),
            tokio::spawn(nodes::run(Arc::clone(&app), options.node_beat, known)),
            tokio::spawn(keep_fleet(Arc::clone(&app))),
            tokio::spawn(crate::alerts::run(Arc::clone(&app), options.alert_sweep)),
            tokio::spawn(crate::delivery::run(Arc::clone(&app))),
            tokio::spawn(crate::tasks::run(Arc::clone(&app))),
            tokio::spawn(crate::upgrades::run(Arc::clone(&app))),
        ];
        tracing::info!(%public, %gateway, "listening");
        Ok(Self { app, public, gateway, stop, tasks, first_start, _lock: lock })
    }

    /// What the first start made, if this was it.
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Where the public listener listens.
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where the gateway listens.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// The console's address.
    pub fn console_url(&self) -> String {
        let host = self.app.public_hosts.first().map_or("localhost", String::as_str);
        format!("https://{}/", crate::app::authority_of(host, self.public.port()))
    }

    /// Pin of the public listener's key, as `curl --pinnedpubkey` takes it.
    pub fn tls_pin(&self) -> String {
        self.app.authority.tls_pin()
    }

    /// Pin of the authority's key, as `sakimori-agent activate --ca-pin` takes it.
    pub fn ca_pin(&self) -> String {
        self.app.authority.ca_pin()
    }

    /// The authority's certificate in PEM.
    pub fn authority_pem(&self) -> String {
        self.app.authority.ca_pem().to_owned()
    }

    /// Makes another tenant with an administrator's API key: the key.
    pub async fn create_tenant(&self, name: &str) -> Result<String, StartError> {
        let now = self.app.clock.now();
        let tenant = Uuid::now_v7();
        self.app.store.create_tenant(tenant, name, now).await?;
        let ctx = TenantCtx::system(tenant);
        let secret = secrets::new_secret()?;
        let id = Uuid::now_v7();
        let mut write = self.app.store.begin(&ctx, now).await?;
        for policy in built_in_policies(now) {
            write.insert_policy(&policy, &VersionNote::new("created", "")).await?;
        }
        let key = crate::store::ApiKeyRow {
            tenant,
            id,
            name: "first administrator".to_owned(),
            role: Role::Administrator,
            scopes: None,
            sources: None,
            secret_hash: secrets::digest(&secret),
            created_at: now,
            expires_at: None,
            last_used: None,
        };
        write.insert_api_key(&key).await?;
        write.commit().await?;
        self.app.refresh_bundles(tenant).await.map_err(|refused| StartError::Policies(refused.title))?;
        Ok(format!("sak_{}_{secret}", id.simple()))
    }

    /// Looks after ephemeral computers and takes notices to the events now; it does so by itself every few seconds.
    pub async fn keep_fleet_now(&self) -> Result<(), StoreError> {
        look_after_fleet(&self.app).await
    }

    /// Ends: no new connections, held check-ins answered, begun requests finished, everything written down.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the manager had failed");
            }
        }
        flush(&self.app).await;
        if let Err(error) = self.app.store.lease_end(self.app.instance).await {
            tracing::warn!(%error, "leases were not given back: they end by themselves");
        }
        self.app.events.close().await;
        self.app.store.close().await;
        tracing::info!("stopped");
    }
}

/// One manager at a time: two would overwrite each other's presence and watermarks.
fn lock(dir: &Path) -> Result<std::fs::File, StartError> {
    let path = dir.join("lock");
    let unusable = |e| StartError::DataDir(dir.to_owned(), e);
    let file =
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(dir.to_owned())),
        Err(std::fs::TryLockError::Error(e)) => Err(unusable(e)),
    }
}

fn listen(at: SocketAddr) -> Result<TcpListener, StartError> {
    let listening = || {
        let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        socket.listen(BACKLOG)
    };
    listening().map_err(|e| StartError::Listen(at, e))
}

/// The names given, and always those by which this machine reaches itself.
fn public_hosts(given: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = given.to_vec();
    if hosts.is_empty() {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim().to_ascii_lowercase();
        let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        hosts.extend(fits.then_some(name));
    }
    hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    let mut unique = Vec::new();
    for host in hosts {
        if !unique.contains(&host) {
            unique.push(host);
        }
    }
    unique
}

/// Makes tenant, policies and administrator where there is nothing yet.
async fn first_start(
    store: &Store,
    password: Option<String>,
    now: Timestamp,
) -> Result<(Uuid, Option<FirstStart>), StartError> {
    let tenant = if let Some(tenant) = store.tenants().await?.first() {
        *tenant
    } else {
        let tenant = Uuid::now_v7();
        store.create_tenant(tenant, "default", now).await?;
        tenant
    };
    let ctx = TenantCtx::system(tenant);
    // Policies and administrator come in one transaction: a start that broke off before it begins anew.
    if store.account_named(tenant, ADMIN).await?.is_some() {
        return Ok((tenant, None));
    }
    let password = match password {
        Some(given) if given.chars().count() < 12 || given.len() > 1024 => return Err(StartError::Password),
        Some(given) => given,
        None => secrets::new_password()?,
    };
    let hash = secrets::hash_password(&password)?;
    let id = Uuid::now_v7();
    let mut write = store.begin(&ctx, now).await?;
    for policy in built_in_policies(now) {
        write.insert_policy(&policy, &VersionNote::new("created", "")).await?;
    }
    write.insert_account(id, ADMIN, Role::Administrator, &hash).await?;
    write
        .audit(Change {
            action: "user.create",
            object_kind: "user",
            object_id: id.to_string(),
            before: None,
            after: Some(serde_json::json!({"name": ADMIN, "role": "administrator"})),
        })
        .await?;
    write.commit().await?;
    Ok((tenant, Some(FirstStart { user: ADMIN.to_owned(), password })))
}

/// The policies that come with the product.
fn built_in_policies(now: Timestamp) -> Vec<PolicyRow> {
    let policy = |name: &str, description: &str, parent: Option<Uuid>, mode: Mode| {
        let mut settings = LocalSettings::default();
        let modes = serde_json::json!({"mode": mode, "defaultRuleMode": mode});
        let module = intrusion_prevention::MODULE.id.to_owned();
        let patch = SettingsPatch(BTreeMap::from([(module, modes.as_object().cloned())]));
        // Modes alone are always valid.
        let _valid = settings.patch(&patch, &sakimori_modules::Objects::default());
        PolicyRow {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            description: description.to_owned(),
            parent,
            settings,
            built_in: true,
            revision: 1,
            updated_at: now,
        }
    };
    let base = policy(
        "Base",
        "Reports attacks and stops nothing; all other policies may inherit it.",
        None,
        Mode::Detect,
    );
    let web = policy(
        "Web server",
        "Stops attacks on web applications with the virtual patches of the product.",
        Some(base.id),
        Mode::Prevent,
    );
    vec![base, web]
}

fn tls(app: &App, mutual: bool) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(app.clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = if mutual {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(app.authority.ca_der().clone())?;
        builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?,
        )
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(app.authority.tls_chain(), app.authority.tls_key())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn listener(
    app: &Arc<App>,
    name: &'static str,
    socket: TcpListener,
    tls: Arc<ServerConfig>,
    router: axum::Router,
) -> Listener {
    Listener {
        name,
        socket,
        tls,
        router,
        connections: PUBLIC_CONNECTIONS,
        pace: None,
        patience: PATIENCE,
        metrics: Arc::clone(&app.metrics),
        stopping: app.stopping.clone(),
    }
}

/// Writes presence down and notices who has gone.
async fn keep_presence(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut flushes = tokio::time::interval(FLUSH);
    let mut sweeps = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            _ = flushes.tick() => flush(&app).await,
            _ = sweeps.tick() => {
                // Other managers see of these computers what is written down.
                if app.nodes.any() {
                    flush(&app).await;
                }
                for (tenant, computer) in app.fleet.newly_offline(app.clock.now()) {
                    app.tell_computer(tenant, computer).await;
                }
            }
            () = stopped(&mut stopping) => return,
        }
    }
}

/// Suspends and cleans up ephemeral computers, and takes the manager's notices to the events.
async fn keep_fleet(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut passes = tokio::time::interval(FLEET);
    passes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = passes.tick() => {
                if let Err(error) = look_after_fleet(&app).await {
                    tracing::error!(error = %anyhow::Error::from(error).root_cause(), "the fleet could not be looked after");
                }
            }
            () = stopped(&mut stopping) => return,
        }
    }
}

async fn look_after_fleet(app: &App) -> Result<(), StoreError> {
    for tenant in app.store.tenants().await? {
        ephemeral::pass(app, tenant).await?;
        loop {
            match notices::deliver(app, tenant).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the manager's notices wait");
                    break;
                }
            }
        }
    }
    Ok(())
}

async fn flush(app: &App) {
    let contacts = app.fleet.take_dirty();
    if contacts.is_empty() {
        return;
    }
    if let Err(error) = app.store.flush_contacts(&contacts).await {
        tracing::error!(%error, "presence could not be written down");
        app.fleet.put_back(&contacts);
    }
}
