//! A private tmpfs in a private mount namespace, and an anti-malware part that watches it.
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use sakimori_agent::scanner::{Action, Malware, Report, ScanPlan, ScanSettings, Scanner};
use sakimori_antimalware::{Source, SourceKind};
use sakimori_model::Mode;
use sakimori_protocol::Hash;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) struct Lab {
    /// Watched.
    pub(crate) place: PathBuf,
    /// Not watched; with the state directory.
    pub(crate) dir: PathBuf,
    reports: Arc<Mutex<Vec<Report>>>,
}

/// Whether the test can run; says why not.
pub(crate) fn able() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: mount namespaces need root");
    }
    root
}

impl Lab {
    /// Runs `work` in a thread whose file system is its own; threads and processes that it starts are in there too.
    pub(crate) fn run(work: impl FnOnce(&Self) + Send) {
        // Scanners are counted by process: one test at a time in each.
        static ONE: Mutex<()> = Mutex::new(());
        if !able() {
            return;
        }
        let _alone = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().canonicalize().unwrap();
        let place = dir.join("watched");
        fs::create_dir(&place).unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                sakimori_kernel_sys::process::unshare_mounts().unwrap();
                mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
                mount("tmpfs", &place, "tmpfs", MountFlags::empty(), None).unwrap();
                work(&Self { place: place.clone(), dir: dir.clone(), reports: Arc::default() });
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }

    pub(crate) fn start(&self) -> Scanner {
        let reports = Arc::clone(&self.reports);
        let worker = PathBuf::from(env!("CARGO_BIN_EXE_sakimori-agent"));
        let state = self.dir.join("state");
        fs::create_dir_all(&state).unwrap();
        Scanner::start_with(worker, &state, &state, move |report| reports.lock().unwrap().push(report))
            .unwrap()
    }

    /// An overlay over folders of the private tmpfs, as containers have one.
    pub(crate) fn overlay(&self) -> PathBuf {
        for folder in ["lower", "upper", "work", "merged"] {
            fs::create_dir(self.place.join(folder)).unwrap();
        }
        let at = self.place.display();
        let options = format!("lowerdir={at}/lower,upperdir={at}/upper,workdir={at}/work");
        let options = std::ffi::CString::new(options).unwrap();
        let merged = self.place.join("merged");
        mount("overlay", &merged, "overlay", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        merged
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap().clone()
    }

    pub(crate) fn malware(&self) -> Vec<Malware> {
        let found = self.reports().into_iter().filter_map(|report| match report {
            Report::Malware(malware) => Some(*malware),
            _ => None,
        });
        found.collect()
    }
}

/// Says that it is over when it goes, also by a panic.
pub(crate) struct Ending<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub(crate) fn plan(lab: &Lab, mode: Mode, action: Action, sources: &[Source]) -> ScanPlan {
    let settings = ScanSettings { mode, action, roots: vec![lab.place.clone()], ..ScanSettings::off() };
    ScanPlan { settings, sources: sources.to_vec(), generation: Hash::of(b"plan") }
}

pub(crate) fn yara(text: &str) -> Source {
    Source { name: "test.yar".into(), kind: SourceKind::Yara, text: text.as_bytes().to_vec() }
}

/// Made here from two halves: the whole is in no file of ours.
pub(crate) fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}", "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

pub(crate) fn counter(scanner: &Scanner, name: &str) -> u64 {
    let counters = scanner.status().counters;
    counters.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no counter {name}")).1
}

/// Waits until something is so.
pub(crate) fn until(patience: Duration, so: impl Fn() -> bool) -> bool {
    let give_up = Instant::now() + patience;
    while Instant::now() < give_up {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    so()
}

/// The scanners that this process started, by number.
pub(crate) fn scanner_ids() -> Vec<u32> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // All of it: a child that has not become its program yet has the test's own words.
            if line == b"sakimori-agent\0worker\0scanner\0" {
                found.push(pid);
            }
        }
    }
    found.sort_unstable();
    found
}

pub(crate) fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

pub(crate) fn stop(pid: u32) {
    signal(pid, rustix::process::Signal::STOP);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _gone_already = rustix::process::kill_process(pid, signal);
}
