//! nginx bare, behind an accept-all queue reader and behind the agent, in turns of one run.
//!
//! Each has a lab of its own, equal but for what reads the queue; only one is under load at a time. A round is one short
//! turn of each, close together, and each round begins with another of them. A share is that of two turns of the same
//! round, and the median of all rounds counts: a machine that is slow for seconds slows down both, and a turn that
//! something else fell into does not count.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::fleet::Protected;
use crate::nginx::Nginx;
use crate::report::{Report, Target};
use crate::{Lab, Process, Programs, Role, process, wait};

/// Turns of each measurement; the median counts. Odd, so that it is one of them.
const ROUNDS: usize = 15;
/// Seconds of one turn of requests.
const SECONDS: u32 = 2;
/// Connections that are kept busy, by one thread of `wrk`; each is kept open for all requests of a turn.
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

    println!("{ROUNDS} rounds; requests: {SECONDS} s a turn, {CONNECTIONS} connections, 1 thread");
    let mut report = Report::new("inline");
    for (work, name, goal) in WORK {
        let mut values = vec![Vec::new(); turns.len()];
        for round in 0..ROUNDS {
            for turn in 0..turns.len() {
                let at = (round + turn) % turns.len();
                let (Some((_, lab, address)), Some(values)) = (turns.get(at), values.get_mut(at)) else {
                    continue;
                };
                values.push(match work {
                    "upload" => upload(lab, &address.to_string(), UPLOAD_MIB)?,
                    path => requests(lab, &format!("http://{address}/{path}"), SECONDS)?,
                });
            }
        }
        let bare = values.first().cloned().unwrap_or_default();
        for ((subject, _, _), values) in turns.iter().zip(values) {
            let list = values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(" ");
            println!("{work} {subject}: {list}");
            let shares = values.iter().zip(&bare).map(|(value, bare)| value / bare * 100.0).collect();
            report.add(format!("{subject} {name}"), median(values), "", Target::None);
            if *subject != "bare" {
                let target = if *subject == "agent" { Target::AtLeast(goal) } else { Target::None };
                report.add(format!("{subject} {name} of bare"), median(shares), "%", target);
            }
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

/// The middle one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
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
