//! Alerts and events reach real receivers, and wait for those that are away.
use crate::support::{Api, Machine, Site, intrusion, notice, until};
use rcgen::{CertificateParams, KeyPair};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use uuid::Uuid;

pub(crate) async fn channel(admin: &Api, new: Value) -> String {
    let (status, made) = admin.post("/channels", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    format!("/channels/{}", made["id"].as_str().unwrap())
}

/// A computer that sends its events one after the other.
pub(crate) struct Sender {
    machine: Machine,
    epoch: Uuid,
    next: u64,
}

impl Sender {
    pub(crate) async fn new(site: &Site, admin: &Api) -> Self {
        Self { machine: site.machine(admin).await, epoch: Uuid::now_v7(), next: 1 }
    }

    pub(crate) async fn send(&mut self, lines: &[String]) {
        let text = lines.join("\n") + "\n";
        let (status, answer) = self.machine.send_events(self.epoch, self.next, &text).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        self.next += u64::try_from(lines.len()).unwrap();
    }
}

/// Answers requests; keeps their heads and bodies.
#[derive(Clone)]
struct HttpReceiver {
    port: u16,
    got: Arc<Mutex<Vec<(String, String)>>>,
    answer: Arc<Mutex<String>>,
}

impl HttpReceiver {
    async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver =
            Self { port, got: Arc::default(), answer: Arc::new(Mutex::new("200 OK\r\n".to_owned())) };
        let ours = receiver.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let ours = ours.clone();
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let (head, length, begin) = loop {
                        let mut piece = [0; 4096];
                        let n = stream.read(&mut piece).await.unwrap();
                        if n == 0 {
                            return;
                        }
                        bytes.extend_from_slice(&piece[..n]);
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        if let Some((whole, _)) = text.split_once("\r\n\r\n") {
                            let head = whole.to_ascii_lowercase();
                            let length = head.split("content-length: ").nth(1).unwrap();
                            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                            break (whole.to_owned(), length, whole.len() + 4);
                        }
                    };
                    while bytes.len() < begin + length {
                        let mut piece = vec![0; 65536];
                        let n = stream.read(&mut piece).await.unwrap();
                        bytes.extend_from_slice(&piece[..n]);
                    }
                    let body = String::from_utf8_lossy(&bytes[begin..]).into_owned();
                    let answer = ours.answer.lock().unwrap().clone();
                    if answer.starts_with("200") {
                        ours.got.lock().unwrap().push((head, body));
                    }
                    let answer = format!("HTTP/1.1 {answer}content-length: 0\r\nconnection: close\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        receiver
    }

    fn answers(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    fn items(&self) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        let bodies = got.iter().map(|(_, body)| serde_json::from_str::<Value>(body).unwrap());
        bodies.flat_map(|body| body["items"].as_array().cloned().unwrap_or_default()).collect()
    }
}

fn codes(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|i| i["event"]["detail"]["code"].as_str()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_webhook_is_signed_and_loses_and_doubles_nothing_while_its_receiver_is_away() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let receiver = HttpReceiver::start(0).await;
    let key = "a key of some length";
    let path = channel(
        &admin,
        json!({"name": "Chat", "events": "kind = notice", "alerts": "low",
            "target": {"kind": "webhook", "url": format!("http://127.0.0.1:{}/in", receiver.port)},
            "secrets": {"signingKey": key, "headers": {"Authorization": "Bearer hush"}}}),
    )
    .await;
    let (_, shown) = admin.get(&path).await;
    assert_eq!(shown["secretsSet"], json!(["headers.Authorization", "signingKey"]));
    for everything in [shown, admin.get("/channels").await.1, admin.get("/audit-records").await.1] {
        let text = everything.to_string();
        assert!(!text.contains(key) && !text.contains("hush"), "{text}");
    }
    // At rest they are sealed.
    if let Some((database, _)) = site.home.database.as_deref() {
        let stored = database.sql("SELECT secrets FROM channel").unwrap();
        assert!(stored.contains("sealed1:") && !stored.contains(key) && !stored.contains("hush"), "{stored}");
    } else {
        for name in ["manager.db", "manager.db-wal"] {
            let stored = std::fs::read(site.home.data().join(name)).unwrap();
            let holds = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!holds(key) && !holds("hush"), "{name}");
        }
    }
    let mut sender = Sender::new(&site, &admin).await;
    sender.send(&[notice("n0"), intrusion("SKM-0123-4567-89AB-CDEF"), notice("n1")]).await;
    until("both notices", async || (codes(&receiver.items()) == ["n0", "n1"]).then_some(())).await;
    let (head, body) = receiver.got.lock().unwrap()[0].clone();
    let value = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let signed = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    let tag = ring::hmac::sign(&signed, format!("{}.{body}", value("sakimori-timestamp")).as_bytes());
    let hex = sakimori_manager::secrets::hex(tag.as_ref());
    assert_eq!(value("sakimori-signature"), format!("v1={hex}"));
    assert_eq!(value("authorization"), "Bearer hush");

    // Away, then wrong, then leading elsewhere.
    let elsewhere = HttpReceiver::start(0).await;
    let mut number = 2;
    for answer in [
        "503 Service Unavailable\r\n",
        &format!("307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\n", elsewhere.port),
    ] {
        receiver.answers(answer);
        let lines: Vec<String> = (number..number + 300).map(|n| notice(&format!("n{n}"))).collect();
        number += 300;
        sender.send(&lines).await;
        let failing = until("the failure shows", async || {
            let (_, channel) = admin.get(&path).await;
            let wanted = answer.split(' ').next().unwrap();
            channel["lastError"].as_str().filter(|e| e.contains(wanted)).map(|_| channel.clone())
        })
        .await;
        assert!(failing["failingSince"].is_string() && failing["nextAttemptAt"].is_string(), "{failing}");
        site.clock.advance(Duration::from_mins(6));
    }
    // An hour later, after a restart of the manager.
    site.clock.advance(Duration::from_hours(1));
    let alert = until("the failure raises an alert", async || {
        admin.list("/alerts?conditionId=delivery-failing").await.into_iter().next()
    })
    .await;
    assert_eq!(alert["subject"], "Chat");
    let site = site.restart().await;
    let admin = site.admin().await;
    receiver.answers("200 OK\r\n");
    site.clock.advance(Duration::from_mins(6));
    let expected: Vec<String> = (0..number).map(|n| format!("n{n}")).collect();
    until("all that waited", async || (codes(&receiver.items()).len() >= expected.len()).then_some(())).await;
    assert_eq!(codes(&receiver.items()), expected, "in order, each once");
    assert!(elsewhere.got.lock().unwrap().is_empty());
    until("the alert and its end are delivered too", async || {
        let items = receiver.items();
        let of = |what: &str| {
            items.iter().any(|i| i["what"] == what && i["alert"]["conditionId"] == "delivery-failing")
        };
        (of("raised") && of("resolved")).then_some(())
    })
    .await;
    let ids: Vec<String> = receiver.items().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    until("it is calm", async || {
        let (_, calm) = admin.get(&path).await;
        (calm["failingSince"].is_null() && calm["lost"] == 0 && calm["alertsWaiting"] == 0).then_some(())
    })
    .await;
    let (status, test) = admin.post(&format!("{path}/test"), json!({})).await;
    assert_eq!((status, test), (StatusCode::OK, json!({"delivered": true, "error": null})));
    assert!(receiver.items().iter().any(|item| item["what"] == "test"));
}

/// Takes octet-counted messages off a stream until its end.
async fn counted(mut stream: impl AsyncRead + Unpin) -> Vec<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while let Some(space) = rest.iter().position(|b| *b == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        let Some(message) = rest.get(space + 1..space + 1 + length) else { break };
        messages.push(String::from_utf8(message.to_vec()).unwrap());
        rest = &rest[space + 1 + length..];
    }
    messages
}

pub(crate) fn syslog(port: u16, transport: &str, format: &str, authorities: Option<&str>) -> Value {
    let mut target = json!({"kind": "syslog", "server": "127.0.0.1", "port": port, "transport": transport, "format": format});
    if let Some(pem) = authorities {
        target["authorities"] = json!(pem);
    }
    json!({"name": Uuid::now_v7(), "events": "kind = notice", "target": target})
}

#[tokio::test]
async fn syslog_over_tcp_is_sent_again_when_the_receiver_breaks_off() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = channel(&admin, syslog(listener.local_addr().unwrap().port(), "tcp", "cef", None)).await;
    let mut sender = Sender::new(&site, &admin).await;
    let hostile = "a|b=c\\d\u{1b}[2J\n<0>1 - forged";
    sender.send(&[notice(hostile), notice("second")]).await;
    // Breaks off with what it has not read: nothing of it counts.
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 10]).await.unwrap();
    drop(stream);
    until("the failure shows", async || admin.get(&path).await.1["lastError"].as_str().map(|_| ())).await;
    site.clock.advance(Duration::from_mins(6));
    let (stream, _) = listener.accept().await.unwrap();
    let messages = counted(stream).await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages[0].starts_with("<110>1 2026-11-18T11:06:40Z 127.0.0.1 sakimori - notice - CEF:0|Sakimori|")
    );
    assert!(messages[0].contains("SakimoriCode=a|b\\=c\\\\d [2J <0>1 - forged "), "{}", messages[0]);
    assert!(messages.iter().all(|m| !m.contains(|c: char| c.is_control())));
    until("it is known to be delivered", async || {
        let (_, channel) = admin.get(&path).await;
        (channel["delivered"] == 2 && channel["failingSince"].is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn syslog_over_tcp_that_a_silent_receiver_has_not_read_is_sent_again() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = channel(&admin, syslog(listener.local_addr().unwrap().port(), "tcp", "cef", None)).await;
    let mut sender = Sender::new(&site, &admin).await;
    sender.send(&[notice("first")]).await;
    // It hangs: its machine has taken every byte, it has read none.
    let (hanging, _) = listener.accept().await.unwrap();
    let failing = until("it is not taken for delivered", async || {
        let (_, channel) = admin.get(&path).await;
        channel["failingSince"].is_string().then_some(channel)
    })
    .await;
    assert!(failing["lastError"].as_str().unwrap().contains("has not ended the connection"), "{failing}");
    assert_eq!(failing["delivered"], 0);
    // It is killed, and another one takes its place.
    drop(hanging);
    site.clock.advance(Duration::from_mins(6));
    let (stream, _) = listener.accept().await.unwrap();
    assert_eq!(counted(stream).await.len(), 1);
    until("it is known to be delivered", async || {
        let (_, channel) = admin.get(&path).await;
        (channel["delivered"] == 1 && channel["failingSince"].is_null()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn syslog_goes_through_tls_and_in_datagrams() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stranger = channel(&admin, syslog(port, "tls", "leef", None)).await;
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    channel(&admin, syslog(udp.local_addr().unwrap().port(), "udp", "leef", None)).await;
    let mut sender = Sender::new(&site, &admin).await;
    sender.send(&[notice("one"), notice("two")]).await;
    let (stream, _) = listener.accept().await.unwrap();
    assert!(acceptor.accept(stream).await.is_err(), "a certificate that nobody vouches for is not trusted");
    until("it is said", async || {
        admin.get(&stranger).await.1["lastError"].as_str().filter(|e| e.contains("certificate")).map(|_| ())
    })
    .await;
    let patch = json!({"target": syslog(port, "tls", "leef", Some(&certificate.pem()))["target"]});
    assert_eq!(admin.patch(&stranger, patch).await.0, StatusCode::OK);
    let messages = loop {
        // Attempts from before the change may still stand in the queue.
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = acceptor.accept(stream).await {
            break counted(stream).await;
        }
    };
    assert_eq!(messages.len(), 2);
    assert!(
        messages[1].contains("LEEF:2.0|Sakimori|Sakimori|") && messages[1].contains("\tSakimoriCode=two\t"),
        "{messages:?}"
    );
    for _ in 0..2 {
        let mut datagram = [0; 9000];
        let (length, _) = tokio::time::timeout(Duration::from_secs(20), udp.recv_from(&mut datagram))
            .await
            .unwrap()
            .unwrap();
        assert!(datagram[..length].starts_with(b"<110>1 "));
    }
}

#[tokio::test]
async fn a_collector_of_opentelemetry_gets_log_records() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let receiver = HttpReceiver::start(0).await;
    let url = format!("http://127.0.0.1:{}/v1/logs", receiver.port);
    channel(
        &admin,
        json!({"name": "otel", "events": "kind = intrusion", "target": {"kind": "otlp", "url": url}}),
    )
    .await;
    let mut sender = Sender::new(&site, &admin).await;
    sender.send(&[intrusion("SKM-0123-4567-89AB-CDEF")]).await;
    let (head, body) = until("a request", async || receiver.got.lock().unwrap().first().cloned()).await;
    assert!(head.starts_with("POST /v1/logs HTTP/1.1"), "{head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let record = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(
        (&record["severityNumber"], &record["timeUnixNano"]),
        (&json!(21), &json!("1795000000000000000"))
    );
    let attributes = record["attributes"].as_array().unwrap();
    let value =
        |key: &str| attributes.iter().find(|a| a["key"] == key).unwrap()["value"]["stringValue"].clone();
    assert_eq!(value("event.name"), "sakimori.intrusion");
    assert_eq!(value("host.name"), "web1");
    assert_eq!(value("sakimori.client"), "203.0.113.9");
}

#[tokio::test]
async fn what_is_wrong_with_a_channel_is_said_at_once() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let hook = |url: &str| json!({"kind": "webhook", "url": url});
    let mail = |security: &str, to: &str| {
        json!({"kind": "email", "server": "mail.example", "port": 25, "security": security,
            "from": "sakimori@example.com", "to": [to]})
    };
    let keyed = json!({"signingKey": "a key of some length"});
    for (target, secrets, pointer) in [
        (hook("http://receiver.example/"), keyed.clone(), "/target/url"),
        (hook("https://user:password@receiver.example/"), keyed.clone(), "/target/url"),
        (hook("ftp://127.0.0.1/"), keyed, "/target/url"),
        (hook("https://receiver.example/"), json!({}), "/secrets/signingKey"),
        (mail("plain", "a@example.com"), json!({}), "/target/security"),
        (mail("tls", "a@example.com\r\nBcc: b@example.com"), json!({}), "/target/to"),
        (syslog(514, "tls", "cef", Some("not PEM"))["target"].clone(), json!({}), "/target/authorities"),
        (syslog(0, "tcp", "cef", None)["target"].clone(), json!({}), "/target/port"),
    ] {
        let new = json!({"name": "x", "target": target, "secrets": secrets});
        let (status, problem) = admin.post("/channels", new).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::BAD_REQUEST, &json!(pointer)),
            "{problem}"
        );
    }
    let path = channel(
        &admin,
        json!({"name": "x", "target": hook("https://127.0.0.1:9/"), "secrets": {"signingKey": "a key of some length"}}),
    )
    .await;
    let (status, problem) = admin.patch(&path, json!({"target": hook("https://127.0.0.1:10/")})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a key does not go along to another receiver: {problem}");
    let (_, test) = admin.post(&format!("{path}/test"), json!({})).await;
    assert_eq!(test["delivered"], false);
    assert!(!test["error"].as_str().unwrap().is_empty());
    let other = site.with_key(&site.manager.create_tenant("other").await.unwrap());
    assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&format!("{path}/test"), json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
}
