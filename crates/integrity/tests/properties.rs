//! What holds for any bytes and any tree.
#![expect(clippy::indexing_slicing, reason = "a test ends when a value is not as built")]
use proptest::prelude::*;
use sakimori_integrity::glob::Pattern;
use sakimori_integrity::snapshot::{decode, encode};
use sakimori_integrity::{Baseline, Entity, FileSet, Kind, compile, printable};

fn entity() -> impl Strategy<Value = Entity> {
    (
        (0..7_usize, 0..0o10000_u16, any::<(u32, u32, u64)>()),
        any::<(i64, i64, u64)>(),
        proptest::option::of(any::<[u8; 32]>()),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
    )
        .prop_map(
            |((kind, mode, (owner, group, size)), (modified, status_changed, inode), sha256, target)| {
                let target = target.map(Vec::into_boxed_slice);
                let kind = Kind::ALL[kind];
                Entity { kind, mode, owner, group, size, modified, status_changed, inode, sha256, target }
            },
        )
}

/// Matches by trying everything.
fn naive(pattern: &[&str], path: &[&[u8]]) -> bool {
    fn name(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| name(rest, &text[n..])),
            ([b'?', rest @ ..], [_, more @ ..]) => name(rest, more),
            ([p, rest @ ..], [t, more @ ..]) => p == t && name(rest, more),
            _ => false,
        }
    }
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=path.len()).any(|n| naive(rest, &path[n..])),
        ([p, rest @ ..], [t, more @ ..]) => name(p.as_bytes(), t) && naive(rest, more),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_what_trying_everything_matches(
        sections in proptest::collection::vec("(\\*\\*|[ab?*]{1,4})", 1..4),
        path in proptest::collection::vec("[ab]{1,4}", 0..4),
    ) {
        // A run of stars in a section that is not exactly ** is one star, as naively too.
        let pattern = Pattern::parse(&sections.join("/")).unwrap();
        let words: Vec<&str> = sections.iter().map(String::as_str).collect();
        let names: Vec<&[u8]> = path.iter().map(String::as_bytes).collect();
        prop_assert_eq!(pattern.matches(path.join("/").as_bytes()), naive(&words, &names));
    }

    #[test]
    fn a_snapshot_comes_back_as_it_was(
        entities in proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 0..30), entity(), 0..40)
    ) {
        let mut baseline = Baseline::default();
        for (path, entity) in &entities {
            baseline.keep(path, entity.clone());
        }
        let bytes = encode([("set", &[7; 32], &baseline)].into_iter());
        let read = decode(&bytes, 100).unwrap();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(read[0].name.as_str(), "set");
        let back: Vec<(&[u8], &Entity)> = read[0].baseline.entities().collect();
        let wanted: Vec<(&[u8], &Entity)> = entities.iter().map(|(path, entity)| (path.as_slice(), entity)).collect();
        prop_assert_eq!(back, wanted);
        prop_assert!(entities.is_empty() || decode(&bytes, entities.len() - 1).is_err(), "the bound holds");
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_baseline(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), whole: bool) {
        if whole {
            bytes.splice(0..0, *b"SKMI\x01");
        }
        if let Ok(sets) = decode(&bytes, 50) {
            prop_assert!(sets.iter().map(|set| set.baseline.len()).sum::<usize>() <= 50);
        }
    }

    #[test]
    fn a_cut_snapshot_is_damaged(cut in 5_usize..60) {
        let mut baseline = Baseline::default();
        baseline.keep(b"a/long/enough/path", Entity { sha256: Some([1; 32]), ..Entity::default() });
        let bytes = encode([("s", &[0; 32], &baseline)].into_iter());
        prop_assert!(decode(&bytes[..cut.min(bytes.len() - 1)], 50).is_err());
    }

    #[test]
    fn two_passes_over_one_tree_find_nothing(
        tree in proptest::collection::btree_map("[a-c/]{0,6}", entity(), 0..20),
    ) {
        let set = FileSet { name: "s".into(), base: "/x".into(), ..FileSet::default() };
        let set = compile(&[set]).sets.into_iter().next().unwrap();
        let mut baseline = Baseline::default();
        for round in 0..2 {
            let scan = baseline.begin();
            for (path, entity) in &tree {
                let found = baseline.found(&set, scan, path.as_bytes(), entity.clone(), 100).change();
                prop_assert!(round == 0 || found.is_none());
            }
            prop_assert!(baseline.finish(&set, scan, &[]).is_empty());
        }
        prop_assert_eq!(baseline.len(), tree.len());
    }

    #[test]
    fn printable_names_are_plain_and_distinct(a in proptest::collection::vec(any::<u8>(), 0..20), b in proptest::collection::vec(any::<u8>(), 0..20)) {
        let shown = printable(&a);
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert_eq!(shown == printable(&b), a == b);
    }
}
