//! One simulated agent: a machine with a key, a certificate and what it says.
use crate::link::{Link, Listener, REQUEST, Trouble};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::Resumption;
use rustls_pki_types::PrivateKeyDer;
use sakimori_protocol::{
    CheckIn, Cloud, Enrol, EnrolAnswer, Fingerprint, FullStatus, Hash, Leaving, ListeningPort, Mode,
    ModuleState, ModuleStatus, PortCoverage, paths,
};
use sakimori_trust::Trust;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use uuid::Uuid;

/// What every simulated agent runs.
const OPERATING_SYSTEM: &str = "Debian GNU/Linux 12 (bookworm)";
/// Agents that call from one address: less than a system has ports for outgoing connections.
const PER_ADDRESS: u32 = 10_000;

/// A machine, as it is told apart from others.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) host_name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) cloud: Option<Cloud>,
    /// The address that it calls from.
    pub(crate) from: IpAddr,
}

/// The public listener, and whom to trust there.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) listener: Listener,
    pub(crate) token: String,
}

/// A machine that has been activated. What is big of it is shared by its copies.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) machine: Machine,
    pub(crate) computer: Uuid,
    pub(crate) gateway: Listener,
    pub(crate) bundle_key: Arc<str>,
    /// Changes with every start.
    boot: String,
}

// === impl Machine ===

impl Machine {
    /// The machine of this number: no two are alike.
    pub(crate) fn new(name: &str, number: u32) -> Self {
        let [_, b, c, d] = number.to_be_bytes();
        let id = Uuid::now_v7().simple().to_string();
        Self {
            host_name: format!("{name}-{number:04}"),
            address: Ipv4Addr::new(10, b, c, d),
            fingerprint: Fingerprint { machine_id: id.clone(), dmi_uuid: id, cloud_instance: String::new() },
            cloud: None,
            from: Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(number / PER_ADDRESS).unwrap_or(200)).into(),
        }
    }

    /// The same machine as an instance in a cloud.
    pub(crate) fn in_cloud(mut self, scale_set: &str, image: &str, tags: &[(&str, &str)]) -> Self {
        let instance = Uuid::now_v7().to_string();
        self.fingerprint.cloud_instance = format!("azure:{instance}");
        self.cloud = Some(Cloud {
            provider: "azure".to_owned(),
            instance,
            name: self.host_name.clone(),
            region: "japaneast".to_owned(),
            zone: "1".to_owned(),
            account: "subscription-1".to_owned(),
            resource_group: "shop".to_owned(),
            scale_set: scale_set.to_owned(),
            image: image.to_owned(),
            size: "Standard_D2s_v5".to_owned(),
            tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        });
        self
    }

    /// Shows the token with a key made here: the identity that it is given.
    pub(crate) async fn activate(self, door: &Door) -> Result<Agent, Trouble> {
        let key = new_key()?;
        self.activate_with(door, &key).await
    }

    /// Shows the token with this key.
    pub(crate) async fn activate_with(self, door: &Door, key: &KeyPair) -> Result<Agent, Trouble> {
        let message = Enrol {
            enrolment: Uuid::now_v7(),
            token: door.token.clone(),
            csr: request(key)?,
            fingerprint: self.fingerprint.clone(),
            host_name: self.host_name.clone(),
            operating_system: OPERATING_SYSTEM.to_owned(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: None,
            cloud: self.cloud.clone(),
        };
        let mut link = Link::connect(&Listener { from: Some(self.from), ..door.listener.clone() }).await?;
        let answer: Option<EnrolAnswer> = link.post(paths::ENROLL, &message, REQUEST).await?;
        let answer = answer.ok_or_else(|| Trouble::Broken("an activation without an answer".to_owned()))?;
        Agent::new(self, answer, key)
    }
}

fn own(error: impl std::fmt::Display) -> Trouble {
    Trouble::Broken(format!("the simulator: {error}"))
}

pub(crate) fn new_key() -> Result<KeyPair, Trouble> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(own)
}

fn request(key: &KeyPair) -> Result<String, Trouble> {
    CertificateParams::default().serialize_request(key).and_then(|request| request.pem()).map_err(own)
}

// === impl Agent ===

impl Agent {
    fn new(machine: Machine, answer: EnrolAnswer, key: &KeyPair) -> Result<Self, Trouble> {
        let chain = sakimori_trust::certificates(&answer.certificate).map_err(own)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let trust = Trust::Authorities(answer.authorities);
        let mut tls = sakimori_trust::client_config(&trust, Some((chain, key))).map_err(own)?;
        // An agent connects once and stays: sessions kept for resumption would cost more than all the rest of it.
        tls.resumption = Resumption::disabled();
        let gateway = answer.gateway.strip_prefix("https://").unwrap_or_default();
        let address: SocketAddr = gateway.parse().map_err(own)?;
        Ok(Self {
            computer: answer.computer,
            gateway: Listener { address, from: Some(machine.from), tls: Arc::new(tls) },
            bundle_key: answer.bundle_key.into(),
            boot: Uuid::now_v7().to_string(),
            machine,
        })
    }

    /// The same disk in another machine: its key and certificate are copied with it.
    pub(crate) fn copied_to(&self, machine: Machine) -> Self {
        Self { machine, boot: Uuid::now_v7().to_string(), ..self.clone() }
    }

    /// What it says of itself.
    pub(crate) fn check_in(&self, bundle: Option<Hash>, full: bool, hold_secs: u64) -> CheckIn {
        let module = |name: &str, mode: Mode, rules: u32, counters: &[&str]| ModuleStatus {
            module: name.to_owned(),
            state: if mode == Mode::Off { ModuleState::Off } else { ModuleState::Active },
            mode,
            reasons: Vec::new(),
            rules,
            counters: counters.iter().map(|name| ((*name).to_owned(), 0)).collect(),
        };
        CheckIn {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: self.machine.fingerprint.clone(),
            boot: self.boot.clone(),
            bundle,
            refused: None,
            modules: vec![
                module("intrusion-prevention", Mode::Detect, 58, &["packets", "flows", "blocked"]),
                module("firewall", Mode::Off, 0, &["denied"]),
                module("anti-malware", Mode::Off, 0, &["files"]),
                module("integrity-monitoring", Mode::Off, 0, &["entities"]),
                module("log-inspection", Mode::Off, 0, &["lines"]),
                module("web-reputation", Mode::Off, 0, &["requests"]),
            ],
            inventory: None,
            full: full.then(|| self.full()),
            hold_secs,
            leaving: None,
            packaging: None,
            upgrade: None,
        }
    }

    /// Its last words.
    pub(crate) fn good_bye(&self, bundle: Option<Hash>, leaving: Leaving) -> CheckIn {
        CheckIn { leaving: Some(leaving), ..self.check_in(bundle, false, 0) }
    }

    fn full(&self) -> FullStatus {
        let port = |port: u16, process: &str, coverage: PortCoverage| ListeningPort {
            protocol: "tcp".to_owned(),
            address: "0.0.0.0".to_owned(),
            port,
            process: process.to_owned(),
            coverage,
        };
        FullStatus {
            host_name: self.machine.host_name.clone(),
            operating_system: OPERATING_SYSTEM.to_owned(),
            kernel: "6.1.0-28-amd64".to_owned(),
            addresses: vec![self.machine.address.to_string()],
            queue_mechanism: "nft-queue".to_owned(),
            ports: vec![
                port(22, "sshd", PortCoverage::NotInspectedEncrypted),
                port(80, "nginx", PortCoverage::Inspected),
                port(443, "nginx", PortCoverage::NotInspectedEncrypted),
            ],
            cloud: self.machine.cloud.clone(),
        }
    }
}
