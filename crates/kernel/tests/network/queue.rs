//! What is queued, what is not, and what verdicts do.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use sakimori_kernel::nfqueue::{Hook, QueueOptions, QueueSocket, Verdict, read_statistics};
use sakimori_kernel::nftables::{CounterKind, CounterPath, MARK_BLOCKED, MARK_DONE, PayloadMatch, TablePlan};

use crate::support::{
    Answerer, LOOPBACKS, PORT, QUEUE, apply, connect, echo, exchange, in_namespace, plan, wait_for,
};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

#[test]
fn both_families_are_queued_once_and_only_where_inspected() {
    in_namespace("once", || {
        let mut table = apply(&plan());
        let answerer = Answerer::accepting();
        for address in LOOPBACKS {
            let (server, other) = (echo(address, PORT, 1), echo(address, 9090, 1));
            exchange(&mut connect(address, PORT).unwrap(), b"to the inspected port").unwrap();
            exchange(&mut connect(address, 9090).unwrap(), b"to another port").unwrap();
            assert_eq!(server.join().unwrap(), [b"to the inspected port"]);
            assert_eq!(other.join().unwrap(), [b"to another port"]);
        }
        let seen = answerer.stop();
        for protocol in [0x0800, 0x86DD] {
            let of: Vec<_> = seen.iter().filter(|p| p.hw_protocol == protocol).collect();
            assert!(
                of.iter().any(|p| p.to_server() && p.flags & (SYN | ACK) == SYN && p.hook == Hook::Input)
            );
            assert!(of.iter().any(|p| p.to_server() && p.data == b"to the inspected port"));
            assert!(of.iter().any(|p| p.to_server() && p.flags & FIN != 0));
            assert!(of.iter().any(|p| p.flags & (SYN | ACK) == SYN | ACK && p.hook == Hook::Output));
            assert!(of.iter().any(|p| !p.to_server() && p.flags & FIN != 0));
        }
        for packet in &seen {
            assert!(packet.source == PORT || packet.destination == PORT, "{packet:?}");
            assert!(packet.flags & (FIN | SYN | RST) != 0 || !packet.data.is_empty(), "{packet:?}");
            assert!(packet.to_server() || packet.data.is_empty(), "responses are not inspected: {packet:?}");
            assert_eq!(packet.to_server(), packet.hook == Hook::Input, "{packet:?}");
            assert_eq!(packet.in_ifindex != 0, packet.hook == Hook::Input, "{packet:?}");
            assert_eq!(packet.out_ifindex != 0, packet.hook == Hook::Output, "{packet:?}");
        }
        let keys: HashSet<_> =
            seen.iter().map(|p| (p.hw_protocol, p.source, p.destination, p.sequence, p.flags)).collect();
        assert_eq!(keys.len(), seen.len(), "a packet was queued twice: {seen:?}");
        let counters = table.read_counters().unwrap();
        assert_eq!(counters.total(CounterKind::Queued).packets, seen.len() as u64);
        let to_server = counters.0[&(CounterKind::Queued, CounterPath::InputToServer)];
        assert_eq!(to_server.packets, seen.iter().filter(|p| p.to_server()).count() as u64);
        assert!(to_server.bytes > 2 * 21);
    });
}

#[test]
fn one_byte_segments_are_queued_with_either_payload_match() {
    in_namespace("onebyte", || {
        // Without timestamps a segment of one byte is shorter than a pure acknowledgement with them.
        for timestamps in ["0", "1"] {
            std::fs::write("/proc/sys/net/ipv4/tcp_timestamps", timestamps).unwrap();
            for payload in [PayloadMatch::InnerHeader, PayloadMatch::DataOffsets] {
                let mut plan = plan();
                plan.capabilities.payload = payload;
                plan.inspect_responses = true;
                let mut table = apply(&plan);
                let answerer = Answerer::accepting();
                for address in LOOPBACKS {
                    let server = echo(address, PORT, 1);
                    let mut stream = connect(address, PORT).unwrap();
                    for byte in b"GET" {
                        exchange(&mut stream, &[*byte]).unwrap();
                    }
                    drop(stream);
                    server.join().unwrap();
                }
                let seen = answerer.stop();
                for protocol in [0x0800, 0x86DD] {
                    for to_server in [true, false] {
                        let bytes: Vec<u8> = seen
                            .iter()
                            .filter(|p| p.hw_protocol == protocol && p.to_server() == to_server)
                            .flat_map(|p| p.data.clone())
                            .collect();
                        assert_eq!(bytes, b"GET", "{payload:?} {protocol:x} {to_server}");
                    }
                }
                assert!(
                    seen.iter().all(|p| p.flags & (FIN | SYN | RST) != 0 || p.data.len() == 1),
                    "{seen:?}"
                );
                table.remove().unwrap();
            }
        }
    });
}

#[test]
fn a_done_flow_does_not_come_back() {
    in_namespace("done", || {
        let mut table = apply(&TablePlan { inspect_responses: true, ..plan() });
        let answerer = Answerer::start(QueueOptions::new(QUEUE), |packet| {
            let done = packet.to_server() && !packet.data.is_empty();
            (Verdict::Accept, done.then_some(packet.mark | MARK_DONE))
        });
        for address in LOOPBACKS {
            let server = echo(address, PORT, 1);
            let mut stream = connect(address, PORT).unwrap();
            for _ in 0..20 {
                exchange(&mut stream, b"payload").unwrap();
            }
            drop(stream);
            server.join().unwrap();
        }
        let seen = answerer.stop();
        let payloads = seen.iter().filter(|p| !p.data.is_empty()).count();
        assert_eq!(payloads, 2, "one per flow: {seen:?}");
        assert!(seen.iter().all(|p| p.flags & (FIN | RST) == 0), "{seen:?}");
        let counters = table.read_counters().unwrap();
        assert!(counters.0[&(CounterKind::Done, CounterPath::Input)].packets >= 2 * 20);
        assert!(counters.0[&(CounterKind::Done, CounterPath::Output)].packets >= 2 * 20);
        let connections = std::fs::read_to_string("/proc/thread-self/net/nf_conntrack").unwrap();
        assert_eq!(connections.matches(&format!("mark={MARK_DONE} ")).count(), 2, "{connections}");
    });
}

#[test]
fn marks_of_others_stay() {
    in_namespace("marks", || {
        // The accepted socket takes the mark that its SYN has behind our chains.
        std::fs::write("/proc/sys/net/ipv4/tcp_fwmark_accept", "1").unwrap();
        let _table = apply(&plan());
        let answerer = Answerer::start(QueueOptions::new(QUEUE), |packet| {
            // Only answers of the server carry the mark back; nothing of the flow is queued after Done.
            let done = !packet.to_server() && packet.flags & (SYN | ACK) == SYN | ACK;
            (Verdict::Accept, done.then_some(packet.mark | MARK_DONE))
        });
        let server = echo(LOOPBACKS[0], PORT, 1);
        let family = rustix::net::AddressFamily::INET;
        let socket = rustix::net::socket(family, rustix::net::SocketType::STREAM, None).unwrap();
        sakimori_kernel_sys::socket::set_mark(&socket, 0x5001).unwrap();
        rustix::net::connect(&socket, &std::net::SocketAddr::new(LOOPBACKS[0], PORT)).unwrap();
        let mut stream = std::net::TcpStream::from(socket);
        exchange(&mut stream, b"payload").unwrap();
        drop(stream);
        server.join().unwrap();
        let seen = answerer.stop();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(seen[0].mark, 0x5001, "the client's mark is seen");
        assert_eq!(seen[1].mark, 0x5001, "the server's answer has it from the SYN, without our bits");
    });
}

#[test]
fn a_blocked_flow_is_dropped_and_counted_and_others_go_on() {
    in_namespace("blocked", || {
        let mut table = apply(&plan());
        let answerer = Answerer::start(QueueOptions::new(QUEUE), |packet| {
            let attack = packet.data.windows(6).any(|window| window == b"attack");
            (Verdict::Accept, attack.then_some(packet.mark | MARK_BLOCKED))
        });
        for address in LOOPBACKS {
            let server = echo(address, PORT, 2);
            let mut bad = connect(address, PORT).unwrap();
            exchange(&mut bad, b"harmless").unwrap();
            bad.write_all(b"an attack").unwrap();
            let error = bad.read(&mut [0; 10]).unwrap_err();
            assert!(
                matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
                "{error}"
            );
            drop(bad);
            let mut good = connect(address, PORT).unwrap();
            // The server takes the second connection when its read of the first times out.
            good.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            exchange(&mut good, b"another flow").unwrap();
            drop(good);
            assert_eq!(server.join().unwrap(), [b"harmless".to_vec(), b"another flow".to_vec()]);
        }
        let seen = answerer.stop();
        let attacks = seen.iter().filter(|p| p.data == b"an attack").count();
        assert_eq!(attacks, 2, "retransmissions are dropped in the kernel");
        let counters = table.read_counters().unwrap();
        assert_eq!(counters.0[&(CounterKind::Blocked, CounterPath::Input)].packets, 2, "the first of each");
        // On loopback the retransmissions are stopped when they leave.
        let blocked = counters.total(CounterKind::Blocked).packets;
        assert!(blocked >= 4, "first packet and at least one retransmission of each flow, was {blocked}");
    });
}

#[test]
fn a_dropped_packet_comes_again() {
    in_namespace("drop", || {
        let _table = apply(&plan());
        let mut dropped = 0;
        let answerer = Answerer::start(QueueOptions::new(QUEUE), move |packet| {
            let drop = !packet.data.is_empty() && dropped < 2;
            dropped += i32::from(drop);
            (if drop { Verdict::Drop } else { Verdict::Accept }, None)
        });
        let server = echo(LOOPBACKS[0], PORT, 1);
        exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"thrice").unwrap();
        server.join().unwrap();
        let seen = answerer.stop();
        assert_eq!(seen.iter().filter(|p| p.data == b"thrice").count(), 3);
    });
}

#[test]
fn offload_packets_arrive_whole_only_when_asked_for() {
    for gso in [true, false] {
        in_namespace(if gso { "gso" } else { "nogso" }, || {
            crate::support::ip("link set lo mtu 1500");
            let _table = apply(&plan());
            let options = QueueOptions { gso, fail_open: false, ..QueueOptions::new(QUEUE) };
            let answerer = Answerer::start(options, |_| (Verdict::Accept, None));
            for address in LOOPBACKS {
                let server = echo(address, PORT, 1);
                let mut stream = connect(address, PORT).unwrap();
                let data: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
                let mut sender = stream.try_clone().unwrap();
                let sent = data.clone();
                let thread = std::thread::spawn(move || sender.write_all(&sent).unwrap());
                let mut back = vec![0; data.len()];
                stream.read_exact(&mut back).unwrap();
                assert!(back == data);
                thread.join().unwrap();
                drop(stream);
                server.join().unwrap();
            }
            let seen = answerer.stop();
            let longest = seen.iter().map(|p| p.data.len()).max().unwrap();
            let bytes: usize = seen.iter().map(|p| p.data.len()).sum();
            assert!(bytes >= 8_000_000, "{bytes}");
            if gso {
                assert!(longest > 20_000, "{longest}");
                assert!(seen.iter().any(|p| p.gso && p.checksum_not_ready));
            } else {
                assert!(longest <= 1460, "{longest}");
                assert!(seen.iter().all(|p| !p.gso));
            }
        });
    }
}

#[test]
fn an_overflow_under_fail_open_neither_ends_the_reader_nor_the_traffic() {
    in_namespace("overflow", || {
        let mut table = apply(&plan());
        let options = QueueOptions { receive_buffer_bytes: 8192, max_len: 64, ..QueueOptions::new(QUEUE) };
        let socket = QueueSocket::open(options).unwrap();
        let mut slow = 0;
        let answerer = Answerer::over(socket, move |_| {
            slow += 1;
            if slow > 3 {
                std::thread::sleep(Duration::from_millis(2));
            }
            (Verdict::Accept, None)
        });
        let server = echo(LOOPBACKS[0], PORT, 1);
        let mut stream = connect(LOOPBACKS[0], PORT).unwrap();
        let mut sender = stream.try_clone().unwrap();
        let thread = std::thread::spawn(move || sender.write_all(&vec![7; 8_000_000]).unwrap());
        let mut back = vec![0; 8_000_000];
        stream.read_exact(&mut back).unwrap();
        thread.join().unwrap();
        drop(stream);
        server.join().unwrap();
        let statistics = read_statistics(QUEUE).unwrap().unwrap();
        assert_eq!((statistics.queue_dropped, statistics.user_dropped), (0, 0), "fail-open hides the loss");
        // A flow after the burst is still read.
        wait_for("the slow reader", || read_statistics(QUEUE).unwrap().unwrap().waiting == 0);
        let server = echo(LOOPBACKS[0], PORT, 1);
        exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"afterwards").unwrap();
        server.join().unwrap();
        let seen = answerer.stop();
        assert!(seen.iter().any(|p| p.data == b"afterwards"));
        let queued = table.read_counters().unwrap().total(CounterKind::Queued).packets;
        assert!(queued > seen.len() as u64, "the counter before the queue shows it: {queued} {}", seen.len());
    });
}

#[test]
fn a_queue_has_one_owner() {
    in_namespace("owner", || {
        let first = QueueSocket::open(QueueOptions::new(QUEUE)).unwrap();
        let error = QueueSocket::open(QueueOptions::new(QUEUE)).unwrap_err();
        assert_eq!(error.to_string(), "cannot bind the listener of queue 77");
        let statistics = read_statistics(QUEUE).unwrap().unwrap();
        assert_eq!((statistics.queue, statistics.waiting, statistics.last_id), (QUEUE, 0, 0));
        drop(first);
        assert_eq!(read_statistics(QUEUE).unwrap(), None);
        QueueSocket::open(QueueOptions::new(QUEUE)).unwrap();
    });
}
