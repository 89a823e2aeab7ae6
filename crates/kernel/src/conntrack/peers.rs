//! Who has a connection with this computer.

use std::io;
use std::net::IpAddr;

use super::{
    CTA_IP_V4_SRC, CTA_IP_V6_SRC, CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, CTA_TUPLE_IP,
    CTA_TUPLE_ORIG, IPCTNL_MSG_CT_NEW, TCP_CONNTRACK_ESTABLISHED,
};
use crate::netlink::{self, NETFILTER_HEADER, Writer, attributes};
use crate::nftables::is_network;

const IPCTNL_MSG_CT_GET: u16 = (1 << 8) | 1;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_FILTER_REPLY_FLAGS: u16 = 2;
/// `CTA_FILTER_FLAG(CTA_IP_SRC)`: the source address of the tuple counts.
const BY_SOURCE: u32 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Bytes of an IPv6 address that name a network.
const NETWORK: usize = 8;
const PART: usize = 64 << 10;
/// Datagrams that are looked at: a kernel that cannot filter (before 5.8) lists all, up to a million connections.
const PARTS: usize = 20_000;

/// Whether this source, or one of the IPv6 network that this is the first address of, has opened a TCP connection to or through this computer that is established now. Needs
/// `CAP_NET_ADMIN`; in the calling thread's network namespace.
pub fn has_connection_from(source: IpAddr) -> io::Result<bool> {
    let fd = netlink::socket()?;
    let (family, kind, key) = match source {
        IpAddr::V4(v4) => (AF_INET, CTA_IP_V4_SRC, v4.octets().to_vec()),
        IpAddr::V6(v6) => (AF_INET6, CTA_IP_V6_SRC, v6.octets().to_vec()),
    };
    let key = if is_network(source) { key.get(..NETWORK).unwrap_or(&key) } else { &key };
    let mut w = Writer::default();
    w.begin(IPCTNL_MSG_CT_GET, netlink::REQUEST | netlink::DUMP, 1, family, 0);
    // Of a network the kernel lists all: it knows no part of an address.
    if !is_network(source) {
        w.nested(CTA_TUPLE_ORIG, |w| w.nested(CTA_TUPLE_IP, |w| w.bytes(kind, key)));
        w.nested(CTA_FILTER, |w| {
            w.bytes(CTA_FILTER_ORIG_FLAGS, &BY_SOURCE.to_ne_bytes());
            w.bytes(CTA_FILTER_REPLY_FLAGS, &0_u32.to_ne_bytes());
        });
    }
    w.end();
    netlink::send(&fd, w.as_bytes())?;
    let mut buffer = vec![0; PART];
    for _ in 0..PARTS {
        let Some(datagram) = netlink::receive(&fd, &mut buffer)? else { return Ok(false) };
        for message in netlink::messages(datagram) {
            if message.kind == IPCTNL_MSG_CT_NEW {
                let body = message.body.get(NETFILTER_HEADER..).unwrap_or_default();
                if is_established(body, kind, key) {
                    return Ok(true);
                }
            } else if message.kind == netlink::NLMSG_DONE {
                return Ok(false);
            } else if let Some(errno) = message.errno().filter(|errno| *errno != 0) {
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
    }
    Ok(false)
}

/// Whether an entry is an established TCP connection that this source has opened.
fn is_established(entry: &[u8], kind: u16, key: &[u8]) -> bool {
    let find = |bytes, wanted| attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let source = || find(find(find(entry, CTA_TUPLE_ORIG)?, CTA_TUPLE_IP)?, kind);
    let state = || find(find(find(entry, CTA_PROTOINFO)?, CTA_PROTOINFO_TCP)?, CTA_PROTOINFO_TCP_STATE);
    source().is_some_and(|source| source.starts_with(key)) && state() == Some(&[TCP_CONNTRACK_ESTABLISHED])
}
