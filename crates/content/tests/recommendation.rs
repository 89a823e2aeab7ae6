//! What our own rules say of the software they protect is understood by the recommendation scan.
#![expect(clippy::unwrap_used, reason = "a test ends when the pack is not as built")]
use sakimori_content::Pack;
use sakimori_recommend::{Affects, Inventory, Item, Product, ProductKind, RuleFacts, recommend};
use std::collections::BTreeSet;

fn facts() -> Vec<RuleFacts> {
    let pack = Pack::embedded().unwrap();
    pack.all_metadata()
        .map(|rule| RuleFacts {
            id: rule.sid,
            cves: rule.cve.clone(),
            affects: rule
                .affects
                .iter()
                .map(|a| {
                    let product = Product::new(ProductKind::named(&a.kind).unwrap(), &a.name);
                    assert_eq!(product.name, a.name, "names are in lower case");
                    Affects::parse(product, &a.versions).unwrap()
                })
                .collect(),
        })
        .collect()
}

/// Rules recommended on a computer where nothing but this is installed.
fn recommended(kind: ProductKind, name: &str, version: &str) -> BTreeSet<u32> {
    let item = Item { product: Product::new(kind, name), version: version.into(), place: "/srv".into() };
    let inventory = Inventory { items: vec![item], unseen: Vec::new() };
    recommend(&inventory, &facts(), &BTreeSet::new()).assign.iter().map(|advice| advice.rule).collect()
}

#[test]
fn each_rule_is_recommended_for_what_it_protects_and_not_for_what_is_mended() {
    use ProductKind::{Application, Composer, Java, Package, WordPressPlugin};
    let uploads = 7_000_011;
    let cases: &[(ProductKind, &str, &str, &str, &[u32])] = &[
        (Application, "wordpress", "4.7.1", "4.7.2", &[7_000_001, 7_000_002, 7_000_003, 7_000_004, uploads]),
        (WordPressPlugin, "wp-file-manager", "6.8", "6.9", &[7_000_010]),
        (Package, "bash", "4.3-9", "5.2.15-2+b7", &[7_000_020, 7_000_021]),
        (Package, "php5", "5.3.3-7", "5.6.40+dfsg-0+deb8u12", &[7_000_031]),
        (Composer, "phpunit/phpunit", "5.6.2", "v9.6.0", &[7_000_032]),
        (Composer, "topthink/framework", "v5.0.22", "v5.1.41", &[7_000_033, 7_000_034]),
        (Composer, "drupal/core", "8.5.0", "8.5.1", &[7_000_040, 7_000_041, 7_000_042]),
        (Java, "log4j-core", "2.14.1", "2.17.1", &[7_000_050, 7_000_051, 7_000_052, 7_000_053]),
        (Java, "struts2-core", "2.5.10", "2.5.10.1", &[7_000_060, 7_000_061]),
        (Java, "spring-beans", "5.2.19.RELEASE", "5.2.20.RELEASE", &[7_000_070, 7_000_071]),
        (Java, "spring-cloud-function-context", "3.2.2", "3.2.3", &[7_000_080]),
        (Java, "gs-main", "2.24.3", "2.25.2", &[7_000_100, 7_000_101]),
        (Package, "apache2", "2.4.49-4~deb11u2", "2.4.62-1~deb12u2", &[7_000_110, 7_000_111]),
        (Package, "apache2", "2.4.50-1", "2.4.48-3.1+deb11u1", &[7_000_111]),
    ];
    for (kind, name, vulnerable, mended, rules) in cases {
        assert_eq!(
            recommended(*kind, name, vulnerable),
            rules.iter().copied().collect::<BTreeSet<_>>(),
            "{name}"
        );
        // An upload folder can be written to in any version.
        let always = if *name == "wordpress" { BTreeSet::from([uploads]) } else { BTreeSet::new() };
        assert_eq!(recommended(*kind, name, mended), always, "{name} {mended}");
    }
}

#[test]
fn every_rule_for_software_on_linux_can_be_recommended() {
    // PHP on Windows, Confluence, Citrix, BIG-IP, Exchange and MOVEit: nothing on a Linux server tells of them.
    let cannot = [7_000_030, 7_000_090, 7_000_120, 7_000_121, 7_000_130, 7_000_140, 7_000_150, 7_000_151];
    let without: Vec<u32> =
        facts().iter().filter(|rule| rule.affects.is_empty()).map(|rule| rule.id).collect();
    assert_eq!(without, cannot);
}
