//! Mistakes that can be seen before anything is enforced.
use crate::lint;
use crate::plan::{self, IP_AND_ARP, Plan};
use crate::ranges::{addresses, meant, ports};
use crate::rule::{Action, Among, Direction, Frame, Policy, Protocol, Rule};
use crate::stateful::Stateful;
use sakimori_model::{Diagnostic, Level, Mode};
use std::collections::BTreeMap;

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
/// F001 name · F002 two rules of one name · F003 ports turned around · F004 ports without a protocol that has them ·
/// F005 protocol, frame type and addresses exclude each other · F006 priority · F007 too many · F009 MAC addresses with
/// outgoing traffic · F010 the action's priority · F011 "not" without entries · F012 everything is excluded · F013 TCP
/// flags · F014 ICMP types · F016 a protocol with ARP · F017 frames by number · F018 a number of the stateful checks is out of bounds · warnings: F101 repeats an earlier rule · F102 never asked, because an earlier rule decides ·
/// F103 address with bits behind its prefix · F104 the firewall is on and does nothing · F105 entries that overlap.
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
    findings.stateful(&policy.stateful);
    let broken = findings.0.iter().any(|finding| finding.level == Level::Error);
    let plan = (!broken).then(|| plan::plan(policy));
    if let Some(plan) = plan.as_ref().filter(|_| policy.mode != Mode::Off) {
        findings.idle(policy);
        for found in lint::shadowed(policy, plan) {
            findings.add(
                found.code,
                Level::Warning,
                found.rule.as_deref().unwrap_or_default(),
                found.title,
                found.help,
            );
        }
    }
    Compiled { plan, diagnostics: findings.0 }
}

struct Findings(Vec<Diagnostic>);

impl Findings {
    fn add(&mut self, code: &'static str, level: Level, rule: &str, title: String, help: &str) {
        let source = if rule.is_empty() { "firewall".to_owned() } else { format!("firewall rule '{rule}'") };
        self.0.push(Diagnostic { code, level, title, source, line: 0, column: 0, help: help.to_owned() });
    }

    fn error(&mut self, code: &'static str, rule: &Rule, title: impl Into<String>, help: &str) {
        self.add(code, Level::Error, &rule.name, title.into(), help);
    }

    fn warning(&mut self, code: &'static str, rule: &Rule, title: impl Into<String>, help: &str) {
        self.add(code, Level::Warning, &rule.name, title.into(), help);
    }

    fn rule(&mut self, rule: &Rule) {
        let chars = rule.name.chars().count();
        if chars == 0 || chars > Rule::NAME_CHARS || rule.name.chars().any(char::is_control) {
            let title =
                format!("a rule's name has 1 to {} characters, and no control characters", Rule::NAME_CHARS);
            self.error("F001", rule, title, "Give the rule a name that says what it is for.");
        }
        self.priority(rule);
        self.lists(rule);
        let named_ports = || rule.local_ports.entries.iter().chain(&rule.remote_ports.entries);
        for range in named_ports().filter(|range| range.first > range.last) {
            let title =
                format!("the port range {}-{} is turned around and matches nothing", range.first, range.last);
            self.error("F003", rule, title, "Write the lower port first.");
        }
        if named_ports().next().is_some() && !rule.protocol.has_ports() {
            let title = "the rule names ports, but its protocol has none";
            self.error("F004", rule, title, "Say tcp, udp, tcp-udp or sctp, or leave out the ports.");
        }
        if !rule.macs.is_all() && rule.direction == Direction::Out {
            let title = "the rule names MAC addresses, but what goes out has that of this computer";
            let help = "Name the other end's addresses, or write the direction 'in'.";
            self.error("F009", rule, title, help);
        }
        if rule.frame == Frame::Arp && rule.protocol != Protocol::Any {
            let title = "the rule is for ARP and names a protocol over IP";
            self.error("F016", rule, title, "Leave out the protocol: ARP has none.");
        }
        if let Frame::Number(number) = rule.frame {
            self.frame(rule, number);
        }
        if !rule.tcp_flags.is_all() && rule.protocol != Protocol::Tcp {
            self.error(
                "F013",
                rule,
                "the rule names TCP flags, but not TCP",
                "Say tcp, or leave out the flags.",
            );
        }
        for flags in rule
            .tcp_flags
            .entries
            .iter()
            .filter(|flags| flags.set & flags.clear != 0 || flags.set | flags.clear == 0)
        {
            let title = if flags.set == 0 && flags.clear == 0 {
                "an entry of the TCP flags names none".to_owned()
            } else {
                format!("the TCP flags '{flags}' are to be set and not set at once")
            };
            self.error("F013", rule, title, "Name each flag once: syn,!ack.");
        }
        if !rule.icmp.is_all() && !matches!(rule.protocol, Protocol::Icmp | Protocol::IcmpV6) {
            let title = "the rule names ICMP types, but not ICMP";
            self.error("F014", rule, title, "Say icmp or icmpv6, or leave out the types.");
        }
        let versions = match (rule.protocol, versions(rule)) {
            (Protocol::Icmp, [v4, _]) => [v4, false],
            (Protocol::IcmpV6, [_, v6]) => [false, v6],
            (_, both) => both,
        };
        if versions == [false, false] && !empty_addresses(&rule.remote) && !empty_addresses(&rule.local) {
            let title = "the protocol, the frame type and the addresses belong to different IP versions: no packet \
                         matches";
            let help =
                "icmp goes with IPv4 addresses, icmpv6 with IPv6 addresses; both ends have the same version.";
            self.error("F005", rule, title, help);
        }
    }

    fn frame(&mut self, rule: &Rule, number: u16) {
        if number < 0x0600 || IP_AND_ARP.contains(&number) {
            let title = format!("0x{number:04x} is not the number of a frame that is neither IP nor ARP");
            self.error("F017", rule, title, "Write an EtherType from 0x0600 on; of IP and ARP their names.");
        }
        if rule.protocol != Protocol::Any || !rule.remote.is_all() || !rule.local.is_all() {
            let title =
                "the rule is for frames that are neither IP nor ARP, and names a protocol or addresses";
            self.error(
                "F017",
                rule,
                title,
                "Leave them out: such a frame has a card and an interface alone.",
            );
        }
    }

    fn priority(&mut self, rule: &Rule) {
        let priority = rule.priority;
        if priority > Rule::TOP {
            let title = format!("priority {priority} is above {}", Rule::TOP);
            self.error("F006", rule, title, "Priorities go from 0 to 4; the higher is asked first.");
            return;
        }
        if rule.action.only_priority().is_none_or(|only| only == priority) {
            return;
        }
        let (title, help) = if rule.action == Action::Allow {
            (
                format!("a rule that allows has priority 0, not {priority}"),
                "Write priority 0; what has to pass before other rules are asked is 'force-allow'.",
            )
        } else {
            (
                format!("a rule that only logs has priority 4, not {priority}"),
                "Write priority 4: it sees each packet before other rules decide, and changes nothing.",
            )
        };
        self.error("F010", rule, title, help);
    }

    fn lists(&mut self, rule: &Rule) {
        let is_empty = |ranges: Option<Vec<(u128, u128)>>| ranges.is_some_and(|ranges| ranges.is_empty());
        let interfaces = meant(&rule.interfaces, u128::MAX, |name| Some(name.bounds()));
        let icmp = meant(&rule.icmp, u16::MAX.into(), |kind| Some(kind.bounds()));
        let lists = [
            ("remote addresses", said(&rule.remote), empty_addresses(&rule.remote)),
            ("local addresses", said(&rule.local), empty_addresses(&rule.local)),
            ("MAC addresses", said(&rule.macs), false),
            ("interfaces", said(&rule.interfaces), is_empty(interfaces)),
            (
                "local ports",
                said(&rule.local_ports),
                rule.local_ports.not && is_empty(ports(&rule.local_ports)),
            ),
            (
                "remote ports",
                said(&rule.remote_ports),
                rule.remote_ports.not && is_empty(ports(&rule.remote_ports)),
            ),
            ("TCP flags", said(&rule.tcp_flags), false),
            ("ICMP types", said(&rule.icmp), is_empty(icmp)),
        ];
        for (list, (entries, not), nothing) in lists {
            if entries > Policy::ENTRIES {
                let title = format!("the list of {list} has more than {} entries", Policy::ENTRIES);
                self.error("F007", rule, title, "Name networks and ranges instead of single entries.");
            }
            if entries == 0 && not {
                let title = format!("'not' is said of the {list}, but none are named");
                self.error("F011", rule, title, "Name what is not meant, or leave out the 'not'.");
            }
            if nothing {
                let title = format!("the {list} exclude everything: no packet matches");
                self.error("F012", rule, title, "Name less, or leave out the 'not'.");
            }
        }
        for network in rule.remote.entries.iter().chain(&rule.local.entries) {
            if network.has_host_bits() {
                let title = format!("an address has bits behind its prefix; {network} is meant");
                self.warning("F103", rule, title, "Write the network's first address.");
            }
        }
        for among in [&rule.remote, &rule.local] {
            let mut sorted = among.entries.clone();
            sorted.sort_unstable_by_key(|network| (network.is_v4(), network.bounds()));
            let mut before: Option<crate::address::Network> = None;
            for network in sorted {
                let overlapped = before
                    .filter(|one| one.is_v4() == network.is_v4() && network.bounds().0 <= one.bounds().1);
                if let Some(other) = overlapped {
                    let title = format!("the addresses {network} and {other} overlap");
                    self.warning("F105", rule, title, "One of the two can go, or is shorter than it looks.");
                    break;
                }
                before = Some(network);
            }
        }
    }

    /// A firewall that does nothing.
    fn stateful(&mut self, stateful: &Stateful) {
        let counts = [
            ("connections from one source", stateful.from_one_source),
            ("connections to one destination", stateful.to_one_destination),
            ("connections to the outside", stateful.outgoing),
            ("half-open connections", stateful.half_open),
        ];
        let counts = counts.map(|(what, number)| (what, number, 0, Stateful::MOST));
        let seconds =
            stateful.timeouts.values().map(|one| ("seconds of a timeout", *one, 1, Stateful::LONGEST));
        let (least, most) = (*Stateful::FRAGMENTS.start(), *Stateful::FRAGMENTS.end());
        let fragment = ("bytes of a fragment", stateful.min_fragment.into(), least.into(), most.into());
        for (what, number, least, most) in counts.into_iter().chain(seconds).chain([fragment]) {
            if !(least..=most).contains(&number) {
                let title = format!("{number} {what}: between {least} and {most} can be said");
                self.add("F018", Level::Error, "", title, "Write a number within these bounds.");
            }
        }
        if stateful.ftp.iter().any(|ports| ports.first > ports.last) {
            let title = "a port range of FTP is turned around and matches nothing".to_owned();
            self.add("F003", Level::Error, "", title, "Write the lower port first.");
        }
    }

    fn idle(&mut self, policy: &Policy) {
        let closed = [Direction::In, Direction::Out].map(|direction| policy.closes(direction));
        let nothing = policy.rules.iter().all(|rule| rule.mode == Mode::Off) && policy.stateful.is_idle();
        if nothing && closed == [false, false] {
            let title = "the firewall is on, has no rules and lets everything pass".to_owned();
            self.add(
                "F104",
                Level::Warning,
                "",
                title,
                "Add rules, or set the default for incoming traffic to deny.",
            );
        }
    }
}

/// Whether a rule can match packets of IPv4 and of IPv6, as far as its frame type and addresses say.
fn versions(rule: &Rule) -> [bool; 2] {
    [true, false].map(|v4| {
        let some = |among| addresses(among, v4).is_none_or(|ranges| !ranges.is_empty());
        let of_frame = match rule.frame {
            // A frame by number has no addresses.
            Frame::Ip | Frame::Number(_) => true,
            Frame::V4 | Frame::Arp => v4,
            Frame::V6 => !v4,
        };
        of_frame && some(&rule.remote) && some(&rule.local)
    })
}

fn said<T>(among: &Among<T>) -> (usize, bool) {
    (among.entries.len(), among.not)
}

/// Whether no address of either version is meant.
fn empty_addresses(among: &Among<crate::address::Network>) -> bool {
    [true, false].into_iter().all(|v4| addresses(among, v4).is_some_and(|ranges| ranges.is_empty()))
}
