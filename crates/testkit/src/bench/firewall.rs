//! The firewall with 10, 300 and 10,000 rules against none: throughput, new connections, and how soon a change counts.
//!
//! Each number of rules has a lab of its own with a manager and an agent; only one is under load at a time. A round is
//! one short turn of each, close together, and each round begins with another of them; of the shares of all rounds the
//! median counts. The rules are such as a server has: networks that are shut out, services for some networks, with the
//! measured one's rule asked last.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::inline::{median, requests, upload};
use crate::fleet::{Protected, computer_enforcing, text};
use crate::nginx::Nginx;
use crate::report::{Report, Target};
use crate::{Lab, Programs, Role, wait};

/// The numbers of rules, with the share of bare that has to be reached.
const SIZES: [(usize, Target); 3] =
    [(10, Target::None), (300, Target::AtLeast(95.0)), (10_000, Target::None)];
/// Turns of each measurement; odd, so that the median is one of them.
const ROUNDS: usize = 11;
/// Seconds of one turn.
const SECONDS: u32 = 2;
/// Size of one upload, in MiB.
const UPLOAD_MIB: u32 = 256;
/// Changes of which the time is taken.
const CHANGES: usize = 7;
/// Rules of one request: it is an argument of `curl`, of at most 128 KiB.
const RULES_AT_ONCE: usize = 600;
/// The policy that is measured.
const POLICY: &str = "Firewall under load";
/// A port that a change opens and shuts.
const PROBED: u16 = 8081;

/// Runs it with the programs of a release build.
///
/// # Errors
/// When a lab, an agent or a request fails.
pub fn firewall(programs: &Programs) -> anyhow::Result<Report> {
    let mut report = Report::new("firewall");
    let bare_lab = Lab::new()?;
    let bare = Nginx::start(&bare_lab)?;
    let labs = SIZES.iter().map(|_| Lab::new()).collect::<anyhow::Result<Vec<_>>>()?;
    let servers = labs.iter().map(Nginx::start).collect::<anyhow::Result<Vec<_>>>()?;
    let mut protected = Vec::new();
    for (lab, (rules, _)) in labs.iter().zip(SIZES) {
        let began = Instant::now();
        protected.push(deploy(lab, programs, rules)?);
        println!("{rules} rules are in force after {:.1} s", began.elapsed().as_secs_f64());
    }
    let mut turns = vec![(0, &bare_lab, bare.address(), Target::None)];
    for ((lab, server), (rules, target)) in labs.iter().zip(&servers).zip(SIZES) {
        turns.push((rules, lab, server.address(), target));
    }
    println!("{ROUNDS} rounds, {SECONDS} s a turn");
    for (name, unit) in [("new connections/s", ""), ("requests/s, kept alive", ""), ("upload", "Gbit/s")] {
        let mut values = vec![Vec::new(); turns.len()];
        for round in 0..ROUNDS {
            for turn in 0..turns.len() {
                let at = (round + turn) % turns.len();
                let (Some((_, lab, address, _)), Some(values)) = (turns.get(at), values.get_mut(at)) else {
                    continue;
                };
                values.push(match name {
                    "upload" => upload(lab, &address.to_string(), UPLOAD_MIB)?,
                    "new connections/s" => connections(lab, &format!("http://{address}/1k"))?,
                    _ => requests(lab, &format!("http://{address}/1k"), SECONDS)?,
                });
            }
        }
        let bare = values.first().cloned().unwrap_or_default();
        for ((rules, _, _, target), values) in turns.iter().zip(values) {
            let subject = if *rules == 0 { "bare".to_owned() } else { format!("{rules} rules") };
            let list = values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(" ");
            println!("{name}, {subject}: {list}");
            let shares = values.iter().zip(&bare).map(|(value, bare)| value / bare * 100.0).collect();
            report.add(format!("{name}, {subject}"), median(values), unit, Target::None);
            if *rules > 0 {
                report.add(format!("{name}, {subject}, of bare"), median(shares), "%", *target);
            }
        }
    }
    for ((lab, protected), (rules, _)) in labs.iter().zip(&protected).zip(SIZES) {
        let took = protected.told(changes(lab, protected))?;
        let list = took.iter().map(|seconds| format!("{seconds:.3}")).collect::<Vec<_>>().join(" ");
        println!("a change with {rules} rules, s: {list}");
        let target = if rules == 300 { Target::AtMost(1.0) } else { Target::None };
        report.add(format!("change in force, {rules} rules, median"), median(took.clone()), "s", target);
        report.add(
            format!("change in force, {rules} rules, longest"),
            took.into_iter().fold(0.0, f64::max),
            "s",
            Target::None,
        );
    }
    Ok(report)
}

/// A manager and an agent that enforces so many rules.
fn deploy<'lab>(lab: &'lab Lab, programs: &Programs, rules: usize) -> anyhow::Result<Protected<'lab>> {
    let protected = Protected::deploy(lab, programs, "Base")?;
    let result = with_rules(&protected, rules);
    protected.told(result)?;
    Ok(protected)
}

fn with_rules(protected: &Protected<'_>, rules: usize) -> anyhow::Result<()> {
    let settings = json!({"firewall": {"mode": "prevent", "defaultInbound": "deny"}});
    let made = protected.api.post("/policies", &json!({"name": POLICY, "settings": settings}))?;
    let path = format!("/policies/{}", text(&made, "/id"));
    // With the measured one and the one that a change adds they are as many, and more than 10,000 are refused.
    let all: Vec<(String, Value)> = (0..rules.saturating_sub(2)).map(rule).chain([web()]).collect();
    for part in all.chunks(RULES_AT_ONCE) {
        let part: Map<String, Value> = part.iter().cloned().collect();
        protected.api.patch(&path, &json!({"settings": {"firewall": {"rules": part}}}))?;
    }
    protected.enforce(POLICY)
}

/// The measured service, asked last: what allows comes behind what denies, and this behind the others by its name.
fn web() -> (String, Value) {
    let rule = json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["80"]});
    ("zz web".to_owned(), rule)
}

/// One of the other rules: of ten, four shut out a network, three let one to a service, two let everybody to a port of
/// their own, and one shuts a port for a network.
fn rule(number: usize) -> (String, Value) {
    let network = |first: usize| format!("{first}.{}.{}.0/24", number / 250 % 250, number % 250);
    let port = (10_000 + number % 50_000).to_string();
    let rule = match number % 10 {
        0..4 => json!({"action": "deny", "direction": "in", "priority": 2, "remote": [network(23)]}),
        4..7 => json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["22", "443"],
            "remote": [network(100)]}),
        7 | 8 => {
            json!({"action": "allow", "direction": "in", "protocol": if number.is_multiple_of(2) { "udp" } else { "tcp" },
            "ports": [port]})
        }
        _ => json!({"action": "deny", "direction": "in", "protocol": "tcp", "ports": ["25", "110-143"],
            "remote": [network(192)]}),
    };
    (format!("rule {number:05}"), rule)
}

/// New connections per second: one for each request.
fn connections(lab: &Lab, url: &str) -> anyhow::Result<f64> {
    let seconds = format!("{SECONDS}s");
    let arguments = ["-t", "1", "-c", "32", "-d", &seconds, "-H", "Connection: close", url];
    let output = lab.host(Role::Visitor).run("wrk", &arguments)?;
    // The server closes behind each answer, which `wrk` may call a read error; what counts is what was answered.
    if output.contains("Non-2xx") {
        bail!("wrk against {url}:\n{output}");
    }
    let rate = output.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).with_context(|| format!("wrk told no rate:\n{output}"))
}

/// Seconds from a change by the API until packets feel it, of several changes.
fn changes(lab: &Lab, protected: &Protected<'_>) -> anyhow::Result<Vec<f64>> {
    let server = lab.host(Role::Server);
    let to = SocketAddr::new(IpAddr::V4(server.v4()), PROBED);
    let listen = format!(
        "import socket,time\ns=socket.create_server(('0.0.0.0',{PROBED}),backlog=512)\nwhile True: s.accept()[0].close()"
    );
    let mut listener = server.command("python3");
    listener.args(["-c", &listen]);
    let mut listener = server.start("probed", listener)?;
    let policies = protected.api.list("/policies")?;
    let policy =
        policies.iter().find(|policy| text(policy, "/name") == POLICY).context("the policy is there")?;
    let path = format!("/policies/{}", text(policy, "/id"));
    let open =
        json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": [PROBED.to_string()]});
    let visitor = lab.host(Role::Visitor);
    let mut took = Vec::new();
    for change in 0..CHANGES {
        let opens = change % 2 == 0;
        let rule = if opens { open.clone() } else { Value::Null };
        let began = Instant::now();
        protected.api.patch(&path, &json!({"settings": {"firewall": {"rules": {"probed": rule}}}}))?;
        wait::until("the change to count", Duration::from_mins(1), || {
            listener.check_alive()?;
            // What is denied vanishes: so short a wait says no, without a second SYN.
            let reached = visitor.connect(to, Duration::from_millis(20)).is_ok();
            Ok((reached == opens).then_some(()))
        })?;
        took.push(began.elapsed().as_secs_f64());
        computer_enforcing(&protected.api, POLICY)?;
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_names_of_their_own_and_the_measured_one_is_the_last() {
        let all: Map<String, Value> = (0..9_999).map(rule).chain([web()]).collect();
        assert_eq!(all.len(), 10_000);
        assert_eq!(all.keys().max().map(String::as_str), Some("zz web"));
    }
}
