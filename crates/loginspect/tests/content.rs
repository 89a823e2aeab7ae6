//! Our own log rules: each fires on its `fires-*` cases and on none of its `passes-*` cases.
//!
//! A case is lines of a log; `#+N` lets N seconds pass. It fires if its last line is the rule's.
#![expect(clippy::disallowed_methods, reason = "reads the project's own files")]
#![expect(clippy::unwrap_used, reason = "a test ends when the content is not there")]

use sakimori_loginspect::{Dialect, Engine, Line, Moment, RuleSet, SourceFile, compile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/logs")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn rules() -> Arc<RuleSet> {
    let files: Vec<SourceFile> = sorted(&folder().join("rules"))
        .iter()
        .map(|path| SourceFile { name: name(path), text: std::fs::read(path).unwrap() })
        .collect();
    let compiled = compile(&files, Dialect::Ossec);
    assert_eq!(compiled.diagnostics, []);
    Arc::new(compiled.rules)
}

/// The rule of the last line, and all rules on the way.
fn judge(rules: &Arc<RuleSet>, text: &str) -> (Option<u32>, BTreeSet<u32>) {
    let mut engine = Engine::new(Arc::clone(rules));
    let mut now = Moment { seconds: 1_000, minute: 600, weekday: 3 };
    let (mut last, mut all) = (None, BTreeSet::new());
    for line in text.lines() {
        if let Some(seconds) = line.strip_prefix("#+") {
            now.seconds += seconds.parse::<u64>().unwrap();
            continue;
        }
        let judged =
            engine.judge(Line { bytes: line.as_bytes(), location: "/var/log/test", header: true }, now);
        last = judged.rule().map(|rule| rule.id);
        all.extend(last);
    }
    (last, all)
}

#[test]
fn each_rule_fires_where_it_must_and_nowhere_else() {
    let rules = rules();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case_folder in sorted(&folder().join("cases")) {
        let id: u32 = name(&case_folder).parse().unwrap();
        for path in sorted(&case_folder) {
            let (last, all) = judge(&rules, &std::fs::read_to_string(&path).unwrap());
            let right = match name(&path) {
                fires if fires.starts_with("fires-") => last == Some(id),
                passes if passes.starts_with("passes-") => !all.contains(&id),
                other => panic!("{other} is neither fires-* nor passes-*"),
            };
            count += 1;
            if !right {
                wrong.push(format!("{id}/{}: last {last:?}, all {all:?}", name(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 70, "{count} cases");
}

#[test]
fn each_rule_has_cases_of_both_kinds_and_is_described() {
    let described: BTreeSet<u32> = std::fs::read_to_string(folder().join("metadata.toml"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("sid = ")?.parse().ok())
        .collect();
    let mut tried = BTreeSet::new();
    for case_folder in sorted(&folder().join("cases")) {
        let names: Vec<_> = sorted(&case_folder).iter().map(|path| name(path)).collect();
        assert!(names.iter().any(|n| n.starts_with("fires-")), "{}", case_folder.display());
        assert!(names.iter().any(|n| n.starts_with("passes-")), "{}", case_folder.display());
        tried.insert(name(&case_folder).parse().unwrap());
    }
    assert_eq!(tried, described);
    // Rules that only hold others together never are a line's.
    let own: BTreeSet<u32> = rules().rules().map(|rule| rule.id).collect();
    let only_holders: Vec<_> = own.difference(&described).collect();
    assert_eq!(only_holders, [&700_000, &700_100, &700_300]);
    assert!(own.iter().all(|id| (700_000..710_000).contains(id)));
}

#[test]
fn an_address_in_a_user_name_is_not_taken_for_the_source() {
    let rules = rules();
    let mut engine = Engine::new(rules);
    let line = b"Nov 25 17:00:00 web1 sshd[1]: Failed password for invalid user x from 198.51.100.9 port 1 ssh2 from 192.0.2.7 port 4711 ssh2";
    let judged =
        engine.judge(Line { bytes: line, location: "/var/log/auth.log", header: true }, Moment::default());
    assert_eq!(judged.source_ip(), Some(b"192.0.2.7".as_slice()));
    assert_eq!(judged.user(), Some(b"x from 198.51.100.9 port 1 ssh2".as_slice()));
}
