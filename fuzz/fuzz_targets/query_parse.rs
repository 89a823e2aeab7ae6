#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| {
    std::hint::black_box(sakimori_query::parse(text, 1_795_305_600_000_000).is_ok());
});
