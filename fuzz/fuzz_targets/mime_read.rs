#![no_main]
//! A mail, line by line.
use sakimori_protocols::smtp::mime::{Found, Reader};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (mut reader, mut found) = (Reader::default(), Vec::new());
    bytes.split(|byte| *byte == b'\n').for_each(|line| reader.line(line, &mut found));
    reader.end(&mut found);
    let begun = found.iter().filter(|found| matches!(found, Found::FileBegin(_))).count();
    let ended = found.iter().filter(|found| matches!(found, Found::FileEnd)).count();
    assert_eq!(begun, ended);
});
