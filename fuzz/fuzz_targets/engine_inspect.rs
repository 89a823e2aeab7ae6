#![no_main]
//! Whole packets against real rules: lengths of two bytes cut the input into packets.
use sakimori_inspection::{Checksums, Config, Engine};
use sakimori_model::{IntrusionPrevention, Mode, Now};
use sakimori_signatures::{RuleSet, SourceFile, Variables, compile};
use std::sync::{Arc, OnceLock};

const RULES: &str = r#"
alert http any any -> any any (msg:"a"; flow:to_server,established; http.uri; content:"/a"; http.request_body; content:"b"; pcre:"/c+/R"; sid:1; rev:1;)
alert tcp any any -> any any (msg:"b"; flow:to_server; content:"xyz"; sid:2; rev:1;)
"#;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static COMPILED: OnceLock<Arc<RuleSet>> = OnceLock::new();
    let rules = COMPILED.get_or_init(|| {
        let file = SourceFile { name: "fuzz.rules".to_owned(), text: RULES.as_bytes().to_vec() };
        Arc::new(compile(&[file], &Variables::default()).rules)
    });
    let settings = IntrusionPrevention { mode: Mode::Prevent, default_rule_mode: Mode::Prevent, ..Default::default() };
    let mut engine = Engine::new(Config::new(settings, 1, 2), Arc::clone(rules));
    let mut rest = bytes;
    while let [high, low, tail @ ..] = rest {
        let len = (usize::from(*high) << 8 | usize::from(*low)).min(tail.len());
        let (packet, tail) = tail.split_at(len);
        let judgement = engine.inspect(Now::default(), packet, Checksums::Ignore);
        assert!(judgement.inject.len() <= 4);
        rest = tail;
    }
    std::hint::black_box(engine.drain_events().count());
});
