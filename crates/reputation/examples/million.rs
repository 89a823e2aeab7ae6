//! Memory and time of a list of a million domains: `cargo run --release -p sakimori-reputation --example million`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "an example that measures"
)]

use sakimori_reputation::{Builder, Host};
use std::fmt::Write as _;
use std::time::Instant;

fn main() {
    const DOMAINS: u32 = 1_000_000;
    let mut text = String::from("@category malware\n");
    for number in 0..DOMAINS {
        let _infallible = writeln!(text, "name{number}.zone{}.example", number % 1000);
    }
    let began = Instant::now();
    let mut builder = Builder::new(7);
    let findings = builder.block_list("million", text.as_bytes());
    let lists = builder.build();
    let built = began.elapsed();
    let began = Instant::now();
    let mut found = 0_u32;
    for number in 0..DOMAINS {
        let host = Host::of(format!("www.name{}.zone{}.example", number * 2, number * 2 % 1000).as_bytes());
        found += u32::from(!matches!(lists.judge_host(&host), sakimori_reputation::Verdict::Unknown));
    }
    let asked = began.elapsed();
    println!(
        "{} entries, {} findings, {:.1} MB, built in {built:.2?}; {:.0} ns a lookup, {found} found",
        lists.len(),
        findings.len(),
        lists.memory_bytes() as f64 / 1e6,
        asked.as_nanos() as f64 / f64::from(DOMAINS)
    );
}
