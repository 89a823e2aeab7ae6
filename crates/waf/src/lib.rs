//! Rule sets of the web application firewall as operators have them, and the module's settings as a configuration of
//! its engine: for the agent that enforces, for the manager that checks, and for the command line.
//!
//! A [`RuleFiles`] is what one release of rules consists of, read from archives and files; [`configure`] puts it into
//! the order of a configuration, with what the policy says before and behind it.
#![forbid(unsafe_code)]

mod configure;
mod effect;
mod enforce;
mod files;
mod unpack;

pub use configure::{Configuration, configure, generated};
pub use effect::{Left, left, propose};
pub use enforce::{detail, enforce};
pub use files::{FILES, FormError, RuleFile, RuleFiles, TEXT_BYTES};
pub use unpack::{PackError, UnpackError, Upload, pack, unpack};
