//! Looks at the number of the first packet that waits in the queue socket, without taking it out.
//!
//! # Source
//! `struct nlmsghdr`, `struct nfgenmsg`, `struct nfqnl_msg_packet_hdr`: the packet's number is in the first attribute
//! of every packet message (`nfqnl_build_packet_message` in `net/netfilter/nfnetlink_queue.c`).

use rustix::net::{RecvFlags, recv};
use std::os::fd::AsFd;

/// Subsystem 3 (queue), message 0 (packet).
const PACKET_MESSAGE: u16 = 3 << 8;
/// `NFQA_PACKET_HDR`.
const PACKET_HEADER: u16 = 1;
/// Messages that are no packets (the kernel's answers) which are taken away while looking.
const MOST_SKIPPED: usize = 4096;

/// The number of the first packet in the socket; `None` if none waits.
pub(super) fn first_waiting(socket: impl AsFd) -> Option<u32> {
    for _ in 0..MOST_SKIPPED {
        let mut head = [0u8; 32];
        let (_, length) =
            recv(&socket, &mut head, RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::TRUNC).ok()?;
        if length >= head.len()
            && let Some(id) = packet_number(&head)
        {
            return Some(id);
        }
        // Not a packet: an answer to an earlier verdict, of no use to anybody.
        let _taken = recv(&socket, &mut head, RecvFlags::DONTWAIT).ok()?;
    }
    None
}

/// The packet's number, if these are the first bytes of a packet message.
fn packet_number(head: &[u8; 32]) -> Option<u32> {
    let half = |at: usize| Some(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?));
    if half(4)? != PACKET_MESSAGE || half(22)? != PACKET_HEADER {
        return None;
    }
    Some(u32::from_be_bytes(head.get(24..28)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_read_and_other_messages_are_not() {
        let mut head = [0u8; 32];
        head[4..6].copy_from_slice(&PACKET_MESSAGE.to_ne_bytes());
        head[20..22].copy_from_slice(&11u16.to_ne_bytes());
        head[22..24].copy_from_slice(&PACKET_HEADER.to_ne_bytes());
        head[24..28].copy_from_slice(&0x0102_0304u32.to_be_bytes());
        assert_eq!(packet_number(&head), Some(0x0102_0304));
        head[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert_eq!(packet_number(&head), None, "an error message");
    }
}
