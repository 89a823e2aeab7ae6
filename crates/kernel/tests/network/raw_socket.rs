//! Resets in the name of either side.

use std::io::Read as _;
use std::net::IpAddr;

use sakimori_kernel::nfqueue::{QueueOptions, Verdict};
use sakimori_kernel::nftables::MARK_INJECTED;
use sakimori_kernel::raw_socket::{RawSender, SendError};

use crate::support::{Answerer, LOOPBACKS, PORT, QUEUE, Seen, apply, connect, exchange, in_namespace, plan};

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0))).sum()
}

/// A whole packet that resets the connection.
fn reset(address: IpAddr, source: u16, destination: u16, sequence: u32) -> Vec<u8> {
    let mut tcp = vec![0; 20];
    tcp[0..2].copy_from_slice(&source.to_be_bytes());
    tcp[2..4].copy_from_slice(&destination.to_be_bytes());
    tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
    tcp[12] = 5 << 4;
    tcp[13] = 4;
    let (mut packet, addresses) = match address {
        IpAddr::V4(v4) => {
            let mut header = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
            header.extend(v4.octets());
            header.extend(v4.octets());
            (header, v4.octets().repeat(2))
        }
        IpAddr::V6(v6) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
            header.extend(v6.octets());
            header.extend(v6.octets());
            (header, v6.octets().repeat(2))
        }
    };
    let mut total = sum(&addresses) + 6 + 20 + sum(&tcp);
    while total > 0xFFFF {
        total = (total & 0xFFFF) + (total >> 16);
    }
    tcp[16..18].copy_from_slice(&(!(total as u16)).to_be_bytes());
    packet.extend(tcp);
    packet
}

#[test]
fn both_sides_of_a_connection_are_reset_and_the_resets_are_not_queued() {
    in_namespace("reset", || {
        let _table = apply(&plan());
        for address in LOOPBACKS {
            let sender = RawSender::open().unwrap();
            let listener = std::net::TcpListener::bind((address, PORT)).unwrap();
            let (tell, last) = std::sync::mpsc::channel::<Seen>();
            let answerer = Answerer::start(QueueOptions::new(QUEUE), move |packet| {
                if !packet.data.is_empty() {
                    tell.send(packet.clone()).unwrap();
                }
                (Verdict::Accept, None)
            });
            let mut client = connect(address, PORT).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            let echo = std::thread::spawn(move || {
                let mut buffer = [0; 7];
                server.read_exact(&mut buffer).unwrap();
                std::io::Write::write_all(&mut server, &buffer).unwrap();
                server
            });
            exchange(&mut client, b"payload").unwrap();
            let mut server = echo.join().unwrap();
            let packet = last.recv().unwrap();
            // In the server's name the next byte that the client expects, and the other way round.
            sender.send(&reset(address, PORT, packet.source, packet.acknowledgement + 7)).unwrap();
            sender.send(&reset(address, packet.source, PORT, packet.sequence + 7)).unwrap();
            for stream in [&mut client, &mut server] {
                let error = stream.read(&mut [0; 1]).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
            let seen = answerer.stop();
            assert!(seen.iter().all(|p| p.flags & 4 == 0 && p.mark & MARK_INJECTED == 0), "{seen:?}");
        }
    });
}

#[test]
fn what_is_no_packet_is_not_sent() {
    in_namespace("noip", || {
        let sender = RawSender::open().unwrap();
        for bytes in [&[][..], &[0x45; 19], &[0x60; 39], &[0x12; 60]] {
            assert!(matches!(sender.send(bytes), Err(SendError::NotIp)));
        }
    });
}
