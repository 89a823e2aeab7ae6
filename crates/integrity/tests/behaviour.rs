//! What a set watches, and what is reported when that changes.
#![expect(clippy::unwrap_used, reason = "a test ends when a value is not as built")]
use sakimori_integrity::glob::Pattern;
use sakimori_integrity::{
    Attribute, Baseline, Change, ChangeKind, CompiledSet, Entity, FileSet, Found, Kind, compile,
};

fn set(include: &[&str], exclude: &[&str], attributes: &[&str]) -> CompiledSet {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let set = FileSet {
        name: "s".into(),
        base: "/srv/www".into(),
        include: words(include),
        exclude: words(exclude),
        attributes: words(attributes),
    };
    let compiled = compile(&[set]);
    assert!(compiled.sets.len() == 1, "{:?}", compiled.diagnostics);
    compiled.sets.into_iter().next().unwrap()
}

fn file(size: u64) -> Entity {
    Entity { size, mode: 0o644, sha256: Some([u8::try_from(size).unwrap(); 32]), ..Entity::default() }
}

/// One pass over entities; all changes.
fn pass(set: &CompiledSet, baseline: &mut Baseline, entities: &[(&str, Entity)]) -> Vec<Change> {
    let scan = baseline.begin();
    let mut changes: Vec<Change> = entities
        .iter()
        .filter_map(|(path, entity)| baseline.found(set, scan, path.as_bytes(), entity.clone(), 100).change())
        .collect();
    changes.extend(baseline.finish(set, scan, &[]));
    changes
}

fn kinds(changes: &[Change]) -> Vec<(&str, ChangeKind)> {
    changes.iter().map(|change| (std::str::from_utf8(&change.path).unwrap(), change.kind)).collect()
}

#[test]
fn a_pattern_matches_by_sections() {
    let check = |pattern: &str, yes: &[&str], no: &[&str]| {
        let pattern = Pattern::parse(pattern).unwrap();
        for path in yes {
            assert!(pattern.matches(path.as_bytes()), "{pattern:?} {path}");
        }
        for path in no {
            assert!(!pattern.matches(path.as_bytes()), "{pattern:?} {path}");
        }
    };
    check("**", &["", "a", "a/b/c"], &[]);
    check("*", &["a", ".b"], &["", "a/b"]);
    check("*.php", &["x.php", ".php"], &["x.phps", "a/x.php"]);
    check("**/*.php", &["x.php", "a/b/x.php"], &["x.txt", "x.php/y"]);
    check("a/**/z", &["a/z", "a/b/z", "a/b/c/z"], &["z", "a/z/b", "az"]);
    check("ssh/**", &["ssh", "ssh/x", "ssh/x/y"], &["sshd", "x/ssh"]);
    check("a?c*e", &["abce", "abcde", "aéce"], &["ace", "abcd"]);
    check("\\*\\?", &["*?"], &["ab"]);
    check("**/.git/**", &[".git", "a/.git/config"], &["a/git"]);
    for wrong in ["", "/a", "a//b", "a/", "..", "a/../b", "a\\"] {
        assert!(Pattern::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_hostile_pattern_or_name_takes_no_time() {
    let pattern = Pattern::parse(&"*a".repeat(500)).unwrap();
    let mut name = vec![b'a'; 2000];
    assert!(pattern.matches(&name));
    name.push(b'b');
    assert!(!pattern.matches(&name));
    let pattern = Pattern::parse(&["**", "a*"].repeat(30).join("/")).unwrap();
    assert!(!pattern.matches(format!("{}b", "a/".repeat(1000)).as_bytes()));
}

#[test]
fn a_walk_enters_only_where_something_may_be_watched() {
    let set = set(&["passwd", "ssh/**", "*/conf.d/*"], &["ssh/moduli", "**/cache/**"], &[]);
    let at = |path: &str| {
        let position = set.position_of(path.as_bytes());
        (set.watches(&position), set.enters(&position))
    };
    assert_eq!(at(""), (false, true));
    assert_eq!(at("passwd"), (true, true));
    assert_eq!(at("ssh"), (true, true));
    assert_eq!(at("ssh/moduli"), (false, true));
    assert_eq!(at("ssh/a/b"), (true, true));
    assert_eq!(at("other"), (false, true), "it may have a conf.d");
    assert_eq!(at("other/dir"), (false, false));
    assert_eq!(at("ssh/cache"), (false, false), "excluded with everything below");
}

#[test]
fn paths_belong_to_a_set_by_whole_sections() {
    let set = set(&[], &[], &[]);
    assert_eq!(set.relative(b"/srv/www"), Some(&b""[..]));
    assert_eq!(set.relative(b"/srv/www/a/b"), Some(&b"a/b"[..]));
    assert_eq!(set.relative(b"/srv/wwwroot"), None);
    assert_eq!(set.absolute(b"a"), b"/srv/www/a");
    assert!(set.lies_under(b"/srv") && set.lies_under(b"/srv/www") && set.lies_under(b"/"));
    assert!(!set.lies_under(b"/srv/www/a") && !set.lies_under(b"/sr"));
}

#[test]
fn each_change_is_reported_once_with_its_values() {
    let set = set(&[], &[], &[]);
    let mut baseline = Baseline::default();
    let first = pass(&set, &mut baseline, &[("a", file(1)), ("b", file(2))]);
    assert_eq!(kinds(&first), [("a", ChangeKind::Created), ("b", ChangeKind::Created)]);
    assert!(pass(&set, &mut baseline, &[("b", file(2)), ("a", file(1))]).is_empty());

    let now = [("a", Entity { mode: 0o4755, owner: 33, ..file(1) }), ("c", file(3))];
    let changes = pass(&set, &mut baseline, &now);
    assert_eq!(
        kinds(&changes),
        [("a", ChangeKind::Changed), ("c", ChangeKind::Created), ("b", ChangeKind::Deleted)]
    );
    let attributes = &changes[0].attributes;
    assert_eq!(attributes.len(), 2);
    assert_eq!(attributes[0].attribute, Attribute::Mode);
    assert_eq!(
        (attributes[0].before.as_deref(), attributes[0].after.as_deref()),
        (Some("0644"), Some("4755"))
    );
    assert_eq!((attributes[1].before.as_deref(), attributes[1].after.as_deref()), (Some("0"), Some("33")));
    assert!(changes[2].attributes.iter().all(|a| a.after.is_none() && a.before.is_some()));
    assert!(pass(&set, &mut baseline, &now).is_empty());
}

#[test]
fn every_attribute_of_its_own_is_seen_and_no_other() {
    let base = Entity { target: Some(b"x"[..].into()), ..file(1) };
    let variants = [
        ("type", Entity { kind: Kind::Pipe, ..base.clone() }),
        ("size", Entity { size: 2, ..base.clone() }),
        ("mode", Entity { mode: 0o600, ..base.clone() }),
        ("owner", Entity { owner: 1, ..base.clone() }),
        ("group", Entity { group: 1, ..base.clone() }),
        ("mtime", Entity { modified: 1, ..base.clone() }),
        ("ctime", Entity { status_changed: 1, ..base.clone() }),
        ("inode", Entity { inode: 1, ..base.clone() }),
        ("sha256", Entity { sha256: Some([9; 32]), ..base.clone() }),
        ("target", Entity { target: Some(b"y"[..].into()), ..base.clone() }),
    ];
    for (watched, _) in &variants {
        let set = set(&[], &[], &[watched]);
        for (changed, now) in &variants {
            let mut baseline = Baseline::default();
            assert!(pass(&set, &mut baseline, &[("f", base.clone())]).is_empty(), "creation is not watched");
            let changes = pass(&set, &mut baseline, &[("f", now.clone())]);
            assert_eq!(changes.len(), usize::from(watched == changed), "{watched} {changed}");
        }
    }
}

#[test]
fn a_folder_does_not_change_with_every_file_in_it() {
    let set = set(&[], &[], &["size", "mtime", "ctime", "sha256", "mode"]);
    let folder = Entity { kind: Kind::Folder, mode: 0o755, ..Entity::default() };
    let mut baseline = Baseline::default();
    pass(&set, &mut baseline, &[("d", folder.clone())]);
    let busy = Entity { size: 9, modified: 9, status_changed: 9, ..folder.clone() };
    assert!(pass(&set, &mut baseline, &[("d", busy.clone())]).is_empty());
    assert_eq!(pass(&set, &mut baseline, &[("d", Entity { mode: 0o777, ..busy })]).len(), 1);
}

#[test]
fn what_could_not_be_read_is_not_called_deleted() {
    let set = set(&[], &[], &[]);
    let mut baseline = Baseline::default();
    pass(&set, &mut baseline, &[("d/a", file(1)), ("d-e", file(1)), ("x", file(1))]);
    let scan = baseline.begin();
    baseline.found(&set, scan, b"x", file(1), 100);
    let gone = baseline.finish(&set, scan, &[b"d".to_vec()]);
    assert_eq!(kinds(&gone), [("d-e", ChangeKind::Deleted)]);
    let scan = baseline.begin();
    assert!(baseline.finish(&set, scan, &[Vec::new()]).is_empty(), "the base itself could not be read");
}

#[test]
fn a_removed_folder_takes_what_was_below_it() {
    let set = set(&[], &[], &[]);
    let mut baseline = Baseline::default();
    pass(&set, &mut baseline, &[("d", file(1)), ("d/a", file(1)), ("d/b/c", file(1)), ("d-x", file(1))]);
    let scan = baseline.begin();
    baseline.found(&set, scan, b"d", file(1), 100);
    baseline.found(&set, scan, b"d/a", file(1), 100);
    assert_eq!(kinds(&baseline.finish_below(&set, scan, b"d", &[])), [("d/b/c", ChangeKind::Deleted)]);
    let gone = baseline.missing(&set, b"d");
    assert_eq!(gone.len(), 2);
    assert_eq!(baseline.len(), 1);
    assert_eq!(baseline.missing(&set, b"").len(), 1, "the base itself");
    assert!(baseline.is_empty());
}

#[test]
fn a_full_baseline_still_watches_what_it_has() {
    let set = set(&[], &[], &[]);
    let mut baseline = Baseline::default();
    let scan = baseline.begin();
    assert!(matches!(baseline.found(&set, scan, b"b", file(1), 1), Found::Changed(_)));
    assert_eq!(baseline.found(&set, scan, b"a", file(1), 1), Found::NoRoom);
    assert!(matches!(baseline.found(&set, scan, b"b", file(2), 1), Found::Changed(_)));
    assert_eq!(baseline.len(), 1);
}

#[test]
fn every_mistake_of_a_set_has_its_code() {
    let codes = |set: FileSet| -> Vec<&'static str> {
        let compiled = compile(&[set]);
        let error = compiled.diagnostics.iter().any(|d| d.level == sakimori_model::Level::Error);
        assert_eq!(compiled.sets.is_empty(), error, "whole or not at all");
        compiled.diagnostics.iter().map(|d| d.code).collect()
    };
    let good = FileSet { name: "n".into(), base: "/etc".into(), ..FileSet::default() };
    assert!(codes(good.clone()).is_empty());
    assert_eq!(codes(FileSet { base: "etc".into(), ..good.clone() }), ["I001"]);
    assert_eq!(codes(FileSet { base: "/etc/../x".into(), ..good.clone() }), ["I002"]);
    assert_eq!(codes(FileSet { include: vec!["/x".into()], ..good.clone() }), ["I003"]);
    assert_eq!(codes(FileSet { attributes: vec!["md5".into()], ..good.clone() }), ["I004", "I008"]);
    assert_eq!(codes(FileSet { attributes: vec!["mode".into()], ..good.clone() }), ["I008"]);
    assert_eq!(codes(FileSet { include: vec!["x".into(); 600], ..good.clone() }), ["I006"]);
    assert_eq!(compile(&[good.clone(), good.clone()]).diagnostics[0].code, "I007");
    let many = (0..200).map(|n| FileSet { name: n.to_string(), ..good.clone() }).collect::<Vec<_>>();
    assert_eq!(compile(&many).diagnostics[0].code, "I005");
    assert!(codes(FileSet { base: "/".into(), ..good }).is_empty());
}
