//! The spool under crashes: whatever the moment, what was acknowledged to the caller is there, in order and once.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test ends when its own files cannot be read"
)]

use proptest::prelude::*;
use sakimori_agent::spool::{BATCH_EVENTS, Spool, SpoolLimits};
use sakimori_model::{Severity, Timestamp};
use sakimori_modules::agent::{Gap, Notice};
use sakimori_protocol::Event;
use std::fs;
use std::path::{Path, PathBuf};

fn event(n: u64, severity: Severity) -> Event {
    Event::notice(Timestamp(0), severity, "test", &[("n", &n.to_string())])
}

fn number(event: &Event) -> Option<u64> {
    event.read::<Notice>().filter(|notice| notice.code == "test")?.arg("n")?.parse().ok()
}

/// Takes everything out as the sender does; checks that sequences follow without gaps.
fn drain(spool: &Spool) -> Vec<Event> {
    let mut all = Vec::new();
    let mut next = None;
    while let Some(batch) = spool.batch(BATCH_EVENTS).unwrap() {
        assert!(next.is_none_or(|next| next == (batch.epoch, batch.first)), "sequences follow without gaps");
        let events: Vec<Event> = batch
            .lines
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect();
        assert_eq!(u64::try_from(events.len()).unwrap(), batch.count);
        all.extend(events);
        spool.acknowledge(batch.epoch, batch.first + batch.count - 1).unwrap();
        next = Some((batch.epoch, batch.first + batch.count));
    }
    all
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "seg"))
        .collect();
    files.sort();
    files
}

fn gaps(events: &[Event]) -> u64 {
    events.iter().filter_map(Event::read::<Gap>).map(|gap| gap.count).sum()
}

const SMALL: SpoolLimits = SpoolLimits { total_bytes: 1 << 20, segment_bytes: 2_000 };

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    /// Send one batch; the manager has the first part of it.
    Send {
        part: u8,
    },
    /// The process dies in the middle of a write of this many bytes of rubbish, and starts again.
    Crash {
        torn: Vec<u8>,
    },
    /// The manager lost its watermark.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..20_u8).prop_map(Step::Append),
        3 => any::<u8>().prop_map(|part| Step::Send { part }),
        2 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(|torn| Step::Crash { torn }),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_or_doubled(steps in proptest::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), SMALL).unwrap();
        let (mut made, mut received) = (0_u64, Vec::new());
        for step in steps {
            match step {
                Step::Append(n) => {
                    let events: Vec<_> = (made..made + u64::from(n)).map(|n| event(n, Severity::High)).collect();
                    spool.append(&events).unwrap();
                    made += u64::from(n);
                }
                Step::Send { part } => if let Some(batch) = spool.batch(7).unwrap() {
                    let have = 1 + u64::from(part) % batch.count;
                    let lines = batch.lines.split(|b| *b == b'\n').take(usize::try_from(have).unwrap());
                    received.extend(lines.map(|l| serde_json::from_slice::<Event>(l).unwrap()));
                    spool.acknowledge(batch.epoch, batch.first + have - 1).unwrap();
                },
                Step::Crash { torn } => {
                    drop(spool);
                    let last = segments(dir.path()).pop().unwrap();
                    let mut bytes = fs::read(&last).unwrap();
                    bytes.extend(&torn);
                    fs::write(&last, bytes).unwrap();
                    spool = Spool::open(dir.path(), SMALL).unwrap();
                }
                Step::Restart => spool.restart_stream().unwrap(),
            }
        }
        received.extend(drain(&spool));
        let numbers: Vec<u64> = received.iter().filter_map(number).collect();
        prop_assert_eq!(numbers, (0..made).collect::<Vec<_>>());
        prop_assert_eq!(spool.depth().events, 0);
    }

    /// Power loss keeps what was synced: any cut of the newest file behind the last synced append.
    #[test]
    fn a_cut_at_any_byte_loses_only_what_was_not_synced(sizes in proptest::collection::vec(1..6_u64, 1..12), cut in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
        let path = segments(dir.path()).pop().unwrap();
        let (mut made, mut synced) = (0, vec![(fs::metadata(&path).unwrap().len(), 0)]);
        for size in sizes {
            let events: Vec<_> = (made..made + size).map(|n| event(n, Severity::High)).collect();
            spool.append(&events).unwrap();
            made += size;
            synced.push((fs::metadata(&path).unwrap().len(), made));
        }
        drop(spool);
        let bytes = fs::read(&path).unwrap();
        let kept = cut.index(bytes.len() + 1);
        fs::write(&path, &bytes[..kept]).unwrap();
        let safe = synced.iter().filter(|(length, _)| *length <= u64::try_from(kept).unwrap()).map(|(_, n)| *n).max().unwrap_or(0);

        let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
        let numbers: Vec<u64> = drain(&spool).iter().filter_map(number).collect();
        prop_assert!(u64::try_from(numbers.len()).unwrap() >= safe, "{} of {safe}", numbers.len());
        prop_assert_eq!(&numbers, &(0..u64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
        spool.append(&[event(99, Severity::High)]).unwrap();
        prop_assert_eq!(drain(&spool).iter().filter_map(number).collect::<Vec<_>>(), vec![99]);
    }

    /// Whatever a disk does to the files: it opens, says so, and goes on.
    #[test]
    fn damage_anywhere_is_put_aside_and_said(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), SMALL).unwrap();
        for n in 0..60 {
            spool.append(&[event(n, Severity::High)]).unwrap();
        }
        drop(spool);
        let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
        files.sort();
        let newest = segments(dir.path()).pop().unwrap();
        let path = &files[file.index(files.len())];
        let mut bytes = fs::read(path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(path, bytes).unwrap();

        let spool = Spool::open(dir.path(), SMALL).unwrap();
        let events = drain(&spool);
        let numbers: Vec<u64> = events.iter().filter_map(number).collect();
        let mut once = numbers.clone();
        once.dedup();
        prop_assert_eq!(&once, &numbers, "no event twice");
        let said = events.iter().filter_map(Event::read::<Notice>).any(|n| n.code == "spool-quarantined");
        if numbers.len() < 60 && *path != newest {
            prop_assert!(said, "{} events and nothing said", numbers.len());
            prop_assert!(dir.path().join("quarantine").exists());
        }
        spool.append(&[event(1_000, Severity::High)]).unwrap();
        prop_assert_eq!(drain(&spool).iter().filter_map(number).collect::<Vec<_>>(), vec![1_000]);
    }

}

proptest! {
    // Hundreds of synced writes a case: fewer cases.
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    /// A full spool: bounded, informational first, and every missing event is counted.
    #[test]
    fn when_full_the_missing_are_counted(severities in proptest::collection::vec(any::<bool>(), 150..300), crash_every in 20..100_usize) {
        let limits = SpoolLimits { total_bytes: 12_000, segment_bytes: 2_000 };
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), limits).unwrap();
        for (n, informational) in severities.iter().enumerate() {
            let severity = if *informational { Severity::Info } else { Severity::High };
            spool.append(&[event(u64::try_from(n).unwrap(), severity)]).unwrap();
            prop_assert!(spool.depth().bytes <= limits.total_bytes + limits.segment_bytes, "{:?}", spool.depth());
            if n % crash_every == 0 {
                drop(spool);
                spool = Spool::open(dir.path(), limits).unwrap();
            }
        }
        let events = drain(&spool);
        let numbers: Vec<u64> = events.iter().filter_map(number).collect();
        prop_assert_eq!(u64::try_from(numbers.len()).unwrap() + gaps(&events), u64::try_from(severities.len()).unwrap());
        prop_assert!(numbers.is_sorted());
    }
}

#[test]
fn informational_events_go_first() {
    let limits = SpoolLimits { total_bytes: 20_000, segment_bytes: 2_000 };
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), limits).unwrap();
    // One attack among four notes each: the attacks alone fit, all together do not.
    for n in 0..200 {
        let severity = if n % 5 == 0 { Severity::Critical } else { Severity::Info };
        spool.append(&[event(n, severity)]).unwrap();
    }
    let events = drain(&spool);
    let attacks = events.iter().filter(|e| e.severity == "critical").count();
    assert_eq!(attacks, 40, "every attack is there");
    assert!(gaps(&events) > 0, "and notes were given up");
}

#[test]
fn a_lost_answer_is_sent_again_with_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SMALL).unwrap();
    spool.append(&[event(1, Severity::High), event(2, Severity::High)]).unwrap();
    let before = spool.batch(10).unwrap();
    drop(spool);
    let spool = Spool::open(dir.path(), SMALL).unwrap();
    spool.append(&[event(3, Severity::High)]).unwrap();
    let again = spool.batch(2).unwrap();
    assert_eq!(before, again, "epoch, sequence and content survive a restart");
}

#[test]
fn a_fresh_spool_is_a_fresh_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SMALL).unwrap();
    spool.append(&[event(1, Severity::High)]).unwrap();
    let old = spool.batch(1).unwrap().unwrap();
    spool.discard().unwrap();
    assert_eq!(spool.batch(1).unwrap(), None);
    spool.append(&[event(2, Severity::High)]).unwrap();
    let new = spool.batch(1).unwrap().unwrap();
    assert_ne!(old.epoch, new.epoch);
    assert_eq!(new.first, 1);
    spool.acknowledge(old.epoch, 1).unwrap();
    assert_eq!(spool.depth().events, 1, "an answer for the old stream says nothing of the new one");
}
