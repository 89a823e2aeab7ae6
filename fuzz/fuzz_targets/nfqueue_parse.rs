#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    sakimori_kernel::nfqueue::parse(bytes).for_each(|packet| {
        std::hint::black_box(packet.payload.len());
    });
});
