//! Ways in that no patch closes, and what the other modules say to them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::policy::DATABASE;
use super::steps::{self, Steps};
use crate::fleet::text;
use crate::rest::Api;
use crate::stub::Stub;
use crate::{Host, Lab, Role, blog, fleet, process, wait};

/// How long an event may take from the kernel to the manager on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// What connecting to something that drops packets may take.
const BRIEFLY: Duration = Duration::from_secs(2);
/// A name of the list that comes with the product, reserved for trying it: nobody owns it.
const LISTED: &str = "example-malware.test";
/// Log-ins that the guesser tries.
const GUESSES: u32 = 12;
/// The standard test file for anti-malware in two parts: whole, it would be found in this source.
const TEST_FILE: [&str; 2] = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];
/// Where the intruder drops it, in the site's folder.
const DROPPED: &str = "wp-content/dropped.php";

/// What stands around the website in the story.
#[derive(Debug)]
pub(crate) struct Surroundings<'lab> {
    lab: &'lab Lab,
    site: SocketAddr,
    database: Stub,
    stranger: Stub,
}

impl<'lab> Surroundings<'lab> {
    /// Starts a database's port on the server, and a stranger's website on the attacker's machine.
    pub(crate) fn start(lab: &'lab Lab, site: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            lab,
            site,
            database: Stub::start(lab.host(Role::Server), DATABASE, "the database says hello\n")?,
            stranger: Stub::start(
                lab.host(Role::Attacker),
                80,
                "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\npayload\n",
            )?,
        })
    }

    fn attacker(&self) -> &'lab Host {
        self.lab.host(Role::Attacker)
    }

    fn server(&self) -> &'lab Host {
        self.lab.host(Role::Server)
    }

    /// Before the server is protected.
    pub(crate) fn unprotected(&self, steps: &mut Steps) -> anyhow::Result<()> {
        let reached = self.attacker().connect(self.database.address(), BRIEFLY).is_ok();
        let words = format!("{} answers the attacker", self.database.address());
        steps.check("the database's port is open to everybody", reached, &words);
        let fetched = self.fetch()?;
        steps.check("the server fetches from a malware site", fetched.contains("payload"), fetched.trim());
        Ok(())
    }

    /// After it is protected: each way in, and the event that tells of it.
    pub(crate) fn protected(&self, steps: &mut Steps, api: &Api<'_>) -> anyhow::Result<Vec<Value>> {
        Ok(vec![
            self.closed_port(steps, api)?,
            self.guessed_passwords(steps, api)?,
            self.dropped_file(steps, api)?,
            self.changed_page(steps, api)?,
            self.listed_site(steps, api)?,
        ])
    }

    fn closed_port(&self, steps: &mut Steps, api: &Api<'_>) -> anyhow::Result<Value> {
        let reached = self.attacker().connect(self.database.address(), BRIEFLY).is_ok();
        let words = format!("{} gives the attacker no answer", self.database.address());
        steps.check("the firewall closes the database's port", !reached, &words);
        let port = u64::from(DATABASE);
        let source = self.attacker().v4().to_string();
        let event = event(api, "firewall", |event| {
            event.pointer("/detail/destinationPort").and_then(Value::as_u64) == Some(port)
                && text(event, "/detail/source") == source
        })?;
        told(steps, "the firewall tells of it", &event, text(&event, "/action") == "blocked");
        Ok(event)
    }

    fn guessed_passwords(&self, steps: &mut Steps, api: &Api<'_>) -> anyhow::Result<Value> {
        let url = format!("http://{}/wp-login.php", self.site);
        let mut wrong = 0;
        for number in 0..GUESSES {
            let form = format!("log=admin&pwd=guess{number}");
            let mut guess = self.attacker().command("curl");
            guess.args(["--silent", "--max-time", "10", "--output", "/dev/null"]);
            guess.args(["--write-out", "%{http_code}", "--data", &form, &url]);
            wrong += u32::from(process::run(guess)?.trim() == "200");
        }
        let words = format!("{wrong} of {GUESSES} guesses were answered: wrong password");
        steps.check("somebody guesses the password", wrong == GUESSES, &words);
        let attacker = self.attacker().v4().to_string();
        let event = event(api, "log", |event| {
            event.pointer("/detail/count").and_then(Value::as_u64) > Some(1)
                && text(event, "/detail/sourceAddress") == attacker
        })?;
        told(steps, "log inspection notices the guessing", &event, !text(&event, "/detail/line").is_empty());
        Ok(event)
    }

    /// Somebody with a stolen password for the server itself: no hole of the website is needed.
    fn dropped_file(&self, steps: &mut Steps, api: &Api<'_>) -> anyhow::Result<Value> {
        let path = format!("{}/{DROPPED}", blog::FOLDER);
        let mut drop = self.server().command("sh");
        let script = r#"mkdir -p "$(dirname "$3")" && printf '%s%s' "$1" "$2" > "$3""#;
        drop.args(["-c", script, "sh"]).args(TEST_FILE).arg(&path);
        process::run(drop)?;
        let gone = wait::until("the dropped file to be taken away", PATIENCE, || {
            Ok((!self.server().outside(&path).exists()).then_some(()))
        });
        steps.check("the dropped file is taken away", gone.is_ok(), &path);
        let event = event(api, "malware", |event| text(event, "/detail/path") == path)?;
        let quarantined = text(&event, "/detail/done") == "quarantined";
        told(steps, "anti-malware tells of it", &event, quarantined);
        Ok(event)
    }

    fn changed_page(&self, steps: &mut Steps, api: &Api<'_>) -> anyhow::Result<Value> {
        let path = format!("{}/about.html", blog::FOLDER);
        self.server().shell(&format!("echo '<p>HACKED by the demo attacker</p>' >> '{path}'"))?;
        let page = self.lab.host(Role::Visitor);
        let shown = crate::http::get(page, self.site, "/about.html", PATIENCE)?;
        let changed = shown.body.contains("HACKED");
        steps.check("a page is changed", changed, &format!("{path}: HTTP {}", shown.status));
        let event = event(api, "integrity", |event| text(event, "/detail/path") == path)?;
        let content =
            event.pointer("/detail/attributes").is_some_and(|all| all.to_string().contains("sha256"));
        let known = text(&event, "/detail/change") == "changed" && content;
        told(steps, "integrity monitoring reports it", &event, known);
        Ok(event)
    }

    fn listed_site(&self, steps: &mut Steps, api: &Api<'_>) -> anyhow::Result<Value> {
        let fetched = self.fetch()?;
        let words = fetched.lines().last().unwrap_or_default().trim();
        steps.check("the malware site is out of reach", !fetched.contains("payload"), words);
        let event = event(api, "web-reputation", |event| text(event, "/detail/entry").contains(LISTED))?;
        told(steps, "web reputation tells of it", &event, text(&event, "/action") == "blocked");
        Ok(event)
    }

    /// The server fetches from the listed name, which is the attacker's machine.
    fn fetch(&self) -> anyhow::Result<String> {
        let address = self.stranger.address();
        let mut fetch = self.server().command("curl");
        let resolve = format!("{LISTED}:{}:{}", address.port(), address.ip());
        fetch.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "10", "--resolve", &resolve]);
        fetch.args(["--write-out", "\nHTTP %{http_code}", &format!("http://{LISTED}/tool")]);
        let output = process::output(&mut fetch)?;
        Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    }
}

/// Waits for an event of a kind that is the one.
pub(crate) fn event(api: &Api<'_>, kind: &str, is: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    wait::until(&format!("the {kind} event"), PATIENCE, || {
        let events = fleet::events_of(api, kind)?;
        let count = events.len();
        match events.into_iter().find(|event| is(event)) {
            Some(event) => Ok(Some(event)),
            None => bail!("{count} events of kind {kind}, none is the one"),
        }
    })
}

fn told(steps: &mut Steps, what: &str, event: &Value, is_so: bool) {
    steps.check(what, is_so, text(event, "/explanation/en"));
    steps::fact("explanation (ja)", text(event, "/explanation/ja"));
}
