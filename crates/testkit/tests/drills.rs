//! The drills of a simulated fleet, shortened: `cargo xtask drill` plays them whole.
#![expect(clippy::unwrap_used, reason = "a test ends where the world is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "a test starts the simulator and the manager")]

use std::process::Command;

use sakimori_testkit::Programs;
use serde_json::Value;

/// Plays a drill: its figures, as the report writes their values.
fn play(arguments: &[&str]) -> impl Fn(&str) -> String + use<> {
    let programs = Programs::find().unwrap();
    let mut simulator = Command::new(programs.simulator());
    let played = simulator.arg("--manager").arg(programs.manager()).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&played.stdout).into_owned();
    assert!(played.status.success(), "{told}\n{}", String::from_utf8_lossy(&played.stderr));
    let report: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    move |name| {
        let figures = report.get("figures").and_then(Value::as_array).unwrap();
        let figure = figures.iter().find(|figure| figure.get("name").is_some_and(|known| known == name));
        figure.and_then(|figure| figure.get("value")).unwrap().to_string()
    }
}

fn number(value: &str) -> f64 {
    value.parse().unwrap()
}

#[test]
fn instances_are_recognised_and_leave_nothing() {
    // Who vanishes is missed after a minute: the whole drill has that.
    let figure = play(&["autoscale", "--instances", "30", "--vanish", "0"]);
    assert_eq!(figure("instances with the right policy, group and tags"), "30.0");
    assert_eq!(figure("left-overs"), "0.0");
    assert_eq!(figure("computers made of clones of one image"), "3.0");
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_manager_is_killed() {
    let figure =
        play(&["outage", "--only", "sqlite", "--kill-seconds", "8", "--agents", "8", "--rate", "400"]);
    assert!(number(&figure("times the manager was killed on SQLite")) >= 2.0);
    assert!(number(&figure("acknowledged events on SQLite")) >= 500.0);
    assert_eq!(figure("acknowledged events lost on SQLite"), "0.0");
    assert_eq!(figure("events doubled on SQLite"), "0.0");
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_database_goes_away() {
    let short = ["--kill-seconds", "2", "--minutes", "0.05", "--agents", "8", "--rate", "400"];
    let arguments = [&["outage", "--only", "postgres"], &short[..]].concat();
    let figure = play(&arguments);
    assert!(number(&figure("PostgreSQL away")) >= 3.0);
    assert!(number(&figure("acknowledged events on PostgreSQL")) >= 500.0);
    assert_eq!(figure("acknowledged events lost on PostgreSQL"), "0.0");
    assert_eq!(figure("events doubled on PostgreSQL"), "0.0");
}

#[test]
fn a_full_disk_is_said_and_nothing_acknowledged_is_lost() {
    let short = ["--full-seconds", "5", "--kill-seconds", "2", "--agents", "8", "--rate", "400"];
    let figure = play(&[&["outage", "--only", "full-disk"], &short[..]].concat());
    assert!(number(&figure("changes refused on a full disk")) >= 1.0);
    assert_eq!(figure("other words than that the disk is full"), "0.0");
    assert!(number(&figure("acknowledged events on a full disk")) >= 500.0);
    assert_eq!(figure("acknowledged events lost on a full disk"), "0.0");
    assert_eq!(figure("events doubled on a full disk"), "0.0");
}
