//! Loads every rule file of a folder and counts what loaded and what was refused, by reason.
//!
//! `cargo run -p sakimori-signatures --example load_rules -- DIR [CODE]`: with a code, prints its findings.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a command-line tool")]

use sakimori_model::Level;
use sakimori_signatures::{Direction, Place, SourceFile, Variables, compile};
use std::collections::BTreeMap;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("usage: load_rules DIR [CODE]")?;
    let wanted = args.next();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rules") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(SourceFile { name, text: std::fs::read(&path)? });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let begin = Instant::now();
    let compiled = compile(&files, &Variables::default());
    let took = begin.elapsed();
    let total = compiled.loaded + compiled.refused;
    println!("files    {}", files.len());
    println!("rules    {total}");
    println!("loaded   {} ({:.2} %)", compiled.loaded, percent(compiled.loaded, total));
    println!("refused  {}", compiled.refused);
    println!("time     {took:.2?}");
    println!("needs    {:?}", compiled.rules.needs());
    for port in [80, 443, 445, 25] {
        let matchers = [Direction::ToServer, Direction::ToClient].map(|direction| {
            [Place::Stream, Place::Packet].map(|place| compiled.rules.matchers(place, direction, port))
        });
        println!("matchers of stream and packets on port {port}, to server and to client: {matchers:?}");
    }
    let mut reasons: BTreeMap<(Level, &str, String), usize> = BTreeMap::new();
    for diagnostic in &compiled.diagnostics {
        if wanted.as_deref() == Some(diagnostic.code) {
            println!("{diagnostic}\n");
        }
        // what is quoted of the rule differs each time: keep the words that are always there
        let title = diagnostic.title.split(": ").next().unwrap_or_default();
        let detail = if matches!(diagnostic.code, "S011" | "S012" | "S005" | "S032") {
            &diagnostic.title
        } else {
            title
        };
        *reasons.entry((diagnostic.level, diagnostic.code, detail.to_owned())).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for ((level, code, title), count) in reasons.into_iter().take(60) {
        println!("{count:7} {level:?} {code} {title}");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of rules are small")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
