//! Debian's rsyslog takes what is sent over UDP, TCP and TLS, and understands it; killed and started again, it misses nothing.
use super::delivery::{Sender, channel, syslog};
use crate::support::{Site, notice, until};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/rsyslogd";

/// A server of this test alone, with its own configuration in a folder of its own.
struct Rsyslog {
    dir: TempDir,
    port: u16,
    process: Child,
}

/// A message as rsyslog understood it.
struct Taken {
    priority: String,
    host: String,
    program: String,
    kind: String,
    cef: BTreeMap<String, String>,
    header: Vec<String>,
}

impl Rsyslog {
    /// What it has read it has written before it reads on: its own queue in memory would be lost with it.
    fn start(tls: Option<(&str, &str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let mut text = format!("global(workDirectory=\"{}\" maxMessageSize=\"64k\"", dir.path().display());
        let mut mode = String::new();
        if let Some((certificate, key)) = tls {
            std::fs::write(path("tls.pem"), certificate).unwrap();
            std::fs::write(path("tls.key"), key).unwrap();
            write!(
                text,
                " defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"{0}\" \
                 defaultNetstreamDriverCertFile=\"{0}\" defaultNetstreamDriverKeyFile=\"{1}\"",
                path("tls.pem"),
                path("tls.key")
            )
            .unwrap();
            " streamDriver.name=\"ossl\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\""
                .clone_into(&mut mode);
        }
        write!(
            text,
            ")\nmain_queue(queue.type=\"Direct\")\nmodule(load=\"imtcp\"{mode})\nmodule(load=\"imudp\")\n\
             template(name=\"taken\" type=\"string\" string=\"%pri%\\t%hostname%\\t%app-name%\\t%msgid%\\t%msg%\\n\")\n\
             ruleset(name=\"all\") {{ action(type=\"omfile\" file=\"{}\" template=\"taken\" asyncWriting=\"off\") }}\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"all\")\n",
            path("taken")
        )
        .unwrap();
        if tls.is_none() {
            writeln!(text, "input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"all\")")
                .unwrap();
        }
        std::fs::write(path("rsyslog.conf"), text).unwrap();
        let process = Self::spawn(dir.path(), port);
        Self { dir, port, process }
    }

    fn spawn(dir: &Path, port: u16) -> Child {
        assert!(Path::new(PROGRAM).exists(), "rsyslog is not installed: run cargo xtask setup");
        let mut command = Command::new(PROGRAM);
        command.arg("-n").arg("-f").arg(dir.join("rsyslog.conf")).arg("-i").arg(dir.join("pid"));
        let mut process = command.stdin(Stdio::null()).spawn().unwrap();
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return process;
            }
            assert!(process.try_wait().unwrap().is_none(), "rsyslog has ended");
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("rsyslog does not listen");
    }

    /// As by `kill -9`.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_file(self.dir.path().join("pid")).unwrap_or_default();
    }

    fn start_again(&mut self) {
        self.process = Self::spawn(self.dir.path(), self.port);
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("taken")
    }

    fn taken(&self) -> Vec<Taken> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().map(Taken::read).collect()
    }

    fn codes(&self) -> Vec<String> {
        self.taken().iter().map(|taken| taken.cef["SakimoriCode"].clone()).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// Splits at a character that no backslash stands before, at most so often.
fn split(text: &str, at: char, most: usize) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in text.chars() {
        let more = parts.len() <= most;
        let last = parts.last_mut().unwrap();
        if escaped {
            if c != at && c != '\\' {
                last.push('\\');
            }
            last.push(c);
            escaped = false;
        } else if c == '\\' && more {
            escaped = true;
        } else if c == at && more {
            parts.push(String::new());
        } else {
            last.push(c);
        }
    }
    parts
}

impl Taken {
    fn read(line: &str) -> Self {
        let fields: Vec<&str> = line.splitn(5, '\t').collect();
        let cef = fields[4].trim_start().trim_start_matches('\u{feff}');
        let mut header = split(cef, '|', 7);
        let extension = header.pop().unwrap();
        // A key is the last word before an equals sign that no backslash stands before.
        let mut cef = BTreeMap::new();
        let mut pieces: Vec<String> = Vec::new();
        let mut escaped = false;
        let mut piece = String::new();
        for c in extension.chars() {
            match c {
                c if escaped => {
                    piece.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '=' => pieces.push(std::mem::take(&mut piece)),
                c => piece.push(c),
            }
        }
        pieces.push(piece);
        let mut key = pieces[0].clone();
        for (n, piece) in pieces.iter().enumerate().skip(1) {
            let last = n + 1 == pieces.len();
            let (value, next) = if last { (piece.as_str(), "") } else { piece.rsplit_once(' ').unwrap() };
            cef.insert(std::mem::replace(&mut key, next.to_owned()), value.to_owned());
        }
        Self {
            priority: fields[0].to_owned(),
            host: fields[1].to_owned(),
            program: fields[2].to_owned(),
            kind: fields[3].to_owned(),
            cef,
            header,
        }
    }
}

#[tokio::test]
async fn rsyslog_takes_and_understands_what_is_sent_over_udp_tcp_and_tls() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let plain = Rsyslog::start(None);
    let tls = Rsyslog::start(Some((&certificate.pem(), &key.serialize_pem())));
    let mut sender = Sender::new(&site, &admin).await;
    let hostile = "a|b=c\\d\u{1b}[2J\n<0>1 - forged";
    let expected = "a|b=c\\d [2J <0>1 - forged";
    let mut before = 0;
    for (transport, server) in [("tcp", &plain), ("udp", &plain), ("tls", &tls)] {
        let authorities = (transport == "tls").then(|| certificate.pem());
        let path = channel(&admin, syslog(server.port, transport, "cef", authorities.as_deref())).await;
        if transport == "tls" {
            before = 0;
        }
        sender.send(&[notice("first"), notice(hostile), notice("third")]).await;
        until(&format!("{transport}: what was sent"), async || {
            (server.taken().len() >= before + 3).then_some(())
        })
        .await;
        let taken = server.taken().split_off(before);
        assert_eq!(server.codes().split_off(before), ["first", expected, "third"], "{transport}");
        before += 3;
        let events = admin.list("/events?limit=3").await;
        for (taken, event) in taken.iter().zip(events.iter().rev()) {
            assert_eq!(taken.priority, "110", "{transport}");
            assert_eq!((taken.host.as_str(), taken.program.as_str()), ("127.0.0.1", "sakimori"));
            assert_eq!(taken.kind, "notice");
            assert_eq!(taken.header[..3], ["CEF:0", "Sakimori", "Sakimori"]);
            assert_eq!(taken.header[4], "notice");
            assert_eq!(json!(taken.cef["externalId"]), event["id"], "{transport}");
            assert_eq!(taken.cef["dvchost"], "web1");
        }
        until(&format!("{transport}: it is known to be delivered"), async || {
            let (_, channel) = admin.get(&path).await;
            (channel["delivered"] == 3 && channel["failingSince"].is_null()).then_some(())
        })
        .await;
        assert_eq!(admin.delete(&path).await, reqwest::StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn rsyslog_killed_in_the_middle_gets_everything_once_it_is_back() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let mut server = Rsyslog::start(None);
    let path = channel(&admin, syslog(server.port, "tcp", "cef", None)).await;
    let mut sender = Sender::new(&site, &admin).await;
    let mut sent = Vec::new();
    for round in 0..3 {
        let codes: Vec<String> = (0..150).map(|n| format!("r{round}n{n}")).collect();
        let lines: Vec<String> = codes.iter().map(|code| notice(code)).collect();
        sender.send(&lines).await;
        sent.extend(codes);
        // Killed while it is being sent to, or before.
        server.kill();
        until("the failure shows", async || {
            site.clock.advance(Duration::from_secs(1));
            let (_, channel) = admin.get(&path).await;
            (channel["failingSince"].is_string() || channel["delivered"] == sent.len()).then_some(())
        })
        .await;
        server.start_again();
        site.clock.advance(Duration::from_mins(6));
        until("everything is delivered", async || {
            let (_, channel) = admin.get(&path).await;
            (channel["delivered"] == sent.len()).then_some(())
        })
        .await;
    }
    let taken = server.codes();
    let missing: Vec<&String> = sent.iter().filter(|code| !taken.contains(code)).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), sent.len());
    assert_eq!(admin.get(&path).await.1["lost"], 0);
}
