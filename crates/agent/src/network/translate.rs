//! From the modules' settings to what the engines take.
use super::schedule::Moment;
use sakimori_firewall::{self as engine, Endpoint, Network, Policy, Rule};
use sakimori_model::{Diagnostic, Level, PortRange};
use sakimori_modules::Mode;
use sakimori_modules::firewall::{Direction, Firewall, FirewallRule, Protocol, Verdict};
use sakimori_modules::web_reputation::WebReputation;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// The name of the lists that stand in the policy itself.
const OWN_LIST: &str = "policy";

/// The rules that do not always count, and whether they do at a moment: only at these edges the plan changes.
pub(super) fn conditional(settings: &Firewall, moment: &Moment) -> Vec<(String, bool)> {
    let rules = settings.rules.iter().filter(|(_, rule)| rule.is_conditional());
    rules.map(|(name, rule)| (name.clone(), counts(rule, moment))).collect()
}

/// The contexts that rules name, and whether they hold at a moment. One that is written several times under a name
/// holds where any of them does.
pub(super) fn contexts(settings: &Firewall, moment: &Moment) -> BTreeMap<String, bool> {
    let mut contexts = BTreeMap::new();
    if settings.mode == Mode::Off {
        return contexts;
    }
    for context in settings.rules.values().flat_map(|rule| &rule.context) {
        let holds = contexts.entry(context.label()).or_default();
        *holds |= context.holds(|fact| moment.seen.fact(fact));
    }
    contexts
}

fn counts(rule: &FirewallRule, moment: &Moment) -> bool {
    rule.counts(moment.at.0, |fact| moment.seen.fact(fact))
}

/// The firewall's plan at a moment, and what was noticed; errors where there is none. A rule that does not count now is
/// checked like the others and left out.
pub(super) fn firewall(
    settings: &Firewall,
    always: &[SocketAddr],
    moment: &Moment,
) -> Result<(engine::Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut rules = Vec::new();
    for (name, rule) in &settings.rules {
        match one(name, rule) {
            Ok(translated) if counts(rule, moment) => rules.push(translated),
            Ok(_not_now) => {}
            Err(finding) => findings.push(finding),
        }
    }
    let policy = Policy {
        mode: settings.mode.into(),
        default_inbound: action(settings.default_inbound),
        default_outbound: action(settings.default_outbound),
        log_default: true,
        rules,
        always: always
            .iter()
            .map(|end| Endpoint { address: end.ip().to_canonical(), port: end.port() })
            .collect(),
    };
    let compiled = engine::compile(&policy);
    findings.extend(compiled.diagnostics);
    match compiled.plan {
        Some(plan) if findings.iter().all(|finding| finding.level != Level::Error) => Ok((plan, findings)),
        _ => Err(findings),
    }
}

fn one(name: &str, rule: &FirewallRule) -> Result<Rule, Diagnostic> {
    let remote: Result<Vec<Network>, _> = rule.remote.iter().map(|text| text.parse()).collect();
    let remote = remote.map_err(|error: engine::ParseNetworkError| Diagnostic {
        code: "F008",
        level: Level::Error,
        title: error.to_string(),
        source: format!("firewall rule '{name}'"),
        line: 0,
        column: 0,
        help: "Correct the address.".to_owned(),
    })?;
    let ports: Vec<PortRange> = rule.ports.iter().map(|ports| ports.0).collect();
    let (direction, local_ports, remote_ports) = match rule.direction {
        Direction::In => (engine::Direction::In, ports, Vec::new()),
        Direction::Out => (engine::Direction::Out, Vec::new(), ports),
    };
    let protocol = match rule.protocol {
        Protocol::Any => engine::Protocol::Any,
        Protocol::Tcp => engine::Protocol::Tcp,
        Protocol::Udp => engine::Protocol::Udp,
        Protocol::Icmp => engine::Protocol::Icmp,
        Protocol::Icmpv6 => engine::Protocol::IcmpV6,
    };
    Ok(Rule {
        name: name.to_owned(),
        action: action(rule.action),
        priority: rule.priority,
        direction,
        protocol,
        remote,
        macs: rule.macs.iter().map(|mac| engine::Mac::new(mac.0)).collect(),
        local_ports,
        remote_ports,
        log: rule.log || rule.action == Verdict::Deny,
        mode: rule.mode.into(),
    })
}

const fn action(verdict: Verdict) -> engine::Action {
    match verdict {
        Verdict::Allow => engine::Action::Allow,
        Verdict::Deny => engine::Action::Deny,
    }
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
    fn settings_become_rules_and_mistakes_are_named() {
        let json = r#"{"mode":"prevent","defaultInbound":"deny","rules":{
            "web":{"action":"allow","direction":"in","protocol":"tcp","ports":["80","8000-8010"]},
            "mail":{"action":"deny","direction":"out","protocol":"tcp","ports":["25"],"remote":["192.0.2.0/24"],"mode":"detect"}}}"#;
        let mut settings: Firewall = serde_json::from_str(json).unwrap();
        let (plan, findings) =
            firewall(&settings, &["[::ffff:198.51.100.7]:443".parse().unwrap()], &moment(0)).unwrap();
        assert_eq!(findings, []);
        let text = plan.to_string();
        assert!(text.contains("protocol 6 to port { 80 8000-8010 }"), "{text}");
        assert!(text.contains("to { 192.0.2.0-192.0.2.255 } protocol 6 to port { 25 }"), "{text}");
        assert!(text.contains("protocol 6 to { 198.51.100.7 } to port { 443 } accept"), "{text}");
        settings.rules.values_mut().for_each(|rule| rule.remote.push("nowhere".to_owned()));
        assert_eq!(firewall(&settings, &[], &moment(0)).unwrap_err().len(), 2);
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
        assert_eq!(conditional(&settings, &open), [("backup".to_owned(), true)]);
        assert_eq!(conditional(&settings, &closed), [("backup".to_owned(), false)]);
    }
}
