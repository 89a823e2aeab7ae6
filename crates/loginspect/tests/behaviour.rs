//! The language as its documentation has it.

use sakimori_loginspect::{Dialect, Engine, Line, Moment, SourceFile, compile, limits};
use sakimori_model::Level;
use std::sync::Arc;

const DECODER: &str = "<decoder name='app'><program_name>^app$</program_name></decoder>\
    <decoder name='app-user'><parent>app</parent><prematch>^user </prematch>\
    <regex offset='after_prematch'>^(\\S+) from (\\S+)</regex><order>user, srcip</order></decoder>";

fn file(text: &str) -> SourceFile {
    SourceFile { name: "test.xml".into(), text: text.as_bytes().to_vec() }
}

fn engine(rules: &str, dialect: Dialect) -> Engine {
    let compiled = compile(&[file(DECODER), file(rules)], dialect);
    assert!(!compiled.is_refused(), "{:#?}", compiled.diagnostics);
    Engine::new(Arc::new(compiled.rules))
}

fn codes(rules: &str) -> Vec<(&'static str, u32)> {
    let compiled = compile(&[file(DECODER), file(rules)], Dialect::Ossec);
    let errors = compiled.diagnostics.into_iter().filter(|d| d.level == Level::Error);
    errors.map(|d| (d.code, d.line)).collect()
}

fn at(engine: &mut Engine, seconds: u64, message: &str) -> u32 {
    let line = format!("Nov 25 17:00:00 web1 app[1]: {message}");
    let line = Line { bytes: line.as_bytes(), location: "/var/log/app", header: true };
    let now = Moment { seconds, minute: 10 * 60, weekday: 3 };
    engine.judge(line, now).rule().map_or(0, |rule| rule.id)
}

const COUNT: &str = "<group name='g,'>\
    <rule id='100' level='3'><decoded_as>app</decoded_as><match>from</match><description>a</description></rule>\
    <rule id='101' level='10' frequency='4' timeframe='60'><if_matched_sid>100</if_matched_sid><same_source_ip/>\
    <description>b</description></rule></group>";

#[test]
fn the_two_dialects_count_differently() {
    for (dialect, fires_on) in [(Dialect::Ossec, 6), (Dialect::Wazuh, 4)] {
        let mut engine = engine(COUNT, dialect);
        let fired = (1..=20).find(|_| at(&mut engine, 10, "user a from 192.0.2.1") == 101);
        assert_eq!(fired, Some(fires_on), "{dialect:?}");
    }
}

#[test]
fn events_that_were_counted_are_not_counted_again() {
    let mut engine = engine(COUNT, Dialect::Wazuh);
    let fired: Vec<u32> = (1..=12).filter(|_| at(&mut engine, 10, "user a from 192.0.2.1") == 101).collect();
    assert_eq!(fired, [4, 8, 12]);
}

#[test]
fn other_addresses_and_old_events_do_not_count() {
    let mut engine = engine(COUNT, Dialect::Wazuh);
    for n in 0..50 {
        assert_eq!(at(&mut engine, 10, &format!("user a from 192.0.2.{n}")), 100);
    }
    let mut engine = self::engine(COUNT, Dialect::Wazuh);
    for n in 0..50 {
        assert_eq!(at(&mut engine, n * 30, "user a from 192.0.2.1"), 100);
    }
}

#[test]
fn one_address_does_not_drown_another() {
    let mut engine = engine(COUNT, Dialect::Wazuh);
    for n in 0..200 {
        // Two floods: one that fires the rule again and again, one that never does.
        let _fires = at(&mut engine, 10, "user a from 203.0.113.1");
        let _flood = at(&mut engine, 10, &format!("user a from 198.51.100.{n}"));
        if n % 67 == 0 {
            let _slow = at(&mut engine, 10, "user a from 192.0.2.1");
        }
    }
    assert_eq!(at(&mut engine, 10, "user a from 192.0.2.1"), 101);
}

#[test]
fn memory_of_past_events_is_bounded() {
    let mut engine = engine(COUNT, Dialect::Wazuh);
    for n in 0..limits::LIST_EVENTS + 100 {
        let _rule = at(&mut engine, 10, &format!("user a from 10.{}.{}.1", n / 250, n % 250));
    }
    assert_eq!(engine.forgotten(), 100);
}

#[test]
fn level_0_is_tried_first_then_the_highest_level() {
    let mut engine = engine(
        "<group name='g,'><rule id='100' level='3'><decoded_as>app</decoded_as></rule>\
         <rule id='101' level='5'><if_sid>100</if_sid><match>alpha</match></rule>\
         <rule id='102' level='9'><if_sid>100</if_sid><match>alpha beta</match></rule>\
         <rule id='103' level='0'><if_sid>100</if_sid><match>gamma</match></rule></group>",
        Dialect::Ossec,
    );
    assert_eq!(at(&mut engine, 1, "alpha"), 101);
    assert_eq!(at(&mut engine, 1, "alpha beta"), 102);
    assert_eq!(at(&mut engine, 1, "alpha beta gamma"), 103);
    assert_eq!(at(&mut engine, 1, "delta"), 100);
}

#[test]
fn a_rule_that_only_holds_others_lets_the_search_go_on() {
    let mut engine = engine(
        "<group name='g,'><rule id='100' level='9' noalert='1'><decoded_as>app</decoded_as></rule>\
         <rule id='101' level='3'><decoded_as>app</decoded_as></rule></group>",
        Dialect::Ossec,
    );
    assert_eq!(at(&mut engine, 1, "x"), 101);
}

#[test]
fn ignore_gives_the_line_to_the_parent_for_a_while() {
    let mut engine = engine(
        "<group name='g,'><rule id='100' level='3'><decoded_as>app</decoded_as></rule>\
         <rule id='101' level='5' ignore='60'><if_sid>100</if_sid><match>x</match></rule></group>",
        Dialect::Ossec,
    );
    let rules: Vec<u32> = [0, 10, 59, 61, 70].iter().map(|s| at(&mut engine, *s, "x")).collect();
    assert_eq!(rules, [101, 100, 100, 101, 100]);
}

#[test]
fn addresses_users_times_and_groups() {
    let mut engine = engine(
        "<group name='g,'><rule id='100' level='3'><decoded_as>app</decoded_as><group>first,</group></rule>\
         <rule id='101' level='4'><if_group>first</if_group><srcip>192.0.2.0/24</srcip></rule>\
         <rule id='102' level='5'><if_sid>100</if_sid><user>^root$</user></rule>\
         <rule id='103' level='6'><if_level>3</if_level><time>6 pm - 8:30 am</time></rule>\
         <rule id='104' level='7'><if_sid>100</if_sid><weekday>weekends</weekday></rule></group>",
        Dialect::Ossec,
    );
    assert_eq!(at(&mut engine, 1, "user bob from 192.0.2.9"), 101);
    assert_eq!(at(&mut engine, 1, "user bob from 198.51.100.9"), 100);
    assert_eq!(at(&mut engine, 1, "user root from 192.0.2.9"), 102);
    let line = b"Nov 25 17:00:00 web1 app[1]: user bob from 198.51.100.9".as_slice();
    let mut when = |minute, weekday| {
        let line = Line { bytes: line, location: "", header: true };
        engine.judge(line, Moment { seconds: 1, minute, weekday }).rule().unwrap().id
    };
    assert_eq!(when(18 * 60, 3), 103);
    assert_eq!(when(8 * 60, 3), 103);
    assert_eq!(when(9 * 60, 3), 100);
    assert_eq!(when(9 * 60, 6), 104);
}

#[test]
fn a_swap_keeps_what_both_sets_count() {
    let mut engine = engine(COUNT, Dialect::Wazuh);
    for _ in 0..3 {
        assert_eq!(at(&mut engine, 10, "user a from 192.0.2.1"), 100);
    }
    let again = compile(&[file(DECODER), file(COUNT)], Dialect::Wazuh);
    engine.swap(Arc::new(again.rules));
    assert_eq!(at(&mut engine, 10, "user a from 192.0.2.1"), 101);
}

#[test]
fn what_cannot_be_meant_is_an_error_with_its_line() {
    for (rules, expected) in [
        ("<group name='g'>\n<rule level='3'/></group>", ("L006", 2)),
        ("<group name='g'>\n<rule id='100' level='30'/></group>", ("L005", 2)),
        ("<group name='g'><rule id='100' level='3'>\n<madeup>x</madeup></rule></group>", ("L003", 2)),
        (
            "<group name='g'><rule id='100' level='3'>\n<list field='srcip'>x</list></rule></group>",
            ("L004", 2),
        ),
        ("<group name='g'><rule id='100' level='3'><if_sid>7</if_sid></rule></group>", ("L007", 1)),
        (
            "<group name='g'><rule id='100' level='3'>\n<decoded_as>no</decoded_as></rule></group>",
            ("L007", 2),
        ),
        ("<group name='g'><rule id='100' level='3'>\n<regex>\\q</regex></rule></group>", ("L008", 2)),
        ("<group name='g'><rule id='100' level='3'>\n<srcip>host</srcip></rule></group>", ("L013", 2)),
        ("<group name='g'><rule id='100' level='3' frequency='4'/></group>", ("L011", 1)),
        (
            "<group name='g'><rule id='100' level='3'><match>a</match></rule>\n<rule id='100' level='3'/></group>",
            ("L006", 2),
        ),
        ("<decoder name='x'><parent>none</parent></decoder>", ("L009", 1)),
        ("<decoder name='x'><order>srcip</order></decoder>", ("L005", 1)),
    ] {
        assert_eq!(codes(rules), [expected], "{rules}");
    }
}

#[test]
fn malformed_files_are_reported_and_read_as_far_as_possible() {
    let compiled = compile(
        &[
            file(DECODER),
            file("<group name='g,'><rule id='100' level='3'><match>a & b</rule>\n<!-- a -- b --></group>"),
        ],
        Dialect::Ossec,
    );
    assert_eq!(compiled.loaded, 1);
    assert_eq!(compiled.diagnostics.len(), 1);
    assert_eq!(compiled.diagnostics.first().unwrap().code, "L002");
}

#[test]
fn a_long_line_is_cut_and_says_so() {
    let mut engine = engine(COUNT, Dialect::Ossec);
    let mut line = b"Nov 25 17:00:00 web1 app[1]: user a from 192.0.2.1 ".to_vec();
    line.resize(limits::LINE_BYTES + 10, b'x');
    let judged = engine.judge(Line { bytes: &line, location: "", header: true }, Moment::default());
    assert!(judged.is_cut());
    assert_eq!(judged.line().len(), limits::LINE_BYTES);
    assert_eq!(judged.rule().unwrap().id, 100);
}

#[test]
fn descriptions_carry_fields_without_control_characters() {
    let mut engine = engine(
        "<group name='g,'><rule id='100' level='3'><decoded_as>app</decoded_as>\
         <description>$(user) came from $(srcip), $(nothing), $(open</description></rule></group>",
        Dialect::Ossec,
    );
    let line = b"Nov 25 17:00:00 web1 app[1]: user a\x1b[31m from 192.0.2.1";
    let judged = engine.judge(Line { bytes: line, location: "", header: true }, Moment::default());
    assert_eq!(judged.description(), "a[31m came from 192.0.2.1, , $(open");
}
