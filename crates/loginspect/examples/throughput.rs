//! Lines a second on one core: `cargo run --release -p sakimori-loginspect --example throughput -- RULES... [--wazuh]`.
//!
//! RULES are files and folders of `*.xml`, in order. The lines are made up: half are web access, half are sshd, cron and
//! sudo, from a thousand addresses.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a command-line tool")]

use sakimori_loginspect::{Dialect, Engine, Line, Moment, SourceFile, compile};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let mut files = Vec::new();
    let mut dialect = Dialect::Ossec;
    for argument in std::env::args_os().skip(1) {
        if argument == "--wazuh" {
            dialect = Dialect::Wazuh;
            continue;
        }
        let path = PathBuf::from(argument);
        let mut paths = vec![path.clone()];
        if path.is_dir() {
            paths =
                std::fs::read_dir(&path)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
            paths.retain(|path| path.extension().is_some_and(|e| e == "xml"));
            paths.sort();
        }
        for path in paths {
            files.push(SourceFile { name: path.display().to_string(), text: std::fs::read(&path)? });
        }
    }
    let compiled = compile(&files, dialect);
    println!("rules {}, decoders {}", compiled.loaded, compiled.decoders_loaded);
    let lines = lines();
    let mut engine = Engine::new(Arc::new(compiled.rules));
    let mut matched = 0_usize;
    let start = Instant::now();
    let mut judged = 0_u64;
    while start.elapsed().as_secs() < 5 {
        for (n, line) in lines.iter().enumerate() {
            let now = Moment { seconds: judged / 1_000, minute: 600, weekday: 3 };
            let header = n % 2 == 0;
            let line = Line { bytes: line.as_bytes(), location: "/var/log/x", header };
            matched += usize::from(engine.judge(line, now).rule().is_some_and(|rule| rule.level > 0));
            judged += 1;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let bytes: usize = lines.iter().map(String::len).sum();
    #[expect(clippy::cast_precision_loss, reason = "figures")]
    let (rate, mean) = (judged as f64 / seconds, bytes as f64 / lines.len() as f64);
    println!("lines/s {rate:.0}, MB/s {:.1}, matched {matched} of {judged}", rate * mean / 1e6);
    Ok(())
}

fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for n in 0..2_000_u32 {
        let address = format!("192.0.{}.{}", n % 4, n % 250);
        lines.push(match n % 5 {
            0 => format!(
                "Nov 25 17:00:00 web1 sshd[{n}]: Failed password for root from {address} port 4711 ssh2"
            ),
            1 => format!("Nov 25 17:00:00 web1 CRON[{n}]: (root) CMD (run-parts /etc/cron.hourly)"),
            2 => format!(
                "Nov 25 17:00:00 web1 sudo: bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls {n}"
            ),
            3 => format!(
                "Nov 25 17:00:00 web1 sshd[{n}]: Accepted publickey for git from {address} port 4711 ssh2"
            ),
            _ => format!("Nov 25 17:00:00 web1 systemd[1]: Started session {n} of user bob."),
        });
        let status = if n % 10 == 0 { 404 } else { 200 };
        lines.push(format!(
            "{address} - - [25/Nov/2026:17:00:00 +0900] \"GET /page/{n}?q=hello HTTP/1.1\" {status} 5120 \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\""
        ));
    }
    lines
}
