//! Rules of the firewall that begin or end to count at their hours and places, while somebody looks after changes: they
//! are held as they are until that one lets them go, and go back where that one says so.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rules by name, and whether they count.
pub(crate) type Counting = BTreeMap<String, bool>;

/// What is held. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Hours {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Rung where a rule wants to change; while there is none, rules change by themselves.
    bell: Option<Box<dyn Fn() + Send>>,
    /// How rules are held, whatever their schedules and contexts say.
    held: Counting,
    /// The rules that want to change, and what they would be.
    asked: Counting,
    /// What rules may become.
    let_go: Counting,
    /// What rules may not become as long as they would be that.
    refused: Counting,
    /// The rules in force.
    in_force: Counting,
}

impl Hours {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on rules change only as they are let; `bell` is rung where one wants to.
    pub(crate) fn look_after(&self, bell: impl Fn() + Send + 'static) {
        self.lock().bell = Some(Box::new(bell));
    }

    /// How rules are held.
    pub(super) fn held(&self) -> Counting {
        self.lock().held.clone()
    }

    /// Notes what is in force.
    pub(super) fn entered(&self, in_force: Counting) {
        self.lock().in_force = in_force;
    }

    /// How the rules in force count.
    pub(crate) fn in_force(&self) -> Counting {
        self.lock().in_force.clone()
    }

    /// Notes what rules would be now, and holds those that want to change.
    pub(super) fn want(&self, now: &Counting) {
        let mut state = self.lock();
        let State { bell: Some(bell), held, asked, let_go, refused, in_force } = &mut *state else { return };
        let refused_before = refused.len();
        for all in [&mut *held, &mut *asked, &mut *let_go, &mut *refused] {
            all.retain(|name, _| now.contains_key(name));
        }
        let mut rings = false;
        for (name, is) in now {
            let Some(before) = in_force.get(name) else { continue };
            if refused.get(name) == Some(is) {
                held.insert(name.clone(), !is);
                asked.remove(name);
            } else if before == is {
                for all in [&mut *held, &mut *asked, &mut *let_go, &mut *refused] {
                    all.remove(name);
                }
            } else if let_go.get(name) == Some(is) {
                held.remove(name);
                asked.remove(name);
            } else {
                held.insert(name.clone(), *before);
                rings |= asked.insert(name.clone(), *is) != Some(*is);
            }
        }
        if rings || refused.len() != refused_before {
            bell();
        }
    }

    /// The rules that want to change, and what they would be.
    pub(crate) fn asked(&self) -> Counting {
        self.lock().asked.clone()
    }

    /// These rules may become that.
    pub(crate) fn let_go(&self, rules: &Counting) {
        let mut state = self.lock();
        for (name, becomes) in rules {
            state.held.remove(name);
            state.asked.remove(name);
            state.refused.remove(name);
            state.let_go.insert(name.clone(), *becomes);
        }
    }

    /// These rules go back, and do not become that again as long as they would be that.
    pub(crate) fn refuse(&self, rules: &Counting) {
        let mut state = self.lock();
        for (name, becomes) in rules {
            state.asked.remove(name);
            state.let_go.remove(name);
            state.held.insert(name.clone(), !becomes);
            state.refused.insert(name.clone(), *becomes);
        }
    }

    /// What was refused is asked for again.
    pub(crate) fn ask_again(&self) {
        let mut state = self.lock();
        let refused = std::mem::take(&mut state.refused);
        state.asked.extend(refused);
    }

    /// Whether something is refused still: an hour that is over has nothing to refuse.
    pub(crate) fn refuses(&self) -> bool {
        !self.lock().refused.is_empty()
    }

    /// Rules come in force as they were when they were found to cut nobody off; those that are something else by now
    /// will ask for it. Where nothing is given, they come in force as they are.
    pub(crate) fn hold(&self, proven: Counting) {
        let mut state = self.lock();
        state.held = proven;
        state.asked.clear();
        state.let_go.clear();
        state.refused.clear();
    }
}

impl std::fmt::Debug for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hours").field("held", &self.lock().held).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn night(counts: bool) -> Counting {
        Counting::from([("night".to_owned(), counts)])
    }

    /// Looked after, with the number of times that the bell rang.
    fn kept() -> (Hours, Arc<AtomicU32>) {
        let (hours, rung) = (Hours::default(), Arc::new(AtomicU32::new(0)));
        let bell = Arc::clone(&rung);
        hours.look_after(move || {
            bell.fetch_add(1, Ordering::Relaxed);
        });
        (hours, rung)
    }

    /// Rules would be `now`, while they are `in_force`.
    fn want(hours: &Hours, now: &Counting, in_force: &Counting) {
        hours.entered(in_force.clone());
        hours.want(now);
    }

    #[test]
    fn without_anybody_to_look_after_them_rules_change_by_themselves() {
        let hours = Hours::default();
        want(&hours, &night(true), &night(false));
        assert_eq!((hours.held(), hours.asked()), (Counting::new(), Counting::new()));
    }

    #[test]
    fn a_rule_waits_until_it_is_let_go() {
        let (hours, rung) = kept();
        for _ in 0..3 {
            want(&hours, &night(true), &night(false));
            assert_eq!((hours.held(), hours.asked()), (night(false), night(true)));
        }
        assert_eq!(rung.load(Ordering::Relaxed), 1, "asked once");
        hours.let_go(&night(true));
        want(&hours, &night(true), &night(false));
        assert_eq!((hours.held(), hours.asked()), (Counting::new(), Counting::new()));
        want(&hours, &night(true), &night(true));
        want(&hours, &night(false), &night(true));
        assert_eq!(hours.asked(), night(false), "its end is a change too");
        want(&hours, &night(true), &night(true));
        assert_eq!((hours.held(), hours.asked()), (Counting::new(), Counting::new()), "the wish has passed");
    }

    #[test]
    fn what_was_taken_back_stays_so_until_its_hour_is_over() {
        let (hours, rung) = kept();
        hours.let_go(&night(true));
        want(&hours, &night(true), &night(true));
        hours.refuse(&night(true));
        for in_force in [true, false, false] {
            want(&hours, &night(true), &night(in_force));
            assert_eq!((hours.held(), hours.asked()), (night(false), Counting::new()));
        }
        assert!(hours.refuses());
        want(&hours, &night(false), &night(false));
        assert!(!hours.refuses());
        assert_eq!(rung.load(Ordering::Relaxed), 1, "it is said that the hour is over");
        want(&hours, &night(true), &night(false));
        assert_eq!(hours.asked(), night(true), "the next night");
        hours.refuse(&night(true));
        hours.ask_again();
        want(&hours, &night(true), &night(false));
        assert_eq!(hours.asked(), night(true), "somebody wants it once more");
        want(&hours, &Counting::new(), &Counting::new());
        assert_eq!(hours.held(), Counting::new(), "the rule is no more");
    }

    #[test]
    fn what_began_while_nobody_was_there_has_to_ask() {
        let (hours, _) = kept();
        hours.hold(night(false));
        assert_eq!((hours.held(), hours.asked()), (night(false), Counting::new()), "it may not want to");
        want(&hours, &night(true), &night(false));
        assert_eq!(hours.asked(), night(true));
        hours.hold(night(false));
        want(&hours, &night(false), &night(false));
        assert_eq!((hours.held(), hours.asked()), (Counting::new(), Counting::new()));
    }
}
