//! Our own pack: every rule compiles, is described, stops what it must stop and lets pass what it must not.
//!
//! Each case is played as a TCP connection through the whole inspection pipeline, in full segments
//! and one byte at a time: a rule that only sees its attack in one piece is no protection.

use sakimori_content::{Pack, cases};
use sakimori_inspection::offline::play;
use sakimori_model::{Detail, IntrusionPrevention, Level, Mode, Sid};
use sakimori_signatures::{Action, RuleSet, SourceFile, Variables, compile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/virtual-patches")
}

fn rules(pack: &Pack) -> Arc<RuleSet> {
    let files: Vec<SourceFile> = pack
        .rules()
        .iter()
        .map(|file| SourceFile { name: file.name.clone(), text: file.text.as_bytes().to_vec() })
        .collect();
    let compiled = compile(&files, &Variables::default());
    assert!(compiled.diagnostics.is_empty(), "{:#?}", compiled.diagnostics);
    assert!(compiled.diagnostics.iter().all(|d| d.level < Level::Error));
    Arc::new(compiled.rules)
}

fn prevent() -> IntrusionPrevention {
    IntrusionPrevention {
        mode: Mode::Prevent,
        default_rule_mode: Mode::Prevent,
        ..IntrusionPrevention::default()
    }
}

fn sids(rules: &Arc<RuleSet>, request: &[u8], segment: usize) -> (BTreeSet<Sid>, bool) {
    let played = play(rules, &prevent(), request, segment);
    let sids = played.events.iter().filter_map(|event| match &event.detail {
        Detail::Intrusion(intrusion) => Some(intrusion.sid),
        _ => None,
    });
    (sids.collect(), played.blocked)
}

#[test]
fn what_is_built_in_is_what_stands_in_the_folder() {
    assert_eq!(Pack::embedded().unwrap(), Pack::load(&folder()).unwrap());
}

#[test]
fn every_rule_is_described_and_tested() {
    let pack = Pack::embedded().unwrap();
    let rules = rules(&pack);
    assert!(rules.rules().len() >= 12);
    let described: BTreeSet<u32> = pack.all_metadata().map(|m| m.sid).collect();
    let loaded: BTreeSet<u32> = rules.rules().iter().map(|r| r.sid.0).collect();
    assert_eq!(described, loaded);
    let cases = cases::load(&folder()).unwrap();
    for rule in rules.rules() {
        let metadata = pack.metadata(rule.sid).unwrap();
        let cves: BTreeSet<&String> = metadata.cve.iter().collect();
        assert_eq!(cves, rule.cves.iter().collect(), "{}", rule.sid);
        assert_eq!(metadata.severity, rule.severity, "{}", rule.sid);
        assert!((7_000_001..8_000_000).contains(&rule.sid.0));
        assert_eq!(rule.action, Action::Drop);
        assert!(rule.rate.is_none() && rule.reports);
        for text in [&metadata.title, &metadata.description] {
            assert!(!text.en.is_empty() && !text.ja.is_ascii(), "{}", rule.sid);
        }
        let count = |fires: bool| cases.iter().filter(|c| c.sid == rule.sid.0 && c.fires == fires).count();
        assert!(count(true) >= 2 && count(false) >= 2, "{} needs two cases of each kind", rule.sid);
    }
    assert!(cases.iter().all(|c| loaded.contains(&c.sid)));
    assert!(!rules.needs().response, "no rule makes the agent queue the answers of the server");
}

#[test]
fn every_case_comes_out_as_told() {
    let rules = rules(&Pack::embedded().unwrap());
    let mut failures = Vec::new();
    for case in cases::load(&folder()).unwrap() {
        for segment in [1448, 1, 7] {
            let (found, blocked) = sids(&rules, &case.request, segment);
            let wrong = if case.fires {
                // another rule may be first to stop it: then this one never sees the rest
                !blocked || segment == 1448 && !found.contains(&Sid(case.sid))
            } else {
                // what one rule must let pass is no attack at all
                blocked || !found.is_empty()
            };
            if wrong {
                failures
                    .push(format!("{case} in segments of {segment}: blocked {blocked}, matched {found:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
