#![no_main]
//! Both sides of a TLS connection in pieces; the first bytes choose side and length.
use sakimori_protocols::Side;
use sakimori_protocols::tls::{Certificate, Said, Session, ja3, ja3s, ja4};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let side = if cut & 1 == 0 { Side::Client } else { Side::Server };
    let (mut session, mut said) = (Session::default(), Vec::new());
    for piece in bytes.chunks(usize::from(cut >> 1).max(1)) {
        session.feed(side, piece, &mut said);
        assert!(session.memory_bytes() <= 256 << 10);
    }
    for said in &said {
        match said {
            Said::ClientHello(hello) => drop((ja3(hello), ja4(hello, 't'))),
            Said::ServerHello(hello) => drop(ja3s(hello)),
            Said::Certificates(chain) => chain.iter().for_each(|der| drop(Certificate::read(der))),
            _ => {}
        }
    }
});
