//! What composite rules remember: past events, by the list they count in.
//!
//! # Bounds
//! [`limits::LIST_EVENTS`] a list, [`limits::PAST_EVENTS`] in all, [`limits::PAST_BYTES`] for an event's fields. Past the
//! first bound a list forgets its oldest; past the second the longest list does, so that a flood in one place
//! does not take the memory of another.

use crate::fields::{FieldId, Fields};
use crate::limits;
use crate::rule::Counting;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// An event of the past.
#[derive(Debug)]
struct Past {
    at: u64,
    fields: Fields,
    /// The highest level of a composite rule that it took part in: it takes part in none of that level again.
    used: AtomicU8,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    lists: Vec<(Arc<str>, VecDeque<Arc<Past>>)>,
    remembered: usize,
    forgotten: u64,
}

impl History {
    /// Goes on with another rule set's lists; what both have keeps its events.
    pub(crate) fn swap(&mut self, names: &[Arc<str>], own_fields: bool) {
        let mut old = std::mem::take(&mut self.lists);
        self.remembered = 0;
        for name in names {
            let events = old.iter_mut().find(|(known, _)| known == name);
            let mut events = events.map(|(_, events)| std::mem::take(events)).unwrap_or_default();
            if !own_fields {
                events.clear();
            }
            self.remembered += events.len();
            self.lists.push((Arc::clone(name), events));
        }
    }

    /// Events forgotten for want of room since the beginning.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Looks back from the newest event; whether the rule fires, and how many events it counted with this one.
    pub(crate) fn count(&self, counting: &Counting, level: u8, now: u64, fields: &Fields) -> Option<u32> {
        let (_, list) = self.lists.get(counting.list)?;
        let mut fitting = 0;
        let mut newest: Option<&Arc<Past>> = None;
        for past in list.iter().rev() {
            // Events of a moment with the clock set back count as of now.
            if now.saturating_sub(past.at) > u64::from(counting.timeframe) {
                return None;
            }
            let alike = counting.alike.iter().all(|alike| {
                let (theirs, ours) = (past.fields.value(alike.field), fields.value(alike.field));
                match (theirs, ours) {
                    (Some(theirs), Some(ours)) => (theirs == ours) == alike.same,
                    _ => false,
                }
            });
            if !alike {
                continue;
            }
            // Looked at after the comparison, unlike in the reference: there an attacker who fires the rule makes it
            // forget what another one did.
            if past.used.load(Ordering::Relaxed) >= level.max(1) {
                return None;
            }
            let newest = newest.get_or_insert(past);
            if fitting < counting.before {
                fitting += 1;
                continue;
            }
            past.used.store(level, Ordering::Relaxed);
            newest.used.store(level, Ordering::Relaxed);
            return Some(fitting + 2);
        }
        None
    }

    /// Remembers an event in lists. `used` is the level of the composite rule that it fired, 0 for none.
    pub(crate) fn remember(
        &mut self,
        lists: &[usize],
        now: u64,
        fields: &Fields,
        compared: &BTreeSet<FieldId>,
        used: u8,
    ) {
        if lists.is_empty() {
            return;
        }
        let mut kept = Fields::default();
        let mut bytes = 0;
        for (id, value) in fields.iter().filter(|(id, _)| compared.contains(id)) {
            bytes += value.len();
            if bytes > limits::PAST_BYTES {
                break;
            }
            kept.set(id, value);
        }
        let past = Arc::new(Past { at: now, fields: kept, used: AtomicU8::new(used) });
        for list in lists {
            if self.remembered >= limits::PAST_EVENTS {
                self.forget_of_longest();
            }
            let Some((_, events)) = self.lists.get_mut(*list) else { continue };
            if events.len() >= limits::LIST_EVENTS {
                let _oldest = events.pop_front();
                self.forgotten += 1;
                self.remembered -= 1;
            }
            events.push_back(Arc::clone(&past));
            self.remembered += 1;
        }
    }

    fn forget_of_longest(&mut self) {
        if let Some((_, longest)) = self.lists.iter_mut().max_by_key(|(_, events)| events.len())
            && longest.pop_front().is_some()
        {
            self.forgotten += 1;
            self.remembered -= 1;
        }
    }
}
