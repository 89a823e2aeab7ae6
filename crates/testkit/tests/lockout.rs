//! Applying a policy cannot cut the operator off: the drill with short windows.

use sakimori_testkit::Programs;
use sakimori_testkit::lockout::{self, Windows};

#[test]
fn applying_a_policy_cannot_cut_the_operator_off() {
    let report = lockout::play(&Programs::find().unwrap(), Windows { manager: 6, operator: 10 }).unwrap();
    report.print();
    assert!(report.all_met());
}

#[test]
fn neither_where_the_manager_is_reached_through_a_proxy() {
    let windows = Windows { manager: 6, operator: 10 };
    let report = lockout::play_through_a_proxy(&Programs::find().unwrap(), windows).unwrap();
    report.print();
    assert!(report.all_met());
}
