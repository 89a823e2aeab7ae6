//! `@ipMatch`, `@ipMatchFromFile`: addresses and networks.

use std::net::IpAddr;

use super::{Context, Operator, lines_of};
use crate::Loader;
use crate::diagnose::{Finding, shown};

#[derive(Debug)]
pub(super) struct IpMatch {
    /// First and last address of each network, sorted.
    networks: Vec<(Place, Place)>,
}

impl IpMatch {
    pub(super) fn inline(argument: &str) -> Result<Self, Finding> {
        Self::of(argument.split(',').map(str::trim).filter(|part| !part.is_empty()))
    }

    pub(super) fn from_file(argument: &str, loader: &dyn Loader) -> Result<Self, Finding> {
        let lines = lines_of(argument, loader)?;
        Self::of(lines.iter().map(|line| line.split('#').next().unwrap_or_default().trim()))
    }

    fn of<'t>(parts: impl Iterator<Item = &'t str>) -> Result<Self, Finding> {
        let mut networks = parts.map(network).collect::<Result<Vec<_>, _>>()?;
        networks.sort_unstable();
        Ok(Self { networks })
    }
}

impl Operator for IpMatch {
    fn matches(&self, input: &[u8], context: &mut Context<'_>) -> bool {
        let Some(address) = std::str::from_utf8(input).ok().and_then(|text| text.trim().parse().ok()) else {
            return false;
        };
        let address = place(address);
        let up_to = self.networks.partition_point(|(first, _)| *first <= address);
        let found = self.networks.iter().take(up_to).rev().any(|(_, last)| *last >= address);
        if found {
            context.note(input);
        }
        found
    }
}

/// Addresses of IPv4, with which IPv4-mapped ones count, and those of IPv6 lie apart.
type Place = (bool, u128);

fn place(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, address.to_bits().into()),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

fn network(text: &str) -> Result<(Place, Place), Finding> {
    let wrong = || {
        Finding::error(
            "W066",
            format!("{} is no address and no network", shown(text)),
            "write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32",
        )
    };
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.trim().parse().map_err(|_refused| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => {
            length.trim().parse::<u32>().ok().filter(|length| *length <= width).ok_or_else(wrong)?
        }
        None => width,
    };
    let (family, bits) = match address {
        IpAddr::V4(address) => (false, u128::from(address.to_bits())),
        IpAddr::V6(address) if length >= 96 && address.to_ipv4_mapped().is_some() => {
            return Ok((place(IpAddr::V6(address)), place(last_of(address, length))));
        }
        IpAddr::V6(address) => (true, address.to_bits()),
    };
    let host = 1_u128.checked_shl(width - length).map_or(u128::MAX, |size| size - 1);
    Ok(((family, bits & !host), (family, bits | host)))
}

/// The last address of a network of IPv4-mapped addresses.
fn last_of(address: std::net::Ipv6Addr, length: u32) -> IpAddr {
    let host = 1_u128.checked_shl(128 - length).map_or(u128::MAX, |size| size - 1);
    IpAddr::V6(std::net::Ipv6Addr::from_bits(address.to_bits() | host))
}
