//! Inventory × rules → what to assign and to unassign.
use crate::product::{Affects, Product, ProductKind};
use crate::version::{debian, dotted};
use std::collections::{BTreeMap, BTreeSet};

/// Most reasons kept for one rule: a host of a thousand vulnerable sites needs the rule for the same reason.
const REASONS: usize = 16;

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Each piece of software that was found.
    pub items: Vec<Item>,
    /// Kinds of products that were not looked for, or not to the end: their absence says nothing.
    pub unseen: Vec<ProductKind>,
}

/// One piece of software on a computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub product: Product,
    /// Its version, as it says itself; empty where it does not say.
    pub version: String,
    /// Where it lies; empty for packages.
    pub place: String,
}

/// What a rule says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// The rule.
    pub id: u32,
    /// The holes it closes.
    pub cves: Vec<String>,
    /// The software with those holes; empty where it cannot be told from an inventory.
    pub affects: Vec<Affects>,
}

/// A rule with what speaks for the advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recommendation {
    /// The rule.
    pub rule: u32,
    /// At least one, at most 16.
    pub reasons: Vec<Reason>,
}

/// Everything a scan says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Rules that are not assigned and should be, by number.
    pub assign: Vec<Recommendation>,
    /// Rules that are assigned and need not be, by number.
    pub unassign: Vec<Recommendation>,
    /// Rules that are assigned and needed, by number.
    pub keep: Vec<Recommendation>,
    /// Rules of which nothing can be said, by number.
    pub undecided: Vec<u32>,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// A version with the hole is installed.
    Affected,
    /// The product is installed, but does not say its version.
    VersionUnknown,
    /// Installed in a version without the hole.
    NotAffected,
    /// The product is not installed.
    NotInstalled,
}

impl ReasonCode {
    /// The stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Affected => "affected",
            Self::VersionUnknown => "version-unknown",
            Self::NotAffected => "not-affected",
            Self::NotInstalled => "not-installed",
        }
    }
}

/// One reason, as code and arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it is.
    pub code: ReasonCode,
    /// The product.
    pub product: Product,
    /// The version found, empty where there is none.
    pub version: String,
    /// Where it was found, empty for packages.
    pub place: String,
    /// The versions with the hole.
    pub affected: String,
    /// The holes.
    pub cves: Vec<String>,
    /// The distribution may have closed the hole without changing the version that was compared.
    pub maybe_backported: bool,
}

impl Reason {
    /// The reason in English.
    pub fn english(&self) -> String {
        let Self { product, version, affected, .. } = self;
        let place = if self.place.is_empty() { String::new() } else { format!(" in {}", self.place) };
        let hole = self.hole("the hole");
        let mut text = match self.code {
            ReasonCode::Affected => format!("{product} {version}{place} has {hole} (affected: {affected})"),
            ReasonCode::VersionUnknown => {
                format!(
                    "{product}{place} does not say its version and may have {hole} (affected: {affected})"
                )
            }
            ReasonCode::NotAffected => {
                format!("{product} {version}{place} does not have {hole} (affected: {affected})")
            }
            ReasonCode::NotInstalled => format!("{product} is not installed"),
        };
        if self.maybe_backported {
            text.push_str("; the distribution may have closed it without changing that version");
        }
        text
    }

    /// The reason in Japanese.
    pub fn japanese(&self) -> String {
        let Self { product, version, affected, .. } = self;
        let place = if self.place.is_empty() { String::new() } else { format!("（{}）", self.place) };
        let hole = self.hole("脆弱性");
        let mut text = match self.code {
            ReasonCode::Affected => {
                format!("{product} {version}{place}には{hole}があります（該当バージョン: {affected}）")
            }
            ReasonCode::VersionUnknown => format!(
                "{product}{place}はバージョンが不明なため、{hole}がある可能性があります（該当バージョン: {affected}）"
            ),
            ReasonCode::NotAffected => {
                format!("{product} {version}{place}には{hole}がありません（該当バージョン: {affected}）")
            }
            ReasonCode::NotInstalled => format!("{product} はインストールされていません"),
        };
        if self.maybe_backported {
            text.push_str("。ディストリビューションがバージョンを変えずに修正済みの可能性があります");
        }
        text
    }

    fn hole(&self, word: &str) -> String {
        if self.cves.is_empty() { word.to_owned() } else { format!("{word} {}", self.cves.join(", ")) }
    }
}

/// What the inventory says of one rule.
enum Finding {
    Needed(Vec<Reason>),
    NotNeeded(Vec<Reason>),
    Unknown,
}

/// Compares what is installed with what rules protect. Deterministic: the order of items and rules does not change
/// which rules are named, and the answer is sorted by rule.
pub fn recommend(inventory: &Inventory, rules: &[RuleFacts], assigned: &BTreeSet<u32>) -> Advice {
    let mut by_product: BTreeMap<&Product, Vec<&Item>> = BTreeMap::new();
    for item in &inventory.items {
        by_product.entry(&item.product).or_default().push(item);
    }
    for items in by_product.values_mut() {
        items.sort_by(|a, b| (&a.place, &a.version).cmp(&(&b.place, &b.version)));
    }
    let mut advice = Advice::default();
    for rule in rules {
        let list = match (judge(rule, &by_product, &inventory.unseen), assigned.contains(&rule.id)) {
            (Finding::Needed(reasons), false) => Some((&mut advice.assign, reasons)),
            (Finding::Needed(reasons), true) => Some((&mut advice.keep, reasons)),
            (Finding::NotNeeded(reasons), true) => Some((&mut advice.unassign, reasons)),
            (Finding::NotNeeded(_), false) => None,
            (Finding::Unknown, _) => {
                advice.undecided.push(rule.id);
                None
            }
        };
        if let Some((list, reasons)) = list {
            list.push(Recommendation { rule: rule.id, reasons });
        }
    }
    for list in [&mut advice.assign, &mut advice.unassign, &mut advice.keep] {
        list.sort_by_key(|recommendation| recommendation.rule);
    }
    advice.undecided.sort_unstable();
    advice
}

fn judge(rule: &RuleFacts, installed: &BTreeMap<&Product, Vec<&Item>>, unseen: &[ProductKind]) -> Finding {
    let (mut needed, mut not_needed) = (Vec::new(), Vec::new());
    for affects in &rule.affects {
        let reason = |code, item: Option<&Item>| Reason {
            code,
            product: affects.product.clone(),
            version: item.map_or_else(String::new, |item| item.version.clone()),
            place: item.map_or_else(String::new, |item| item.place.clone()),
            affected: affects.versions.to_string(),
            cves: rule.cves.clone(),
            maybe_backported: false,
        };
        let items = installed.get(&affects.product).map_or(&[][..], Vec::as_slice);
        if items.is_empty() {
            not_needed.push(reason(ReasonCode::NotInstalled, None));
        }
        let package = affects.product.kind == ProductKind::Package;
        let order = if package { debian } else { dotted };
        for item in items {
            if item.version.trim().is_empty() {
                needed.push(reason(ReasonCode::VersionUnknown, Some(item)));
            } else if affects.versions.contain(&item.version, order) {
                let maybe_backported = package && affects.versions.are_upstream();
                needed.push(Reason { maybe_backported, ..reason(ReasonCode::Affected, Some(item)) });
            } else {
                not_needed.push(reason(ReasonCode::NotAffected, Some(item)));
            }
        }
    }
    let all_seen = rule.affects.iter().all(|affects| !unseen.contains(&affects.product.kind));
    if !needed.is_empty() {
        needed.truncate(REASONS);
        Finding::Needed(needed)
    } else if all_seen && !rule.affects.is_empty() {
        not_needed.truncate(REASONS);
        Finding::NotNeeded(not_needed)
    } else {
        Finding::Unknown
    }
}
