//! Integrity monitoring over real files, each test on a file system of its own.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test: it makes files, says why it is skipped, and fails by panicking"
)]

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use sakimori_agent::integrity::store::{Loaded, Store};
use sakimori_agent::integrity::{Finding, Integrity, Notice, Report, Trigger, WatchedSet};
use sakimori_integrity::{Baseline, ChangeKind, Entity, FileSet, printable};
use sakimori_model::Severity;
use sakimori_protocol::{Mode, ModuleState};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Runs `work` in a thread with a private tmpfs that holds `state` and `files`; says so without root.
fn on_private_tmpfs(work: impl FnOnce(&Path) + Send) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            sakimori_kernel_sys::process::unshare_mounts().unwrap();
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
            mount("tmpfs", place.path(), "tmpfs", MountFlags::empty(), None).unwrap();
            for folder in ["state", "files"] {
                fs::create_dir(place.path().join(folder)).unwrap();
            }
            work(place.path());
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

enum Said {
    Finding(Finding),
    Notice(Notice),
}

struct Listener(Sender<Said>);

impl Report for Listener {
    fn findings(&mut self, findings: &[Finding]) {
        for finding in findings {
            let _test_ended = self.0.send(Said::Finding(finding.clone()));
        }
    }
    fn notice(&mut self, notice: Notice) {
        let _test_ended = self.0.send(Said::Notice(notice));
    }
}

struct Lab {
    integrity: Integrity,
    said: Receiver<Said>,
    files: PathBuf,
}

impl Lab {
    /// Monitoring of `place`/files; returns when the baseline is built.
    fn start(place: &Path, real_time: bool, max_entities: usize, unlimited: bool) -> Self {
        let (sender, said) = channel();
        let reporter = Box::new(Listener(sender));
        let integrity = Integrity::start_with(&place.join("state"), reporter, unlimited).unwrap();
        let files = place.join("files");
        let base = files.to_str().unwrap().to_owned();
        let set = WatchedSet {
            files: FileSet {
                name: "web".into(),
                base,
                exclude: vec!["**/*.tmp".into()],
                ..FileSet::default()
            },
            severity: Severity::High,
            real_time,
        };
        integrity.apply(Mode::Detect, &[set], Duration::from_hours(1), max_entities).unwrap();
        integrity.scan();
        Self { integrity, said, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// Findings until nothing has come for a while.
    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        while let Ok(said) = self.said.recv_timeout(Duration::from_millis(1500)) {
            if let Said::Finding(finding) = said {
                findings.push(finding);
            }
        }
        findings
    }

    fn notices(&self) -> Vec<Notice> {
        let said = self.said.try_iter();
        said.filter_map(|said| if let Said::Notice(notice) = said { Some(notice) } else { None }).collect()
    }

    /// `kind path attribute…` of each finding, sorted.
    fn told(&self, findings: &[Finding]) -> Vec<String> {
        let mut told: Vec<String> = findings
            .iter()
            .map(|finding| {
                let path = printable(finding.path.strip_prefix(self.files.as_os_str().as_bytes()).unwrap());
                let mut line = format!("{} {path}", finding.change.kind.as_str());
                if finding.change.kind == ChangeKind::Changed {
                    for attribute in &finding.change.attributes {
                        line.push(' ');
                        line.push_str(attribute.attribute.as_str());
                    }
                }
                line
            })
            .collect();
        told.sort();
        told
    }
}

fn change_everything(lab: &Lab) {
    fs::write(lab.path("content"), b"evil content").unwrap();
    fs::write(lab.path("same-size"), b"2222").unwrap();
    fs::set_permissions(lab.path("mode"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(lab.path("owner"), Some(1234), Some(4321)).unwrap();
    fs::remove_file(lab.path("deleted")).unwrap();
    fs::remove_file(lab.path("link")).unwrap();
    symlink("/etc/shadow", lab.path("link")).unwrap();
    fs::rename(lab.path("dir/a"), lab.path("dir/b")).unwrap();
    fs::rename(lab.path("tree"), lab.path("moved")).unwrap();
    fs::create_dir_all(lab.path("new/deep")).unwrap();
    fs::write(lab.path("new/deep/file"), b"x").unwrap();
    fs::write(lab.path("ignored.tmp"), b"x").unwrap();
    fs::write(lab.path("untouched"), b"same").unwrap();
    fs::hard_link(lab.path("untouched"), lab.path("hard")).unwrap();
    // Back and forth: nothing has changed in the end.
    fs::rename(lab.path("untouched"), lab.path("elsewhere")).unwrap();
    fs::rename(lab.path("elsewhere"), lab.path("untouched")).unwrap();
}

fn prepare(place: &Path) {
    let files = place.join("files");
    for folder in ["dir", "tree/sub"] {
        fs::create_dir_all(files.join(folder)).unwrap();
    }
    for name in ["content", "same-size", "mode", "owner", "deleted", "dir/a", "tree/sub/x"] {
        fs::write(files.join(name), b"1111").unwrap();
    }
    fs::write(files.join("untouched"), b"same").unwrap();
    symlink("content", files.join("link")).unwrap();
    symlink("..", files.join("dir/up")).unwrap();
}

const EVERYTHING: &[&str] = &[
    "changed /content size sha256",
    "changed /link size target",
    "changed /mode mode",
    "changed /owner owner group",
    "changed /same-size sha256",
    "created /dir/b",
    "created /hard",
    "created /moved",
    "created /moved/sub",
    "created /moved/sub/x",
    "created /new",
    "created /new/deep",
    "created /new/deep/file",
    "deleted /deleted",
    "deleted /dir/a",
    "deleted /tree",
    "deleted /tree/sub",
    "deleted /tree/sub/x",
];

#[test]
fn a_scan_finds_every_kind_of_change_once() {
    on_private_tmpfs(|place| {
        prepare(place);
        let lab = Lab::start(place, false, 10_000, true);
        assert!(lab.findings().is_empty());
        change_everything(&lab);
        lab.integrity.scan();
        let findings = lab.findings();
        assert_eq!(lab.told(&findings), EVERYTHING);
        assert!(findings.iter().all(|f| f.trigger == Trigger::Manual && f.actor.is_none()));
        lab.integrity.scan();
        assert!(lab.findings().is_empty(), "each is reported once");
        assert_eq!(lab.integrity.status().state, ModuleState::Active);
    });
}

#[test]
fn changes_are_heard_at_once_with_the_process() {
    on_private_tmpfs(|place| {
        prepare(place);
        let lab = Lab::start(place, true, 10_000, true);
        change_everything(&lab);
        let findings = lab.findings();
        assert_eq!(lab.told(&findings), EVERYTHING);
        let own = i32::try_from(std::process::id()).unwrap();
        for finding in &findings {
            assert_eq!(finding.trigger, Trigger::RealTime);
            let actor = finding.actor.as_ref().unwrap();
            assert_eq!((actor.pid, actor.user), (own, Some(0)), "{finding:?}");
            assert!(actor.program.contains("integrity-"), "{}", actor.program);
        }
        lab.integrity.scan();
        assert!(lab.findings().is_empty(), "the scan knows what was heard");
    });
}

#[test]
fn a_burst_of_ten_thousand_changes_is_reported_whole() {
    on_private_tmpfs(|place| {
        let lab = Lab::start(place, true, 50_000, true);
        for number in 0..10_000 {
            fs::write(lab.path(&number.to_string()), b"x").unwrap();
        }
        let created = lab.findings();
        let count = |findings: &[Finding], kind| findings.iter().filter(|f| f.change.kind == kind).count();
        assert_eq!(count(&created, ChangeKind::Created), 10_000);
        for number in 0..10_000 {
            fs::remove_file(lab.path(&number.to_string())).unwrap();
        }
        assert_eq!(count(&lab.findings(), ChangeKind::Deleted), 10_000);
    });
}

#[test]
fn lost_events_end_in_a_scan_and_are_counted() {
    on_private_tmpfs(|place| {
        let bound: usize =
            fs::read_to_string("/proc/sys/fs/fanotify/max_queued_events").unwrap().trim().parse().unwrap();
        let lab = Lab::start(place, true, 200_000, false);
        // Several threads, so that the reader falls behind for sure.
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let files = &lab.files;
                scope.spawn(move || {
                    for number in 0..bound {
                        symlink("x", files.join(format!("{thread}-{number}"))).unwrap();
                    }
                });
            }
        });
        let created = lab.findings();
        assert_eq!(created.len(), 4 * bound, "none is missing, lost or not");
        let status = lab.integrity.status();
        eprintln!("{:?}", status.counters);
    });
}

#[test]
fn hostile_names_are_told_apart_and_never_raw() {
    on_private_tmpfs(|place| {
        let lab = Lab::start(place, true, 1000, true);
        let names: [&[u8]; 5] =
            [b"a\nb", b"\x1b]0;x\x07", b"\xff\xfe", "\u{202e}gpj.php".as_bytes(), b" (deleted)"];
        for name in names {
            fs::write(lab.files.join(OsStr::from_bytes(name)), b"x").unwrap();
        }
        fs::create_dir(lab.files.join(OsStr::from_bytes(b"d\n"))).unwrap();
        fs::write(lab.files.join(OsStr::from_bytes(b"d\n/f")), b"x").unwrap();
        let findings = lab.findings();
        let told = lab.told(&findings);
        assert_eq!(told.len(), 7, "{told:?}");
        assert!(told.iter().all(|line| !line.chars().any(char::is_control)), "{told:?}");
        assert!(told.contains(&"created /d\\n/f".to_owned()));
    });
}

#[test]
fn more_files_than_allowed_are_said_and_the_known_ones_stay_watched() {
    on_private_tmpfs(|place| {
        for number in 0..20 {
            fs::write(place.join(format!("files/{number:02}")), b"x").unwrap();
        }
        let lab = Lab::start(place, false, 10, true);
        let status = lab.integrity.status();
        assert_eq!(
            (status.state, status.reasons.as_slice()),
            (ModuleState::Degraded, &["too-many-files".to_owned()][..])
        );
        fs::write(lab.path("03"), b"changed").unwrap();
        lab.integrity.scan();
        assert_eq!(lab.told(&lab.findings()), ["changed /03 size sha256"]);
    });
}

#[test]
fn what_happened_while_no_agent_ran_is_found_at_the_next_start() {
    on_private_tmpfs(|place| {
        prepare(place);
        Lab::start(place, false, 10_000, true).integrity.stop();
        fs::write(place.join("files/content"), b"evil").unwrap();
        let lab = Lab::start(place, false, 10_000, true);
        let findings = lab.findings();
        assert_eq!(lab.told(&findings), ["changed /content sha256"]);
        assert_eq!(findings[0].trigger, Trigger::Scheduled);
    });
}

#[test]
fn a_damaged_baseline_is_said_so_and_built_anew() {
    on_private_tmpfs(|place| {
        prepare(place);
        Lab::start(place, false, 10_000, true).integrity.stop();
        let path = place.join("state/integrity/baseline");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let lab = Lab::start(place, false, 10_000, true);
        let notices = lab.notices();
        assert_eq!(notices[0], Notice::BaselineDamaged);
        assert!(matches!(notices[1], Notice::BaselineBuilt { .. }));
        assert!(path.with_extension("damaged").exists());
    });
}

#[test]
fn a_set_that_is_wrong_is_refused_and_the_former_stays() {
    on_private_tmpfs(|place| {
        let lab = Lab::start(place, false, 10_000, true);
        let set = WatchedSet {
            files: FileSet { name: "x".into(), base: "relative".into(), ..FileSet::default() },
            severity: Severity::Low,
            real_time: false,
        };
        let refusal = lab.integrity.apply(Mode::Detect, &[set], Duration::from_mins(1), 10).unwrap_err();
        assert!(refusal.lasting && refusal.reason.contains("I001"), "{refusal:?}");
        fs::write(lab.path("n"), b"x").unwrap();
        lab.integrity.scan();
        assert_eq!(lab.told(&lab.findings()), ["created /n"]);
    });
}

#[test]
fn a_baseline_is_whole_whenever_its_writer_is_killed() {
    const VARIABLE: &str = "SAKIMORI_TEST_BASELINE_WRITER";
    let baseline = |round: u32| {
        let mut baseline = Baseline::default();
        for number in 0..2_000 {
            let entity = Entity { size: u64::from(round), sha256: Some([7; 32]), ..Entity::default() };
            baseline.keep(format!("some/folder/{number:05}").as_bytes(), entity);
        }
        baseline
    };
    if let Some(folder) = std::env::var_os(VARIABLE) {
        let store = Store::in_dir(Path::new(&folder)).unwrap();
        for round in 0.. {
            store.save([("set", &[1; 32], &baseline(round))].into_iter()).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_dir(folder.path()).unwrap();
    store.save([("set", &[1; 32], &baseline(0))].into_iter()).unwrap();
    for round in 0..15_u64 {
        let mut writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_baseline_is_whole_whenever_its_writer_is_killed"])
            .env(VARIABLE, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(30 + round * 7));
        writer.kill().unwrap();
        writer.wait().unwrap();
        match store.load().unwrap() {
            Loaded::Sets(sets) => assert_eq!(sets[0].baseline.len(), 2_000),
            other => panic!("{other:?}"),
        }
    }
}
