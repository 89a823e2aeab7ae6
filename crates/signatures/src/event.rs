//! Names of oddities that rules ask for: `app-layer-event`, `decode-event`, `stream-event`.
//!
//! # Source
//! Suricata user guide, "Decoder Events", "App-layer Events"; only those with a meaning here are listed.
use crate::protocol::Protocol;

/// An oddity of a packet, a stream or a transaction, by the name that rules give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(&'static str);

/// Those of packets and streams stand under the empty protocol.
const EVENTS: &[(Option<Protocol>, &[&str])] = &[
    (
        Some(Protocol::Http),
        &[
            "http.invalid_transfer_encoding_value_in_request",
            "http.invalid_transfer_encoding_value_in_response",
            "http.request_auth_unrecognized",
            "http.request_field_missing_colon",
            "http.response_field_missing_colon",
            "http.request_field_too_long",
            "http.request_header_invalid",
            "http.missing_host_header",
            "http.duplicate_content_length_field_in_request",
            "http.duplicate_content_length_field_in_response",
            "http.invalid_content_length_field_in_request",
            "http.invalid_content_length_field_in_response",
            "http.invalid_request_chunk_len",
            "http.invalid_response_chunk_len",
            "http.invalid_request_field_folding",
        ],
    ),
    (
        Some(Protocol::Tls),
        &[
            "tls.invalid_sslv2_header",
            "tls.invalid_tls_header",
            "tls.invalid_record_version",
            "tls.invalid_record_type",
            "tls.invalid_handshake_message",
            "tls.invalid_certificate",
            "tls.handshake_invalid_length",
            "tls.multiple_sni_extensions",
            "tls.invalid_sni_type",
            "tls.invalid_sni_length",
            "tls.too_many_records_in_packet",
            "tls.heartbeat_message",
        ],
    ),
    (
        Some(Protocol::Dns),
        &[
            "dns.malformed_data",
            "dns.not_a_request",
            "dns.not_a_response",
            "dns.z_flag_set",
            "dns.invalid_opcode",
            "dns.unsolicited_response",
        ],
    ),
    (
        Some(Protocol::Smtp),
        &[
            "smtp.invalid_reply",
            "smtp.max_command_line_len_exceeded",
            "smtp.max_reply_line_len_exceeded",
            "smtp.invalid_pipelined_sequence",
            "smtp.no_server_welcome_message",
            "smtp.tls_rejected",
            "smtp.data_command_rejected",
        ],
    ),
    (Some(Protocol::Smb), &["smb.internal_error", "smb.malformed_data", "smb.file_overlap"]),
    (Some(Protocol::Ftp), &["ftp.request_command_too_long", "ftp.response_command_too_long"]),
    (
        None,
        &[
            "ipv4.pkt_too_small",
            "ipv4.hlen_too_small",
            "ipv4.iplen_smaller_than_hlen",
            "ipv4.trunc_pkt",
            "ipv4.opt_invalid_len",
            "ipv4.wrong_ip_version",
            "ipv6.pkt_too_small",
            "ipv6.trunc_pkt",
            "ipv6.trunc_exthdr",
            "ipv6.wrong_ip_version",
            "tcp.pkt_too_small",
            "tcp.hlen_too_small",
            "tcp.invalid_optlen",
            "tcp.opt_invalid_len",
            "udp.pkt_too_small",
            "udp.hlen_invalid",
            "udp.len_invalid",
            "icmpv4.pkt_too_small",
            "icmpv6.pkt_too_small",
            "stream.reassembly_overlap_different_data",
            "stream.reassembly_seq_gap",
            "stream.pkt_retransmission",
            "stream.est_packet_out_of_window",
            "stream.pkt_invalid_timestamp",
        ],
    ),
];

impl EventName {
    /// The oddity that a name stands for, with the protocol that it belongs to.
    pub fn named(text: &str) -> Option<(Self, Option<Protocol>)> {
        EVENTS.iter().find_map(|(protocol, names)| {
            names.iter().find(|name| **name == text).map(|name| (Self(name), *protocol))
        })
    }

    /// Its name: `http.request_auth_unrecognized`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}
