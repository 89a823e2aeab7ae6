//! How far a module or a rule may go.
use std::fmt;
use std::str::FromStr;

/// What a module or one of its rules does when it matches.
///
/// Ordered by reach: `Off < Detect < Prevent`, so that the effective mode of a rule inside its
/// module is the lesser of the two ([`Mode::within`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Not evaluated.
    Off,
    /// Evaluated and reported; traffic passes.
    Detect,
    /// Evaluated, reported and stopped.
    Prevent,
}

impl Mode {
    /// The mode of a rule inside a module: a rule stops traffic only if both say `Prevent`.
    #[must_use]
    pub fn within(self, module: Self) -> Self {
        self.min(module)
    }

    /// The word used in policies, on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Detect => "detect",
            Self::Prevent => "prevent",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ParseModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "detect" => Ok(Self::Detect),
            "prevent" => Ok(Self::Prevent),
            _ => Err(ParseModeError),
        }
    }
}

/// The text is none of the three modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mode: expected off, detect or prevent")]
pub struct ParseModeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_prevents_only_inside_a_preventing_module() {
        assert_eq!(Mode::Prevent.within(Mode::Prevent), Mode::Prevent);
        assert_eq!(Mode::Prevent.within(Mode::Detect), Mode::Detect);
        assert_eq!(Mode::Detect.within(Mode::Prevent), Mode::Detect);
        assert_eq!(Mode::Prevent.within(Mode::Off), Mode::Off);
    }
}
