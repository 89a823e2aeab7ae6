//! What puts a plan in force, as the control side sees it: the network part, or a stand-in in a test.
use crate::connection::explain;
use crate::network::{Network, NetworkPlan};
use sakimori_model::{ModuleId, PortRange};
use sakimori_protocol::{Mode, ModuleState, ModuleStatus};
use std::ffi::OsString;

/// The part of the agent that enforces. Methods may block while rules compile.
pub trait Enforcement: Send + Sync {
    /// Puts a plan in force whole and gives the number of rules; a refusal leaves the former plan in force.
    fn apply(&self, plan: NetworkPlan) -> Result<u32, Refusal>;
    /// How it is.
    fn status(&self) -> ModuleStatus;
    /// `nft-queue`, `xt-nfqueue` or `none`.
    fn queue_mechanism(&self) -> String;
    /// Ports whose plaintext is inspected now.
    fn inspected_ports(&self) -> Vec<PortRange>;
    /// Ends enforcement and removes every trace of it from the kernel.
    fn stop(self: Box<Self>);
    /// Leaves everything in force for the program that this one is about to become; gives what that one must be told.
    fn hand_over(self: Box<Self>) -> Result<OsString, String>;
}

/// Why a plan is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A code, a colon, and words for people.
    pub reason: String,
    /// Whether the same plan would be refused again: its content is wrong, not the computer's moment.
    pub lasting: bool,
}

impl Refusal {
    /// The plan itself is wrong.
    pub const fn lasting(reason: String) -> Self {
        Self { reason, lasting: true }
    }

    /// Something is in the way that may pass.
    pub const fn passing(reason: String) -> Self {
        Self { reason, lasting: false }
    }
}

/// Findings listed in a refusal: the first ones are what the operator mends; the count says the rest.
const FINDINGS_SHOWN: usize = 5;

impl Enforcement for Network {
    fn apply(&self, plan: NetworkPlan) -> Result<u32, Refusal> {
        use crate::network::ApplyError;
        match Self::apply(self, plan) {
            Ok(applied) => {
                for warning in applied.warnings.iter().take(FINDINGS_SHOWN) {
                    tracing::warn!("{warning}");
                }
                Ok(applied.rules)
            }
            Err(ApplyError::Rules(findings)) => {
                let errors: Vec<_> =
                    findings.iter().filter(|f| f.level == sakimori_model::Level::Error).collect();
                let shown: Vec<String> =
                    errors.iter().take(FINDINGS_SHOWN).map(ToString::to_string).collect();
                let reason =
                    format!("rules-refused: {} rules do not compile.\n{}", errors.len(), shown.join("\n"));
                Err(Refusal::lasting(reason))
            }
            Err(error) => Err(Refusal::passing(explain(&error))),
        }
    }

    fn status(&self) -> ModuleStatus {
        Self::status(self)
    }

    fn queue_mechanism(&self) -> String {
        Self::queue_mechanism(self)
    }

    fn inspected_ports(&self) -> Vec<PortRange> {
        Self::inspected_ports(self)
    }

    fn stop(self: Box<Self>) {
        Self::stop(*self);
    }

    fn hand_over(self: Box<Self>) -> Result<OsString, String> {
        Self::hand_over(*self).map_err(|error| explain(&error))
    }
}

/// The module's status while its part could not be started.
pub fn failed_status(reason: &str) -> ModuleStatus {
    ModuleStatus {
        module: ModuleId::INTRUSION_PREVENTION.as_str().to_owned(),
        state: ModuleState::Failed,
        mode: Mode::Off,
        reasons: vec![reason.to_owned()],
        rules: 0,
        counters: Vec::new(),
    }
}
