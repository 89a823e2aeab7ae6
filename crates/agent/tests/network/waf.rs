//! The web application firewall through the whole network part: documents, worker, verdicts, events, status.
use super::lab::{Lab, PORT, SERVER, SOON, able, counter, get, plan, start, until};
use sakimori_agent::network::{NetworkPlan, RuleFile, WafPlan};
use sakimori_model::{FailureResponse, Mode, PortRange};
use sakimori_modules::web_application_firewall::WebAttack;
use sakimori_protocol::{ModuleState, ModuleStatus};

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
