//! What is remembered between calls: of a flow, and of hosts. Bounded, with the time handed in.
mod bounded;
mod flow;
mod hosts;
mod sets;

pub use flow::FlowState;
pub(crate) use flow::{Integer, Operand};
pub use hosts::Hosts;
pub(crate) use hosts::{AddressSet, Ends, HostBit, Told};
pub(crate) use sets::Sets;
