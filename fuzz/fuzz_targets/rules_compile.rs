#![no_main]
use sakimori_signatures::{SourceFile, Variables, compile};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = SourceFile { name: "fuzz.rules".to_owned(), text: bytes.to_vec() };
    std::hint::black_box(compile(&[file], &Variables::default()).loaded);
});
