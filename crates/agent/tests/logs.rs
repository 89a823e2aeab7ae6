//! Log inspection with real files and a real sandboxed worker: growth, rotation, restarts and kills.
#![expect(
    clippy::disallowed_methods,
    clippy::string_slice,
    clippy::format_collect,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test: it waits, writes logs, ends workers, and fails by panicking"
)]

use sakimori_agent::logs::{ApplyError, Logs, LogsPlan, Said};
use sakimori_agent::network::RuleFile;
use sakimori_modules::Mode;
use sakimori_modules::log_inspection::{LogEvent, LogFormat, LogInspection, LogSource};
use sakimori_protocol::ModuleState;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(15);

/// Each line that begins with `n=` is an event of its own.
const EACH: &str = "<decoder name='n'><prematch>^n=</prematch></decoder>\
    <group name='g,'><rule id='100' level='12'><decoded_as>n</decoded_as><description>n</description></rule></group>";

type Told = Arc<Mutex<Vec<Said>>>;

struct Bench {
    dir: tempfile::TempDir,
    told: Told,
    refuse: Arc<AtomicBool>,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), told: Told::default(), refuse: Arc::default() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("a.log")
    }

    fn start(&self) -> Logs {
        let (told, refuse) = (Arc::clone(&self.told), Arc::clone(&self.refuse));
        let sink = Box::new(move |said: &[Said]| {
            if refuse.load(Ordering::SeqCst) {
                return false;
            }
            told.lock().unwrap().extend_from_slice(said);
            true
        });
        let state = self.dir.path().join("state");
        fs::create_dir_all(&state).unwrap();
        Logs::start(&state, env!("CARGO_BIN_EXE_sakimori-agent").into(), sink).unwrap()
    }

    fn plan(&self, rules: Option<&str>) -> LogsPlan {
        let pattern = self.dir.path().join("*.log").display().to_string();
        let source = LogSource { path: pattern.clone(), format: LogFormat::Syslog };
        LogsPlan {
            settings: LogInspection {
                mode: Mode::Detect,
                sources: BTreeMap::from([(pattern, source)]),
                minimum_level: 3,
                rule_modes: BTreeMap::new(),
            },
            files: rules
                .map(|text| RuleFile { name: "test.xml".into(), text: text.as_bytes().to_vec() })
                .into_iter()
                .collect(),
        }
    }

    fn events(&self) -> Vec<LogEvent> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter_map(|said| match said {
                Said::Event(_, event) => Some(event.clone()),
                Said::Gap(..) => None,
            })
            .collect()
    }

    /// The numbers of the lines that were reported, and how often one was reported again.
    fn numbers(&self) -> (BTreeSet<u32>, usize) {
        let all: Vec<u32> = self.events().iter().map(|event| event.line[2..8].parse().unwrap()).collect();
        let distinct: BTreeSet<u32> = all.iter().copied().collect();
        let doubled = all.len() - distinct.len();
        (distinct, doubled)
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn counter(logs: &Logs, name: &str) -> u64 {
    let status = logs.status();
    status.counters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
}

/// The log workers of this process.
fn workers() -> Vec<u32> {
    let parent = format!("PPid:\t{}\n", std::process::id());
    let all = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().and_then(|name| name.parse().ok()));
    all.filter(|id: &u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        status.contains(&parent) && line.ends_with(b"worker\0logs\0")
    })
    .collect()
}

fn kill(id: u32) {
    let pid = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn in_force(bench: &Bench, rules: Option<&str>) -> Logs {
    let logs = bench.start();
    assert!(logs.apply(bench.plan(rules)).unwrap() > 0);
    until("the log is followed", || counter(&logs, "files") > 0);
    logs
}

#[test]
fn guessing_in_a_growing_log_is_reported_and_history_is_not() {
    let bench = Bench::new();
    let line = "Nov 25 17:00:00 web1 sshd[9]: Failed password for root from 192.0.2.7 port 4711 ssh2\r\n";
    append(&bench.log(), &line.repeat(20));
    let logs = in_force(&bench, None);
    append(&bench.log(), &line.repeat(8));
    until("the guessing is reported", || bench.events().iter().any(|event| event.rule == 700_010));
    let events = bench.events();
    assert_eq!(events.len(), 8, "{events:#?}");
    let guessing = &events[7];
    assert_eq!((guessing.level, guessing.count), (10, 8));
    assert_eq!(guessing.source_address, "192.0.2.7");
    assert_eq!((guessing.user.as_str(), guessing.program.as_str()), ("root", "sshd"));
    assert_eq!(guessing.source, bench.log().display().to_string());
    assert!(!guessing.line.contains('\r'));
    let status = logs.status();
    assert_eq!((status.state, status.mode), (ModuleState::Active, Mode::Detect));
    until("the lines are counted", || counter(&logs, "lines") == 8);
}

#[test]
fn nothing_is_lost_or_doubled_while_a_busy_log_is_rotated_in_every_way() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    let mut number = 0;
    let mut write = |path: &Path, lines: u32| {
        let text: String = (0..lines).map(|n| format!("n={:06}\n", number + n)).collect();
        append(path, &text);
        number += lines;
    };
    for round in 0..3 {
        write(&bench.log(), 40);
        // Renamed, and written to for a while longer, as by a server that has not reopened its log.
        let old = bench.dir.path().join(format!("a.log.{round}"));
        fs::rename(bench.log(), &old).unwrap();
        write(&old, 20);
        append(&bench.log(), "");
        std::thread::sleep(Duration::from_secs(1));
        write(&old, 5);
        write(&bench.log(), 40);
    }
    until("all lines are reported", || bench.numbers().0.len() == 315);
    // Copied and truncated: what was read before the truncation is not lost.
    until("nothing is behind", || counter(&logs, "bytes-behind") == 0);
    fs::copy(bench.log(), bench.dir.path().join("a.log.copy")).unwrap();
    fs::write(bench.log(), "").unwrap();
    std::thread::sleep(Duration::from_millis(600));
    write(&bench.log(), 30);
    until("lines after the truncation are reported", || bench.numbers().0.len() == 345);
    // A neighbour of the pattern that appears later is read from its beginning; a compressed one and a link are not.
    append(&bench.dir.path().join("b.log"), "n=900000\n");
    append(&bench.dir.path().join("c.log.gz"), "n=900001\n");
    std::os::unix::fs::symlink(bench.log(), bench.dir.path().join("d.log")).unwrap();
    until("a new file is read", || bench.numbers().0.contains(&900_000));
    until("the link is told", || logs.status().reasons.iter().any(|r| r.contains("symbolic link")));
    assert_eq!(logs.status().state, ModuleState::Degraded);
    assert_eq!(bench.numbers(), ((0..345).chain([900_000]).collect(), 0));
}

#[test]
fn a_killed_worker_loses_no_line() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    let (log, writing) = (bench.log(), Arc::new(AtomicBool::new(true)));
    let writer = {
        let writing = Arc::clone(&writing);
        std::thread::spawn(move || {
            let mut number = 0;
            while writing.load(Ordering::SeqCst) && number < 900 {
                let text: String = (0..5).map(|n| format!("n={:06}\n", number + n)).collect();
                append(&log, &text);
                number += 5;
                std::thread::sleep(Duration::from_millis(20));
            }
            number
        })
    };
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(400));
        for id in workers() {
            kill(id);
        }
    }
    writing.store(false, Ordering::SeqCst);
    let written: u32 = writer.join().unwrap();
    until("all lines are reported", || bench.numbers().0.len() as u32 == written);
    assert_eq!(bench.numbers().1, 0, "events leave the worker whole or not at all");
    assert!(counter(&logs, "worker-restarts") >= 1);
}

#[test]
fn positions_outlive_the_agent_and_cover_what_was_written_and_rotated_meanwhile() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    append(&bench.log(), "n=000001\nn=0000");
    until("the first line is reported", || bench.numbers().0.len() == 1);
    logs.stop();
    append(&bench.log(), "02\nn=000003\n");
    fs::rename(bench.log(), bench.dir.path().join("a.log.1")).unwrap();
    append(&bench.log(), "n=000004\n");
    let _logs = in_force(&bench, Some(EACH));
    until("all lines are reported", || bench.numbers().0.len() == 4);
    assert_eq!(bench.numbers(), ((1..=4).collect(), 0));
}

#[test]
fn what_cannot_be_made_durable_is_reported_later() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    bench.refuse.store(true, Ordering::SeqCst);
    append(&bench.log(), "n=000001\nn=000002\n");
    std::thread::sleep(Duration::from_millis(700));
    assert!(counter(&logs, "bytes-behind") > 0);
    bench.refuse.store(false, Ordering::SeqCst);
    until("both are reported", || bench.numbers().0.len() == 2);
}

#[test]
fn a_flood_is_bounded_counted_and_told() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    let text: String = (0..20_000).map(|n| format!("n={n:06}\n")).collect();
    append(&bench.log(), &text);
    until("all lines are judged", || counter(&logs, "lines") == 20_000);
    let (events, dropped) = (counter(&logs, "events"), counter(&logs, "events-dropped"));
    assert_eq!(events + dropped, 20_000);
    assert!((1_000..4_000).contains(&events), "{events}");
    logs.stop();
    let gap: u64 = bench
        .told
        .lock()
        .unwrap()
        .iter()
        .map(|said| match said {
            Said::Gap("events", count, "log-event-rate") => *count,
            _ => 0,
        })
        .sum();
    assert_eq!(gap, dropped);
}

#[test]
fn binary_lines_and_lines_without_end_do_no_harm() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    let mut junk: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    junk.extend(vec![b'x'; 700_000]);
    junk.extend(vec![0; 100_000]);
    junk.extend(b"\nn=000001 \x1b]0;title\x07\xff\n");
    OpenOptions::new().append(true).open(bench.log()).unwrap().write_all(&junk).unwrap();
    until("the line behind it is reported", || !bench.events().is_empty());
    let event = bench.events().pop().unwrap();
    assert_eq!(event.line, "n=000001 \\u{1b}]0;title\\u{7}\\xff");
    assert!(counter(&logs, "lines-cut") >= 1);
    assert_eq!(counter(&logs, "worker-restarts"), 0);
}

#[test]
fn rules_that_do_not_compile_leave_the_former_ones_in_force() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let logs = in_force(&bench, Some(EACH));
    let refused = logs.apply(bench.plan(Some("<group name='g'><rule id='1' level='77'/></group>")));
    let Err(ApplyError::Rules { count, shown }) = refused else { panic!("{refused:?}") };
    assert_eq!(count, 1);
    assert!(shown.contains("L005") && shown.contains("level"), "{shown}");
    append(&bench.log(), "n=000001\n");
    until("the former rules judge", || bench.numbers().0.len() == 1);
    assert_eq!(logs.status().rules, 1);
    // Off: nothing is read, and what was written meanwhile is nobody's.
    let mut plan = bench.plan(Some(EACH));
    plan.settings.mode = Mode::Off;
    assert_eq!(logs.apply(plan).unwrap(), 0);
    assert_eq!(logs.status().state, ModuleState::Off);
    until("no worker runs", || workers().is_empty());
}

#[test]
fn the_worker_has_no_files_no_privileges_and_a_filter() {
    let bench = Bench::new();
    append(&bench.log(), "");
    let _logs = in_force(&bench, Some(EACH));
    let worker = workers().pop().unwrap();
    let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let value = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(value("Seccomp:"), "2");
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("Threads:"), "1");
    for capabilities in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(value(capabilities), "0000000000000000", "{capabilities}");
    }
    if rustix::process::geteuid().is_root() {
        assert_eq!(value("CapBnd:"), "0000000000000000");
        assert_ne!(value("Uid:"), "0");
        let mut open: Vec<String> = fs::read_dir(format!("/proc/{worker}/fd"))
            .unwrap()
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
            .filter(|target| !target.starts_with("/dev/null") && !target.starts_with("pipe:"))
            .collect();
        open.retain(|target| !target.starts_with("/dev/pts"));
        let sockets = open.iter().filter(|target| target.starts_with("socket:")).count();
        assert_eq!(sockets, 1, "its socket pair: {open:?}");
        assert!(open.iter().all(|target| !target.contains(".log")), "{open:?}");
    }
}
