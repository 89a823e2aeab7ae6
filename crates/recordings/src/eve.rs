//! EVE JSON, as Suricata writes it (`doc/userguide/output/eve/eve-json-format`).

use jiff::tz::Offset;
use sakimori_inspection::{Field, FileRecord, HttpRecord, MatchRecord, Record, Said};
use sakimori_model::{Action, Timestamp};
use sakimori_packet::{Packet, Transport};
use sakimori_signatures::{Direction, Protocol, Rule};
use serde_json::{Map, Value, json};

use crate::eve_dns;
use crate::flows::Flow;

/// Names of TCP flags, from the lowest bit.
const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];

/// The packet that an event is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) at: Timestamp,
    /// Its number in the capture, from 1.
    pub(crate) number: u64,
    pub(crate) source: (std::net::IpAddr, Option<u16>),
    pub(crate) destination: (std::net::IpAddr, Option<u16>),
    pub(crate) protocol: u8,
    /// Where it was seen: on the wire, in a tunnel.
    pub(crate) seen_on: &'static str,
    /// Addresses of the link: of the sender, of the receiver.
    pub(crate) link: Option<([u8; 6], [u8; 6])>,
    /// The packet that it came in: both ends, protocol, how many there are around it.
    pub(crate) tunnel: Option<Tunnel>,
    /// Version of the form of DNS events.
    pub(crate) dns: u8,
    /// Type and code.
    pub(crate) icmp: Option<(u8, u8)>,
    pub(crate) flow: Option<(&'a Flow, bool)>,
}

/// A packet that carries another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tunnel {
    pub(crate) source: std::net::IpAddr,
    pub(crate) destination: std::net::IpAddr,
    pub(crate) protocol: u8,
    pub(crate) depth: usize,
}

/// The beginning of every event of a packet.
pub(crate) fn begin(occasion: &Occasion<'_>, kind: &str) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert("timestamp".to_owned(), timestamp(occasion.at).into());
    if let Some((flow, _)) = occasion.flow {
        event.insert("flow_id".to_owned(), flow.id.into());
    }
    event.insert("pcap_cnt".to_owned(), occasion.number.into());
    event.insert("event_type".to_owned(), kind.into());
    if let Some((flow, _)) = occasion.flow {
        link(&mut event, flow);
    }
    ends(&mut event, occasion.source, occasion.destination);
    event.insert("proto".to_owned(), protocol(occasion.protocol).into());
    if let Some((kind, code)) = occasion.icmp {
        event.insert("icmp_type".to_owned(), kind.into());
        event.insert("icmp_code".to_owned(), code.into());
    }
    event.insert("ip_v".to_owned(), if occasion.source.0.is_ipv4() { 4 } else { 6 }.into());
    event.insert("pkt_src".to_owned(), occasion.seen_on.into());
    if let Some((sender, receiver)) = occasion.link {
        event.insert("ether".to_owned(), json!({"src_mac": mac(sender), "dest_mac": mac(receiver)}));
    }
    event
}

fn mac(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// The VLANs of a flow.
fn link(event: &mut Map<String, Value>, flow: &Flow) {
    let vlans: Vec<u16> = flow.vlans.iter().flatten().copied().collect();
    if !vlans.is_empty() {
        event.insert("vlan".to_owned(), vlans.into());
    }
}

fn ends(
    event: &mut Map<String, Value>,
    source: (std::net::IpAddr, Option<u16>),
    destination: (std::net::IpAddr, Option<u16>),
) {
    for (name, (address, port)) in [("src", source), ("dest", destination)] {
        event.insert(format!("{name}_ip"), address_text(address).into());
        if let Some(port) = port {
            event.insert(format!("{name}_port"), port.into());
        }
    }
}

/// An address; of IPv6 all digits.
fn address_text(address: std::net::IpAddr) -> String {
    match address {
        std::net::IpAddr::V4(v4) => v4.to_string(),
        std::net::IpAddr::V6(v6) => v6.segments().map(|part| format!("{part:04x}")).join(":"),
    }
}

/// Something that was said, on the packet that completes it.
pub(crate) fn record(occasion: &Occasion<'_>, record: &Record, rule: Option<&Rule>) -> Value {
    let mut at = *occasion;
    let flow = &record.flow;
    let has_ports = matches!(record.carried_by, 6 | 17 | 132);
    let client = (flow.client, has_ports.then_some(flow.client_port));
    let server = (flow.server, has_ports.then_some(flow.server_port));
    (at.source, at.destination) = match record.direction {
        Direction::ToServer => (client, server),
        Direction::ToClient => (server, client),
    };
    at.protocol = record.carried_by;
    let mut event = begin(&at, kind(&record.said));
    if let Some(protocol) = record.protocol {
        event.insert("app_proto".to_owned(), protocol.name().into());
    }
    match &record.said {
        Said::Match(found) => {
            alert(&mut event, found, rule);
            if let Some(within) = &found.within {
                event.insert("tx_id".to_owned(), record.number.into());
                transaction(&mut event, within, (record.number, occasion.dns));
            }
            event.insert("direction".to_owned(), side(record.direction).into());
            if let Some(Tunnel { source, destination, protocol: number, depth }) = occasion.tunnel {
                event.insert(
                    "tunnel".to_owned(),
                    json!({
                        "src_ip": address_text(source),
                        "dest_ip": address_text(destination),
                        "proto": protocol(number),
                        "depth": depth,
                    }),
                );
            }
            if let Some((flow, _)) = occasion.flow {
                event.insert("flow".to_owned(), flow_so_far(flow));
            }
        }
        Said::File(file) => {
            if let Some(within) = &file.within {
                transaction(&mut event, within, (record.number, occasion.dns));
            }
            event.insert("fileinfo".to_owned(), file_info(file, record.number));
        }
        Said::Anomaly(odd) => {
            event.remove("app_proto");
            event.insert("tx_id".to_owned(), record.number.into());
            event.insert(
                "anomaly".to_owned(),
                json!({
                    "app_proto": record.protocol.map_or("unknown", Protocol::name),
                    "type": "applayer",
                    "event": anomaly_name(record.protocol, odd.event),
                    "layer": odd.layer,
                }),
            );
        }
        Said::Oddity(name) => {
            let of_stream = name.starts_with("stream.");
            let event_name = if of_stream { (*name).to_owned() } else { format!("decoder.{name}") };
            let kind = if of_stream { "stream" } else { "decode" };
            event.insert("anomaly".to_owned(), json!({"type": kind, "event": event_name}));
        }
        said => {
            event.insert("tx_id".to_owned(), record.number.into());
            transaction(&mut event, said, (record.number, occasion.dns));
        }
    }
    event.into()
}

/// The kind of event.
const fn kind(said: &Said) -> &'static str {
    match said {
        Said::Told(told) => told.name,
        Said::Parts(kind, _) => kind,
        Said::Http(_) => "http",
        Said::Dns(_) => "dns",
        Said::File(_) => "fileinfo",
        Said::Match(_) => "alert",
        Said::Anomaly(_) | Said::Oddity(_) => "anomaly",
        Said::Spoken | Said::Passed | Said::Refused(_) => "flow",
    }
}

/// What a transaction adds to an event, under the name of its protocol.
fn transaction(event: &mut Map<String, Value>, said: &Said, (number, dns): (u64, u8)) {
    let (name, fields) = match said {
        Said::Http(said) => ("http", http(said)),
        Said::Told(told) => (told.name, group(&told.fields)),
        Said::Parts(_, parts) => {
            for (name, part) in parts {
                event.insert((*name).to_owned(), value(part));
            }
            return;
        }
        Said::Dns(message) if dns == 2 => ("dns", eve_dns::message_of_version_2(message, number)),
        Said::Dns(message) => ("dns", eve_dns::message(message, number)),
        Said::File(_)
        | Said::Match(_)
        | Said::Anomaly(_)
        | Said::Oddity(_)
        | Said::Spoken
        | Said::Passed
        | Said::Refused(_) => return,
    };
    event.insert(name.to_owned(), fields);
}

/// The names of some protocols' oddities are written large.
fn anomaly_name(protocol: Option<Protocol>, event: &str) -> String {
    match protocol {
        Some(Protocol::Http | Protocol::Tls | Protocol::Smtp) => event.to_ascii_uppercase(),
        _ => event.to_owned(),
    }
}

fn group(fields: &[(&'static str, Field)]) -> Value {
    fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect::<Map<_, _>>().into()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Text(text) => text.as_str().into(),
        Field::Number(number) => (*number).into(),
        Field::Flag(is) => (*is).into(),
        Field::Second(second) => {
            let moment = jiff::Timestamp::from_second(*second).unwrap_or_default();
            Offset::UTC.to_datetime(moment).strftime("%Y-%m-%dT%H:%M:%S").to_string().into()
        }
        Field::List(fields) => fields.iter().map(value).collect::<Vec<_>>().into(),
        Field::Group(fields) => group(fields),
    }
}

const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "to_server",
        Direction::ToClient => "to_client",
    }
}

fn alert(event: &mut Map<String, Value>, found: &MatchRecord, rule: Option<&Rule>) {
    let blocked = found.action == Action::Blocked;
    event.insert(
        "alert".to_owned(),
        json!({
            "action": if blocked { "blocked" } else { "allowed" },
            "gid": rule.map_or(1, |rule| rule.gid),
            "signature_id": found.found.sid.0,
            "rev": found.found.revision,
            "signature": found.found.message,
            "category": rule.map_or("", |rule| rule.category.as_str()),
            "severity": rule.map_or(3, |rule| rule.priority),
        }),
    );
}

/// Something whose connection was over only with the capture.
pub(crate) fn late_record(
    last: Timestamp,
    number: u64,
    flows: &[Flow],
    said: &Record,
    rule: Option<&Rule>,
) -> Value {
    let ends = ((said.flow.client, said.flow.client_port), (said.flow.server, said.flow.server_port));
    let flow = flows.iter().rfind(|flow| (flow.client, flow.server) == ends);
    let nobody = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    let occasion = Occasion {
        at: last,
        number,
        source: (nobody, None),
        destination: (nobody, None),
        protocol: said.carried_by,
        seen_on: "wire/pcap",
        link: None,
        tunnel: None,
        dns: 3,
        icmp: None,
        flow: flow.map(|flow| (flow, true)),
    };
    record(&occasion, said, rule)
}

fn http(http: &HttpRecord) -> Value {
    let mut fields = Map::new();
    let texts = [
        ("hostname", &http.host),
        ("url", &http.target),
        ("http_user_agent", &http.user_agent),
        ("http_content_type", &http.content_type),
        ("http_refer", &http.referer),
        ("http_method", &http.method),
        ("protocol", &http.protocol),
        ("redirect", &http.location),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        fields.insert(name.to_owned(), text.as_str().into());
    }
    if let Some(status) = http.status {
        fields.insert("status".to_owned(), status.into());
    }
    fields.insert("length".to_owned(), http.length.into());
    fields.into()
}

fn file_info(file: &FileRecord, number: u64) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("filename", file.name.as_str().into());
    put("gaps", file.gaps.into());
    put("state", if file.whole { "CLOSED" } else { "TRUNCATED" }.into());
    put("stored", false.into());
    put("size", file.size.into());
    put("tx_id", number.into());
    if let Some(md5) = file.md5 {
        put("md5", md5.map(|byte| format!("{byte:02x}")).concat().into());
    }
    fields.into()
}

/// A packet was dropped.
pub(crate) fn drop(
    occasion: &Occasion<'_>,
    packet: &Packet<'_>,
    reason: &str,
    because: Option<(&MatchRecord, Option<&Rule>)>,
) -> Value {
    let mut event = begin(occasion, "drop");
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("len", packet.bytes.len().into());
    put("ttl", packet.ttl.into());
    put("tos", packet.traffic_class.into());
    put("reason", reason.into());
    match packet.transport {
        Transport::Tcp(tcp) => {
            put("tcpseq", tcp.sequence.into());
            put("tcpack", tcp.acknowledgement.into());
            put("tcpwin", tcp.window.into());
            for (name, bit) in [("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32)] {
                put(name, (tcp.flags.0 & bit != 0).into());
            }
        }
        Transport::Udp(udp) => put("udplen", (udp.payload.len() + 8).into()),
        _ => {}
    }
    event.insert("drop".to_owned(), fields.into());
    if let Some((flow, to_server)) = occasion.flow {
        let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
        event.insert("direction".to_owned(), side(direction).into());
        event.insert("flow".to_owned(), flow_so_far(flow));
    }
    if let Some((found, rule)) = because {
        alert(&mut event, found, rule);
    }
    event.into()
}

fn flow_so_far(flow: &Flow) -> Value {
    let [to_server, to_client] = flow.packets;
    let [bytes_to_server, bytes_to_client] = flow.bytes;
    json!({
        "pkts_toserver": to_server,
        "pkts_toclient": to_client,
        "bytes_toserver": bytes_to_server,
        "bytes_toclient": bytes_to_client,
        "start": timestamp(flow.start),
        "src_ip": address_text(flow.client.0),
        "dest_ip": address_text(flow.server.0),
        "src_port": flow.client.1,
        "dest_port": flow.server.1,
    })
}

/// A flow is over, or the capture is.
pub(crate) fn flow(flow: &Flow, end: Timestamp, ethernet: bool) -> Value {
    let mut event = Map::new();
    event.insert("timestamp".to_owned(), timestamp(end).into());
    event.insert("flow_id".to_owned(), flow.id.into());
    event.insert("event_type".to_owned(), "flow".into());
    let has_ports = matches!(flow.protocol, 6 | 17 | 132);
    let end_of = |(address, port): (std::net::IpAddr, u16)| (address, has_ports.then_some(port));
    ends(&mut event, end_of(flow.client), end_of(flow.server));
    event.insert("proto".to_owned(), protocol(flow.protocol).into());
    link(&mut event, flow);
    if let Some((client, server)) = flow.macs.filter(|_| ethernet) {
        event.insert("ether".to_owned(), json!({"src_macs": [mac(client)], "dest_macs": [mac(server)]}));
    }
    if let Some(spoken) = flow.spoken {
        event.insert("app_proto".to_owned(), spoken.name().into());
    }
    let [to_server, to_client] = flow.packets;
    let [bytes_to_server, bytes_to_client] = flow.bytes;
    let age = flow.last.0.div_euclid(1_000_000) - flow.start.0.div_euclid(1_000_000);
    event.insert(
        "flow".to_owned(),
        json!({
            "pkts_toserver": to_server,
            "pkts_toclient": to_client,
            "bytes_toserver": bytes_to_server,
            "bytes_toclient": bytes_to_client,
            "start": timestamp(flow.start),
            "end": timestamp(flow.last),
            "age": age,
            "state": flow.state(),
            "reason": "shutdown",
            "alerted": flow.alerted,
        }),
    );
    if flow.midstream
        && let Some(Value::Object(fields)) = event.get_mut("flow")
    {
        let policy = if flow.dropped { "drop_flow" } else { "ignore" };
        fields
            .insert("exception_policy".to_owned(), json!([{"target": "stream_midstream", "policy": policy}]));
    }
    let action = if flow.dropped { "drop" } else { "pass" };
    if (flow.dropped || flow.passed)
        && let Some(Value::Object(fields)) = event.get_mut("flow")
    {
        fields.insert("action".to_owned(), action.into());
    }
    if flow.protocol == 6 {
        let [ts, tc] = flow.flags;
        let mut tcp = Map::new();
        for (name, flags) in [("tcp_flags", ts | tc), ("tcp_flags_ts", ts), ("tcp_flags_tc", tc)] {
            tcp.insert(name.to_owned(), format!("{flags:02x}").into());
        }
        for (bit, name) in FLAGS.into_iter().enumerate() {
            if (ts | tc) >> bit & 1 == 1 {
                tcp.insert(name.to_owned(), true.into());
            }
        }
        tcp.insert("state".to_owned(), flow.tcp_state().into());
        event.insert("tcp".to_owned(), tcp.into());
    }
    event.into()
}

/// `2017-09-18T06:40:36.000000+0000`.
pub(crate) fn timestamp(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    let civil = Offset::UTC.to_datetime(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+0000",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second(),
        civil.subsec_nanosecond() / 1000
    )
}

/// Names of protocols as events have them.
fn protocol(number: u8) -> String {
    match number {
        1 => "ICMP".to_owned(),
        2 => "IGMP".to_owned(),
        4 => "IP-in-IP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        41 => "IPv6".to_owned(),
        47 => "GRE".to_owned(),
        50 => "ESP".to_owned(),
        51 => "AH".to_owned(),
        58 => "IPv6-ICMP".to_owned(),
        132 => "SCTP".to_owned(),
        other => format!("{other:03}"),
    }
}
