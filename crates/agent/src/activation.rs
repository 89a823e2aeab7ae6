//! How this machine becomes a computer of a manager.
//!
//! The key is made here and never leaves. The attempt (its id and key) is kept in `pending.json` until it
//! succeeds, so that a lost answer followed by a second try gives the same computer, not an orphan.
use crate::connection::{CallError, Connection, ConnectionError, explain};
use crate::host;
use crate::identity::{self, Identity, IdentityError, IdentityFiles, KeyedIdentity};
use crate::inventory::{self, cloud::Provider};
use crate::state::{self, StateError};
use sakimori_protocol::{Cloud, Enrol, EnrolAnswer, RefusalCode, paths};
use sakimori_trust::Trust;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What an activation needs.
#[derive(Clone, Debug)]
pub struct Request {
    /// The public listener: `https://host:port`.
    pub manager: String,
    /// `id.secret`.
    pub token: String,
    /// The policy to ask for.
    pub policy: Option<String>,
    /// Key pin of the manager's authority.
    pub ca_pin: Option<String>,
    /// The authority itself, in a PEM file.
    pub ca_file: Option<PathBuf>,
    /// HTTP CONNECT proxy.
    pub proxy: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new identity.
    Activated(Uuid),
    /// There was one with this manager; nothing changed.
    Already(Uuid),
}

/// Why not. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// Another manager's computer.
    #[error("this computer belongs to {0}: run 'sakimori-agent deactivate' first")]
    OtherManager(String),
    /// Nothing to know the manager by.
    #[error(
        "no way to know the manager: give --ca-pin (the manager prints 'Public key pin' at its start) or --ca-file"
    )]
    NoTrust,
    /// Address, proxy or trust.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// No answer.
    #[error(
        "activation failed. Check the address, the network and --proxy; with --ca-pin also compare the pin"
    )]
    Unreachable(#[source] CallError),
    /// The manager refused the token.
    #[error(
        "the manager refused the token: make a new one in the console (Computers, Add) or with 'sakimori tokens create', and use it before it expires"
    )]
    Token(#[source] CallError),
    /// The manager refused something else.
    #[error("the manager refused the activation")]
    Refused(#[source] CallError),
    /// The answer does not belong to the key.
    #[error("the manager's answer is no usable identity")]
    Answer(#[source] IdentityError),
    /// Key or files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Files.
    #[error(transparent)]
    State(#[from] StateError),
}

/// An attempt that may have reached the manager.
#[derive(Serialize, Deserialize)]
struct Pending {
    enrolment: Uuid,
    manager: String,
    key: String,
}

/// Activates this machine. Repeating it is harmless.
pub async fn activate(state_dir: &Path, request: &Request) -> Result<Outcome, ActivationError> {
    state::make_private_dir(state_dir)?;
    let files = IdentityFiles::in_dir(state_dir);
    let manager = request.manager.trim_end_matches('/').to_owned();
    if let Some(known) = files.load()?.map(|keyed| keyed.identity) {
        match (known.manager == manager, known.must_enrol_anew) {
            (true, false) => return Ok(Outcome::Already(known.computer)),
            (true, true) => (),
            (false, _) => return Err(ActivationError::OtherManager(known.manager)),
        }
    }
    let config = sakimori_trust::client_config(&trust(request)?, None).map_err(ConnectionError::from)?;
    let proxy = request.proxy.clone().or_else(proxy_of_environment);
    let connection = Connection::new(&manager, config, proxy.as_deref())?;

    let pending_path = state_dir.join("pending.json");
    let pending = match state::read_json::<Pending>(&pending_path) {
        Ok(Some(pending)) if pending.manager == manager => pending,
        // Another manager's attempt, or one that cannot be read: begin anew.
        _ => {
            let new =
                Pending { enrolment: Uuid::now_v7(), manager: manager.clone(), key: identity::new_key()? };
            state::write_json(&pending_path, &new)?;
            new
        }
    };
    let facts = host::facts();
    let message = Enrol {
        enrolment: pending.enrolment,
        token: request.token.clone(),
        csr: identity::certificate_request(&pending.key)?,
        fingerprint: host::fingerprint(),
        host_name: facts.name,
        operating_system: facts.operating_system,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: request.policy.clone(),
        cloud: cloud().await,
    };
    let answered = connection.post(paths::ENROLL, &message).await;
    if answered.as_ref().is_err_and(|error: &CallError| error.code() == Some(RefusalCode::Clone)) {
        // The attempt was begun on another machine, of which this one is a copy: the next one has a key of its own.
        state::remove(&pending_path)?;
    }
    let answer: EnrolAnswer = answered.map_err(|error| match error.code() {
        Some(RefusalCode::TokenInvalid) => ActivationError::Token(error),
        Some(_) => ActivationError::Refused(error),
        None => ActivationError::Unreachable(error),
    })?;
    let computer = answer.computer;
    let keyed = KeyedIdentity::new(
        Identity {
            computer,
            manager,
            gateway: answer.gateway.trim_end_matches('/').to_owned(),
            certificate: answer.certificate,
            authorities: answer.authorities,
            bundle_key: answer.bundle_key,
            proxy,
            must_enrol_anew: false,
        },
        pending.key,
    );
    // rustls checks here that the certificate belongs to the key.
    let trust = Trust::Authorities(keyed.identity.authorities.clone());
    sakimori_trust::client_config(&trust, Some(keyed.client_identity()?)).map_err(ConnectionError::from)?;
    keyed.validity().map_err(ActivationError::Answer)?;
    files.store(&keyed)?;
    state::remove(&pending_path)?;
    Ok(Outcome::Activated(computer))
}

/// What the cloud says of this machine; nothing where the firmware knows of none. Seconds, where there is one.
async fn cloud() -> Option<Cloud> {
    let provider = inventory::provider();
    if provider == Provider::None {
        return None;
    }
    let taken = tokio::task::spawn_blocking(move || inventory::take(&[], provider)).await.ok()?;
    taken.inspect_err(|error| tracing::warn!("{}", explain(error))).ok()?.cloud
}

fn trust(request: &Request) -> Result<Trust, ActivationError> {
    if let Some(pin) = &request.ca_pin {
        return Ok(Trust::Pin(pin.clone()));
    }
    let path = request
        .ca_file
        .as_deref()
        .or_else(|| sakimori_trust::system_authorities())
        .ok_or(ActivationError::NoTrust)?;
    let pem = state::read_capped(path, 16 << 20)?.ok_or(ActivationError::NoTrust)?;
    Ok(Trust::Authorities(String::from_utf8_lossy(&pem).into_owned()))
}

/// The proxy that is in force while the person types: the service will not have that environment, so it is kept.
fn proxy_of_environment() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("HTTPS_PROXY").or_else(|| set("https_proxy"))
}
