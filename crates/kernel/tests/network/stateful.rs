//! Stateful checks in the real kernel: what has to be dropped, and what must not be.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use sakimori_firewall::{Check, Fallback, Fragment, Hook, Link, Packet, Policy, Stateful};
use sakimori_kernel::nflog::{SampleReader, SampleSocket};
use sakimori_kernel::nftables::{Table, TablePlan};
use sakimori_model::Mode;

use crate::firewall::{GROUP, HOSTS, address, firewall, flush_connections, pair};
use crate::model::Raw;
use crate::support::{PORT, apply, connect, echo, exchange, root, wait_for};

const SYN: u8 = 2;
const ACK: u8 = 16;

fn checking(stateful: Stateful) -> TablePlan {
    firewall(&policy(stateful))
}

fn policy(stateful: Stateful) -> Policy {
    Policy { mode: Mode::Prevent, default_inbound: Fallback::Allow, stateful, ..Policy::default() }
}

/// What the kernel has counted of each check, those of nought left out.
fn counted(table: &mut Table) -> BTreeMap<String, u64> {
    let counters = table.read_firewall_counters().unwrap();
    let counters = counters.into_iter().map(|(name, count)| (name, count.packets));
    counters.filter(|(name, count)| name.starts_with("fw_state_") && *count > 0).collect()
}

fn count(table: &mut Table, check: Check) -> u64 {
    counted(table).get(check.counter()).copied().unwrap_or_default()
}

fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
}

/// The sum that a packet's receiver wants (RFC 1071).
fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// A whole packet around what it carries; as a fragment where it says so.
fn ip_packet(packet: &Packet, carried: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let fragment = packet.fragment.map_or(0, |f| (f.offset / 8) | (u16::from(f.more) << 13));
            bytes.extend([0x45, 0]);
            bytes.extend((20 + carried.len() as u16).to_be_bytes());
            bytes.extend([7, 7]);
            bytes.extend(fragment.to_be_bytes());
            bytes.extend([64, packet.protocol, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = packet.fragment.map(|f| {
                let [high, low] = (f.offset | u16::from(f.more)).to_be_bytes();
                [packet.protocol, 0, high, low, 0, 0, 7, 7]
            });
            let next = if header.is_some() { 44 } else { packet.protocol };
            let more = header.map_or(0, |_| 8);
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend((more + carried.len() as u16).to_be_bytes());
            bytes.extend([next, 64]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
            bytes.extend(header.into_iter().flatten());
        }
        _ => panic!("one family"),
    }
    bytes.extend(carried);
    bytes
}

/// A TCP segment with a true checksum.
fn tcp(packet: &Packet, sequence: u32) -> Vec<u8> {
    let (source, destination) = packet.ports.unwrap();
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 9, 5 << 4, packet.tcp_flags.unwrap(), 4, 0, 0, 0, 0, 0]);
    let length = (segment.len() as u32).to_be_bytes();
    let sum = match (packet.source, packet.destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => {
            checksum(&[&s.octets(), &d.octets(), &[0, 6], &length[2..], &segment])
        }
        (IpAddr::V6(s), IpAddr::V6(d)) => {
            checksum(&[&s.octets(), &d.octets(), &length, &[0, 0, 0, 6], &segment])
        }
        _ => panic!("one family"),
    };
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn arriving(v6: bool, protocol: u8) -> Packet {
    Packet {
        from: Some(Link { name: "eth0".parse().unwrap(), kind: None }),
        ..Packet::new(Hook::Input, address(v6, 2, 1), address(v6, 1, 1), protocol)
    }
}

/// Every combination of TCP flags, every ICMP type, from nowhere: the kernel counts and drops what the plan says.
#[test]
fn of_a_single_packet_the_kernel_and_the_plan_say_the_same() {
    if !root() {
        return;
    }
    let pair = pair();
    let from_there = pair.there.run(Raw::open);
    pair.here.run(|| {
        let mut tried = 0;
        for mode in [Mode::Prevent, Mode::Detect] {
            let planned = checking(Stateful {
                invalid: mode,
                out_of_connection: mode,
                congestion_flags: mode,
                ..Stateful::default()
            });
            Table::open().unwrap().remove().unwrap();
            let mut table = apply(&planned);
            sysctl("netfilter/nf_conntrack_checksum", "0");
            sysctl("netfilter/nf_conntrack_tcp_loose", "1");
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            let mut dropped = 0;
            for v6 in [false, true] {
                let mut packets = Vec::new();
                for flags in 0..=u8::MAX {
                    let ports = (20_000 + u16::from(flags), PORT);
                    let packet = Packet { tcp_flags: Some(flags), ports: Some(ports), ..arriving(v6, 6) };
                    packets.push((packet, tcp(&packet, 1)));
                }
                for kind in (0..=u8::MAX).filter(|kind| !v6 || !matches!(kind, 130..=137)) {
                    let packet = Packet { icmp: Some((kind, 0)), ..arriving(v6, if v6 { 58 } else { 1 }) };
                    packets.push((packet, vec![kind, 0, 0, 0, kind, 7, 0, 1]));
                }
                for (packet, carried) in packets {
                    let judged = planned.firewall.judge(&packet);
                    judged.counted.iter().for_each(|name| *expected.entry(name.clone()).or_default() += 1);
                    dropped += u64::from(judged.dropped);
                    tried += 1;
                    from_there.send(&ip_packet(&packet, &carried), packet.destination);
                    wait_for(&format!("{packet:?} as {judged:?}"), || counted(&mut table) == expected);
                }
            }
            assert_eq!(dropped > 300, mode == Mode::Prevent, "{dropped}");
            flush_connections();
        }
        println!("{tried} packets: no disagreement");
    });
}

#[test]
fn a_connection_that_stands_is_no_concern_of_the_checks() {
    if !root() {
        return;
    }
    let pair = pair();
    let from_there = pair.there.run(Raw::open);
    pair.here.run(|| {
        let everything = || Stateful {
            invalid: Mode::Prevent,
            out_of_connection: Mode::Prevent,
            fragments: Mode::Prevent,
            short_fragments: Mode::Prevent,
            from_one_source: 5,
            ..Stateful::default()
        };
        for v6 in [false, true] {
            let here = address(v6, 1, 1);
            let (server, other) = (echo(here, PORT, 1), echo(here, PORT + 1, 1));
            // Nothing tracks connections yet.
            let mut before = pair.there.run(|| connect(here, PORT).unwrap());
            exchange(&mut before, b"before the table").unwrap();
            assert_eq!(sakimori_kernel::conntrack::learn_standing().unwrap(), 1);
            let mut table = apply(&checking(everything()));
            for round in 0..20 {
                exchange(&mut before, format!("it goes on {round}").as_bytes()).unwrap();
            }
            let mut after = pair.there.run(|| connect(here, PORT + 1).unwrap());
            for _ in 0..10 {
                exchange(&mut after, &vec![7; 20_000]).unwrap();
            }
            assert_eq!(counted(&mut table), BTreeMap::new());
            // Somebody else's packet in the middle of nothing.
            let packet = Packet { tcp_flags: Some(ACK), ports: Some((9, PORT)), ..arriving(v6, 6) };
            from_there.send(&ip_packet(&packet, &tcp(&packet, 1)), here);
            wait_for("its drop", || count(&mut table, Check::OutOfConnection) == 1);
            // An agent that starts again finds the table, and tracking goes on meanwhile.
            drop(table);
            let mut table = apply(&checking(everything()));
            exchange(&mut before, b"still").unwrap();
            exchange(&mut after, b"here").unwrap();
            assert_eq!(count(&mut table, Check::OutOfConnection), 1, "counters are kept");
            drop((before, after));
            server.join().unwrap();
            other.join().unwrap();
            table.remove().unwrap();
        }
    });
}

/// What the agent tells the kernel of standing connections for: one that nobody knows is cut.
#[test]
fn a_connection_that_tracking_does_not_know_is_cut() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let here = address(false, 1, 1);
        let server = echo(here, PORT, 1);
        let mut before = pair.there.run(|| connect(here, PORT).unwrap());
        exchange(&mut before, b"before").unwrap();
        let mut table =
            apply(&checking(Stateful { out_of_connection: Mode::Prevent, ..Stateful::default() }));
        assert!(exchange(&mut before, b"cut").is_err());
        assert!(count(&mut table, Check::OutOfConnection) >= 1);
        // Only detected, another one goes on.
        table.remove().unwrap();
        flush_connections();
        drop(before);
        server.join().unwrap();
        let server = echo(here, PORT + 1, 1);
        let mut before = pair.there.run(|| connect(here, PORT + 1).unwrap());
        let mut table = apply(&checking(Stateful { out_of_connection: Mode::Detect, ..Stateful::default() }));
        exchange(&mut before, b"goes on").unwrap();
        assert_eq!(count(&mut table, Check::OutOfConnection), 1);
        drop(before);
        server.join().unwrap();
    });
}

/// Connections of one source, kept open.
fn crowd(from: &std::net::SocketAddr, to: std::net::SocketAddr) -> std::io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket(family, SocketType::STREAM, None)?;
    bind(&fd, from)?;
    rustix::net::sockopt::set_socket_timeout(
        &fd,
        rustix::net::sockopt::Timeout::Send,
        Some(Duration::from_millis(700)),
    )?;
    rustix::net::connect(&fd, &to)?;
    Ok(TcpStream::from(fd))
}

#[test]
fn one_source_reaches_its_limit_and_another_connects() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let mut reader = SampleReader::from_fd(SampleSocket::open(GROUP).unwrap().into_fd());
        let limited = |most| checking(Stateful { from_one_source: most, ..Stateful::default() });
        for v6 in [false, true] {
            let mut table = apply(&limited(4));
            let here = std::net::SocketAddr::new(address(v6, 1, 1), PORT);
            let listener = TcpListener::bind(here).unwrap();
            // Of IPv6 all addresses of a /64 are one source: the other one is of another network.
            let other = if v6 { "fd78::9".parse().unwrap() } else { address(false, 2, 2) };
            if v6 {
                crate::support::ip(&format!("-n {} address add fd78::9/64 dev eth0 nodad", pair.there.0));
                crate::support::ip(&format!("-n {} address add fd78::1/64 dev eth0 nodad", pair.here.0));
            }
            let from = |address| pair.there.run(|| crowd(&std::net::SocketAddr::new(address, 0), here));
            let mut held: Vec<TcpStream> = (0..4).map(|_| from(address(v6, 2, 1)).unwrap()).collect();
            assert!(from(address(v6, 2, 1)).is_err(), "a fifth one");
            if v6 {
                assert!(from(address(v6, 2, 2)).is_err(), "another address of the same /64");
            }
            let _other = from(other).unwrap();
            assert!(count(&mut table, Check::FromOneSource) >= 1);
            // A swap forgets nobody's connections.
            table.apply(&limited(4)).unwrap();
            assert!(from(address(v6, 2, 1)).is_err(), "still a fifth one");
            let mut told = false;
            while reader.read(|sample| told |= sample.label == b"fw_state_from_one_source!").unwrap() > 0 {}
            assert!(told, "samples of it are taken");
            // Who ends a connection may open another one.
            let (accepted, _) = listener.accept().unwrap();
            drop((held.remove(0), accepted));
            wait_for("room", || from(address(v6, 2, 1)).map(|one| held.push(one)).is_ok());
            // Another limit is another count.
            table.apply(&limited(1)).unwrap();
            assert!(from(other).is_ok());
            assert!(from(other).is_err());
            table.apply(&checking(Stateful::default())).unwrap();
            assert!(from(other).is_ok(), "no limit");
            assert_eq!(counted(&mut table), BTreeMap::new());
            table.remove().unwrap();
        }
    });
}

#[test]
fn connections_to_the_outside_are_limited_in_all_and_by_destination_but_not_to_the_manager() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let there = |host, port| std::net::SocketAddr::new(address(false, 2, host), port);
        let listening: Vec<TcpListener> = pair.there.run(|| {
            let all = [there(1, PORT), there(2, PORT), there(3, PORT), there(4, 4443), there(1, 53)];
            all.map(|end| TcpListener::bind(end).unwrap()).into()
        });
        let manager = sakimori_firewall::Endpoint { address: address(false, 2, 4), port: 4443 };
        let stateful = Stateful { to_one_destination: 2, outgoing: 3, ..Stateful::default() };
        let mut table = apply(&firewall(&Policy { always: vec![manager], ..policy(stateful) }));
        let to = |host, port| connect(address(false, 2, host), port);
        let held = [to(1, PORT).unwrap(), to(1, PORT).unwrap()];
        assert!(to(1, PORT).is_err(), "a third one to the same");
        let third = to(2, PORT).unwrap();
        assert!(to(3, PORT).is_err(), "a fourth one in all");
        let always = [to(4, 4443).unwrap(), to(4, 4443).unwrap(), to(4, 4443).unwrap(), to(1, 53).unwrap()];
        let of = |table: &mut Table, check| count(table, check) > 0;
        assert!(of(&mut table, Check::ToOneDestination) && of(&mut table, Check::Outgoing));
        assert!(!of(&mut table, Check::FromOneSource));
        drop((held, third, always, listening));
    });
}

/// Fragments are seen before tracking puts them together.
#[test]
fn fragments_are_dropped_before_they_are_put_together() {
    if !root() {
        return;
    }
    let pair = pair();
    let from_there = pair.there.run(Raw::open);
    pair.here.run(|| {
        let of = |offset, more, length| Fragment { offset, more, length };
        let parts = [
            (0, true, 64),
            (0, true, 200),
            (48, false, 64),
            (56, false, 64),
            (1200, true, 700),
            (1600, false, 9),
        ];
        let modes = [
            (Mode::Prevent, Mode::Off),
            (Mode::Off, Mode::Prevent),
            (Mode::Detect, Mode::Prevent),
            (Mode::Prevent, Mode::Detect),
        ];
        for (short_fragments, fragments) in modes {
            let planned = checking(Stateful { short_fragments, fragments, ..Stateful::default() });
            let mut table = apply(&planned);
            let mut expected: BTreeMap<String, u64> = BTreeMap::new();
            for v6 in [false, true] {
                for (offset, more, bytes) in parts {
                    let length = bytes + if v6 { 48 } else { 20 };
                    let packet = Packet { fragment: Some(of(offset, more, length)), ..arriving(v6, 17) };
                    let judged = planned.firewall.judge(&packet);
                    judged.counted.iter().for_each(|name| *expected.entry(name.clone()).or_default() += 1);
                    from_there.send(&ip_packet(&packet, &vec![9; usize::from(bytes)]), packet.destination);
                }
                let whole = arriving(v6, 17);
                from_there.send(&ip_packet(&whole, &[9; 40]), whole.destination);
            }
            wait_for("all of them", || counted(&mut table).values().sum::<u64>() >= expected.values().sum());
            assert_eq!(counted(&mut table), expected, "{}", planned.firewall);
            table.remove().unwrap();
        }
        // Honest datagrams of many pieces arrive while only short ones are denied, and no more once all are.
        for v6 in [false, true] {
            let here = std::net::UdpSocket::bind((address(v6, 1, 1), PORT)).unwrap();
            here.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
            let datagram = vec![7; 5_000];
            let mut table = Table::open().unwrap();
            for (fragments, arrives) in [(Mode::Off, true), (Mode::Detect, true), (Mode::Prevent, false)] {
                let stateful = Stateful { short_fragments: Mode::Prevent, fragments, ..Stateful::default() };
                table.apply(&checking(stateful)).unwrap();
                pair.there.run(|| {
                    let socket = std::net::UdpSocket::bind((address(v6, 2, HOSTS), 0)).unwrap();
                    socket.send_to(&datagram, (address(v6, 1, 1), PORT)).unwrap();
                });
                assert_eq!(here.recv_from(&mut [0; 6_000]).is_ok(), arrives, "{fragments:?} {v6}");
            }
            assert_eq!(count(&mut table, Check::ShortFragment), 0);
            table.remove().unwrap();
        }
    });
}

/// A flood of SYNs from nowhere takes all room for half-open connections: an honest client still connects.
#[test]
fn in_a_flood_of_half_open_connections_cookies_let_an_honest_client_in() {
    if !root() {
        return;
    }
    let pair = pair();
    let from_there = pair.there.run(Raw::open);
    pair.here.run(|| {
        for v6 in [false, true] {
            let stateful =
                Stateful { half_open: 50, out_of_connection: Mode::Prevent, ..Stateful::default() };
            let mut table = apply(&checking(stateful.clone()));
            let here = address(v6, 1, 1);
            let server = echo(here, PORT, 4);
            let talk = |bytes: usize| {
                pair.there.run(|| {
                    let mut stream = connect(here, PORT)?;
                    exchange(&mut stream, &vec![7; bytes])?;
                    exchange(&mut stream, b"and once more")?;
                    std::io::Result::Ok(stream)
                })
            };
            drop(talk(10_000).unwrap());
            assert_eq!(counted(&mut table), BTreeMap::new(), "no cookie while there is room");
            let flood = |count: u16| {
                for number in 0..count {
                    let [high, low] = number.to_be_bytes();
                    let source: IpAddr = if v6 {
                        format!("fd77::9:{number:x}").parse().unwrap()
                    } else {
                        format!("10.78.{}.{low}", 100 + high).parse().unwrap()
                    };
                    let ports = Some((1_024 + number, PORT));
                    let packet = Packet { source, tcp_flags: Some(SYN), ports, ..arriving(v6, 6) };
                    from_there.send(&ip_packet(&packet, &tcp(&packet, u32::from(number))), here);
                }
            };
            flood(2_000);
            wait_for("the flood", || count(&mut table, Check::HalfOpen) >= 1_900);
            let during = talk(20_000);
            assert!(during.is_ok(), "{during:?} {:?}", counted(&mut table));
            let mut during = during.unwrap();
            assert!(count(&mut table, Check::CookieAnswer) >= 1, "by a cookie: {:?}", counted(&mut table));
            assert_eq!(count(&mut table, Check::OutOfConnection), 0, "{:?}", counted(&mut table));
            exchange(&mut during, b"the connection stands").unwrap();
            // A forged answer opens nothing.
            let answers = count(&mut table, Check::CookieAnswer);
            let forged = Packet { tcp_flags: Some(ACK), ports: Some((77, PORT)), ..arriving(v6, 6) };
            from_there.send(&ip_packet(&forged, &tcp(&forged, 1)), here);
            wait_for("its count", || count(&mut table, Check::CookieAnswer) == answers + 1);
            drop(during);
            // Only detected, it is only counted.
            table.apply(&firewall(&Policy { mode: Mode::Detect, ..policy(stateful) })).unwrap();
            let detected = talk(10).unwrap();
            drop(detected);
            drop(talk(10).unwrap());
            server.join().unwrap();
            table.remove().unwrap();
        }
    });
}
