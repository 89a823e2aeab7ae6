//! A client of the manager's REST API that runs `curl` on a machine of the lab.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::{Host, process, wait};

/// How often it is asked again, a second apart, after too many requests: the limit is of a minute.
const SLOWED_DOWN: u32 = 65;

/// A logged-in client.
#[derive(Debug)]
pub struct Api<'lab> {
    from: &'lab Host,
    base: String,
    pin: String,
    key: String,
}

impl<'lab> Api<'lab> {
    /// Logs in with a password from the machine `from`, and goes on with an API key made for it.
    ///
    /// # Errors
    /// When the manager refuses or its key is not the pinned one.
    pub fn log_in(
        from: &'lab Host,
        manager: SocketAddr,
        pin: &str,
        user: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let mut api =
            Self { from, base: format!("https://{manager}/api/v1"), pin: pin.to_owned(), key: String::new() };
        let jar = from.folder().join("cookies");
        let jar = jar.to_string_lossy();
        let credentials = json!({"user": user, "password": password});
        let session = api.send("POST", "/sessions", Some(&credentials), &["--cookie-jar", &jar])?;
        let csrf = session.get("csrfToken").and_then(Value::as_str).context("a session has a csrfToken")?;
        let header = format!("X-CSRF-Token: {csrf}");
        let wish = json!({"name": "lab", "role": "administrator", "expiresInSecs": 86400});
        let key = api.send("POST", "/api-keys", Some(&wish), &["--cookie", &jar, "--header", &header])?;
        key.get("secret").and_then(Value::as_str).context("a new key has a secret")?.clone_into(&mut api.key);
        std::fs::remove_file(&*jar)?;
        Ok(api)
    }

    /// The key for scripts: `sak_<id>_<secret>`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Gets `path`, as JSON.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send("GET", path, None, &[])
    }

    /// Posts to `path`.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send("POST", path, Some(body), &[])
    }

    /// Changes what is at `path` as it is now.
    pub fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let now = self.get(path)?;
        let etag = now.get("etag").and_then(Value::as_str).with_context(|| format!("{path} has no etag"))?;
        self.send("PATCH", path, Some(body), &["--header", &format!("If-Match: {etag}")])
    }

    /// The items of the list at `path`; one page of it.
    pub fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let page = self.get(path)?;
        Ok(page.get("items").and_then(Value::as_array).with_context(|| format!("{path} is no list"))?.clone())
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>, more: &[&str]) -> anyhow::Result<Value> {
        let (mut status, mut answer) = self.ask(method, path, body, more)?;
        // Who asks again and again for what it waits for is told to slow down.
        for _ in 0..SLOWED_DOWN {
            if status != "429" {
                break;
            }
            wait::pause(Duration::from_secs(1))?;
            (status, answer) = self.ask(method, path, body, more)?;
        }
        if !status.starts_with('2') {
            bail!("{method} {path}: {status} {answer}");
        }
        if answer.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).with_context(|| format!("{method} {path}: {answer}"))
    }

    /// The status and the body of an answer.
    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        more: &[&str],
    ) -> anyhow::Result<(String, String)> {
        let mut command = self.from.command("curl");
        command
            .args(["--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "20"])
            .args(["--pinnedpubkey", &self.pin, "--request", method, "--write-out", "\n%{http_code}"]);
        if !self.key.is_empty() {
            command.args(["--header", &format!("Authorization: Bearer {}", self.key)]);
        }
        if let Some(body) = body {
            command.args(["--header", "Content-Type: application/json", "--data", &body.to_string()]);
        }
        command.args(more).arg(format!("{}{path}", self.base));
        let answer = process::run(command).with_context(|| format!("{method} {path}"))?;
        let (body, status) = answer.rsplit_once('\n').context("curl writes the status last")?;
        Ok((status.to_owned(), body.to_owned()))
    }
}
