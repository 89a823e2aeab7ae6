//! Whatever stands in a rule file or in traffic: no panic, and no difference by how bytes arrive.

use proptest::prelude::*;
use sakimori_signatures::{
    Buffer, Direction, FlowFacts, FlowState, Hosts, Inspected, Memory, Protocol, SourceFile, Stage,
    TransactionState, Variables, compile,
};
use std::time::Duration;

struct Body {
    bytes: Vec<u8>,
    shown: usize,
    flow: FlowFacts,
}

impl Inspected for Body {
    fn buffer(&self, _buffer: Buffer, _direction: Direction) -> Option<&[u8]> {
        self.bytes.get(..self.shown)
    }

    fn is_complete(&self, _buffer: Buffer, _direction: Direction) -> bool {
        self.shown == self.bytes.len()
    }

    fn flow(&self) -> &FlowFacts {
        &self.flow
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }

    fn segment_length(&self) -> usize {
        self.shown
    }
}

fn inspect(rules: &sakimori_signatures::RuleSet, bytes: &[u8], step: usize) -> Vec<u32> {
    let any = std::net::IpAddr::from([192, 0, 2, 1]);
    let flow = FlowFacts { client: any, client_port: 1, server: any, server_port: 80, established: true };
    let mut body = Body { bytes: bytes.to_vec(), shown: 0, flow };
    let (mut scratch, mut bits, mut state) =
        (rules.new_scratch(), FlowState::default(), TransactionState::default());
    let (mut out, mut hosts) = (Vec::new(), Hosts::default());
    loop {
        body.shown = (body.shown + step).min(bytes.len());
        let end = body.shown == bytes.len();
        let stage = if end { Stage::RequestEnd } else { Stage::RequestBody };
        let memory = Memory {
            scratch: &mut scratch,
            flow: &mut bits,
            transaction: &mut state,
            hosts: &mut hosts,
            now: Duration::ZERO,
        };
        rules.inspect(memory, &body, stage, &mut out);
        if end {
            break;
        }
    }
    let mut sids: Vec<u32> = out.iter().map(|m| m.sid.0).collect();
    sids.sort_unstable();
    sids
}

fn load(text: &[u8]) -> sakimori_signatures::Compiled {
    compile(&[SourceFile { name: "random".into(), text: text.to_vec() }], &Variables::default())
}

/// Pieces of the language in any order: far more of these parse than of random bytes.
fn option() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "nocase",
        "depth:9",
        "offset:1",
        "distance:0",
        "distance:-1",
        "within:4",
        "startswith",
        "endswith",
        "fast_pattern",
        "fast_pattern:0,1",
        "http.request_body",
        "file.data",
        "to_lowercase",
        "url_decode",
        "http_client_body",
        "bsize:>2",
        "bsize:<9",
        "urilen:>1",
        "isdataat:1,relative",
        "isdataat:!1,relative",
        "byte_test:1,>,64,0,relative",
        "byte_jump:1,0,relative",
        "flowbits:set,a",
        "flowbits:isset,a",
        "flowbits:isnotset,b",
        "flow:to_server",
        "noalert",
        "rawbytes",
        "dsize:>1",
        "pkt_data",
        "to_md5",
        "xor:\"0a\"",
        "pcrexform:\"(a+)\"",
        "from_base64",
        "base64_decode:bytes 8, relative",
        "base64_data",
        "byte_extract:1,0,n,relative",
        "byte_math:bytes 1, offset 0, oper +, rvalue n, result n",
        "within:n",
        "offset:n",
        "isdataat:n",
        "asn1:bitstring_overflow, relative_offset 1",
        "ftpbounce",
        "flowint:f,+,1",
        "flowint:f,>,1",
        "xbits:toggle,x,track ip_pair",
        "xbits:isset,x,track ip_pair",
        "hostbits:set,h",
        "threshold:type both, track by_flow, count 2, seconds 9",
        "detection_filter:track by_src, count 1, seconds 9",
        "ttl:>3",
        "flags:+S,12",
        "stream_size:client,<,9",
        "app-layer-protocol:!tls",
        "app-layer-event:http.request_header_invalid",
        "sameip",
    ]);
    let contents = "!?\"[abAB|41 ]{1,4}\"".prop_map(|c| format!("content:{c}"));
    let looks =
        r"\(a\|b\)[ab.]{0,2}\(\?(=|!|<=|<!)[ab]\)(\\1)?[ab]{0,1}".prop_map(|p| format!("pcre:\"/{p}/\""));
    let pcres = "/[ab.*+?^$()|\\[\\]{}\\\\1]{1,8}/[isRmP]{0,2}".prop_map(|p| format!("pcre:\"{p}\""));
    prop_oneof![words.prop_map(str::to_owned), contents.clone(), contents, pcres, looks]
}

/// Enough for a run of a second or two.
const CASES: u32 = 512;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut text = b"alert http any any -> any any (".to_vec();
        text.extend_from_slice(&bytes);
        let compiled = load(&text);
        prop_assert!(compiled.loaded + compiled.refused >= 1);
        load(&bytes);
        let _outline = std::str::from_utf8(&bytes).map(sakimori_signatures::parse::outline);
    }

    #[test]
    fn how_bytes_arrive_changes_nothing(
        options in prop::collection::vec(prop::collection::vec(option(), 1..7), 1..6),
        body in "[abAB1]{0,60}",
        step in 1_usize..20,
    ) {
        let mut text = String::new();
        for (sid, options) in options.iter().enumerate() {
            // flowbits of several rules depend on which of them is decided first, and only bodies arrive in pieces
            let fits = |o: &&String| !["flowbits", "flowint", "xbits", "hostbits", "threshold", "detection", "dsize", "urilen"].iter().any(|word| o.starts_with(word));
            let options: Vec<&String> = options.iter().filter(fits).collect();
            let joined = options.iter().map(|o| o.as_str()).collect::<Vec<_>>().join("; ");
            text.extend([format!("alert http any any -> any any (http.request_body; {joined}; msg:\"m\"; sid:{};)\n", sid + 1)]);
        }
        let compiled = load(text.as_bytes());
        let whole = inspect(&compiled.rules, body.as_bytes(), usize::MAX);
        let pieces = inspect(&compiled.rules, body.as_bytes(), step);
        prop_assert_eq!(whole, pieces, "{}", text);
    }

    #[test]
    fn random_rules_inspect_random_bytes(
        options in prop::collection::vec(option(), 1..9),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let joined = options.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        let compiled = load(format!("alert tcp any any -> any any ({joined}; msg:\"m\"; sid:1;)\n").as_bytes());
        inspect(&compiled.rules, &body, 7);
    }
}
