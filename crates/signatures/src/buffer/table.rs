//! The registry of buffers: each keyword that names a part of the traffic.
//!
//! A row is: name, keyword, other keywords for the same, modifier of a content before it, protocols whose transactions
//! have it, directions, how telling a fast pattern in it is, and how it comes (`WHOLE`, `GROWS`, or `SEVERAL` times).
//!
//! # Source
//! Suricata user guide, the chapters on keywords.
use super::{Comes, Directions};
use crate::protocol::Protocol;

macro_rules! buffers {
    ($($(#[$doc:meta])* $name:ident, $text:literal, [$($alias:literal),*], [$($modifier:literal),*],
       [$($protocol:ident),*], $directions:ident, $priority:literal, $comes:ident;)*) => {
        /// A part of the traffic that rules look at, by the name its keyword has in the rule language.
        ///
        /// # Source
        /// Suricata user guide, the chapters on keywords.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Buffer {
            $(#[doc = concat!("Keyword `", $text, "`.")] $(#[$doc])* $name,)*
        }

        impl Buffer {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The keyword: `http.uri`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Other keywords for it.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($alias),*],)* }
            }

            /// Keywords that move the content before them into it.
            pub const fn modifiers(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($modifier),*],)* }
            }

            /// Protocols whose transactions have it; empty: it belongs to packets and streams.
            pub const fn protocols(self) -> &'static [Protocol] {
                match self { $(Self::$name => &[$(Protocol::$protocol),*],)* }
            }

            /// The directions in which the buffer exists.
            pub const fn directions(self) -> Directions {
                match self { $(Self::$name => Directions::$directions,)* }
            }

            /// How good a place for the fast pattern this is; larger is rarer to be hit by chance.
            pub(crate) const fn priority(self) -> u8 {
                match self { $(Self::$name => $priority,)* }
            }

            /// How its bytes come.
            pub const fn comes(self) -> Comes {
                match self { $(Self::$name => Comes::$comes,)* }
            }
        }
    };
}

buffers! {
    /// Request target, normalised: percent-decoded once, without scheme and authority, dot segments removed.
    HttpUri, "http.uri", [], ["http_uri"], [Http], TO_SERVER, 4, WHOLE;
    /// Request target as sent.
    HttpUriRaw, "http.uri.raw", [], ["http_raw_uri"], [Http], TO_SERVER, 4, WHOLE;
    /// Method as sent.
    HttpMethod, "http.method", [], ["http_method"], [Http], TO_SERVER, 1, WHOLE;
    /// Header fields without cookies, each `Name: value\r\n` with the value trimmed and unfolded.
    HttpHeader, "http.header", [], ["http_header"], [Http], BOTH, 4, WHOLE;
    /// Header block as sent, cookies included.
    HttpHeaderRaw, "http.header.raw", [], ["http_raw_header"], [Http], BOTH, 4, WHOLE;
    /// Names in the order sent: `\r\nHost\r\nUser-Agent\r\n\r\n`.
    HttpHeaderNames, "http.header_names", ["http_header_names"], [], [Http], BOTH, 3, WHOLE;
    /// Each field of the request: `Name: value`.
    HttpRequestHeader, "http.request_header", [], [], [Http], TO_SERVER, 4, SEVERAL;
    /// Each field of the response: `Name: value`.
    HttpResponseHeader, "http.response_header", [], [], [Http], TO_CLIENT, 4, SEVERAL;
    /// Value of `Cookie` (request) or `Set-Cookie` (response), several joined by `, `.
    HttpCookie, "http.cookie", [], ["http_cookie"], [Http], BOTH, 4, WHOLE;
    /// Value of `User-Agent`.
    HttpUserAgent, "http.user_agent", [], ["http_user_agent"], [Http], TO_SERVER, 4, WHOLE;
    /// Host name from the target or the `Host` field, lower case, without port.
    HttpHost, "http.host", [], ["http_host"], [Http], TO_SERVER, 4, WHOLE;
    /// The `Host` field as sent.
    HttpHostRaw, "http.host.raw", [], ["http_raw_host"], [Http], TO_SERVER, 4, WHOLE;
    /// Value of `Referer`.
    HttpReferer, "http.referer", ["http_referer"], [], [Http], TO_SERVER, 4, WHOLE;
    /// Value of `Content-Type`.
    HttpContentType, "http.content_type", ["http_content_type"], [], [Http], BOTH, 4, WHOLE;
    /// Value of `Content-Length`.
    HttpContentLen, "http.content_len", ["http_content_len"], [], [Http], BOTH, 3, WHOLE;
    /// Request body after chunked and content decoding, from its first byte on.
    HttpRequestBody, "http.request_body", [], ["http_client_body"], [Http], TO_SERVER, 4, GROWS;
    /// Request line without its line end.
    HttpRequestLine, "http.request_line", ["http_request_line"], [], [Http], TO_SERVER, 4, WHOLE;
    /// Version as in the first line: `HTTP/1.1`.
    HttpProtocol, "http.protocol", ["http_protocol"], [], [Http], BOTH, 1, WHOLE;
    /// Value of `Accept`.
    HttpAccept, "http.accept", ["http_accept"], [], [Http], TO_SERVER, 4, WHOLE;
    /// Value of `Accept-Encoding`.
    HttpAcceptEnc, "http.accept_enc", ["http_accept_enc"], [], [Http], TO_SERVER, 4, WHOLE;
    /// Value of `Accept-Language`.
    HttpAcceptLang, "http.accept_lang", ["http_accept_lang"], [], [Http], TO_SERVER, 4, WHOLE;
    /// Value of `Connection`.
    HttpConnection, "http.connection", ["http_connection"], [], [Http], BOTH, 2, WHOLE;
    /// First line and header block as sent, with the empty line.
    HttpStart, "http.start", ["http_start"], [], [Http], BOTH, 4, WHOLE;
    /// Status code: `200`.
    HttpStatCode, "http.stat_code", [], ["http_stat_code"], [Http], TO_CLIENT, 1, WHOLE;
    /// Reason phrase.
    HttpStatMsg, "http.stat_msg", [], ["http_stat_msg"], [Http], TO_CLIENT, 2, WHOLE;
    /// Status line without its line end.
    HttpResponseLine, "http.response_line", ["http_response_line"], [], [Http], TO_CLIENT, 3, WHOLE;
    /// Response body after chunked decoding, before content decoding where that differs.
    HttpResponseBody, "http.response_body", [], ["http_server_body"], [Http], TO_CLIENT, 4, GROWS;
    /// Value of `Server`.
    HttpServer, "http.server", [], [], [Http], TO_CLIENT, 3, WHOLE;
    /// Value of `Location`.
    HttpLocation, "http.location", [], [], [Http], TO_CLIENT, 4, WHOLE;
    /// Name of each field of an HTTP/2 header block.
    Http2HeaderName, "http2.header_name", [], [], [Http], BOTH, 3, SEVERAL;

    /// The file that is carried: response body after all decodings, or the uploaded body in requests.
    FileData, "file.data", ["file_data"], [], [Http, Smtp, FtpData, Smb, Nfs], BOTH, 4, GROWS;
    /// Name of the file that is carried.
    FileName, "file.name", [], [], [Http, Smtp, FtpData, Smb, Nfs], BOTH, 4, WHOLE;

    /// Name that the client asks for, lower case.
    TlsSni, "tls.sni", ["tls_sni"], [], [Tls], TO_SERVER, 4, WHOLE;
    /// Each application protocol that the client offers or the server chose.
    TlsAlpn, "tls.alpn", [], [], [Tls], BOTH, 3, SEVERAL;
    /// The 32 bytes of the hello.
    TlsRandom, "tls.random", [], [], [Tls], BOTH, 1, WHOLE;
    /// The first 4 of these bytes.
    TlsRandomTime, "tls.random_time", [], [], [Tls], BOTH, 1, WHOLE;
    /// The other 28.
    TlsRandomBytes, "tls.random_bytes", [], [], [Tls], BOTH, 1, WHOLE;
    /// Each certificate of the chain, as DER.
    TlsCerts, "tls.certs", [], [], [Tls], BOTH, 4, SEVERAL;
    /// Subject of the leaf: `C=US, O=Example, CN=example.org`.
    TlsCertSubject, "tls.cert_subject", ["tls_cert_subject"], [], [Tls], BOTH, 4, WHOLE;
    /// Issuer of the leaf.
    TlsCertIssuer, "tls.cert_issuer", ["tls_cert_issuer"], [], [Tls], BOTH, 4, WHOLE;
    /// Serial number of the leaf: `5C:19:B7`.
    TlsCertSerial, "tls.cert_serial", ["tls_cert_serial"], [], [Tls], BOTH, 4, WHOLE;
    /// SHA-1 of the leaf, as hex with colons.
    TlsCertFingerprint, "tls.cert_fingerprint", ["tls_cert_fingerprint"], [], [Tls], BOTH, 4, WHOLE;
    /// Each alternative name of the leaf.
    TlsSubjectAltName, "tls.subjectaltname", [], [], [Tls], BOTH, 4, SEVERAL;
    /// MD5 of the client's hello in the form of JA3, as hex.
    Ja3Hash, "ja3.hash", ["ja3_hash"], [], [Tls, Quic], TO_SERVER, 4, WHOLE;
    /// The text of JA3: version, ciphers, extensions, groups, formats.
    Ja3String, "ja3.string", ["ja3_string"], [], [Tls, Quic], TO_SERVER, 4, WHOLE;
    /// MD5 of the server's hello in the form of JA3S, as hex.
    Ja3sHash, "ja3s.hash", ["ja3s_hash"], [], [Tls, Quic], TO_CLIENT, 4, WHOLE;
    /// The text of JA3S: version, cipher, extensions.
    Ja3sString, "ja3s.string", ["ja3s_string"], [], [Tls, Quic], TO_CLIENT, 4, WHOLE;
    /// JA4 of the client's hello.
    Ja4Hash, "ja4.hash", [], [], [Tls, Quic], TO_SERVER, 4, WHOLE;
    QuicSni, "quic.sni", [], [], [Quic], TO_SERVER, 4, WHOLE;
    QuicUa, "quic.ua", [], [], [Quic], TO_SERVER, 4, WHOLE;
    QuicVersion, "quic.version", [], [], [Quic], BOTH, 2, WHOLE;

    /// Each name that is asked for, with dots, in lower case where the language asks for that by `nocase`.
    DnsQuery, "dns.query", ["dns_query", "dns.query.name", "dns.queries.rrname"], [], [Dns], BOTH, 4, SEVERAL;
    /// Name of each answer.
    DnsAnswerName, "dns.answer.name", ["dns.answers.rrname"], [], [Dns], BOTH, 4, SEVERAL;
    DnsAuthorities, "dns.authorities.rrname", [], [], [Dns], BOTH, 4, SEVERAL;
    DnsAdditionals, "dns.additionals.rrname", [], [], [Dns], BOTH, 4, SEVERAL;
    DnsResponse, "dns.response.rrname", [], [], [Dns], TO_CLIENT, 4, SEVERAL;
    MdnsQueries, "mdns.queries.rrname", [], [], [Mdns], BOTH, 4, SEVERAL;
    MdnsResponse, "mdns.response.rrname", [], [], [Mdns], BOTH, 4, SEVERAL;
    LlmnrQueries, "llmnr.queries.rrname", [], [], [Llmnr], BOTH, 4, SEVERAL;
    LlmnrAnswers, "llmnr.answers.rrname", [], [], [Llmnr], BOTH, 4, SEVERAL;
    LlmnrAuthorities, "llmnr.authorities.rrname", [], [], [Llmnr], BOTH, 4, SEVERAL;
    LlmnrAdditionals, "llmnr.additionals.rrname", [], [], [Llmnr], BOTH, 4, SEVERAL;
    LlmnrResponse, "llmnr.response.rrname", [], [], [Llmnr], BOTH, 4, SEVERAL;

    /// Version of the protocol in the banner: `2.0`.
    SshProto, "ssh.proto", ["ssh_proto"], [], [Ssh], BOTH, 2, WHOLE;
    /// Software in the banner: `OpenSSH_9.2`.
    SshSoftware, "ssh.software", ["ssh_software"], [], [Ssh], BOTH, 4, WHOLE;
    SshHassh, "ssh.hassh", [], [], [Ssh], TO_SERVER, 4, WHOLE;
    SshHasshString, "ssh.hassh.string", [], [], [Ssh], TO_SERVER, 4, WHOLE;
    SshHasshServer, "ssh.hassh.server", [], [], [Ssh], TO_CLIENT, 4, WHOLE;
    SshHasshServerString, "ssh.hassh.server.string", [], [], [Ssh], TO_CLIENT, 4, WHOLE;

    SmbNamedPipe, "smb.named_pipe", ["smb_named_pipe"], [], [Smb], TO_SERVER, 4, WHOLE;
    SmbShare, "smb.share", ["smb_share"], [], [Smb], TO_SERVER, 4, WHOLE;
    SmbNtlmsspUser, "smb.ntlmssp_user", [], [], [Smb], TO_SERVER, 4, WHOLE;
    SmbNtlmsspDomain, "smb.ntlmssp_domain", [], [], [Smb], TO_SERVER, 4, WHOLE;
    /// Stub data of a call or its answer.
    DcerpcStubData, "dcerpc.stub_data", ["dce_stub_data"], [], [Dcerpc, Smb], BOTH, 4, WHOLE;
    /// UUID of each bound interface, lower case.
    DcerpcInterface, "dcerpc.interface", [], [], [Dcerpc, Smb], BOTH, 4, SEVERAL;

    FtpCommand, "ftp.command", [], [], [Ftp], TO_SERVER, 2, WHOLE;
    FtpCommandData, "ftp.command_data", [], [], [Ftp], TO_SERVER, 4, WHOLE;
    FtpReply, "ftp.reply", [], [], [Ftp], TO_CLIENT, 3, SEVERAL;
    FtpCompletionCode, "ftp.completion_code", [], [], [Ftp], TO_CLIENT, 1, SEVERAL;
    /// Command of the control connection that opened this data connection: `RETR`.
    FtpDataCommand, "ftpdata_command.name", [], [], [FtpData], BOTH, 1, WHOLE;

    SmtpHelo, "smtp.helo", [], [], [Smtp], TO_SERVER, 3, WHOLE;
    SmtpMailFrom, "smtp.mail_from", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    SmtpRcptTo, "smtp.rcpt_to", [], [], [Smtp], TO_SERVER, 4, SEVERAL;
    EmailFrom, "email.from", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    EmailTo, "email.to", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    EmailCc, "email.cc", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    EmailSubject, "email.subject", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    EmailDate, "email.date", [], [], [Smtp], TO_SERVER, 3, WHOLE;
    EmailMessageId, "email.message_id", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    EmailXMailer, "email.x_mailer", [], [], [Smtp], TO_SERVER, 4, WHOLE;
    EmailUrl, "email.url", [], [], [Smtp], TO_SERVER, 4, SEVERAL;
    EmailReceived, "email.received", [], [], [Smtp], TO_SERVER, 4, SEVERAL;

    SipMethod, "sip.method", [], [], [Sip], TO_SERVER, 1, WHOLE;
    SipUri, "sip.uri", [], [], [Sip], TO_SERVER, 4, WHOLE;
    SipRequestLine, "sip.request_line", [], [], [Sip], TO_SERVER, 4, WHOLE;
    SipStatCode, "sip.stat_code", [], [], [Sip], TO_CLIENT, 1, WHOLE;
    SipStatMsg, "sip.stat_msg", [], [], [Sip], TO_CLIENT, 2, WHOLE;
    SipResponseLine, "sip.response_line", [], [], [Sip], TO_CLIENT, 3, WHOLE;
    SipProtocol, "sip.protocol", [], [], [Sip], BOTH, 1, WHOLE;
    SipFrom, "sip.from", [], [], [Sip], BOTH, 4, SEVERAL;
    SipTo, "sip.to", [], [], [Sip], BOTH, 4, SEVERAL;
    SipVia, "sip.via", [], [], [Sip], BOTH, 4, SEVERAL;
    SipUserAgent, "sip.user_agent", [], [], [Sip], BOTH, 4, SEVERAL;
    SipContentType, "sip.content_type", [], [], [Sip], BOTH, 3, SEVERAL;
    SipContentLength, "sip.content_length", [], [], [Sip], BOTH, 2, SEVERAL;

    MqttConnectClientId, "mqtt.connect.clientid", [], [], [Mqtt], TO_SERVER, 4, WHOLE;
    MqttConnectUsername, "mqtt.connect.username", [], [], [Mqtt], TO_SERVER, 4, WHOLE;
    MqttConnectPassword, "mqtt.connect.password", [], [], [Mqtt], TO_SERVER, 4, WHOLE;
    MqttConnectProtocol, "mqtt.connect.protocol_string", [], [], [Mqtt], TO_SERVER, 2, WHOLE;
    MqttConnectWillTopic, "mqtt.connect.willtopic", [], [], [Mqtt], TO_SERVER, 4, WHOLE;
    MqttConnectWillMessage, "mqtt.connect.willmessage", [], [], [Mqtt], TO_SERVER, 4, WHOLE;
    MqttPublishTopic, "mqtt.publish.topic", [], [], [Mqtt], BOTH, 4, WHOLE;
    MqttPublishMessage, "mqtt.publish.message", [], [], [Mqtt], BOTH, 4, WHOLE;
    MqttSubscribeTopic, "mqtt.subscribe.topic", [], [], [Mqtt], TO_SERVER, 4, SEVERAL;
    MqttUnsubscribeTopic, "mqtt.unsubscribe.topic", [], [], [Mqtt], TO_SERVER, 4, SEVERAL;
    WebsocketPayload, "websocket.payload", [], [], [Websocket], BOTH, 4, WHOLE;

    Krb5Cname, "krb5.cname", ["krb5_cname"], [], [Krb5], BOTH, 4, SEVERAL;
    Krb5Sname, "krb5.sname", ["krb5_sname"], [], [Krb5], BOTH, 4, SEVERAL;
    SnmpCommunity, "snmp.community", [], [], [Snmp], BOTH, 4, WHOLE;
    SnmpUsm, "snmp.usm", [], [], [Snmp], BOTH, 4, WHOLE;
    LdapRequestDn, "ldap.request.dn", [], [], [Ldap], TO_SERVER, 4, WHOLE;
    LdapRequestAttribute, "ldap.request.attribute_type", [], [], [Ldap], TO_SERVER, 4, SEVERAL;
    LdapResponsesDn, "ldap.responses.dn", [], [], [Ldap], TO_CLIENT, 4, SEVERAL;
    LdapResponsesAttribute, "ldap.responses.attribute_type", [], [], [Ldap], TO_CLIENT, 4, SEVERAL;
    LdapResponsesMessage, "ldap.responses.message", [], [], [Ldap], TO_CLIENT, 4, SEVERAL;
    PgsqlQuery, "pgsql.query", [], [], [Pgsql], TO_SERVER, 4, WHOLE;
    RfbName, "rfb.name", [], [], [Rfb], TO_CLIENT, 4, WHOLE;
    IkeInitSpi, "ike.init_spi", [], [], [Ike], BOTH, 3, WHOLE;
    IkeRespSpi, "ike.resp_spi", [], [], [Ike], BOTH, 3, WHOLE;
    IkeVendor, "ike.vendor", [], [], [Ike], BOTH, 4, SEVERAL;
    IkeKeyExchange, "ike.key_exchange_payload", [], [], [Ike], BOTH, 3, WHOLE;
    IkeNonce, "ike.nonce_payload", [], [], [Ike], BOTH, 3, WHOLE;
    NtpReferenceId, "ntp.reference_id", [], [], [Ntp], BOTH, 2, WHOLE;
    Dnp3Data, "dnp3_data", ["dnp3.data"], [], [Dnp3], BOTH, 4, WHOLE;

    /// IPv4 header with its options.
    Ipv4Header, "ipv4.hdr", [], [], [], BOTH, 2, WHOLE;
    /// IPv6 header with its extensions.
    Ipv6Header, "ipv6.hdr", [], [], [], BOTH, 2, WHOLE;
    /// TCP header with its options.
    TcpHeader, "tcp.hdr", [], [], [], BOTH, 2, WHOLE;
    /// UDP header.
    UdpHeader, "udp.hdr", [], [], [], BOTH, 2, WHOLE;
    /// ICMP header.
    Icmpv4Header, "icmpv4.hdr", [], [], [], BOTH, 2, WHOLE;
    /// `ICMPv6` header.
    Icmpv6Header, "icmpv6.hdr", [], [], [], BOTH, 2, WHOLE;
    /// Raw bytes of the stream in one direction, or of one packet.
    Payload, "payload", [], [], [], BOTH, 2, GROWS;
}
