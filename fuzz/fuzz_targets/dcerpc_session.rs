#![no_main]
//! Both sides of a connection in pieces; the first byte chooses side and length.
use sakimori_protocols::Side;
use sakimori_protocols::dcerpc::Session;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let (mut session, mut said) = (Session::default(), Vec::new());
    for (number, piece) in bytes.chunks(usize::from(cut >> 2).max(1)).enumerate() {
        let other = number % 2 == 1 && cut & 2 != 0;
        let side = if (cut & 1 == 0) == other { Side::Server } else { Side::Client };
        session.feed(side, piece, &mut said);
        said.clear();
    }
});
