//! How long a baseline and a scan of a folder take, and how much memory: `integrity_scan FOLDER`.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that prints its figures")]
use sakimori_agent::integrity::{Finding, Integrity, Notice, Report, WatchedSet};
use sakimori_integrity::FileSet;
use sakimori_model::Severity;
use sakimori_protocol::Mode;
use std::time::{Duration, Instant};

struct Silent;

impl Report for Silent {
    fn findings(&mut self, findings: &[Finding]) {
        println!("{} changes", findings.len());
    }
    fn notice(&mut self, notice: Notice) {
        println!("{notice:?}");
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.collect::<Vec<_>>().join(" ")
}

fn main() -> anyhow::Result<()> {
    let base = std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("name a folder"))?;
    let state = tempfile::tempdir()?;
    println!("at first: {}", memory());
    let integrity = Integrity::start(state.path(), Box::new(Silent))?;
    let files = FileSet { name: "measured".into(), base, ..FileSet::default() };
    let set = WatchedSet { files, severity: Severity::Low, real_time: false };
    integrity
        .apply(Mode::Detect, &[set], Duration::from_hours(1), 10_000_000)
        .map_err(|refusal| anyhow::anyhow!(refusal.reason))?;
    for name in ["paced first look and one scan", "scan"] {
        let began = Instant::now();
        integrity.scan();
        println!("{name}: {:.2} s, {}", began.elapsed().as_secs_f64(), memory());
        for (counter, value) in integrity.status().counters {
            print!("{counter}={value} ");
        }
        println!();
    }
    integrity.stop();
    let kept = std::fs::metadata(state.path().join("integrity/baseline"))?.len();
    println!("on disk: {kept} bytes");
    Ok(())
}
