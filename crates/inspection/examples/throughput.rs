//! How fast the engine judges, without a network: `cargo run --release -p sakimori-inspection --example throughput -- RULES...`
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring program for developers")]
use sakimori_inspection::offline::Conversation;
use sakimori_inspection::{Config, Engine};
use sakimori_model::{IntrusionPrevention, Mode};
use sakimori_signatures::{SourceFile, Variables, compile};
use std::sync::Arc;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let files = std::env::args().skip(1).map(|name| Ok(SourceFile { text: std::fs::read(&name)?, name }));
    let files = files.collect::<std::io::Result<Vec<_>>>()?;
    let compiled = compile(&files, &Variables::default());
    println!("{} rules, {} refused", compiled.loaded, compiled.refused);
    let rules = Arc::new(compiled.rules);
    let settings = IntrusionPrevention {
        mode: Mode::Prevent,
        default_rule_mode: Mode::Prevent,
        ..IntrusionPrevention::default()
    };
    let get = b"GET /index.php?p=1&page=2 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
        Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\n\r\n";
    let upload_head =
        b"PUT /upload HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 100000000000\r\n\r\n";
    let block: Vec<u8> = (0..61_440_u32).map(|n| b' ' + u8::try_from(n * 7919 % 91).unwrap_or(0)).collect();

    let mut engine = Engine::new(Config::new(settings.clone(), 1, 2), Arc::clone(&rules));
    let mut connection = Conversation::new(80);
    connection.open(&mut engine);
    let count = 500_000_u32;
    let started = Instant::now();
    for _ in 0..count {
        connection.send(&mut engine, get);
    }
    println!("keep-alive requests: {:.0} ns each", started.elapsed().as_secs_f64() / f64::from(count) * 1e9);

    let mut engine = Engine::new(Config::new(settings, 1, 2), rules);
    let mut connection = Conversation::new(80);
    connection.open(&mut engine);
    connection.send(&mut engine, upload_head);
    let count = 50_000_u32;
    let started = Instant::now();
    for _ in 0..count {
        connection.send(&mut engine, &block);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "bulk upload: {:.2} Gbit/s ({:.1} us per packet of {} bytes, making it included)",
        f64::from(count) * 61_440.0 * 8.0 / seconds / 1e9,
        seconds / f64::from(count) * 1e6,
        block.len()
    );
    Ok(())
}
