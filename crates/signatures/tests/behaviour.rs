//! Every keyword: rules that must match and must not, read from `fixtures/*.txt`.
//!
//! A fixture line is `rule (options)` or a whole rule, followed by its cases: `yes` or `no` and
//! `buffer=value` pairs; a value in quotes has Rust's escapes; `<buffer=` belongs to the response.
//! Each case is asked once with everything there, and once with every growing buffer arriving byte
//! by byte: both must say the same.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test ends when its fixtures are not as it expects"
)]

use sakimori_signatures::{
    Buffer, Direction, EventName, Fact, FlowFacts, FlowState, Hosts, Inspected, Match, Memory, Protocol,
    SourceFile, Stage, TransactionState, Transport, Variables, compile,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

struct Subject {
    /// Each with its instances; all but a few come once.
    buffers: BTreeMap<(Buffer, Direction), Vec<Vec<u8>>>,
    /// Numbers, names of oddities, and what is known of addresses.
    facts: BTreeMap<Fact, u64>,
    events: Vec<String>,
    reputation: BTreeMap<String, u8>,
    protocol: Protocol,
    transport: Transport,
    /// How much of the growing buffers is there.
    shown: usize,
    flow: FlowFacts,
}

impl Inspected for Subject {
    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        self.instance(buffer, direction, 0)
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        let bytes = self.buffers.get(&(buffer, direction))?.get(index)?;
        Some(if buffer.grows() { &bytes[..bytes.len().min(self.shown)] } else { bytes })
    }

    fn is_complete(&self, buffer: Buffer, direction: Direction) -> bool {
        buffer != Buffer::Payload
            && self.buffers.get(&(buffer, direction)).is_some_and(|b| b[0].len() <= self.shown)
            || buffer == Buffer::Payload && self.shown == usize::MAX
    }

    fn flow(&self) -> &FlowFacts {
        &self.flow
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(self.protocol)
    }

    fn transport(&self) -> Transport {
        self.transport
    }

    fn fact(&self, fact: Fact, _: Direction) -> Option<u64> {
        self.facts.get(&fact).copied()
    }

    fn has_event(&self, event: EventName, _: Direction) -> bool {
        self.events.iter().any(|name| name == event.as_str())
    }

    fn reputation(&self, address: IpAddr, category: &str) -> Option<u8> {
        self.reputation.get(&format!("{address}/{category}")).copied()
    }

    fn segment_length(&self) -> usize {
        self.buffers.get(&(Buffer::Payload, Direction::ToServer)).map_or(0, |b| b[0].len())
    }
}

fn flow() -> FlowFacts {
    FlowFacts {
        client: "192.0.2.7".parse().unwrap(),
        client_port: 40000,
        server: "10.1.2.3".parse().unwrap(),
        server_port: 80,
        established: true,
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next().unwrap() {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'x' => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            c => out.push(c as u8),
        }
    }
    out
}

/// What a line says: `name=value name="value with \"escapes\"" <http.server=x fact:ttl=3 event=http.x protocol=dns`
fn subject(text: &str) -> Subject {
    let mut out = Subject {
        buffers: BTreeMap::new(),
        facts: BTreeMap::new(),
        events: Vec::new(),
        reputation: BTreeMap::new(),
        protocol: Protocol::Http,
        transport: Transport::Tcp,
        shown: usize::MAX,
        flow: flow(),
    };
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').unwrap_or_else(|| panic!("no = in {rest}"));
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut end = 0;
                while quoted.as_bytes()[end] != b'"' {
                    end += if quoted.as_bytes()[end] == b'\\' { 2 } else { 1 };
                }
                (&quoted[..end], &quoted[end + 1..])
            }
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        rest = tail.trim_start();
        match name.split_once(':').unwrap_or((name, "")) {
            ("fact", fact) => {
                let known = |f: &&Fact| f.name() == fact || f.aliases().contains(&fact);
                let fact = *Fact::ALL.iter().find(known).unwrap_or_else(|| panic!("no fact {fact}"));
                out.facts.insert(fact, value.parse().unwrap());
            }
            ("event", _) => out.events.push(value.to_owned()),
            ("reputation", of) => drop(out.reputation.insert(of.to_owned(), value.parse().unwrap())),
            ("protocol", _) => out.protocol = Protocol::named(value).unwrap(),
            ("client", _) => out.flow.client = value.parse().unwrap(),
            ("server", _) => out.flow.server = value.parse().unwrap(),
            ("server-port", _) => out.flow.server_port = value.parse().unwrap(),
            ("established", _) => out.flow.established = value == "yes",
            ("transport", _) => {
                out.transport = match value {
                    "udp" => Transport::Udp,
                    "icmp" => Transport::Icmp,
                    "tcp" => Transport::Tcp,
                    _ => panic!("{value}"),
                };
            }
            _ => {
                let (direction, name) = match name.strip_prefix('<') {
                    Some(name) => (Direction::ToClient, name),
                    None => (Direction::ToServer, name),
                };
                let buffer = *Buffer::ALL
                    .iter()
                    .find(|b| b.name() == name)
                    .unwrap_or_else(|| panic!("no buffer {name}"));
                out.buffers.entry((buffer, direction)).or_default().push(unescape(value));
            }
        }
    }
    out
}

fn rules(text: &str) -> sakimori_signatures::RuleSet {
    let file = SourceFile { name: "fixture".into(), text: text.as_bytes().to_vec() };
    let mut variables = Variables::default();
    variables.set("HOME_NET", "[10.0.0.0/8,!10.9.0.0/16]");
    variables.set("EXTERNAL_NET", "!$HOME_NET");
    let compiled = compile(&[file], &variables);
    let errors: Vec<_> =
        compiled.diagnostics.iter().filter(|d| d.level == sakimori_model::Level::Error).collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    compiled.rules
}

const STAGES: [Stage; 8] = [
    Stage::RequestLine,
    Stage::RequestHeaders,
    Stage::RequestBody,
    Stage::RequestEnd,
    Stage::ResponseLine,
    Stage::ResponseHeaders,
    Stage::ResponseBody,
    Stage::ResponseEnd,
];

/// Everything at once, or byte by byte.
fn run(rules: &sakimori_signatures::RuleSet, subject: &mut Subject, stepwise: bool) -> Vec<Match> {
    let mut scratch = rules.new_scratch();
    let (mut bits, mut transaction, mut stream) =
        (FlowState::default(), TransactionState::default(), TransactionState::default());
    let (mut out, mut hosts) = (Vec::new(), Hosts::default());
    subject.shown = usize::MAX;
    for direction in [Direction::ToServer, Direction::ToClient] {
        // a packet with a payload, or with nothing
        let there = subject.buffers.contains_key(&(Buffer::Payload, direction));
        if there || direction == Direction::ToServer {
            let mut state = TransactionState::default();
            let memory = Memory {
                scratch: &mut scratch,
                flow: &mut bits,
                transaction: &mut state,
                hosts: &mut hosts,
                now: Duration::ZERO,
            };
            rules.inspect(memory, subject, Stage::Packet(direction), &mut out);
        }
    }
    let growing = subject.buffers.iter().filter(|((b, _), _)| b.grows());
    let longest = growing.flat_map(|(_, v)| v.iter().map(Vec::len)).max().unwrap_or(0);
    let lengths: Vec<usize> =
        if stepwise { (0..=longest).chain([usize::MAX]).collect() } else { vec![usize::MAX] };
    for direction in [Direction::ToServer, Direction::ToClient] {
        for &shown in lengths.iter().filter(|_| subject.transport == Transport::Tcp) {
            subject.shown = shown;
            let memory = Memory {
                scratch: &mut scratch,
                flow: &mut bits,
                transaction: &mut stream,
                hosts: &mut hosts,
                now: Duration::ZERO,
            };
            rules.inspect(memory, subject, Stage::Stream(direction), &mut out);
        }
    }
    for stage in STAGES {
        let body = matches!(stage, Stage::RequestBody | Stage::ResponseBody);
        if !stepwise && !stage.is_end() {
            continue;
        }
        let lengths = if body { lengths.clone() } else { vec![if stage.is_end() { usize::MAX } else { 0 }] };
        for shown in lengths {
            subject.shown = shown;
            let memory = Memory {
                scratch: &mut scratch,
                flow: &mut bits,
                transaction: &mut transaction,
                hosts: &mut hosts,
                now: Duration::ZERO,
            };
            rules.inspect(memory, subject, stage, &mut out);
        }
    }
    out
}

#[test]
fn fixtures() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut failures = Vec::new();
    let mut cases = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut current = None;
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.file_name().unwrap().to_string_lossy(), number + 1);
            let (word, rest) = line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), ""));
            match word {
                "" | "#" => {}
                "rule" => {
                    let mut rule = match rest.strip_prefix('(') {
                        Some(_) => format!("alert http any any -> any any {rest}"),
                        None => rest.to_owned(),
                    };
                    rule.truncate(rule.len() - 1);
                    rule.push_str(" msg:\"m\"; sid:1; rev:1;)");
                    current = Some(rules(&rule));
                }
                "yes" | "no" => {
                    cases += 1;
                    let rules = current.as_ref().expect("a rule comes first");
                    for stepwise in [false, true] {
                        let mut subject = subject(rest);
                        let found = run(rules, &mut subject, stepwise);
                        if found.len() != usize::from(word == "yes") {
                            failures.push(format!(
                                "{place} (stepwise: {stepwise}): {line}\n    {:?}\n    {found:?}",
                                rules.rules()[0].text
                            ));
                        }
                    }
                }
                _ => panic!("{place}: {line}"),
            }
        }
    }
    assert!(cases > 150, "only {cases} cases were read");
    assert!(failures.is_empty(), "{} of {cases} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_decisive_pattern_is_shown() {
    let rules = rules(
        r#"alert http any any -> any any (http.uri; content:"b"; content:"evil"; nocase; fast_pattern; sid:7; msg:"m";)"#,
    );
    let mut subject = subject("http.uri=/b/EVIL/x");
    let found = run(&rules, &mut subject, false);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].buffer, found[0].offset, found[0].length, found[0].sid.0),
        (Buffer::HttpUri, 3, 4, 7)
    );
}

#[test]
fn flowbits_join_two_transactions_of_a_flow() {
    let rules = rules(concat!(
        "alert http any any -> any any (http.uri; content:\"/second\"; flowbits:isset,seen; sid:2; msg:\"m\";)\n",
        "alert http any any -> any any (http.uri; content:\"/first\"; flowbits:set,seen; flowbits:noalert; sid:1; msg:\"m\";)\n",
        "alert http any any -> any any (http.uri; content:\"/third\"; flowbits:isnotset,seen; sid:3; msg:\"m\";)\n",
    ));
    let mut bits = FlowState::default();
    let mut scratch = rules.new_scratch();
    let mut hosts = Hosts::default();
    let mut ask = |uri: &str| {
        let subject = subject(&format!("http.uri={uri}"));
        let mut out = Vec::new();
        let memory = Memory {
            scratch: &mut scratch,
            flow: &mut bits,
            transaction: &mut TransactionState::default(),
            hosts: &mut hosts,
            now: Duration::ZERO,
        };
        rules.inspect(memory, &subject, Stage::RequestEnd, &mut out);
        out.iter().map(|m| m.sid.0).collect::<Vec<_>>()
    };
    assert_eq!(ask("/second"), [0; 0]);
    assert_eq!(ask("/third"), [3]);
    assert_eq!(ask("/first"), [0; 0]);
    assert_eq!(ask("/second"), [2]);
    assert_eq!(ask("/third"), [0; 0]);
}

#[test]
fn numbers_and_bits_are_remembered_across_transactions_and_flows() {
    let rules = rules(concat!(
        "alert http any any -> any any (http.uri; content:\"/try\"; flowint:tries,+,1; noalert; sid:1; msg:\"m\";)\n",
        "alert http any any -> any any (http.uri; content:\"/third\"; flowint:tries,>=,2; sid:2; msg:\"m\";)\n",
        "alert http any any -> any any (http.uri; content:\"/mark\"; xbits:set,seen,track ip_src,expire 10; noalert; sid:3; msg:\"m\";)\n",
        "alert http any any -> any any (http.uri; content:\"/ask\"; xbits:isset,seen,track ip_src; sid:4; msg:\"m\";)\n",
        "alert http any any -> any any (http.uri; content:\"/login\"; threshold:type both, track by_src, count 3, seconds 60; sid:5; msg:\"m\";)\n",
    ));
    let (mut scratch, mut hosts) = (rules.new_scratch(), Hosts::default());
    let mut ask = |bits: &mut FlowState, uri: &str, second: u64| {
        let subject = subject(&format!("http.uri={uri}"));
        let mut out = Vec::new();
        let memory = Memory {
            scratch: &mut scratch,
            flow: bits,
            transaction: &mut TransactionState::default(),
            hosts: &mut hosts,
            now: Duration::from_secs(second),
        };
        rules.inspect(memory, &subject, Stage::RequestEnd, &mut out);
        out.iter().map(|m| (m.sid.0, m.reported)).collect::<Vec<_>>()
    };
    let (mut one, mut other) = (FlowState::default(), FlowState::default());
    let none: [(u32, bool); 0] = [];
    for uri in ["/third", "/try", "/third", "/try"] {
        assert_eq!(ask(&mut one, uri, 0), none);
    }
    assert_eq!(ask(&mut one, "/third", 0), [(2, true)]);
    assert_eq!(ask(&mut other, "/third", 0), none, "another flow has numbers of its own");
    assert_eq!(ask(&mut one, "/mark", 0), none);
    assert_eq!(ask(&mut other, "/ask", 9), [(4, true)], "the host is the same");
    assert_eq!(ask(&mut other, "/ask", 10), none, "the bit is over");
    assert_eq!(ask(&mut one, "/login", 20), none);
    assert_eq!(ask(&mut other, "/login", 21), none);
    assert_eq!(ask(&mut one, "/login", 22), [(5, true)], "the third is told");
    assert_eq!(
        ask(&mut one, "/login", 23),
        [(5, false)],
        "those behind it may stop traffic, and are not told"
    );
    assert_eq!(ask(&mut one, "/login", 90), none, "the next window");
}

#[test]
fn a_rule_that_counts_is_asked_each_time_on_a_stream() {
    let rules = rules(
        "alert tcp any any -> any any (content:\"530 \"; threshold:type threshold, track by_src, count 3, seconds 60; sid:1; msg:\"m\";)",
    );
    let (mut scratch, mut hosts) = (rules.new_scratch(), Hosts::default());
    let (mut bits, mut stream, mut out) = (FlowState::default(), TransactionState::default(), Vec::new());
    let mut subject = subject("");
    let mut counts = Vec::new();
    for line in 1..=7 {
        subject.buffers.insert((Buffer::Payload, Direction::ToServer), vec![b"530 no\r\n".repeat(line)]);
        let memory = Memory {
            scratch: &mut scratch,
            flow: &mut bits,
            transaction: &mut stream,
            hosts: &mut hosts,
            now: Duration::ZERO,
        };
        rules.inspect(memory, &subject, Stage::Stream(Direction::ToServer), &mut out);
        counts.push(out.len());
    }
    assert_eq!(counts, [0, 0, 1, 1, 1, 2, 2]);
}

#[test]
fn one_rule_for_many_addresses() {
    let line =
        |last| format!("alert ip any any -> 198.51.100.{last} any (msg:\"to a bad host\"; sid:9; rev:1;)\n");
    let text: String = (1..=200).map(line).collect();
    let file = SourceFile { name: "list".into(), text: text.into_bytes() };
    let compiled = compile(&[file], &Variables::default());
    assert_eq!((compiled.loaded, compiled.refused, compiled.rules.rules().len()), (200, 0, 1));
    let mut listed = subject("server=198.51.100.77 payload=a");
    assert_eq!(run(&compiled.rules, &mut listed, false).len(), 1);
    let mut other = subject("server=198.51.100.201 payload=a");
    assert_eq!(run(&compiled.rules, &mut other, false), []);
}

#[test]
fn a_pass_rule_silences_the_transaction() {
    let rules = rules(concat!(
        "drop http any any -> any any (http.uri; content:\"/a\"; sid:1; msg:\"m\";)\n",
        "pass http any any -> any any (http.user_agent; content:\"scanner\"; sid:2; msg:\"m\";)\n",
    ));
    let mut scanner = subject("http.uri=/a http.user_agent=scanner");
    assert_eq!(run(&rules, &mut scanner, false), []);
    let mut other = subject("http.uri=/a http.user_agent=other");
    assert_eq!(run(&rules, &mut other, false).len(), 1);
}

#[test]
fn state_of_another_rule_set_is_forgotten() {
    let (a, b) = (
        rules("alert http any any -> any any (http.uri; content:\"x\"; sid:1; msg:\"m\";)"),
        rules(
            "alert http any any -> any any (http.method; content:\"GET\"; http.uri; content:\"yy\"; sid:2; msg:\"m\";)",
        ),
    );
    let subject = subject("http.uri=/x/yy http.method=GET");
    let (mut bits, mut state) = (FlowState::default(), TransactionState::default());
    let (mut out, mut hosts) = (Vec::new(), Hosts::default());
    for rules in [&a, &b] {
        let mut scratch = rules.new_scratch();
        let memory = Memory {
            scratch: &mut scratch,
            flow: &mut bits,
            transaction: &mut state,
            hosts: &mut hosts,
            now: Duration::ZERO,
        };
        rules.inspect(memory, &subject, Stage::RequestEnd, &mut out);
    }
    assert_eq!(out.iter().map(|m| m.sid.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn an_input_made_to_go_back_forever_ends() {
    let rules = rules(concat!(
        "alert http any any -> any any (http.request_body; content:\"a\"; content:\"b\"; within:2000; content:\"c\"; within:2000; ",
        "pcre:\"/d+e/R\"; content:\"z\"; within:1; sid:1; msg:\"m\";)",
    ));
    let mut body = b"abcd".repeat(40_000);
    body.extend_from_slice(b"eq");
    let mut subject = subject("");
    subject.buffers.insert((Buffer::HttpRequestBody, Direction::ToServer), vec![body]);
    let (mut bits, mut state, mut scratch) =
        (FlowState::default(), TransactionState::default(), rules.new_scratch());
    let (mut out, mut hosts) = (Vec::new(), Hosts::default());
    let memory = Memory {
        scratch: &mut scratch,
        flow: &mut bits,
        transaction: &mut state,
        hosts: &mut hosts,
        now: Duration::ZERO,
    };
    rules.inspect(memory, &subject, Stage::RequestEnd, &mut out);
    assert_eq!(out, []);
    assert_eq!(scratch.exhausted(), 1, "the budget ended, and that is counted");
}

#[test]
fn sets_of_values_are_read_and_added_to() {
    let file = |name: &str, text: &str| SourceFile { name: name.into(), text: text.as_bytes().to_vec() };
    let text = "alert http any any -> any any (http.user_agent; dataset:isset,agents,type string,load agents.lst; sid:1;)\n\
        alert http any any -> any any (http.uri; content:\"/new\"; http.user_agent; dataset:set,agents,type string,load agents.lst; sid:2;)\n\
        alert http any any -> any any (http.uri; content:\"/gone\"; http.user_agent; dataset:unset,agents,type string,load agents.lst; sid:3;)\n\
        alert http any any -> any any (file.data; content:\"a\"; filemd5:digests; sid:4;)\n\
        alert http any any -> any any (http.uri; content:\"/\"; ip.src; dataset:isset,clients,type ip,load clients; sid:5;)";
    let lists = [
        file("agents.lst", "Y3VybA==\n"),
        file("digests", "0cc175b9c0f1b6a831c399e269772661\n"),
        file("clients", "192.0.2.9\n"),
    ];
    let compiled = sakimori_signatures::compile_with(&[file("a.rules", text)], &Variables::default(), &lists);
    assert_eq!(compiled.loaded, 5, "{:?}", compiled.diagnostics);
    let rules = compiled.rules;
    let mut hosts = Hosts::default();
    let mut ask = |said: &str| {
        let subject = subject(said);
        let mut matches = Vec::new();
        let memory = Memory {
            scratch: &mut rules.new_scratch(),
            flow: &mut FlowState::default(),
            transaction: &mut TransactionState::default(),
            hosts: &mut hosts,
            now: Duration::ZERO,
        };
        rules.inspect(memory, &subject, Stage::RequestEnd, &mut matches);
        let mut sids: Vec<u32> = matches.iter().map(|found| found.sid.0).collect();
        sids.sort_unstable();
        sids
    };
    assert_eq!(ask("http.uri=/ http.user_agent=curl"), [1]);
    assert_eq!(ask("http.uri=/ http.user_agent=wget"), []);
    assert_eq!(ask("http.uri=/new http.user_agent=wget"), [2]);
    assert_eq!(ask("http.uri=/ http.user_agent=wget"), [1], "what a rule adds is there");
    assert_eq!(ask("http.uri=/gone http.user_agent=curl"), [1, 3]);
    assert_eq!(ask("http.uri=/ http.user_agent=curl"), [], "what a rule takes away is not");
    assert_eq!(ask("file.data=a"), [4]);
    assert_eq!(ask("file.data=ab"), []);
    assert_eq!(ask("http.uri=/ client=192.0.2.9"), [5]);
}
