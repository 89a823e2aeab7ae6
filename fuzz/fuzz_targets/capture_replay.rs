#![no_main]
//! A capture of any form through the engine: no panic, and events that are whole.
use sakimori_recordings::{Options, Replay, frames};
use sakimori_signatures::{RuleSet, SourceFile, Variables, compile};
use std::sync::{Arc, OnceLock};

const RULES: &str = r#"drop http any any -> any any (msg:"x"; http.uri; content:"a"; sid:1;)
alert tcp any any -> any any (msg:"y"; content:"b"; sid:2;)"#;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static SET: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let rules = SET.get_or_init(|| {
        let files = [SourceFile { name: "fuzz".to_owned(), text: RULES.as_bytes().to_vec() }];
        Arc::new(compile(&files, &Variables::default()).rules)
    });
    let Some((options, capture)) = bytes.split_first() else { return };
    let bit = |at: u8| options >> at & 1 == 1;
    let options = Options { inline: bit(0), ignore_checksums: bit(1), midstream: bit(2), ethernet: bit(3), dns_version: 3 };
    let mut replay = Replay::new(Arc::clone(rules), options);
    let mut tell = |event: serde_json::Value| assert!(event.get("event_type").is_some());
    let _read = frames(capture, |frame| replay.frame(frame, &mut tell));
    let statistics = replay.end(&mut tell);
    assert!(statistics.not_ip <= statistics.frames);
});
