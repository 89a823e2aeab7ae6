//! Mistakes that can be seen before anything is enforced.
use crate::plan::{self, Plan, merge, merge_ports};
use crate::rule::{Action, Direction, Mac, Network, Policy, Protocol, Rule};
use sakimori_model::{Diagnostic, Level, Mode, PortRange};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What is to be enforced; `None` when a finding is an error.
    pub plan: Option<Plan>,
    /// Everything that was noticed. The source names the rule.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks a policy and plans it, whole or not at all.
///
/// # Errors (as diagnostics)
/// F001 name · F002 two rules of one name · F003 ports turned around · F004 ports without TCP or UDP · F005 the
/// protocol and the addresses exclude each other · F006 priority · F007 too many · F009 MAC addresses with outgoing
/// traffic · warnings: F101 repeats an earlier
/// rule · F102 never asked, because an earlier rule decides · F103 address with bits behind its prefix · F104 the
/// firewall is on and does nothing.
pub fn compile(policy: &Policy) -> Compiled {
    let mut findings = Findings(Vec::new());
    if policy.rules.len() > Policy::RULES {
        let title = format!("{} rules are more than {}", policy.rules.len(), Policy::RULES);
        findings.add(
            "F007",
            Level::Error,
            "",
            title,
            "Give addresses and ports as lists instead of one rule each.",
        );
    }
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for rule in &policy.rules {
        findings.rule(rule);
        if names.insert(plan::counter_name(&rule.name), &rule.name).is_some() {
            let title = "two rules have this name".to_owned();
            findings.add(
                "F002",
                Level::Error,
                &rule.name,
                title,
                "Counters and events name rules: give each its own.",
            );
        }
    }
    let broken = findings.0.iter().any(|finding| finding.level == Level::Error);
    if !broken && policy.mode != Mode::Off {
        findings.order(policy);
    }
    Compiled { plan: (!broken).then(|| plan::plan(policy)), diagnostics: findings.0 }
}

struct Findings(Vec<Diagnostic>);

impl Findings {
    fn add(&mut self, code: &'static str, level: Level, rule: &str, title: String, help: &str) {
        let source = if rule.is_empty() { "firewall".to_owned() } else { format!("firewall rule '{rule}'") };
        self.0.push(Diagnostic { code, level, title, source, line: 0, column: 0, help: help.to_owned() });
    }

    fn rule(&mut self, rule: &Rule) {
        let name = rule.name.as_str();
        let chars = name.chars().count();
        if chars == 0 || chars > Rule::NAME_CHARS || name.chars().any(char::is_control) {
            let title =
                format!("a rule's name has 1 to {} characters, and no control characters", Rule::NAME_CHARS);
            self.add("F001", Level::Error, name, title, "Give the rule a name that says what it is for.");
        }
        if rule.priority > Rule::TOP {
            let title = format!("priority {} is above {}", rule.priority, Rule::TOP);
            self.add(
                "F006",
                Level::Error,
                name,
                title,
                "Priorities go from 0 to 4; the higher is asked first.",
            );
        }
        let ports = || rule.local_ports.iter().chain(&rule.remote_ports);
        for range in ports().filter(|range| range.first > range.last) {
            let title =
                format!("the port range {}-{} is turned around and matches nothing", range.first, range.last);
            self.add("F003", Level::Error, name, title, "Write the lower port first.");
        }
        if ports().next().is_some() && !rule.protocol.has_ports() {
            let title = "the rule names ports, but its protocol has none".to_owned();
            self.add("F004", Level::Error, name, title, "Say tcp or udp; for both, write two rules.");
        }
        if !rule.macs.is_empty() && rule.direction == Direction::Out {
            let title =
                "the rule names MAC addresses, but what goes out has that of this computer".to_owned();
            self.add(
                "F009",
                Level::Error,
                name,
                title,
                "Name the other end's addresses, or write the direction 'in'.",
            );
        }
        if [rule.remote.len(), rule.macs.len(), rule.local_ports.len(), rule.remote_ports.len()]
            .iter()
            .any(|n| *n > Policy::ENTRIES)
        {
            let title = format!("a list of the rule has more than {} entries", Policy::ENTRIES);
            self.add("F007", Level::Error, name, title, "Name networks instead of single addresses.");
        }
        for network in rule.remote.iter().filter(|network| network.has_host_bits()) {
            let title = format!("an address has bits behind its prefix; {network} is meant");
            self.add("F103", Level::Warning, name, title, "Write the network's first address.");
        }
        let excluded = match rule.protocol {
            Protocol::Icmp => rule.remote.iter().all(|network| !network.is_v4()),
            Protocol::IcmpV6 => rule.remote.iter().all(|network| network.is_v4()),
            _ => false,
        };
        if excluded && !rule.remote.is_empty() {
            let title = "the protocol and the addresses belong to different IP versions: no packet matches"
                .to_owned();
            self.add(
                "F005",
                Level::Error,
                name,
                title,
                "icmp goes with IPv4 addresses, icmpv6 with IPv6 addresses.",
            );
        }
    }

    /// Rules that never decide anything.
    fn order(&mut self, policy: &Policy) {
        let ordered = policy.ordered();
        let open = policy.default_inbound == Action::Allow && policy.default_outbound == Action::Allow;
        if ordered.is_empty() && open {
            let title = "the firewall is on, has no rules and lets everything pass".to_owned();
            self.add(
                "F104",
                Level::Warning,
                "",
                title,
                "Add rules, or set the default for incoming traffic to deny.",
            );
        }
        let shapes: Vec<Shape> = ordered.iter().map(|rule| Shape::of(rule)).collect();
        for (at, (rule, shape)) in ordered.iter().zip(&shapes).enumerate() {
            let earlier = ordered.iter().zip(&shapes).take(at).find(|(other, covering)| {
                // A rule in Detect decides nothing.
                other.mode == Mode::Prevent && covering.covers(shape)
            });
            let Some((other, _)) = earlier else { continue };
            if other.action == rule.action {
                let title = format!("everything it matches is decided by the rule '{}' already", other.name);
                self.add("F101", Level::Warning, &rule.name, title, "One of the two can go.");
            } else {
                let title =
                    format!("it is never asked: the rule '{}' decides first, the other way", other.name);
                let help = "Raise its priority, or narrow the earlier rule.";
                self.add("F102", Level::Warning, &rule.name, title, help);
            }
        }
    }
}

/// What a rule matches, in a form that can be compared.
struct Shape {
    direction: Direction,
    protocol: Protocol,
    v4: Option<Vec<(u128, u128)>>,
    v6: Option<Vec<(u128, u128)>>,
    local: Vec<(u16, u16)>,
    remote: Vec<(u16, u16)>,
    /// `None`: from any card, and by any kind of link.
    macs: Option<BTreeSet<Mac>>,
}

impl Shape {
    fn of(rule: &Rule) -> Self {
        // `None`: the rule matches no address of this family.
        let family = |v4: bool| {
            if rule.remote.is_empty() {
                return Some(vec![(0, if v4 { u128::from(u32::MAX) } else { u128::MAX })]);
            }
            let bounds: Vec<_> =
                rule.remote.iter().filter(|n| n.is_v4() == v4).map(|n: &Network| n.bounds()).collect();
            (!bounds.is_empty()).then(|| merge(bounds))
        };
        let ports = |ports: &[PortRange]| {
            if ports.is_empty() {
                return vec![(0, u16::MAX)];
            }
            merge_ports(ports).into_iter().map(|range| (*range.start(), *range.end())).collect()
        };
        Self {
            direction: rule.direction,
            protocol: rule.protocol,
            v4: family(true).filter(|_| rule.protocol != Protocol::IcmpV6),
            v6: family(false).filter(|_| rule.protocol != Protocol::Icmp),
            local: ports(&rule.local_ports),
            remote: ports(&rule.remote_ports),
            macs: (!rule.macs.is_empty()).then(|| rule.macs.iter().copied().collect()),
        }
    }

    fn covers(&self, other: &Self) -> bool {
        fn all<T: Ord + Copy>(of: &[(T, T)], by: &[(T, T)]) -> bool {
            of.iter().all(|(first, last)| by.iter().any(|(f, l)| f <= first && last <= l))
        }
        let family = |ours: &Option<Vec<_>>, theirs: &Option<Vec<_>>| match (ours, theirs) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => all(theirs, ours),
        };
        let cards = match (&self.macs, &other.macs) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.is_subset(ours),
        };
        // Ports of a rule for all protocols are never named, so they are all there.
        self.direction == other.direction
            && cards
            && (self.protocol == Protocol::Any || self.protocol == other.protocol)
            && family(&self.v4, &other.v4)
            && family(&self.v6, &other.v6)
            && all(&other.local, &self.local)
            && all(&other.remote, &self.remote)
    }
}
