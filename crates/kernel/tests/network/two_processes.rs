//! The division of labour: an unprivileged process reads, the privileged one answers from a duplicate.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use sakimori_kernel::nfqueue::{
    Batch, QueueMessage, QueueOptions, QueueReader, QueueSocket, Verdict, VerdictMessage, VerdictWriter,
    read_statistics,
};
use sakimori_kernel::nftables::TablePlan;

use crate::support::{LOOPBACKS, PORT, QUEUE, apply, connect, echo, exchange, in_namespace, plan, wait_for};

const CHILD: &str = "SAKIMORI_TEST_CHILD";

/// Not a test of its own: what the unprivileged process does. Its standard input is the queue socket.
#[test]
fn child_reader() {
    let Ok(role) = std::env::var(CHILD) else { return };
    let fd = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut reader = QueueReader::from_fd(fd.try_clone().unwrap());
    let mut writer = VerdictWriter::from_fd(fd, QUEUE);
    let mut out = std::io::stdout().lock();
    writeln!(out).unwrap();
    let mut batch = Batch::new(4);
    for _ in 0..200 {
        reader.read(&mut batch, Some(50)).unwrap();
        for message in batch.messages() {
            match message {
                QueueMessage::Packet(packet) => {
                    writeln!(out, "packet {} {}", packet.id, packet.payload.len()).unwrap();
                    if role == "usurper" {
                        let id = packet.id;
                        let answer =
                            VerdictMessage { id, verdict: Verdict::Accept, mark: None, payload: None };
                        match writer.verdict(answer) {
                            Ok(()) => {}
                            Err(error) => writeln!(out, "refused {}", error.raw_os_error().unwrap()).unwrap(),
                        }
                    }
                }
                QueueMessage::Refused { errno, .. } => writeln!(out, "refused {errno}").unwrap(),
                QueueMessage::Unknown => writeln!(out, "unknown").unwrap(),
            }
        }
        out.flush().unwrap();
    }
}

struct Reader {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Reader {
    fn start(socket: &QueueSocket, role: &str) -> Self {
        let mut child = Command::new("/proc/self/exe")
            .args(["--exact", "two_processes::child_reader", "--nocapture", "--test-threads=1"])
            .env(CHILD, role)
            .stdin(Stdio::from(socket.duplicate().unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .uid(65_534)
            .gid(65_534)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The number behind the next line that starts with the word.
    fn next(&self, word: &str) -> u32 {
        loop {
            let line = self.lines.recv_timeout(std::time::Duration::from_secs(5)).expect(word);
            if let Some(rest) = line.strip_prefix(word) {
                return rest.split_whitespace().next().unwrap().parse().unwrap();
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn an_unprivileged_process_reads_and_the_duplicate_answers() {
    in_namespace("dup", || {
        let _table = apply(&plan());
        let socket = QueueSocket::open(QueueOptions::new(QUEUE)).unwrap();
        let mut writer = socket.verdict_writer().unwrap();
        let reader = Reader::start(&socket, "reader");
        let server = echo(LOOPBACKS[0], PORT, 1);
        let client = std::thread::spawn(|| {
            exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"across processes").unwrap();
        });
        // SYN, SYN/ACK, payload, two FINs.
        for _ in 0..5 {
            let id = reader.next("packet ");
            writer
                .verdict(VerdictMessage { id, verdict: Verdict::Accept, mark: None, payload: None })
                .unwrap();
        }
        client.join().unwrap();
        assert_eq!(server.join().unwrap(), [b"across processes"]);
        reader.kill();
    });
}

#[test]
fn a_verdict_without_the_capability_is_refused() {
    in_namespace("usurp", || {
        let _table = apply(&plan());
        let socket = QueueSocket::open(QueueOptions::new(QUEUE)).unwrap();
        let reader = Reader::start(&socket, "usurper");
        let server = echo(LOOPBACKS[0], PORT, 1);
        let client = std::thread::spawn(|| connect(LOOPBACKS[0], PORT).map(drop));
        reader.next("packet ");
        assert_eq!(reader.next("refused "), 1, "EPERM");
        assert_eq!(read_statistics(QUEUE).unwrap().unwrap().waiting, 1);
        socket.verdict_writer().unwrap().verdict_batch(1, Verdict::Accept, None).unwrap();
        wait_for("the SYN/ACK", || read_statistics(QUEUE).unwrap().unwrap().last_id == 2);
        reader.kill();
        drop(socket);
        drop(apply(&TablePlan { bypass: true, ..plan() }));
        client.join().unwrap().unwrap();
        server.join().unwrap();
    });
}

#[test]
fn a_killed_reader_loses_nothing_while_a_duplicate_lives() {
    in_namespace("killed", || {
        let _table = apply(&plan());
        let socket = QueueSocket::open(QueueOptions::new(QUEUE)).unwrap();
        let reader = Reader::start(&socket, "reader");
        let server = echo(LOOPBACKS[0], PORT, 1);
        let client = std::thread::spawn(|| {
            exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"survives").unwrap();
        });
        let id = reader.next("packet ");
        reader.kill();
        let waiting = read_statistics(QUEUE).unwrap().unwrap();
        assert!(waiting.waiting >= 1, "{waiting:?}");
        // The bypass does not help, somebody is bound: the holder of the duplicate must answer.
        let mut writer = socket.verdict_writer().unwrap();
        writer.verdict_batch(id, Verdict::Accept, None).unwrap();
        wait_for("the handshake's next packet", || read_statistics(QUEUE).unwrap().unwrap().last_id > id);
        // A new reader over the same socket takes over.
        let next = Reader::start(&socket, "reader");
        while !client.is_finished() {
            let id = next.next("packet ");
            writer.verdict_batch(id, Verdict::Accept, None).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        client.join().unwrap();
        let last = read_statistics(QUEUE).unwrap().unwrap().last_id;
        writer.verdict_batch(last, Verdict::Accept, None).unwrap();
        next.kill();
        drop(writer);
        drop(socket);
        assert_eq!(server.join().unwrap(), [b"survives"]);
    });
}
