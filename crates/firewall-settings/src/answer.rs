//! What happens to a packet under some settings, and why, in words.
use crate::stateful;
use crate::translate;
use crate::words;
use sakimori_firewall::{
    Answer, Asked, Counter, Decider, Explained, Fragment, Hook, Interface, InterfaceName, Link, Mac, Packet,
    Plan,
};
use sakimori_model::Diagnostic;
use sakimori_modules::firewall::{Direction, Firewall, FirewallRule, Frame};
use sakimori_modules::{Explanation, Mode};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Rules that one answer speaks of at most, besides the deciding ones: those that came nearest.
const RULES: usize = 500;
/// The kernel's own name for an interface of nobody's.
const SOME_INTERFACE: &str = "sakimori-any";

/// A packet, and when and where it comes.
#[derive(Clone, Debug)]
pub struct Question {
    /// Towards the computer, or from it.
    pub direction: Direction,
    /// From or to a container of the computer; only of IP.
    pub container: bool,
    /// What kind of packet it is. Of frames by number only the card and the interface count, of ARP the addresses too.
    pub frame: Frame,
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes to; of the same family.
    pub destination: IpAddr,
    /// Number of the protocol over IP.
    pub protocol: u8,
    /// Source and destination port, where the protocol has them.
    pub ports: Option<(u16, u16)>,
    /// The flags of a TCP header.
    pub tcp_flags: Option<u8>,
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    /// It belongs to an established connection.
    pub established: bool,
    /// The card that sent its Ethernet frame.
    pub card: Option<[u8; 6]>,
    /// The interface that it comes in by, or leaves by.
    pub interface: Option<String>,
    /// The moment, in microseconds since 1970.
    pub at_micros: i64,
    /// Which contexts hold, by their labels; of the others nothing is known.
    pub contexts: BTreeMap<String, bool>,
    /// It is a fragment from the middle of a packet.
    pub fragment: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Passes,
    /// It passes, and nothing else of the product looks at it.
    Bypasses,
    /// It passes, because the module is in Detect; in Prevent it would be dropped.
    WouldBeDropped,
    /// It is dropped.
    Dropped,
}

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whoever {
    /// A rule.
    Rule,
    /// The default for what no rule names.
    Default,
    /// A stateful check.
    Check,
    /// What is let through before any rule is asked.
    AlwaysOpen,
    /// Nobody: nothing is filtered.
    Nobody,
}

/// Who decides, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// What verdict comes of it.
    pub verdict: Verdict,
    /// Who.
    pub who: Whoever,
    /// The rule's name.
    pub rule: Option<String>,
    /// A sentence on it.
    pub text: Explanation,
}

/// How one rule was with the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleAnswer {
    /// Its name; `None` for the default.
    pub rule: Option<String>,
    /// What it does.
    pub action: &'static str,
    /// Why it did not decide, or that it did: a stable code.
    pub reason: &'static str,
    /// The same in words.
    pub text: Explanation,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What happens; where contexts are not known, as if they did not hold.
    pub decision: By,
    /// What happens instead if contexts hold of which nothing is known.
    pub otherwise: Vec<By>,
    /// The rules of the packet's direction in the order in which they are asked; of very many, those that came nearest.
    pub rules: Vec<RuleAnswer>,
    /// Rules that the answer does not speak of.
    pub rules_left_out: usize,
    /// What one packet does not tell: limits of connections.
    pub unknown: Vec<Explanation>,
}

/// One from the middle of a packet, as an honest sender makes it.
const FRAGMENT: Fragment = Fragment { offset: 1480, more: true, length: 1500 };

/// Whether a rule counts.
enum Counts {
    Yes,
    Off,
    NotNow,
    NotHere,
    Unknown(Vec<String>),
}

/// What happens to a packet under settings without references, and why.
///
/// # Errors
/// The findings, where the settings have errors.
pub fn explain(
    settings: &Firewall,
    always: &[SocketAddr],
    question: &Question,
) -> Result<Answered, Vec<Diagnostic>> {
    let counts = |rule: &FirewallRule| counts(rule, question);
    let (plan, _warnings) = translate::compile(settings, always, |_, rule| {
        matches!(counts(rule), Counts::Yes | Counts::Unknown(_))
    })?;
    if settings.mode == Mode::Off {
        return Ok(nothing_is_filtered(settings, question));
    }
    let plan = if matches!(question.frame, Frame::Number(_)) { plan.of_frames() } else { plan };
    let packet = packet(question);
    let unknown: BTreeMap<&str, Vec<String>> = settings
        .rules
        .iter()
        .filter_map(|(name, rule)| match counts(rule) {
            Counts::Unknown(contexts) => Some((name.as_str(), contexts)),
            Counts::Yes | Counts::Off | Counts::NotNow | Counts::NotHere => None,
        })
        .collect();
    let (explained, otherwise) = decided(&plan, &packet, &unknown, question);
    let decision = by(&explained, question);
    let mut rules: Vec<(usize, RuleAnswer)> =
        explained.asked.iter().map(|asked| said(asked, question, &unknown, &explained)).collect();
    let of_direction = settings.rules.iter().filter(|(_, rule)| question.concerns(rule));
    rules.extend(of_direction.filter_map(|(name, rule)| {
        let (reason, text) = match counts(rule) {
            Counts::Off => ("off", words::OFF),
            Counts::NotNow => ("schedule", words::NOT_NOW),
            Counts::NotHere => ("context", words::NOT_HERE),
            Counts::Yes | Counts::Unknown(_) => return None,
        };
        let answer = RuleAnswer {
            rule: Some(name.clone()),
            action: words::action_word(rule.action),
            reason,
            text: text.into(),
        };
        Some((0, answer))
    }));
    let most = rules.len().saturating_sub(RULES);
    if most > 0 {
        let mut far: Vec<usize> = rules.iter().map(|(far, _)| *far).collect();
        far.sort_unstable();
        let limit = far.get(RULES).copied().unwrap_or(usize::MAX);
        rules.retain(|(far, _)| *far < limit.max(1));
        rules.truncate(RULES);
    }
    let total = explained.asked.len().max(rules.len());
    let rules_left_out = total - rules.len();
    let passes = !matches!(decision.verdict, Verdict::Dropped | Verdict::Bypasses);
    let unknown = if passes { stateful::unknown(settings, question) } else { Vec::new() };
    Ok(Answered {
        decision,
        otherwise,
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        rules_left_out,
        unknown,
    })
}

/// Asks until somebody decides of whom it is known that he counts.
fn decided<'p>(
    plan: &'p Plan,
    packet: &Packet,
    unknown: &BTreeMap<&str, Vec<String>>,
    question: &Question,
) -> (Explained<'p>, Vec<By>) {
    let mut left_out: BTreeSet<&str> = BTreeSet::new();
    let mut otherwise: Vec<By> = Vec::new();
    loop {
        let explained = plan.explain(packet, &left_out);
        let uncertain = explained.deciders.iter().find_map(|decider| match decider {
            Decider::Counter(counter) => {
                let name = counter.rule.as_deref()?;
                Some((counter.name.as_str(), name, unknown.get(name)?))
            }
            Decider::AlwaysOpen(_) | Decider::Default(_) => None,
        });
        let Some((counter, _, contexts)) = uncertain else { return (explained, otherwise) };
        let mut by = by(&explained, question);
        by.text = words::if_holds(contexts, &by.text);
        otherwise.push(by);
        left_out.insert(counter);
    }
}

fn nothing_is_filtered(settings: &Firewall, question: &Question) -> Answered {
    let of_direction = settings.rules.iter().filter(|(_, rule)| question.concerns(rule));
    let rules = of_direction.map(|(name, rule)| RuleAnswer {
        rule: Some(name.clone()),
        action: words::action_word(rule.action),
        reason: "module-off",
        text: words::MODULE_OFF.into(),
    });
    let rules: Vec<RuleAnswer> = rules.collect();
    let decision =
        By { verdict: Verdict::Passes, who: Whoever::Nobody, rule: None, text: words::MODULE_OFF.into() };
    let rules_left_out = rules.len().saturating_sub(RULES);
    Answered {
        decision,
        otherwise: Vec::new(),
        rules: rules.into_iter().take(RULES).collect(),
        rules_left_out,
        unknown: Vec::new(),
    }
}

fn counts(rule: &FirewallRule, question: &Question) -> Counts {
    if rule.mode == Mode::Off {
        return Counts::Off;
    }
    if !rule.schedule.is_empty() && !rule.schedule.iter().any(|window| window.contains(question.at_micros)) {
        return Counts::NotNow;
    }
    if rule.context.is_empty() {
        return Counts::Yes;
    }
    let known = |label: &String| question.contexts.get(label).copied();
    let labels: Vec<String> = rule.context.iter().map(sakimori_modules::Context::label).collect();
    if labels.iter().any(|label| known(label) == Some(true)) {
        return Counts::Yes;
    }
    let unknown: Vec<String> = labels.into_iter().filter(|label| known(label).is_none()).collect();
    if unknown.is_empty() { Counts::NotHere } else { Counts::Unknown(unknown) }
}

impl Question {
    /// Whether a rule is about such packets at all.
    fn concerns(&self, rule: &FirewallRule) -> bool {
        let kind = |frame: Frame| match frame {
            Frame::Ip | Frame::Ipv4 | Frame::Ipv6 => 0,
            Frame::Arp => 1,
            Frame::Number(_) => 2,
        };
        rule.direction == self.direction && kind(rule.frame) == kind(self.frame)
    }
}

fn packet(question: &Question) -> Packet {
    let hook = match (question.frame, question.container, question.direction) {
        (Frame::Arp, _, Direction::In) => Hook::ArpInput,
        (Frame::Arp, _, Direction::Out) => Hook::ArpOutput,
        (Frame::Ip | Frame::Ipv4 | Frame::Ipv6, true, _) => Hook::Forward,
        (_, _, Direction::In) => Hook::Input,
        (_, _, Direction::Out) => Hook::Output,
    };
    let ether_type = match question.frame {
        Frame::Number(number) => Some(number),
        Frame::Ip | Frame::Ipv4 | Frame::Ipv6 | Frame::Arp => None,
    };
    let name = question.interface.as_deref().unwrap_or(SOME_INTERFACE).parse::<InterfaceName>().ok();
    let bridge = "sakimori-bridge".parse::<InterfaceName>().ok();
    let outside = name.map(|name| Link { name, kind: None });
    let inside =
        bridge.map(|name| Link { name, kind: Some(Interface::Bridge) }).filter(|_| hook == Hook::Forward);
    let (from, to) = match question.direction {
        Direction::In => (outside, inside),
        Direction::Out => (inside, outside),
    };
    Packet {
        from,
        to,
        established: question.established,
        card: question.card.map(Mac::new),
        ports: question.ports,
        tcp_flags: question.tcp_flags,
        icmp: question.icmp,
        ether_type,
        fragment: question.fragment.then_some(FRAGMENT),
        ..Packet::new(hook, question.source, question.destination, question.protocol)
    }
}

fn by(explained: &Explained<'_>, question: &Question) -> By {
    let denies = |counter: &Counter| counter.action == sakimori_firewall::Action::Deny;
    let bypassed = explained.deciders.iter().any(
        |decider| matches!(decider, Decider::Counter(c) if c.action == sakimori_firewall::Action::Bypass),
    );
    let verdict = match (explained.dropped, explained.would_drop) {
        (true, _) => Verdict::Dropped,
        (false, true) => Verdict::WouldBeDropped,
        (false, false) if bypassed => Verdict::Bypasses,
        (false, false) => Verdict::Passes,
    };
    // Between two containers both ways are asked: who denies decides, else the last one.
    let decider = explained
        .deciders
        .iter()
        .find(|decider| matches!(decider, Decider::Counter(c) if denies(c)))
        .or_else(|| explained.deciders.last());
    let (who, rule) = match decider {
        Some(Decider::Counter(Counter { rule: Some(rule), .. })) => (Whoever::Rule, Some(rule.clone())),
        Some(Decider::Counter(Counter { check: Some(_), .. })) => (Whoever::Check, None),
        Some(Decider::Counter(_) | Decider::Default(_)) => (Whoever::Default, None),
        Some(Decider::AlwaysOpen(_)) => (Whoever::AlwaysOpen, None),
        None => (Whoever::Nobody, None),
    };
    By { verdict, who, rule, text: words::decision(verdict, decider, question.direction) }
}

/// A rule's answer, and how far it was from deciding.
fn said(
    asked: &Asked<'_>,
    question: &Question,
    unknown: &BTreeMap<&str, Vec<String>>,
    explained: &Explained<'_>,
) -> (usize, RuleAnswer) {
    let counter = asked.counter;
    let contexts = counter.rule.as_deref().and_then(|name| unknown.get(name));
    let (far, reason, text) = match &asked.answer {
        Answer::Decided => (0, "decided", words::DECIDED.into()),
        Answer::Counted => (0, "counted", words::COUNTED.into()),
        Answer::TooLate => {
            let by = by(explained, question);
            (0, "earlier-decided", words::too_late(&by))
        }
        Answer::LeftOut => {
            (0, "context-unknown", words::context_unknown(contexts.map_or(&[][..], Vec::as_slice)))
        }
        Answer::Unmet(conditions) => {
            let (reason, text) = words::unmet(conditions, question);
            (conditions.len(), reason, text)
        }
    };
    let action = words::engine_action(counter.action);
    (far, RuleAnswer { rule: counter.rule.clone(), action, reason, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(source: &str, port: u16) -> Question {
        Question {
            direction: Direction::In,
            container: false,
            frame: Frame::Ip,
            source: source.parse().unwrap(),
            destination: "192.0.2.1".parse().unwrap(),
            protocol: 6,
            ports: Some((40_000, port)),
            tcp_flags: Some(2),
            icmp: None,
            established: false,
            card: None,
            interface: None,
            at_micros: 1_795_564_800_000_000,
            contexts: BTreeMap::new(),
            fragment: false,
        }
    }

    fn settings(rules: &serde_json::Value) -> Firewall {
        let json = json!({"mode": "prevent", "defaultInbound": "deny", "rules": rules});
        serde_json::from_value(json).unwrap()
    }

    fn reasons(answered: &Answered) -> Vec<(&str, &str)> {
        let each = answered.rules.iter();
        each.map(|rule| (rule.rule.as_deref().unwrap_or("default"), rule.reason)).collect()
    }

    #[test]
    fn arp_and_other_frames_are_asked_about_by_rules_of_their_own() {
        let settings = settings(&json!({
            "web": {"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["80"]},
            "gateway": {"action": "deny", "direction": "in", "frame": "arp", "remote": ["192.0.2.1"],
                "macs": ["02:00:5e:10:00:01"], "not": ["macs"]},
            "lldp": {"action": "allow", "direction": "in", "frame": "0x88cc", "interfaces": ["eth0"]},
            "night": {"action": "deny", "direction": "in", "frame": "arp", "mode": "off"},
        }));
        let of = |frame: &str| Question { frame: frame.parse().unwrap(), ..ask("192.0.2.1", 0) };
        let card = |last| Some([2, 0, 0x5e, 0x10, 0, last]);
        let answered = |question: &Question| explain(&settings, &[], question).unwrap();

        let forged = answered(&Question { card: card(9), ..of("arp") });
        assert_eq!(
            (forged.decision.verdict, forged.decision.rule.as_deref()),
            (Verdict::Dropped, Some("gateway"))
        );
        assert_eq!(reasons(&forged), [("gateway", "decided"), ("night", "off")], "no rule for anything else");
        let right = answered(&Question { card: card(1), ..of("arp") });
        assert_eq!((right.decision.verdict, right.decision.who), (Verdict::Passes, Whoever::Default));
        assert_eq!(reasons(&right)[0], ("gateway", "mac"));

        let here = Question { interface: Some("eth0".to_owned()), ..of("0x88cc") };
        let there = Question { interface: Some("eth1".to_owned()), ..of("0x88cc") };
        assert_eq!(answered(&here).decision.rule.as_deref(), Some("lldp"));
        let denied = answered(&there);
        assert_eq!((denied.decision.verdict, denied.decision.who), (Verdict::Dropped, Whoever::Default));
        assert_eq!(reasons(&denied), [("lldp", "interface"), ("default", "decided")]);
        let carrier = answered(&of("0x8809"));
        assert_eq!((carrier.decision.verdict, carrier.decision.who), (Verdict::Passes, Whoever::Default));
        let out = Question { direction: Direction::Out, ..of("0x88b5") };
        assert_eq!((answered(&out).decision.verdict, reasons(&answered(&out)).len()), (Verdict::Passes, 0));
    }

    #[test]
    fn every_rule_of_the_direction_has_its_reason() {
        let settings = settings(&json!({
            "web": {"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["443"]},
            "admins": {"action": "force-allow", "direction": "in", "protocol": "tcp", "ports": ["443"], "remote": ["10.0.0.0/8"]},
            "no dns": {"action": "deny", "direction": "in", "protocol": "udp"},
            "trial": {"action": "deny", "direction": "in", "mode": "detect"},
            "old": {"action": "deny", "direction": "in", "mode": "off"},
            "night": {"action": "deny", "direction": "in", "schedule": ["mon-sun 22:00-23:00 UTC"]},
            "way out": {"action": "deny", "direction": "out"},
        }));
        let answered = explain(&settings, &[], &ask("203.0.113.9", 443)).unwrap();
        assert_eq!(
            (answered.decision.verdict, answered.decision.rule.as_deref()),
            (Verdict::Passes, Some("web"))
        );
        assert_eq!(
            reasons(&answered),
            [
                ("admins", "address"),
                ("no dns", "protocol"),
                ("trial", "counted"),
                ("web", "decided"),
                ("default", "earlier-decided"),
                ("night", "schedule"),
                ("old", "off"),
            ]
        );
        let admins = &answered.rules[0].text;
        assert!(admins.en.contains("203.0.113.9") && admins.en.contains("10.0.0.0/8"), "{admins:?}");
        assert!(admins.ja.contains("203.0.113.9"), "{admins:?}");
        let established = Question { established: true, ..ask("203.0.113.9", 22) };
        let answered = explain(&settings, &[], &established).unwrap();
        assert_eq!(
            (answered.decision.verdict, answered.decision.who),
            (Verdict::Passes, Whoever::AlwaysOpen)
        );
        let denied = explain(&settings, &[], &ask("203.0.113.9", 22)).unwrap();
        assert_eq!((denied.decision.verdict, denied.decision.who), (Verdict::Dropped, Whoever::Default));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let settings = settings(&json!({
            "office": {"action": "force-allow", "direction": "in", "protocol": "tcp", "ports": ["22"],
                "context": ["at work: address 192.0.2.0/24"]},
        }));
        let answered = explain(&settings, &[], &ask("203.0.113.9", 22)).unwrap();
        assert_eq!(answered.decision.verdict, Verdict::Dropped);
        assert_eq!(answered.otherwise.len(), 1);
        let otherwise = &answered.otherwise[0];
        assert_eq!((otherwise.verdict, otherwise.rule.as_deref()), (Verdict::Passes, Some("office")));
        assert!(otherwise.text.en.contains("at work"), "{otherwise:?}");
        assert_eq!(reasons(&answered)[0], ("office", "context-unknown"));
        for (holds, verdict) in [(true, Verdict::Passes), (false, Verdict::Dropped)] {
            let question =
                Question { contexts: [("at work".to_owned(), holds)].into(), ..ask("203.0.113.9", 22) };
            let answered = explain(&settings, &[], &question).unwrap();
            assert_eq!((answered.decision.verdict, answered.otherwise.len()), (verdict, 0));
        }
        // Nobody asks this rule about another port, so there is nothing that is not known.
        assert_eq!(explain(&settings, &[], &ask("203.0.113.9", 80)).unwrap().otherwise, []);
    }

    #[test]
    fn containers_and_ways_out_are_asked_as_well() {
        let mut settings = settings(&json!({
            "no mail": {"action": "deny", "direction": "out", "protocol": "tcp", "ports": ["25", "53"]},
        }));
        let out = |port, container| Question {
            direction: Direction::Out,
            container,
            source: "192.0.2.1".parse().unwrap(),
            destination: "198.51.100.25".parse().unwrap(),
            ..ask("192.0.2.1", port)
        };
        let verdict = |settings: &Firewall, question: &Question| {
            let answered = explain(settings, &["198.51.100.25:25".parse().unwrap()], question).unwrap();
            (answered.decision.verdict, answered.decision.who)
        };
        assert_eq!(
            verdict(&settings, &out(25, false)),
            (Verdict::Passes, Whoever::AlwaysOpen),
            "the manager"
        );
        assert_eq!(verdict(&settings, &out(53, false)), (Verdict::Passes, Whoever::AlwaysOpen), "names");
        assert_eq!(verdict(&settings, &out(25, true)), (Verdict::Dropped, Whoever::Rule));
        assert_eq!(verdict(&settings, &out(80, true)), (Verdict::Passes, Whoever::Default));
        settings.mode = Mode::Detect;
        assert_eq!(verdict(&settings, &out(25, true)), (Verdict::WouldBeDropped, Whoever::Rule));
        settings.mode = Mode::Off;
        assert_eq!(verdict(&settings, &out(25, true)), (Verdict::Passes, Whoever::Nobody));
    }
}
