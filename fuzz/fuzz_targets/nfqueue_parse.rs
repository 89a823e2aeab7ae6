#![no_main]
use sakimori_kernel::nfqueue::{QueueMessage, parse};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let QueueMessage::Packet(packet) = parse(bytes) {
        assert!(packet.payload.len() <= bytes.len());
    }
});
