//! What lists say of places, and that no bytes upset the canonical form.
#![expect(clippy::string_slice, reason = "the test's paths are ASCII")]

use proptest::prelude::*;
use sakimori_model::{Level, Severity};
use sakimori_reputation::{Builder, Host, Lists, Url, Verdict};

const BLOCK: &str = "# documentation names only
@category malware
@severity high
example-malware.test            # and below
phish.example.test phishing critical
mixed.example/downloads/evil
mixed.example:8081/
mixed.example/page?id=7 phishing low
192.0.2.66
";

fn lists() -> Lists {
    let mut builder = Builder::new(7);
    assert_eq!(builder.block_list("blocked", BLOCK.as_bytes()), []);
    assert_eq!(
        builder.allow_list("allowed", b"good.example-malware.test\nmixed.example/downloads/evil/not\n"),
        []
    );
    builder.build()
}

fn of(host: &str, target: &str, port: u16) -> String {
    match lists().judge_url(&Url::of_request(host.as_bytes(), target.as_bytes(), port)) {
        Verdict::Allow(found) => format!("allow {}", found.list),
        Verdict::Block(found) => format!("{} {} {}", found.list, found.category, found.severity),
        Verdict::Unknown => "unknown".to_owned(),
    }
}

#[test]
fn domains_match_at_label_bounds_and_urls_at_path_bounds() {
    for (host, target, port, expected) in [
        ("example-malware.test", "/", 80, "blocked malware high"),
        ("CDN.Example-Malware.TEST.", "/any", 8080, "blocked malware high"),
        ("notexample-malware.test", "/", 80, "unknown"),
        ("test", "/", 80, "unknown"),
        ("phish.example.test", "/", 80, "blocked phishing critical"),
        ("example.test", "/", 80, "unknown"),
        ("mixed.example", "/downloads/evil", 80, "blocked malware high"),
        ("mixed.example", "/downloads/./x/../evil/a.exe?b", 80, "blocked malware high"),
        ("mixed.example", "/downloads/evil2", 80, "unknown"),
        ("www.mixed.example", "/downloads/evil", 80, "unknown"),
        ("mixed.example:8081", "/", 8081, "blocked malware high"),
        ("mixed.example", "/", 8082, "unknown"),
        ("mixed.example", "/page?id=7", 80, "blocked phishing low"),
        ("mixed.example", "/page?id=%37", 80, "blocked phishing low"),
        ("mixed.example", "/page?id=8", 80, "unknown"),
        ("0xC0.0.2.0102", "/", 80, "blocked malware high"),
        ("good.example-malware.test", "/", 80, "allow allowed"),
        ("a.good.example-malware.test", "/", 80, "allow allowed"),
        ("mixed.example", "/downloads/evil/not/this", 80, "allow allowed"),
    ] {
        assert_eq!(of(host, target, port), expected, "{host}{target}");
    }
    assert!(
        matches!(lists().judge_host(&Host::of(b"a.example-malware.test")), Verdict::Block(found) if found.severity == Severity::High)
    );
    assert_eq!(lists().judge_host(&Host::of(b"mixed.example")), Verdict::Unknown, "its URLs cannot be seen");
}

#[test]
fn a_list_with_a_mistake_is_not_used_and_says_why() {
    let mut builder = Builder::new(1);
    let text = "ok.example\n-.-.\n@colour red\n@severity loud\nb.example BAD\nc.example malware loud\nhttp:///x\ntest\n";
    let findings = builder.block_list("broken", text.as_bytes());
    let codes: Vec<_> = findings.iter().map(|f| (f.code, f.line)).collect();
    assert_eq!(codes, [("W002", 3), ("W003", 4), ("W004", 5), ("W003", 6), ("W001", 7), ("W101", 8)]);
    assert!(builder.build().is_empty());
    let mut builder = Builder::new(1);
    let findings = builder.block_list("long", "a b!c\n".repeat(500).as_bytes());
    assert_eq!((findings.len(), findings.last().unwrap().code), (101, "W102"));
    assert!(findings.iter().any(|f| f.level == Level::Error));
}

proptest! {
    #[test]
    fn any_bytes_have_a_canonical_form_that_stays(host in proptest::collection::vec(any::<u8>(), 0..80), target in proptest::collection::vec(any::<u8>(), 0..120)) {
        let url = Url::of_request(&host, &target, 80);
        let again = Host::of(url.host.as_bytes());
        prop_assert_eq!(again.as_bytes(), url.host.as_bytes());
        prop_assert!(url.path().starts_with(b"/"));
        prop_assert!(!url.path().windows(2).any(|pair| pair == b"//"));
        prop_assert!(url.shown(100).len() <= 100 && url.shown(100).is_ascii());
        prop_assert!(url.host.suffixes().count() <= 33 && url.path_prefixes().count() <= 34);
        let _any = lists().judge_url(&url);
    }

    #[test]
    fn encoding_any_byte_of_a_path_changes_nothing(segments in proptest::collection::vec("[a-z0-9]{1,6}", 1..5), at in any::<prop::sample::Index>(), rounds in 1..4_usize) {
        let path = format!("/{}", segments.join("/"));
        let at = at.index(path.len() - 1) + 1;
        let byte = path.as_bytes()[at];
        if byte != b'/' {
            let encoded = format!("{}%{}{byte:02X}{}", &path[..at], "25".repeat(rounds - 1), &path[at + 1..]);
            let of = |path: &str| Url::of_request(b"h.example", path.as_bytes(), 80);
            prop_assert_eq!(of(&path), of(&encoded));
        }
    }

    #[test]
    fn any_list_is_read_without_upset(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut builder = Builder::new(1);
        let findings = builder.block_list("any", &text);
        prop_assert!(findings.len() <= 102);
    }
}

#[test]
fn our_own_list_is_fine_and_names_nobody() {
    let text = include_str!("../../../content/reputation/lists/trial.list");
    let mut builder = Builder::new(1);
    assert_eq!(builder.block_list("trial.list", text.as_bytes()), []);
    let lists = builder.build();
    assert_eq!(lists.len(), 6);
    for (host, blocked) in
        [("www.example-malware.test", true), ("example-botnet.test", true), ("example.test", false)]
    {
        assert_eq!(
            matches!(lists.judge_host(&Host::of(host.as_bytes())), Verdict::Block(_)),
            blocked,
            "{host}"
        );
    }
    let reserved = |line: &str| {
        line.split_whitespace()
            .next()
            .is_none_or(|name| name.starts_with(['#', '@']) || name.contains(".test"))
    };
    assert!(text.lines().all(reserved));
}

#[test]
fn every_code_is_explained() {
    let page = include_str!("../../../docs/diagnostics/reputation.md");
    let source = include_str!("../src/list.rs");
    let codes = source.split('"').filter(|word| word.len() == 4 && word.starts_with('W'));
    assert!(codes.clone().count() > 7);
    codes.for_each(|code| assert!(page.contains(&format!("`{code}`")), "{code}"));
}
