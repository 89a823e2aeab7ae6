//! The registry of keywords: what each word of the language is.
use super::{Builder, RawOption};
use crate::buffer::Buffer;
use crate::diagnose::Finding;
use crate::fact::Fact;
use crate::transform::Transform;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Gives meaning to one option.
type Family = fn(&mut Builder<'_>, &RawOption<'_>) -> Result<(), Finding>;

/// What a keyword is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keyword {
    /// A buffer that stands before its conditions.
    Sticky(Buffer),
    /// A buffer into which the content before it is moved.
    Move(Buffer),
    /// A comparison of a number.
    Number(Fact),
    /// A transformation of the buffer before it.
    Transform,
    /// Something of its own.
    Family(Family),
    /// A keyword of the language whose meaning is not there, and why.
    Refused(&'static str),
}

/// Keywords with a meaning of their own.
const FAMILIES: &[(&str, Family)] = &[
    ("msg", |b, o| b.meta(o)),
    ("sid", |b, o| b.meta(o)),
    ("rev", |b, o| b.meta(o)),
    ("gid", |b, o| b.meta(o)),
    ("classtype", |b, o| b.meta(o)),
    ("priority", |b, o| b.meta(o)),
    ("reference", |b, o| b.meta(o)),
    ("metadata", |b, o| b.meta(o)),
    ("target", |b, o| b.meta(o)),
    ("tag", |b, o| b.tag(o)),
    ("requires", |_, o| Builder::requires(o)),
    ("noalert", |b, o| b.meta(o)),
    ("alert", |b, o| b.meta(o)),
    ("prefilter", |_, o| Builder::prefilter(o)),
    ("bypass", |_, o| Builder::no_value(o)),
    ("dataset", |b, o| b.dataset(o)),
    ("ip.src", |b, o| b.address(o)),
    ("ip.dst", |b, o| b.address(o)),
    ("filemd5", |b, o| b.file_digest(o)),
    ("filesha1", |b, o| b.file_digest(o)),
    ("filesha256", |b, o| b.file_digest(o)),
    ("filestore", |b, _| {
        b.file_store();
        Ok(())
    }),
    ("absent", |b, o| b.absent(o)),
    ("entropy", |b, o| b.entropy(o)),
    ("flow.pkts", |b, o| b.flow_count(o)),
    ("flow.bytes", |b, o| b.flow_count(o)),
    ("tls_cert_notbefore", |b, o| b.date(o)),
    ("tls_cert_notafter", |b, o| b.date(o)),
    ("tls_cert_valid", |b, o| b.certificate_valid(o)),
    ("tls_cert_expired", |b, o| b.certificate_valid(o)),
    ("threshold", |b, o| b.threshold(o)),
    ("detection_filter", |b, o| b.threshold(o)),
    ("content", |b, o| b.content(o)),
    ("uricontent", |b, o| b.uri_content(o)),
    ("pcre", |b, o| b.pcre(o)),
    ("nocase", |b, o| b.modifier(o)),
    ("depth", |b, o| b.modifier(o)),
    ("offset", |b, o| b.modifier(o)),
    ("distance", |b, o| b.modifier(o)),
    ("within", |b, o| b.modifier(o)),
    ("startswith", |b, o| b.modifier(o)),
    ("endswith", |b, o| b.modifier(o)),
    ("fast_pattern", |b, o| b.modifier(o)),
    ("rawbytes", |b, o| b.modifier(o)),
    ("pkt_data", |b, o| b.packet_data(o)),
    ("bsize", |b, o| b.buffer_size(o)),
    ("urilen", |b, o| b.uri_length(o)),
    ("dsize", |b, o| b.segment_size(o)),
    ("isdataat", |b, o| b.data_at(o)),
    ("byte_test", |b, o| b.byte_test(o)),
    ("byte_jump", |b, o| b.byte_jump(o)),
    ("byte_extract", |b, o| b.byte_extract(o)),
    ("byte_math", |b, o| b.byte_math(o)),
    ("base64_decode", |b, o| b.base64_decode(o)),
    ("base64_data", |b, o| b.base64_data(o)),
    ("asn1", |b, o| b.asn1(o)),
    ("ftpbounce", |b, o| b.ftp_bounce(o)),
    ("flow", |b, o| b.flow(o)),
    ("stream_size", |b, o| b.stream_size(o)),
    ("sameip", |b, o| b.same_address(o)),
    ("iprep", |b, o| b.reputation(o)),
    ("fragbits", |b, o| b.fragment_bits(o)),
    ("flags", |b, o| b.tcp_flags(o)),
    ("tcp.flags", |b, o| b.tcp_flags(o)),
    ("flowbits", |b, o| b.flowbits(o)),
    ("xbits", |b, o| b.xbits(o)),
    ("hostbits", |b, o| b.hostbits(o)),
    ("flowint", |b, o| b.flowint(o)),
    ("app-layer-event", |b, o| b.event(o)),
    ("decode-event", |b, o| b.event(o)),
    ("stream-event", |b, o| b.event(o)),
    ("app-layer-protocol", |b, o| b.application_protocol(o)),
    ("dcerpc.iface", |b, o| b.dcerpc_interface(o)),
    ("dce_iface", |b, o| b.dcerpc_interface(o)),
    ("filename", |b, o| b.text_of_buffer(o)),
    ("fileext", |b, o| b.text_of_buffer(o)),
    ("tls.subject", |b, o| b.text_of_buffer(o)),
    ("tls.issuerdn", |b, o| b.text_of_buffer(o)),
    ("tls.fingerprint", |b, o| b.text_of_buffer(o)),
    ("ssh.protoversion", |b, o| b.text_of_buffer(o)),
    ("ssh.softwareversion", |b, o| b.text_of_buffer(o)),
    ("ftpdata_command", |b, o| b.text_of_buffer(o)),
];

/// Keywords whose meaning is not there.
const REFUSED: &[(&str, &str)] = &[
    ("config", "rules do not configure the engine"),
    ("datarep", "reputation of values is not there yet"),
    ("dnp3_ind", "objects of DNP3 are not there yet"),
    ("dnp3_obj", "objects of DNP3 are not there yet"),
    ("engine-event", "events of another engine"),
    ("file.magic", "kinds of files are not recognised yet"),
    ("filemagic", "kinds of files are not recognised yet"),
    ("frame", "frames of protocols are not there yet"),
    ("geoip", "there is no database of places"),
    ("lua", "rules run no programs"),
    ("luajit", "rules run no programs"),
    ("modbus", "write modbus.function"),
    ("replace", "traffic is not rewritten"),
    ("rpc", "RPC is not there yet"),
    ("tls.store", "certificates are not kept"),
];

/// Transformations, done here or not.
const TRANSFORMS: &[&str] = &[
    "dotprefix",
    "to_lowercase",
    "to_uppercase",
    "url_decode",
    "strip_whitespace",
    "compress_whitespace",
    "header_lowercase",
    "strip_pseudo_headers",
    "to_md5",
    "to_sha1",
    "to_sha256",
    "xor",
    "pcrexform",
    "from_base64",
    "luaxform",
    "domain",
    "tld",
    "subslice",
    "zlib_deflate",
    "gunzip",
];

static KEYWORDS: LazyLock<HashMap<&'static str, Keyword>> = LazyLock::new(|| {
    let mut keywords = HashMap::new();
    for fact in Fact::ALL {
        for name in fact.aliases().iter().copied().chain([fact.name()]) {
            keywords.insert(name, Keyword::Number(*fact));
        }
    }
    for buffer in Buffer::ALL.iter().filter(|buffer| **buffer != Buffer::Payload) {
        for name in buffer.aliases().iter().copied().chain([buffer.name()]) {
            keywords.insert(name, Keyword::Sticky(*buffer));
        }
        keywords.extend(buffer.modifiers().iter().map(|name| (*name, Keyword::Move(*buffer))));
    }
    debug_assert!(TRANSFORMS.iter().all(|name| {
        Transform::named(name).is_some() || Transform::with_value(name) || Transform::is_known(name)
    }));
    keywords.extend(TRANSFORMS.iter().map(|name| (*name, Keyword::Transform)));
    keywords.extend(REFUSED.iter().map(|(name, why)| (*name, Keyword::Refused(why))));
    keywords.extend(FAMILIES.iter().map(|(name, family)| (*name, Keyword::Family(*family))));
    keywords
});

/// What a word is.
pub(super) fn keyword(name: &str) -> Option<Keyword> {
    KEYWORDS.get(name).copied()
}
