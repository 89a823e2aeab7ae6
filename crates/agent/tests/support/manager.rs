//! A manager in a few lines: TLS with an own authority, and answers that a test writes.
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sakimori_protocol::{
    CheckIn, CheckInAnswer, Enrol, EnrolAnswer, Event, EventsAnswer, Hash, Refusal, RefusalCode, Renew,
    RenewAnswer, SignedBundle, paths,
};
use std::collections::HashMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use uuid::Uuid;

pub(crate) const TOKEN: &str = "0192d3a0-0000-7000-8000-000000000001.secret";

#[derive(Default)]
pub(crate) struct Said {
    pub(crate) enrolments: Vec<Enrol>,
    pub(crate) renewals: usize,
    pub(crate) check_ins: Vec<CheckIn>,
    pub(crate) batches: Vec<(Uuid, u64, Vec<Event>)>,
    /// What a check-in that does not enforce it is answered with.
    pub(crate) bundle: Option<SignedBundle>,
    pub(crate) blobs: HashMap<Hash, Vec<u8>>,
    /// Answers lost on the way: the request counts, the answer does not arrive.
    pub(crate) lose: usize,
    /// Renewed certificates are as old as the first.
    pub(crate) always_due: bool,
    pub(crate) refuse: Option<(RefusalCode, u64)>,
}

#[derive(Clone)]
pub(crate) struct FakeManager {
    pub(crate) address: SocketAddr,
    pub(crate) pin: String,
    said: Arc<Mutex<Said>>,
    ca: Arc<(Issuer<'static, KeyPair>, String)>,
    signer: Arc<Ed25519KeyPair>,
    /// Days of life of the client certificates, from yesterday.
    pub(crate) days: i64,
}

impl FakeManager {
    pub(crate) async fn start(days: i64) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key).unwrap();
        let (pem, der) = (ca.pem(), ca.der().clone());
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let tls =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![leaf.der().clone(), der.clone()],
                    key.serialize_der().try_into().unwrap(),
                )
                .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let manager = Self {
            address: listener.local_addr().unwrap(),
            pin: sakimori_trust::public_key_pin(&der).unwrap(),
            said: Arc::default(),
            ca: Arc::new((issuer, pem)),
            signer: Arc::new(Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap()),
            days,
        };
        let router = Router::new()
            .route(paths::ENROLL, post(enrol))
            .route(paths::RENEW, post(renew))
            .route(paths::CHECK_IN, post(check_in))
            .route(paths::EVENTS, post(events))
            .route(&format!("{}/{{hash}}", paths::BLOBS), get(blob))
            .with_state(manager.clone());
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            loop {
                let (stream, _from) = listener.accept().await.unwrap();
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
                });
            }
        });
        manager
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }

    /// Signs a bundle with one rule file and serves it.
    pub(crate) fn assign(&self, policy: &str, rules: &[u8]) -> Hash {
        let blob = Hash::of(rules);
        let bundle = serde_json::json!({
            "format": 2, "tenant": Uuid::nil(), "policy": Uuid::nil(), "policyName": policy, "compiledAt": 1,
            "modules": {"intrusion-prevention": {
                "settings": {"mode": "prevent", "httpPorts": ["80"], "defaultRuleMode": "prevent"},
                "content": [{"name": "a.rules", "hash": blob, "size": rules.len()}],
            }},
        })
        .to_string();
        let message = [SignedBundle::CONTEXT, bundle.as_bytes()].concat();
        let hash = Hash::of(bundle.as_bytes());
        let signature = BASE64.encode(self.signer.sign(&message).as_ref());
        let mut said = self.said();
        said.blobs.insert(blob, rules.to_vec());
        said.bundle = Some(SignedBundle { bundle, signature });
        hash
    }

    fn certify(&self, csr: &str) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(csr).unwrap();
        let day = Duration::from_hours(24);
        let now = std::time::SystemTime::now();
        let begun = if self.days < 0 { 400 } else { 1 };
        request.params.not_before = (now - day * begun).into();
        let span = day * u32::try_from(self.days.unsigned_abs()).unwrap();
        request.params.not_after = if self.days < 0 { now - span } else { now + span }.into();
        request.signed_by(&self.ca.0).unwrap().pem()
    }
}

fn refusal(status: StatusCode, code: RefusalCode) -> Response {
    let refusal = Refusal {
        status: status.as_u16(),
        code,
        title: "The activation token is unknown.".to_owned(),
        detail: "Make a new one.".to_owned(),
    };
    (status, Json(refusal)).into_response()
}

fn lost() -> Response {
    refusal(StatusCode::BAD_GATEWAY, RefusalCode::Other)
}

async fn enrol(State(manager): State<FakeManager>, Json(message): Json<Enrol>) -> Response {
    let certificate = manager.certify(&message.csr);
    let good = message.token == TOKEN;
    let mut said = manager.said();
    said.enrolments.push(message);
    if said.lose > 0 {
        said.lose -= 1;
        return lost();
    }
    if !good {
        return refusal(StatusCode::FORBIDDEN, RefusalCode::TokenInvalid);
    }
    let answer = EnrolAnswer {
        computer: Uuid::nil(),
        certificate,
        authorities: manager.ca.1.clone(),
        gateway: manager.url(),
        bundle_key: BASE64.encode(manager.signer.public_key().as_ref()),
    };
    Json(answer).into_response()
}

async fn renew(State(mut manager): State<FakeManager>, Json(message): Json<Renew>) -> Json<RenewAnswer> {
    manager.said().renewals += 1;
    if !manager.said().always_due {
        manager.days = 90;
    }
    Json(RenewAnswer { certificate: manager.certify(&message.csr), authorities: manager.ca.1.clone() })
}

async fn check_in(State(manager): State<FakeManager>, Json(message): Json<CheckIn>) -> Response {
    let (enforced, hold) = (message.bundle, Duration::from_secs(message.hold_secs));
    let refused = message.refused.as_ref().map(|(hash, _)| *hash);
    manager.said().check_ins.push(message);
    if let Some((code, seconds)) = manager.said().refuse {
        let answer = refusal(StatusCode::SERVICE_UNAVAILABLE, code);
        return ([("retry-after", seconds.to_string())], answer).into_response();
    }
    let begun = tokio::time::Instant::now();
    loop {
        let bundle = manager.said().bundle.clone();
        let hash = bundle.as_ref().map(|signed| Hash::of(signed.bundle.as_bytes()));
        if hash.is_some() && hash != enforced && hash != refused {
            return Json(CheckInAnswer { bundle, commands: Vec::new() }).into_response();
        }
        if begun.elapsed() >= hold {
            return StatusCode::NO_CONTENT.into_response();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn blob(State(manager): State<FakeManager>, Path(hash): Path<String>) -> Response {
    let found = manager.said().blobs.get(&hash.parse().unwrap()).cloned();
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |bytes| Bytes::from(bytes).into_response())
}

async fn events(State(manager): State<FakeManager>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (epoch, first) =
        (header(paths::STREAM_EPOCH).parse().unwrap(), header(paths::FIRST_SEQUENCE).parse().unwrap());
    let mut text = String::new();
    ruzstd::decoding::StreamingDecoder::new(&*body).unwrap().read_to_string(&mut text).unwrap();
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let acknowledged = first + u64::try_from(events.len()).unwrap() - 1;
    let mut said = manager.said();
    said.batches.push((epoch, first, events));
    if said.lose > 0 {
        said.lose -= 1;
        return lost();
    }
    Json(EventsAnswer { acknowledged }).into_response()
}
