#![no_main]
use sakimori_loginspect::{Dialect, Engine, Line, Moment, RuleSet, SourceFile, compile};
use std::sync::{Arc, OnceLock};
static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let rules = RULES.get_or_init(|| {
        let files = [
            include_bytes!("../../content/logs/rules/10-decoders.xml").as_slice(),
            include_bytes!("../../content/logs/rules/20-sshd.xml").as_slice(),
            include_bytes!("../../content/logs/rules/30-web.xml").as_slice(),
        ];
        let files = files.map(|text| SourceFile { name: "own.xml".to_owned(), text: text.to_vec() });
        Arc::new(compile(&files, Dialect::Ossec).rules)
    });
    let mut engine = Engine::new(Arc::clone(rules));
    for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = Line { bytes: line, location: "/var/log/auth.log", header: true };
        let judged = engine.judge(line, Moment { seconds: n as u64, minute: 0, weekday: 0 });
        std::hint::black_box(judged.description());
    }
});
