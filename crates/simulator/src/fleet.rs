//! Many agents in one process: each checks in for ever, and puts in force what it is told.
//!
//! What is the same for all is had once for the process: a bundle's signature is verified, and its parts are fetched and
//! compared with their hashes, when the first agent is given it. Each agent still compares the bytes that it was sent.
use crate::agent::Agent;
use crate::link::{Link, REQUEST, Trouble, accepted, whole};
use hyper::Method;
use hyper::body::Bytes;
use sakimori_protocol::pace::{Backoff, jitter};
use sakimori_protocol::{
    Bundle, CheckIn, CheckInAnswer, Command, Hash, Leaving, OrderDone, RefusalCode, SignedBundle, paths,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A full status is sent this often.
const FULL_EVERY: Duration = Duration::from_mins(10);

/// What the agents of one process share.
pub(crate) struct Fleet {
    /// How long an agent asks to be held; each takes up to a tenth off, so that they do not come together.
    pub(crate) hold: Duration,
    /// The longest wait after a failure.
    pub(crate) longest_wait: Duration,
    /// Check-ins that were answered.
    pub(crate) answered: AtomicU64,
    /// Check-ins that were not, or with a refusal.
    pub(crate) failed: AtomicU64,
    troubles: Mutex<BTreeMap<String, u64>>,
    /// Bundles whose signature and parts were verified, with the signature and the policy's name.
    bundles: tokio::sync::Mutex<HashMap<Hash, (String, Arc<str>)>>,
    /// Agents that said that they enforce a bundle.
    enforcing: Mutex<HashMap<Hash, Enforcing>>,
}

/// How far a bundle has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enforcing {
    pub(crate) agents: usize,
    pub(crate) last: Instant,
}

/// An agent that lives.
pub(crate) struct Member {
    pub(crate) agent: Arc<Agent>,
    /// What it enforces: the bundle and the policy's name.
    pub(crate) enforced: watch::Receiver<Option<(Hash, Arc<str>)>>,
    task: JoinHandle<()>,
}

// === impl Fleet ===

impl Fleet {
    pub(crate) fn new(hold: Duration, longest_wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            hold,
            longest_wait,
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            troubles: Mutex::default(),
            bundles: tokio::sync::Mutex::default(),
            enforcing: Mutex::default(),
        })
    }

    /// Lets an agent live.
    pub(crate) fn start(self: &Arc<Self>, agent: Agent) -> Member {
        let agent = Arc::new(agent);
        let (told, enforced) = watch::channel(None);
        let task = tokio::spawn(live(Arc::clone(self), Arc::clone(&agent), told));
        Member { agent, enforced, task }
    }

    /// How far a bundle has come.
    pub(crate) fn enforcing(&self, bundle: Hash) -> Option<Enforcing> {
        lock(&self.enforcing).get(&bundle).copied()
    }

    /// Why something failed, and how often.
    pub(crate) fn troubles(&self) -> String {
        let troubles = lock(&self.troubles);
        let lines: Vec<String> = troubles.iter().map(|(why, count)| format!("{count} × {why}\n")).collect();
        lines.concat()
    }

    pub(crate) fn note(&self, trouble: &Trouble) {
        *lock(&self.troubles).entry(trouble.to_string()).or_default() += 1;
    }

    fn enforces(&self, new: Hash, old: Option<Hash>) {
        let mut all = lock(&self.enforcing);
        let entry = all.entry(new).or_insert_with(|| Enforcing { agents: 0, last: Instant::now() });
        entry.agents += 1;
        entry.last = Instant::now();
        if let Some(old) = old.and_then(|old| all.get_mut(&old)) {
            old.agents = old.agents.saturating_sub(1);
        }
    }

    /// Verifies a bundle and has its parts: the name of its policy.
    async fn take(
        &self,
        agent: &Agent,
        link: &mut Link,
        signed: &SignedBundle,
    ) -> Result<(Hash, Arc<str>), Trouble> {
        let hash = Hash::of(signed.bundle.as_bytes());
        let mut known = self.bundles.lock().await;
        if let Some((signature, policy)) = known.get(&hash)
            && *signature == signed.signature
        {
            return Ok((hash, Arc::clone(policy)));
        }
        if !signed.is_signed_by(&agent.bundle_key) {
            return Err(Trouble::Broken("a bundle is not signed by the manager".to_owned()));
        }
        let bundle: Bundle = serde_json::from_str(&signed.bundle)
            .map_err(|e| Trouble::Broken(format!("a bundle is not understood: {e}")))?;
        for part in bundle.modules.values().flat_map(|module| &module.content) {
            let path = format!("{}/{}", paths::BLOBS, part.hash);
            let answer = link.send((Method::GET, &path), &[], Bytes::new(), REQUEST).await?;
            let bytes = whole(accepted(answer).await?, paths::BLOB_BYTES).await?;
            if Hash::of(&bytes) != part.hash || u64::try_from(bytes.len()) != Ok(part.size) {
                return Err(Trouble::Broken(format!("blob {} is not what its name says", part.hash)));
            }
        }
        let policy: Arc<str> = bundle.policy_name.into();
        known.insert(hash, (signed.signature.clone(), Arc::clone(&policy)));
        Ok((hash, policy))
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Member ===

impl Member {
    /// The machine is gone without a word.
    pub(crate) fn vanish(self) {
        self.task.abort();
    }

    /// The machine shuts down: its agent says so.
    pub(crate) async fn leave(self) -> Result<(), Trouble> {
        self.task.abort();
        let bundle = self.enforced.borrow().as_ref().map(|(hash, _)| *hash);
        let mut link = Link::connect(&self.agent.gateway).await?;
        let words = self.agent.good_bye(bundle, Leaving::Stopping);
        let _no_content: Option<Value> = link.post(paths::CHECK_IN, &words, REQUEST).await?;
        Ok(())
    }
}

/// Checks in for ever.
async fn live(fleet: Arc<Fleet>, agent: Arc<Agent>, told: watch::Sender<Option<(Hash, Arc<str>)>>) {
    let mut backoff = Backoff::new(Duration::from_secs(1), fleet.longest_wait);
    let mut link = None;
    let mut full_sent: Option<Instant> = None;
    loop {
        match once(&fleet, &agent, &mut link, &mut full_sent, &told).await {
            Ok(()) => {
                fleet.answered.fetch_add(1, Ordering::Relaxed);
                backoff.succeeded();
            }
            Err(trouble) => {
                fleet.failed.fetch_add(1, Ordering::Relaxed);
                fleet.note(&trouble);
                // Nothing more is to be had with an identity that is not one.
                if matches!(trouble.code(), Some(RefusalCode::ComputerUnknown | RefusalCode::Clone)) {
                    return;
                }
                link = None;
                tokio::time::sleep(backoff.failed(trouble.retry_after())).await;
            }
        }
    }
}

/// One check-in, and what it asks for.
async fn once(
    fleet: &Fleet,
    agent: &Agent,
    kept: &mut Option<Link>,
    full_sent: &mut Option<Instant>,
    told: &watch::Sender<Option<(Hash, Arc<str>)>>,
) -> Result<(), Trouble> {
    let mut link = match kept.take() {
        Some(link) if !link.is_closed() => link,
        _ => Link::connect(&agent.gateway).await?,
    };
    let due = full_sent.is_none_or(|sent| sent.elapsed() >= FULL_EVERY);
    let hold = fleet.hold.saturating_sub(jitter(fleet.hold / 10));
    let enforced = told.borrow().as_ref().map(|(hash, _)| *hash);
    let message = agent.check_in(enforced, due, hold.as_secs());
    let answer: Option<CheckInAnswer> =
        link.post(paths::CHECK_IN, &message, hold + Duration::from_mins(1)).await?;
    if due {
        *full_sent = Some(Instant::now());
    }
    let Some(answer) = answer else {
        *kept = Some(link);
        return Ok(());
    };
    for command in answer.commands {
        match command {
            Command::SendFullStatus => *full_sent = None,
            Command::Order { run, .. } => {
                let done = OrderDone { run, ..OrderDone::default() };
                let _no_content: Option<Value> = link.post(paths::ORDERS, &done, REQUEST).await?;
            }
            // No inventory was named, the identity is nobody else's, and no package was installed.
            Command::SendInventory
            | Command::TakeInventory
            | Command::ReEnrol
            | Command::Upgrade { .. }
            | Command::RollBack { .. }
            | Command::Unknown => {}
        }
    }
    if let Some(signed) = answer.bundle {
        let new = fleet.take(agent, &mut link, &signed).await?;
        fleet.enforces(new.0, enforced);
        told.send_replace(Some(new));
    }
    *kept = Some(link);
    Ok(())
}

/// One check-in on a connection of its own.
pub(crate) async fn ask(agent: &Agent, message: &CheckIn) -> Result<Option<CheckInAnswer>, Trouble> {
    Link::connect(&agent.gateway).await?.post(paths::CHECK_IN, message, REQUEST).await
}
