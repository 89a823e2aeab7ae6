//! What rules do, through the public face.
#![expect(clippy::unwrap_used, reason = "a test ends where its rules do not load")]
use sakimori_model::{Level, Timestamp};
use sakimori_seclang::{
    Compiled, Loader, Memory, NoFiles, Opening, RECOMMENDED, Ruleset, SourceFile, Verdict, compile,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

fn load(rules: &str) -> Compiled {
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
    compile(&[file("recommended.conf", RECOMMENDED), file("rules.conf", rules)], &NoFiles)
}

fn ruleset(rules: &str) -> Ruleset {
    let compiled = load(&format!("SecRuleEngine On\n{rules}"));
    assert_eq!(compiled.diagnostics, []);
    compiled.ruleset.unwrap()
}

fn opening() -> Opening {
    Opening {
        client: ([192, 0, 2, 1], 40_000).into(),
        server: ([192, 0, 2, 2], 80).into(),
        unique_id: "id".to_owned(),
        now: NOW,
    }
}

/// Rules that matched and what is to be done, after a request.
fn ask(rules: &Ruleset, target: &str, headers: &[(&str, &str)], body: &str) -> (Vec<u64>, Verdict) {
    ask_with(&Memory::default(), rules, target, headers, body)
}

fn ask_with(
    store: &Memory,
    rules: &Ruleset,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (Vec<u64>, Verdict) {
    let mut transaction = rules.transaction(store, &opening());
    let method = if body.is_empty() { "GET" } else { "POST" };
    transaction.request_line(method.as_bytes(), target.as_bytes(), b"HTTP/1.1");
    for (name, value) in headers {
        transaction.request_header(name.as_bytes(), value.as_bytes());
    }
    transaction.request_headers_end();
    transaction.request_body(body.as_bytes());
    transaction.request_body_end();
    transaction.finish(NOW);
    (transaction.matches().iter().map(|found| found.rule).collect(), transaction.verdict().clone())
}

fn deny(rule: u64) -> Verdict {
    Verdict::Deny { status: 403, rule }
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

#[test]
fn a_rule_denies_and_detection_only_tells() {
    let rule = "SecRule ARGS:id \"!@rx ^\\d+$\" \"id:1,phase:2,deny,log,msg:'no number: %{MATCHED_VAR}'\"";
    let rules = ruleset(rule);
    assert_eq!(ask(&rules, "/?id=5", &[], ""), (vec![], Verdict::Pass));
    assert_eq!(ask(&rules, "/?id=x", &[], ""), (vec![1], deny(1)));
    assert_eq!(ask(&rules, "/?ID=x", &[], ""), (vec![1], deny(1)));
    assert_eq!(ask(&rules, "/", &[FORM], "a=1&id=x%20y"), (vec![1], deny(1)));

    let only = load(rule).ruleset.unwrap();
    let store = Memory::default();
    let mut transaction = only.transaction(&store, &opening());
    transaction.request_line(b"GET", b"/?id=x", b"HTTP/1.1");
    transaction.request_headers_end();
    assert_eq!(transaction.request_body_end(), &Verdict::Pass);
    assert_eq!(transaction.would(), &deny(1));
    let found = &transaction.matches()[0];
    assert_eq!((found.message.as_slice(), found.disruptive), (&b"no number: x"[..], true));
    assert_eq!(found.matched[0].variable, b"ARGS:id");
}

#[test]
fn a_chain_matches_as_a_whole_and_keeps_what_was_set_before() {
    let rules = ruleset(
        "SecRule ARGS:a \"@streq 1\" \"id:1,phase:2,deny,log,setvar:'tx.seen=+2',chain\"\n\
         SecRule ARGS:b \"@streq 2\" \"setvar:'tx.seen=+3'\"\n\
         SecRule TX:seen \"@eq 2\" \"id:2,phase:2,pass,log\"",
    );
    assert_eq!(ask(&rules, "/?a=1&b=2", &[], ""), (vec![1], deny(1)));
    assert_eq!(ask(&rules, "/?a=1&b=3", &[], ""), (vec![2], Verdict::Pass));
}

#[test]
fn counts_exclusions_and_updates() {
    let rules = ruleset(
        "SecRule &ARGS \"@gt 2\" \"id:1,phase:1,pass,log\"\n\
         SecRule ARGS|!ARGS:/^safe/ \"@contains evil\" \"id:2,phase:1,pass,log\"\n\
         SecRule ARGS \"@contains evil\" \"id:3,phase:1,pass,log,tag:'x/y'\"\n\
         SecRule ARGS \"@contains evil\" \"id:4,phase:1,pass,log\"\n\
         SecRuleUpdateTargetById 3 \"!ARGS:q\"\n\
         SecRuleRemoveById 4\n\
         SecRuleUpdateActionById 1 \"deny,status:418\"",
    );
    assert_eq!(ask(&rules, "/?safe1=good&q=evil", &[], "").0, [2]);
    assert_eq!(ask(&rules, "/?safe1=evil&q=evil", &[], "").0, [2, 3]);
    assert_eq!(ask(&rules, "/?safe1=evil&r=evil", &[], "").0, [2, 3]);
    assert_eq!(ask(&rules, "/?a=&b=&c", &[], "").1, Verdict::Deny { status: 418, rule: 1 });
}

#[test]
fn controls_change_what_follows_for_this_transaction() {
    let rules = ruleset(
        "SecRule REQUEST_FILENAME \"@beginsWith /a\" \"id:1,phase:1,pass,nolog,ctl:ruleRemoveById=10\"\n\
         SecRule REQUEST_FILENAME \"@beginsWith /b\" \"id:2,phase:1,pass,nolog,ctl:ruleRemoveTargetByTag=sqli;ARGS:q\"\n\
         SecRule REQUEST_FILENAME \"@beginsWith /c\" \"id:3,phase:1,pass,nolog,ctl:ruleEngine=Off\"\n\
         SecRule REQUEST_FILENAME \"@beginsWith /d\" \"id:4,phase:1,allow,nolog\"\n\
         SecRule ARGS \"@contains evil\" \"id:10,phase:2,deny,log,tag:'attack-sqli'\"",
    );
    for (target, denied) in [("/", true), ("/a", false), ("/b", false), ("/c", false), ("/d", false)] {
        assert_eq!(ask(&rules, &format!("{target}?q=evil"), &[], "").1 == deny(10), denied, "{target}");
    }
    assert_eq!(ask(&rules, "/b?r=evil", &[], "").1, deny(10));
}

#[test]
fn markers_skips_and_phases() {
    let rules = ruleset(
        "SecRule ARGS:skip \"@eq 1\" \"id:1,phase:2,pass,nolog,skipAfter:END\"\n\
         SecAction \"id:2,phase:2,pass,log\"\n\
         SecAction \"id:3,phase:1,pass,log\"\n\
         SecMarker END\n\
         SecRule ARGS:skip \"@eq 2\" \"id:4,phase:2,pass,nolog,skip:1\"\n\
         SecAction \"id:5,phase:2,pass,log\"\n\
         SecAction \"id:6,phase:5,pass,log\"",
    );
    assert_eq!(ask(&rules, "/", &[], "").0, [3, 2, 5, 6]);
    assert_eq!(ask(&rules, "/?skip=1", &[], "").0, [3, 5, 6]);
    assert_eq!(ask(&rules, "/?skip=2", &[], "").0, [3, 2, 6]);
}

#[test]
fn transformations_and_every_step_of_them() {
    let rules = ruleset(
        "SecRule ARGS \"@streq <script>\" \"id:1,phase:2,pass,log,t:none,t:urlDecodeUni,t:lowercase\"\n\
         SecRule ARGS \"@streq %3CSCRIPT%3E\" \"id:2,phase:2,pass,log,multiMatch,t:none,t:urlDecodeUni,t:lowercase\"\n\
         SecRule ARGS \"@streq %3CSCRIPT%3E\" \"id:3,phase:2,pass,log,t:none,t:urlDecodeUni,t:lowercase\"\n\
         SecRule ARGS \"@rx ^(a)(b)?$\" \"id:4,phase:2,pass,log,capture,msg:'%{TX.1}-%{TX.2}-'\"",
    );
    assert_eq!(ask(&rules, "/?x=%253CSCRIPT%253E", &[], "").0, [1, 2]);
    assert_eq!(ask(&rules, "/?x=a", &[], "").0, [4]);
}

#[test]
fn collections_are_kept_from_one_transaction_to_the_next() {
    let rules = ruleset(
        "SecAction \"id:1,phase:1,pass,nolog,initcol:ip=%{REMOTE_ADDR}\"\n\
         SecRule ARGS:fail \"@eq 1\" \"id:2,phase:2,pass,nolog,setvar:ip.fails=+1,expirevar:ip.fails=60\"\n\
         SecRule IP:fails \"@gt 2\" \"id:3,phase:1,deny,log\"",
    );
    let store = Memory::default();
    for _ in 0..3 {
        assert_eq!(ask_with(&store, &rules, "/?fail=1", &[], "").1, Verdict::Pass);
    }
    assert_eq!(ask_with(&store, &rules, "/", &[], "").1, deny(3));
}

#[test]
fn bodies_are_read_by_their_processors() {
    let rules = ruleset(
        "SecRule ARGS_POST:json.a.0 \"@streq evil\" \"id:1,phase:2,pass,log\"\n\
         SecRule XML:/* \"@contains evil\" \"id:2,phase:2,pass,log\"\n\
         SecRule XML://@* \"@streq bad\" \"id:3,phase:2,pass,log\"\n\
         SecRule FILES \"@endsWith .php\" \"id:4,phase:2,pass,log\"\n\
         SecRule ARGS_NAMES \"@streq evil\" \"id:5,phase:2,pass,log\"\n\
         SecRule REQUEST_BODY \"@contains evil\" \"id:6,phase:2,pass,log\"",
    );
    let kind = |kind| [("Content-Type", kind)];
    assert_eq!(ask(&rules, "/", &kind("application/json"), "{\"a\":[\"evil\"]}").0, [1]);
    assert_eq!(ask(&rules, "/", &kind("text/xml"), "<a b=\"bad\">ev<c/>il</a>").0, [2, 3]);
    assert_eq!(ask(&rules, "/", &[FORM], "evil").0, [5, 6]);
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.php\"\r\n\r\nevil\r\n--b--\r\n";
    assert_eq!(ask(&rules, "/", &kind("multipart/form-data; boundary=b"), multipart).0, [4]);
}

#[test]
fn unreadable_bodies_have_a_verdict() {
    let rules = ruleset("");
    let kind = |kind| [("Content-Type", kind)];
    let refused = Verdict::Deny { status: 400, rule: 200_002 };
    let many: String = (0..10_000).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
    let deep = "[".repeat(200_000);
    let bomb = format!("<!DOCTYPE a [<!ENTITY b \"{}\">]><a>{}</a>", "b".repeat(1000), "&b;".repeat(20_000));
    for (headers, body) in [
        (kind("application/json"), "{\"a\":"),
        (kind("application/json"), &deep),
        (kind("text/xml"), "<a><b></a>"),
        (kind("multipart/form-data; boundary=b"), "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx"),
        (kind("multipart/form-data"), "x"),
        ([FORM], &many),
    ] {
        let (_, verdict) = ask(&rules, "/", &headers, body);
        assert!(matches!(&verdict, Verdict::Deny { status: 400 | 413, .. }), "{verdict:?} {body:.60}");
    }
    assert_eq!(ask(&rules, "/", &kind("application/json"), "{").1, refused);
    // entities are not expanded, so the bomb is a small document
    assert_eq!(ask(&rules, "/", &kind("text/xml"), &bomb).1, Verdict::Pass);
}

#[test]
fn a_body_beyond_its_limit_is_refused_and_not_kept() {
    let rules = ruleset("SecRequestBodyLimit 1000");
    let store = Memory::default();
    let mut transaction = rules.transaction(&store, &opening());
    transaction.request_line(b"POST", b"/", b"HTTP/1.1");
    transaction.request_headers_end();
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..100 {
        transaction.request_body(&piece);
    }
    assert_eq!(transaction.verdict(), &Verdict::Deny { status: 413, rule: 0 });
}

#[test]
fn responses_are_judged_where_their_type_says_so() {
    let rules = ruleset("SecRule RESPONSE_BODY \"@contains secret\" \"id:1,phase:4,deny,log,status:502\"");
    let store = Memory::default();
    for (kind, denied) in [("text/html; charset=utf-8", true), ("image/png", false)] {
        let mut transaction = rules.transaction(&store, &opening());
        transaction.request_line(b"GET", b"/", b"HTTP/1.1");
        transaction.request_headers_end();
        transaction.request_body_end();
        transaction.response_line(b"HTTP/1.1", 200);
        transaction.response_header(b"Content-Type", kind.as_bytes());
        transaction.response_headers_end();
        assert_eq!(transaction.wants_response_body(), denied);
        transaction.response_body(b"a secret");
        let verdict = transaction.response_body_end().clone();
        assert_eq!(verdict == Verdict::Deny { status: 502, rule: 1 }, denied, "{kind}");
    }
}

struct Words;

impl Loader for Words {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        (name == "words.data").then(|| b"# comment\nevil\n\nword two\n".to_vec())
    }
}

#[test]
fn files_come_from_the_loader() {
    let text = b"SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,pass,log\"".to_vec();
    let file = SourceFile { name: "a.conf".to_owned(), text };
    let rules = compile(&[file], &Words).ruleset.unwrap();
    assert_eq!(ask(&rules, "/?a=xWORD%20Two", &[], "").0, [1]);
    assert_eq!(ask(&rules, "/?a=comment", &[], "").0, Vec::<u64>::new());
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_place_and_remedy() {
    let compiled = load(
        "SecRule ARGZ \"@rx a\" \"id:1,deny\"\n\
         SecRule ARGS \"@rx (a\" \\\n  \"id:2,deny\"\n\
         SecRule ARGS \"@nope a\" \"id:3,deny\"\n\
         SecRule ARGS \"@rx a\" \"id:4,deny,t:upsidedown,frob\"\n\
         SecRule ARGS \"@rx a\" \"deny\"\n\
         SecRule ARGS \"@rx a\" \"id:4,deny\"\n\
         SecRule ARGS \"@pmFromFile gone.data\" \"id:5,deny\"\n\
         SecWhatever On\n\
         SecRule ARGS \"@rx a\" \"id:6,deny,msg:'%{NOPE}'\"\n\
         SecRule ARGS \"@rx a\" \"id:7,skipAfter:NOWHERE\"\n\
         SecRule ARGS \"@ipMatch 1.2.3\" \"id:8,deny\"\n\
         SecRule ARGS \"@rx a\" \"id:9,chain\"",
    );
    assert!(compiled.ruleset.is_none());
    let said: Vec<(&str, u32)> =
        compiled.diagnostics.iter().map(|finding| (finding.code, finding.line)).collect();
    assert_eq!(
        said,
        [
            ("W031", 1),
            ("W040", 2),
            ("W061", 4),
            ("W055", 5),
            ("W052", 5),
            ("W091", 6),
            ("W092", 7),
            ("W062", 8),
            ("W081", 9),
            ("W011", 10),
            ("W090", 11),
            ("W066", 12),
            ("W082", 13),
        ]
    );
    for finding in &compiled.diagnostics {
        assert_eq!(finding.source, "rules.conf");
        assert!(!finding.help.is_empty() && !finding.title.is_empty());
        assert_eq!(finding.level == Level::Warning, finding.code == "W090");
    }
}

#[test]
fn patterns_with_look_around_go_back_within_a_bound() {
    let rules = ruleset(
        "SecRule ARGS \"@rx (\\d+)\\s*=\\s*(?!\\1)\\d\" \"id:1,phase:2,pass,log,capture,setvar:'tx.found=%{TX.1}'\"\n\
         SecRule ARGS \"@rx ^(?:a|a|aa)+(?<=c)$\" \"id:2,phase:2,pass,log\"",
    );
    assert_eq!(ask(&rules, "/?a=12+%3d+3", &[], ""), (vec![1], Verdict::Pass));
    assert_eq!(ask(&rules, "/?a=1+%3d+1", &[], ""), (vec![], Verdict::Pass));
    // exponential for an engine that goes back: what cannot be decided is refused
    let hostile = format!("/?q={}", "a".repeat(60));
    assert_eq!(ask(&rules, &hostile, &[], ""), (vec![], Verdict::Deny { status: 403, rule: 0 }));
}

#[test]
fn operators_that_ask_others_load_with_a_remark() {
    let compiled = load(
        "SecRule REMOTE_ADDR \"@rbl dnsbl.example.org\" \"id:1,phase:1,deny,log\"\n\
         SecRule REMOTE_ADDR \"@geoLookup\" \"id:2,phase:1,deny,log\"",
    );
    let told: Vec<(&str, Level, u32)> =
        compiled.diagnostics.iter().map(|found| (found.code, found.level, found.line)).collect();
    assert_eq!(told, [("W065", Level::Warning, 1), ("W065", Level::Warning, 2)]);
    assert_eq!(ask(&compiled.ruleset.unwrap(), "/", &[], ""), (vec![], Verdict::Pass));
}

#[test]
fn the_profile_of_wordpress_leaves_editors_alone_and_visitors_under_all_rules() {
    let rule =
        "SecRule ARGS \"@contains <script\" \"id:1,phase:2,deny,log,tag:'OWASP_CRS',tag:'attack-xss'\"";
    let rules = ruleset(&format!("{}\n{rule}", sakimori_seclang::profiles::WORDPRESS));
    let json = ("Content-Type", "application/json");
    let nonce = ("X-WP-Nonce", "4f1c2d9a7b");
    let cookie = ("Cookie", "wordpress_logged_in_5c016e8f0f95f039102cbe8366c5c7f3=hanako");
    let body = "{\"title\":\"Tea\",\"content\":\"<!-- wp:html --><script>a()</script>\"}";
    let save = "/wp-json/wp/v2/posts/12?_locale=user";
    assert_eq!(ask(&rules, save, &[json, nonce, cookie], body), (vec![], Verdict::Pass));
    for (target, headers) in [
        (save, vec![json, nonce]),
        (save, vec![json, cookie]),
        ("/wp-json/wp/v2/comments", vec![json, nonce, cookie]),
        ("/wp-json/contact/v1/send", vec![json, nonce, cookie]),
    ] {
        assert_eq!(ask(&rules, target, &headers, body), (vec![1], deny(1)), "{target} {headers:?}");
    }
    let title = "{\"title\":\"<script>\",\"content\":\"\"}";
    assert_eq!(ask(&rules, save, &[json, nonce, cookie], title).1, deny(1), "no other field");
    assert_eq!(ask(&rules, "/wp-login.php", &[FORM], "log=a&pwd=<script").1, Verdict::Pass);
    assert_eq!(ask(&rules, "/wp-login.php", &[FORM], "log=<script&pwd=a").1, deny(1));
}

#[test]
fn patterns_may_have_macros() {
    let rules = ruleset(
        "SecAction \"id:1,phase:1,pass,nolog,setvar:'tx.charsets=utf-8|iso-8859-1'\"\n\
         SecRule ARGS:charset \"!@rx (?i)^(?:%{tx.charsets})$\" \"id:2,phase:2,deny,log\"",
    );
    assert_eq!(ask(&rules, "/?charset=UTF-8", &[], ""), (vec![], Verdict::Pass));
    assert_eq!(ask(&rules, "/?charset=utf-7", &[], ""), (vec![2], deny(2)));
}

#[test]
fn a_negated_list_matches_what_has_none_of_it() {
    let rules = ruleset(
        "SecRule ARGS \"!@pm tea coffee\" \"id:1,phase:2,pass,log\"\n\
         SecRule ARGS \"!@rx te+a\" \"id:2,phase:2,pass,log,multiMatch,t:none,t:lowercase\"",
    );
    assert_eq!(ask(&rules, "/?a=Green+Tea", &[], "").0, [2]);
    assert_eq!(ask(&rules, "/?a=green+tea", &[], "").0, [] as [u64; 0]);
    assert_eq!(ask(&rules, "/?a=water", &[], "").0, [1, 2]);
    assert_eq!(ask(&rules, "/?a=tea&b=water", &[], "").0, [1, 2]);
}
