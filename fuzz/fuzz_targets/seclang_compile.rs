#![no_main]
//! Directives of the web application firewall: findings, or a rule set that judges a request.
use sakimori_seclang::{Memory, NoFiles, Opening, SourceFile, compile};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let compiled = compile(&[SourceFile { name: "fuzz".to_owned(), text: text.to_vec() }], &NoFiles);
    let Some(rules) = compiled.ruleset else { return };
    let store = Memory::new(4);
    let opening = Opening {
        client: ([192, 0, 2, 1], 1).into(),
        server: ([192, 0, 2, 2], 80).into(),
        unique_id: String::new(),
        now: Default::default(),
    };
    let mut transaction = rules.transaction(&store, &opening);
    transaction.request_line(b"GET", b"/?a=1", b"HTTP/1.1");
    transaction.request_headers_end();
    transaction.request_body_end();
    transaction.finish(opening.now);
});
