//! What is looked at beside the rules: states of connections, how many there are, fragments.
use super::Firewall;
use crate::settings::Finding;
use crate::words::{Mode, Ports};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use utoipa::ToSchema;

/// The most connections that a limit may name.
const MOST: u32 = 10_000;
/// Bytes of a fragment that may be asked for: an honest sender may have to cut that short.
const FRAGMENT: RangeInclusive<u32> = 68..=1280;
/// The longest timeout, 30 days.
const LONGEST: u32 = 2_592_000;
/// Port ranges of FTP, those of lists included.
const PORTS: usize = 64;

/// Stateful checks of a firewall. They come behind the rules; nothing is checked where nothing is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schema(as = FirewallStateful)]
pub struct Stateful {
    /// Incoming packets of no possible state: impossible TCP flags, answers to nothing, what is out of its window.
    pub invalid: Mode,
    /// Incoming TCP packets that open no connection and belong to none.
    pub out_of_connection: Mode,
    /// Incoming TCP packets with the flags CWR or ECE.
    pub congestion_flags: Mode,
    /// Fragments of packets for this computer.
    pub fragments: Mode,
    /// Of these such as no honest sender makes: too short, or beginning within the headers.
    pub short_fragments: Mode,
    /// How many bytes a fragment has at least that is not its packet's last one, with the IP header.
    #[schema(minimum = 68, maximum = 1280)]
    pub min_fragment_bytes: u32,
    /// TCP connections from one source at most; 0 for any number. Of IPv6 a /64 is one source.
    #[schema(maximum = 10000)]
    pub max_from_one_source: u32,
    /// TCP connections to one destination at most; 0 for any number.
    #[schema(maximum = 10000)]
    pub max_to_one_destination: u32,
    /// TCP connections to the outside at most; 0 for any number.
    #[schema(maximum = 10000)]
    pub max_outgoing: u32,
    /// Half-open TCP connections to this computer at most, of an IP version; further ones are answered by SYN cookies. 0
    /// for any number.
    #[schema(maximum = 10000)]
    pub max_half_open: u32,
    /// Server ports at which FTP is spoken, or a list of ports, `list:NAME`: its data connections, active and passive,
    /// are related and pass.
    #[schema(max_items = 64)]
    pub ftp_ports: Vec<Ports>,
    /// Seconds that a connection is remembered whose SYN is not answered; 0 for the computer's own, here and below.
    #[schema(maximum = 2_592_000)]
    pub tcp_syn_sent_secs: u32,
    /// … whose SYN was answered.
    #[schema(maximum = 2_592_000)]
    pub tcp_syn_received_secs: u32,
    /// … that is established.
    #[schema(maximum = 2_592_000)]
    pub tcp_established_secs: u32,
    /// … that one side has ended.
    #[schema(maximum = 2_592_000)]
    pub tcp_fin_wait_secs: u32,
    /// … where the other side has acknowledged that.
    #[schema(maximum = 2_592_000)]
    pub tcp_close_wait_secs: u32,
    /// … that both sides have ended.
    #[schema(maximum = 2_592_000)]
    pub tcp_last_ack_secs: u32,
    /// … where that is acknowledged.
    #[schema(maximum = 2_592_000)]
    pub tcp_time_wait_secs: u32,
    /// … that was reset.
    #[schema(maximum = 2_592_000)]
    pub tcp_close_secs: u32,
    /// Seconds that a UDP packet is remembered that was not answered.
    #[schema(maximum = 2_592_000)]
    pub udp_secs: u32,
    /// … where both sides have sent.
    #[schema(maximum = 2_592_000)]
    pub udp_stream_secs: u32,
    /// Seconds that an ICMP question is remembered.
    #[schema(maximum = 2_592_000)]
    pub icmp_secs: u32,
}

impl Default for Stateful {
    fn default() -> Self {
        Self {
            invalid: Mode::Off,
            out_of_connection: Mode::Off,
            congestion_flags: Mode::Off,
            fragments: Mode::Off,
            short_fragments: Mode::Off,
            min_fragment_bytes: 120,
            max_from_one_source: 0,
            max_to_one_destination: 0,
            max_outgoing: 0,
            max_half_open: 0,
            ftp_ports: Vec::new(),
            tcp_syn_sent_secs: 0,
            tcp_syn_received_secs: 0,
            tcp_established_secs: 0,
            tcp_fin_wait_secs: 0,
            tcp_close_wait_secs: 0,
            tcp_last_ack_secs: 0,
            tcp_time_wait_secs: 0,
            tcp_close_secs: 0,
            udp_secs: 0,
            udp_stream_secs: 0,
            icmp_secs: 0,
        }
    }
}

impl Stateful {
    /// Whether a connection to the outside may be denied.
    pub const fn limits_outgoing(&self) -> bool {
        self.max_outgoing > 0 || self.max_to_one_destination > 0
    }
}

/// What the settings of stateful checks have wrong.
pub(super) fn check(settings: &Firewall, findings: &mut Vec<Finding>) {
    let stateful = &settings.stateful;
    let limits = [
        ("maxFromOneSource", stateful.max_from_one_source),
        ("maxToOneDestination", stateful.max_to_one_destination),
        ("maxOutgoing", stateful.max_outgoing),
        ("maxHalfOpen", stateful.max_half_open),
    ];
    let times = [
        ("tcpSynSentSecs", stateful.tcp_syn_sent_secs),
        ("tcpSynReceivedSecs", stateful.tcp_syn_received_secs),
        ("tcpEstablishedSecs", stateful.tcp_established_secs),
        ("tcpFinWaitSecs", stateful.tcp_fin_wait_secs),
        ("tcpCloseWaitSecs", stateful.tcp_close_wait_secs),
        ("tcpLastAckSecs", stateful.tcp_last_ack_secs),
        ("tcpTimeWaitSecs", stateful.tcp_time_wait_secs),
        ("tcpCloseSecs", stateful.tcp_close_secs),
        ("udpSecs", stateful.udp_secs),
        ("udpStreamSecs", stateful.udp_stream_secs),
        ("icmpSecs", stateful.icmp_secs),
    ];
    let bounded = limits
        .map(|(member, value)| (member, value, 0..=MOST, "connections; 0 for any number"))
        .into_iter()
        .chain(times.map(|(member, value)| (member, value, 0..=LONGEST, "seconds; 0 for the computer's own")))
        .chain([("minFragmentBytes", stateful.min_fragment_bytes, FRAGMENT, "bytes")]);
    for (member, value, bounds, what) in bounded {
        if !bounds.contains(&value) {
            let message = format!("Write {} to {} {what}.", bounds.start(), bounds.end());
            findings.push(Finding::at(
                format!("/stateful/{member}"),
                "out-of-range",
                message,
                &value.to_string(),
            ));
        }
    }
    if stateful.ftp_ports.len() > PORTS {
        let message = format!("At most {PORTS}, those of lists included.");
        let count = stateful.ftp_ports.len().to_string();
        findings.push(Finding::at("/stateful/ftpPorts", "too-many", message, &count));
    }
}

#[cfg(test)]
mod tests {
    use crate::firewall::MODULE;
    use serde_json::{Value, json};

    fn findings(stateful: &Value) -> Vec<(String, &'static str)> {
        let kind = MODULE.settings.unwrap();
        let values = json!({"mode": "prevent", "stateful": stateful});
        let found = kind.check(values.as_object().unwrap());
        found.into_iter().map(|finding| (finding.pointer, finding.code)).collect()
    }

    #[test]
    fn each_mistake_is_named_at_its_place() {
        for (member, value, code) in [
            ("maxFromOneSource", json!(10_001), "out-of-range"),
            ("maxOutgoing", json!(-1), "invalid"),
            ("tcpEstablishedSecs", json!(2_592_001), "out-of-range"),
            ("minFragmentBytes", json!(0), "out-of-range"),
            ("minFragmentBytes", json!(1281), "out-of-range"),
            ("invalid", json!("sometimes"), "invalid"),
            ("ftpPorts", json!(["21-20"]), "invalid"),
            ("maxIncoming", json!(1), "invalid"),
        ] {
            let found = findings(&json!({member: value}));
            assert_eq!(found, [(format!("/stateful/{member}"), code)], "{member}");
        }
    }

    #[test]
    fn what_is_within_the_bounds_is_taken() {
        let found =
            findings(&json!({"invalid": "prevent", "outOfConnection": "detect", "maxFromOneSource": 10_000,
            "ftpPorts": ["21", "2121-2122"], "udpSecs": 2_592_000, "minFragmentBytes": 68}));
        assert_eq!(found, []);
    }
}
