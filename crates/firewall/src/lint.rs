//! Rules that probably do not do what their author means: found on the plan, so on what is enforced.
use crate::area::{Area, Cover, Covered};
use crate::explain::Decider;
use crate::judge::Packet;
use crate::plan::{
    self, ARP_IN, ARP_OUT, CHAIN_IN, CHAIN_OUT, Counter, FRAMES_IN, FRAMES_OUT, Hook, Plan, Step, Then,
};
use crate::rule::{Action, Direction, Policy, Rule};
use sakimori_model::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A rule that should be looked at before it is enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable code.
    pub code: &'static str,
    /// The rule that it is about; `None` for all of them together.
    pub rule: Option<String>,
    /// Whoever else has to do with it: the rules that decide in its place, an address, a service.
    pub about: Vec<String>,
    /// What is wrong, in one line.
    pub title: String,
    /// What to do about it.
    pub help: &'static str,
}

/// What a finding is to be looked for with.
#[derive(Clone, Debug)]
pub struct Looking<'a> {
    /// Rules that do not always count: nobody can rely on what they decide.
    pub conditional: &'a BTreeSet<&'a str>,
    /// Whoever applies the rules, as the computer sees them.
    pub operator: Option<IpAddr>,
    /// The TCP port by which the computer is managed.
    pub management_port: u16,
}

/// Findings of one policy at most.
const FINDINGS: usize = 500;
/// Comparisons of one policy at most: some hundred milliseconds.
const BUDGET: usize = 8_000_000;

/// What is noticed about a policy that has no errors, as if it were in force in Prevent and every rule counted.
///
/// # Warnings
/// F101 everything is decided by earlier rules already · F102 never asked, because earlier rules decide, not all the same
/// way · F110 contradicts rules of the same priority that decide first · F111 denies what is always let through ·
/// F112 the default does the same · F113 nobody can open a connection to the management port · F114 the operator cannot ·
/// F115 names, addresses or the manager are cut off · F116 not everything was compared.
pub fn lint(policy: &Policy, looking: &Looking<'_>) -> Vec<Finding> {
    let mut tried = policy.clone();
    tried.mode = Mode::Prevent;
    tried.rules.iter_mut().for_each(|rule| rule.counts = true);
    let plan = plan::plan(&tried);
    let mut lint = Lint::new(&tried, &plan, looking);
    lint.way(Direction::In);
    lint.way(Direction::Out);
    lint.services();
    let closed = [Direction::In, Direction::Out].map(|direction| tried.closes_arp(direction));
    lint.beside([ARP_IN, ARP_OUT], closed);
    let frames = plan.of_frames();
    let mut of_frames = Lint::new(&tried, &frames, looking);
    let closed = [Direction::In, Direction::Out].map(|direction| tried.closes_frames(direction));
    of_frames.beside([FRAMES_IN, FRAMES_OUT], closed);
    lint.is_partial |= of_frames.is_partial;
    lint.findings.extend(of_frames.findings);
    if lint.is_partial || lint.findings.len() > FINDINGS {
        lint.findings.truncate(FINDINGS);
        lint.add(
            "F116",
            None,
            Vec::new(),
            "not every rule was compared with every other".to_owned(),
            "Mend what was found, and look again.",
        );
    }
    lint.findings
}

/// Rules of a plan that never decide, because others do before: F101, F102, F110.
pub(crate) fn shadowed(policy: &Policy, plan: &Plan) -> Vec<Finding> {
    let none = BTreeSet::new();
    let looking = Looking { conditional: &none, operator: None, management_port: 0 };
    let mut lint = Lint::new(policy, plan, &looking);
    for direction in [Direction::In, Direction::Out] {
        let asked = lint.asked(direction);
        let _order = lint.order(&asked, direction);
    }
    lint.findings.truncate(FINDINGS);
    lint.findings
}

struct Lint<'a> {
    policy: &'a Policy,
    plan: &'a Plan,
    rules: BTreeMap<&'a str, &'a Rule>,
    looking: &'a Looking<'a>,
    findings: Vec<Finding>,
    is_partial: bool,
}

/// A rule with its steps, in the order in which rules are asked.
struct Asked<'a> {
    rule: &'a Rule,
    areas: Vec<Area<'a>>,
    decides: bool,
}

const fn passes(action: Action) -> bool {
    matches!(action, Action::Bypass | Action::ForceAllow | Action::Allow)
}

/// Whether two actions do the same with a packet. What bypasses is not inspected.
fn alike(one: Action, other: Action) -> bool {
    one == other || (passes(one) && passes(other) && one != Action::Bypass && other != Action::Bypass)
}

/// What the order of rules comes to.
struct Order<'a> {
    /// Rules that never decide.
    dead: BTreeSet<&'a str>,
    /// Whether somebody may open a connection to the management port.
    is_open: bool,
}

impl<'a> Lint<'a> {
    fn new(policy: &'a Policy, plan: &'a Plan, looking: &'a Looking<'a>) -> Self {
        let rules = policy.rules.iter().map(|rule| (rule.name.as_str(), rule)).collect();
        Self { policy, plan, rules, looking, findings: Vec::new(), is_partial: false }
    }

    fn add(
        &mut self,
        code: &'static str,
        rule: Option<&str>,
        about: Vec<String>,
        title: String,
        help: &'static str,
    ) {
        self.findings.push(Finding { code, rule: rule.map(str::to_owned), about, title, help });
    }

    fn steps(&self, chain: &'static str) -> &'a [Step] {
        self.plan.chains.iter().find(|one| one.name == chain.into()).map_or(&[], |chain| &chain.steps)
    }

    /// The rules of a direction as they are asked.
    fn asked(&self, direction: Direction) -> Vec<Asked<'a>> {
        self.asked_in(if direction == Direction::In { CHAIN_IN } else { CHAIN_OUT })
    }

    /// The rules of a chain as they are asked.
    fn asked_in(&self, chain: &'static str) -> Vec<Asked<'a>> {
        let counters: BTreeMap<&str, &Counter> =
            self.plan.counters.iter().map(|counter| (counter.name.as_str(), counter)).collect();
        let mut asked: Vec<Asked<'a>> = Vec::new();
        for step in self.steps(chain) {
            let rule = step.counter.as_deref().and_then(|counter| counters.get(counter)?.rule.as_deref());
            let Some(rule) = rule.and_then(|name| self.rules.get(name).copied()) else { continue };
            let areas = Area::of(step);
            match asked.last_mut().filter(|last| last.rule.name == rule.name) {
                Some(last) => last.areas.extend(areas),
                None => asked.push(Asked { rule, areas, decides: step.then != Then::Next }),
            }
        }
        asked
    }

    fn way(&mut self, direction: Direction) {
        let asked = self.asked(direction);
        let order = self.order(&asked, direction);
        if direction == Direction::In {
            self.management(order.is_open);
        }
        self.always_open(direction, &asked, &order.dead);
        self.same_as_default(self.policy.closes(direction), &asked, &order.dead);
    }

    /// Rules that are not about IP, incoming and outgoing: they stand for themselves.
    fn beside(&mut self, chains: [&'static str; 2], closed: [bool; 2]) {
        let ways = [Direction::In, Direction::Out];
        for ((chain, closed), direction) in chains.into_iter().zip(closed).zip(ways) {
            let asked = self.asked_in(chain);
            let order = self.order(&asked, direction);
            // Where a rule that allows closes a direction, some pass all the same: what denies those does something.
            if !closed {
                self.same_as_default(false, &asked, &order.dead);
            }
        }
    }

    /// Looks for rules that never decide.
    fn order(&mut self, asked: &[Asked<'a>], direction: Direction) -> Order<'a> {
        let mut cover = Cover::new(BUDGET);
        let managed = [true, false].map(|v4| Area::tcp_port(v4, self.looking.management_port));
        let mut order = Order { dead: BTreeSet::new(), is_open: false };
        for (at, one) in asked.iter().enumerate() {
            let covered: Vec<Covered> = one.areas.iter().map(|area| cover.covers(area)).collect();
            if let Some(owners) = together(&covered) {
                let owners: Vec<&Rule> =
                    owners.into_iter().filter_map(|at| Some(asked.get(at)?.rule)).collect();
                self.shadowed(one.rule, &owners);
                order.dead.insert(&one.rule.name);
            }
            self.is_partial |= covered.contains(&Covered::Unknown);
            if one.decides && passes(one.rule.action) && direction == Direction::In && !order.is_open {
                let openings = one.areas.iter().flat_map(|area| {
                    managed.iter().filter(|managed| area.meets(managed)).map(|managed| area.within(managed))
                });
                order.is_open =
                    openings.into_iter().any(|piece| !matches!(cover.covers(&piece), Covered::By(_)));
            }
            if one.decides && !self.looking.conditional.contains(one.rule.name.as_str()) {
                one.areas.iter().for_each(|area| cover.push(area.clone(), at));
            }
        }
        order.is_open |= !self.policy.closes(direction)
            && managed.iter().any(|area| !matches!(cover.covers(area), Covered::By(_)));
        order
    }

    fn shadowed(&mut self, rule: &Rule, owners: &[&Rule]) {
        let about: Vec<String> = owners.iter().map(|owner| owner.name.clone()).collect();
        let quoted = about.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        // An Allow rule is more than what it matches: it closes its direction where the default says nothing.
        let closes_alone = rule.action == Action::Allow
            && !self.policy.rules.iter().any(|one| {
                one.name != rule.name
                    && one.action == Action::Allow
                    && one.direction == rule.direction
                    && one.mode == Mode::Prevent
            });
        let all_alike = owners.iter().all(|owner| alike(owner.action, rule.action));
        let same_rank = owners.iter().all(|owner| owner.priority == rule.priority);
        let none_alike = owners.iter().all(|owner| !alike(owner.action, rule.action));
        let (code, title, help) = match (owners, all_alike) {
            ([_], true) => (
                "F101",
                format!("everything it matches is decided by the rule {quoted} already"),
                "One of the two can go.",
            ),
            (_, true) => (
                "F101",
                format!("everything it matches is decided by the rules {quoted} already"),
                "It can go, or they can.",
            ),
            (_, false) if none_alike && same_rank => (
                "F110",
                format!(
                    "it contradicts {quoted}: with the same priority, all that it matches is decided there first"
                ),
                "Take one of them out, or say by the priority which one is meant.",
            ),
            ([_], false) => (
                "F102",
                format!("it is never asked: the rule {quoted} decides first, the other way"),
                "Raise its priority, or narrow the earlier rule.",
            ),
            (_, false) => (
                "F102",
                format!("it is never asked: the rules {quoted} together decide first"),
                "Raise its priority, or narrow the earlier rules.",
            ),
        };
        let help = if closes_alone {
            "It only closes its direction to what no rule names: say that by the default, deny."
        } else {
            help
        };
        self.add(code, Some(&rule.name), about, title, help);
    }

    /// Rules that deny what is let through before any rule is asked.
    fn always_open(&mut self, direction: Direction, asked: &[Asked<'a>], dead: &BTreeSet<&str>) {
        let hook = if direction == Direction::In { Hook::Input } else { Hook::Output };
        let base = self.plan.chains.iter().find(|chain| chain.hook == Some(hook));
        let mut cover = Cover::new(BUDGET);
        for step in base.into_iter().flat_map(|chain| &chain.steps) {
            let open = if step.then == Then::Accept { Area::of(step) } else { Vec::new() };
            open.into_iter().filter(Area::is_plain).for_each(|area| cover.push(area, 0));
        }
        for one in
            asked.iter().filter(|one| one.rule.action == Action::Deny && one.rule.mode == Mode::Prevent)
        {
            let covered: Vec<Covered> = one.areas.iter().map(|area| cover.covers(area)).collect();
            if together(&covered).is_some() && !dead.contains(one.rule.name.as_str()) {
                let title = "it denies what is always let through on the computer itself: only containers are kept from it";
                let help = "Nothing has to be done if containers are meant; otherwise the rule can go.";
                self.add("F111", Some(&one.rule.name), Vec::new(), title.to_owned(), help);
            }
        }
    }

    /// Rules without which everything would be the same.
    fn same_as_default(&mut self, closed: bool, asked: &[Asked<'a>], dead: &BTreeSet<&str>) {
        let mut budget = BUDGET / 4;
        let mut against: Vec<&Area<'a>> = Vec::new();
        let mut found = Vec::new();
        for one in asked.iter().rev().filter(|one| one.decides) {
            let same = match one.rule.action {
                Action::Deny => closed,
                // A Bypass rule keeps packets from being inspected, whatever the default.
                Action::ForceAllow | Action::Allow => !closed,
                Action::Bypass | Action::LogOnly => false,
            };
            if !same {
                against.extend(&one.areas);
                continue;
            }
            let mut looked = 0;
            let differs = one.areas.iter().any(|area| {
                against.iter().any(|other| {
                    looked += 1;
                    looked > budget || area.meets(other)
                })
            });
            self.is_partial |= looked > budget;
            budget = budget.saturating_sub(looked);
            if !differs && !dead.contains(one.rule.name.as_str()) {
                found.push(one.rule);
            }
        }
        for rule in found.into_iter().rev() {
            let does = if closed { "denied" } else { "let through" };
            let title = format!("without it, everything it matches would be {does} by the default as well");
            let help = "It can go, unless its own counter and events are wanted.";
            self.add("F112", Some(&rule.name), Vec::new(), title, help);
        }
    }

    /// Whether the computer can be managed afterwards.
    fn management(&mut self, is_open: bool) {
        let port = self.looking.management_port;
        if !is_open {
            let title = format!(
                "no new connection to TCP port {port} is let in, from no address: who is not logged in stays out"
            );
            let help = "Allow the port from where the computer is managed.";
            self.add("F113", None, vec![port.to_string()], title, help);
            return;
        }
        let Some(operator) = self.looking.operator else { return };
        let here =
            if operator.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let mut packet = Packet::new(Hook::Input, operator, here, 6);
        packet.ports = Some((49_152, port));
        packet.tcp_flags = Some(2);
        let Some(by) = self.denied_by(&packet) else { return };
        let title = format!(
            "a new connection from your own address {operator} to TCP port {port} would be denied by {by}"
        );
        let help = "Allow the port from your address, or make sure that you are let in from another one.";
        self.add("F114", None, vec![operator.to_string(), port.to_string(), by], title, help);
    }

    /// Who denies a packet, as it is called.
    fn denied_by(&self, packet: &Packet) -> Option<String> {
        let explained = self.plan.explain(packet, &BTreeSet::new());
        let last = explained.deciders.last().filter(|_| explained.dropped)?;
        Some(match last {
            Decider::Counter(Counter { rule: Some(rule), .. }) => format!("the rule '{rule}'"),
            _ => "the default".to_owned(),
        })
    }

    /// What a computer cannot do without. The plan lets it through before any rule: should it ever not, it is said here.
    fn services(&mut self) {
        let probe = |hook, protocol, ports, to: IpAddr| {
            let from = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            Packet { ports: Some(ports), tcp_flags: Some(2), ..Packet::new(hook, from, to, protocol) }
        };
        let any: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
        let mut probes = vec![
            ("DNS", probe(Hook::Output, 17, (49_152, 53), any)),
            ("DNS", probe(Hook::Output, 6, (49_152, 53), any)),
            ("DHCP", probe(Hook::Output, 17, (68, 67), any)),
            ("DHCP", probe(Hook::Input, 17, (67, 68), any)),
        ];
        for end in &self.policy.always {
            probes.push(("the manager", probe(Hook::Output, 6, (49_152, end.port), end.address)));
        }
        for (service, packet) in probes {
            let known =
                self.findings.iter().any(|f| f.code == "F115" && f.about.iter().any(|a| a == service));
            let Some(by) = self.denied_by(&packet).filter(|_| !known) else { continue };
            let title = format!("{service} would be denied by {by}");
            let help =
                "Narrow the rule: without it the computer cannot be reached or cannot be changed from afar.";
            self.add("F115", None, vec![service.to_owned(), by], title, help);
        }
    }
}

/// Whose areas contain all of several ones; `None` where they do not, or where it is not known.
fn together(covered: &[Covered]) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for one in covered {
        let Covered::By(owners) = one else { return None };
        all.extend(owners.iter().copied().filter(|owner| !all.contains(owner)).collect::<Vec<_>>());
    }
    all.sort_unstable();
    (!all.is_empty()).then_some(all)
}
