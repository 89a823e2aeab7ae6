#![no_main]
//! Feeds both directions in pieces; the first byte chooses their length.
use sakimori_protocols::http1::{Connection, Control, Direction, Limits, Sink, Stage, Transaction};

struct Touch;

impl Sink<()> for Touch {
    fn progress(&mut self, _: Direction, tx: &mut Transaction<()>, _: Stage) -> Control {
        let m = &tx.message;
        let seen = m.uri().len() + m.normalised_headers().len() + m.header_names().len() + m.host().map_or(0, <[u8]>::len);
        std::hint::black_box(seen);
        Control::Continue
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let limits = Limits { head_bytes: 4096, headers: 50, body_bytes: 4096, pipelined: 8 };
    let mut connection = Connection::default();
    for (n, piece) in bytes.chunks(usize::from(*cut).max(1)).enumerate() {
        let direction = if n % 7 == 6 { Direction::ToClient } else { Direction::ToServer };
        if n % 31 == 30 {
            connection.gap(direction, u64::from(*cut));
        }
        connection.feed(direction, piece, &limits, &mut Touch);
        assert!(connection.memory_bytes() < 64 << 10);
    }
});
