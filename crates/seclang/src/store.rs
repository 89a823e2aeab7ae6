//! Persistent collections: what is known of an address or a session from one transaction to the next.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sakimori_model::Timestamp;

use crate::operator::integer;
use crate::variable::Variable;

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// `IP`, `GLOBAL`, `SESSION`, `USER` or `RESOURCE`.
    pub collection: Variable,
    /// What it is known by, for example an address.
    pub key: Vec<u8>,
}

/// What is done to a variable of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has this value.
    Set(Vec<u8>),
    /// This much is added.
    Add(i64),
    /// It goes.
    Remove,
    /// It goes then.
    ExpireAt(Timestamp),
    /// It loses an amount for each so many seconds since it was last changed.
    Deprecate {
        /// How much.
        amount: u64,
        /// For how many seconds.
        seconds: u64,
    },
}

/// Where persistent collections are kept. Changes are made in one step, so that two transactions never lose one.
pub trait Store: std::fmt::Debug + Send + Sync {
    /// A variable of a record.
    fn read(&self, at: &Address, name: &[u8], now: Timestamp) -> Option<Vec<u8>>;

    /// All variables of a record.
    fn all(&self, at: &Address, now: Timestamp) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// Changes a variable. The record goes `seconds` after its last change.
    fn change(&self, at: &Address, name: &[u8], change: Change, seconds: u64, now: Timestamp);
}

/// Collections in memory.
///
/// # Bounds
/// Records and variables of a record as given; the record whose change lies furthest back goes first.
#[derive(Debug)]
pub struct Memory {
    records: Mutex<BTreeMap<Address, Record>>,
    most_records: usize,
}

/// Variables of one record, and bytes of a name and a value.
const VARIABLES: usize = 256;
const BYTES: usize = 4096;

#[derive(Debug, Default)]
struct Record {
    changed: Timestamp,
    ends: Timestamp,
    variables: BTreeMap<Vec<u8>, Held>,
}

#[derive(Debug, Default)]
struct Held {
    value: Vec<u8>,
    changed: Timestamp,
    ends: Option<Timestamp>,
}

impl Memory {
    /// Room for so many records.
    pub fn new(most_records: usize) -> Self {
        Self { records: Mutex::default(), most_records: most_records.max(1) }
    }
}

impl Default for Memory {
    /// Ten thousand clients.
    fn default() -> Self {
        Self::new(10_000)
    }
}

impl Record {
    fn living(&self, now: Timestamp) -> impl Iterator<Item = (&Vec<u8>, &Held)> {
        let whole = self.ends > now;
        self.variables.iter().filter(move |(_, held)| whole && held.ends.is_none_or(|ends| ends > now))
    }
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    now.plus(std::time::Duration::from_secs(seconds.min(1 << 32)))
}

impl Store for Memory {
    fn read(&self, at: &Address, name: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.get(at)?;
        record.living(now).find(|(known, _)| known.as_slice() == name).map(|(_, held)| held.value.clone())
    }

    fn all(&self, at: &Address, now: Timestamp) -> Vec<(Vec<u8>, Vec<u8>)> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let living = records.get(at).into_iter().flat_map(|record| record.living(now));
        living.map(|(name, held)| (name.clone(), held.value.clone())).collect()
    }

    fn change(&self, at: &Address, name: &[u8], change: Change, seconds: u64, now: Timestamp) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if !records.contains_key(at) && records.len() >= self.most_records {
            records.retain(|_, record| record.ends > now);
            let oldest = records.iter().min_by_key(|(_, record)| record.changed).map(|(at, _)| at.clone());
            if let Some(oldest) = oldest.filter(|_| records.len() >= self.most_records) {
                records.remove(&oldest);
            }
        }
        let record = records.entry(at.clone()).or_default();
        if record.ends <= now {
            record.variables.clear();
        }
        (record.changed, record.ends) = (now, later(now, seconds));
        record.variables.retain(|_, held| held.ends.is_none_or(|ends| ends > now));
        if matches!(change, Change::Remove) {
            record.variables.remove(name);
            return;
        }
        if name.len() > BYTES || (record.variables.len() >= VARIABLES && !record.variables.contains_key(name))
        {
            return;
        }
        let held = record.variables.entry(name.to_vec()).or_default();
        match change {
            Change::Set(mut value) => {
                value.truncate(BYTES);
                held.value = value;
            }
            Change::Add(amount) => {
                held.value = integer(&held.value).saturating_add(amount).to_string().into_bytes();
            }
            Change::ExpireAt(ends) => {
                held.ends = Some(ends);
                return;
            }
            Change::Deprecate { amount, seconds } => {
                let passed = now.0.saturating_sub(held.changed.0).max(0) / 1_000_000;
                let steps = u64::try_from(passed).unwrap_or(0) / seconds.max(1);
                let lost = i64::try_from(steps.saturating_mul(amount)).unwrap_or(i64::MAX);
                held.value = integer(&held.value).saturating_sub(lost).max(0).to_string().into_bytes();
                if steps == 0 {
                    return;
                }
            }
            Change::Remove => {}
        }
        held.changed = now;
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Change, Memory, Store};
    use crate::variable::Variable;
    use sakimori_model::Timestamp;

    #[test]
    fn records_count_expire_and_are_bounded() {
        let memory = Memory::new(2);
        let at = |key: &str| Address { collection: Variable::Ip, key: key.as_bytes().to_vec() };
        let second = |n: i64| Timestamp(n * 1_000_000);
        memory.change(&at("a"), b"n", Change::Add(2), 100, second(1));
        memory.change(&at("a"), b"n", Change::Add(3), 100, second(2));
        assert_eq!(memory.read(&at("a"), b"n", second(3)), Some(b"5".to_vec()));
        memory.change(&at("a"), b"n", Change::ExpireAt(second(10)), 100, second(3));
        assert_eq!(memory.read(&at("a"), b"n", second(9)), Some(b"5".to_vec()));
        assert_eq!(memory.read(&at("a"), b"n", second(10)), None);
        memory.change(&at("b"), b"n", Change::Set(b"x".to_vec()), 100, second(4));
        memory.change(&at("c"), b"n", Change::Set(b"x".to_vec()), 100, second(5));
        assert_eq!(memory.all(&at("a"), second(6)), []);
        assert_eq!(memory.all(&at("c"), second(6)), [(b"n".to_vec(), b"x".to_vec())]);
        assert_eq!(memory.read(&at("c"), b"n", second(106)), None);
    }
}
