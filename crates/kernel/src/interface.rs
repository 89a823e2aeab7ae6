//! Network interfaces: their names, whether they are up, their addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use crate::netlink::{self, DUMP, NLMSG_DONE, REQUEST, Writer, attributes, messages};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// Length of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// Length of `struct ifaddrmsg`.
const ADDRESS_HEADER: usize = 8;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Interfaces whose frames are Ethernet's: cards, bridges, pairs, VLANs; not loopback and tunnels of IP.
const ARPHRD_ETHER: u16 = 1;
/// `IFF_UP | IFF_RUNNING`: switched on, and the other end is there.
const UP_AND_RUNNING: u32 = 0x1 | 0x40;
/// Bound of one part of a dump; the kernel fills at most half of it.
const PART: usize = 64 << 10;
/// Bound of the parts of a dump: hundreds of thousands of interfaces.
const PARTS: usize = 4096;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// It is switched on and has a carrier.
    pub is_up: bool,
    /// Its addresses, sorted.
    pub addresses: Vec<IpAddr>,
}

/// The name of the interface with this number in the calling thread's network namespace; `None` when it has gone.
pub fn name(number: u32) -> Option<String> {
    let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    netdevice::index_to_name(&fd, number).ok()
}

/// The interfaces of the calling thread's network namespace, by number.
///
/// # Source
/// `include/uapi/linux/rtnetlink.h`, rtnetlink(7)
pub fn all() -> io::Result<Vec<Interface>> {
    let mut interfaces = BTreeMap::new();
    dump(RTM_GETLINK, |kind, body| {
        if let (RTM_NEWLINK, Some((number, interface))) = (kind, link(body)) {
            interfaces.insert(number, interface);
        }
    })?;
    dump(RTM_GETADDR, |kind, body| {
        if let (RTM_NEWADDR, Some((number, address))) = (kind, address(body))
            && let Some(interface) = interfaces.get_mut(&number)
        {
            interface.addresses.push(address);
        }
    })?;
    let sorted = interfaces.into_values().map(|mut interface| {
        interface.addresses.sort_unstable();
        interface
    });
    Ok(sorted.collect())
}

/// Number and name of each interface of the calling thread's network namespace that carries Ethernet frames.
pub fn ethernet() -> io::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    dump(RTM_GETLINK, |kind, body| {
        // `ifi_type`, behind the family and a byte of padding.
        let is_ethernet = body.get(2..4).is_some_and(|of| of == ARPHRD_ETHER.to_ne_bytes());
        if let (RTM_NEWLINK, true, Some((number, interface))) = (kind, is_ethernet, link(body)) {
            found.push((number, interface.name));
        }
    })?;
    Ok(found)
}

fn dump(request: u16, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
    let fd = netlink::route_socket()?;
    let mut writer = Writer::default();
    // What follows the header begins with the address family in either kind of message; 0 is all.
    writer.begin(request, REQUEST | DUMP, 1, 0, 0);
    writer.end();
    netlink::send(&fd, writer.as_bytes())?;
    let mut buffer = vec![0; PART];
    // The kernel writes each part of a dump while the one before is taken, so nothing is waited for.
    for _ in 0..PARTS {
        let Some(part) = netlink::receive(&fd, &mut buffer)? else { break };
        for message in messages(part) {
            if message.kind == NLMSG_DONE {
                return Ok(());
            }
            if let Some(errno) = message.errno() {
                return Err(io::Error::from_raw_os_error(errno));
            }
            each(message.kind, message.body);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn link(body: &[u8]) -> Option<(u32, Interface)> {
    let [_, _, _, _, n0, n1, n2, n3, f0, f1, f2, f3, ..] = *body.first_chunk::<LINK_HEADER>()?;
    let (number, flags) = (u32::from_ne_bytes([n0, n1, n2, n3]), u32::from_ne_bytes([f0, f1, f2, f3]));
    let name = attributes(body.get(LINK_HEADER..)?).find(|(kind, _)| *kind == IFLA_IFNAME)?.1;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name)).into_owned();
    let is_up = flags & UP_AND_RUNNING == UP_AND_RUNNING;
    Some((number, Interface { name, is_up, addresses: Vec::new() }))
}

fn address(body: &[u8]) -> Option<(u32, IpAddr)> {
    let [_, _, _, _, number @ ..] = *body.first_chunk::<ADDRESS_HEADER>()?;
    let of = |wanted: u16| {
        attributes(body.get(ADDRESS_HEADER..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    };
    // Of a point-to-point link the one is the other end's.
    let value = of(IFA_LOCAL).or_else(|| of(IFA_ADDRESS))?;
    let address = match value.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => return None,
    };
    Some((u32::from_ne_bytes(number), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_the_first() {
        assert_eq!(name(1).as_deref(), Some("lo"));
        assert_eq!(name(u32::MAX), None);
        assert_eq!(all().unwrap()[0].name, "lo");
    }

    #[test]
    fn messages_that_are_cut_off_are_no_interface() {
        for length in 0..40 {
            let bytes = vec![0xFF; length];
            assert!(link(&bytes).is_none() && address(&bytes).is_none(), "{length}");
        }
    }
}
