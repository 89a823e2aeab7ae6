//! The agent at rest: memory and processor time of all its processes together.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::blog::Blog;
use crate::fleet::Protected;
use crate::process::cpu;
use crate::report::{Report, Target};
use crate::{Lab, Programs, wait};

/// How long the agent is left alone before it is measured.
const SETTLE: Duration = Duration::from_secs(10);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(30);

/// Measures the agent with the demo's policy while nobody visits.
pub fn rest(programs: &Programs) -> anyhow::Result<Report> {
    let lab = Lab::new()?;
    let _blog = Blog::start(&lab, programs)?;
    let protected = Protected::deploy(&lab, programs, "Web server")?;
    wait::pause(SETTLE)?;
    let processes = protected.agent.processes();
    let (start, before) = (Instant::now(), cpu(&processes)?);
    wait::pause(WATCH)?;
    let used = cpu(&processes)? - before;
    let elapsed = start.elapsed().as_secs_f64();
    let mut report = Report::new("rest");
    let mut sum = 0.0;
    for pid in &processes {
        let size = pss(*pid)?;
        sum += size;
        let words = crate::process::command_line(*pid);
        let role = words.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ");
        report.add(format!("PSS of {role:?}"), size, "MB", Target::None);
    }
    report.add("PSS of all processes", sum, "MB", Target::AtMost(40.0));
    report.add("processor time", used / elapsed * 100.0, "%", Target::AtMost(0.5));
    Ok(report)
}

/// Proportional set size in megabytes.
fn pss(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("smaps_rollup has Pss")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("Pss is a number")?;
    Ok(kib * 1024.0 / 1e6)
}
