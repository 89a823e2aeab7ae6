//! Sets of values as one call sees them.
use super::Hosts;
use crate::condition::BitOperation;
use crate::dataset::{Dataset, Values};
use std::time::Duration;

/// The sets of the rule set, and what rules have changed of them.
#[derive(Debug)]
pub(crate) struct Sets<'a> {
    pub(crate) loaded: &'a [Values],
    pub(crate) hosts: &'a mut Hosts,
    pub(crate) now: Duration,
}

impl Sets<'_> {
    /// Whether what is asked holds of a buffer; what changes the set does so, and holds.
    pub(crate) fn holds(&mut self, set: &Dataset, bytes: &[u8]) -> bool {
        let Some(value) = set.kind.shown(bytes) else { return set.operation == BitOperation::IsNotSet };
        self.value(set, value)
    }

    /// The same of a value.
    pub(crate) fn value(&mut self, set: &Dataset, value: Box<[u8]>) -> bool {
        match set.operation {
            BitOperation::IsSet | BitOperation::IsNotSet => {
                let loaded = self.loaded.get(set.number as usize);
                let there = self.hosts.value(self.now, set.number, &value);
                let there = there.unwrap_or_else(|| loaded.is_some_and(|values| values.contains(&value)));
                there == (set.operation == BitOperation::IsSet)
            }
            BitOperation::Set | BitOperation::Toggle => {
                self.hosts.keep_value(self.now, set.number, value, true);
                true
            }
            BitOperation::Unset => {
                self.hosts.keep_value(self.now, set.number, value, false);
                true
            }
        }
    }
}
