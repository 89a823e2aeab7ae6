//! Which rules are recommended, and how versions compare.
#![expect(clippy::unwrap_used, reason = "a test ends when a value is not as built")]
use proptest::prelude::*;
use sakimori_recommend::version::{debian, dotted};
use sakimori_recommend::{
    Advice, Affects, Inventory, Item, Product, ProductKind, Ranges, ReasonCode, RuleFacts, recommend,
};
use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::collections::BTreeSet;

fn item(kind: ProductKind, name: &str, version: &str) -> Item {
    Item { product: Product::new(kind, name), version: version.into(), place: String::new() }
}

fn rule(id: u32, affects: &[(ProductKind, &str, &str)]) -> RuleFacts {
    let affects = affects
        .iter()
        .map(|(kind, name, versions)| Affects::parse(Product::new(*kind, name), versions).unwrap())
        .collect();
    RuleFacts { id, cves: vec!["CVE-2020-25213".into()], affects }
}

fn advise(items: Vec<Item>, rules: &[RuleFacts], assigned: &[u32]) -> Advice {
    recommend(&Inventory { items, unseen: Vec::new() }, rules, &assigned.iter().copied().collect())
}

const PLUGIN: ProductKind = ProductKind::WordPressPlugin;

#[test]
fn a_vulnerable_plugin_gets_its_rule_and_a_mended_one_does_not() {
    let rules = [rule(1, &[(PLUGIN, "wp-file-manager", ">=6.0, <6.9")])];
    for version in ["6.0", "6.8", "6.0.0", "6.9-beta1"] {
        let advice = advise(vec![item(PLUGIN, "WP-File-Manager", version)], &rules, &[]);
        assert_eq!(advice.assign.len(), 1, "{version}");
        assert_eq!(advice.assign[0].reasons[0].code, ReasonCode::Affected);
        assert!(!advice.assign[0].reasons[0].maybe_backported);
    }
    for version in ["6.9", "6.10", "7", "5.9.9"] {
        let items = vec![item(PLUGIN, "wp-file-manager", version)];
        assert_eq!(advise(items.clone(), &rules, &[]), Advice::default(), "{version}");
        let advice = advise(items, &rules, &[1]);
        assert_eq!(advice.unassign[0].reasons[0].code, ReasonCode::NotAffected, "{version}");
    }
}

#[test]
fn the_same_name_elsewhere_is_other_software() {
    let rules = [rule(1, &[(PLUGIN, "akismet", "*")])];
    let items =
        vec![item(ProductKind::Package, "akismet", "1"), item(ProductKind::WordPressTheme, "akismet", "1")];
    assert_eq!(advise(items, &rules, &[]), Advice::default());
}

#[test]
fn a_rule_is_unassigned_only_when_everything_was_looked_for() {
    let rules = [rule(1, &[(PLUGIN, "x", "*"), (ProductKind::Java, "y", "*")]), rule(2, &[])];
    let assigned = BTreeSet::from([1, 2]);
    let advice = recommend(&Inventory::default(), &rules, &assigned);
    assert_eq!(advice.unassign.len(), 1);
    assert!(advice.unassign[0].reasons.iter().all(|r| r.code == ReasonCode::NotInstalled));
    assert_eq!(advice.undecided, [2], "it cannot be told from an inventory");
    let partial = Inventory { items: Vec::new(), unseen: vec![ProductKind::Java] };
    let advice = recommend(&partial, &rules, &assigned);
    assert!(advice.unassign.is_empty());
    assert_eq!(advice.undecided, [1, 2]);
    let found = Inventory { items: vec![item(PLUGIN, "x", "3")], ..partial };
    assert_eq!(recommend(&found, &rules, &assigned).keep[0].rule, 1, "what was found counts all the same");
}

#[test]
fn a_product_that_hides_its_version_is_protected() {
    let rules = [rule(1, &[(PLUGIN, "x", "<2")])];
    let advice = advise(vec![item(PLUGIN, "x", " ")], &rules, &[]);
    assert_eq!(advice.assign[0].reasons[0].code, ReasonCode::VersionUnknown);
}

#[test]
fn a_backport_is_exact_where_the_distribution_is_named_and_said_otherwise() {
    let exact = [rule(1, &[(ProductKind::Package, "bash", "<4.3-9.2")])];
    let advice = advise(vec![item(ProductKind::Package, "bash", "4.3-9.1")], &exact, &[]);
    assert!(!advice.assign[0].reasons[0].maybe_backported);
    assert!(advise(vec![item(ProductKind::Package, "bash", "4.3-9.2")], &exact, &[]).assign.is_empty());
    let upstream = [rule(1, &[(ProductKind::Package, "bash", "<5")])];
    let advice = advise(vec![item(ProductKind::Package, "bash", "4.3-9.2")], &upstream, &[]);
    assert!(advice.assign[0].reasons[0].maybe_backported);
    assert!(advice.assign[0].reasons[0].english().contains("the distribution may have closed it"));
    assert!(advice.assign[0].reasons[0].japanese().contains("修正済みの可能性"));
}

#[test]
fn a_thousand_sites_are_one_reason_list() {
    let rules = [rule(1, &[(PLUGIN, "x", "*")])];
    let items = (0..1000).map(|n| Item { place: format!("/srv/{n}"), ..item(PLUGIN, "x", "1") }).collect();
    assert_eq!(advise(items, &rules, &[]).assign[0].reasons.len(), 16);
}

#[test]
fn ranges_are_read_or_refused() {
    let ranges = Ranges::parse("<1 || >=2, <3 || =9").unwrap();
    for (version, inside) in [("0.9", true), ("1", false), ("2.5", true), ("3", false), ("9", true)] {
        assert_eq!(ranges.contain(version, dotted), inside, "{version}");
    }
    assert!(Ranges::parse("*").unwrap().contain("", dotted));
    for wrong in ["", "1.0", "<", "<1,", "||", "~>1"] {
        assert!(Ranges::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn dotted_versions_compare_by_numbers_and_stages() {
    let ascending = [
        "1.0-dev",
        "1.0-alpha",
        "1.0a2",
        "1.0-beta1",
        "1.0-beta2",
        "1.0-rc1",
        "1.0",
        "1.0.1",
        "1.0pl1",
        "1.2",
        "1.10",
        "2",
        "99999999999999999999999999999999",
        "100000000000000000000000000000000",
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            assert_eq!(dotted(a, b), i.cmp(&j), "{a} {b}");
        }
    }
    assert_eq!(dotted("1.0", "1.0.0"), Equal);
    assert_eq!(dotted("1.0.0-beta", "1-beta"), Equal);
    assert_eq!(dotted("1.0.0-beta", "1"), Less);
    assert_eq!(dotted("v2.3", "2.3"), Equal);
    assert_eq!(dotted("5.2.20.RELEASE", "5.2.20"), Equal);
}

const DEBIAN: &[(&str, &str, Ordering)] = &[
    ("1.0~rc1-1", "1.0-1", Less),
    ("1:0.1-1", "9.9-1", Greater),
    ("0:1", "1", Equal),
    ("1.0-1+deb12u1", "1.0-1", Greater),
    ("1.0-1~bpo12+1", "1.0-1", Less),
    ("2.4.62-1~deb12u2", "2.4.62-1~deb12u10", Less),
    ("1.0a", "1.0+", Less),
    ("1.0", "1.0-0", Equal),
    ("1.2.3-4-5", "1.2.3-4-6", Less),
    ("1.001", "1.1", Equal),
    ("~~", "~", Less),
    ("~~a", "~", Less),
    ("", "~", Greater),
];

#[test]
fn debian_versions_compare_as_the_policy_manual_says() {
    for (a, b, order) in DEBIAN {
        assert_eq!(debian(a, b), *order, "{a} {b}");
        assert_eq!(debian(b, a), order.reverse(), "{b} {a}");
    }
}

/// dpkg's own opinion; nothing where there is no dpkg.
#[expect(clippy::disallowed_methods, reason = "asks the reference implementation")]
fn dpkg(a: &str, b: &str) -> Option<Ordering> {
    let says = |relation| {
        let status = std::process::Command::new("dpkg").args(["--compare-versions", a, relation, b]).status();
        status.ok().map(|status| status.success())
    };
    Some(if says("lt")? {
        Less
    } else if says("eq")? {
        Equal
    } else {
        Greater
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn debian_versions_compare_as_dpkg_does(
        a in "([0-3]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?",
        b in "([0-3]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?",
    ) {
        if let Some(order) = dpkg(&a, &b) {
            prop_assert_eq!(debian(&a, &b), order);
        }
    }
}

proptest! {
    #[test]
    fn both_orders_are_orders(a in "\\PC{0,12}", b in "[0-9a-z.:~+-]{0,12}", c in "[0-9.~-]{0,8}") {
        for order in [debian, dotted] {
            prop_assert_eq!(order(&a, &a), Equal);
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        }
        let mut sorted = [a.as_str(), b.as_str(), c.as_str()];
        for order in [debian, dotted] {
            sorted.sort_by(|x, y| order(x, y));
            prop_assert!(order(sorted[0], sorted[2]).is_le());
        }
    }

    #[test]
    fn advice_names_each_rule_once_and_does_not_depend_on_order(
        versions in proptest::collection::vec("[0-3](\\.[0-9]){0,2}", 0..6),
        assigned in proptest::collection::btree_set(0..6_u32, 0..6),
    ) {
        let rules: Vec<RuleFacts> = (0..6).map(|n| rule(n, &[(PLUGIN, "x", &format!("<{n}"))])).collect();
        let items: Vec<Item> = versions.iter().map(|v| item(PLUGIN, "x", v)).collect();
        let turned: Vec<Item> = items.iter().rev().cloned().collect();
        let seen = |items| recommend(&Inventory { items, unseen: Vec::new() }, &rules, &assigned);
        let advice = seen(items);
        prop_assert_eq!(&advice, &seen(turned));
        let mut named: Vec<u32> = [&advice.assign, &advice.unassign, &advice.keep].into_iter().flatten().map(|r| r.rule).collect();
        prop_assert!(advice.assign.iter().all(|r| !assigned.contains(&r.rule)));
        prop_assert!(advice.unassign.iter().chain(&advice.keep).all(|r| assigned.contains(&r.rule)));
        let count = named.len();
        named.sort_unstable();
        named.dedup();
        prop_assert_eq!(named.len(), count);
    }
}
