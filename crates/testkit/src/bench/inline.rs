//! nginx bare, behind an accept-all queue reader and behind the agent, in turns of one run.
//!
//! Each has a lab of its own, equal but for what reads the queue; only one is under load at a time,
//! and the turns are interleaved, so that a slow minute of the machine hits all of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::fleet::Protected;
use crate::nginx::Nginx;
use crate::report::{Report, Target};
use crate::{Lab, Process, Programs, Role, process, wait};

/// Turns of each measurement; the median counts.
const ROUNDS: usize = 3;
/// Seconds of one turn of requests.
const SECONDS: u32 = 4;
/// Connections that are kept busy.
const CONNECTIONS: u32 = 64;
/// Size of one upload, in MiB.
const UPLOAD_MIB: u32 = 512;

/// The measurements, with the share of the bare figure that the agent has to reach.
const WORK: [(&str, &str, f64); 3] = [
    ("1k", "requests/s, 1 KiB", 75.0),
    ("100k", "requests/s, 100 KiB", 80.0),
    ("upload", "upload Gbit/s", 60.0),
];

/// Runs it with the programs of a release build; `accept_all` is the comparison's reader, where it was built.
pub fn inline(programs: &Programs, accept_all: Option<&Path>) -> anyhow::Result<Report> {
    let bare_lab = Lab::new()?;
    let bare = Nginx::start(&bare_lab)?;
    let accept_lab = Lab::new()?;
    let accept = Nginx::start(&accept_lab)?;
    let reader = accept_all.map(|program| start_accept_all(&accept_lab, program)).transpose()?;
    let agent_lab = Lab::new()?;
    let behind = Nginx::start(&agent_lab)?;
    let protected = Protected::deploy(&agent_lab, programs, "Web server")?;

    let mut turns = vec![("bare", &bare_lab, bare.address())];
    if reader.is_some() {
        turns.push(("accept-all", &accept_lab, accept.address()));
    }
    turns.push(("agent", &agent_lab, behind.address()));

    let mut results: Vec<(&str, &str, Vec<f64>)> = Vec::new();
    for round in 1..=ROUNDS {
        for (work, _, _) in WORK {
            for (subject, lab, address) in &turns {
                let value = match work {
                    "upload" => upload(lab, &address.to_string(), UPLOAD_MIB)?,
                    path => requests(lab, &format!("http://{address}/{path}"), SECONDS)?,
                };
                println!("round {round}: {work} {subject}: {value:.2}");
                match results.iter_mut().find(|(w, s, _)| (*w, *s) == (work, *subject)) {
                    Some((_, _, values)) => values.push(value),
                    None => results.push((work, subject, vec![value])),
                }
            }
        }
    }
    let median = |work: &str, subject: &str| {
        let (_, _, values) = results.iter().find(|(w, s, _)| (*w, *s) == (work, subject))?;
        let mut values = values.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let mut report = Report::new("inline");
    for (work, name, goal) in WORK {
        let bare = median(work, "bare").context("bare was measured")?;
        report.add(format!("bare {name}"), bare, "", Target::None);
        for (subject, target) in [("accept-all", Target::None), ("agent", Target::AtLeast(goal))] {
            let Some(value) = median(work, subject) else { continue };
            report.add(format!("{subject} {name}"), value, "", Target::None);
            report.add(format!("{subject} {name} of bare"), value / bare * 100.0, "%", target);
        }
    }
    if reader.is_none() {
        println!("skipped: accept-all reader (its example is not built)");
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of packets for a table")]
    let uninspected = protected.agent.counter("packets-uninspected")? as f64;
    report.add("packets uninspected", uninspected, "", Target::AtMost(0.0));
    Ok(report)
}

fn start_accept_all(lab: &Lab, program: &Path) -> anyhow::Result<Process> {
    let mut reader = lab.host(Role::Server).command(program);
    reader.args(["--ports", "80"]);
    let mut reader = lab.host(Role::Server).start("accept-all", reader)?;
    wait::pause(Duration::from_secs(1))?;
    reader.check_alive()?;
    Ok(reader)
}

/// Requests per second that the visitor's machine gets out of `url` in `seconds`.
///
/// # Errors
/// When a request fails.
pub fn requests(lab: &Lab, url: &str, seconds: u32) -> anyhow::Result<f64> {
    let (seconds, connections) = (format!("{seconds}s"), CONNECTIONS.to_string());
    let output = lab.host(Role::Visitor).run("wrk", &["-t", "1", "-c", &connections, "-d", &seconds, url])?;
    for bad in ["Non-2xx", "Socket errors"] {
        if output.contains(bad) {
            bail!("wrk against {url}:\n{output}");
        }
    }
    let rate = output.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).with_context(|| format!("wrk told no rate:\n{output}"))
}

/// Gbit/s of one upload of `mebibytes` MiB from the visitor's machine.
///
/// # Errors
/// When it is not taken.
pub fn upload(lab: &Lab, address: &str, mebibytes: u32) -> anyhow::Result<f64> {
    let file = bulk(lab, mebibytes)?;
    let url = format!("http://{address}/upload/bulk");
    let visitor = lab.host(Role::Visitor);
    let mut command = visitor.command("curl");
    command.args(["--fail", "--silent", "--show-error", "--max-time", "120", "--output", "/dev/null"]);
    command
        .args(["--write-out", "%{speed_upload}", "--header", "Expect:", "--upload-file"])
        .arg(file)
        .arg(&url);
    let speed = process::run(command)?;
    visitor.run("curl", &["--fail", "--silent", "--show-error", "--request", "DELETE", &url])?;
    let bytes: f64 = speed.trim().parse().with_context(|| format!("curl's speed: {speed}"))?;
    Ok(bytes * 8.0 / 1e9)
}

/// The file that is uploaded: incompressible enough to look like data, made once a lab.
fn bulk(lab: &Lab, mebibytes: u32) -> anyhow::Result<PathBuf> {
    let file = lab.host(Role::Visitor).folder().join("bulk");
    if !file.exists() {
        let size = format!("{mebibytes}M");
        let script = format!("head -c {size} /dev/urandom > '{}'", file.display());
        process::call("sh", &["-c", &script])?;
    }
    Ok(file)
}
