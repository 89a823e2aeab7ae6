//! Blocking mode at the first paranoia level: what is ordinary must pass.

use std::collections::BTreeMap;

use sakimori_seclang::{Memory, profiles};
use sakimori_testkit::peer::{LibModSecurity, Play};
use sakimori_testkit::report::{Report, Target};

use crate::benign;
use crate::engine::{self, RuleFiles};

/// Ordinary requests that are told one by one.
const TOLD: usize = 40;

/// Lets the ordinary requests through, with the profile of `WordPress`; none may be denied.
pub(crate) fn benign(files: &RuleFiles, report: &mut Report) -> anyhow::Result<()> {
    let ruleset = files.load(&format!("SecRuleEngine On\n{}", profiles::WORDPRESS))?;
    let (mut denied, mut matched) = (BTreeMap::<&str, usize>::new(), BTreeMap::<u64, usize>::new());
    let mut told = 0;
    let all = benign::requests();
    for (kind, play) in &all {
        let store = Memory::default();
        let (transaction, _) = engine::play(&ruleset, &store, play);
        for found in transaction.matches().iter().filter(|found| found.log) {
            *matched.entry(found.rule).or_default() += 1;
        }
        if engine::status(transaction.verdict()).is_some() {
            *denied.entry(kind).or_default() += 1;
            if told < TOLD {
                told += 1;
                println!("DENIED {kind}: {}", String::from_utf8_lossy(&play.target));
                for found in transaction.matches() {
                    let text =
                        |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(160).collect::<String>();
                    let what = found.matched.first();
                    println!(
                        "  {} {} {}",
                        found.rule,
                        what.map(|what| text(&what.variable)).unwrap_or_default(),
                        found.data.first().map(|data| text(data)).unwrap_or_default()
                    );
                }
            }
        }
    }
    println!("{} ordinary requests in blocking mode at PL1, with the profile of WordPress", all.len());
    for (kind, count) in &denied {
        println!("  denied: {count} {kind}");
    }
    for (rule, count) in &matched {
        println!("  rule {rule} matched {count} times");
    }
    let denied: usize = denied.values().sum();
    report.add("benign_requests", crate::number(all.len()), "requests", Target::AtLeast(10_000.0));
    report.add("benign_denied", crate::number(denied), "requests", Target::AtMost(0.0));
    Ok(())
}

/// What is denied here and passes libmodsecurity, with the reason.
const DIFFERENCES: &[(&str, &str)] = &[];

/// Requests of tests that say only what must not fire: none may be denied that libmodsecurity passes.
pub(crate) fn negative(
    files: &RuleFiles,
    tests: &[(String, Vec<Play>)],
    report: &mut Report,
) -> anyhow::Result<()> {
    const ON: &str = "SecRuleEngine On\n";
    let mut peer = match LibModSecurity::start() {
        Ok(peer) => peer,
        Err(why) => {
            println!("skipped: negative tests in blocking mode, beside libmodsecurity: {why:#}");
            return Ok(());
        }
    };
    let version = peer.load(&files.for_peer(&[ON]))?;
    let ruleset = files.load(ON)?;
    let (mut ours, mut theirs, mut more) = (0_usize, 0_usize, 0_usize);
    for (name, plays) in tests {
        for play in plays {
            let store = Memory::default();
            let (transaction, _) = engine::play(&ruleset, &store, play);
            let denied = engine::status(transaction.verdict()).is_some();
            let denied_there = peer.play(play, 1)?.status.is_some();
            ours += usize::from(denied);
            theirs += usize::from(denied_there);
            if !denied || denied_there {
                continue;
            }
            let by: Vec<u64> = transaction.matches().iter().map(|found| found.rule).collect();
            if let Some((_, why)) = DIFFERENCES.iter().find(|(known, _)| known == name) {
                println!("denied here alone: {name} by {by:?}: {why}");
            } else {
                more += 1;
                println!("DENIED here alone: {name} by {by:?}");
            }
        }
    }
    println!("negative tests in blocking mode at PL1: {ours} requests denied, {theirs} by {version}");
    report.add("negative_denied", crate::number(ours), "requests", Target::None);
    report.add("negative_denied_by_libmodsecurity", crate::number(theirs), "requests", Target::None);
    report.add("negative_denied_here_alone", crate::number(more), "requests", Target::AtMost(0.0));
    Ok(())
}
