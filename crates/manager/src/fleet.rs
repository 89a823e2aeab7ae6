//! Who is there: presence and state of all computers, in memory, written down in bulk.
//!
//! A check-in costs no write of the database. What was not written yet when the manager is killed is said
//! again by the next check-ins. Of computers that are in contact with another manager the database is right
//! ([`crate::nodes`]).
use crate::nodes::Elsewhere;
use crate::store::{ComputerRow, Contact};
use sakimori_model::Timestamp;
use sakimori_protocol::{CheckIn, ModuleStatus, Packaging, UpgradeReport};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// No contact for this long, with no check-in held, is offline: the longest hold with its jitter, and a minute.
pub const OFFLINE_AFTER: Duration = Duration::from_mins(6);
/// After the last check-in ended without a next one, this is enough.
pub const DISCONNECTED_AFTER: Duration = Duration::from_secs(45);
/// So many superseded boots are remembered of each computer.
const BOOTS: usize = 16;

/// One computer as it last said.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Whose.
    pub tenant: Uuid,
    /// The policy it was assigned when it was first in contact.
    policy: Uuid,
    /// When it was last in contact.
    pub last_seen: Timestamp,
    /// Check-ins held now.
    pub held: u32,
    /// Version of its agent.
    pub agent_version: String,
    /// Its modules.
    pub modules: Vec<ModuleStatus>,
    /// The bundle it enforces.
    pub bundle: Option<String>,
    /// The bundle it could not apply, and why.
    pub refused: Option<(String, String)>,
    /// How it was installed, where it can be upgraded.
    pub packaging: Option<Packaging>,
    /// How far its newest upgrade is.
    pub upgrade: Option<UpgradeReport>,
    boot: String,
    superseded: VecDeque<String>,
    /// What was known of it before it came, while what follows from that is not durable yet. Until then its contact is
    /// not written down either: a manager that is killed, or a database that fails, in between brings it about again.
    unsettled: Option<Before>,
    dirty: bool,
    shown_online: bool,
}

/// What a contact means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Something that people see has changed.
    pub changed: bool,
    /// A superseded agent came back: two machines use one identity.
    pub second_machine: bool,
    /// What was known of it.
    pub before: Before,
}

/// What was known of a computer before it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing since the manager's start.
    Unknown,
    /// It was there.
    There,
    /// It had gone.
    Away,
}

/// Presence of all computers.
#[derive(Debug, Default)]
pub struct Fleet {
    computers: Mutex<HashMap<Uuid, Presence>>,
    /// Assignments made since the start, and deletions: they count more than what a
    /// check-in has read from the database before.
    assigned: Mutex<HashMap<Uuid, Assignment>>,
}

/// What was decided since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Assignment {
    /// This policy.
    Policy(Uuid),
    /// The computer was deleted.
    Deleted,
}

impl Presence {
    /// A computer that was last in contact with another manager.
    pub(crate) fn elsewhere(row: &ComputerRow, elsewhere: Elsewhere) -> Self {
        Self {
            tenant: row.tenant,
            policy: row.policy,
            last_seen: elsewhere.last_seen,
            held: u32::from(elsewhere.held),
            agent_version: row.agent_version.clone(),
            modules: row.modules.clone(),
            bundle: row.bundle_enforced.clone(),
            refused: row.bundle_refused.clone(),
            packaging: None,
            upgrade: None,
            boot: String::new(),
            superseded: VecDeque::new(),
            unsettled: None,
            dirty: false,
            shown_online: false,
        }
    }
}

impl Fleet {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Presence>> {
        self.computers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a check-in and that it is held from now on; `elsewhere` is where the computer was before, if that was
    /// with another manager.
    pub(crate) fn arrived(
        &self,
        row: &ComputerRow,
        said: &CheckIn,
        elsewhere: Option<Elsewhere>,
        now: Timestamp,
    ) -> Noted {
        let refused =
            said.refused.as_ref().map(|(hash, why)| (hash.to_string(), why.chars().take(1000).collect()));
        let bundle = said.bundle.map(|hash| hash.to_string());
        if self.assignment(row.id) == Some(Assignment::Deleted) {
            return Noted { changed: false, second_machine: false, before: Before::There };
        }
        let mut computers = self.lock();
        let first = !computers.contains_key(&row.id);
        let presence = computers.entry(row.id).or_insert_with(|| Presence {
            tenant: row.tenant,
            policy: row.policy,
            last_seen: now,
            held: 0,
            agent_version: String::new(),
            modules: Vec::new(),
            bundle: None,
            refused: None,
            packaging: None,
            upgrade: None,
            boot: said.boot.clone(),
            superseded: VecDeque::new(),
            unsettled: None,
            dirty: true,
            shown_online: false,
        });
        let second_machine = presence.superseded.contains(&said.boot);
        if !second_machine && presence.boot != said.boot {
            let old = std::mem::replace(&mut presence.boot, said.boot.clone());
            presence.superseded.push_back(old);
            if presence.superseded.len() > BOOTS {
                presence.superseded.pop_front();
            }
        }
        let states = |modules: &[ModuleStatus]| -> Vec<_> {
            modules.iter().map(|m| (m.module.clone(), m.state, m.mode, m.reasons.clone(), m.rules)).collect()
        };
        let changed = first
            || !presence.shown_online
            || presence.bundle != bundle
            || presence.refused != refused
            || presence.agent_version != said.agent_version
            || states(&presence.modules) != states(&said.modules);
        let before = if let Some(before) = presence.unsettled {
            before
        } else if let Some(elsewhere) = elsewhere {
            if elsewhere.online(now) { Before::There } else { Before::Away }
        } else if first {
            Before::Unknown
        } else if is_online(presence.held, presence.last_seen, now) {
            Before::There
        } else {
            Before::Away
        };
        presence.unsettled = Some(before).filter(|before| *before != Before::There);
        presence.last_seen = now;
        presence.held += 1;
        presence.agent_version.clone_from(&said.agent_version);
        presence.modules.clone_from(&said.modules);
        presence.bundle = bundle;
        presence.refused = refused;
        presence.packaging.clone_from(&said.packaging);
        presence.upgrade.clone_from(&said.upgrade);
        presence.dirty = true;
        presence.shown_online = true;
        Noted { changed, second_machine, before }
    }

    /// Notes that what follows from a computer's coming is durable.
    pub fn settled(&self, computer: Uuid) {
        if let Some(presence) = self.lock().get_mut(&computer) {
            presence.unsettled = None;
        }
    }

    /// Notes that a check-in was answered or broken off.
    pub fn left(&self, computer: Uuid, now: Timestamp) {
        if let Some(presence) = self.lock().get_mut(&computer) {
            presence.held = presence.held.saturating_sub(1);
            presence.last_seen = now;
            presence.dirty = true;
        }
    }

    /// Notes an assignment.
    pub fn assign(&self, computer: Uuid, policy: Uuid) {
        self.assigned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(computer, Assignment::Policy(policy));
    }

    fn assignment(&self, computer: Uuid) -> Option<Assignment> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner).get(&computer).copied()
    }

    /// The policy a computer is assigned; nothing once it was deleted.
    pub fn policy(&self, computer: Uuid) -> Option<Uuid> {
        match self.assignment(computer) {
            Some(Assignment::Policy(policy)) => Some(policy),
            Some(Assignment::Deleted) => None,
            None => self.lock().get(&computer).map(|presence| presence.policy),
        }
    }

    /// Notes that a computer has an identity again: what was decided while it had none is forgotten.
    pub fn welcome(&self, computer: Uuid) {
        let mut assigned = self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
        if assigned.get(&computer) == Some(&Assignment::Deleted) {
            assigned.remove(&computer);
        }
    }

    /// Forgets a computer.
    pub fn remove(&self, computer: Uuid) {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner).insert(computer, Assignment::Deleted);
        self.lock().remove(&computer);
    }

    /// A computer as it last said.
    pub fn presence(&self, computer: Uuid) -> Option<Presence> {
        self.lock().get(&computer).cloned()
    }

    /// The computers that were in contact with this manager, or of which something was decided.
    pub(crate) fn computers(&self) -> HashSet<Uuid> {
        let mut all: HashSet<Uuid> = self.lock().keys().copied().collect();
        all.extend(self.assigned.lock().unwrap_or_else(PoisonError::into_inner).keys());
        all
    }

    /// Looks at many computers as they last said, at one moment.
    pub fn glance<I, T>(
        &self,
        computers: impl IntoIterator<Item = I>,
        id: impl Fn(&I) -> Uuid,
        mut look: impl FnMut(I, Option<&Presence>) -> T,
    ) -> Vec<T> {
        let known = self.lock();
        let each = computers.into_iter().map(|computer| {
            let presence = known.get(&id(&computer));
            look(computer, presence)
        });
        each.collect()
    }

    /// How many check-ins are held, and how many computers are known.
    pub fn counts(&self) -> (u64, u64) {
        let computers = self.lock();
        let held = computers.values().map(|presence| u64::from(presence.held)).sum();
        (held, u64::try_from(computers.len()).unwrap_or(u64::MAX))
    }

    /// What has to be written down.
    pub fn take_dirty(&self) -> Vec<Contact> {
        self.lock()
            .iter_mut()
            .filter(|(_, presence)| presence.unsettled.is_none())
            .filter_map(|(id, presence)| std::mem::take(&mut presence.dirty).then_some((id, presence)))
            .map(|(id, presence)| Contact {
                tenant: presence.tenant,
                computer: *id,
                last_seen: presence.last_seen,
                held: presence.held > 0,
                agent_version: presence.agent_version.clone(),
                modules: presence.modules.clone(),
                bundle_enforced: presence.bundle.clone(),
                bundle_refused: presence.refused.clone(),
            })
            .collect()
    }

    /// Says again that contacts have to be written down, after a failure.
    pub fn put_back(&self, contacts: &[Contact]) {
        let mut computers = self.lock();
        for contact in contacts {
            if let Some(presence) = computers.get_mut(&contact.computer) {
                presence.dirty = true;
            }
        }
    }

    /// Those that people still see as online but that have gone.
    pub fn newly_offline(&self, now: Timestamp) -> Vec<(Uuid, Uuid)> {
        self.lock()
            .iter_mut()
            .filter(|(_, presence)| {
                presence.shown_online && !is_online(presence.held, presence.last_seen, now)
            })
            .map(|(id, presence)| {
                presence.shown_online = false;
                (presence.tenant, *id)
            })
            .collect()
    }
}

/// Whether a computer counts as in contact.
pub fn is_online(held: u32, last_seen: Timestamp, now: Timestamp) -> bool {
    let patience = if held > 0 { OFFLINE_AFTER } else { DISCONNECTED_AFTER };
    now <= last_seen.plus(patience)
}
