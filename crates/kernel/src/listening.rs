//! Which ports this host listens on, and which program does.
//!
//! # Source
//! proc(5): `/proc/net/{tcp,tcp6,udp,udp6}` for the sockets, `/proc/PID/fd` for who holds them.

use crate::files::read_capped;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A socket that waits for clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// TCP, otherwise UDP.
    pub tcp: bool,
    /// Address it is bound to.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Name of the program that holds it (the one with the lowest process number), empty if unknown.
    pub process: String,
}

/// The kernel's tables of a busy server: 200 bytes a socket, 80,000 sockets.
const TABLE_BYTES: u64 = 16 << 20;

/// Everything that listens in this process's network namespace, sorted.
pub fn listeners() -> Vec<Listener> {
    let mut found: Vec<(u64, Listener)> = Vec::new();
    for (name, tcp) in [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)] {
        found.extend(table(name).lines().skip(1).filter_map(|line| parse(line, tcp)));
    }
    let names = if found.is_empty() { BTreeMap::new() } else { holders() };
    let mut listeners: Vec<Listener> = found
        .into_iter()
        .map(|(inode, listener)| Listener {
            process: names.get(&inode).cloned().unwrap_or_default(),
            ..listener
        })
        .collect();
    listeners.sort();
    listeners.dedup();
    listeners
}

/// A connection of this host, either end, and whether this host listens on its port, so that the other end opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Standing {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) incoming: bool,
}

/// The TCP connections over which something may still be said, of this thread's network namespace.
pub(crate) fn standing() -> Vec<Standing> {
    /// `ESTABLISHED`, `FIN_WAIT1`, `FIN_WAIT2`, `CLOSE_WAIT`.
    const TALKING: [&str; 4] = ["01", "04", "05", "08"];
    let (mut connections, mut listening) = (Vec::new(), BTreeSet::new());
    for name in ["tcp", "tcp6"] {
        for line in table(name).lines().skip(1) {
            let mut fields = line.split_ascii_whitespace();
            let ends = fields.nth(1).zip(fields.next()).zip(fields.next());
            let Some(((local, remote), state)) = ends else { continue };
            let Some((local, remote)) = parse_end(local).zip(parse_end(remote)) else { continue };
            if state == TCP_LISTEN {
                listening.insert(local.port());
            } else if TALKING.contains(&state) {
                connections.push((local, remote));
            }
        }
    }
    let standing = connections.into_iter().map(|(local, remote)| Standing {
        local,
        remote,
        incoming: listening.contains(&local.port()),
    });
    standing.collect()
}

/// One of the kernel's tables of this thread's network namespace.
fn table(name: &str) -> String {
    let text = read_capped(Path::new(&format!("/proc/thread-self/net/{name}")), TABLE_BYTES);
    String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
}

const TCP_LISTEN: &str = "0A";

/// Address and port; an IPv4 address within IPv6 as what it is on the wire.
fn parse_end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(parse_address(address)?.to_canonical(), port))
}

/// One line of the table: `sl local remote state …`; the inode is the tenth field.
fn parse(line: &str, tcp: bool) -> Option<(u64, Listener)> {
    // An unconnected UDP socket is in state 07 (closed); one with a peer is somebody's client.
    const UDP_UNCONNECTED: &str = "07";
    let mut fields = line.split_ascii_whitespace();
    let (local, _remote, state) = (fields.nth(1)?, fields.next()?, fields.next()?);
    if state != if tcp { TCP_LISTEN } else { UDP_UNCONNECTED } {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((inode, Listener { tcp, address: parse_address(address)?, port, process: String::new() }))
}

/// Addresses are 32-bit words of the network's bytes, printed in the host's order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let mut bytes = Vec::with_capacity(16);
    for at in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|b| IpAddr::V4(Ipv4Addr::from(b))),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|b| IpAddr::V6(Ipv6Addr::from(b))),
        _ => None,
    }
}

/// Program name by socket inode. What other users' processes hide stays unknown.
fn holders() -> BTreeMap<u64, String> {
    let mut names = BTreeMap::new();
    let mut processes: Vec<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    processes.sort_unstable();
    for process in processes {
        let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else { continue };
        let mut name = None;
        for descriptor in descriptors.flatten() {
            let Some(inode) = std::fs::read_link(descriptor.path()).ok().and_then(|target| {
                target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            }) else {
                continue;
            };
            let name = name.get_or_insert_with(|| {
                let comm = read_capped(Path::new(&format!("/proc/{process}/comm")), 4096).unwrap_or_default();
                String::from_utf8_lossy(&comm).trim().to_owned()
            });
            let _first = names.entry(inode).or_insert_with(|| name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn own_sockets_are_found_with_address_and_name() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = std::fs::read_to_string("/proc/self/comm").unwrap().trim().to_owned();
        let all = listeners();
        for (is_tcp, port) in
            [(true, tcp.local_addr().unwrap().port()), (false, udp.local_addr().unwrap().port())]
        {
            let found = all.iter().find(|l| l.tcp == is_tcp && l.port == port).expect("listed");
            assert_eq!(found.address, IpAddr::V4(Ipv4Addr::LOCALHOST));
            assert_eq!(found.process, own);
        }
    }

    #[test]
    fn a_line_of_the_sixth_version_is_read() {
        let line = "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 \
                    00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0";
        let (inode, listener) = parse(line, true).unwrap();
        assert_eq!(
            (inode, listener.port, listener.address),
            (12345, 8080, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        );
        assert_eq!(parse("   0: 0100007F:1F90 0200007F:C350 01 0:0 0:0 0 0 0 7", true), None, "established");
        assert_eq!(parse("garbage", true), None);
    }
}
