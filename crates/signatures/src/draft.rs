//! Outline to draft: what each option means, and whether the options fit together.
//!
//! All findings of a rule are collected; a rule with an error yields no [`Draft`].
use crate::address::{Network, Ports, Set, Variables};
use crate::buffer::{Buffer, Direction, Directions};
use crate::diagnose::{Finding, shown};
use crate::parse::{Outline, RawOption, Word, quoted};
use crate::pattern::{Content, Range, Step, content_bytes};
use crate::pcre;
use crate::rule::{Action, Protocol, RateFilter, Reference};
use crate::transform::Transform;

mod bytes;
mod content;
mod finish;
mod meta;

/// Most conditions in a rule; ET Open's longest rule has 60.
const STEPS: usize = 256;
/// Most buffers in a rule: their state is a bit each.
pub(crate) const GROUPS: usize = 32;

/// What must hold of the flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowConditions {
    pub(crate) established: Option<bool>,
    pub(crate) direction: Option<Direction>,
}

/// One `flowbits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowBits {
    pub(crate) operation: BitOperation,
    /// Any of them (`isset,a|b`).
    pub(crate) names: Vec<String>,
    pub(crate) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitOperation {
    Set,
    Unset,
    Toggle,
    IsSet,
    IsNotSet,
}

/// What a group of conditions looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) buffer: Buffer,
    pub(crate) transforms: Vec<Transform>,
}

/// The header's addresses and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source: Set<Network>,
    pub(crate) source_ports: Set<Ports>,
    pub(crate) destination: Set<Network>,
    pub(crate) destination_ports: Set<Ports>,
    pub(crate) both_ways: bool,
}

/// A rule that is understood but not compiled into a set.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) action: Action,
    pub(crate) protocol: Protocol,
    pub(crate) header: Header,
    pub(crate) directions: Directions,
    pub(crate) flow: FlowConditions,
    pub(crate) flowbits: Vec<FlowBits>,
    pub(crate) segment: Option<Range>,
    pub(crate) groups: Vec<(Target, Vec<Step>)>,
    pub(crate) meta: Meta,
}

/// What a rule says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) sid: Option<(u32, usize)>,
    pub(crate) rev: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) msg: Option<String>,
    pub(crate) classtype: Option<String>,
    pub(crate) priority: Option<u8>,
    pub(crate) references: Vec<Reference>,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) rate: Option<RateFilter>,
    pub(crate) noalert: bool,
}

/// A condition and what it looks at; `None` is the raw payload unless a modifier moves it.
struct Item {
    target: Option<Target>,
    step: Step,
}

struct Builder<'v> {
    variables: &'v Variables,
    findings: Vec<Finding>,
    meta: Meta,
    items: Vec<Item>,
    sticky: Option<Target>,
    /// Where the sticky buffer was named, while nothing has used it.
    unused: Option<(usize, &'static str)>,
    /// There is a sid, if not a valid one.
    sid_written: bool,
    /// An option before failed: what refers to it is not reported as well.
    failed: bool,
    flow: FlowConditions,
    flow_seen: bool,
    flowbits: Vec<FlowBits>,
    segment: Option<Range>,
}

/// Gives meaning to an outline. The draft is there unless a finding is an error.
pub(crate) fn draft(
    outline: &Outline<'_>,
    variables: &Variables,
) -> (Option<Draft>, Option<u32>, Vec<Finding>) {
    let mut builder = Builder {
        variables,
        findings: Vec::new(),
        meta: Meta::default(),
        items: Vec::new(),
        sticky: None,
        unused: None,
        sid_written: false,
        failed: false,
        flow: FlowConditions::default(),
        flow_seen: false,
        flowbits: Vec::new(),
        segment: None,
    };
    for option in &outline.options {
        if let Err(finding) = builder.option(option) {
            let follows = builder.failed && matches!(finding.code, "S022" | "S042");
            builder.failed = true;
            builder.unused = None;
            if !follows {
                builder.findings.push(finding);
            }
        }
    }
    let sid = builder.meta.sid.map(|s| s.0);
    let (draft, findings) = builder.finish(outline);
    (draft, sid, findings)
}

/// Keywords of the language that name buffers of protocols or of data not inspected yet, or whose
/// meaning is not implemented.
const NOT_YET: &[&str] = &[
    "app-layer-event",
    "app-layer-protocol",
    "asn1",
    "base64_data",
    "base64_decode",
    "byte_extract",
    "byte_math",
    "bypass",
    "config",
    "dataset",
    "datarep",
    "dcerpc.iface",
    "dcerpc.opnum",
    "dcerpc.stub_data",
    "dce_iface",
    "dce_opnum",
    "dce_stub_data",
    "decode-event",
    "dnp3_data",
    "dns.opcode",
    "dns.query",
    "dns_query",
    "dns.answer.name",
    "dns.query.name",
    "email.from",
    "engine-event",
    "entropy",
    "file.magic",
    "file.mime_type",
    "file.name",
    "fileext",
    "filemagic",
    "filemd5",
    "filename",
    "filesha1",
    "filesha256",
    "filesize",
    "filestore",
    "flags",
    "flow.age",
    "flow.bytes_toclient",
    "flow.bytes_toserver",
    "flow.pkts_toclient",
    "flow.pkts_toserver",
    "flowint",
    "fragbits",
    "fragoffset",
    "frame",
    "ftpbounce",
    "ftpdata_command",
    "geoip",
    "hostbits",
    "http2.header_name",
    "http.request_header",
    "http.response_header",
    "icmp_id",
    "icmp_seq",
    "icode",
    "id",
    "igmp.type",
    "ip_proto",
    "ipopts",
    "iprep",
    "itype",
    "ja3.hash",
    "ja3.string",
    "ja3_hash",
    "ja3_string",
    "ja3s.hash",
    "ja3s.string",
    "ja3s_hash",
    "ja4.hash",
    "krb5.cname",
    "krb5.sname",
    "krb5_msg_type",
    "lua",
    "luajit",
    "mqtt.type",
    "nfs.version",
    "nfs_procedure",
    "prefilter",
    "replace",
    "rpc",
    "sameip",
    "seq",
    "ack",
    "sip.method",
    "sip.uri",
    "smb.named_pipe",
    "smb.share",
    "snmp.community",
    "ssh.proto",
    "ssh.software",
    "ssh_proto",
    "ssh.softwareversion",
    "ssl_state",
    "ssl_version",
    "stream-event",
    "stream_size",
    "tcp.flags",
    "tcp.hdr",
    "tcp.mss",
    "tls.alpn",
    "tls.cert_chain_len",
    "tls.cert_fingerprint",
    "tls.cert_issuer",
    "tls.cert_serial",
    "tls.cert_subject",
    "tls.certs",
    "tls.issuerdn",
    "tls.random",
    "tls.sni",
    "tls.subject",
    "tls.version",
    "tls_cert_fingerprint",
    "tls_cert_issuer",
    "tls_cert_notafter",
    "tls_cert_notbefore",
    "tls_cert_expired",
    "tls_cert_serial",
    "tls_cert_subject",
    "tls_cert_valid",
    "tls_sni",
    "tos",
    "ttl",
    "udp.hdr",
    "window",
    "xbits",
];

impl Builder<'_> {
    fn option(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let name = option.name;
        if let Some((buffer, keyword)) = sticky_buffer(name.text) {
            Self::no_value(option)?;
            self.report_unused();
            self.sticky = buffer.map(|buffer| Target { buffer, transforms: Vec::new() });
            self.unused = Some((name.at, keyword));
            return Ok(());
        }
        if let Some(buffer) = legacy_modifier(name.text) {
            Self::no_value(option)?;
            return self.move_content(buffer, name);
        }
        if let Some(transform) = Transform::named(name.text) {
            Self::no_value(option)?;
            let Some(target) = self.sticky.as_mut().filter(|_| self.unused.is_some()) else {
                return Err(Finding::error(
                    "S042",
                    name.at,
                    format!("{} follows no buffer", name.text),
                    "write it directly behind the buffer it transforms: http.host; dotprefix; content:...",
                ));
            };
            target.transforms.push(transform);
            return Ok(());
        }
        if Transform::is_known(name.text) {
            return Err(Transform::refuse(name));
        }
        match name.text {
            "msg" | "sid" | "rev" | "gid" | "classtype" | "priority" | "reference" | "metadata"
            | "threshold" | "detection_filter" | "target" | "tag" | "requires" | "noalert" => {
                self.meta(option)
            }
            "content" => self.content(option),
            "uricontent" => {
                self.content(option)?;
                self.move_content(Buffer::HttpUri, name)
            }
            "pcre" => self.pcre(option),
            "nocase" | "depth" | "offset" | "distance" | "within" | "startswith" | "endswith"
            | "fast_pattern" | "rawbytes" => self.modifier(option),
            "bsize" => {
                let range = Range::parse(value(option)?)?;
                self.push(Step::Size(range), name)
            }
            "urilen" => self.urilen(option),
            "dsize" => {
                self.segment = Some(Range::parse(value(option)?)?);
                Ok(())
            }
            "isdataat" => self.data_at(option),
            "byte_test" => self.byte_test(option),
            "byte_jump" => self.byte_jump(option),
            "flow" => self.flow(option),
            "flowbits" => self.flowbits(option),
            text if NOT_YET.contains(&text) => Err(Finding::error(
                "S012",
                name.at,
                format!("the keyword {} is not supported yet", shown(text)),
                "leave the rule out, or say the same with supported keywords",
            )),
            text => Err(Finding::error(
                "S011",
                name.at,
                format!("unknown keyword: {}", shown(text)),
                "check the spelling; a semicolon inside a value is written \\;",
            )),
        }
    }

    fn no_value(option: &RawOption<'_>) -> Result<(), Finding> {
        match option.value {
            Some(v) if !v.text.is_empty() => Err(Finding::error(
                "S013",
                v.at,
                format!("{} takes no value", option.name.text),
                "remove the colon and what follows it",
            )),
            _ => Ok(()),
        }
    }

    fn report_unused(&mut self) {
        if let Some((at, keyword)) = self.unused.take()
            && !matches!(keyword, "pkt_data")
        {
            self.findings.push(Finding::error(
                "S040",
                at,
                format!("nothing looks at the buffer {keyword}"),
                "a buffer's contents and expressions follow it; conditions before it look at the buffer before it",
            ));
        }
    }

    fn push(&mut self, step: Step, name: Word<'_>) -> Result<(), Finding> {
        if self.items.len() >= STEPS {
            return Err(Finding::error(
                "S054",
                name.at,
                format!("more than {STEPS} conditions"),
                "split the rule",
            ));
        }
        self.unused = None;
        self.items.push(Item { target: self.sticky.clone(), step });
        Ok(())
    }

    fn urilen(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (size, kind) = word.text.split_once(',').map_or((word.text, "raw"), |(s, k)| (s, k.trim_ascii()));
        let buffer = match kind {
            "raw" => Buffer::HttpUriRaw,
            "norm" => Buffer::HttpUri,
            _ => {
                return Err(Finding::error(
                    "S014",
                    word.at,
                    format!("not a form of urilen: {}", shown(kind)),
                    "write norm or raw",
                ));
            }
        };
        let range = Range::parse(Word { text: size.trim_ascii(), at: word.at })?;
        self.items
            .push(Item { target: Some(Target { buffer, transforms: Vec::new() }), step: Step::Size(range) });
        Ok(())
    }

    fn flow(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        if std::mem::replace(&mut self.flow_seen, true) {
            return Err(Finding::error(
                "S018",
                option.name.at,
                "flow is written twice",
                "keep one, with its words joined by commas",
            ));
        }
        let bad = |text: &str, help: &str| Finding::error("S050", word.at, text.to_owned(), help);
        for part in word.text.split(',') {
            let part = part.trim_ascii();
            let direction = match part.to_ascii_lowercase().as_str() {
                "to_server" | "from_client" => Some(Direction::ToServer),
                "to_client" | "from_server" => Some(Direction::ToClient),
                "established" | "not_established" => {
                    let wanted = part.eq_ignore_ascii_case("established");
                    if self.flow.established.is_some_and(|e| e != wanted) {
                        return Err(bad(
                            "the flow cannot be both established and not",
                            "keep one of the two",
                        ));
                    }
                    self.flow.established = Some(wanted);
                    None
                }
                "stateless" | "only_stream" => None,
                "no_stream" | "no_frag" | "only_frag" => {
                    return Err(Finding::error(
                        "S012",
                        word.at,
                        format!("flow:{part} is not supported: only reassembled streams are inspected"),
                        "leave it out if the pattern may also span segments",
                    ));
                }
                _ => {
                    return Err(bad(
                        &format!("unknown word in flow: {}", shown(part)),
                        "known are to_server, to_client, from_client, from_server, established, not_established, stateless and only_stream",
                    ));
                }
            };
            if let Some(direction) = direction {
                if self.flow.direction.is_some_and(|d| d != direction) {
                    return Err(bad(
                        "the flow cannot go both to the server and to the client",
                        "keep one of the two",
                    ));
                }
                self.flow.direction = Some(direction);
            }
        }
        Ok(())
    }

    fn flowbits(&mut self, option: &RawOption<'_>) -> Result<(), Finding> {
        let word = value(option)?;
        let (operation, names) =
            word.text.split_once(',').map_or((word.text, ""), |(o, n)| (o.trim_ascii(), n));
        let operation = match operation.trim_ascii() {
            "noalert" => {
                self.meta.noalert = true;
                return Ok(());
            }
            "set" => BitOperation::Set,
            "unset" => BitOperation::Unset,
            "toggle" => BitOperation::Toggle,
            "isset" => BitOperation::IsSet,
            "isnotset" => BitOperation::IsNotSet,
            other => {
                return Err(Finding::error(
                    "S051",
                    word.at,
                    format!("unknown operation of flowbits: {}", shown(other)),
                    "known are set, unset, toggle, isset, isnotset and noalert",
                ));
            }
        };
        let names: Vec<String> = names.split('|').map(|n| n.trim_ascii().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err(Finding::error("S051", word.at, "flowbits names no bit", "write flowbits:set,name;"));
        }
        self.flowbits.push(FlowBits { operation, names, at: option.name.at });
        Ok(())
    }
}

/// The value of an option that needs one.
pub(super) fn value<'a>(option: &RawOption<'a>) -> Result<Word<'a>, Finding> {
    option.value.filter(|v| !v.text.is_empty()).ok_or_else(|| {
        Finding::error(
            "S013",
            option.name.at,
            format!("{} needs a value", option.name.text),
            format!("write {}:value;", option.name.text),
        )
    })
}

/// Buffers named before their contents. `None` inside: back to the raw payload.
fn sticky_buffer(name: &str) -> Option<(Option<Buffer>, &'static str)> {
    if let Some(buffer) = Buffer::ALL.iter().find(|b| b.name() == name && **b != Buffer::Payload) {
        return Some((Some(*buffer), buffer.name()));
    }
    match name {
        "file_data" => Some((Some(Buffer::FileData), "file_data")),
        "http_request_line" => Some((Some(Buffer::HttpRequestLine), "http_request_line")),
        "http_response_line" => Some((Some(Buffer::HttpResponseLine), "http_response_line")),
        "http_header_names" => Some((Some(Buffer::HttpHeaderNames), "http_header_names")),
        "http_accept" => Some((Some(Buffer::HttpAccept), "http_accept")),
        "http_accept_enc" => Some((Some(Buffer::HttpAcceptEnc), "http_accept_enc")),
        "http_accept_lang" => Some((Some(Buffer::HttpAcceptLang), "http_accept_lang")),
        "http_connection" => Some((Some(Buffer::HttpConnection), "http_connection")),
        "http_content_len" => Some((Some(Buffer::HttpContentLen), "http_content_len")),
        "http_content_type" => Some((Some(Buffer::HttpContentType), "http_content_type")),
        "http_protocol" => Some((Some(Buffer::HttpProtocol), "http_protocol")),
        "http_referer" => Some((Some(Buffer::HttpReferer), "http_referer")),
        "http_start" => Some((Some(Buffer::HttpStart), "http_start")),
        "pkt_data" => Some((None, "pkt_data")),
        _ => None,
    }
}

/// Modifiers that move the content before them into a buffer.
fn legacy_modifier(name: &str) -> Option<Buffer> {
    Some(match name {
        "http_uri" => Buffer::HttpUri,
        "http_raw_uri" => Buffer::HttpUriRaw,
        "http_method" => Buffer::HttpMethod,
        "http_header" => Buffer::HttpHeader,
        "http_raw_header" => Buffer::HttpHeaderRaw,
        "http_cookie" => Buffer::HttpCookie,
        "http_user_agent" => Buffer::HttpUserAgent,
        "http_host" => Buffer::HttpHost,
        "http_raw_host" => Buffer::HttpHostRaw,
        "http_client_body" => Buffer::HttpRequestBody,
        "http_server_body" => Buffer::HttpResponseBody,
        "http_stat_code" => Buffer::HttpStatCode,
        "http_stat_msg" => Buffer::HttpStatMsg,
        _ => return None,
    })
}
