#![no_main]
//! A message by itself, and the same bytes as a stream of messages.
use sakimori_protocols::dns::{Framing, Message};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    std::hint::black_box((Message::may_begin(bytes), Message::parse(bytes)));
    let mut framing = Framing::default();
    for piece in bytes.chunks(7) {
        framing.feed(piece, |message| {
            std::hint::black_box(Message::parse(message));
        });
    }
});
