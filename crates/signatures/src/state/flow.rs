//! What is remembered of one flow: its bits and its numbers.
use crate::condition::{BitOperation, Ordering};

/// What is remembered about one flow: `flowbits` and `flowint`.
///
/// # Bounds
/// As many entries as the rule set has names.
#[derive(Debug, Default)]
pub struct FlowState {
    pub(crate) fingerprint: u64,
    /// Rules about addresses alone were asked, to the server and to the client: once is enough.
    pub(crate) addressed: [bool; 2],
    /// A rule lets all of the flow pass.
    pub(crate) passed: bool,
    bits: Vec<u32>,
    numbers: Vec<(u32, u64)>,
}

/// `flowint` with its names by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    Add(Operand),
    Subtract(Operand),
    Assign(Operand),
    Compare(Ordering, Operand),
    IsSet,
    IsNotSet,
}

/// A number, or another number of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Is(u64),
    Of(u32),
}

impl FlowState {
    pub(crate) fn of(fingerprint: u64) -> Self {
        Self { fingerprint, ..Self::default() }
    }

    /// Whether a rule lets all of the flow pass.
    pub const fn is_passed(&self) -> bool {
        self.passed
    }

    pub(crate) fn apply(&mut self, operation: BitOperation, bits: &[u32]) {
        for &bit in bits {
            match (operation, self.bits.binary_search(&bit)) {
                (BitOperation::Set | BitOperation::Toggle, Err(at)) => self.bits.insert(at, bit),
                (BitOperation::Unset | BitOperation::Toggle, Ok(at)) => {
                    self.bits.remove(at);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn agrees(&self, operation: BitOperation, bits: &[u32]) -> bool {
        let any = || bits.iter().any(|b| self.bits.binary_search(b).is_ok());
        match operation {
            BitOperation::IsSet => any(),
            BitOperation::IsNotSet => !any(),
            _ => true,
        }
    }

    fn number(&self, name: u32) -> Option<u64> {
        let at = self.numbers.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        self.numbers.get(at).map(|(_, number)| *number)
    }

    fn operand(&self, operand: Operand) -> Option<u64> {
        match operand {
            Operand::Is(number) => Some(number),
            Operand::Of(name) => self.number(name),
        }
    }

    /// Whether a question is answered with yes; what changes a number is none.
    pub(crate) fn number_agrees(&self, name: u32, operation: Integer) -> bool {
        match operation {
            Integer::Compare(ordering, operand) => match (self.number(name), self.operand(operand)) {
                (Some(left), Some(right)) => ordering.holds(left, right),
                _ => false,
            },
            Integer::IsSet => self.number(name).is_some(),
            Integer::IsNotSet => self.number(name).is_none(),
            Integer::Add(_) | Integer::Subtract(_) | Integer::Assign(_) => true,
        }
    }

    /// Changes a number; one that is not there is 0 before.
    pub(crate) fn number_apply(&mut self, name: u32, operation: Integer) {
        let before = self.number(name).unwrap_or(0);
        let after = match operation {
            Integer::Add(operand) => self.operand(operand).map(|by| before.saturating_add(by)),
            Integer::Subtract(operand) => self.operand(operand).map(|by| before.saturating_sub(by)),
            Integer::Assign(operand) => self.operand(operand),
            Integer::Compare(..) | Integer::IsSet | Integer::IsNotSet => return,
        };
        let Some(after) = after else { return };
        match self.numbers.binary_search_by_key(&name, |(name, _)| *name) {
            Ok(at) => self.numbers.get_mut(at).into_iter().for_each(|entry| entry.1 = after),
            Err(at) => self.numbers.insert(at, (name, after)),
        }
    }
}
