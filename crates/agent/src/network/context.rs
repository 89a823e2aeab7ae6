//! Where this computer is, as it finds out by itself: interfaces, addresses, who can be reached.
//!
//! Interfaces and addresses are looked at whenever they are asked for; they are the kernel's. Others are asked by a
//! thread each, because a name or a connection may take long: what they said last is the answer, and what nobody said
//! yet is not known.
use super::NetworkPlan;
use crate::identity::IdentityFiles;
use sakimori_firewall::Network;
use sakimori_kernel::interface::{self, Interface};
use sakimori_kernel::{clock, reach};
use sakimori_modules::Context;
use sakimori_modules::context::{Fact, matches_pattern};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a connection may take to be taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer may take before it counts as a "no": a resolver that is not there takes half a minute.
const OVERDUE: Duration = Duration::from_secs(5);
/// How often a host or a name is asked. A change of the interfaces or addresses makes it at once.
const EVERY: Duration = Duration::from_secs(10);
/// How often the manager is asked: the whole fleet asks it.
const EVERY_MANAGER: Duration = Duration::from_secs(15);
/// How long a new plan waits for first answers.
const FIRST_ANSWERS: Duration = Duration::from_millis(2500);

/// Asks and remembers. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Observer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// An answer has come, or somebody is to ask anew or to end.
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What is wanted, each with its asker's last word.
    asked: BTreeMap<Fact, Answer>,
    /// Where the manager is, where no identity says so.
    manager: Vec<SocketAddr>,
    /// Where the agent's identity lies.
    identity_dir: Option<PathBuf>,
    /// Counts changes of the interfaces: everybody asks anew.
    round: u64,
    interfaces: Vec<Interface>,
    /// Numbers askers, so that one whose fact was dropped and taken up again ends.
    askers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    asker: u64,
    yes: Option<bool>,
    /// When the question was put that has no answer yet.
    open_since: Option<Duration>,
}

/// What was seen at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    interfaces: Vec<Interface>,
    answers: BTreeMap<Fact, Option<bool>>,
}

// === impl Observer ===

impl Observer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells where the agent's state is, which says where its manager is.
    pub(super) fn for_agent_in(&self, state_dir: &Path) {
        self.lock().identity_dir = Some(state_dir.to_owned());
    }

    /// Begins to ask for what a plan's contexts want to know, beside what is asked already, and waits a moment for the
    /// first answers.
    pub(super) fn ask_for(&self, plan: &NetworkPlan) {
        let wanted = wanted(plan);
        if wanted.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.manager.clone_from(&plan.always);
        for fact in &wanted {
            if state.asked.contains_key(fact) {
                continue;
            }
            state.askers += 1;
            let answer = Answer { asker: state.askers, yes: None, open_since: None };
            let (observer, asked) = (self.clone(), fact.clone());
            let asker = std::thread::Builder::new()
                .name("context".into())
                .spawn(move || observer.keep_asking(&asked, answer.asker));
            match asker {
                Ok(_runs_until_it_is_not_wanted) => {
                    state.asked.insert(fact.clone(), answer);
                }
                Err(error) => tracing::error!(%error, "a context cannot be observed"),
            }
        }
        let unknown = |state: &mut State| {
            state.asked.iter().any(|(fact, answer)| wanted.contains(fact) && answer.yes.is_none())
        };
        let waited = self.shared.news.wait_timeout_while(state, FIRST_ANSWERS, unknown);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends asking for what this plan does not want to know.
    pub(super) fn only(&self, plan: Option<&NetworkPlan>) {
        let wanted = plan.map(wanted).unwrap_or_default();
        self.lock().asked.retain(|fact, _| wanted.contains(fact));
        self.shared.news.notify_all();
    }

    /// What is seen now. Where the interfaces have changed, others are asked anew.
    pub(super) fn look(&self) -> Seen {
        let interfaces = interface::all();
        let now = clock::monotonic();
        let mut state = self.lock();
        match interfaces {
            Ok(interfaces) if interfaces != state.interfaces => {
                state.interfaces = interfaces;
                state.round += 1;
                self.shared.news.notify_all();
            }
            Ok(_same) => {}
            Err(error) => tracing::warn!(%error, "the network interfaces cannot be listed"),
        }
        let answers = state.asked.iter().map(|(fact, answer)| (fact.clone(), answer.at(now)));
        Seen { interfaces: state.interfaces.clone(), answers: answers.collect() }
    }

    /// One asker's life.
    fn keep_asking(&self, fact: &Fact, me: u64) {
        loop {
            let round = {
                let mut state = self.lock();
                let round = state.round;
                let Some(answer) = state.asked.get_mut(fact).filter(|answer| answer.asker == me) else {
                    return;
                };
                answer.open_since = Some(clock::monotonic());
                round
            };
            let yes = self.ask(fact);
            let mut state = self.lock();
            let Some(answer) = state.asked.get_mut(fact).filter(|answer| answer.asker == me) else { return };
            *answer = Answer { asker: me, yes: Some(yes), open_since: None };
            self.shared.news.notify_all();
            let every = if *fact == Fact::Manager { EVERY_MANAGER } else { EVERY };
            let still = |state: &mut State| {
                state.round == round && state.asked.get(fact).is_some_and(|answer| answer.asker == me)
            };
            let waited = self.shared.news.wait_timeout_while(state, every, still);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn ask(&self, fact: &Fact) -> bool {
        let takes = |end: &SocketAddr| reach::takes_connections(*end, PATIENCE).unwrap_or(false);
        match fact {
            Fact::Reachable(host, port) => {
                (host.as_str(), *port).to_socket_addrs().is_ok_and(|mut ends| ends.any(|end| takes(&end)))
            }
            Fact::Resolves(name) => {
                (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut ends| ends.next().is_some())
            }
            Fact::Manager => self.manager().iter().any(takes),
            Fact::Interface(_) | Fact::Address(_) => false,
        }
    }

    /// The way to the manager: its proxy's end where it has one, otherwise its own.
    fn manager(&self) -> Vec<SocketAddr> {
        let (dir, known) = {
            let state = self.lock();
            (state.identity_dir.clone(), state.manager.clone())
        };
        let keyed = dir.and_then(|dir| IdentityFiles::in_dir(&dir).load().ok().flatten());
        let Some(identity) = keyed.map(|keyed| keyed.identity) else { return known };
        let way = identity.proxy.as_ref().unwrap_or(&identity.gateway);
        let url = reqwest::Url::parse(way).ok();
        url.and_then(|url| url.socket_addrs(|| None).ok()).unwrap_or_default()
    }
}

/// What others have to be asked.
fn wanted(plan: &NetworkPlan) -> BTreeSet<Fact> {
    plan.contexts().flat_map(Context::facts).filter(|fact| fact.asks_others()).cloned().collect()
}

impl Answer {
    fn at(self, now: Duration) -> Option<bool> {
        match self.open_since {
            Some(since) if now.saturating_sub(since) > OVERDUE => Some(false),
            _ => self.yes,
        }
    }
}

// === impl Seen ===

impl Seen {
    /// Whether something is so; nothing where that is not known.
    pub(super) fn fact(&self, fact: &Fact) -> Option<bool> {
        let mut up = self.interfaces.iter().filter(|interface| interface.is_up);
        match fact {
            Fact::Interface(pattern) => Some(up.any(|interface| matches_pattern(pattern, &interface.name))),
            Fact::Address(network) => {
                let network: Network = network.parse().ok()?;
                Some(up.flat_map(|interface| &interface.addresses).any(|address| network.contains(*address)))
            }
            Fact::Manager | Fact::Reachable(..) | Fact::Resolves(_) => {
                self.answers.get(fact).copied().flatten()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        let interface = |name: &str, is_up, address: &str| Interface {
            name: name.to_owned(),
            is_up,
            addresses: vec![address.parse().unwrap()],
        };
        Seen {
            interfaces: vec![interface("eth0", true, "192.0.2.7"), interface("wg0", false, "2001:db8::7")],
            answers: BTreeMap::from([(Fact::Manager, Some(false)), (Fact::Resolves("a".to_owned()), None)]),
        }
    }

    #[test]
    fn what_is_down_counts_for_nothing_and_what_nobody_said_is_not_known() {
        let of = |text: &str| {
            let context: Context = text.parse().unwrap();
            seen().fact(context.facts().next().unwrap())
        };
        assert_eq!(of("interface eth*"), Some(true));
        assert_eq!(of("interface wg0"), Some(false));
        assert_eq!(of("address 192.0.2.0/24"), Some(true));
        assert_eq!(of("address 2001:db8::/32"), Some(false), "its interface is down");
        assert_eq!(of("reachable manager"), Some(false));
        assert_eq!(of("resolves a"), None);
        assert_eq!(of("resolves b"), None);
    }

    #[test]
    fn an_answer_that_does_not_come_is_no() {
        let answer = Answer { asker: 1, yes: Some(true), open_since: Some(Duration::from_secs(100)) };
        assert_eq!(answer.at(Duration::from_secs(104)), Some(true), "the one before");
        assert_eq!(answer.at(Duration::from_secs(106)), Some(false));
    }
}
