//! The anti-malware part against real files: fanotify on a file system of the test's own, and sandboxed scanners.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test: it waits, reads files, says why it is skipped, and fails by panicking"
)]

#[path = "scanner/lab.rs"]
mod lab;

use lab::{Ending, Lab, able, counter, eicar, plan, scanner_ids, until, yara};
use sakimori_agent::enforcement::{Enforcement, ModulePlan, Plan};
use sakimori_agent::network::RuleFile;
use sakimori_agent::scanner::{Action, ApplyError, Done, QuarantineError, Report, Trigger, event};
use sakimori_model::{FailureResponse, Mode};
use sakimori_protocol::{Hash, ModuleState};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// Opens from outside: a file that this process opens is our own, and passes.
fn open_as_other(path: &Path) -> bool {
    std::process::Command::new("cat").arg(path).output().unwrap().status.success()
}

/// Writes from outside.
fn write_as_other(path: &Path, content: &[u8]) {
    let mut child = std::process::Command::new("tee")
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_dropped_test_file_is_quarantined_reported_and_comes_back() {
    Lab::run(|lab| {
        let scanner = lab.start();
        let bad = lab.place.join("dropped.com");
        write_as_other(&bad, &eicar());
        assert!(bad.exists(), "unprotected before the first plan");
        fs::remove_file(&bad).unwrap();

        scanner.apply(plan(lab, Mode::Prevent, Action::Quarantine, &[])).unwrap();
        assert_eq!(scanner.status().state, ModuleState::Active, "{:?}", scanner.status());
        write_as_other(&lab.place.join("good"), b"nothing");
        // By a process that lives on: one that has ended cannot be asked who it was.
        let mut writer = std::process::Command::new("sh")
            .args(["-c", "cat >\"$0\"; sleep 5"])
            .arg(&bad)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(&eicar()).unwrap();
        assert!(until(PATIENCE, || lab.malware().len() == 1), "{:?}", scanner.status());
        let report = lab.malware().remove(0);
        assert!(!bad.exists());
        assert_eq!(
            (report.path.as_path(), report.by.as_str(), report.done),
            (bad.as_path(), "eicar", Done::Quarantined)
        );
        assert_eq!((report.trigger, report.size), (Trigger::RealTime, 68));
        assert_eq!(
            report.sha256.as_deref(),
            Some("275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f")
        );
        let process = report.process.unwrap();
        assert_eq!((process.uid, process.user.as_deref()), (Some(0), Some("root")));
        let _ended = (writer.kill(), writer.wait());
        let entry = scanner.quarantine().show(report.quarantine_id.unwrap()).unwrap();
        assert_eq!((entry.path.as_path(), entry.size), (bad.as_path(), 68));

        let restored = scanner.restore(entry.id).unwrap();
        assert_eq!(restored.path, bad);
        assert_eq!(fs::read(&bad).unwrap(), eicar());
        // Allowed by its sum from now on, wherever it is written.
        write_as_other(&lab.place.join("again.com"), &eicar());
        assert!(until(PATIENCE, || counter(&scanner, "files-scanned") >= 3), "{:?}", scanner.status());
        assert!(lab.place.join("again.com").exists());
        assert_eq!(lab.malware().len(), 1);
        assert!(matches!(scanner.restore(entry.id), Err(QuarantineError::Unknown(_))));
        assert!(counter(&scanner, "files-quarantined") == 1 && counter(&scanner, "files-infected") == 1);
    });
}

#[test]
fn an_open_is_denied_where_openers_are_asked() {
    Lab::run(|lab| {
        let (bad, good) = (lab.place.join("bad"), lab.place.join("good"));
        write_as_other(&bad, b"some malicious marker here");
        write_as_other(&good, b"innocent");
        // A file that was written just now may be written again within the same tick: its verdict is not kept.
        std::thread::sleep(Duration::from_millis(50));
        let scanner = lab.start();
        let rules = [yara(r#"rule marker { strings: $a = "malicious marker" condition: $a }"#)];
        let mut wanted = plan(lab, Mode::Prevent, Action::DenyAccess, &rules);
        wanted.settings.on_access = true;
        assert_eq!(scanner.apply(wanted.clone()).unwrap().rules, 1);
        assert!(open_as_other(&good));
        assert!(!open_as_other(&bad));
        assert!(bad.exists());
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        let report = lab.malware().remove(0);
        assert_eq!(
            (report.done, report.trigger, report.by.as_str()),
            (Done::Denied, Trigger::OnAccess, "yara")
        );
        assert!(report.process.unwrap().exe.ends_with("cat"));
        assert!(!open_as_other(&bad), "from the cache");
        assert_eq!(lab.malware().len(), 1, "told once");
        assert!(counter(&scanner, "opens-denied") >= 2);

        // In Detect the same file is opened.
        wanted.settings.mode = Mode::Detect;
        scanner.apply(wanted).unwrap();
        assert!(open_as_other(&bad));
        assert!(until(PATIENCE, || lab.malware().len() == 2));
        assert_eq!(lab.malware()[1].done, Done::Passed);
        scanner.stop();
        assert!(open_as_other(&bad), "nothing of us is left after the end");
    });
}

#[test]
fn a_verdict_is_kept_until_the_file_is_written() {
    Lab::run(|lab| {
        let scanner = lab.start();
        let path = lab.place.join("page.php");
        write_as_other(&path, b"<?php harmless");
        std::thread::sleep(Duration::from_millis(50));
        let rules = [yara(r#"rule marker { strings: $a = "malicious" condition: $a }"#)];
        let mut wanted = plan(lab, Mode::Prevent, Action::DenyAccess, &rules);
        wanted.settings.on_access = true;
        scanner.apply(wanted).unwrap();
        for _ in 0..5 {
            assert!(open_as_other(&path));
        }
        assert_eq!(counter(&scanner, "files-scanned"), 1, "looked at once");
        assert!(counter(&scanner, "cache-hits") >= 4);

        // Through a shared mapping the content changes without a write call, and the times may be put back.
        let before = fs::metadata(&path).unwrap();
        let overwritten = std::process::Command::new("python3")
            .arg("-c")
            .arg(
                "import mmap,os,sys\nf=os.open(sys.argv[1],os.O_RDWR)\nm=mmap.mmap(f,0)\nm[0:9]=b'malicious'\n\
                 m.close()\nos.utime(f,ns=(int(sys.argv[2]),int(sys.argv[2])))\nos.close(f)",
            )
            .arg(&path)
            .arg((before.mtime() * 1_000_000_000 + before.mtime_nsec()).to_string())
            .output()
            .unwrap();
        assert!(overwritten.status.success(), "{overwritten:?}");
        assert!(!open_as_other(&path), "an old verdict was used: {:?}", scanner.status());
    });
}

#[test]
fn scanners_are_killed_under_load_and_nobody_hangs() {
    Lab::run(|lab| {
        let scanner = lab.start();
        let mut wanted = plan(lab, Mode::Prevent, Action::DenyAccess, &[]);
        wanted.settings.on_access = true;
        scanner.apply(wanted).unwrap();
        let ending = AtomicBool::new(false);
        let (opened, slowest) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let (ending, opened, slowest, place) = (&ending, &opened, &slowest, &lab.place);
                scope.spawn(move || {
                    for number in 0.. {
                        if ending.load(Ordering::Relaxed) {
                            return;
                        }
                        let path = place.join(format!("{worker}-{number}"));
                        fs::write(&path, format!("content {number}")).unwrap();
                        let began = Instant::now();
                        assert!(open_as_other(&path), "denied");
                        let took = u64::try_from(began.elapsed().as_millis()).unwrap();
                        slowest.fetch_max(took, Ordering::Relaxed);
                        opened.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let _over = Ending(&ending);
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(400));
                let before = scanner_ids();
                assert!(!before.is_empty());
                for id in &before {
                    lab::kill(*id);
                }
                let killed = Instant::now();
                assert!(
                    until(Duration::from_secs(5), || {
                        let now = scanner_ids();
                        now.len() == before.len() && now.iter().all(|id| !before.contains(id))
                    }),
                    "no new scanners"
                );
                eprintln!("new scanners after {:?}", killed.elapsed());
            }
        });
        eprintln!("{opened:?} opened, slowest {slowest:?} ms");
        assert!(until(PATIENCE, || scanner.status().state == ModuleState::Active), "{:?}", scanner.status());
        assert!(counter(&scanner, "worker-restarts") >= 10);
        assert!(opened.load(Ordering::Relaxed) > 20);
        assert!(slowest.load(Ordering::Relaxed) < 3_000, "longer than the deadline");
        let bad = lab.place.join("after");
        fs::write(&bad, eicar()).unwrap();
        assert!(!open_as_other(&bad), "the new scanners work");
    });
}

#[test]
fn a_stopped_scanner_ends_in_the_failure_response() {
    Lab::run(|lab| {
        for (failure, opens) in [(FailureResponse::Open, true), (FailureResponse::Closed, false)] {
            let scanner = lab.start();
            let mut wanted = plan(lab, Mode::Prevent, Action::DenyAccess, &[]);
            wanted.settings.on_access = true;
            wanted.settings.failure = failure;
            wanted.settings.deadline = Duration::from_millis(300);
            wanted.settings.scan_time = Duration::from_millis(500);
            scanner.apply(wanted).unwrap();
            let path = lab.place.join(format!("file-{opens}"));
            fs::write(&path, b"content").unwrap();
            for id in scanner_ids() {
                lab::stop(id);
            }
            let began = Instant::now();
            assert_eq!(open_as_other(&path), opens);
            let took = began.elapsed();
            assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{took:?}");
            assert!(counter(&scanner, "opens-failure-response") >= 1);
            // A scanner that hangs is replaced.
            assert!(until(PATIENCE, || counter(&scanner, "worker-restarts") >= 1), "{:?}", scanner.status());
            assert!(until(PATIENCE, || open_as_other(&path)), "{:?}", scanner.status());
            scanner.stop();
        }
    });
}

#[test]
fn a_refused_rule_set_leaves_the_former_one_in_force() {
    Lab::run(|lab| {
        let scanner = lab.start();
        let good = [yara(r#"rule marker { strings: $a = "malicious marker" condition: $a }"#)];
        scanner.apply(plan(lab, Mode::Prevent, Action::Delete, &good)).unwrap();
        let before = scanner_ids();
        let broken = [good[0].clone(), yara("rule broken {\n condition: $nothing\n}")];
        let refused = scanner.apply(plan(lab, Mode::Prevent, Action::Delete, &broken)).unwrap_err();
        let ApplyError::Rules(findings) = refused else { panic!("{refused:?}") };
        assert_eq!((findings[0].code, findings[0].line), ("M010", 2));
        assert_eq!(
            scanner_ids(),
            before,
            "no scanner of the refused rules stays, and none of the former goes"
        );
        let bad = lab.place.join("bad");
        write_as_other(&bad, b"a malicious marker");
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        assert_eq!(lab.malware()[0].done, Done::Deleted);
        assert!(!bad.exists());
    });
}

#[test]
fn a_scan_on_request_finds_what_lies_there_and_leaves_exclusions_alone() {
    Lab::run(|lab| {
        let tree = lab.place.join("a/b/c");
        fs::create_dir_all(&tree).unwrap();
        fs::create_dir(lab.place.join("excluded")).unwrap();
        fs::write(tree.join("bad"), eicar()).unwrap();
        fs::write(lab.place.join("excluded/bad"), eicar()).unwrap();
        std::os::unix::fs::symlink("/etc", lab.place.join("link")).unwrap();
        for number in 0..100 {
            fs::write(tree.join(format!("good-{number}")), format!("{number}")).unwrap();
        }
        let scanner = lab.start();
        let mut wanted = plan(lab, Mode::Prevent, Action::Quarantine, &[]);
        wanted.settings.exclusions = vec![lab.place.join("excluded")];
        scanner.apply(wanted).unwrap();
        let summary = scanner.scan(std::slice::from_ref(&lab.place));
        assert_eq!((summary.files, summary.infected, summary.failed), (101, 1, 0), "{summary:?}");
        assert_eq!(summary.found[0].path, tree.join("bad"));
        assert!(!summary.interrupted);
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        assert_eq!(lab.malware()[0].trigger, Trigger::Manual);
        assert!(lab.place.join("excluded/bad").exists());
        assert!(until(PATIENCE, || !tree.join("bad").exists()));
    });
}

#[test]
fn a_scan_that_a_task_asked_for_says_what_came_of_it() {
    Lab::run(|lab| {
        fs::write(lab.place.join("bad"), eicar()).unwrap();
        for number in 0..100 {
            fs::write(lab.place.join(format!("good-{number}")), format!("{number}")).unwrap();
        }
        let scanner = lab.start();
        assert!(scanner.begin_scan().unwrap_err().contains("off"), "nothing is in force yet");
        let mut wanted = plan(lab, Mode::Prevent, Action::Pass, &[]);
        wanted.settings.roots = vec![lab.place.clone()];
        scanner.apply(wanted).unwrap();
        let progress = scanner.begin_scan().unwrap();
        assert!(until(PATIENCE, || progress.look().1.is_some()));
        let (words, ended) = progress.look();
        assert_eq!(ended, Some(Ok(())));
        assert_eq!(words, "101 files looked at (0 in part), 1 with malware, 0 could not be looked at");
        assert!(until(PATIENCE, || lab.malware().iter().any(|found| found.trigger == Trigger::Scheduled)));
        // Another one begins anew.
        let again = scanner.begin_scan().unwrap();
        assert!(until(PATIENCE, || again.look().1.is_some()));
    });
}

#[test]
fn files_on_an_overlay_are_found_and_moved_away() {
    Lab::run(|lab| {
        let merged = lab.overlay();
        fs::write(lab.place.join("lower/old.com"), eicar()).unwrap();
        let scanner = lab.start();
        let mut wanted = plan(lab, Mode::Prevent, Action::Quarantine, &[]);
        wanted.settings.roots = vec![merged.clone()];
        scanner.apply(wanted).unwrap();
        assert_eq!(scanner.status().reasons, Vec::<String>::new());
        write_as_other(&merged.join("new.com"), &eicar());
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        let report = lab.malware().remove(0);
        assert_eq!((report.path, report.done), (merged.join("new.com"), Done::Quarantined));
        assert!(!merged.join("new.com").exists());
        let summary = scanner.scan(std::slice::from_ref(&merged));
        assert_eq!(summary.infected, 1, "{summary:?}");
        assert!(until(PATIENCE, || lab.malware().len() == 2));
        assert!(!merged.join("old.com").exists());
        scanner.restore(report.quarantine_id.unwrap()).unwrap();
        assert_eq!(fs::read(merged.join("new.com")).unwrap(), eicar());
    });
}

#[test]
fn a_bundle_s_documents_are_put_in_force_and_refused() {
    Lab::run(|lab| {
        let scanner = lab.start();
        let plan = |settings: serde_json::Value, rules: &str| Plan {
            generation: Hash::of(b"bundle"),
            modules: [(
                "anti-malware".to_owned(),
                ModulePlan {
                    settings,
                    files: vec![RuleFile { name: "own.yar".to_owned(), text: rules.as_bytes().to_vec() }],
                },
            )]
            .into(),
        };
        let wanted = serde_json::json!({"mode": "prevent", "roots": {lab.place.to_str().unwrap(): true}, "action": "delete"});
        let rule = r#"rule marker { strings: $a = "malicious marker" condition: $a }"#;
        assert_eq!(Enforcement::apply(&scanner, plan(wanted.clone(), rule)).unwrap(), 1);
        write_as_other(&lab.place.join("bad"), b"a malicious marker");
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        let event = event(lab.reports().remove(0));
        let detail: sakimori_modules::anti_malware::Malware = event.read().unwrap();
        assert_eq!((detail.signature.as_str(), detail.done.as_str()), ("marker", "deleted"));
        let refusal = Enforcement::apply(&scanner, plan(wanted, "rule x {")).unwrap_err();
        assert!(refusal.lasting && refusal.reason.starts_with("rules-refused"), "{refusal:?}");
        assert!(refusal.reason.contains("own.yar:1"), "{refusal:?}");
        // A bundle that does not name the module has it off.
        let off = Plan { generation: Hash::of(b"off"), modules: std::collections::BTreeMap::new() };
        assert_eq!(Enforcement::apply(&scanner, off).unwrap(), 0);
        assert_eq!(Enforcement::status(&scanner)[0].state, ModuleState::Off);
        assert!(until(PATIENCE, || scanner_ids().is_empty()));
    });
}

#[test]
fn the_command_line_scans_lists_and_restores() {
    Lab::run(|lab| {
        let scanner = lab.start();
        let state = lab.dir.join("state");
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sakimori-agent"));
            command.arg("--state-dir").arg(&state).arg("--run-dir").arg(&state).args(arguments);
            let out = command.output().unwrap();
            (
                out.status.code(),
                String::from_utf8(out.stdout).unwrap(),
                String::from_utf8(out.stderr).unwrap(),
            )
        };
        let (code, _, words) = run(&["scan"]);
        assert!(code == Some(1) && words.contains("off in this computer's policy"), "{words}");
        let bad = lab.place.join("bad.com");
        fs::write(&bad, eicar()).unwrap();
        scanner.apply(plan(lab, Mode::Prevent, Action::Quarantine, &[])).unwrap();
        let (code, said, _) = run(&["scan"]);
        assert_eq!(code, Some(1), "malware was found");
        assert!(
            said.contains("bad.com: EICAR-Test-File") && said.contains("1 files looked at, 1 infected"),
            "{said}"
        );
        assert!(until(PATIENCE, || !bad.exists()));
        let (code, said, _) = run(&["quarantine", "list"]);
        assert!(code == Some(0) && said.contains("EICAR-Test-File"), "{said}");
        let id = said.split_whitespace().next().unwrap();
        assert!(run(&["quarantine", "show", id]).1.contains("SHA-256    275a021b"));
        let (code, said, words) = run(&["quarantine", "restore", id]);
        assert_eq!(code, Some(0), "{said}{words}");
        assert_eq!(fs::read(&bad).unwrap(), eicar());
        let (code, said, _) = run(&["scan", lab.place.to_str().unwrap()]);
        assert!(code == Some(0) && said.contains("0 infected"), "{said}");
        assert!(run(&["quarantine", "list"]).1.contains("empty"));
        // Without an agent the quarantine is still there.
        write_as_other(&lab.place.join("other"), b"x");
        drop(scanner);
        let (code, _, words) = run(&["scan"]);
        assert!(code == Some(1) && words.contains("does not run"), "{words}");
    });
}

#[test]
fn the_schedule_scans_by_itself() {
    Lab::run(|lab| {
        let bad = lab.place.join("bad");
        fs::write(&bad, eicar()).unwrap();
        let scanner = lab.start();
        let mut wanted = plan(lab, Mode::Prevent, Action::Quarantine, &[]);
        wanted.settings.schedule = Some(Duration::from_millis(200));
        scanner.apply(wanted).unwrap();
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        assert_eq!(lab.malware()[0].trigger, Trigger::Scheduled);
        assert!(until(PATIENCE, || !bad.exists()));
    });
}

#[test]
fn a_burst_of_written_files_is_looked_at_to_the_last() {
    Lab::run(|lab| {
        let scanner = lab.start();
        scanner.apply(plan(lab, Mode::Prevent, Action::Quarantine, &[])).unwrap();
        let script = "i=0; while [ $i -lt 5000 ]; do echo $i > f$i; i=$((i+1)); done";
        let burst = std::process::Command::new("sh").arg("-c").arg(script).current_dir(&lab.place).status();
        assert!(burst.unwrap().success());
        write_as_other(&lab.place.join("last"), &eicar());
        assert!(until(Duration::from_secs(30), || lab.malware().len() == 1), "{:?}", scanner.status());
        assert!(until(PATIENCE, || counter(&scanner, "files-scanned") >= 5_001), "{:?}", scanner.status());
        assert_eq!(counter(&scanner, "files-unscanned"), 0);
        assert!(!lab.reports().iter().any(|r| matches!(r, Report::Unscanned { .. })));
    });
}

#[test]
fn owner_permissions_and_time_come_back_with_a_file() {
    Lab::run(|lab| {
        let scanner = lab.start();
        scanner.apply(plan(lab, Mode::Prevent, Action::Quarantine, &[])).unwrap();
        let bad = lab.place.join("bad");
        let prepared = lab.dir.join("prepared");
        fs::write(&prepared, eicar()).unwrap();
        std::os::unix::fs::chown(&prepared, Some(33), Some(34)).unwrap();
        fs::set_permissions(&prepared, fs::Permissions::from_mode(0o4711)).unwrap();
        let copied = std::process::Command::new("cp").arg("-p").arg(&prepared).arg(&bad).status().unwrap();
        assert!(copied.success());
        assert!(until(PATIENCE, || lab.malware().len() == 1));
        scanner.restore(lab.malware()[0].quarantine_id.unwrap()).unwrap();
        let back = fs::metadata(&bad).unwrap();
        assert_eq!((back.uid(), back.gid(), back.mode() & 0o7777), (33, 34, 0o4711));
    });
}

#[test]
fn a_scanner_has_no_privileges() {
    Lab::run(|lab| {
        let scanner = lab.start();
        scanner.apply(plan(lab, Mode::Prevent, Action::Quarantine, &[])).unwrap();
        let id = scanner_ids()[0];
        let mut status = String::new();
        File::open(format!("/proc/{id}/status")).unwrap().read_to_string(&mut status).unwrap();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|l| l.strip_prefix(name))
                .unwrap_or_else(|| panic!("{name}"))
                .trim()
                .to_owned()
        };
        assert_eq!(field("Seccomp:"), "2");
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("CapEff:"), "0000000000000000");
        assert_eq!(field("CapBnd:"), "0000000000000000");
        assert_ne!(field("Uid:").split_whitespace().next(), Some("0"));
        drop(scanner);
        assert!(until(PATIENCE, || scanner_ids().is_empty()), "a scanner outlived its supervisor's part");
    });
}

/// Figures for the curious: `--run-ignored only --no-capture`.
#[test]
#[ignore = "prints figures"]
fn the_price_of_an_open() {
    if !able() {
        return;
    }
    Lab::run(|lab| {
        const ROUNDS: u32 = 20_000;
        const FILES: u32 = 2_000;
        let hot = lab.place.join("hot");
        fs::write(&hot, vec![b'x'; 4096]).unwrap();
        for number in 0..FILES {
            fs::write(lab.place.join(format!("cold-{number}")), vec![b'y'; 4096]).unwrap();
        }
        std::thread::sleep(Duration::from_millis(100));
        // In a process of its own: our opens are not asked about. Prints nanoseconds per open, read and close.
        let measure = |what: &str| -> f64 {
            let script = format!(
                "import os,time\n\
                 p='{place}/'\n\
                 def one(n):\n f=os.open(n,0)\n os.read(f,4096)\n os.close(f)\n\
                 hot={hot}\n\
                 names=[p+'hot']*{ROUNDS} if hot else [p+'cold-%d'%i for i in range({FILES})]\n\
                 t=time.perf_counter_ns()\n\
                 for n in names: one(n)\n\
                 print((time.perf_counter_ns()-t)/len(names))",
                place = lab.place.display(),
                hot = if what == "hot" { "True" } else { "False" },
            );
            let out = std::process::Command::new("python3").arg("-c").arg(script).output().unwrap();
            String::from_utf8_lossy(&out.stdout).trim().parse::<f64>().unwrap() / 1000.0
        };
        let bare = (measure("hot"), measure("cold"));
        let scanner = lab.start();
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/malware/rules");
        let rules: Vec<_> = fs::read_dir(pack)
            .unwrap()
            .map(|e| {
                let path = e.unwrap().path();
                let mut source = yara(&fs::read_to_string(&path).unwrap());
                source.name = path.display().to_string();
                source
            })
            .collect();
        let mut wanted = plan(lab, Mode::Prevent, Action::DenyAccess, &rules);
        wanted.settings.on_access = true;
        scanner.apply(wanted).unwrap();
        let first = measure("cold");
        let second = measure("cold");
        let cached = measure("hot");
        println!(
            "open+read+close of 4 KiB, µs: bare {:.1} (one file) {:.1} (many); first {first:.1}; cached {second:.1} (many) {cached:.1} (one file)",
            bare.0, bare.1
        );

        let big = lab.place.join("big");
        let file = File::create(&big).unwrap();
        for (n, path) in ["/usr/bin/python3.11", "/usr/bin/perl", "/bin/bash"].iter().enumerate() {
            if let Ok(bytes) = fs::read(path) {
                file.write_all_at(&bytes, n as u64 * (8 << 20)).unwrap();
            }
        }
        file.set_len(32 << 20).unwrap();
        let began = Instant::now();
        let summary = scanner.scan(&[big]);
        println!("32 MiB through the sandbox in {:?}: {summary:?}", began.elapsed());
    });
}
