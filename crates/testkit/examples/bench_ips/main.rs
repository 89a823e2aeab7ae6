//! The rules of intrusion prevention over a capture, beside Suricata: `cargo xtask bench ips --rules DIR`.
//!
//! Both read the same rules and the same capture with one thread and checksums left alone, in turns; processor time to load
//! is that of a run over a capture of a few packets, and is taken off. Suricata is Debian's, of bookworm-backports, with its default
//! settings, but that it only writes alerts.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and measures real time")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

mod traffic;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sakimori_inspection::{Checksums, Config, Engine, Limits, Path as Met};
use sakimori_model::{IntrusionPrevention, Mode, Now};
use sakimori_recordings::{frames, ip};
use sakimori_signatures::{SourceFile, Variables, compile};
use sakimori_testkit::beside::Beside;
use sakimori_testkit::process;
use sakimori_testkit::report::{Report, Target};

/// Turns; odd, so that the median is one of them.
const ROUNDS: usize = 3;
/// The command that a child of this program is told: run our engine over a capture.
const OURS: &str = "--ours";
/// Starts a program and says what it and its children took.
const MEASURED: &str = "import resource,subprocess,sys,json
done=subprocess.run(sys.argv[1:],stdout=subprocess.PIPE,stderr=subprocess.STDOUT)
used=resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({'code':done.returncode,'user':used.ru_utime,'system':used.ru_stime,'kib':used.ru_maxrss,'said':done.stdout.decode(errors='replace')[-2000:]}))";

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    /// Processor seconds, the kernel's among them.
    seconds: f64,
    /// The most memory.
    mebibytes: f64,
    alerts: f64,
}

/// What runs over a capture.
type Run<'a> = Box<dyn Fn(&Path) -> anyhow::Result<Took> + 'a>;

/// One that is measured.
struct Contender<'a> {
    name: String,
    run: Run<'a>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match &arguments[..] {
        [word, rules, capture] if word.as_os_str() == OURS => {
            ours(rules, capture).map(|()| ExitCode::SUCCESS)
        }
        [rules] => compare(rules),
        _ => bail!("usage: bench_ips RULES"),
    }
}

fn compare(folder: &Path) -> anyhow::Result<ExitCode> {
    let target = sakimori_testkit::programs::source().join("target/bench");
    let peer = Beside::unpack("suricata", "bookworm-backports", &target.join("suricata"))?;
    let rules = target.join("all.rules");
    let count = gather(folder, &rules)?;
    let (capture, empty) = (target.join("web.pcap"), target.join("empty.pcap"));
    traffic::write(&mut File::create(&empty)?, 1.0)?;
    let bytes = traffic::write(&mut File::create(&capture)?, traffic::BYTES)?;
    println!("{count} rules; a capture of {:.0} MB of HTTP/1 over TCP/IPv4", bytes / 1e6);
    println!(
        "peer: Suricata {} of bookworm-backports, --runmode single -k none, alerts to fast.log",
        peer.version
    );

    let own = std::env::current_exe()?;
    let engine = |capture: &Path| {
        let mut command = Command::new(&own);
        command.arg(OURS).arg(&rules).arg(capture);
        let (took, said) = measured(&command)?;
        let alerts =
            said.split("alerts ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        Ok(Took { alerts: alerts.with_context(|| format!("no count of alerts in {said}"))?, ..took })
    };
    let logs = target.join("suricata-logs");
    std::fs::create_dir_all(&logs)?;
    let suricata = |capture: &Path| {
        let fast = logs.join("fast.log");
        let _none_yet = std::fs::remove_file(&fast);
        let etc = peer.root.join("etc/suricata");
        let mut command = peer.command("usr/bin/suricata");
        command.args(["--runmode", "single", "-k", "none", "-c"]).arg(etc.join("suricata.yaml"));
        command.arg("-S").arg(&rules).arg("-l").arg(&logs).arg("-r").arg(capture);
        for (key, value) in [
            ("classification-file", etc.join("classification.config").display().to_string()),
            ("reference-config-file", etc.join("reference.config").display().to_string()),
            ("outputs.1.eve-log.enabled", "no".to_owned()),
            ("stats.enabled", "no".to_owned()),
        ] {
            command.args(["--set", &format!("{key}={value}")]);
        }
        let (took, _said) = measured(&command)?;
        let alerts = std::fs::read_to_string(&fast).unwrap_or_default().lines().count();
        Ok(Took { alerts: number(alerts), ..took })
    };
    let contenders = [
        Contender { name: "Sakimori".to_owned(), run: Box::new(engine) },
        Contender { name: "Suricata".to_owned(), run: Box::new(suricata) },
    ];
    let mut report = Report::new("ips");
    let gigabits = bytes * 8.0 / 1e9;
    let (mut loads, mut speeds, mut memories) = (Vec::new(), Vec::new(), Vec::new());
    let mut runs = vec![(Vec::new(), Vec::new()); contenders.len()];
    for round in 0..ROUNDS {
        for turn in 0..contenders.len() {
            let at = (turn + round) % contenders.len();
            let (Some(contender), Some((empties, wholes))) = (contenders.get(at), runs.get_mut(at)) else {
                continue;
            };
            empties.push((contender.run)(&empty)?);
            wholes.push((contender.run)(&capture)?);
        }
    }
    for (contender, (empties, wholes)) in contenders.iter().zip(&runs) {
        let median = |values: &[Took], of: fn(&Took) -> f64| {
            let mut values: Vec<f64> = values.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        let load = median(empties, |took| took.seconds);
        let spent = median(wholes, |took| took.seconds) - load;
        let name = &contender.name;
        let memory = median(empties, |took| took.mebibytes);
        report.add(format!("{name}: processor time to load"), load, "s", Target::None);
        report.add(format!("{name}: processor time per GB"), spent / bytes * 1e9, "s", Target::None);
        report.add(format!("{name}: throughput of a core"), gigabits / spent, "Gbit/s", Target::None);
        report.add(format!("{name}: memory when loaded"), memory, "MiB", Target::None);
        report.add(
            format!("{name}: memory behind the capture"),
            median(wholes, |took| took.mebibytes),
            "MiB",
            Target::None,
        );
        report.add(format!("{name}: alerts"), median(wholes, |took| took.alerts), "", Target::None);
        loads.push(load);
        speeds.push(gigabits / spent);
        memories.push(memory);
    }
    let ratio = |values: &[f64]| match values {
        [ours, theirs] => ours / theirs,
        _ => f64::NAN,
    };
    report.add("throughput of a core, of Suricata's", ratio(&speeds), "x", Target::AtLeast(2.0));
    report.add("time to load, of Suricata's", ratio(&loads), "x", Target::AtMost(0.25));
    report.add("memory when loaded, of Suricata's", ratio(&memories), "x", Target::AtMost(0.5));
    report.print();
    Ok(if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs it; what it took, and the end of what it said.
fn measured(command: &Command) -> anyhow::Result<(Took, String)> {
    let mut wrapper = Command::new("python3");
    wrapper.args(["-c", MEASURED]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        wrapper.env(key, value.unwrap_or_default());
    }
    let said = process::run(wrapper)?;
    let told: serde_json::Value = serde_json::from_str(said.trim()).with_context(|| said.clone())?;
    let figure = |key: &str| told.get(key).and_then(serde_json::Value::as_f64).unwrap_or_default();
    let text = told.get("said").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    if figure("code") != 0.0 {
        bail!("{command:?} ended with {}:\n{text}", figure("code"));
    }
    let took =
        Took { seconds: figure("user") + figure("system"), mebibytes: figure("kib") / 1024.0, alerts: 0.0 };
    Ok((took, text))
}

/// Our engine over a capture, as it runs inline.
fn ours(rules: &Path, capture: &Path) -> anyhow::Result<()> {
    let source = SourceFile { name: rules.display().to_string(), text: std::fs::read(rules)? };
    let compiled = compile(&[source], &Variables::default());
    let settings = IntrusionPrevention { mode: Mode::Detect, ..IntrusionPrevention::default() };
    let limits = Limits { strict: false, ..Limits::default() };
    let config = Config { limits, ..Config::new(settings, 1, 2) };
    let mut engine = Engine::new(config, Arc::new(compiled.rules));
    let (mut alerts, mut first) = (0_usize, None);
    frames(File::open(capture)?, |frame| {
        let Some(packet) = ip(frame.link, frame.bytes) else { return };
        let begun = *first.get_or_insert(frame.at.0);
        let since = u64::try_from(frame.at.0.saturating_sub(begun)).unwrap_or(0);
        let now = Now { wall: frame.at, monotonic: Duration::from_micros(since + 1_000_000) };
        engine.inspect_on(now, packet, Checksums::Ignore, Met::Serving);
        alerts += engine.drain_events().count();
    })?;
    println!("rules {} alerts {alerts}", compiled.loaded);
    Ok(())
}

/// All rules of the folder in one file; how many lines have one.
fn gather(folder: &Path, into: &Path) -> anyhow::Result<usize> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rules") {
                files.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("no *.rules below {}: --rules names the folder with the rule files", folder.display());
    }
    let mut all = Vec::new();
    for file in files {
        all.extend(std::fs::read(file)?);
        all.push(b'\n');
    }
    if let Some(parent) = into.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(into, &all)?;
    let rule = |line: &&[u8]| {
        [&b"alert "[..], b"drop ", b"pass ", b"reject "].iter().any(|word| line.starts_with(word))
    };
    Ok(all.split(|byte| *byte == b'\n').filter(rule).count())
}

#[expect(clippy::cast_precision_loss, reason = "counts of alerts")]
fn number(count: usize) -> f64 {
    count as f64
}
