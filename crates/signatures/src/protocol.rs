//! The protocols of a rule's header, and what they say of the traffic.

/// What carries a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Any IP packet.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or `ICMPv6`.
    Icmp,
    /// SCTP.
    Sctp,
    /// TCP or UDP.
    TcpOrUdp,
}

macro_rules! protocols {
    ($($(#[$doc:meta])* $name:ident, [$($text:literal),+], $transport:ident, $application:literal;)*) => {
        /// The protocol of a rule's header.
        ///
        /// # Source
        /// Suricata user guide, "Rules Format", "Protocol".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Protocol {
            $($(#[$doc])* $name,)*
        }

        impl Protocol {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The words for it, the usual one first.
            pub const fn names(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($text),+],)* }
            }

            /// What carries it.
            pub const fn transport(self) -> Transport {
                match self { $(Self::$name => Transport::$transport,)* }
            }

            /// Whether it stands above the transport, so that it is told by what is said and not by a header.
            pub const fn is_application(self) -> bool {
                match self { $(Self::$name => $application,)* }
            }
        }
    };
}

protocols! {
    /// Any IP traffic.
    Ip, ["ip"], Any, false;
    /// Any IPv4 traffic.
    Ipv4, ["ipv4", "ip4"], Any, false;
    /// Any IPv6 traffic.
    Ipv6, ["ipv6", "ip6"], Any, false;
    /// Any packet, however it decodes; for rules about headers.
    PacketHeader, ["pkthdr"], Any, false;
    /// TCP, its stream or its packets.
    Tcp, ["tcp"], Tcp, false;
    /// TCP packets one by one.
    TcpPacket, ["tcp-pkt"], Tcp, false;
    /// TCP streams as they are put together.
    TcpStream, ["tcp-stream"], Tcp, false;
    /// UDP.
    Udp, ["udp"], Udp, false;
    /// ICMP and `ICMPv6`.
    Icmp, ["icmp"], Icmp, false;
    /// ICMP.
    Icmpv4, ["icmpv4", "icmp4"], Icmp, false;
    /// `ICMPv6`.
    Icmpv6, ["icmpv6", "icmp6"], Icmp, false;
    /// SCTP.
    Sctp, ["sctp"], Sctp, false;
    /// HTTP of any version.
    Http, ["http", "http1", "http2"], Tcp, true;
    /// DNS.
    Dns, ["dns", "doh2"], TcpOrUdp, true;
    /// Multicast DNS.
    Mdns, ["mdns"], Udp, true;
    /// Link-local multicast name resolution.
    Llmnr, ["llmnr"], Udp, true;
    /// TLS and SSL.
    Tls, ["tls", "ssl"], Tcp, true;
    /// QUIC.
    Quic, ["quic"], Udp, true;
    /// SMTP.
    Smtp, ["smtp"], Tcp, true;
    /// IMAP.
    Imap, ["imap"], Tcp, true;
    /// POP3.
    Pop3, ["pop3"], Tcp, true;
    /// FTP's control connection.
    Ftp, ["ftp"], Tcp, true;
    /// FTP's data connection.
    FtpData, ["ftp-data"], Tcp, true;
    /// TFTP.
    Tftp, ["tftp"], Udp, true;
    /// SSH.
    Ssh, ["ssh"], Tcp, true;
    /// Telnet.
    Telnet, ["telnet"], Tcp, true;
    /// SMB.
    Smb, ["smb"], Tcp, true;
    /// DCE/RPC.
    Dcerpc, ["dcerpc"], TcpOrUdp, true;
    /// NFS.
    Nfs, ["nfs"], TcpOrUdp, true;
    /// Kerberos 5.
    Krb5, ["krb5"], TcpOrUdp, true;
    /// LDAP.
    Ldap, ["ldap"], TcpOrUdp, true;
    /// DHCP.
    Dhcp, ["dhcp"], Udp, true;
    /// SNMP.
    Snmp, ["snmp"], Udp, true;
    /// SIP.
    Sip, ["sip"], TcpOrUdp, true;
    /// NTP.
    Ntp, ["ntp"], Udp, true;
    /// IKE.
    Ike, ["ike", "ikev2"], Udp, true;
    /// MQTT.
    Mqtt, ["mqtt"], Tcp, true;
    /// `WebSocket`.
    Websocket, ["websocket"], Tcp, true;
    /// RDP.
    Rdp, ["rdp"], Tcp, true;
    /// Remote framebuffer (VNC).
    Rfb, ["rfb"], Tcp, true;
    /// `PostgreSQL`.
    Pgsql, ["pgsql"], Tcp, true;
    /// Modbus.
    Modbus, ["modbus"], Tcp, true;
    /// DNP3.
    Dnp3, ["dnp3"], TcpOrUdp, true;
    /// `EtherNet/IP`.
    Enip, ["enip"], TcpOrUdp, true;
    /// The distributed hash table of `BitTorrent`.
    BittorrentDht, ["bittorrent-dht"], Udp, true;
}

impl Protocol {
    /// The protocol that a word names.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.names().contains(&text))
    }

    /// Its usual word.
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// Whether its payload arrives as a stream.
    pub fn has_stream(self) -> bool {
        matches!(self.transport(), Transport::Any | Transport::Tcp | Transport::TcpOrUdp)
    }

    /// Whether its payload arrives in packets that stand alone.
    pub fn has_datagrams(self) -> bool {
        self.transport() != Transport::Tcp
    }
}

/// A set of protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols(u64);

impl Protocols {
    /// Adds one.
    pub const fn insert(&mut self, protocol: Protocol) {
        self.0 |= 1 << protocol as u8;
    }

    /// Whether it is one of them.
    pub const fn contains(self, protocol: Protocol) -> bool {
        self.0 & (1 << protocol as u8) != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// So that each has its bit.
const _: () = assert!(Protocol::ALL.len() <= 64, "a set of protocols is 64 bits");

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
