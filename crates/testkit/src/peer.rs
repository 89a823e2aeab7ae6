//! libmodsecurity, the web application firewall that ours is held against: its wheel of `PyPI` in an environment of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{programs, python};

/// The release that is compared with.
pub const VERSION: &str = "3.0.15.post2";

/// A request with its answer.
#[derive(Clone, Debug, Default)]
pub struct Play {
    /// Method.
    pub method: Vec<u8>,
    /// Target as it goes over the wire.
    pub target: Vec<u8>,
    /// Protocol as it goes over the wire, `HTTP/1.1`.
    pub protocol: Vec<u8>,
    /// Headers of the request in their order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Body of the request.
    pub body: Vec<u8>,
    /// Status of the answer.
    pub status: u16,
    /// Headers of the answer.
    pub response_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Body of the answer.
    pub response_body: Vec<u8>,
}

/// What it says of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Processor time of each round, in microseconds.
    pub micros: f64,
    /// The status it answers with; none where it passes.
    pub status: Option<u16>,
    /// The last phase that it ran before its answer.
    pub phase: u64,
    /// Rules that matched.
    pub rules: Vec<u64>,
}

/// Rules for it.
#[derive(Clone, Debug)]
pub enum Rules {
    /// Directives.
    Text(String),
    /// A file of directives; names in it are relative to it.
    File(PathBuf),
}

/// libinjection's own answer on a value: the fingerprint of an SQL injection, and whether it is cross-site scripting.
pub type Injection = (Option<String>, bool);

/// A running libmodsecurity.
#[derive(Debug)]
pub struct LibModSecurity {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl LibModSecurity {
    /// Installs it where it is missing, and starts it.
    ///
    /// # Errors
    /// Without Python, or without a way to `PyPI` where it is not installed yet.
    pub fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(python::environment("libmodsecurity", VERSION)?.join("bin/python"))
            .arg(programs::source().join("crates/testkit/peers/drive_libmodsecurity.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting libmodsecurity")?;
        let (to, from) = child.stdin.take().zip(child.stdout.take()).context("it has standard streams")?;
        Ok(Self { child, to, from: BufReader::new(from) })
    }

    /// Loads rules in place of those that it has; what it says that it is.
    ///
    /// # Errors
    /// When it does not take them.
    pub fn load(&mut self, rules: &[Rules]) -> anyhow::Result<String> {
        let parts: Vec<Value> = rules
            .iter()
            .map(|part| match part {
                Rules::Text(text) => json!({ "text": text }),
                Rules::File(path) => json!({ "file": path }),
            })
            .collect();
        let answer = self.ask(&json!({ "load": parts }))?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            bail!("libmodsecurity does not take the rules: {error}");
        }
        Ok(text(&answer, "version"))
    }

    /// Has a request with its answer judged so many times.
    ///
    /// # Errors
    /// When it has ended.
    pub fn play(&mut self, play: &Play, rounds: u32) -> anyhow::Result<Judged> {
        let bytes = |bytes: &[u8]| STANDARD.encode(bytes);
        let pairs = |headers: &[(Vec<u8>, Vec<u8>)]| -> Vec<[String; 2]> {
            headers.iter().map(|(name, value)| [bytes(name), bytes(value)]).collect()
        };
        // the library adds `HTTP/` itself
        let version = play.protocol.strip_prefix(b"HTTP/").unwrap_or(&play.protocol);
        let answer = self.ask(&json!({ "rounds": rounds, "play": {
            "target": bytes(&play.target), "method": bytes(&play.method), "version": bytes(version),
            "headers": pairs(&play.headers), "body": bytes(&play.body), "status": play.status,
            "response_headers": pairs(&play.response_headers), "response_body": bytes(&play.response_body),
        } }))?;
        let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        Ok(Judged {
            micros: answer.get("micros").and_then(Value::as_f64).context("it says what it took")?,
            status: u16::try_from(number("status")).ok().filter(|status| *status != 0),
            phase: number("phase"),
            rules: list(&answer, "rules").filter_map(Value::as_u64).collect(),
        })
    }

    /// Asks its libinjection, the library in C, of each value; its version beside.
    ///
    /// # Errors
    /// When it has ended.
    pub fn injections(&mut self, values: &[Vec<u8>]) -> anyhow::Result<(Vec<Injection>, String)> {
        let values_in_text: Vec<String> = values.iter().map(|value| STANDARD.encode(value)).collect();
        let answer = self.ask(&json!({ "injections": values_in_text }))?;
        let found: Vec<Injection> = list(&answer, "found")
            .map(|pair| {
                let fingerprint = pair.get(0).and_then(Value::as_str);
                (fingerprint.map(str::to_owned), pair.get(1) == Some(&Value::Bool(true)))
            })
            .collect();
        ensure!(found.len() == values.len(), "it answers for each value");
        Ok((found, text(&answer, "version")))
    }

    fn ask(&mut self, asked: &Value) -> anyhow::Result<Value> {
        writeln!(self.to, "{asked}")?;
        self.to.flush()?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        serde_json::from_str(&line).context("libmodsecurity has ended")
    }
}

impl Drop for LibModSecurity {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

fn text(answer: &Value, name: &str) -> String {
    answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'v>(answer: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
}
