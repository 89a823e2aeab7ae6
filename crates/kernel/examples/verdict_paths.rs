//! What the hand-over of verdicts costs: an accept-all reader that answers itself, against one that hands its
//! verdicts through a ring to a writer in another process, as the agent does.
//!
//! `verdict_paths direct|ring QUEUE PORT [SPINS]`, in a network namespace of its own; puts the table, serves until
//! it is ended, and removes nothing (the namespace goes with its table). The numbers and how they were taken are in
//! `docs/decisions/0002-verdict-writer.md`.
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measuring program: it says what it does and ends when something is wrong"
)]

use sakimori_kernel::nfqueue::{
    Batch, QueueMessage, QueueOptions, QueueReader, QueueSocket, Verdict, VerdictMessage, VerdictWriter,
};
use sakimori_kernel::nftables::{Forwarding, Table, TablePlan, TableState, probe};
use sakimori_kernel::ring::RingFiles;
use sakimori_kernel::ring::verdicts::{VerdictConsumer, VerdictEntry, VerdictProducer, create};
use sakimori_kernel::spawn::{self, Program};
use std::os::fd::{AsFd as _, AsRawFd as _};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |n: usize| arguments.get(n).map_or("", String::as_str);
    if argument(0) == "reader" {
        return read_for_ring();
    }
    let queue: u16 = argument(1).parse().unwrap();
    let port: u16 = argument(2).parse().unwrap();
    let spins: u32 = argument(3).parse().unwrap_or(0);
    let socket = QueueSocket::open(QueueOptions::new(queue)).unwrap();
    Table::open()
        .unwrap()
        .apply(&TablePlan {
            capabilities: probe().unwrap(),
            queue,
            bypass: true,
            inspected_ports: vec![port..=port],
            inspect_responses: argument(4) == "responses",
            forwarding: Forwarding::LeftAlone,
            state: TableState::Queue,
            outgoing_ports: Vec::new(),
            outgoing_except: Vec::new(),
            firewall: sakimori_firewall::Plan::default(),
            sample_group: None,
        })
        .unwrap();
    eprintln!("ready");
    match argument(0) {
        "direct" => answer_directly(&socket),
        "ring" => write_from_ring(&socket, spins),
        other => panic!("direct or ring, not {other}"),
    }
}

/// Both in one process: what a worker with `CAP_NET_ADMIN` would do.
fn answer_directly(socket: &QueueSocket) {
    let (mut reader, mut writer) = (socket.reader().unwrap(), socket.verdict_writer().unwrap());
    let mut batch = Batch::new(32);
    loop {
        if reader.read(&mut batch, Some(100)).unwrap() == 0 {
            continue;
        }
        let ids: Vec<u32> = ids(&batch).collect();
        write(&mut writer, &ids);
    }
}

/// The supervisor's half: a child reads, this process answers.
fn write_from_ring(socket: &QueueSocket, spins: u32) {
    let files = create().unwrap();
    let queue = socket.duplicate().unwrap();
    let descriptors = vec![queue.as_fd(), files.memory.as_fd(), files.wake.as_fd()];
    let list: Vec<String> = descriptors.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    let _child = spawn::spawn(&Program {
        path: spawn::OWN_PROGRAM.into(),
        name: "verdict_paths".into(),
        arguments: vec!["reader".into()],
        environment: vec![("DESCRIPTORS".into(), list.join(",").into())],
        descriptors,
    })
    .unwrap();
    let mut writer = socket.verdict_writer().unwrap();
    let mut ring = VerdictConsumer::open(files).unwrap();
    let mut taken = Vec::new();
    loop {
        taken.clear();
        if ring.take(&mut taken).unwrap() > 0 {
            let ids: Vec<u32> = taken.iter().map(|e| e.id).collect();
            write(&mut writer, &ids);
        } else if !(0..spins).any(|_| {
            std::hint::spin_loop();
            !ring.is_empty()
        }) {
            let _woken = ring.wait(None);
        }
    }
}

/// The worker's half.
fn read_for_ring() {
    let mut descriptors = spawn::inherited_list(&std::env::var("DESCRIPTORS").unwrap()).unwrap().into_iter();
    let mut next = || descriptors.next().unwrap();
    let (queue, memory, wake) = (next(), next(), next());
    let mut reader = QueueReader::from_fd(queue);
    let mut ring = VerdictProducer::open(RingFiles { memory, wake }).unwrap();
    let mut batch = Batch::new(32);
    let starter = std::os::unix::process::parent_id();
    // A child of init is an orphan: the measurement is over.
    while std::os::unix::process::parent_id() == starter {
        if reader.read(&mut batch, Some(100)).unwrap() == 0 {
            continue;
        }
        for (n, id) in ids(&batch).enumerate() {
            ring.push(VerdictEntry { id, drop: false, mark: None }).unwrap();
            if n % 8 == 7 {
                ring.publish();
            }
        }
        ring.publish();
    }
}

fn ids(batch: &Batch) -> impl Iterator<Item = u32> {
    batch.messages().filter_map(|message| match message {
        QueueMessage::Packet(packet) => Some(packet.id),
        QueueMessage::Refused { .. } | QueueMessage::Unknown => None,
    })
}

fn write(writer: &mut VerdictWriter, ids: &[u32]) {
    match ids {
        [] => {}
        [id] => {
            let message = VerdictMessage { id: *id, verdict: Verdict::Accept, mark: None, payload: None };
            writer.verdict(message).unwrap();
        }
        [.., last] => writer.verdict_batch(*last, Verdict::Accept, None).unwrap(),
    }
}
