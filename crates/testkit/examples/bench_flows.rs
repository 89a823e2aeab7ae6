//! One million connections at once: memory, and what finding one of them costs: `cargo xtask bench flows`.
#![expect(clippy::print_stdout, reason = "a measuring program")]
#![expect(clippy::disallowed_methods, reason = "it measures time and reads its own memory")]

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sakimori_inspection::{Checksums, Config, Engine, Limits};
use sakimori_model::{IntrusionPrevention, Mode, Now, Timestamp};
use sakimori_packet::Flags;
use sakimori_packet::build::Segment;
use sakimori_signatures::{SourceFile, Variables, compile};
use sakimori_testkit::process::resident_bytes;
use sakimori_testkit::report::{Report, Target};

const FLOWS: u32 = 1_000_000;
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const RULES: &str = "alert http any any -> any any (msg:\"m\"; http.uri; content:\"/etc/passwd\"; sid:1;)\n";
const REQUEST: &[u8] = b"GET /index.php?p=1 HTTP/1.1\r\nHost: www.example.org\r\n\r\n";

fn main() -> ExitCode {
    let file = SourceFile { name: "bench.rules".to_owned(), text: RULES.as_bytes().to_vec() };
    let rules = Arc::new(compile(&[file], &Variables::default()).rules);
    let settings = IntrusionPrevention { mode: Mode::Prevent, ..IntrusionPrevention::default() };
    let mut limits = Limits::default();
    limits.stream.flows = FLOWS as usize;
    let mut engine = Engine::new(Config { limits, ..Config::new(settings, 1, 2) }, rules);
    let before = resident_bytes();
    let began = Instant::now();
    for number in 0..FLOWS {
        connect(&mut engine, number);
    }
    let made = began.elapsed();
    let memory = resident_bytes() - before;
    let began = Instant::now();
    for turn in 0..FLOWS {
        // a step that meets each flow once, and never its neighbour
        let number = turn.wrapping_mul(617_411) % FLOWS;
        let next = 1001 + u32::try_from(REQUEST.len()).unwrap_or(0);
        show(&mut engine, number, Flags::ACK, next, b"");
    }
    let found = began.elapsed();
    let counters = engine.counters().stream;
    // more than there is room for: the table stays as large as it was
    for number in FLOWS..FLOWS + FLOWS / 10 {
        connect(&mut engine, number);
    }
    let mut report = Report::new("bench flows");
    report.add("flows", float(counters.flows), "flows", Target::AtLeast(f64::from(FLOWS)));
    report.add("resident_bytes_per_flow", memory / f64::from(FLOWS), "bytes", Target::AtMost(2048.0));
    report.add("table_bytes", float(engine.memory_bytes() as u64), "bytes", Target::None);
    report.add("connect_ns", nanoseconds(made), "ns", Target::None);
    report.add("lookup_ns", nanoseconds(found), "ns", Target::None);
    let after = engine.counters().stream.flows;
    report.add("flows_after_10_percent_more", float(after), "flows", Target::AtMost(f64::from(FLOWS)));
    report.print();
    println!();
    if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A handshake and one request.
fn connect(engine: &mut Engine, number: u32) {
    show(engine, number, Flags::SYN, 1000, b"");
    let answer = Segment { source: SERVER, destination: client(number).0, ..segment(number) };
    let answer = Segment {
        source_port: 80,
        destination_port: client(number).1,
        sequence: 9000,
        acknowledgement: 1001,
        flags: Flags::SYN.with(Flags::ACK),
        ..answer
    };
    engine.inspect(now(number), &answer.packet(), Checksums::Ignore);
    show(engine, number, Flags::ACK.with(Flags::PSH), 1001, REQUEST);
}

fn show(engine: &mut Engine, number: u32, flags: Flags, sequence: u32, payload: &[u8]) {
    let packet = Segment { flags, sequence, payload, ..segment(number) }.packet();
    engine.inspect(now(number), &packet, Checksums::Ignore);
}

fn segment(number: u32) -> Segment<'static> {
    let (source, source_port) = client(number);
    Segment {
        source,
        destination: SERVER,
        source_port,
        destination_port: 80,
        sequence: 1000,
        acknowledgement: 9001,
        flags: Flags::ACK,
        window: 512,
        timestamps: None,
        payload: b"",
    }
}

fn client(number: u32) -> (IpAddr, u16) {
    let address = Ipv4Addr::from(0x0a00_0000 + number / 50_000);
    (IpAddr::V4(address), 10_000 + u16::try_from(number % 50_000).unwrap_or(0))
}

fn now(number: u32) -> Now {
    Now { wall: Timestamp(0), monotonic: Duration::from_secs(100) + Duration::from_micros(number.into()) }
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(FLOWS)
}

#[expect(clippy::cast_precision_loss, reason = "counts that are printed")]
fn float(count: u64) -> f64 {
    count as f64
}
