//! `PostgreSQL` for tests: started by the tests themselves, as an unprivileged user, on a Unix socket in a folder of
//! its own, and gone when the last test is.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
pub use rustix::process::Signal;

use crate::process::{self, Process};
use crate::wait;

/// The user that owns the databases of tests: it may make roles, and is no superuser.
const OWNER: &str = "sakimori";
/// How long a server may take to answer on a busy machine.
const START: Duration = Duration::from_mins(1);
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Keeps a shared server while somebody holds `DIR.users`, and five seconds longer.
const KEEPER: &str = r#"
dir=$1; shift
"$@" >"$dir/log" 2>&1 &
server=$!
idle=0
while kill -0 $server 2>/dev/null; do
  sleep 1
  exec 9>"$dir.start"
  if flock -n 9; then
    if flock -n "$dir.users" true; then idle=$((idle + 1)); else idle=0; fi
    if [ $idle -ge 5 ]; then
      kill -INT $server
      wait $server
      rm -rf "$dir"
      exit 0
    fi
  fi
  exec 9>&-
done
"#;

/// Whether what is written has to survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Full,
    /// Tests whose server is never killed spare the disk.
    None,
}

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    durability: Durability,
    keeper: Keeper,
}

#[derive(Debug)]
enum Keeper {
    /// Ours alone; nothing while it is stopped.
    Own(Option<Process>),
    /// Held open as long as we use it.
    Shared { _users: File },
}

/// A database of its own on a server; dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    dir: PathBuf,
    name: String,
}

impl Postgres {
    /// A server of one's own.
    pub fn start(durability: Durability) -> anyhow::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("sakimori-pg-{}-{number}", std::process::id()));
        initialise(&dir)?;
        let mut server = Self { dir, durability, keeper: Keeper::Own(None) };
        server.resume()?;
        make_owner(&server.dir)?;
        Ok(server)
    }

    /// The server that all tests of this source folder share.
    pub fn shared() -> anyhow::Result<Self> {
        let mut hasher = DefaultHasher::new();
        env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
        let name = format!("sakimori-pg-{:08x}", hasher.finish() & 0xffff_ffff);
        let dir = std::env::temp_dir().join(name);
        let beside = |suffix: &str| PathBuf::from(format!("{}.{suffix}", dir.display()));
        let starting = File::create(beside("start"))?;
        starting.lock()?;
        let users = File::create(beside("users"))?;
        users.lock_shared()?;
        if !answers(&dir) {
            if dir.exists() {
                std::fs::remove_dir_all(&dir)?;
            }
            initialise(&dir)?;
            let server = server_command(&dir, Durability::None)?;
            let mut keeper = Command::new("setsid");
            keeper.args(["sh", "-c", KEEPER, "sakimori-pg-keeper"]).arg(&dir);
            keeper.arg(server.get_program()).args(server.get_args());
            keeper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            // It outlives this process on purpose; init reaps it.
            drop(keeper.current_dir("/").spawn().context("starting the keeper of PostgreSQL")?);
            wait::until("PostgreSQL to answer", START, || Ok(answers(&dir).then_some(())))?;
            make_owner(&dir)?;
        }
        drop(starting);
        Ok(Self { dir, durability: Durability::None, keeper: Keeper::Shared { _users: users } })
    }

    /// A new database.
    pub fn database(&self, name: &str) -> anyhow::Result<TestDatabase> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}_{}_{number}", std::process::id());
        // template0: nobody is ever connected to it, so several databases can be made at once.
        psql(&self.dir, "postgres", &format!("CREATE DATABASE {name} OWNER {OWNER} TEMPLATE template0"))?;
        Ok(TestDatabase { dir: self.dir.clone(), name })
    }

    /// Stops a server of one's own: `Signal::INT` as an operator would, `Signal::KILL` as a fault would.
    pub fn stop(&mut self, signal: Signal) -> anyhow::Result<()> {
        let Keeper::Own(running) = &mut self.keeper else { anyhow::bail!("a shared server is not stopped") };
        let Some(mut server) = running.take() else { return Ok(()) };
        let pid = server.pid();
        let all = process::tree(pid);
        server.signal(signal)?;
        if signal == Signal::KILL {
            server.kill()?;
        } else {
            wait::until("PostgreSQL to stop", START, || Ok(server.check_alive().is_err().then_some(())))?;
        }
        // The backends end by themselves when the postmaster has gone; its successor waits for them.
        all.into_iter().try_for_each(|pid| process::until_gone(pid, START))
    }

    /// Starts it again on what is there.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let command = server_command(&self.dir, self.durability)?;
        let mut server = Process::start("postgres", command, &self.dir)?;
        wait::until("PostgreSQL to answer", START, || {
            server.check_alive()?;
            Ok(answers(&self.dir).then_some(()))
        })?;
        self.keeper = Keeper::Own(Some(server));
        Ok(())
    }

    /// Process id of a server of one's own.
    pub fn pid(&self) -> Option<u32> {
        match &self.keeper {
            Keeper::Own(server) => server.as_ref().map(Process::pid),
            Keeper::Shared { .. } => None,
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Keeper::Own(_) = self.keeper {
            let stopped = self.stop(Signal::INT);
            let removed = std::fs::remove_dir_all(&self.dir);
            if let Err(error) = stopped.and_then(|()| Ok(removed?)) {
                println!("! PostgreSQL in {} was not tidied up: {error:#}", self.dir.display());
            }
        }
    }
}

impl TestDatabase {
    /// Its address for a user that owns it and is no superuser.
    pub fn url(&self) -> String {
        format!("postgres://{OWNER}@localhost/{}?host={}", self.name, self.dir.display())
    }

    /// Runs statements as the superuser: rows as lines, columns parted by `|`.
    pub fn sql(&self, statements: &str) -> anyhow::Result<String> {
        psql(&self.dir, &self.name, statements)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A server that has gone has taken its databases along.
        let _gone =
            psql(&self.dir, "postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// The folder of the newest installed server's programs.
pub fn programs() -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= 15 && bin.join("postgres").exists())
        .collect();
    found.sort();
    let (_, newest) =
        found.pop().context("PostgreSQL 15 or newer is not installed: run cargo xtask setup")?;
    Ok(newest)
}

/// A program as the user that may run the server: it refuses root.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=INT", "--"]);
    command.arg(program);
    command
}

fn initialise(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(dir).with_context(|| dir.display().to_string())?;
    if rustix::process::geteuid().is_root() {
        process::call("chown", &["postgres:", &dir.display().to_string()])?;
    }
    let mut initdb = unprivileged(&programs()?.join("initdb"));
    initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    initdb.arg("--pgdata").arg(dir.join("data")).current_dir("/");
    process::run(initdb).map(drop)
}

fn server_command(dir: &Path, durability: Durability) -> anyhow::Result<Command> {
    let mut server = unprivileged(&programs()?.join("postgres"));
    server.arg("-D").arg(dir.join("data")).arg("-k").arg(dir);
    let durable = if durability == Durability::Full { "on" } else { "off" };
    for setting in [
        "listen_addresses=".to_owned(),
        "max_connections=200".to_owned(),
        "shared_buffers=128MB".to_owned(),
        "wal_compression=on".to_owned(),
        "max_wal_size=4GB".to_owned(),
        format!("fsync={durable}"),
        format!("full_page_writes={durable}"),
    ] {
        server.args(["-c", &setting]);
    }
    server.current_dir("/");
    Ok(server)
}

fn answers(dir: &Path) -> bool {
    dir.exists() && psql(dir, "postgres", "SELECT 1").is_ok()
}

fn make_owner(dir: &Path) -> anyhow::Result<()> {
    psql(dir, "postgres", &format!("CREATE ROLE {OWNER} LOGIN CREATEROLE")).map(drop)
}

fn psql(dir: &Path, database: &str, statements: &str) -> anyhow::Result<String> {
    let mut psql = Command::new(programs()?.join("psql"));
    psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", statements]);
    psql.arg("-h").arg(dir).current_dir("/");
    process::run(psql)
}
