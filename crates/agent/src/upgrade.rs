//! The agent becomes another version of itself: by a signed package, watched, and back again where it is not healthy.
//!
//! The supervisor verifies the signed statement with keys that lie on this computer ([`package`]), fetches the package by
//! its hash ([`fetch`]), writes down what is to be done, and starts the *installer* ([`apply`]): a process of its own that
//! outlives the agent's restart, runs the package manager, and watches whether the new program becomes healthy
//! ([`health`]). If not, it puts the former version back, which it packed before.
//!
//! Everything is in `upgrade/` of the state directory: `order.json` (what is to be done), `journal.json` (how far it is,
//! written by the supervisor until it starts the installer, by the installer from then on), `lock` (held by the installer as
//! long as it lives, so that one that died is seen and begins again), `former.deb` with `former.json`, and the package.
pub mod apply;
pub mod fetch;
pub mod health;
pub mod package;

use crate::clock;
use crate::connection::{Connection, explain};
use crate::control::{Control, Link};
use crate::state::{self, StateError};
use package::Installed;
use sakimori_content::package::{AGENT, SignedStatement, Statement};
use sakimori_model::Severity;
use sakimori_protocol::{Event, Hash, ModuleState, Packaging, SignedPackage, UpgradeReport, UpgradeStep};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The window of an order within these bounds, in seconds: shorter than the first no program shows what it is.
const WINDOW_SECS: (u32, u32) = (10, 86_400);

/// The upgrades of this agent, as the supervisor sees them.
#[derive(Debug)]
pub struct Upgrades {
    files: Files,
    run_dir: PathBuf,
    /// The order that this process fetches a package for.
    active: Mutex<Option<Uuid>>,
    /// One at a time tells what is new.
    telling: Mutex<()>,
}

/// Where it all lies.
#[derive(Clone, Debug)]
pub struct Files {
    dir: PathBuf,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its name.
    pub order: Uuid,
    /// The version that is asked for.
    pub version: String,
    /// The version that runs.
    pub from: String,
    /// The signed statement of the package; nothing where the kept former version comes back.
    pub package: Option<(String, String)>,
    /// So long the new program has.
    pub healthy_within_secs: u32,
    /// How the agent was before.
    pub before: Before,
}

/// How the agent was before an upgrade: afterwards it has to be no worse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Whether the manager answered.
    pub connected: bool,
    /// Each module.
    pub modules: Vec<(String, ModuleState)>,
}

/// How far an order is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The order.
    pub order: Uuid,
    /// The version that is asked for.
    pub version: String,
    /// The version that ran.
    pub from: String,
    /// Each step, oldest first.
    pub steps: Vec<Entry>,
}

/// A step that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since 1970.
    pub at: i64,
    /// Which.
    pub step: UpgradeStep,
    /// Why.
    pub reason: Option<String>,
}

/// The former version that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// Its version.
    pub version: String,
    /// The hash of `former.deb`.
    pub sha256: Hash,
}

/// How many steps of an order the manager was told as events.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    order: Uuid,
    steps: usize,
}

// === impl Files ===

impl Files {
    /// Those of this state directory.
    pub fn in_dir(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("upgrade") }
    }

    /// The state directory that they lie in.
    pub fn state_dir(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    /// A file of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A package that was fetched.
    pub fn package(&self, hash: Hash) -> PathBuf {
        self.dir.join(format!("{hash}.deb"))
    }

    /// Makes the directory.
    pub fn make(&self) -> Result<(), StateError> {
        state::make_private_dir(&self.dir)
    }

    /// How far the newest order is.
    pub fn journal(&self) -> Result<Option<Journal>, StateError> {
        state::read_json(&self.path("journal.json"))
    }

    /// What is to be done.
    pub fn order(&self) -> Result<Option<Order>, StateError> {
        state::read_json(&self.path("order.json"))
    }

    /// The former version that is kept.
    pub fn former(&self) -> Result<Option<Former>, StateError> {
        state::read_json(&self.path("former.json"))
    }

    /// Writes a step down; one that is there already, as the last, stays as it is.
    pub fn step(&self, order: &Order, step: UpgradeStep, reason: Option<String>) -> Result<(), StateError> {
        let found = self.journal()?.filter(|journal| journal.order == order.order);
        let mut journal = found.unwrap_or_else(|| Journal {
            order: order.order,
            version: order.version.clone(),
            from: order.from.clone(),
            steps: Vec::new(),
        });
        if journal.steps.last().is_some_and(|last| last.step == step && last.reason == reason) {
            return Ok(());
        }
        tracing::info!("upgrade to {}: {step:?} {}", order.version, reason.as_deref().unwrap_or_default());
        journal.steps.push(Entry { at: clock::wall().0, step, reason });
        state::write_json(&self.path("journal.json"), &journal)
    }

    /// Removes packages but the kept one and that of this hash.
    fn tidy(&self, keep: Option<Hash>) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let stem = name.split('.').next().unwrap_or_default().parse::<Hash>();
            if stem.is_ok_and(|hash| Some(hash) != keep)
                && let Err(error) = state::remove(&path)
            {
                tracing::warn!("{}", explain(&error));
            }
        }
    }

    /// Whether an installer lives.
    fn installer_lives(&self) -> bool {
        let Ok(file) = std::fs::File::open(self.path("lock")) else { return false };
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
    }
}

// === impl Journal ===

impl Journal {
    /// The newest step.
    pub fn last(&self) -> Option<&Entry> {
        self.steps.last()
    }

    fn report(&self) -> Option<UpgradeReport> {
        let last = self.last()?;
        Some(UpgradeReport {
            order: self.order,
            version: self.version.clone(),
            step: last.step,
            reason: last.reason.clone(),
        })
    }
}

// === impl Upgrades ===

impl Upgrades {
    /// Those of this agent.
    pub fn new(state_dir: &Path, run_dir: &Path) -> Self {
        Self {
            files: Files::in_dir(state_dir),
            run_dir: run_dir.to_owned(),
            active: Mutex::default(),
            telling: Mutex::default(),
        }
    }

    /// How this agent was installed, where it can be upgraded.
    pub fn packaging(&self) -> Option<Packaging> {
        package::installed().map(|installed| Packaging {
            kind: "dpkg".to_owned(),
            architecture: installed.architecture.clone(),
        })
    }

    /// How far the newest order is.
    pub fn report(&self) -> Option<UpgradeReport> {
        match self.files.journal() {
            Ok(journal) => journal?.report(),
            Err(error) => {
                tracing::warn!("{}", explain(&error));
                None
            }
        }
    }

    /// Steps that were not told yet become events. Twice after a crash rather than never.
    pub fn tell(&self, record: impl Fn(Event)) {
        let _one = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(Some(journal)) = self.files.journal() else { return };
        let path = self.files.path("told.json");
        let told = state::read_json::<Told>(&path).ok().flatten();
        let before = told.filter(|told| told.order == journal.order).map_or(0, |told| told.steps);
        if before >= journal.steps.len() {
            return;
        }
        for entry in journal.steps.iter().skip(before) {
            let Some((code, severity)) = notice(entry.step) else { continue };
            let mut args = vec![("version", journal.version.as_str()), ("from", journal.from.as_str())];
            args.extend(entry.reason.as_deref().map(|reason| ("reason", reason)));
            record(Event::notice(sakimori_model::Timestamp(entry.at), severity, code, &args));
        }
        if let Err(error) =
            state::write_json(&path, &Told { order: journal.order, steps: journal.steps.len() })
        {
            tracing::warn!("{}", explain(&error));
        }
    }

    /// What an installer that died, with the machine or alone, has begun is begun again.
    pub fn go_on(&self) {
        let Ok(Some(journal)) = self.files.journal() else { return };
        let installing = journal.last().is_some_and(|last| last.step == UpgradeStep::Installing);
        if installing && !self.files.installer_lives() {
            tracing::warn!("the installer of an upgrade has ended before its work: it begins again");
            if let Err(reason) = apply::start(&self.files, &self.run_dir) {
                tracing::error!("{reason}");
            }
        }
    }

    /// Whether this order is new, or was broken off before anything was changed; then it is this process's.
    fn claim(&self, order: Uuid) -> bool {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if active.is_some() || self.files.installer_lives() {
            return false;
        }
        let done = match self.files.journal() {
            Ok(Some(journal)) if journal.order == order => {
                journal.last().is_some_and(|last| last.step.is_end() || last.step == UpgradeStep::Installing)
            }
            _ => false,
        };
        if !done {
            *active = Some(order);
        }
        !done
    }

    fn release(&self) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The event of a step.
fn notice(step: UpgradeStep) -> Option<(&'static str, Severity)> {
    Some(match step {
        UpgradeStep::Downloading => ("upgrade-downloading", Severity::Info),
        UpgradeStep::Verified => ("upgrade-verified", Severity::Info),
        UpgradeStep::Installing => ("upgrade-installing", Severity::Info),
        UpgradeStep::Running => ("agent-upgraded", Severity::Info),
        UpgradeStep::Refused => ("upgrade-refused", Severity::High),
        UpgradeStep::RolledBack => ("upgrade-rolled-back", Severity::High),
        UpgradeStep::Failed => ("upgrade-failed", Severity::Critical),
        UpgradeStep::Unknown => return None,
    })
}

/// An order of the manager.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Become the version of this package.
    Forward(SignedPackage),
    /// Go back to this version, which is kept.
    Back(String),
}

/// Carries an order out as far as the installer, which does the rest. Repeating it is harmless.
pub async fn carry_out(
    control: Arc<Control>,
    gateway: Connection,
    (order, asked): (Uuid, Asked),
    healthy_within_secs: u32,
) {
    if !control.upgrades.claim(order) {
        control.upgrades.go_on();
        return;
    }
    let (lowest, highest) = WINDOW_SECS;
    let (order, judged) = plan(&control, order, &asked, healthy_within_secs.clamp(lowest, highest));
    let files = &control.upgrades.files;
    let outcome = async {
        files.make().map_err(|error| explain(&error))?;
        let refuse = |reason: String| {
            note(&control, &order, UpgradeStep::Refused, Some(reason));
            String::new()
        };
        let statement = judged.map_err(refuse)?;
        if order.version == order.from {
            note(&control, &order, UpgradeStep::Running, None);
            return Ok(());
        }
        if let Some(statement) = statement {
            let hash: Hash =
                statement.sha256.parse().map_err(|_e| refuse("the statement's hash is none".to_owned()))?;
            files.tidy(Some(hash));
            note(&control, &order, UpgradeStep::Downloading, None);
            fetch::package(&gateway, files, hash, statement.size).await.map_err(refuse)?;
            note(&control, &order, UpgradeStep::Verified, None);
        }
        state::write_json(&files.path("order.json"), &order).map_err(|error| explain(&error))?;
        note(&control, &order, UpgradeStep::Installing, None);
        apply::start(files, &control.upgrades.run_dir)
    };
    let outcome: Result<(), String> = outcome.await;
    if let Err(reason) = outcome
        && !reason.is_empty()
    {
        tracing::error!("an upgrade could not be begun: {reason}");
    }
    control.upgrades.release();
}

fn note(control: &Control, order: &Order, step: UpgradeStep, reason: Option<String>) {
    if let Err(error) = control.upgrades.files.step(order, step, reason) {
        tracing::error!("{}", explain(&error));
    }
    control.tell_upgrade();
}

/// Judges an order: what has to be done with which package, or why it is refused.
fn plan(
    control: &Control,
    order: Uuid,
    asked: &Asked,
    healthy_within_secs: u32,
) -> (Order, Result<Option<Statement>, String>) {
    let state = control.state();
    let before = Before {
        connected: state.link == Link::Connected,
        modules: control.modules().into_iter().map(|module| (module.module, module.state)).collect(),
    };
    let mut planned = Order {
        order,
        version: match asked {
            Asked::Forward(_) => "?".to_owned(),
            Asked::Back(version) => version.clone(),
        },
        from: package::version().to_owned(),
        package: None,
        healthy_within_secs,
        before,
    };
    let judged = match asked {
        Asked::Forward(signed) => package::installed()
            .ok_or_else(|| {
                "the agent was not installed by the package manager: upgrade it by hand".to_owned()
            })
            .and_then(|installed| judge(signed, installed, &package::keys()))
            .inspect(|statement| planned.version.clone_from(&statement.version))
            .map(Some),
        Asked::Back(version) => match control.upgrades.files.former() {
            Ok(Some(former)) if former.version == *version || planned.from == *version => Ok(None),
            Ok(Some(former)) => Err(format!("the version kept here is {}, not {version}", former.version)),
            Ok(None) if planned.from == *version => Ok(None),
            Ok(None) => Err("no former version is kept here".to_owned()),
            Err(error) => Err(explain(&error)),
        },
    };
    if let Asked::Forward(signed) = asked {
        planned.package = Some((signed.statement.clone(), signed.signature.clone()));
    }
    (planned, judged)
}

/// Whether a package may be put in the place of what is installed.
fn judge(
    signed: &SignedPackage,
    installed: &Installed,
    keys: &[sakimori_content::VerifyingKey],
) -> Result<Statement, String> {
    let signed = SignedStatement { statement: signed.statement.clone(), signature: signed.signature.clone() };
    let statement = signed.verify(keys).map_err(|error| explain(&error))?;
    if statement.package != AGENT {
        return Err(format!("the package is '{}', not the agent's", statement.package));
    }
    if statement.architecture != installed.architecture {
        return Err(format!(
            "the package is for {}, this computer is {}",
            statement.architecture, installed.architecture
        ));
    }
    // Who holds the manager must not bring back a hole that was closed.
    if statement.version != installed.version && !package::is_newer(&statement.version, &installed.version)? {
        return Err(format!(
            "version {} is older than {}, which runs: only the version kept from before can come back",
            statement.version, installed.version
        ));
    }
    Ok(statement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_content::SigningKey;

    fn signed(key: &SigningKey, version: &str, architecture: &str, package: &str) -> SignedPackage {
        let statement = Statement {
            package: package.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            size: 1,
            sha256: "00".repeat(32),
        };
        let signed = SignedStatement::sign(&statement, key).unwrap();
        SignedPackage { statement: signed.statement, signature: signed.signature }
    }

    #[test]
    fn only_a_newer_package_signed_by_a_known_key_is_taken() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let installed = Installed { version: "0.2.0".to_owned(), architecture: "amd64".to_owned() };
        let judge = |package: &SignedPackage| judge(package, &installed, &[key.verifying_key()]);
        assert_eq!(judge(&signed(&key, "0.10.0", "amd64", AGENT)).unwrap().version, "0.10.0");
        for (package, why) in [
            (signed(&other, "0.3.0", "amd64", AGENT), "none of the trusted"),
            (signed(&key, "0.1.9", "amd64", AGENT), "older"),
            (signed(&key, "0.2.0~rc1", "amd64", AGENT), "older"),
            (signed(&key, "0.3.0", "arm64", AGENT), "for arm64"),
            (signed(&key, "0.3.0", "amd64", "sakimori-manager"), "not the agent's"),
        ] {
            let refused = judge(&package).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn steps_are_written_down_and_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let upgrades = Upgrades::new(dir.path(), dir.path());
        upgrades.files.make().unwrap();
        let order = Order {
            order: Uuid::from_u128(7),
            version: "2".to_owned(),
            from: "1".to_owned(),
            package: None,
            healthy_within_secs: 60,
            before: Before::default(),
        };
        let told = Mutex::new(Vec::new());
        let tell = || upgrades.tell(|event| told.lock().unwrap().push(event));
        assert!(upgrades.claim(order.order));
        assert!(!upgrades.claim(order.order), "one at a time");
        upgrades.files.step(&order, UpgradeStep::Downloading, None).unwrap();
        upgrades.files.step(&order, UpgradeStep::Downloading, None).unwrap();
        tell();
        tell();
        upgrades.files.step(&order, UpgradeStep::Refused, Some("no".to_owned())).unwrap();
        tell();
        upgrades.release();
        assert!(!upgrades.claim(order.order), "it has an end");
        assert!(upgrades.claim(Uuid::from_u128(8)));
        let told = told.into_inner().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        let report = upgrades.report().unwrap();
        assert_eq!((report.step, report.reason.as_deref()), (UpgradeStep::Refused, Some("no")));
    }
}
