#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let packet = sakimori_packet::decode(bytes);
    assert!(packet.payload().len() <= bytes.len());
});
