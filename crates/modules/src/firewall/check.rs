//! Mistakes in the settings that can be seen without knowing the computer.
use super::{
    Direction, Except, Firewall, FirewallAction, FirewallRule, Frame, Protocol, WrongAddresses, is_interface,
    wrong_addresses,
};
use crate::context;
use crate::settings::{Finding, pointer};

/// Most addresses or ports of a rule: each becomes an element of a kernel set.
const ENTRIES: usize = 10_000;
/// Most times of the week of a rule: each is asked every second.
const WINDOWS: usize = 64;

pub(super) fn check(firewall: &Firewall) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        firewall.rules.iter().flat_map(|(name, rule)| Rule { name, rule }.findings()).collect();
    let contexts = firewall.rules.values().flat_map(|rule| &rule.context);
    findings.extend(context::too_many_asked("/rules", contexts));
    findings
}

struct Rule<'a> {
    name: &'a str,
    rule: &'a FirewallRule,
}

impl Rule<'_> {
    fn finding(&self, member: &str, code: &'static str, message: impl Into<String>, value: &str) -> Finding {
        Finding::at(format!("/rules{}/{member}", pointer(self.name)), code, message.into(), value)
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.priority();
        findings.extend(self.lengths());
        findings.extend(self.fields());
        findings.extend(self.texts());
        findings
    }

    fn priority(&self) -> Vec<Finding> {
        let (code, message) = match (self.rule.action, self.rule.priority) {
            (_, 5..) => ("not-a-priority", "A priority is a number from 0 to 4; the highest is asked first."),
            (FirewallAction::Allow, 1..) => (
                "allow-priority",
                "A rule that allows has priority 0. What has to pass before other rules are asked is 'force-allow'.",
            ),
            (FirewallAction::LogOnly, 0..=3) => (
                "log-only-priority",
                "A rule that only logs has priority 4: it sees each packet before other rules decide.",
            ),
            _ => return Vec::new(),
        };
        vec![self.finding("priority", code, message, &self.rule.priority.to_string())]
    }

    fn lengths(&self) -> Vec<Finding> {
        let rule = self.rule;
        let lists = [
            ("remote", rule.remote.len(), ENTRIES, Some(Except::Remote)),
            ("local", rule.local.len(), ENTRIES, Some(Except::Local)),
            ("ports", rule.ports.len(), ENTRIES, Some(Except::Ports)),
            ("sourcePorts", rule.source_ports.len(), ENTRIES, Some(Except::SourcePorts)),
            ("macs", rule.macs.len(), ENTRIES, Some(Except::Macs)),
            ("interfaces", rule.interfaces.len(), ENTRIES, Some(Except::Interfaces)),
            ("flags", rule.flags.len(), ENTRIES, Some(Except::Flags)),
            ("icmp", rule.icmp.len(), ENTRIES, Some(Except::Icmp)),
            ("schedule", rule.schedule.len(), WINDOWS, None),
            ("context", rule.context.len(), context::MOST_OF_A_RULE, None),
        ];
        let mut findings = Vec::new();
        for (member, length, most, except) in lists {
            if length > most {
                let message = format!("At most {most}, those of lists included.");
                findings.push(self.finding(member, "too-many", message, &length.to_string()));
            }
            if length == 0 && except.is_some_and(|except| rule.not.contains(&except)) {
                let message = format!("Name what is not meant under '{member}', or take it out of 'not'.");
                findings.push(self.finding("not", "not-nothing", message, member));
            }
        }
        findings
    }

    /// Members that do not go together.
    fn fields(&self) -> Vec<Finding> {
        let rule = self.rule;
        let mut findings = Vec::new();
        for (member, ports) in [("ports", &rule.ports), ("sourcePorts", &rule.source_ports)] {
            if !ports.is_empty() && !rule.protocol.has_ports() {
                let message = "Only TCP, UDP and SCTP have ports: name the protocol (tcp-udp for both), or leave out the \
                               ports.";
                findings.push(self.finding(member, "no-ports", message, ""));
            }
        }
        if !rule.macs.is_empty() && rule.direction == Direction::Out {
            let message = "Only what comes in has the MAC address of another card: write the direction 'in', or name \
                           addresses.";
            findings.push(self.finding("macs", "macs-outgoing", message, ""));
        }
        if rule.frame == Frame::Arp && rule.protocol != Protocol::Any {
            let message = "ARP is no protocol over IP: leave out the protocol.";
            findings.push(self.finding("protocol", "arp-protocol", message, &rule.protocol.to_string()));
        }
        if matches!(rule.frame, Frame::Number(_)) {
            let protocol = (rule.protocol != Protocol::Any).then_some("protocol");
            let remote = (!rule.remote.is_empty()).then_some("remote");
            let local = (!rule.local.is_empty()).then_some("local");
            for member in [protocol, remote, local].into_iter().flatten() {
                let message =
                    "A frame that is neither IP nor ARP has a card and an interface alone: leave this out.";
                findings.push(self.finding(member, "frame-fields", message, &rule.frame.to_string()));
            }
        }
        if !rule.flags.is_empty() && rule.protocol != Protocol::TCP {
            let message = "Only TCP has flags: name the protocol tcp, or leave out the flags.";
            findings.push(self.finding("flags", "flags-without-tcp", message, ""));
        }
        if !rule.icmp.is_empty() && !matches!(rule.protocol, Protocol::ICMP | Protocol::ICMPV6) {
            let message =
                "Only ICMP has such types: name the protocol icmp or icmpv6, or leave out the types.";
            findings.push(self.finding("icmp", "types-without-icmp", message, ""));
        }
        findings
    }

    /// Entries that are not what they should be.
    fn texts(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (member, entries) in [("remote", &self.rule.remote), ("local", &self.rule.local)] {
            for (index, text) in entries.iter().enumerate() {
                let Some((code, message)) = wrong_addresses(text).map(WrongAddresses::words) else {
                    continue;
                };
                findings.push(self.finding(&format!("{member}/{index}"), code, message, text));
            }
        }
        for (index, text) in self.rule.interfaces.iter().enumerate().filter(|(_, text)| !is_interface(text)) {
            findings.push(self.finding(
                &format!("interfaces/{index}"),
                "not-an-interface",
                NOT_AN_INTERFACE,
                text,
            ));
        }
        findings
    }
}

/// What an interface is written like.
pub(crate) const NOT_AN_INTERFACE: &str = "Write an interface's name, at most 15 characters, or the beginning of such \
                                           names with a '*' behind it: eth0, eth*.";
