//! Which listening ports are inspected, and which are honestly not.
use sakimori_model::PortRange;
use sakimori_modules::intrusion_prevention;
use sakimori_protocol::{ListeningPort, ModuleState, ModuleStatus, PortCoverage};

/// A listening socket, before anybody judged it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListeningSocket {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Address it is bound to.
    pub address: String,
    /// Port number.
    pub port: u16,
    /// Name of the listening program, empty if unknown.
    pub process: String,
}

/// TCP ports whose registered service is TLS from the first byte (IANA service names), and 8443, 4433 and
/// 9443 by habit. SSH is here for the same reason: nothing can look inside.
const ENCRYPTED_TCP: &[u16] = &[
    22, 261, 443, 448, 465, 563, 614, 636, 684, 695, 832, 853, 989, 990, 992, 993, 994, 995, 2376, 2484,
    3269, 4433, 4434, 5061, 5349, 5671, 5986, 6443, 6514, 6679, 6697, 8443, 8883, 9443,
];
/// UDP ports of QUIC, DTLS, DNS over QUIC, `WireGuard`, `IPsec` and `OpenVPN`.
const ENCRYPTED_UDP: &[u16] = &[443, 500, 784, 853, 1194, 4500, 4433, 5061, 5349, 8443, 8853, 51820];

/// The sockets that listen on this computer now.
pub fn listening_sockets() -> Vec<ListeningSocket> {
    let found = sakimori_kernel::listening::listeners().into_iter().map(|listener| ListeningSocket {
        protocol: if listener.tcp { "tcp" } else { "udp" },
        address: listener.address.to_string(),
        port: listener.port,
        process: listener.process,
    });
    found.collect()
}

/// Whether each port is inspected. A port that the policy names is called inspected only if the network part says so
/// and its traffic is not encrypted by its registration: TLS bytes on an inspected port show nothing to a rule.
pub fn judge(
    sockets: Vec<ListeningSocket>,
    inspected: &[PortRange],
    modules: &[ModuleStatus],
) -> Vec<ListeningPort> {
    let works = modules.iter().any(|module| {
        module.module == intrusion_prevention::MODULE.id
            && matches!(module.state, ModuleState::Active | ModuleState::Degraded)
    });
    let judged = sockets.into_iter().map(|socket| {
        let encrypted =
            if socket.protocol == "tcp" { ENCRYPTED_TCP } else { ENCRYPTED_UDP }.contains(&socket.port);
        let named = socket.protocol == "tcp" && inspected.iter().any(|range| range.contains(socket.port));
        let coverage = match (encrypted, works, named) {
            (true, _, _) => PortCoverage::NotInspectedEncrypted,
            (false, false, _) => PortCoverage::NotInspectedModule,
            (false, true, true) => PortCoverage::Inspected,
            (false, true, false) => PortCoverage::NotInspectedPolicy,
        };
        ListeningPort {
            protocol: socket.protocol.to_owned(),
            address: socket.address,
            port: socket.port,
            process: socket.process,
            coverage,
        }
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforcement::plain_status;

    fn socket(protocol: &'static str, port: u16) -> ListeningSocket {
        ListeningSocket { protocol, address: "0.0.0.0".into(), port, process: "nginx".into() }
    }

    fn coverage(protocol: &'static str, port: u16, state: ModuleState) -> PortCoverage {
        let module = plain_status("intrusion-prevention", state, &[]);
        let inspected = [PortRange::single(80), PortRange { first: 440, last: 450 }];
        judge(vec![socket(protocol, port)], &inspected, &[module])[0].coverage
    }

    #[test]
    fn nothing_encrypted_is_ever_called_inspected() {
        assert_eq!(coverage("tcp", 80, ModuleState::Active), PortCoverage::Inspected);
        assert_eq!(
            coverage("tcp", 443, ModuleState::Active),
            PortCoverage::NotInspectedEncrypted,
            "named by the policy"
        );
        assert_eq!(coverage("udp", 443, ModuleState::Active), PortCoverage::NotInspectedEncrypted, "QUIC");
        assert_eq!(coverage("tcp", 3306, ModuleState::Active), PortCoverage::NotInspectedPolicy);
        assert_eq!(
            coverage("udp", 80, ModuleState::Active),
            PortCoverage::NotInspectedPolicy,
            "only TCP is inspected"
        );
        assert_eq!(coverage("tcp", 80, ModuleState::Failed), PortCoverage::NotInspectedModule);
        assert_eq!(coverage("tcp", 80, ModuleState::Off), PortCoverage::NotInspectedModule);
    }
}
