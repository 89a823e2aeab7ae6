//! Any bytes give a judgement, and any file findings: no panic, no endless work.

use proptest::prelude::*;
use sakimori_loginspect::{Dialect, Engine, Line, Moment, SourceFile, compile, predecode};
use std::sync::Arc;

const RULES: &str = r#"
<decoder name="j"><prematch>^{</prematch><plugin_decoder>JSON_Decoder</plugin_decoder></decoder>
<decoder name="a"><program_name>\S</program_name></decoder>
<decoder name="a1"><parent>a</parent><prematch>\d+ \p</prematch><regex offset="after_prematch">(\w+)\s*(\S+)</regex><order>srcip, id</order></decoder>
<decoder name="a2"><parent>a</parent><regex>(\w+) </regex><order>user</order></decoder>
<decoder name="a2"><parent>a</parent><regex offset="after_regex">^(\S+)</regex><order>url</order></decoder>
<group name="g,">
<rule id="100" level="1"><regex>\w+|\W*$</regex></rule>
<rule id="101" level="2" frequency="1" timeframe="10"><if_matched_sid>100</if_matched_sid><different_url/></rule>
<rule id="102" level="3" frequency="2" timeframe="10"><if_matched_group>g</if_matched_group><same_source_ip/></rule>
<rule id="103" level="4"><if_sid>100</if_sid><field name="x.y">\.+</field><srcip>!10.0.0.0/8</srcip></rule>
</group>"#;

fn loglike() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"Nov 25 17:00:00 ".to_vec()),
        Just(b"<34>1 2026-11-25T17:00:00Z h p - - ".to_vec()),
        Just(b"web1 app[12]: ".to_vec()),
        Just(br#"{"x":{"y":"\u00e9"},"id":[1,"#.to_vec()),
        Just(b"12 .user 192.0.2.1 ".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..24),
    ];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn rulelike() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("<group name='g,'>".to_owned()),
        Just("</group>".to_owned()),
        Just("<rule id='1' level='3'>".to_owned()),
        Just("<rule id='200' level='0' frequency='3' timeframe='9'>".to_owned()),
        Just("</rule>".to_owned()),
        Just("<if_matched_sid>1</if_matched_sid>".to_owned()),
        Just("<decoder name='d'><parent>d</parent>".to_owned()),
        Just("<decoder name='d'><prematch>x</prematch></decoder>".to_owned()),
        Just("<!--".to_owned()),
        Just("<var name='A'>$A$A</var>$A".to_owned()),
        "<(match|regex|pcre2|time|srcip|if_sid|field|order|same_id)>[ -~]{0,12}".prop_map(|text| text),
        "[ -~\\n]{0,10}".prop_map(|text| text),
    ];
    proptest::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_line_is_judged(lines in proptest::collection::vec(loglike(), 1..20)) {
        let compiled = compile(&[SourceFile { name: "r".into(), text: RULES.into() }], Dialect::Ossec);
        prop_assert!(!compiled.is_refused(), "{:?}", compiled.diagnostics);
        let mut engine = Engine::new(Arc::new(compiled.rules));
        for (n, line) in lines.iter().enumerate() {
            let now = Moment { seconds: n as u64, minute: 0, weekday: 0 };
            let header = predecode(line);
            prop_assert!(header.message <= line.len());
            let judged = engine.judge(Line { bytes: line, location: "f", header: n % 2 == 0 }, now);
            prop_assert!(judged.fields().count() <= 256);
            let _text = judged.description();
        }
    }

    #[test]
    fn any_rule_file_gives_findings_or_rules(text in rulelike(), wazuh in any::<bool>()) {
        let dialect = if wazuh { Dialect::Wazuh } else { Dialect::Ossec };
        let compiled = compile(&[SourceFile { name: "r".into(), text: text.into_bytes() }], dialect);
        let mut engine = Engine::new(Arc::new(compiled.rules));
        let _judged = engine.judge(Line { bytes: b"x y z", location: "f", header: true }, Moment::default());
    }

    #[test]
    fn the_same_lines_are_judged_the_same(lines in proptest::collection::vec(loglike(), 1..12)) {
        let run = || {
            let compiled = compile(&[SourceFile { name: "r".into(), text: RULES.into() }], Dialect::Wazuh);
            let mut engine = Engine::new(Arc::new(compiled.rules));
            lines
                .iter()
                .map(|line| {
                    let line = Line { bytes: line, location: "f", header: true };
                    engine.judge(line, Moment::default()).rule().map(|rule| rule.id)
                })
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn a_hostile_line_of_full_length_is_judged_in_time() {
    // What makes back-tracking engines try everything: long runs that almost match.
    let compiled = compile(&[SourceFile { name: "r".into(), text: RULES.into() }], Dialect::Ossec);
    let mut engine = Engine::new(Arc::new(compiled.rules));
    for byte in [b'a', b' ', b'(', b'1', 0] {
        let line = vec![byte; 64 * 1024];
        let judged = engine.judge(Line { bytes: &line, location: "f", header: true }, Moment::default());
        assert!(judged.rule().is_some() || byte == 0, "{byte}");
    }
    assert_eq!(engine.rules().len(), 4);
    assert!(engine.rules().rules().next().unwrap().level > 0);
}
