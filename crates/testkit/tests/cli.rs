//! The command line against a real manager: what is made is there, what is asked for comes.

use sakimori_testkit::command_line::CommandLine;
use sakimori_testkit::fleet::{start_manager, text};
use sakimori_testkit::{Lab, Programs, Role};
use serde_json::Value;

#[test]
fn everything_that_is_listed_made_and_exported_goes_through_the_command_line() {
    let (lab, programs) = (Lab::new().unwrap(), Programs::find().unwrap());
    let manager = start_manager(&lab, &programs).unwrap();
    let api = manager.log_in().unwrap();
    let cli = CommandLine::new(&api, &manager, &lab, &programs);
    let json = |words: &[&str]| -> Value {
        serde_json::from_str(&cli.run(&[&["--output", "json"], words].concat()).unwrap()).unwrap()
    };
    let length = |words: &[&str]| json(words).as_array().unwrap().len();

    // Every list, as a table and as JSON.
    let lists: &[&[&str]] = &[
        &["computers", "list"],
        &["computers", "count"],
        &["groups", "list"],
        &["event-based-tasks", "list"],
        &["fleet", "coverage"],
        &["searches", "list"],
        &["policies", "list"],
        &["lists", "list"],
        &["events", "list"],
        &["events", "list", "--sort", "rank"],
        &["events", "count", "--by", "module"],
        &["auto-tags", "list"],
        &["alerts", "list"],
        &["alerts", "conditions", "list"],
        &["tasks", "list"],
        &["channels", "list"],
        &["operations", "list"],
        &["tokens", "list"],
        &["users", "list"],
        &["api-keys", "list"],
        &["rules", "list"],
        &["audit", "list"],
    ];
    for words in lists {
        cli.run(words).unwrap();
        json(words);
    }

    // The log-in of this test is an event of the manager's; it is noted, counted and exported.
    cli.run(&["auto-tags", "create", "all", "severity >= info", "seen"]).unwrap();
    cli.run(&["auto-tags", "edit", "all", "--tag", "seen/2"]).unwrap();
    assert_eq!(text(&json(&["auto-tags", "list"]), "/0/tag"), "seen/2");
    cli.run(&["auto-tags", "delete", "all"]).unwrap();
    assert_eq!(length(&["auto-tags", "list"]), 0);

    // What takes longer than a request: begun, waited for, fetched.
    let file = |name: &str| lab.host(Role::Manager).folder().join(name);
    let exported = file("events.csv");
    let export = [
        "operations",
        "start",
        "--output-file",
        exported.to_str().unwrap(),
        "event-export",
        "--format",
        "csv",
    ];
    let operation = json(&export);
    assert_eq!(text(&operation, "/state"), "succeeded", "{operation}");
    assert!(std::fs::read_to_string(&exported).unwrap().starts_with("id,"), "a header in CSV");
    let again = file("again.csv");
    cli.run(&["operations", "fetch", text(&operation, "/id"), "--output-file", again.to_str().unwrap()])
        .unwrap();
    assert_eq!(std::fs::read_to_string(&again).unwrap(), std::fs::read_to_string(&exported).unwrap());
    let direct = file("direct.csv");
    cli.run(&["events", "export", direct.to_str().unwrap(), "--format", "csv"]).unwrap();
    assert!(std::fs::read_to_string(&direct).unwrap().starts_with("id,"));
    let backup = json(&["operations", "start", "--wait", "backup"]);
    assert_eq!(text(&backup, "/state"), "succeeded", "{backup}");
    assert_eq!(length(&["operations", "list"]), 2);
}
