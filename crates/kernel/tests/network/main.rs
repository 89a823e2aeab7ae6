//! Real TCP through the real kernel: queue, table, verdicts, raw sockets.
//!
//! Every test makes network namespaces of its own and needs root; without it the test prints SKIPPED and ends.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of the real kernel start `ip`, wait in real time and start themselves again"
)]
#![expect(clippy::cast_possible_truncation, reason = "test packets are short")]

#[cfg(test)]
mod firewall;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod model;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod raw_socket;
#[cfg(test)]
mod scan;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod stateful;
#[cfg(test)]
mod support;
#[cfg(test)]
mod table;
#[cfg(test)]
mod two_processes;
#[cfg(test)]
mod untracked;
