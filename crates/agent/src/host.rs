//! What this machine says about itself.
use crate::state::read_capped;
use rustix::system::uname;
use sakimori_protocol::Fingerprint;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Facts that the manager shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Host name.
    pub name: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// Kernel release.
    pub kernel: String,
    /// Addresses of its interfaces but loopback, sorted; at most [`ADDRESSES_MAX`].
    pub addresses: Vec<String>,
}

/// Bound of the addresses reported: a container host has thousands, and nobody reads them.
pub const ADDRESSES_MAX: usize = 64;

/// Bound of a file under `/proc` and `/sys` that is read here, in bytes.
const FACT_FILE_BYTES: u64 = 4 << 20;

/// Reads the facts; what cannot be read is empty.
pub fn facts() -> HostFacts {
    let names = uname();
    HostFacts {
        name: names.nodename().to_string_lossy().into_owned(),
        operating_system: operating_system(&text("/etc/os-release")),
        kernel: names.release().to_string_lossy().into_owned(),
        addresses: addresses(&text("/proc/net/fib_trie"), &text("/proc/net/if_inet6")),
    }
}

/// Facts that tell this machine from another.
///
/// The cloud's instance id is not asked of the network here: on Azure it is the DMI UUID, which is read from the firmware.
pub fn fingerprint() -> Fingerprint {
    let machine_id = text("/etc/machine-id");
    let vendor = text("/sys/class/dmi/id/sys_vendor");
    let dmi_uuid = text("/sys/class/dmi/id/product_uuid").trim().to_ascii_lowercase();
    Fingerprint {
        machine_id: hashed_machine_id(machine_id.trim()),
        cloud_instance: cloud_instance(vendor.trim(), &dmi_uuid),
        dmi_uuid,
    }
}

fn text(path: &str) -> String {
    let bytes = read_capped(Path::new(path), FACT_FILE_BYTES).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// machine-id(5) asks applications not to let the id out of the machine: it is hashed with the product's name.
fn hashed_machine_id(id: &str) -> String {
    if id.is_empty() {
        return String::new();
    }
    sakimori_protocol::Hash::of(format!("sakimori machine-id\0{id}").as_bytes()).to_string()
}

/// The clouds whose virtual firmware carries the instance's own id.
fn cloud_instance(vendor: &str, dmi_uuid: &str) -> String {
    match vendor {
        "Microsoft Corporation" if !dmi_uuid.is_empty() => format!("azure:{dmi_uuid}"),
        "Amazon EC2" => {
            let asset = text("/sys/class/dmi/id/board_asset_tag");
            if asset.starts_with("i-") { format!("aws:{}", asset.trim()) } else { String::new() }
        }
        _ => String::new(),
    }
}

fn operating_system(os_release: &str) -> String {
    let value = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|v| v.trim_matches('"').to_owned())
    };
    value("PRETTY_NAME").or_else(|| value("NAME")).unwrap_or_else(|| "Linux".to_owned())
}

/// `fib_trie` lists each local address as a leaf followed by `/32 host LOCAL`.
fn addresses(fib_trie: &str, if_inet6: &str) -> Vec<String> {
    let mut v4: Vec<Ipv4Addr> = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf
        {
            v4.push(address);
        }
    }
    v4.retain(|address| !address.is_loopback());
    v4.sort_unstable();
    v4.dedup();
    let mut v6: Vec<Ipv6Addr> = if_inet6
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok())
        .map(Ipv6Addr::from_bits)
        .filter(|address| !address.is_loopback())
        .collect();
    v6.sort_unstable();
    v6.dedup();
    let all = v4.iter().map(ToString::to_string).chain(v6.iter().map(ToString::to_string));
    all.take(ADDRESSES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_itself_never_leaves() {
        let hashed = hashed_machine_id("0123456789abcdef");
        assert_eq!(hashed.len(), 64);
        assert!(!hashed.contains("0123456789abcdef"));
        assert_eq!(hashed_machine_id(""), "");
    }

    #[test]
    fn addresses_are_read_from_the_routing_trie() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n        |-- 10.1.0.4\n           /32 host LOCAL\n        |-- 10.1.0.255\n           /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n        |-- 10.1.0.4\n           /32 host LOCAL\n";
        let v6 = "fe800000000000000000000000000001 02 40 20 80 eth0\n00000000000000000000000000000001 01 80 10 80 lo\n";
        assert_eq!(addresses(trie, v6), ["10.1.0.4", "fe80::1"]);
    }

    #[test]
    fn the_operating_system_has_its_full_name() {
        assert_eq!(
            operating_system("NAME=\"X\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(operating_system(""), "Linux");
    }

    #[test]
    fn an_azure_machine_is_known_by_its_firmware() {
        assert_eq!(cloud_instance("Microsoft Corporation", "ab"), "azure:ab");
        assert_eq!(cloud_instance("QEMU", "ab"), "");
    }
}
