//! Accepts every TCP packet of the given ports through NFQUEUE: the floor that inspection is measured against.
//!
//! Works in the network namespace it is started in, makes the table `inet sakimori` there and removes it at the
//! end (SIGTERM, SIGINT). Prints one line: packets, bytes, largest packet, overflows, system calls.
//!
//! `accept_all --queue 7 --ports 80,8000-8090 [--gso on|off] [--both-directions] [--one-by-one]`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its result")]

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sakimori_kernel::nfqueue::{Batch, QueueMessage, QueueOptions, QueueSocket, Verdict, VerdictMessage};
use sakimori_kernel::nftables::{CounterKind, Forwarding, Table, TablePlan, TableState, probe};

struct Options {
    queue: u16,
    ports: Vec<RangeInclusive<u16>>,
    gso: bool,
    both_directions: bool,
    one_by_one: bool,
}

fn options() -> Result<Options, String> {
    let mut options =
        Options { queue: 7, ports: Vec::new(), gso: true, both_directions: false, one_by_one: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--queue" => options.queue = value()?.parse().map_err(|error| format!("--queue: {error}"))?,
            "--gso" => options.gso = value()? == "on",
            "--both-directions" => options.both_directions = true,
            "--one-by-one" => options.one_by_one = true,
            "--ports" => {
                for part in value()?.split(',') {
                    let (first, last) = part.split_once('-').unwrap_or((part, part));
                    let port = |text: &str| text.parse::<u16>().map_err(|error| format!("--ports: {error}"));
                    options.ports.push(port(first)?..=port(last)?);
                }
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    if options.ports.is_empty() { Err("--ports is missing".to_owned()) } else { Ok(options) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let socket = QueueSocket::open(QueueOptions { gso: options.gso, ..QueueOptions::new(options.queue) })?;
    let mut table = Table::open()?;
    let capabilities = probe()?;
    table.apply(&TablePlan {
        capabilities,
        queue: options.queue,
        bypass: true,
        inspected_ports: options.ports.clone(),
        inspect_responses: options.both_directions,
        forwarding: Forwarding::Inspected,
        state: TableState::Queue,
        outgoing_ports: Vec::new(),
        outgoing_except: Vec::new(),
        firewall: sakimori_firewall::Plan::default(),
        sample_group: None,
    })?;
    let mut reader = socket.reader()?;
    let mut writer = socket.verdict_writer()?;
    let mut batch = Batch::new(64);
    let (mut packets, mut bytes, mut largest, mut reads) = (0_u64, 0_u64, 0_usize, 0_u64);
    eprintln!("ready: {capabilities:?}");
    while !stop.load(Ordering::Relaxed) {
        reads += u64::from(reader.read(&mut batch, Some(100))? > 0);
        let mut last = None;
        for message in batch.messages() {
            let QueueMessage::Packet(packet) = message else { continue };
            packets += 1;
            bytes += u64::from(packet.original_len);
            largest = largest.max(packet.payload.len());
            last = Some(packet.id);
            if options.one_by_one {
                let id = packet.id;
                writer.verdict(VerdictMessage { id, verdict: Verdict::Accept, mark: None, payload: None })?;
            }
        }
        if let Some(id) = last.filter(|_| !options.one_by_one) {
            writer.verdict_batch(id, Verdict::Accept, None)?;
        }
    }
    let queued = table.read_counters()?.total(CounterKind::Queued);
    table.remove()?;
    println!(
        "packets {packets} bytes {bytes} largest {largest} reads {reads} queued {} overflows {}",
        queued.packets,
        reader.counters().overflows
    );
    Ok(())
}
