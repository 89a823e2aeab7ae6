//! The values of a transaction: each is kept once, with what transformations made of it and which filters it passed.

use crate::prefilter::{Bits, Filters};
use crate::transform::Transformation;

/// Number of a value.
pub(crate) type ValueId = u32;

/// Bytes that transformations may add to a transaction; beyond, values stay as they are and the transaction says so.
const DERIVED_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
struct Value {
    bytes: Vec<u8>,
    /// For each transformation what it made of this: 0 is not known yet, else the number plus 1.
    derived: Vec<ValueId>,
    passed: [Option<Bits>; 2],
}

/// All values.
#[derive(Debug, Default)]
pub(crate) struct Values {
    list: Vec<Value>,
    derived_bytes: usize,
    /// Room for the small letters of a value.
    lower: Vec<u8>,
    /// A transformation was left out for want of memory.
    pub(crate) exhausted: bool,
}

impl Values {
    /// Values of which the first is there already.
    pub(crate) fn with(first: Vec<u8>) -> Self {
        let mut values = Self::default();
        values.list.reserve(128);
        values.add(first);
        values
    }

    /// Keeps a value.
    pub(crate) fn add(&mut self, bytes: Vec<u8>) -> ValueId {
        let id = ValueId::try_from(self.list.len()).unwrap_or(ValueId::MAX);
        self.list.push(Value { bytes, ..Value::default() });
        id
    }

    /// Its bytes.
    pub(crate) fn bytes(&self, id: ValueId) -> &[u8] {
        self.list.get(id as usize).map(|value| value.bytes.as_slice()).unwrap_or_default()
    }

    /// What transformations make of a value, each step done once.
    pub(crate) fn transformed(&mut self, id: ValueId, pipeline: &[Transformation]) -> ValueId {
        pipeline.iter().fold(id, |id, step| self.step(id, *step))
    }

    fn step(&mut self, id: ValueId, step: Transformation) -> ValueId {
        let Some(value) = self.list.get_mut(id as usize) else { return id };
        if value.derived.is_empty() {
            value.derived.resize(Transformation::ALL.len(), 0);
        }
        if let Some(known) = value.derived.get(step.index()).and_then(|known| known.checked_sub(1)) {
            return known;
        }
        let made = match step.apply(&value.bytes) {
            None => id,
            Some(_) if self.derived_bytes > DERIVED_BYTES => {
                self.exhausted = true;
                id
            }
            Some(bytes) => {
                self.derived_bytes += bytes.len();
                self.add(bytes)
            }
        };
        let slot = self.list.get_mut(id as usize).and_then(|value| value.derived.get_mut(step.index()));
        if let Some(slot) = slot {
            *slot = made.saturating_add(1);
        }
        made
    }

    /// Runs a value through the filters of a side, once.
    pub(crate) fn filter(&mut self, id: ValueId, side: usize, filters: &Filters) {
        let Some(value) = self.list.get_mut(id as usize) else { return };
        if let Some(passed @ None) = value.passed.get_mut(side) {
            *passed = Some(filters.passed(&value.bytes, &mut self.lower));
        }
    }

    /// The filters of a side that it passed.
    pub(crate) fn passed(&self, id: ValueId, side: usize) -> Option<&Bits> {
        self.list.get(id as usize)?.passed.get(side)?.as_ref()
    }
}
