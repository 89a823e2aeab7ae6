//! What puts a bundle in force, as the control side sees it: an enforcing part, or a stand-in in a test.
use crate::connection::explain;
use crate::network::{Network, NetworkPlan, Placed, RuleFile, WafPlan};
use sakimori_model::PortRange;
use sakimori_modules::firewall::Firewall;
use sakimori_modules::intrusion_prevention::IntrusionPrevention;
use sakimori_modules::web_application_firewall::WebApplicationFirewall;
use sakimori_modules::web_reputation::WebReputation;
use sakimori_modules::{Settings, intrusion_prevention, web_application_firewall, web_reputation};
use sakimori_protocol::{Hash, Mode, ModuleState, ModuleStatus};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A part of the agent that enforces one or several modules. Methods may block while rules compile.
pub trait Enforcement: Send + Sync {
    /// Puts a plan in force whole and gives the number of rules; a refusal leaves the former plan in force.
    fn apply(&self, plan: Plan) -> Result<u32, Refusal>;
    /// How each of its modules is.
    fn status(&self) -> Vec<ModuleStatus>;
    /// The kernel's packet queue in use, `nft-queue` or `xt-nfqueue`; nothing where the part has none.
    fn queue_mechanism(&self) -> Option<String> {
        None
    }
    /// Ports whose plaintext is inspected now.
    fn inspected_ports(&self) -> Vec<PortRange> {
        Vec::new()
    }
    /// Does what was asked for at the local socket or by a task of the manager, or begins to, where it knows the order.
    fn order(&self, _order: &str) -> Option<Result<Ordered, String>> {
        None
    }
    /// Ends enforcement and removes every trace of it from the kernel.
    fn stop(self: Box<Self>);
    /// Prepares for the program that this one is about to become: leaves everything in force and gives what that one
    /// must be told, or ends, where nothing is lost by it.
    fn hand_over(self: Box<Self>) -> Result<Option<OsString>, String> {
        self.stop();
        Ok(None)
    }
}

/// What became of an order.
#[derive(Clone, Debug)]
pub enum Ordered {
    /// It is done, or begun and ends without more being said.
    Done,
    /// It was begun, or was at work already.
    Goes(Arc<Progress>),
}

/// How far something is that takes its time.
#[derive(Debug, Default)]
pub struct Progress {
    at: Mutex<At>,
}

#[derive(Clone, Debug, Default)]
struct At {
    words: String,
    ended: Option<Result<(), String>>,
}

impl Progress {
    /// Says how far it is.
    pub fn say(&self, words: String) {
        self.lock().words = words;
    }

    /// Says what came of it: words, or why it failed.
    pub fn end(&self, result: Result<String, String>) {
        let mut at = self.lock();
        at.ended = Some(result.map(|words| at.words = words));
    }

    /// How far it is, and whether it has ended, and how.
    pub fn look(&self) -> (String, Option<Result<(), String>>) {
        let at = self.lock().clone();
        (at.words, at.ended)
    }

    fn lock(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a part has to enforce.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bundle's name.
    pub generation: Hash,
    /// Its modules by their registered names. One that is not named is off.
    pub modules: BTreeMap<String, ModulePlan>,
}

/// What one module has to enforce.
#[derive(Clone, Debug, PartialEq)]
pub struct ModulePlan {
    /// The module's settings document.
    pub settings: Value,
    /// The content that it works with, in its order.
    pub files: Vec<RuleFile>,
}

// === impl Plan ===

impl Plan {
    /// A module's settings, its defaults where the plan does not name it, and its files.
    pub fn module<S: Settings>(&self, id: &str) -> Result<(S, &[RuleFile]), Refusal> {
        let Some(plan) = self.modules.get(id) else { return Ok((S::default(), &[])) };
        let settings = S::deserialize(&plan.settings).map_err(|error| {
            Refusal::lasting(format!(
                "settings-unknown: the settings of {id} cannot be read ({error}): upgrade the agent"
            ))
        })?;
        Ok((settings, &plan.files))
    }

    /// What of it is for these modules: rule files are large, and each part needs its own only.
    #[must_use]
    pub fn only(&self, modules: &[&str]) -> Self {
        let own = self.modules.iter().filter(|(id, _)| modules.contains(&id.as_str()));
        let modules = own.map(|(id, plan)| (id.clone(), plan.clone())).collect();
        Self { generation: self.generation, modules }
    }

    /// Whether any of these modules is to do something.
    pub fn asks_for(&self, modules: &[&str]) -> bool {
        modules.iter().any(|id| {
            let mode = self.modules.get(*id).and_then(|plan| plan.settings.get("mode"));
            mode.is_some_and(|mode| mode != "off")
        })
    }
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

impl Network {
    /// Puts a plan in force with these rules of the firewall and these ways to the manager.
    pub(crate) fn put(
        &self,
        plan: &Plan,
        firewall: Firewall,
        always: Vec<SocketAddr>,
    ) -> Result<u32, Refusal> {
        use crate::network::ApplyError;
        let (settings, files) = plan.module::<IntrusionPrevention>(intrusion_prevention::MODULE.id)?;
        let (web, lists) = plan.module::<WebReputation>(web_reputation::MODULE.id)?;
        let (waf, documents) = plan.module::<WebApplicationFirewall>(web_application_firewall::MODULE.id)?;
        let plan = NetworkPlan {
            waf: WafPlan { settings: waf, rules: documents.to_vec() },
            placed: Placed::of(&settings),
            settings: settings.into(),
            rules: files.to_vec(),
            always,
            firewall,
            lists: if web.use_content { lists.to_vec() } else { Vec::new() },
            web,
            generation: plan.generation,
        };
        match self.apply(plan) {
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
}

/// A module's status without numbers.
pub fn plain_status(module: &str, state: ModuleState, reasons: &[&str]) -> ModuleStatus {
    ModuleStatus {
        module: module.to_owned(),
        state,
        mode: Mode::Off,
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        rules: 0,
        counters: Vec::new(),
    }
}
