//! Hostile input: no panic, no growth, and filters never hide a match.
#![expect(clippy::unwrap_used, reason = "a test ends where its rules do not load")]
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use sakimori_model::Timestamp;
use sakimori_seclang::body::{Bounds, json, multipart, urlencoded, xml};
use sakimori_seclang::{
    Memory, NoFiles, Opening, RECOMMENDED, Ruleset, SourceFile, Transformation, compile, injection,
    judge_value,
};

/// Texts that look like what parsers look for.
fn pieces() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::{Just, Strategy as _, prop_oneof};
    let words: Vec<&'static [u8]> = vec![
        b"%",
        b"%u",
        b"%u00",
        b"\\",
        b"\\x",
        b"\\u",
        b"\\u004",
        b"&#",
        b"&#x41;",
        b"&lt",
        b"/*",
        b"*/",
        b"<!--",
        b"-->",
        b"--",
        b"\r\n",
        b"\n",
        b"\"",
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"<a",
        b">",
        b"</a>",
        b"<![CDATA[",
        b"]]>",
        b"--b",
        b"--b--",
        b"Content-Disposition: form-data; name=",
        b"filename=\"",
        b";",
        b"=",
        b"+",
        b"../",
        b"/./",
        b"0x41",
        b"union",
        b"select",
        b"SecRule ",
        b"ARGS|",
        b"\"@rx ",
        b"\"id:1,",
        b"\xc2\xa0",
        b"\xff",
        b"\0",
    ];
    let word = proptest::sample::select(words).prop_map(<[u8]>::to_vec);
    vec(prop_oneof![word, vec(any::<u8>(), 0..4), Just(b"a1".to_vec())], 0..40)
        .prop_map(|parts| parts.concat())
}

fn ruleset(rules: &str) -> Ruleset {
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
    compile(&[file("recommended.conf", RECOMMENDED), file("rules.conf", rules)], &NoFiles).ruleset.unwrap()
}

/// Patterns with and without literals, and the same without what a filter could look for.
const PATTERNS: &[&str] = &[
    "(?i)union\\s*select",
    "(?i)a1(?:b|%u|&lt)",
    "[0-9]{2}",
    "\\.\\./|/\\./",
    "(?:a|%){3}",
    "(?i)id:[0-9]?1",
    "^a1|sel.*b--",
    "a?1?<a|\\x00",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn transformations_never_panic_and_stay_small(input in pieces()) {
        for transformation in Transformation::ALL {
            if let Some(made) = transformation.apply(&input) {
                assert!(made.len() <= input.len() * 6 + 64, "{transformation:?}");
            }
        }
    }

    #[test]
    fn body_processors_never_panic_and_keep_their_bounds(input in pieces(), boundary in "[a-b]{1,2}") {
        let bounds = Bounds { arguments: 5, depth: 4 };
        assert!(json::parse(&input, bounds).arguments.len() <= 5);
        assert!(urlencoded::parse(&input, b'&', 5).arguments.len() <= 5);
        let form = multipart::parse(&input, boundary.as_bytes(), 5, multipart::Flaws::default());
        assert!(form.parts.len() <= 5);
        for part in &form.parts {
            assert!(part.content.0 <= part.content.1 && part.content.1 <= input.len());
        }
        let document = xml::parse(&input, bounds);
        assert!(document.text.len() <= input.len() * 4);
        for path in ["/*", "//@*", "//a", "/a//b/@c", "//text()", "", "@", "////"] {
            document.select(path);
        }
    }

    #[test]
    fn directives_never_panic(input in pieces()) {
        compile(&[SourceFile { name: "x".to_owned(), text: input }], &NoFiles);
    }

    #[test]
    fn injections_never_panic(input in pieces()) {
        injection::sqli(&input);
        injection::xss(&input);
    }

    #[test]
    fn shortcuts_of_the_injection_operators_hide_none(word in "[A-Za-z0-9_]{0,24}", text in "[^<=]{0,60}") {
        assert!(!libinjectionrs::detect_sqli(word.as_bytes()).is_injection(), "{word}");
        assert!(!libinjectionrs::detect_xss(text.as_bytes()).is_injection(), "{text}");
    }

    #[test]
    fn a_filter_hides_no_match(input in pieces()) {
        let rules: String = PATTERNS
            .iter()
            .enumerate()
            .map(|(n, pattern)| format!("SecRule REQUEST_HEADERS:X \"@rx {pattern}\" \"id:{},phase:1,pass,log\"", n + 1))
            .collect::<Vec<_>>()
            .join("\n");
        let rules = ruleset(&rules);
        let store = Memory::default();
        let opening = Opening {
            client: ([192, 0, 2, 1], 1).into(),
            server: ([192, 0, 2, 2], 80).into(),
            unique_id: String::new(),
            now: Timestamp(0),
        };
        let mut transaction = rules.transaction(&store, &opening);
        transaction.request_line(b"GET", b"/", b"HTTP/1.1");
        transaction.request_header(b"X", &input);
        transaction.request_headers_end();
        let found: Vec<u64> = transaction.matches().iter().map(|found| found.rule).collect();
        let expected: Vec<u64> = (1..)
            .zip(PATTERNS)
            .filter(|(_, pattern)| judge_value("rx", pattern, &input, &NoFiles).unwrap().0)
            .map(|(id, _)| id)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_transaction_never_panics(target in pieces(), header in pieces(), body in pieces(), kind in 0..5_usize) {
        let rules = ruleset(
            "SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/*|FILES \"@detectSQLi\" \"id:1,phase:2,pass,log,t:none,t:urlDecodeUni,multiMatch\"\n\
             SecRule ARGS \"@detectXSS\" \"id:2,phase:2,deny,log,t:none,t:htmlEntityDecode\"",
        );
        let kinds = ["application/json", "text/xml", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", ""];
        let store = Memory::default();
        let opening = Opening {
            client: ([192, 0, 2, 1], 1).into(),
            server: ([192, 0, 2, 2], 80).into(),
            unique_id: String::new(),
            now: Timestamp(0),
        };
        let mut transaction = rules.transaction(&store, &opening);
        transaction.request_line(b"POST", &target, b"HTTP/1.1");
        transaction.request_header(b"Cookie", &header);
        transaction.request_header(b"Content-Type", kinds[kind].as_bytes());
        transaction.request_headers_end();
        transaction.request_body(&body);
        transaction.request_body_end();
        transaction.response_line(b"HTTP/1.1", 200);
        transaction.response_header(b"Content-Type", &header);
        transaction.response_headers_end();
        transaction.response_body(&body);
        transaction.response_body_end();
        transaction.finish(Timestamp(1));
    }
}
