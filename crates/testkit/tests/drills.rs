//! The drills of a simulated fleet, shortened: `cargo xtask drill` plays them whole.
use sakimori_testkit::Programs;
use serde_json::Value;
use std::process::Command;

/// Plays a drill: the values of its figures.
fn play(arguments: &[&str]) -> impl Fn(&str) -> f64 {
    let programs = Programs::find().unwrap();
    let mut simulator = Command::new(programs.simulator());
    let played = simulator.arg("--manager").arg(programs.manager()).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&played.stdout).into_owned();
    assert!(played.status.success(), "{told}\n{}", String::from_utf8_lossy(&played.stderr));
    let report: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    move |name| {
        let figures = report["figures"].as_array().unwrap();
        let figure = figures.iter().find(|figure| figure["name"] == name);
        figure.unwrap_or_else(|| panic!("no figure {name:?}: {told}"))["value"].as_f64().unwrap()
    }
}

#[test]
fn instances_are_recognised_and_leave_nothing() {
    // Who vanishes is missed after a minute: the whole drill has that.
    let figure = play(&["autoscale", "--instances", "30", "--vanish", "0"]);
    assert_eq!(figure("instances with the right policy, group and tags"), 30.0);
    assert_eq!(figure("left-overs"), 0.0);
    assert_eq!(figure("computers made of clones of one image"), 3.0);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_manager_is_killed() {
    let figure =
        play(&["outage", "--only", "sqlite", "--kill-seconds", "8", "--agents", "8", "--rate", "400"]);
    assert!(figure("times the manager was killed on SQLite") >= 2.0);
    assert!(figure("acknowledged events on SQLite") >= 500.0);
    assert_eq!(figure("acknowledged events lost on SQLite"), 0.0);
    assert_eq!(figure("events doubled on SQLite"), 0.0);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_database_goes_away() {
    let short = ["--kill-seconds", "3", "--minutes", "0.05", "--agents", "8", "--rate", "400"];
    let figure = play(&[&["outage", "--only", "postgres"], &short[..]].concat());
    assert!(figure("PostgreSQL away") >= 3.0);
    assert!(figure("acknowledged events on PostgreSQL") >= 500.0);
    assert_eq!(figure("acknowledged events lost on PostgreSQL"), 0.0);
    assert_eq!(figure("events doubled on PostgreSQL"), 0.0);
}
