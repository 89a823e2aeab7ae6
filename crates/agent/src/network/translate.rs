//! From the modules' settings to what the engines take.
use super::hours::Counting;
use super::schedule::Moment;
use super::{NetworkPlan, Placed};
use sakimori_firewall::Plan;
use sakimori_model::{self as model, Diagnostic, PortRange};
use sakimori_modules::firewall::{Firewall, FirewallRule};
use sakimori_modules::web_reputation::WebReputation;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// The name of the lists that stand in the policy itself.
const OWN_LIST: &str = "policy";

/// The rules that do not always count, and whether they do at a moment: only at these edges the plan changes.
pub(super) fn conditional(plan: &NetworkPlan, moment: &Moment) -> Vec<(String, bool)> {
    let rules = firewall_counting(plan, moment).into_iter();
    let inspects = plan.settings.mode != model::Mode::Off;
    let signatures = plan.placed.iter().filter(|_| inspects);
    // No name of a firewall rule begins so.
    let signatures = signatures.map(|(sid, placed)| (format!("/signature/{sid}"), is_here(placed, moment)));
    rules.chain(signatures).collect()
}

/// The rules of the firewall that do not always count, and whether they do at a moment.
pub(super) fn firewall_counting(plan: &NetworkPlan, moment: &Moment) -> Counting {
    let has_firewall = plan.has_firewall();
    let rules = plan.firewall.rules.iter().filter(|(_, rule)| has_firewall && rule.is_conditional());
    rules.map(|(name, rule)| (name.clone(), counts(name, rule, moment))).collect()
}

/// Whether a signature counts where the computer is.
fn is_here(placed: &Placed, moment: &Moment) -> bool {
    placed.contexts.iter().any(|context| context.holds(|fact| moment.seen.fact(fact)))
}

/// Sets the signatures that count in contexts alone to what they are here.
pub(super) fn place(plan: &mut NetworkPlan, moment: &Moment) {
    for (sid, placed) in &plan.placed {
        let mode = if is_here(placed, moment) { placed.mode } else { model::Mode::Off };
        plan.settings.rule_modes.insert(*sid, mode);
    }
}

/// The contexts that rules name, and whether they hold at a moment. One that is written several times under a name
/// holds where any of them does.
pub(super) fn contexts(plan: &NetworkPlan, moment: &Moment) -> BTreeMap<String, bool> {
    let mut contexts = BTreeMap::new();
    for context in plan.contexts() {
        let holds = contexts.entry(context.label()).or_default();
        *holds |= context.holds(|fact| moment.seen.fact(fact));
    }
    contexts
}

fn counts(name: &str, rule: &FirewallRule, moment: &Moment) -> bool {
    let held = moment.held.get(name).copied().filter(|_| rule.is_conditional());
    held.unwrap_or_else(|| rule.counts(moment.at.0, |fact| moment.seen.fact(fact)))
}

/// The firewall's plan at a moment, and what was noticed; errors where there is none. A rule that does not count now is
/// checked like the others and left out.
pub(super) fn firewall(
    settings: &Firewall,
    always: &[SocketAddr],
    moment: &Moment,
) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let compiled =
        sakimori_firewall_settings::compile(settings, always, |name, rule| counts(name, rule, moment));
    compiled.map(|(mut plan, findings)| {
        if let (Some(watch), Some(ports)) = (&mut plan.watch, own_ports()) {
            watch.answered_at = ports;
        }
        (plan, findings)
    })
}

/// The ports that programs here ask from where they choose none.
fn own_ports() -> Option<RangeInclusive<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
}

/// The lists that stand in the policy: name, whether it allows, text.
pub(super) fn own_lists(web: &WebReputation) -> [(&'static str, bool, String); 2] {
    let (mut block, mut allow) = (String::new(), String::new());
    for (site, category) in &web.blocked {
        let _infallible = writeln!(block, "{site} {category}");
    }
    for (site, allowed) in &web.allowed {
        if *allowed {
            let _infallible = writeln!(allow, "{site}");
        }
    }
    [(OWN_LIST, false, block), (OWN_LIST, true, allow)]
}

/// The server ports of connections to the outside that are judged.
pub(super) fn web_ports(web: &WebReputation) -> Vec<PortRange> {
    web.http_ports.iter().chain(&web.tls_ports).map(|ports| ports.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_model::Timestamp;

    fn moment(at: i64) -> Moment {
        Moment { at: Timestamp(at), ..Moment::default() }
    }

    #[test]
    fn a_scheduled_rule_is_in_the_plan_only_at_its_times() {
        let json = r#"{"mode":"prevent","rules":{
            "backup":{"action":"allow","direction":"in","protocol":"tcp","ports":["873"],"schedule":["mon-fri 09:00-18:00 Asia/Tokyo"]},
            "web":{"action":"allow","direction":"in","protocol":"tcp","ports":["80"]}}}"#;
        let settings: Firewall = serde_json::from_str(json).unwrap();
        // 2026-11-25, a Wednesday, 09:00 in Tokyo; and nine hours later.
        let (open, closed) = (moment(1_795_564_800_000_000), moment(1_795_597_200_000_000));
        let plan = |now| firewall(&settings, &[], now).unwrap().0.to_string();
        assert!(plan(&open).contains("{ 873 }") && plan(&open).contains("{ 80 }"), "{}", plan(&open));
        assert!(!plan(&closed).contains("873") && plan(&closed).contains("{ 80 }"), "{}", plan(&closed));
        let plan = NetworkPlan { firewall: settings, ..NetworkPlan::off(sakimori_protocol::Hash::of(b"")) };
        assert_eq!(conditional(&plan, &open), [("backup".to_owned(), true)]);
        assert_eq!(conditional(&plan, &closed), [("backup".to_owned(), false)]);
    }
}
