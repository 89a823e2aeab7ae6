//! Decoding and building IP packets.
//!
//! [`decode`] turns whatever the kernel queue or a capture hands over into a [`Packet`]: a borrowed view plus
//! [`Anomalies`]. It has no error path, no allocation and no panic, whatever the bytes. [`build`] makes the few
//! packets that we send ourselves (resets, the answer page, a probe), and [`Defragmenter`] puts IP fragments
//! together for captures and for kernels that do not do it before us.
#![forbid(unsafe_code)]

pub mod anomaly;
pub mod build;
pub mod checksum;
mod decode;
pub mod fragment;
mod oddity;
pub mod tcp;

pub use anomaly::{Anomalies, Anomaly};
pub use decode::{Checksums, Fragment, Icmp, Packet, Transport, Udp, decode, decode_with, protocol};
pub use fragment::Defragmenter;
pub use oddity::Oddities;
pub use tcp::{Flags, Options, Tcp};
