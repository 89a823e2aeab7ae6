//! Whom this computer needs to reach others: the routers that its routes lead over, and its name servers.
//!
//! # Source
//! proc(5): `/proc/net/route`, `net/ipv6/route.c` for `/proc/net/ipv6_route`, resolv.conf(5)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::files::read_capped;

/// A router with thousands of routes.
const TABLE_BYTES: u64 = 4 << 20;
const RESOLVER_BYTES: u64 = 64 << 10;

/// The routers of all routes in the calling thread's network namespace.
pub fn gateways() -> Vec<IpAddr> {
    let read = |name: &str| {
        let path = format!("/proc/thread-self/net/{name}");
        let bytes = read_capped(Path::new(&path), TABLE_BYTES).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut all: Vec<IpAddr> = read("route").lines().filter_map(gateway4).collect();
    all.extend(read("ipv6_route").lines().filter_map(gateway6));
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether packets are passed on for others in the calling thread's network namespace: between any two interfaces.
///
/// # Source
/// `Documentation/networking/ip-sysctl.rst`: `forwarding` of each interface; `all` sets them together.
pub fn passes_on() -> bool {
    let on = |path: &Path| read_capped(path, 16).is_ok_and(|value| value.trim_ascii() != b"0");
    ["ipv4", "ipv6"].into_iter().any(|version| {
        let folder = Path::new("/proc/sys/net").join(version).join("conf");
        on(&folder.join("all/forwarding"))
            || std::fs::read_dir(&folder).into_iter().flatten().flatten().any(|interface| {
                interface.file_name() != "default" && on(&interface.path().join("forwarding"))
            })
    })
}

/// The name servers in `/etc/resolv.conf`.
pub fn name_servers() -> Vec<IpAddr> {
    let bytes = read_capped(Path::new("/etc/resolv.conf"), RESOLVER_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(name_server).collect()
}

/// `interface destination gateway …`, in hexadecimal and the host's byte order; the first line has titles.
fn gateway4(line: &str) -> Option<IpAddr> {
    let number = u32::from_str_radix(line.split_ascii_whitespace().nth(2)?, 16).ok()?;
    (number != 0).then(|| Ipv4Addr::from(number.to_ne_bytes()).into())
}

/// `destination length source length next-hop …`, in hexadecimal and network order.
fn gateway6(line: &str) -> Option<IpAddr> {
    let number = u128::from_str_radix(line.split_ascii_whitespace().nth(4)?, 16).ok()?;
    (number != 0).then(|| Ipv6Addr::from(number).into())
}

fn name_server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace();
    let address = (words.next()? == "nameserver").then(|| words.next())??;
    // An address in one network alone has that network's interface behind it.
    address.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tables_are_read() {
        let hex = u32::from_ne_bytes([192, 0, 2, 1]);
        let line = format!("eth0\t00000000\t{hex:08X}\t0003\t0\t0\t100\t00000000\t0\t0\t0");
        assert_eq!(gateway4(&line), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(gateway4("Iface\tDestination\tGateway \tFlags"), None);
        assert_eq!(gateway4("eth0\t000200C0\t00000000\t0001"), None);
        let line = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                    fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0";
        assert_eq!(gateway6(line), Some("fe80::1".parse().unwrap()));
        assert_eq!(gateway6(""), None);
        assert_eq!(name_server("nameserver fe80::1%eth0"), Some("fe80::1".parse().unwrap()));
        assert_eq!(name_server("nameserver 192.0.2.53 # here"), Some("192.0.2.53".parse().unwrap()));
        for other in ["", "search example.com", "nameserver", "nameserver here"] {
            assert_eq!(name_server(other), None, "{other}");
        }
    }
}
