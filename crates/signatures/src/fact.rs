//! The registry of numbers that keywords compare: header fields of packets, counts of flows, numbers of protocols.
//!
//! A row is: name, keyword, other keywords for it, protocols whose transactions have it (none: every packet or flow
//! has it), directions, where it belongs (`PACKET`, `FLOW` or `TRANSACTION`), and words that stand for numbers.
//!
//! # Source
//! Suricata user guide, "Header Keywords" and the chapters on protocols.
use crate::buffer::Directions;
use crate::protocol::Protocol;

/// What a number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// To one packet.
    Packet,
    /// To the flow; it may be asked at any time.
    Flow,
    /// To a transaction.
    Transaction,
}

impl Belongs {
    const PACKET: Self = Self::Packet;
    const FLOW: Self = Self::Flow;
    const TRANSACTION: Self = Self::Transaction;
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident, $text:literal, [$($alias:literal),*], [$($protocol:ident),*], $directions:ident,
       $belongs:ident, [$($word:literal = $value:literal),*];)*) => {
        /// A number that rules compare, by the name its keyword has in the rule language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fact {
            $(#[doc = concat!("Keyword `", $text, "`.")] $(#[$doc])* $name,)*
        }

        impl Fact {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The keyword: `ttl`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Other keywords for it.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($alias),*],)* }
            }

            /// Protocols whose transactions have it.
            pub const fn protocols(self) -> &'static [Protocol] {
                match self { $(Self::$name => &[$(Protocol::$protocol),*],)* }
            }

            /// The directions in which it exists.
            pub const fn directions(self) -> Directions {
                match self { $(Self::$name => Directions::$directions,)* }
            }

            /// What it belongs to.
            pub const fn belongs(self) -> Belongs {
                match self { $(Self::$name => Belongs::$belongs,)* }
            }

            /// Words that stand for numbers, in lower case.
            pub const fn words(self) -> &'static [(&'static str, u64)] {
                match self { $(Self::$name => &[$(($word, $value)),*],)* }
            }
        }
    };
}

facts! {
    /// Time to live or hop limit.
    Ttl, "ttl", ["ip.ttl"], [], BOTH, PACKET, [];
    /// Identification in the IPv4 header.
    IpId, "id", ["ip.id"], [], BOTH, PACKET, [];
    /// Type of service or traffic class.
    Tos, "tos", [], [], BOTH, PACKET, [];
    /// Number of the transport protocol.
    IpProtocol, "ip_proto", [], [], BOTH, PACKET,
        ["icmp" = 1, "igmp" = 2, "tcp" = 6, "udp" = 17, "ipv6" = 41, "gre" = 47, "esp" = 50, "ah" = 51,
         "ipv6-icmp" = 58, "icmp6" = 58, "sctp" = 132];
    /// Offset of a fragment in units of 8 bytes.
    FragmentOffset, "fragoffset", [], [], BOTH, PACKET, [];
    /// Fragment flags: reserved 4, don't fragment 2, more fragments 1.
    FragmentBits, "fragbits", [], [], BOTH, PACKET, [];
    /// Set of IPv4 options, a bit for each as the keyword's words say.
    IpOptions, "ipopts", [], [], BOTH, PACKET,
        ["rr" = 1, "lsrr" = 2, "eol" = 4, "nop" = 8, "ts" = 16, "sec" = 32, "esec" = 64, "ssrr" = 128,
         "satid" = 256, "any" = 65535];
    /// TCP flags, CWR 0x80 and ECE 0x40 included.
    TcpFlags, "tcp.flags", ["flags"], [], BOTH, PACKET, [];
    /// TCP sequence number.
    TcpSequence, "tcp.seq", ["seq"], [], BOTH, PACKET, [];
    /// TCP acknowledgement number.
    TcpAcknowledgement, "tcp.ack", ["ack"], [], BOTH, PACKET, [];
    /// TCP window, unscaled.
    TcpWindow, "tcp.window", ["window"], [], BOTH, PACKET, [];
    /// Maximum segment size that a SYN offers.
    TcpMss, "tcp.mss", [], [], BOTH, PACKET, [];
    /// Window scale that a SYN offers.
    TcpWindowScale, "tcp.wscale", [], [], BOTH, PACKET, [];
    /// ICMP type.
    IcmpType, "itype", [], [], BOTH, PACKET, [];
    /// ICMP code.
    IcmpCode, "icode", [], [], BOTH, PACKET, [];
    /// Identifier of an echo.
    IcmpId, "icmp_id", [], [], BOTH, PACKET, [];
    /// Sequence number of an echo.
    IcmpSequence, "icmp_seq", [], [], BOTH, PACKET, [];
    /// MTU of a "packet too big".
    Icmpv6Mtu, "icmpv6.mtu", [], [], BOTH, PACKET, [];
    /// IGMP type.
    IgmpType, "igmp.type", [], [], BOTH, PACKET, [];

    /// Whether the checksum is that of the header.
    Ipv4Checksum, "ipv4-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// The same of the TCP segment.
    Tcpv4Checksum, "tcpv4-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// The same over IPv6.
    Tcpv6Checksum, "tcpv6-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// The same of the datagram.
    Udpv4Checksum, "udpv4-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// The same over IPv6.
    Udpv6Checksum, "udpv6-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// The same of the message.
    Icmpv4Checksum, "icmpv4-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// The same over IPv6.
    Icmpv6Checksum, "icmpv6-csum", [], [], BOTH, PACKET, ["invalid" = 0, "valid" = 1];
    /// Each VLAN that the packet is tagged with, the outermost first.
    VlanId, "vlan.id", [], [], BOTH, PACKET, [];
    /// How many they are.
    VlanLayers, "vlan.layers", [], [], BOTH, PACKET, [];

    /// Seconds since the flow's first packet.
    FlowAge, "flow.age", [], [], BOTH, FLOW, [];
    /// Packets to the client.
    FlowPacketsToClient, "flow.pkts_toclient", [], [], BOTH, FLOW, [];
    /// Packets to the server.
    FlowPacketsToServer, "flow.pkts_toserver", [], [], BOTH, FLOW, [];
    /// Bytes to the client.
    FlowBytesToClient, "flow.bytes_toclient", [], [], BOTH, FLOW, [];
    /// Bytes to the server.
    FlowBytesToServer, "flow.bytes_toserver", [], [], BOTH, FLOW, [];
    /// Bytes of the stream that the client has sent.
    StreamOfClient, "stream_size:client", [], [], BOTH, FLOW, [];
    /// Bytes of the stream that the server has sent.
    StreamOfServer, "stream_size:server", [], [], BOTH, FLOW, [];

    /// Version of the protocol: 0x0303 is 1.2.
    TlsVersion, "tls.version", [], [Tls], BOTH, TRANSACTION,
        ["1.0" = 0x0301, "1.1" = 0x0302, "1.2" = 0x0303, "1.3" = 0x0304];
    /// The same, with other words.
    SslVersion, "ssl_version", [], [Tls], BOTH, TRANSACTION,
        ["sslv2" = 0x0002, "sslv3" = 0x0300, "tls1.0" = 0x0301, "tls1.1" = 0x0302, "tls1.2" = 0x0303,
         "tls1.3" = 0x0304];
    /// How far the handshake is: a bit for each message seen.
    SslState, "ssl_state", [], [Tls], BOTH, TRANSACTION,
        ["client_hello" = 1, "server_hello" = 2, "client_keyx" = 4, "server_keyx" = 8, "unknown" = 16];
    /// Certificates in the chain.
    TlsChainLength, "tls.cert_chain_len", [], [Tls], BOTH, TRANSACTION, [];
    /// First second at which the certificate is valid, since 1970; before that 0.
    TlsNotBefore, "tls_cert_notbefore:seconds", [], [Tls], BOTH, TRANSACTION, [];
    /// Last second at which it is.
    TlsNotAfter, "tls_cert_notafter:seconds", [], [Tls], BOTH, TRANSACTION, [];
    /// Whether it is over (0: it is not, 1: it is, 2: it is not valid yet).
    TlsExpired, "tls_cert_expired:now", [], [Tls], BOTH, TRANSACTION, [];
    DnsOpcode, "dns.opcode", [], [Dns], BOTH, TRANSACTION, [];
    DnsRcode, "dns.rcode", [], [Dns], BOTH, TRANSACTION,
        ["noerror" = 0, "formerr" = 1, "servfail" = 2, "nxdomain" = 3, "notimp" = 4, "refused" = 5];
    /// Type of the record that is asked for.
    DnsRecordType, "dns.rrtype", [], [Dns], BOTH, TRANSACTION,
        ["a" = 1, "ns" = 2, "cname" = 5, "soa" = 6, "ptr" = 12, "mx" = 15, "txt" = 16, "aaaa" = 28, "srv" = 33,
         "any" = 255];
    SmbVersion, "smb.version", [], [Smb], BOTH, TRANSACTION, [];
    DcerpcOperation, "dcerpc.opnum", ["dce_opnum"], [Dcerpc, Smb], BOTH, TRANSACTION, [];
    FileSize, "filesize", ["file.size"], [Http, Smtp, FtpData, Smb, Nfs], BOTH, TRANSACTION, [];
    HttpContentLength, "http.content_length", [], [Http], BOTH, TRANSACTION, [];
    FtpDynamicPort, "ftp.dynamic_port", [], [Ftp], BOTH, TRANSACTION, [];
    /// Whether the server has answered.
    FtpReplyReceived, "ftp.reply_received", [], [Ftp], BOTH, TRANSACTION,
        ["no" = 0, "false" = 0, "off" = 0, "yes" = 1, "true" = 1, "on" = 1];
    FtpMode, "ftp.mode", [], [Ftp], BOTH, TRANSACTION, ["active" = 1, "passive" = 2];
    NfsProcedure, "nfs_procedure", [], [Nfs], BOTH, TRANSACTION, [];
    NfsVersion, "nfs.version", ["nfs_version"], [Nfs], BOTH, TRANSACTION, [];
    Krb5MessageType, "krb5_msg_type", [], [Krb5], BOTH, TRANSACTION, [];
    Krb5ErrorCode, "krb5_err_code", [], [Krb5], TO_CLIENT, TRANSACTION, [];
    SnmpVersion, "snmp.version", [], [Snmp], BOTH, TRANSACTION, [];
    SnmpPduType, "snmp.pdu_type", [], [Snmp], BOTH, TRANSACTION,
        ["get_request" = 0, "get_next_request" = 1, "response" = 2, "set_request" = 3, "trap_v1" = 4,
         "get_bulk_request" = 5, "inform_request" = 6, "trap_v2" = 7, "report" = 8];
    LdapRequest, "ldap.request.operation", [], [Ldap], TO_SERVER, TRANSACTION,
        ["bind_request" = 0, "unbind_request" = 2, "search_request" = 3, "modify_request" = 6, "add_request" = 8,
         "del_request" = 10, "mod_dn_request" = 12, "compare_request" = 14, "abandon_request" = 16,
         "extended_request" = 23];
    /// Each answer to a request.
    LdapResponse, "ldap.responses.operation", [], [Ldap], TO_CLIENT, TRANSACTION,
        ["bind_response" = 1, "search_result_entry" = 4, "search_result_done" = 5, "modify_response" = 7,
         "add_response" = 9, "del_response" = 11, "mod_dn_response" = 13, "compare_response" = 15,
         "search_result_reference" = 19, "extended_response" = 24, "intermediate_response" = 25];
    /// How many they are.
    LdapResponseCount, "ldap.responses.count", [], [Ldap], TO_CLIENT, TRANSACTION, [];
    /// What each of them says.
    LdapResult, "ldap.responses.result_code", [], [Ldap], TO_CLIENT, TRANSACTION,
        ["success" = 0, "operations_error" = 1, "protocol_error" = 2, "time_limit_exceeded" = 3,
         "size_limit_exceeded" = 4, "compare_false" = 5, "compare_true" = 6, "auth_method_not_supported" = 7,
         "stronger_auth_required" = 8, "referral" = 10, "admin_limit_exceeded" = 11,
         "unavailable_critical_extension" = 12, "confidentiality_required" = 13, "sasl_bind_in_progress" = 14,
         "no_such_attribute" = 16, "undefined_attribute_type" = 17, "inappropriate_matching" = 18,
         "constraint_violation" = 19, "attribute_or_value_exists" = 20, "invalid_attribute_syntax" = 21,
         "no_such_object" = 32, "alias_problem" = 33, "invalid_dns_syntax" = 34,
         "alias_dereferencing_problem" = 36, "inappropriate_authentication" = 48, "invalid_credentials" = 49,
         "insufficient_access_rights" = 50, "busy" = 51, "unavailable" = 52, "unwilling_to_perform" = 53,
         "loop_detect" = 54, "naming_violation" = 64, "object_class_violation" = 65, "not_allowed_on_non_leaf" = 66,
         "not_allowed_on_rdn" = 67, "entry_already_exists" = 68, "object_class_mods_prohibited" = 69, "other" = 80];
    MqttType, "mqtt.type", [], [Mqtt], BOTH, TRANSACTION,
        ["connect" = 1, "connack" = 2, "publish" = 3, "puback" = 4, "pubrec" = 5, "pubrel" = 6, "pubcomp" = 7,
         "subscribe" = 8, "suback" = 9, "unsubscribe" = 10, "unsuback" = 11, "pingreq" = 12, "pingresp" = 13,
         "disconnect" = 14, "auth" = 15];
    MqttVersion, "mqtt.protocol_version", [], [Mqtt], BOTH, TRANSACTION, [];
    MqttQos, "mqtt.qos", [], [Mqtt], BOTH, TRANSACTION, [];
    MqttReason, "mqtt.reason_code", ["mqtt.connack.return_code"], [Mqtt], BOTH, TRANSACTION, [];
    WebsocketOpcode, "websocket.opcode", [], [Websocket], BOTH, TRANSACTION,
        ["continuation" = 0, "text" = 1, "binary" = 2, "ping" = 9, "pong" = 10];
    WebsocketMask, "websocket.mask", [], [Websocket], BOTH, TRANSACTION, [];
    RfbSecurityType, "rfb.sectype", [], [Rfb], BOTH, TRANSACTION, [];
    IkeExchange, "ike.exchtype", [], [Ike], BOTH, TRANSACTION, [];
    NtpVersion, "ntp.version", [], [Ntp], BOTH, TRANSACTION, [];
    NtpMode, "ntp.mode", [], [Ntp], BOTH, TRANSACTION, [];
    NtpStratum, "ntp.stratum", [], [Ntp], BOTH, TRANSACTION, [];
    DhcpLeaseTime, "dhcp.leasetime", [], [Dhcp], BOTH, TRANSACTION, [];
    DhcpRebindingTime, "dhcp.rebinding_time", [], [Dhcp], BOTH, TRANSACTION, [];
    DhcpRenewalTime, "dhcp.renewal_time", [], [Dhcp], BOTH, TRANSACTION, [];
    EnipCommand, "enip.command", ["enip_command"], [Enip], BOTH, TRANSACTION, [];
    CipService, "enip.cip_service", ["cip_service"], [Enip], BOTH, TRANSACTION, [];
    Dnp3Function, "dnp3_func", ["dnp3.func"], [Dnp3], BOTH, TRANSACTION, [];
    ModbusFunction, "modbus.function", [], [Modbus], BOTH, TRANSACTION, [];
}

impl Fact {
    /// The number that a word stands for.
    pub(crate) fn word(self, text: &str) -> Option<u64> {
        let text = text.to_ascii_lowercase();
        self.words().iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }

    /// Whether there may be several of it.
    pub(crate) const fn is_several(self) -> bool {
        matches!(self, Self::VlanId | Self::LdapResponse | Self::LdapResult)
    }

    /// Whether it is a set of bits, each with its meaning.
    pub(crate) const fn is_bits(self) -> bool {
        matches!(self, Self::IpOptions | Self::SslState)
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
