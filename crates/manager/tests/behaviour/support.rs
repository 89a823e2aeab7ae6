//! A manager in a directory of its own, somebody who asks it, and a machine to protect.
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Method, RequestBuilder, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sakimori_content::Pack;
use sakimori_manager::clock::Clock;
use sakimori_manager::content::{Content, ContentFile};
use sakimori_manager::disk::Disk;
use sakimori_manager::recommendation::facts;
use sakimori_manager::store::Database;
use sakimori_manager::{Manager, Options};
use sakimori_protocol::{
    CheckIn, CheckInAnswer, Enrol, EnrolAnswer, Fingerprint, FullStatus, Hash, Mode, ModuleState,
    ModuleStatus, OrderDone, paths,
};
use sakimori_testkit::postgres::{Postgres, TestDatabase};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const RULES: &[u8] = b"alert http any any -> any any (msg:\"test\"; content:\"x\"; sid:1;)\n";

pub(crate) struct Site {
    pub(crate) clock: Clock,
    pub(crate) manager: Manager,
    /// Outlives the manager.
    pub(crate) home: Home,
}

/// What a manager keeps: a directory and, for the behaviour on `PostgreSQL`, a database.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) database: Option<Arc<(TestDatabase, Postgres)>>,
    /// As full as a test says.
    pub(crate) disk: Disk,
}

/// Whether this is the binary that runs the behaviour on `PostgreSQL`.
pub(crate) fn on_postgres() -> bool {
    env!("CARGO_CRATE_NAME") == "behaviour_postgres"
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(|_options| {}).await
    }

    /// With other options than those of tests.
    pub(crate) async fn with(set: impl Fn(&mut Options)) -> Self {
        Self::at(Clock::default(), Home::new(), set).await
    }

    pub(crate) async fn at(clock: Clock, home: Home, set: impl Fn(&mut Options)) -> Self {
        let mut options = home.options(&clock);
        set(&mut options);
        let manager = Manager::start(options).await.unwrap();
        Self { clock, manager, home }
    }

    /// Ends the manager and starts it again on what it keeps.
    pub(crate) async fn restart(self) -> Self {
        let Self { clock, manager, home } = self;
        manager.stop().await;
        let manager = Manager::start(home.options(&clock)).await.unwrap();
        Self { clock, manager, home }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.manager.public().port())
    }

    pub(crate) fn gateway_url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.manager.gateway().port())
    }

    /// Somebody without any rights.
    pub(crate) fn nobody(&self) -> Api {
        Api { client: client(&self.manager.authority_pem(), None), base: self.url("/api/v1"), key: None }
    }

    pub(crate) fn with_key(&self, key: &str) -> Api {
        Api { key: Some(key.to_owned()), ..self.nobody() }
    }

    /// The administrator, by a key.
    pub(crate) async fn admin(&self) -> Api {
        let nobody = self.nobody();
        let (cookie, csrf) = log_in(&nobody, PASSWORD).await;
        let made = nobody
            .request(Method::POST, "/api-keys")
            .header("cookie", cookie)
            .header("x-csrf-token", csrf)
            .json(&json!({"name": "test", "role": "administrator"}))
            .send()
            .await
            .unwrap();
        assert_eq!(made.status(), StatusCode::CREATED);
        let made: Value = made.json().await.unwrap();
        self.with_key(made["secret"].as_str().unwrap())
    }

    /// A machine that has been activated.
    pub(crate) async fn machine(&self, admin: &Api) -> Machine {
        let token = new_token(admin, json!({"name": "test"})).await;
        let mut machine = Machine::new();
        machine.enrol(self, &token).await;
        machine
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = on_postgres().then(|| {
            let server = Postgres::shared().unwrap();
            Arc::new((server.database("behaviour").unwrap(), server))
        });
        Self { dir, database, disk: Disk::made_up() }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn options(&self, clock: &Clock) -> Options {
        let mut options = Options::new(self.data());
        options.database = self.database.as_deref().map(|(database, _)| Database::Postgres(database.url()));
        options.public = ([127, 0, 0, 1], 0).into();
        options.gateway = ([127, 0, 0, 1], 0).into();
        options.public_hosts = vec!["127.0.0.1".to_owned()];
        options.initial_password = Some(PASSWORD.to_owned());
        options.content = Some(Content {
            info: None,
            files: vec![ContentFile::new("intrusion-prevention", "test.rules", RULES.to_vec())],
            rules: Vec::new(),
            facts: facts(&Pack::embedded().unwrap()),
        });
        options.alert_sweep = Duration::from_millis(300);
        options.clock = clock.clone();
        options.disk = self.disk.clone();
        options
    }
}

/// Cookie and CSRF token of a new session.
pub(crate) async fn log_in(api: &Api, password: &str) -> (String, String) {
    let answer = api
        .request(Method::POST, "/sessions")
        .json(&json!({"user": "admin", "password": password}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let session: Value = answer.json().await.unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (cookie, session["csrfToken"].as_str().unwrap().to_owned())
}

pub(crate) async fn new_token(admin: &Api, token: Value) -> String {
    let (status, made) = admin.post("/activation-tokens", token).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

/// Somebody who asks.
pub(crate) struct Api {
    pub(crate) client: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Api {
    /// The same asker after the manager started anew.
    pub(crate) fn at(&self, site: &Site) -> Self {
        site.with_key(self.key.as_deref().unwrap())
    }

    /// Somebody who asks a manager that runs as a program of its own.
    pub(crate) fn of_program(client: reqwest::Client, base: String, key: Option<String>) -> Self {
        Self { client, base, key }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let kind = answer.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        let value: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(kind.as_deref(), Some("application/problem+json"), "{text}");
            assert_eq!(value["status"], status.as_u16(), "{value}");
            for member in ["title", "detail", "code", "requestId"] {
                assert!(!value[member].as_str().unwrap().is_empty(), "{member}: {value}");
            }
        }
        (status, value)
    }

    /// What another address of the manager says.
    pub(crate) async fn text(&self, url: &str) -> String {
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> StatusCode {
        self.send(self.request(Method::DELETE, path)).await.0
    }

    /// The items of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let (status, page) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    /// The policy of this name.
    pub(crate) async fn policy(&self, name: &str) -> Value {
        self.list("/policies").await.into_iter().find(|policy| policy["name"] == name).unwrap()
    }
}

/// A client that trusts one authority, and shows a certificate where it has one.
pub(crate) fn client(authority: &str, identity: Option<(&str, &KeyPair)>) -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into())).unwrap()
        }
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .unwrap()
}

/// A machine to protect.
pub(crate) struct Machine {
    pub(crate) key: KeyPair,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) enrolment: Uuid,
    pub(crate) boot: String,
    pub(crate) answer: Option<EnrolAnswer>,
    pub(crate) client: reqwest::Client,
    pub(crate) gateway: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let id = Uuid::now_v7().to_string();
        Self {
            key: KeyPair::generate().unwrap(),
            fingerprint: Fingerprint {
                machine_id: id.clone(),
                dmi_uuid: id.clone(),
                cloud_instance: String::new(),
            },
            enrolment: Uuid::now_v7(),
            boot: Uuid::now_v7().to_string(),
            answer: None,
            client: reqwest::Client::builder()
                .tls_backend_preconfigured(
                    rustls::ClientConfig::builder_with_provider(Arc::new(
                        rustls::crypto::ring::default_provider(),
                    ))
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
                )
                .build()
                .unwrap(),
            gateway: String::new(),
        }
    }

    pub(crate) fn csr(&self) -> String {
        CertificateParams::default().serialize_request(&self.key).unwrap().pem().unwrap()
    }

    pub(crate) fn enrol_message(&self, token: &str) -> Enrol {
        Enrol {
            enrolment: self.enrolment,
            token: token.to_owned(),
            csr: self.csr(),
            fingerprint: self.fingerprint.clone(),
            host_name: "web1".to_owned(),
            operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            agent_version: "0.1.0".to_owned(),
            policy: None,
            cloud: None,
        }
    }

    pub(crate) async fn enrol(&mut self, site: &Site, token: &str) {
        let (status, answer) = post_agent(site, paths::ENROLL, &self.enrol_message(token)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: EnrolAnswer = serde_json::from_value(answer).unwrap();
        self.use_certificate(site, &answer.certificate);
        self.answer = Some(answer);
    }

    pub(crate) fn use_certificate(&mut self, site: &Site, certificate: &str) {
        self.client = client(&site.manager.authority_pem(), Some((certificate, &self.key)));
        self.gateway = site.gateway_url("");
    }

    /// The same machine after the manager started anew.
    pub(crate) fn at(mut self, site: &Site) -> Self {
        let certificate = self.answer.as_ref().unwrap().certificate.clone();
        self.use_certificate(site, &certificate);
        self
    }

    pub(crate) fn id(&self) -> Uuid {
        self.answer.as_ref().unwrap().computer
    }

    pub(crate) fn check_in_message(&self, bundle: Option<Hash>, hold_secs: u64) -> CheckIn {
        CheckIn {
            agent_version: "0.1.0".to_owned(),
            fingerprint: self.fingerprint.clone(),
            boot: self.boot.clone(),
            bundle,
            refused: None,
            modules: vec![ModuleStatus {
                module: "intrusion-prevention".to_owned(),
                state: ModuleState::Active,
                mode: Mode::Detect,
                reasons: Vec::new(),
                rules: 1,
                counters: vec![("packets".to_owned(), 7)],
            }],
            inventory: None,
            full: Some(FullStatus {
                host_name: "web1".to_owned(),
                operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
                kernel: "6.1.0".to_owned(),
                addresses: vec!["192.0.2.1".to_owned()],
                queue_mechanism: "xt-nfqueue".to_owned(),
                ports: Vec::new(),
                cloud: None,
            }),
            hold_secs,
            leaving: None,
            packaging: None,
            upgrade: None,
        }
    }

    pub(crate) async fn send_check_in(&self, message: &CheckIn) -> (StatusCode, Value) {
        let url = format!("{}{}", self.gateway, paths::CHECK_IN);
        answer(self.client.post(url).json(message)).await
    }

    /// Says what came of an order.
    pub(crate) async fn order_done(&self, done: &OrderDone) {
        let url = format!("{}{}", self.gateway, paths::ORDERS);
        let (status, said) = answer(self.client.post(url).json(done)).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{said}");
    }

    /// Checks in without being held; the bundle that it should enforce, if another one.
    pub(crate) async fn check_in(&self, bundle: Option<Hash>) -> Option<CheckInAnswer> {
        let (status, answer) = self.send_check_in(&self.check_in_message(bundle, 0)).await;
        match status {
            StatusCode::NO_CONTENT => None,
            StatusCode::OK => Some(serde_json::from_value(answer).unwrap()),
            other => panic!("{other}: {answer}"),
        }
    }

    /// Sends what is installed, as these bytes.
    pub(crate) async fn send_inventory(&self, body: Vec<u8>) -> (StatusCode, Value) {
        let url = format!("{}{}", self.gateway, paths::INVENTORY);
        answer(self.client.post(url).header("content-type", "application/json").body(body)).await
    }

    pub(crate) async fn send_events(&self, epoch: Uuid, first: u64, lines: &str) -> (StatusCode, Value) {
        self.send_batch(epoch, first, pack(lines)).await
    }

    pub(crate) async fn send_batch(&self, epoch: Uuid, first: u64, body: Vec<u8>) -> (StatusCode, Value) {
        let url = format!("{}{}", self.gateway, paths::EVENTS);
        let request = self
            .client
            .post(url)
            .header(paths::STREAM_EPOCH, epoch.to_string())
            .header(paths::FIRST_SEQUENCE, first)
            .body(body);
        answer(request).await
    }
}

pub(crate) fn pack(lines: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(lines.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

/// Sends an agent's message to the public listener.
pub(crate) async fn post_agent(
    site: &Site,
    path: &str,
    message: &impl serde::Serialize,
) -> (StatusCode, Value) {
    answer(client(&site.manager.authority_pem(), None).post(site.url(path)).json(message)).await
}

/// One event as an agent writes it.
pub(crate) fn notice(code: &str) -> String {
    json!({"at": 1_795_000_000_000_000_i64, "module": "agent", "severity": "info", "action": "noted",
        "kind": "notice", "detail": {"code": code, "args": [{"name": "number", "value": code}]}})
    .to_string()
}

pub(crate) fn intrusion(incident: &str) -> String {
    json!({"at": 1_795_000_000_000_000_i64, "module": "intrusion-prevention", "severity": "critical",
        "action": "blocked", "kind": "intrusion", "detail": {"incident": incident, "sid": 7_000_001, "revision": 1,
        "message": "WordPress REST content injection", "classtype": "", "cves": ["CVE-2017-1001000"],
        "client": "203.0.113.9", "clientPort": 40000, "server": "192.0.2.1", "serverPort": 80, "protocol": 6,
        "buffer": "http.uri", "offset": 3, "length": 4, "excerpt": "eA==", "excerptOffset": 0,
        "http": {"method": "POST", "host": "blog", "target": "/wp-json/wp/v2/posts/1?id=1abc", "userAgent": "x"}}})
    .to_string()
}

/// Looks until something is as wanted, for half a minute.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within 30 s: {what}");
}
