//! Settings → policy → plan.
use crate::stateful;
use crate::watch::watch;
use sakimori_firewall::{self as engine, Among, Endpoint, Policy, Rule};
use sakimori_model::{Diagnostic, Level};
use sakimori_modules::firewall::{
    Direction, Except, Firewall, FirewallAction, FirewallDefault, FirewallRule, Frame, Protocol,
};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// The plan of settings without references, and what was noticed; errors where there is none. A rule that does not
/// count is checked like the others and not asked; one that allows closes its direction all the same. `always` may be connected to whatever the rules say.
///
/// # Errors
/// All findings at once.
pub fn compile(
    settings: &Firewall,
    always: &[SocketAddr],
    counts: impl Fn(&str, &FirewallRule) -> bool,
) -> Result<(engine::Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (policy, mut findings) = policy(settings, always, counts);
    let compiled = engine::compile(&policy);
    findings.extend(compiled.diagnostics);
    match compiled.plan {
        Some(plan) if findings.iter().all(|finding| finding.level != Level::Error) => {
            Ok((engine::Plan { watch: watch(settings), ..plan }, findings))
        }
        _ => Err(findings),
    }
}

/// What the engine takes, and errors about entries that cannot be read: rules with them are not in it.
pub(crate) fn policy(
    settings: &Firewall,
    always: &[SocketAddr],
    counts: impl Fn(&str, &FirewallRule) -> bool,
) -> (Policy, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let mut rules = Vec::new();
    for (name, rule) in &settings.rules {
        match one(name, rule) {
            Ok(translated) => rules.push(Rule { counts: counts(name, rule), ..translated }),
            Err(more) => findings.extend(more),
        }
    }
    let policy = Policy {
        mode: settings.mode.into(),
        default_inbound: fallback(settings.default_inbound),
        default_outbound: fallback(settings.default_outbound),
        log_default: true,
        rules,
        always: always
            .iter()
            .filter(|_| settings.always_allow_manager)
            .map(|end| Endpoint { address: end.ip().to_canonical(), port: end.port() })
            .collect(),
        stateful: stateful::translate(&settings.stateful),
    };
    (policy, findings)
}

fn one(name: &str, rule: &FirewallRule) -> Result<Rule, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let not = |except| rule.not.contains(&except);
    let mut addresses =
        |except, entries| Among { entries: texts(name, "F008", entries, &mut findings), not: not(except) };
    let (remote, local) = (addresses(Except::Remote, &rule.remote), addresses(Except::Local, &rule.local));
    let interfaces =
        Among { entries: texts(name, "F015", &rule.interfaces, &mut findings), not: not(Except::Interfaces) };
    if !findings.is_empty() {
        return Err(findings);
    }
    let ports = Among { entries: rule.ports.iter().map(|ports| ports.0).collect(), not: not(Except::Ports) };
    let source_ports = Among {
        entries: rule.source_ports.iter().map(|ports| ports.0).collect(),
        not: not(Except::SourcePorts),
    };
    let (direction, local_ports, remote_ports) = match rule.direction {
        Direction::In => (engine::Direction::In, ports, source_ports),
        Direction::Out => (engine::Direction::Out, source_ports, ports),
    };
    let flags = rule.flags.iter().map(|flags| engine::TcpFlags { set: flags.set, clear: flags.clear });
    let types = rule.icmp.iter().map(|icmp| engine::IcmpType { kind: icmp.kind, code: icmp.code });
    Ok(Rule {
        name: name.to_owned(),
        action: action(rule.action),
        priority: rule.priority,
        direction,
        frame: match rule.frame {
            Frame::Ip => engine::Frame::Ip,
            Frame::Ipv4 => engine::Frame::V4,
            Frame::Ipv6 => engine::Frame::V6,
            Frame::Arp => engine::Frame::Arp,
            Frame::Number(number) => engine::Frame::Number(number),
        },
        protocol: match rule.protocol {
            Protocol::Any => engine::Protocol::Any,
            Protocol::TcpUdp => engine::Protocol::TcpUdp,
            Protocol::Number(number) => engine::Protocol::of(number),
        },
        remote,
        local,
        macs: Among {
            entries: rule.macs.iter().map(|mac| engine::Mac::new(mac.0)).collect(),
            not: not(Except::Macs),
        },
        interfaces,
        local_ports,
        remote_ports,
        tcp_flags: Among { entries: flags.collect(), not: not(Except::Flags) },
        icmp: Among { entries: types.collect(), not: not(Except::Icmp) },
        log: rule.log || matches!(rule.action, FirewallAction::Deny | FirewallAction::LogOnly),
        mode: rule.mode.into(),
        counts: true,
    })
}

/// Reads the entries of a rule's list; what cannot be read is a finding each.
fn texts<T: FromStr<Err: fmt::Display>>(
    rule: &str,
    code: &'static str,
    entries: &[String],
    findings: &mut Vec<Diagnostic>,
) -> Vec<T> {
    let mut read = Vec::new();
    for text in entries {
        match text.parse() {
            Ok(one) => read.push(one),
            Err(error) => findings.push(Diagnostic {
                code,
                level: Level::Error,
                title: format!("{error}"),
                source: format!("firewall rule '{rule}'"),
                line: 0,
                column: 0,
                help: "Correct the entry, or take it out.".to_owned(),
            }),
        }
    }
    read
}

const fn action(action: FirewallAction) -> engine::Action {
    match action {
        FirewallAction::Bypass => engine::Action::Bypass,
        FirewallAction::LogOnly => engine::Action::LogOnly,
        FirewallAction::ForceAllow => engine::Action::ForceAllow,
        FirewallAction::Deny => engine::Action::Deny,
        FirewallAction::Allow => engine::Action::Allow,
    }
}

const fn fallback(default: FirewallDefault) -> engine::Fallback {
    match default {
        FirewallDefault::Auto => engine::Fallback::Auto,
        FirewallDefault::Allow => engine::Fallback::Allow,
        FirewallDefault::Deny => engine::Fallback::Deny,
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
        let (plan, findings) = compile(&settings, &manager, |_, _| true).unwrap();
        assert_eq!(findings, []);
        let text = plan.to_string();
        assert!(text.contains("protocol 6 to port { 80 8000-8010 }"), "{text}");
        assert!(text.contains("protocol 6 to { 192.0.2.0-192.0.2.255 } to port { 25 }"), "{text}");
        assert!(text.contains("protocol 6 to { 198.51.100.7 } to port { 443 } accept"), "{text}");
        settings.rules.values_mut().for_each(|rule| rule.remote.push("nowhere".to_owned()));
        assert_eq!(compile(&settings, &[], |_, _| true).unwrap_err().len(), 2);
    }

    #[test]
    fn every_field_reaches_the_plan() {
        let json = r#"{"mode":"prevent","rules":{
            "in":{"action":"force-allow","priority":2,"direction":"in","protocol":"tcp","frame":"ipv4","remote":["192.0.2.1-192.0.2.9"],
                "local":["10.0.0.1"],"ports":["80"],"sourcePorts":["1024-65535"],"interfaces":["eth*"],"macs":["02:00:5e:10:00:01"],
                "flags":["syn,!ack"],"not":["local","macs","flags"]},
            "out":{"action":"bypass","direction":"out","protocol":"icmp","icmp":["8","3/4"],"interfaces":["wg0"],"not":["interfaces"]},
            "both":{"action":"deny","direction":"out","protocol":"tcp-udp","ports":["53"],"sourcePorts":["7"],"not":["ports"]}}}"#;
        let settings: Firewall = serde_json::from_str(json).unwrap();
        let (plan, findings) = compile(&settings, &[], |_, _| true).unwrap();
        assert_eq!(findings, []);
        let text = plan.to_string();
        for part in [
            "from interface { eth* } protocol 6 from { 192.0.2.1-192.0.2.9 } to { 0.0.0.0-10.0.0.0 10.0.0.2-255.255.255.255 } \
             to port { 80 } from port { 1024-65535 } not flags syn,!ack not from card { 02:00:5e:10:00:01 } count fw_in_",
            "protocol 6 or 17 from port { 7 } to port { 0-52 54-65535 } count fw_both_",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.contains("protocol 1 type { 3/4 8/0-8/255 } count fw_out_"), "{text}");
    }

    #[test]
    fn what_is_out_of_its_hours_still_closes_its_direction() {
        let json = r#"{"mode":"prevent","rules":{"web":{"action":"allow","direction":"in","protocol":"tcp","ports":["80"]}}}"#;
        let settings: Firewall = serde_json::from_str(json).unwrap();
        let plan = |counts: bool| compile(&settings, &[], |_, _| counts).unwrap().0.to_string();
        assert!(plan(true).contains("{ 80 }") && plan(true).contains("drop"), "{}", plan(true));
        assert!(!plan(false).contains("{ 80 }") && plan(false).contains("drop"), "{}", plan(false));
    }
}
