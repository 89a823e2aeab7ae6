//! The manager's own program as a process beside this one, and its REST interface.
use crate::agent::Door;
use crate::link::{Answer, Link, Listener, REQUEST, Trouble, accepted, whole};
use crate::volume::Volume;
use anyhow::Context as _;
use hyper::Method;
use hyper::body::Bytes;
use sakimori_testkit::Process;
use sakimori_trust::Trust;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start may take; a loaded machine makes keys slowly.
const START: Duration = Duration::from_mins(1);
/// The unit that starts a manager on a server: here it has the same environment.
const UNIT: &str = include_str!("../../../deploy/systemd/sakimori-manager.service");
/// Bound of an answer of the REST interface.
const ANSWER: usize = 64 << 20;

/// A manager with data and an address of its own.
pub(crate) struct Manager {
    program: PathBuf,
    flags: Vec<OsString>,
    dir: tempfile::TempDir,
    /// Where its data lie, if not on the machine's own disk.
    pub(crate) volume: Option<Volume>,
    address: Ipv4Addr,
    process: Option<Process>,
    public: Listener,
    key: String,
}

impl Manager {
    /// Starts a fresh one on `SQLite`, or on the database at this address, and logs in.
    pub(crate) async fn start(program: &Path, database: Option<&str>, more: &[&str]) -> anyhow::Result<Self> {
        Self::start_on(program, database, more, None).await
    }

    /// The same, with its data on a disk of so many megabytes.
    pub(crate) async fn start_on(
        program: &Path,
        database: Option<&str>,
        more: &[&str],
        megabytes: Option<u32>,
    ) -> anyhow::Result<Self> {
        let [_, _, c, d] = std::process::id().to_be_bytes();
        // An address of its own on the loopback network, so that several runs need no free ports.
        let address = Ipv4Addr::new(127, 99, c, d.max(1));
        let dir = tempfile::Builder::new().prefix("sakimori-fleet-").tempdir()?;
        let data = dir.path().join("data");
        let mount = |megabytes| {
            std::fs::create_dir(&data)?;
            Volume::mount(&data, megabytes)
        };
        let volume = megabytes.map(mount).transpose()?;
        let mut flags: Vec<OsString> = ["run", "--data-dir"].map(OsString::from).to_vec();
        flags.push(data.into());
        flags.extend(
            ["--public", &format!("{address}:4433"), "--gateway", &format!("{address}:4434")]
                .map(OsString::from),
        );
        flags.extend(["--public-host", &address.to_string(), "--log", "warn"].map(OsString::from));
        flags.extend(database.iter().flat_map(|url| ["--database".into(), (*url).into()]));
        flags.extend(more.iter().map(OsString::from));
        let no_pin = Trust::Pin(format!("sha256//{}=", "A".repeat(43)));
        let public = Listener {
            address: SocketAddr::new(IpAddr::V4(address), 4433),
            from: None,
            tls: Arc::new(sakimori_trust::client_config(&no_pin, None)?),
        };
        let mut manager = Self {
            program: program.to_owned(),
            flags,
            dir,
            volume,
            address,
            process: None,
            public,
            key: String::new(),
        };
        manager.launch()?;
        let said = manager.first_words().await?;
        let [user, password, pin] = ["User:", "Password:", "Public key pin:"].map(|word| {
            said.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_default().trim().to_owned()
        });
        manager.public.tls = Arc::new(sakimori_trust::client_config(&Trust::Pin(pin), None)?);
        manager.ready(START).await?;
        manager.log_in(&user, &password).await?;
        Ok(manager)
    }

    /// Starts the program on what is there.
    pub(crate) fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = match &self.volume {
            Some(volume) => volume.command(&self.program)?,
            None => Command::new(&self.program),
        };
        command.args(&self.flags).envs(environment(UNIT));
        self.process = Some(Process::start("manager", command, self.dir.path())?);
        Ok(())
    }

    async fn first_words(&mut self) -> anyhow::Result<String> {
        let begun = Instant::now();
        let process = self.process.as_mut().context("the manager is not running")?;
        loop {
            process.check_alive()?;
            let said = process.output();
            if said.contains("Public key pin:") && said.ends_with('\n') {
                return Ok(said);
            }
            anyhow::ensure!(begun.elapsed() < START, "the manager says nothing:\n{said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it says that it is ready.
    pub(crate) async fn ready(&mut self, patience: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            if let Some(process) = &mut self.process {
                process.check_alive()?;
            }
            let answer = self.call(Method::GET, "/health/ready", &[], Bytes::new()).await;
            match answer {
                Ok(_) => return Ok(()),
                Err(trouble) if begun.elapsed() >= patience => {
                    anyhow::bail!("not ready after {patience:?}: {trouble}\n{}", self.tail())
                }
                Err(_not_yet) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.process.as_ref().context("the manager is not running")?.pid())
    }

    /// Highest resident memory since its start, in megabytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<f64> {
        self.memory("VmHWM:")
    }

    /// Resident memory now, in megabytes.
    pub(crate) fn memory_now(&self) -> anyhow::Result<f64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, word: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix(word)).context("status has a size")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// The last errors that it logged, or the last lines where there are none.
    pub(crate) fn tail(&self) -> String {
        let Some(process) = &self.process else { return String::new() };
        let said = process.output();
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).collect();
        match errors.get(errors.len().saturating_sub(15)..) {
            Some(last) if !last.is_empty() => last.join("\n"),
            _ => process.tail(15),
        }
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    async fn log_in(&mut self, user: &str, password: &str) -> anyhow::Result<()> {
        let json = ("content-type", "application/json".to_owned());
        let body = json!({"user": user, "password": password}).to_string();
        let answer =
            self.call(Method::POST, "/api/v1/sessions", std::slice::from_ref(&json), body.into()).await?;
        let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let cookie =
            cookie.and_then(|cookie| cookie.split(';').next()).context("a session has a cookie")?.to_owned();
        let session: Value = serde_json::from_slice(&whole(answer, ANSWER).await?)?;
        let token = text(&session, "/csrfToken").to_owned();
        let headers = [json, ("cookie", cookie), ("x-csrf-token", token)];
        let body = json!({"name": "simulator", "role": "administrator", "expiresInSecs": 86_400}).to_string();
        let answer = self.call(Method::POST, "/api/v1/api-keys", &headers, body.into()).await?;
        let made: Value = serde_json::from_slice(&whole(answer, ANSWER).await?)?;
        text(&made, "/secret").clone_into(&mut self.key);
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Answer, Trouble> {
        let mut link = Link::connect(&self.public).await?;
        accepted(link.send((method, path), headers, body, REQUEST).await?).await
    }

    /// An administrator's request, its answer not yet read.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let mut headers = vec![("authorization", format!("Bearer {}", self.key))];
        headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
        headers.extend(etag.map(|etag| ("if-match", etag.to_owned())));
        let body = body.map(Value::to_string).unwrap_or_default();
        let told = format!("{method} {path}");
        self.call(method, &format!("/api/v1{path}"), &headers, body.into()).await.context(told)
    }

    async fn value(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> anyhow::Result<Value> {
        let body = whole(self.request(method, path, body, etag).await?, ANSWER).await?;
        if body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&body)?) }
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.value(Method::GET, path, None, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.value(Method::POST, path, Some(body), None).await
    }

    /// Changes what is at `path` as it is now.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let now = self.get(path).await?;
        let etag = now.get("etag").and_then(Value::as_str);
        self.value(Method::PATCH, path, Some(body), etag).await
    }

    /// The items of a list, through all its parts.
    pub(crate) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.get(&format!("{path}?limit=500{cursor}")).await?;
            if let Some(more) = page.get_mut("items").and_then(Value::as_array_mut) {
                items.append(more);
            }
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// The id of the policy of this name.
    pub(crate) async fn policy(&self, name: &str) -> anyhow::Result<String> {
        let policies = self.list("/policies").await?;
        let found = policies.iter().find(|policy| text(policy, "/name") == name);
        Ok(text(found.with_context(|| format!("there is no policy {name:?}"))?, "/id").to_owned())
    }

    /// A new activation token, and where to show it.
    pub(crate) async fn door(&self, token: Value) -> anyhow::Result<Door> {
        let made = self.post("/activation-tokens", &token).await?;
        Ok(Door { listener: self.public.clone(), token: text(&made, "/token").to_owned() })
    }

    /// A number of the metrics.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let answer = self.call(Method::GET, "/metrics", &[], Bytes::new()).await?;
        let body = whole(answer, ANSWER).await?;
        let text = String::from_utf8_lossy(&body);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("there is no metric {name}"))?.parse()?)
    }

    /// How many events of the last day a filter, as it stands in an address, finds.
    pub(crate) async fn events_kept(&self, filter: &str) -> anyhow::Result<u64> {
        let counts = self.get(&format!("/events/counts?interval=1d&filter={filter}")).await?;
        let all = counts.get("counts").and_then(Value::as_array).context("counts are a list")?;
        Ok(all.iter().filter_map(|count| count.get("count").and_then(Value::as_u64)).sum())
    }
}

/// The variables that a unit sets, each a word without quotes (systemd.exec(5)).
fn environment(unit: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    lines.flat_map(str::split_whitespace).filter_map(|word| word.split_once('='))
}

/// A member of a JSON object as text; empty where it is not there.
pub(crate) fn text<'json>(value: &'json Value, pointer: &str) -> &'json str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_environment_is_found() {
        let unit = "[Service]\nEnvironment=A=1 B_=2\nUMask=0077\n";
        assert_eq!(environment(unit).collect::<Vec<_>>(), [("A", "1"), ("B_", "2")]);
        assert!(environment(UNIT).any(|(name, _)| name == "MALLOC_ARENA_MAX"));
    }
}
