//! `@validateByteRange`: a match is a byte outside of the ranges.

use super::{Context, Operator};
use crate::diagnose::{Finding, shown};

#[derive(Debug)]
pub(super) struct ValidateByteRange {
    allowed: [bool; 256],
}

impl ValidateByteRange {
    pub(super) fn new(argument: &str) -> Result<Self, Finding> {
        let mut allowed = [false; 256];
        for part in argument.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (Ok(from), Ok(to)) = (from.trim().parse::<u8>(), to.trim().parse::<u8>()) else {
                return Err(Finding::error(
                    "W067",
                    format!("{} is no range of bytes", shown(part)),
                    "write numbers from 0 to 255, as in 9,10,32-126",
                ));
            };
            for byte in from..=to {
                if let Some(slot) = allowed.get_mut(usize::from(byte)) {
                    *slot = true;
                }
            }
        }
        Ok(Self { allowed })
    }
}

impl Operator for ValidateByteRange {
    fn matches(&self, input: &[u8], _context: &mut Context<'_>) -> bool {
        input.iter().any(|byte| self.allowed.get(usize::from(*byte)) == Some(&false))
    }
}
