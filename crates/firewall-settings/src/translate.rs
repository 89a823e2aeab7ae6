//! Settings → policy → plan.
use sakimori_firewall::{self as engine, Endpoint, Network, Policy, Rule};
use sakimori_model::{Diagnostic, Level, PortRange};
use sakimori_modules::firewall::{Direction, Firewall, FirewallRule, Protocol, Verdict};
use std::net::SocketAddr;

/// The plan of settings without references, and what was noticed; errors where there is none. A rule that does not
/// count is checked like the others and left out. `always` may be connected to whatever the rules say.
///
/// # Errors
/// All findings at once.
pub fn compile(
    settings: &Firewall,
    always: &[SocketAddr],
    counts: impl Fn(&FirewallRule) -> bool,
) -> Result<(engine::Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut rules = Vec::new();
    for (name, rule) in &settings.rules {
        match one(name, rule) {
            Ok(translated) if counts(rule) => rules.push(translated),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_rules_and_mistakes_are_named() {
        let json = r#"{"mode":"prevent","defaultInbound":"deny","rules":{
            "web":{"action":"allow","direction":"in","protocol":"tcp","ports":["80","8000-8010"]},
            "mail":{"action":"deny","direction":"out","protocol":"tcp","ports":["25"],"remote":["192.0.2.0/24"],"mode":"detect"}}}"#;
        let mut settings: Firewall = serde_json::from_str(json).unwrap();
        let manager = ["[::ffff:198.51.100.7]:443".parse().unwrap()];
        let (plan, findings) = compile(&settings, &manager, |_| true).unwrap();
        assert_eq!(findings, []);
        let text = plan.to_string();
        assert!(text.contains("protocol 6 to port { 80 8000-8010 }"), "{text}");
        assert!(text.contains("to { 192.0.2.0-192.0.2.255 } protocol 6 to port { 25 }"), "{text}");
        assert!(text.contains("protocol 6 to { 198.51.100.7 } to port { 443 } accept"), "{text}");
        settings.rules.values_mut().for_each(|rule| rule.remote.push("nowhere".to_owned()));
        assert_eq!(compile(&settings, &[], |_| true).unwrap_err().len(), 2);
    }
}
