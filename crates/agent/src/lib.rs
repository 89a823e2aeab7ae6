//! The agent on each server: the supervisor's two halves (`control` talks to the manager, [`network`] guards
//! the traffic) as a library, so that tests drive them without the program around them.
#![forbid(unsafe_code)]

pub mod network;
