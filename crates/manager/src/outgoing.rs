//! Connections that the manager opens to where people told it to: receivers of alerts and events, sources of content.
//!
//! The address of a receiver is a person's word and may lead anywhere the manager can reach: addresses of the link alone
//! are never connected to, names are looked up once, and what was looked at is what is connected to.
use sakimori_trust::Trust;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The addresses of a receiver. Those of the link alone, as the address that gives a cloud machine its credentials,
/// are never sent to.
pub(crate) async fn resolve(server: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let server = server.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((server, port))
        .await
        .map_err(|e| format!("{server} has no address: {e}."))?
        .collect::<Vec<_>>();
    let usable: Vec<SocketAddr> = found.into_iter().filter(|address| usable(address.ip())).collect();
    if usable.is_empty() {
        return Err(format!("{server} has no address that may be sent to."));
    }
    Ok(usable)
}

fn usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast())
        }
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(
            || !(ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast()),
            |ip| usable(ip.into()),
        ),
    }
}

/// TLS to a receiver whose certificate these authorities vouch for; those of the machine where there are none.
pub(crate) fn tls(authorities: Option<&str>) -> Result<rustls::ClientConfig, String> {
    let pem = if let Some(pem) = authorities {
        pem.to_owned()
    } else {
        let path = sakimori_trust::system_authorities().ok_or("This machine has no list of authorities.")?;
        std::fs::read_to_string(path).map_err(|e| format!("{}: {e}.", path.display()))?
    };
    sakimori_trust::client_config(&Trust::Authorities(pem), None).map_err(|e| causes(&e))
}

/// What asks this one address. The addresses that were looked at are those that are connected to, and no redirect leads
/// anywhere else. Everything together takes at most `patience`.
pub(crate) async fn client(
    url: &reqwest::Url,
    authorities: Option<&str>,
    patience: Duration,
) -> Result<reqwest::Client, String> {
    let host = url.host_str().unwrap_or_default();
    let addresses = resolve(host, url.port_or_known_default().unwrap_or(443)).await?;
    if url.scheme() != "https" && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err("Requests go without TLS to this machine only.".to_owned());
    }
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls(authorities)?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .resolve_to_addrs(host, &addresses)
        .timeout(patience)
        .user_agent(concat!("sakimori-manager/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| causes(&e))
}

/// An error with all its causes, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    format!("{}.", sakimori_modules::event::printable(&text, 500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_link_are_not_sent_to() {
        for address in ["169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:169.254.169.254", "224.0.0.1"] {
            assert!(!usable(address.parse().unwrap()), "{address}");
        }
        for address in ["127.0.0.1", "10.0.0.1", "203.0.113.9", "::1", "2001:db8::1"] {
            assert!(usable(address.parse().unwrap()), "{address}");
        }
    }
}
