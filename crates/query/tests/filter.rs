//! What filters find, and what is said of those that are wrong.
#![expect(clippy::panic, reason = "helpers of tests fail as tests do: by a panic that says where")]
use proptest::prelude::*;
use sakimori_model::Severity;
use sakimori_query::{Filter, MAX_BYTES, Measure, Record, Scalar, TextField, TimeField, parse};

const NOW: i64 = 1_795_305_600_000_000; // 2026-11-22T00:00:00Z

struct Attack;

impl Record for Attack {
    fn time(&self, field: TimeField) -> i64 {
        match field {
            TimeField::At => NOW,
            TimeField::Received => NOW + 1_000_000,
        }
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::High)
    }

    fn measure(&self, measure: Measure) -> Option<f64> {
        Some(match measure {
            Measure::AssetValue => 90.0,
            Measure::Rank => 6750.0,
        })
    }

    fn texts(&self, field: &TextField) -> Vec<Scalar> {
        match field {
            TextField::Module => vec![Scalar::text("intrusion-prevention")],
            TextField::Kind => vec![Scalar::text("intrusion")],
            TextField::Action => vec![Scalar::text("blocked")],
            TextField::Computer => vec![Scalar::text("web1")],
            TextField::ComputerId => vec![Scalar::text("01935f00-0000-7000-8000-00000000000a")],
            TextField::Tag => vec![Scalar::text("review"), Scalar::text("pci")],
            TextField::Detail(path) => match path.join(".").as_str() {
                "sid" => vec![Scalar { text: "7000001".to_owned(), number: Some(7_000_001.0) }],
                "cves" => vec![Scalar::text("CVE-2017-1001000"), Scalar::text("CVE-2020-1")],
                "http.host" => vec![Scalar::text("Blog.example")],
                _ => Vec::new(),
            },
        }
    }

    fn words(&self) -> String {
        r#"{"message":"WordPress REST content injection"} web1"#.to_owned()
    }
}

fn finds(text: &str) -> bool {
    match parse(text, NOW) {
        Ok(filter) => filter.matches(&Attack),
        Err(findings) => panic!("{text}: {findings:?}"),
    }
}

#[test]
fn filters_find_what_they_say() {
    for text in [
        "",
        "severity = high",
        "severity >= medium AND severity < critical",
        "severity = medium..critical",
        "severity in (low, HIGH)",
        "rank >= 6750 AND Rank < 6750.5 AND rank = 6750",
        "assetvalue = 50..100 AND assetValue in (1, 90)",
        "rank != 1",
        "module = intrusion-prevention action = blocked",
        "module = firewall OR action = blocked",
        "NOT module = firewall",
        "not (module = firewall or module = anti-malware)",
        "module != firewall",
        "module = intrusion-*",
        "module = *prevention",
        "module = i*n*n",
        "computer = web1",
        "computer = 01935F00-0000-7000-8000-00000000000A",
        "computer in (db1, 01935f00-0000-7000-8000-00000000000a)",
        "computer in (db1, web1)",
        "computer ~ EB",
        "tag = review tag = pci",
        "tag in (a, pci)",
        "at = 2026-11-22",
        "at >= 2026-11-22 at < 2026-11-23",
        "at = 2026-11-01..2026-11-22",
        "received > 2026-11-22T00:00:00Z",
        "at > -1h",
        "at <= now",
        "detail.sid = 7000001",
        "detail.sid >= 7000000 AND detail.sid < 7000002",
        "detail.sid = 7000000..7000010",
        "detail.cves = CVE-2017-1001000",
        "detail.cves = \"CVE-2020-1\"",
        "detail.http.host ~ blog",
        "detail.http.host = *",
        "NOT detail.nothing = *",
        "detail.nothing != x",
        "detail.http.host > A",
        "WordPress",
        "\"rest CONTENT\"",
        "wordpress injection",
        "sql OR wordpress",
    ] {
        assert!(finds(text), "{text}");
    }
    for text in [
        "severity > high",
        "rank > 6750",
        "rank in (1, 2)",
        "assetValue = 91..100",
        "module = firewall",
        "module = Intrusion-Prevention",
        "module = \"intrusion-*\"",
        "module = intrusion",
        "computer = web",
        "computer != web1",
        "tag = revie",
        "at < 2026-11-22",
        "at > 2026-11-22",
        "received <= 2026-11-22T00:00:00Z",
        "detail.sid > 7000001",
        "detail.nothing = x",
        "detail.nothing = *",
        "action = blocked AND module = firewall OR severity = low",
        "drupal",
    ] {
        assert!(!finds(text), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, expected) in [
        ("severity = hgih", "Q008 at 12"),
        ("severity = hgih OR at > soon", "Q008 at 12, Q007 at 25"),
        ("colour = red", "Q005 at 1"),
        ("\"module\" = firewall", "Q005 at 1"),
        ("module = ", "Q004 at 10"),
        ("module = a)", "Q004 at 11"),
        ("(module = a", "Q004 at 12"),
        ("AND module = a", "Q004 at 1"),
        ("module = a AND", "Q004 at 15"),
        ("module = \"a", "Q003 at 10"),
        ("severity ~ h", "Q006 at 10"),
        ("at in (now)", "Q006 at 4"),
        ("tag > a", "Q006 at 5"),
        ("rank ~ 5", "Q006 at 6"),
        ("rank > high OR assetValue in (1, x)", "Q010 at 8, Q010 at 34"),
        ("rank = 1..x", "Q010 at 8"),
        ("detail.a..b = 1", "Q009 at 1"),
        ("detail.0 = 1", "Q009 at 1"),
        ("detail.a' = 1", "Q009 at 1"),
        ("module in a", "Q004 at 11"),
        ("module in (a b)", "Q004 at 14"),
        ("= a", "Q004 at 1"),
        ("日本 = a", "Q005 at 1"),
        ("日本語 module =", "Q004 at 13"),
    ] {
        let Err(findings) = parse(text, NOW) else { panic!("{text} is taken") };
        let told: Vec<String> = findings.iter().map(|f| format!("{} at {}", f.code, f.column)).collect();
        assert_eq!(told.join(", "), expected, "{text}");
        assert!(findings.iter().all(|f| !f.help.is_empty() && !f.title.is_empty()));
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let code = |text: &str| parse(text, NOW).err().and_then(|findings| findings.first().map(|f| f.code));
    assert_eq!(code(&"a".repeat(MAX_BYTES + 1)), Some("Q001"));
    assert_eq!(code(&"(".repeat(MAX_BYTES)), Some("Q002"));
    assert_eq!(code(&"not ".repeat(1000)), Some("Q002"));
    assert_eq!(code(&"a ".repeat(201)), Some("Q002"));
    assert_eq!(code(&format!("tag in ({})", ["a"; 201].join(","))), Some("Q002"));
    assert_eq!(code(&format!("{}a{}", "(".repeat(24), ")".repeat(24))), None);
}

#[test]
fn a_filter_knows_how_early_it_looks() {
    let earliest = |text: &str| parse(text, NOW).ok().and_then(|filter| filter.earliest(TimeField::At));
    assert_eq!(earliest("at >= 2026-11-22 module = a"), Some(NOW));
    assert_eq!(earliest("at >= 2026-11-22 OR at >= 2026-11-21"), Some(NOW - 86_400_000_000));
    assert_eq!(earliest("at >= 2026-11-22 OR module = a"), None);
    assert_eq!(earliest("NOT at >= 2026-11-22"), None);
    assert_eq!(earliest("received >= 2026-11-22"), None);
}

proptest! {
    #[test]
    fn any_text_gives_a_filter_or_findings(text in ".{0,200}") {
        match parse(&text, NOW) {
            Ok(filter) => { filter.matches(&Attack); }
            Err(findings) => prop_assert!(!findings.is_empty()),
        }
    }

    #[test]
    fn words_of_the_language_in_any_order(words in prop::collection::vec(prop::sample::select(vec![
        "and", "or", "not", "(", ")", "in", ",", "=", "!=", "<", ">=", "~", "severity", "at", "tag", "module",
        "detail.sid", "high", "now", "-1h", "1..2", "*", "a*", "\"x\"", "web1",
    ]), 0..40)) {
        match parse(&words.join(" "), NOW) {
            Ok(filter) => {
                let found = filter.matches(&Attack);
                prop_assert_eq!(Filter::Not(Box::new(filter)).matches(&Attack), !found);
            }
            Err(findings) => prop_assert!(!findings.is_empty()),
        }
    }
}

struct Computer;

impl Record for Computer {
    fn time(&self, field: TimeField) -> i64 {
        match field {
            TimeField::At => NOW - 3_600_000_000,
            TimeField::Received => NOW - 30 * 86_400_000_000,
        }
    }

    fn severity(&self) -> Option<Severity> {
        None
    }

    fn measure(&self, _measure: Measure) -> Option<f64> {
        None
    }

    fn texts(&self, field: &TextField) -> Vec<Scalar> {
        match field {
            TextField::Computer => vec![Scalar::text("web1")],
            TextField::Tag => vec![Scalar::text("role"), Scalar::text("role=web")],
            TextField::Detail(path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                match path.as_slice() {
                    ["status"] => vec![Scalar::text("offline")],
                    ["group"] => vec![Scalar::text("Shop"), Scalar::text("Japan")],
                    ["tags", "app.kubernetes.io/name"] => vec![Scalar::text("shop")],
                    ["module", "anti-malware"] => vec![Scalar::text("failed")],
                    ["cloud", "region"] => vec![Scalar::text("japaneast")],
                    ["cloud", "tags", "env"] => vec![Scalar::text("prod")],
                    ["assetValue"] => vec![Scalar { text: "90".to_owned(), number: Some(90.0) }],
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn words(&self) -> String {
        "web1 192.0.2.1".to_owned()
    }
}

#[test]
fn computers_have_fields_of_their_own() {
    let finds = |text: &str| match sakimori_query::parse_computers(text, NOW) {
        Ok(filter) => filter.matches(&Computer),
        Err(findings) => panic!("{text}: {findings:?}"),
    };
    for text in [
        "status = offline AND group = Japan",
        "tag = role AND tag = \"role=web\"",
        "tags.app.kubernetes.io/name = shop",
        "module.anti-malware = failed",
        "cloud.region = japan* cloud.tags.env = prod",
        "ASSETVALUE >= 50 AND assetvalue < 91",
        "lastSeen < -30m AND lastSeen > -2h AND activatedAt < -7d",
        "name = web* 192.0.2.1",
    ] {
        assert!(finds(text), "{text}");
    }
    for text in ["status = online", "assetValue < 90", "NOT group = Shop", "tags.none = x"] {
        assert!(!finds(text), "{text}");
    }
    assert!(sakimori_query::parse_computers("cloud.tags.x.. = 1", NOW).is_ok(), "a tag may have dots");
    for text in ["severity = high", "detail.sid = 1", "cloud. = x", "tags. = x", "status.x = 1"] {
        let findings = sakimori_query::parse_computers(text, NOW);
        assert_eq!(findings.unwrap_err().first().map(|finding| finding.code), Some("Q005"), "{text}");
    }
}
