#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for sample in sakimori_kernel::nflog::parse(bytes) {
        assert!(sample.packet.len() + sample.label.len() <= bytes.len());
    }
});
