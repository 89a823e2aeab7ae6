//! Connections that stood before anything here followed connections: the kernel is told of them. And what it knows of a
//! source.
//!
//! Connection tracking begins with the first rule that asks for a connection's state. Of a connection that stood before,
//! the next packet looks like one that begins something, and a rule that denies it ends an operator's session.
//!
//! # Source
//! `include/uapi/linux/netfilter/nfnetlink_conntrack.h`, `net/netfilter/nf_conntrack_netlink.c`

mod peers;

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::listening::{Standing, standing};
use crate::netlink::{self, ACK, CREATE, REQUEST, Writer};

pub use peers::has_connection_from;

const IPCTNL_MSG_CT_NEW: u16 = 1 << 8;
/// What is known already stays as it is.
const EXCLUSIVE: u16 = 0x200;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_TIMEOUT: u16 = 7;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;
const TCP_CONNTRACK_ESTABLISHED: u8 = 3;
/// Selective acknowledgements are in use, and sequence numbers are not held against it: both as the kernel assumes of a
/// connection whose beginning it has not seen.
const MIDSTREAM_FLAGS: u8 = 0x02 | 0x08;
/// Both sides have spoken, it is not thrown away early, and it is in the table.
const SEEN_REPLY_ASSURED_CONFIRMED: u32 = 0x2 | 0x4 | 0x8;
/// The kernel's default for established connections; the first packet sets the host's own value.
const TIMEOUT_SECS: u32 = 432_000;
const TCP: u8 = 6;
const EEXIST: i32 = 17;
/// Connections told in one go; each is answered, and answers have to find room in the socket.
const AT_ONCE: usize = 64;

/// Tells the kernel's connection tracking of the TCP connections that this host has in the calling thread's network
/// namespace; gives how many it did not know. Needs `CAP_NET_ADMIN`.
///
/// # Bounds
/// Those of containers are not seen: they are other namespaces', and what translates their addresses tracks them.
///
/// # Errors
/// The first answer of the kernel that is neither "done" nor "known already"; those before it are told.
pub fn learn_standing() -> io::Result<usize> {
    let mut connections = standing();
    connections.retain(|one| !one.remote.ip().is_loopback() && !one.local.ip().is_loopback());
    let fd = netlink::socket()?;
    let mut buffer = vec![0; 64 << 10];
    let mut learned = 0;
    for some in connections.chunks(AT_ONCE) {
        let mut w = Writer::default();
        for connection in some {
            message(&mut w, connection);
        }
        netlink::send(&fd, w.as_bytes())?;
        while let Some(datagram) = netlink::receive(&fd, &mut buffer)? {
            for errno in netlink::messages(datagram).filter_map(|message| message.errno()) {
                match errno {
                    0 => learned += 1,
                    EEXIST => {}
                    other => return Err(io::Error::from_raw_os_error(other)),
                }
            }
        }
    }
    Ok(learned)
}

fn message(w: &mut Writer, connection: &Standing) {
    let Standing { local, remote, incoming } = *connection;
    let (client, server) = if incoming { (remote, local) } else { (local, remote) };
    let family = if client.is_ipv4() { 2 } else { 10 };
    w.begin(IPCTNL_MSG_CT_NEW, REQUEST | CREATE | EXCLUSIVE | ACK, 1, family, 0);
    w.nested(CTA_TUPLE_ORIG, |w| tuple(w, client, server));
    w.nested(CTA_TUPLE_REPLY, |w| tuple(w, server, client));
    w.be32(CTA_STATUS, SEEN_REPLY_ASSURED_CONFIRMED);
    w.be32(CTA_TIMEOUT, TIMEOUT_SECS);
    w.nested(CTA_PROTOINFO, |w| {
        w.nested(CTA_PROTOINFO_TCP, |w| {
            w.bytes(CTA_PROTOINFO_TCP_STATE, &[TCP_CONNTRACK_ESTABLISHED]);
            for side in [CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, CTA_PROTOINFO_TCP_FLAGS_REPLY] {
                w.bytes(side, &[MIDSTREAM_FLAGS, MIDSTREAM_FLAGS]);
            }
        });
    });
    w.end();
}

fn tuple(w: &mut Writer, source: SocketAddr, destination: SocketAddr) {
    w.nested(CTA_TUPLE_IP, |w| {
        for (end, v4, v6) in
            [(source, CTA_IP_V4_SRC, CTA_IP_V6_SRC), (destination, CTA_IP_V4_DST, CTA_IP_V6_DST)]
        {
            match end.ip() {
                IpAddr::V4(address) => w.bytes(v4, &address.octets()),
                IpAddr::V6(address) => w.bytes(v6, &address.octets()),
            }
        }
    });
    w.nested(CTA_TUPLE_PROTO, |w| {
        w.bytes(CTA_PROTO_NUM, &[TCP]);
        w.be16(CTA_PROTO_SRC_PORT, source.port());
        w.be16(CTA_PROTO_DST_PORT, destination.port());
    });
}
