//! What a matching rule does beside its verdict.

use super::Transaction;
use crate::operator::integer;
use crate::parse::actions::{Change, Control, SetVar};
use crate::prefilter::Bits;
use crate::ruleset::{Effect, Link};
use crate::settings::Engine;
use crate::store::{self, Address};
use crate::template::Template;
use crate::variable::Variable;

/// Variables of `TX` and `ENV`, and bytes of a value.
const VARIABLES: usize = 16_384;
const VALUE_BYTES: usize = 64 << 10;

impl Transaction<'_> {
    pub(super) fn apply(&mut self, _number: usize, link: &Link) {
        for effect in &link.effects {
            match effect {
                Effect::SetVar(set) => self.set_variable(set),
                Effect::SetEnv(name, value) => {
                    let mut value = self.expand(value);
                    value.truncate(VALUE_BYTES);
                    if self.env.len() < VARIABLES {
                        self.env.insert(name.as_bytes().to_vec(), value);
                    }
                }
                Effect::InitCol(collection, key) | Effect::SetCollection(collection, key) => {
                    let address = Address { collection: *collection, key: self.expand(key) };
                    self.persistent.retain(|known| known.collection != *collection);
                    self.persistent.push(address);
                }
                Effect::ExpireVar(collection, key, seconds) => {
                    let seconds = u64::try_from(integer(&self.expand(seconds))).unwrap_or(0);
                    let ends = self.now.plus(std::time::Duration::from_secs(seconds.min(1 << 32)));
                    self.change(*collection, key, store::Change::ExpireAt(ends));
                }
                Effect::DeprecateVar(collection, key, amount, seconds) => {
                    let change = store::Change::Deprecate { amount: *amount, seconds: *seconds };
                    self.change(*collection, key, change);
                }
                Effect::Control(control) => self.control(control),
                Effect::Remove(rules) => {
                    if self.removed == Bits::default() {
                        self.removed = Bits::new(self.rules.rules.len());
                    }
                    for rule in rules {
                        self.removed.set(*rule);
                    }
                }
                Effect::RemoveTarget(rules, targets) => {
                    let mut bits = Bits::new(self.rules.rules.len());
                    for rule in rules {
                        bits.set(*rule);
                    }
                    let known =
                        self.removed_targets.iter().any(|(rules, known)| *rules == bits && known == targets);
                    if !known {
                        self.removed_targets.push((bits, targets.clone()));
                    }
                }
            }
        }
    }

    fn set_variable(&mut self, set: &SetVar) {
        let change = match &set.change {
            Change::Remove => store::Change::Remove,
            Change::Set(value) => store::Change::Set(self.expand(value)),
            Change::Add(value) => store::Change::Add(integer(&self.expand(value))),
            Change::Subtract(value) => store::Change::Add(integer(&self.expand(value)).saturating_neg()),
        };
        if set.collection != Variable::Tx {
            self.change(set.collection, &set.key, change);
            return;
        }
        let key = self.expand(&set.key).to_ascii_lowercase();
        match change {
            store::Change::Remove => {
                self.tx.remove(&key);
            }
            store::Change::Set(mut value) => {
                value.truncate(VALUE_BYTES);
                if self.tx.len() < VARIABLES || self.tx.contains_key(&key) {
                    self.tx.insert(key, value);
                }
            }
            store::Change::Add(amount) => {
                if self.tx.len() < VARIABLES || self.tx.contains_key(&key) {
                    let value = self.tx.entry(key).or_default();
                    *value = integer(value).saturating_add(amount).to_string().into_bytes();
                }
            }
            store::Change::ExpireAt(_) | store::Change::Deprecate { .. } => {}
        }
    }

    fn change(&mut self, collection: Variable, key: &Template, change: store::Change) {
        let key = self.expand(key).to_ascii_lowercase();
        let Some(at) = self.persistent.iter().find(|at| at.collection == collection) else { return };
        self.store.change(at, &key, change, self.rules.settings.collection_timeout, self.now);
    }

    fn control(&mut self, control: &Control) {
        match control {
            Control::AuditEngine(on) => self.audit = *on != Some(false),
            Control::ForceRequestBodyVariable(on) => self.force_request_body = *on,
            Control::RequestBodyAccess(on) => self.request_body_access = *on,
            Control::RequestBodyLimit(bytes) => self.request_body_limit = *bytes,
            Control::RequestBodyProcessor(name) => {
                self.processor = match name.as_str() {
                    "URLENCODED" => "URLENCODED",
                    "MULTIPART" => "MULTIPART",
                    "JSON" => "JSON",
                    "XML" => "XML",
                    _ => "RAW",
                }
            }
            Control::ResponseBodyAccess(on) => self.response_body_access = *on,
            Control::ResponseBodyLimit(bytes) => self.response_body_limit = *bytes,
            Control::RuleEngine(mode) => {
                self.engine = match mode {
                    Some(true) => Engine::On,
                    Some(false) => Engine::Off,
                    None => Engine::DetectionOnly,
                }
            }
            Control::Remove(_) | Control::RemoveTarget(..) => {}
        }
    }
}
