#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sakimori_stream::fuzz::drive(bytes));
