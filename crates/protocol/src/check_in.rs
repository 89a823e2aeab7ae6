//! The long-poll that carries presence, state and news.
use crate::{Cloud, Fingerprint, Hash, Packaging, SignedBundle, SignedPackage, UpgradeReport};
use serde::{Deserialize, Serialize};

/// What the agent enforces now. Held by the manager until that should change, at most `hold_secs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckIn {
    /// Agent version, for the manager's compatibility window of two minor versions.
    pub agent_version: String,
    /// The machine, to find clones: the same certificate from another machine.
    pub fingerprint: Fingerprint,
    /// Changes with every start of the agent, so that two agents with one identity are seen.
    pub boot: String,
    /// The bundle it enforces; nothing before the first.
    pub bundle: Option<Hash>,
    /// The bundle it could not apply, with the reason: it goes on with `bundle`.
    pub refused: Option<(Hash, String)>,
    /// State of each module.
    pub modules: Vec<ModuleStatus>,
    /// Names what is installed here ([`crate::Inventory::hash`]); nothing where no inventory is taken.
    #[serde(default)]
    pub inventory: Option<Hash>,
    /// Everything slow-changing; sent on change and every ten minutes.
    pub full: Option<FullStatus>,
    /// How long to hold, in seconds; 0 asks for an answer at once.
    pub hold_secs: u64,
    /// Says good-bye: nothing more is to be expected until the agent is started again.
    #[serde(default)]
    pub leaving: Option<Leaving>,
    /// How it was installed, where the manager can have it upgraded.
    #[serde(default)]
    pub packaging: Option<Packaging>,
    /// How far its newest upgrade is.
    #[serde(default)]
    pub upgrade: Option<UpgradeReport>,
}

/// Why an agent says good-bye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaving {
    /// The machine shuts down, or the agent was stopped.
    Stopping,
    /// The agent was deactivated: it gives its identity up.
    Deactivated,
}

/// State of one module on one computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleStatus {
    /// Registered name: `intrusion-prevention`.
    pub module: String,
    /// How it is.
    pub state: ModuleState,
    /// The mode it enforces.
    pub mode: crate::Mode,
    /// Why, by code, where the state is not plain: `rules-refused`, `queue-unavailable`.
    pub reasons: Vec<String>,
    /// Rules loaded.
    pub rules: u32,
    /// Counters by name, monotonic since the agent's start: `packets`, `packets-uninspected`, `flows`, `blocked`.
    pub counters: Vec<(String, u64)>,
}

/// How a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleState {
    /// Does what the policy says.
    Active,
    /// The policy says off.
    Off,
    /// Does less than the policy says; `reasons` say why.
    Degraded,
    /// Cannot work; `reasons` say why.
    Failed,
}

/// Everything slow-changing about a computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FullStatus {
    /// Host name.
    pub host_name: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// Kernel release.
    pub kernel: String,
    /// Addresses of its interfaces.
    pub addresses: Vec<String>,
    /// Which kernel queue mechanism is in use: `nft-queue`, `xt-nfqueue`, `none`.
    pub queue_mechanism: String,
    /// Each listening port, and whether it is inspected.
    pub ports: Vec<ListeningPort>,
    /// What the cloud says of the machine, where it is in one and the agent knows by now.
    #[serde(default)]
    pub cloud: Option<Cloud>,
}

/// A port that something listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListeningPort {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address it is bound to.
    pub address: String,
    /// Port number.
    pub port: u16,
    /// Name of the listening program, empty if unknown.
    pub process: String,
    /// Whether its content is inspected.
    pub coverage: PortCoverage,
}

/// Whether a port's content is inspected. Never says `Inspected` of something encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortCoverage {
    /// Plaintext that the policy has inspected.
    Inspected,
    /// Encrypted, or QUIC: nothing looks inside.
    NotInspectedEncrypted,
    /// The policy does not name the port.
    NotInspectedPolicy,
    /// The module is off or has failed.
    NotInspectedModule,
}

/// What should change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckInAnswer {
    /// The bundle to enforce, where it is not the one that was named.
    pub bundle: Option<SignedBundle>,
    /// What else to do.
    pub commands: Vec<Command>,
}

/// An order beyond the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Send a full status with the next check-in.
    SendFullStatus,
    /// Send the inventory that was named: the manager does not have it.
    SendInventory,
    /// Take the inventory anew and send it, whether or not it is another: somebody waits for it.
    TakeInventory,
    /// This identity is used by another machine: enrol anew with a token.
    ReEnrol,
    /// Become the version that this signed statement names, and say how far that is ([`UpgradeReport`]).
    Upgrade {
        /// Names this order; the same one may come again.
        order: uuid::Uuid,
        /// Which package.
        package: SignedPackage,
        /// The new program has so many seconds to become healthy; then the former one comes back.
        healthy_within_secs: u32,
    },
    /// Go back to the version before, which is kept on the computer.
    RollBack {
        /// Names this order.
        order: uuid::Uuid,
        /// The version to go back to.
        version: String,
        /// It has so many seconds to become healthy.
        healthy_within_secs: u32,
    },
    /// Do, or begin, what a scheduled task asks for, and say what came of it ([`OrderDone`]).
    Order {
        /// The run of the task; the same order may come twice.
        run: uuid::Uuid,
        /// `integrity-scan` or `malware-scan`.
        order: String,
    },
    /// Something that this version does not know: a newer manager's order, which is left undone.
    #[serde(other)]
    Unknown,
}

/// What came of a [`Command::Order`], or how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderDone {
    /// The run.
    pub run: uuid::Uuid,
    /// Why it was not done or begun; nothing where it was.
    pub error: Option<String>,
    /// It goes on: more is said of it later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// How far it is, or what came of it, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
}
