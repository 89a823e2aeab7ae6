#![no_main]
use sakimori_loginspect::{Dialect, SourceFile, compile};
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = SourceFile { name: "fuzz.xml".to_owned(), text: bytes.to_vec() };
    std::hint::black_box(compile(&[file], Dialect::Wazuh).loaded);
});
