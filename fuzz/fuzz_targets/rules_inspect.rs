#![no_main]
//! A rule and bytes for it to look at: what stands before the first NUL is the options of a rule, the rest arrives in two pieces.
use sakimori_signatures::{
    Buffer, Direction, FlowFacts, FlowState, Hosts, Inspected, Memory, Protocol, SourceFile, Stage, TransactionState,
    Variables, compile,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

struct Bytes<'a>(&'a [u8], FlowFacts);

impl Inspected for Bytes<'_> {
    fn buffer(&self, _: Buffer, _: Direction) -> Option<&[u8]> {
        Some(self.0)
    }

    fn instance(&self, _: Buffer, _: Direction, index: usize) -> Option<&[u8]> {
        self.0.chunks(9).nth(index)
    }

    fn is_complete(&self, _: Buffer, _: Direction) -> bool {
        false
    }

    fn flow(&self) -> &FlowFacts {
        &self.1
    }

    fn segment_length(&self) -> usize {
        self.0.len()
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Http)
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (options, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut text = Vec::new();
    for (sid, protocol) in ["http", "tcp", "ip"].into_iter().enumerate() {
        text.extend_from_slice(format!("alert {protocol} any any -> any any (sid:{}; ", sid + 1).as_bytes());
        text.extend(options.iter().copied().filter(|byte| *byte != b'\n'));
        text.extend_from_slice(b")\n");
    }
    let file = SourceFile { name: "fuzz.rules".to_owned(), text };
    let rules = compile(&[file], &Variables::default()).rules;
    let any = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let facts = FlowFacts { client: any, client_port: 1, server: any, server_port: 2, established: true };
    let (mut scratch, mut flow, mut hosts) = (rules.new_scratch(), FlowState::default(), Hosts::default());
    let mut out = Vec::new();
    let to_server = Direction::ToServer;
    let half = body.get(..body.len() / 2).unwrap_or_default();
    for stages in [
        [Stage::Packet(to_server), Stage::Packet(to_server)],
        [Stage::Stream(to_server), Stage::Stream(to_server)],
        [Stage::RequestBody, Stage::RequestEnd],
    ] {
        let mut transaction = TransactionState::default();
        for (stage, shown) in stages.into_iter().zip([half, body]) {
            let memory = Memory {
                scratch: &mut scratch,
                flow: &mut flow,
                transaction: &mut transaction,
                hosts: &mut hosts,
                now: Duration::ZERO,
            };
            rules.inspect(memory, &Bytes(shown, facts), stage, &mut out);
        }
    }
    std::hint::black_box(out.len());
});
