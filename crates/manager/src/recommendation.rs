//! The manager's half of the recommendation scan: inventory × content → rules that a computer needs, with the reason.
use crate::content::Content;
use sakimori_modules::Explanation;
use sakimori_modules::recommendation::RecommendationEvent;
use sakimori_protocol::{Inventory, Package};
use sakimori_recommend::{self as engine, Item, Product, ProductKind, RuleFacts, recommend};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A recommended rule, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recommended {
    /// Signature id.
    pub sid: u32,
    /// Why: at least one.
    pub reasons: Vec<Reason>,
}

/// Why a rule is recommended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// `affected` or `version-unknown`.
    pub code: String,
    /// Kind of product.
    pub kind: String,
    /// The product.
    pub product: String,
    /// The version found, empty where it says none.
    pub version: String,
    /// Where it lies, empty for packages.
    pub place: String,
    /// Versions with the hole.
    pub affected: String,
    /// The distribution may have closed the hole without changing the version.
    pub maybe_backported: bool,
    /// In words.
    pub words: Explanation,
}

/// What changes with an inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Considered {
    /// Everything that is recommended now, by number.
    pub rules: Vec<Recommended>,
    /// Rules that were not recommended before.
    pub added: Vec<u32>,
    /// Rules that no longer are.
    pub withdrawn: Vec<u32>,
    /// Why, for the first of them.
    pub reason: Option<Explanation>,
}

/// Judges what is installed. What cannot be told from this inventory stays as it was `before`.
pub fn consider(inventory: &Inventory, content: &Content, before: &[Recommended]) -> Considered {
    let had: BTreeSet<u32> = before.iter().map(|rule| rule.sid).collect();
    let advice = recommend(&understood(inventory), &content.facts, &had);
    let known: BTreeSet<u32> = content.facts.iter().map(|facts| facts.id).collect();
    let mut rules: BTreeMap<u32, Recommended> = before
        .iter()
        .filter(|rule| advice.undecided.contains(&rule.sid))
        .map(|rule| (rule.sid, rule.clone()))
        .collect();
    for found in advice.assign.iter().chain(&advice.keep) {
        rules.insert(found.rule, Recommended { sid: found.rule, reasons: reasons(&found.reasons) });
    }
    let words = |reason: &engine::Reason| Explanation { en: reason.english(), ja: reason.japanese() };
    // A rule that the content has no more has no advice, but is no longer recommended either.
    let gone = had.iter().copied().filter(|sid| !known.contains(sid));
    let withdrawn: BTreeSet<u32> = advice.unassign.iter().map(|found| found.rule).chain(gone).collect();
    let first = advice.assign.first().or_else(|| advice.unassign.first());
    Considered {
        added: advice.assign.iter().map(|found| found.rule).collect(),
        reason: first.and_then(|found| found.reasons.first()).map(words),
        withdrawn: withdrawn.into_iter().collect(),
        rules: rules.into_values().collect(),
    }
}

impl Considered {
    /// What is told of it, where anything changed; `assigns` says of a rule whether the policy assigns it while it is
    /// recommended and not otherwise.
    pub fn event(&self, module: &str, assigns: impl Fn(u32) -> bool) -> Option<RecommendationEvent> {
        if self.added.is_empty() && self.withdrawn.is_empty() {
            return None;
        }
        let texts = |sids: &[u32]| sids.iter().map(u32::to_string).collect();
        let by_policy = |sids: &[u32]| sids.iter().filter(|sid| assigns(**sid)).map(u32::to_string).collect();
        let no_more = Explanation {
            en: "the content has no such rule any more".to_owned(),
            ja: "コンテンツにこのルールがなくなりました".to_owned(),
        };
        Some(RecommendationEvent {
            module: module.to_owned(),
            recommended: texts(&self.added),
            withdrawn: texts(&self.withdrawn),
            assigned: by_policy(&self.added),
            unassigned: by_policy(&self.withdrawn),
            reason: self.reason.clone().unwrap_or(no_more),
        })
    }
}

/// What rules say of themselves, for the engine. One whose words are not understood is left out: it is then neither
/// recommended nor called superfluous.
pub fn facts(pack: &sakimori_content::Pack) -> Vec<RuleFacts> {
    let affects = |said: &sakimori_content::Affects| {
        let kind = ProductKind::named(&said.kind)?;
        engine::Affects::parse(Product::new(kind, &said.name), &said.versions).ok()
    };
    let each = pack.all_metadata().filter_map(|said| {
        let affects = said.affects.iter().map(affects).collect::<Option<Vec<_>>>()?;
        Some(RuleFacts { id: said.sid, cves: said.cve.clone(), affects })
    });
    each.collect()
}

/// The inventory in the engine's words.
fn understood(inventory: &Inventory) -> engine::Inventory {
    let of_source = |package: &Package| {
        let (name, version) = if package.source.is_empty() {
            (&package.name, &package.version)
        } else {
            (&package.source, &package.source_version)
        };
        (Product::package(name), version.clone())
    };
    // Many packages are built from one source.
    let packages: BTreeSet<(Product, String)> = inventory.packages.iter().map(of_source).collect();
    let packages =
        packages.into_iter().map(|(product, version)| Item { product, version, place: String::new() });
    let applications = inventory.applications.iter().filter_map(|found| {
        let product = Product::new(ProductKind::named(&found.kind)?, &found.name);
        Some(Item { product, version: found.version.clone(), place: found.place.clone() })
    });
    let unseen = inventory.incomplete.iter().filter_map(|kind| ProductKind::named(kind));
    engine::Inventory { items: packages.chain(applications).collect(), unseen: unseen.collect() }
}

fn reasons(found: &[engine::Reason]) -> Vec<Reason> {
    let one = |reason: &engine::Reason| Reason {
        code: reason.code.as_str().to_owned(),
        kind: reason.product.kind.as_str().to_owned(),
        product: reason.product.name.clone(),
        version: reason.version.clone(),
        place: reason.place.clone(),
        affected: reason.affected.clone(),
        maybe_backported: reason.maybe_backported,
        words: Explanation { en: reason.english(), ja: reason.japanese() },
    };
    found.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_protocol::Application;

    fn content() -> Content {
        Content::of_product().unwrap()
    }

    fn blog(version: &str) -> Inventory {
        let application = Application {
            kind: "application".to_owned(),
            name: "sakimori-demo-blog".to_owned(),
            title: String::new(),
            version: version.to_owned(),
            place: "/srv/blog".to_owned(),
        };
        Inventory { applications: vec![application], ..Inventory::default() }
    }

    #[test]
    fn the_vulnerable_blog_needs_its_patches_and_the_mended_one_none() {
        let content = content();
        let needed = consider(&blog("0.1.0"), &content, &[]);
        assert!(needed.added.contains(&7_000_001) && needed.added.contains(&7_000_010), "{needed:?}");
        assert!(needed.withdrawn.is_empty());
        assert!(needed.reason.as_ref().unwrap().en.contains("sakimori-demo-blog 0.1.0"), "{needed:?}");
        let again = consider(&blog("0.1.0"), &content, &needed.rules);
        assert_eq!((again.added.len(), again.withdrawn.len()), (0, 0), "nothing is told twice");
        assert_eq!(again.rules, needed.rules);
        let mended = consider(&blog("1.0"), &content, &needed.rules);
        assert!(mended.withdrawn.contains(&7_000_001) && mended.withdrawn.contains(&7_000_010));
        let gone = consider(&Inventory::default(), &content, &needed.rules);
        assert_eq!(gone.withdrawn, needed.added);
        assert!(gone.rules.is_empty());
    }

    #[test]
    fn what_was_not_looked_for_to_the_end_withdraws_nothing() {
        let content = content();
        let needed = consider(&blog("0.1.0"), &content, &[]);
        let kinds = ["application", "wordpress-plugin", "package"].map(str::to_owned).to_vec();
        let cut = Inventory { incomplete: kinds, ..Inventory::default() };
        let after = consider(&cut, &content, &needed.rules);
        assert_eq!((after.added.len(), after.withdrawn.len()), (0, 0));
        assert_eq!(after.rules, needed.rules, "with the reasons of then");
    }

    #[test]
    fn packages_count_by_their_source() {
        let package = |name: &str| Package {
            name: name.to_owned(),
            version: "2.4.49-4".to_owned(),
            architecture: "amd64".to_owned(),
            source: "apache2".to_owned(),
            source_version: "2.4.49-4".to_owned(),
        };
        let inventory = Inventory {
            packages: vec![package("apache2-bin"), package("apache2-data")],
            ..Inventory::default()
        };
        let found = consider(&inventory, &content(), &[]);
        assert!(found.added.contains(&7_000_110), "{found:?}");
        assert_eq!(found.rules[0].reasons.len(), 1, "two packages of one source are one reason");
    }

    #[test]
    fn a_rule_that_left_the_content_is_withdrawn() {
        let gone = Recommended { sid: 1, reasons: Vec::new() };
        let found = consider(&Inventory::default(), &content(), &[gone]);
        assert_eq!(found.withdrawn, [1]);
        let event = found.event("intrusion-prevention", |_| false).unwrap();
        assert_eq!((event.withdrawn.len(), event.unassigned.len()), (1, 0));
        assert!(event.reason.en.contains("no such rule"));
    }
}
