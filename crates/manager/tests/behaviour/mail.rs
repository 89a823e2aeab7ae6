//! Mail reaches a real server, `aiosmtpd` from `PyPI`, in plain text on this machine and after STARTTLS with a log-in.
use crate::support::{Site, until};
use rcgen::{CertificateParams, KeyPair};
use reqwest::StatusCode;
use sakimori_protocol::ModuleState;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SERVER: &str = r#"
import json, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP

class Handler:
    refuse = True
    async def handle_DATA(self, server, session, envelope):
        if Handler.refuse:
            Handler.refuse = False
            return "451 come back later"
        print(json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
            "user": session.authenticated, "text": envelope.content.decode("utf-8", "replace")}), flush=True)
        return "250 taken"

def log_in(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"sakimori" and data.password == b"hush")

options = {}
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    options = dict(tls_context=context, require_starttls=True, authenticator=log_in, auth_required=True)
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]; s.close()
controller = Controller(Handler(), hostname="127.0.0.1", port=port, **options)
controller.start()
print(port, flush=True)
sys.stdin.read()
controller.stop()
"#;

/// A Python with `aiosmtpd`, made once for all test runs.
fn python() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd-1.4.6");
    let lock = File::create(dir.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let python = dir.join("bin/python");
    if !dir.join("ready").exists() {
        let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
        run(Command::new(dir.join("bin/pip")).args(["install", "-q", "aiosmtpd==1.4.6"]));
        std::fs::write(dir.join("ready"), "").unwrap();
    }
    python
}

struct Server {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl Server {
    fn start(tls: Option<(&Path, &Path)>) -> Self {
        let mut command = Command::new(python());
        command.args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((certificate, key)) = tls {
            command.args([certificate, key]);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        Self { child, lines, port }
    }

    /// Waits for a mail.
    async fn mail(mut self) -> (Self, Value) {
        tokio::task::spawn_blocking(move || {
            let line = self.lines.next().unwrap().unwrap();
            (self, serde_json::from_str(&line).unwrap())
        })
        .await
        .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _gone = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_comes_by_mail_once_the_server_takes_it() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let server = Server::start(None);
    let target = json!({"kind": "email", "server": "127.0.0.1", "port": server.port, "security": "plain",
        "from": "Sakimori <sakimori@example.com>", "to": ["ops@example.com", "second@example.com"], "language": "ja"});
    let (status, made) =
        admin.post("/channels", json!({"name": "Mail", "alerts": "info", "target": target})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let machine = site.machine(&admin).await;
    let mut message = machine.check_in_message(None, 0);
    message.modules[0].state = ModuleState::Failed;
    message.modules[0].reasons = vec!["queue-unavailable".to_owned()];
    machine.send_check_in(&message).await;
    // The server has said "come back later".
    let path = format!("/channels/{}", made["id"].as_str().unwrap());
    until("its words are shown", async || {
        admin.get(&path).await.1["lastError"].as_str().filter(|e| e.contains("come back later")).map(|_| ())
    })
    .await;
    site.clock.advance(Duration::from_mins(6));
    let (_server, mail) = tokio::time::timeout(Duration::from_secs(30), server.mail()).await.unwrap();
    assert_eq!(mail["to"], json!(["ops@example.com", "second@example.com"]));
    assert_eq!(mail["from"], "sakimori@example.com");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("Message-ID: <") && text.contains("@sakimori>"), "{text}");
    assert!(text.contains("Subject: ") && text.contains("Content-Type: text/plain"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_through_starttls_with_a_log_in() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let server = Server::start(Some((&certificate_file, &key_file)));
    let target = json!({"kind": "email", "server": "127.0.0.1", "port": server.port, "security": "starttls",
        "user": "sakimori", "from": "sakimori@example.com", "to": ["ops@example.com"], "authorities": certificate.pem()});
    let new = json!({"name": "Mail", "target": target, "secrets": {"password": "hush"}});
    let (status, made) = admin.post("/channels", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let test = format!("/channels/{}/test", made["id"].as_str().unwrap());
    let (_, first) = admin.post(&test, json!({})).await;
    assert_eq!(first["delivered"], false, "the server says 451 first: {first}");
    let (_, second) = admin.post(&test, json!({})).await;
    assert_eq!(second, json!({"delivered": true, "error": null}));
    let (_server, mail) = tokio::time::timeout(Duration::from_secs(30), server.mail()).await.unwrap();
    assert_eq!((&mail["tls"], &mail["user"]), (&json!(true), &json!(true)), "{mail}");
    assert!(mail["text"].as_str().unwrap().contains("This is a test"));
}
