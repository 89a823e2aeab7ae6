//! The chains of the stateful checks: behind the rules, and for fragments before anything else.
use super::{AddressRanges, Chain, Condition, Counter, Hook, Interface, Outcome, Side, Step, Then};
use crate::ranges::{narrowed, ports};
use crate::rule::{Action, Direction, Endpoint, Policy, TcpFlags};
use crate::stateful::{Check, Crowd, Effect, Fragments, LOOKED_AT, POSSIBLE, Stateful, Timeouts, Watch};
use sakimori_model::Mode;
use std::net::IpAddr;

/// What begins a connection has its timeouts and its helper.
const CHAIN_NEW: &str = "fw_state_new";
/// What comes in and belongs to no connection.
const CHAIN_CHECK: &str = "fw_state_check";
/// What comes in for containers.
const CHAIN_CONTAINERS: &str = "fw_state_containers";
/// What opens a connection to the outside.
const CHAIN_OUTGOING: &str = "fw_state_limit_outgoing";
const TCP: u8 = 6;
const OPENS: TcpFlags = TcpFlags { set: 2, clear: 1 | 4 | 16 };
const COOKIE: TcpFlags = TcpFlags { set: 2 | 16, clear: 1 | 4 };
const ANSWERS: TcpFlags = TcpFlags { set: 16, clear: 1 | 2 | 4 };
const BOTH: [bool; 2] = [true, false];

/// The chains, those first that others jump to; the counters are added to the plan's.
pub(super) fn chains(policy: &Policy, counters: &mut Vec<Counter>) -> Vec<Chain> {
    if policy.stateful.is_idle() {
        return Vec::new();
    }
    let mut plan = Checks { policy, stateful: &policy.stateful, decisions: Vec::new(), counters };
    let arriving = plan.arriving();
    let new = plan.new_connections();
    let check = plan.check();
    let outgoing = plan.outgoing();
    let has_new = !new.is_empty();
    let incoming = plan.incoming(has_new, !check.is_empty());
    let containers = plan.containers(!check.is_empty());
    let mut chains = std::mem::take(&mut plan.decisions);
    let each = plan.stateful.congestion_flags != Mode::Off;
    let asked = [(CHAIN_NEW, &new), (CHAIN_CONTAINERS, &containers), (CHAIN_OUTGOING, &outgoing)];
    let asked: Vec<&str> =
        asked.iter().filter(|(_, steps)| !steps.is_empty()).map(|(name, _)| *name).collect();
    let through = through(&asked, each);
    let cookies = policy.stateful.half_open > 0 && policy.mode == Mode::Prevent;
    let leaving = leaving(has_new, !outgoing.is_empty(), cookies);
    let own =
        [(CHAIN_NEW, new), (CHAIN_CHECK, check), (CHAIN_CONTAINERS, containers), (CHAIN_OUTGOING, outgoing)];
    chains.extend(own.into_iter().map(|(name, steps)| Chain { name: name.into(), hook: None, steps }));
    let hooked = [
        ("fw_state_arriving", Hook::Arriving, arriving),
        ("fw_state_input", Hook::InputState, incoming),
        ("fw_state_forward", Hook::ForwardState, through),
        ("fw_state_output", Hook::OutputState, leaving),
    ];
    chains.extend(hooked.into_iter().map(|(name, hook, steps)| Chain {
        name: name.into(),
        hook: Some(hook),
        steps,
    }));
    chains.retain(|chain| !chain.steps.is_empty());
    chains
}

struct Checks<'a> {
    policy: &'a Policy,
    stateful: &'a Stateful,
    /// A chain for each check, which says what becomes of a packet.
    decisions: Vec<Chain>,
    counters: &'a mut Vec<Counter>,
}

impl Checks<'_> {
    /// A chain that counts, reports and drops what a check finds; the step that leads there.
    fn decides(&mut self, check: Check, mode: Mode) -> Then {
        self.register(check, Action::Deny);
        let enforced = mode.within(self.policy.mode) == Mode::Prevent;
        let step = Step {
            conditions: Vec::new(),
            counter: Some(check.counter().to_owned()),
            sample: Some(if enforced { Outcome::Dropped } else { Outcome::WouldDrop }),
            then: if enforced { Then::Drop } else { Then::Next },
        };
        self.decisions.push(Chain { name: check.counter().into(), hook: None, steps: vec![step] });
        Then::Jump(check.counter().into())
    }

    fn register(&mut self, check: Check, action: Action) {
        let outward = matches!(check, Check::ToOneDestination | Check::Outgoing);
        self.counters.push(Counter {
            name: check.counter().to_owned(),
            rule: None,
            direction: if outward { Direction::Out } else { Direction::In },
            action,
            arp: false,
            check: Some(check),
        });
    }

    /// Fragments for this host, before they are put together.
    fn arriving(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let least = self.stateful.min_fragment;
        let of = [
            (Check::ShortFragment, self.stateful.short_fragments, Fragments::short(least).to_vec()),
            (Check::Fragment, self.stateful.fragments, vec![Fragments::All]),
        ];
        for (check, mode, which) in of {
            if mode == Mode::Off {
                continue;
            }
            let then = self.decides(check, mode);
            steps.extend(which.into_iter().flat_map(|which| {
                BOTH.map(|v4| {
                    let fragment = Condition::Watch(Watch::Fragment { v4, which });
                    step(vec![fragment, Condition::Watch(Watch::ForHere)], then)
                })
            }));
        }
        if !steps.is_empty() {
            steps
                .insert(0, step(vec![Condition::Interface(Side::Source, Interface::Loopback)], Then::Accept));
        }
        steps
    }

    /// What is said of each new connection.
    fn new_connections(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.stateful.ftp.is_empty() {
            let mut conditions = vec![Condition::Protocol(vec![TCP])];
            let named = ports(&self.stateful.ftp.clone().into());
            conditions.extend(named.map(|ranges| Condition::Port(Side::Destination, narrowed(ranges))));
            steps.push(step(conditions, Then::Effect(Effect::Ftp)));
        }
        for protocol in [TCP, 17, 1, 58] {
            let mut timeouts = Timeouts { protocol, seconds: [0; 8] };
            for (timeout, seconds) in &self.stateful.timeouts {
                let (protocols, number) = timeout.place();
                let place = timeouts.seconds.get_mut(number.wrapping_sub(1));
                if let Some(place) = place.filter(|_| protocols.contains(&protocol)) {
                    *place = *seconds;
                }
            }
            if timeouts.seconds.iter().any(|seconds| *seconds > 0) {
                let protocol = Condition::Protocol(vec![protocol]);
                steps.push(step(vec![protocol], Then::Effect(Effect::Timeouts(timeouts))));
            }
        }
        steps
    }

    /// What comes in and belongs to no connection, for this host or for its containers.
    fn check(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let Stateful { invalid, out_of_connection, from_one_source, .. } = *self.stateful;
        if invalid != Mode::Off {
            let then = self.decides(Check::InvalidFlags, invalid);
            let possible = POSSIBLE.map(|flags| TcpFlags { set: flags, clear: LOOKED_AT & !flags }).to_vec();
            steps.push(step(vec![Condition::Protocol(vec![TCP]), flags(possible, true)], then));
        }
        if out_of_connection != Mode::Off {
            let then = self.decides(Check::OutOfConnection, out_of_connection);
            let new = Condition::Watch(Watch::New);
            steps.push(step(vec![Condition::Protocol(vec![TCP]), new, flags(vec![OPENS], true)], then));
        }
        if invalid != Mode::Off {
            let then = self.decides(Check::InvalidPacket, invalid);
            steps.push(step(vec![Condition::Watch(Watch::Invalid)], then));
        }
        if from_one_source > 0 {
            let then = self.decides(Check::FromOneSource, Mode::Prevent);
            steps.extend(crowded(Crowd::Source, from_one_source, then));
        }
        steps
    }

    /// What is for this host.
    fn incoming(&mut self, new: bool, check: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let most = self.stateful.half_open;
        let enforced = self.policy.mode == Mode::Prevent;
        if most > 0 {
            steps.extend(BOTH.map(|v4| {
                let conditions =
                    vec![Condition::Family { v4 }, Condition::Protocol(vec![TCP]), Condition::Established];
                step(conditions, Then::Effect(Effect::Opened { v4, most }))
            }));
        }
        steps.extend(self.congestion());
        if most > 0 || check && self.stateful.congestion_flags != Mode::Off {
            steps.push(step(vec![Condition::Established], Then::Accept));
        }
        if most > 0 && enforced {
            self.register(Check::CookieAnswer, Action::LogOnly);
            steps.push(Step {
                conditions: vec![
                    Condition::Protocol(vec![TCP]),
                    Condition::Watch(Watch::NewOrInvalid),
                    flags(vec![ANSWERS], false),
                    Condition::Watch(Watch::CookiesSent),
                ],
                counter: Some(Check::CookieAnswer.counter().to_owned()),
                sample: None,
                then: Then::Effect(Effect::SynCookie),
            });
        }
        if check {
            steps.push(step(Vec::new(), Then::Jump(CHAIN_CHECK.into())));
        }
        if most > 0 {
            self.register(Check::HalfOpen, Action::LogOnly);
            let room = |v4| {
                step(
                    vec![Condition::Family { v4 }, Condition::Watch(Watch::HalfOpenRoom { v4, most })],
                    Then::Accept,
                )
            };
            let mut full = BOTH.map(room).to_vec();
            if enforced {
                full.push(step(Vec::new(), Then::Effect(Effect::CookieSent)));
            }
            full.push(Step {
                conditions: Vec::new(),
                counter: Some(Check::HalfOpen.counter().to_owned()),
                sample: Some(Outcome::Passed),
                then: if enforced { Then::Effect(Effect::SynCookie) } else { Then::Next },
            });
            self.decisions.push(Chain { name: Check::HalfOpen.counter().into(), hook: None, steps: full });
            steps.push(step(opens(), Then::Jump(Check::HalfOpen.counter().into())));
        }
        let of_loopback = step(vec![Condition::Interface(Side::Source, Interface::Loopback)], Then::Accept);
        let each = most > 0 || self.stateful.congestion_flags != Mode::Off;
        framed(new, of_loopback, steps, each)
    }

    /// What is for containers of this host.
    fn containers(&mut self, check: bool) -> Vec<Step> {
        let mut steps: Vec<Step> = self.congestion().into_iter().collect();
        if check {
            steps.push(step(vec![Condition::Established], Then::Accept));
            steps.push(step(Vec::new(), Then::Jump(CHAIN_CHECK.into())));
        }
        steps
    }

    fn congestion(&mut self) -> Option<Step> {
        let mode = self.stateful.congestion_flags;
        if mode == Mode::Off {
            return None;
        }
        // Once for the host, once for containers: one chain, one counter.
        let known = self.decisions.iter().any(|chain| chain.name == Check::CongestionFlags.counter().into());
        let then = if known {
            Then::Jump(Check::CongestionFlags.counter().into())
        } else {
            self.decides(Check::CongestionFlags, mode)
        };
        let any = [64, 128].map(|set| TcpFlags { set, clear: 0 }).to_vec();
        Some(step(vec![Condition::Protocol(vec![TCP]), flags(any, false)], then))
    }

    /// Connections that are opened to the outside: not those to the manager, and no DNS queries.
    fn outgoing(&mut self) -> Vec<Step> {
        let Stateful { to_one_destination, outgoing, .. } = *self.stateful;
        if to_one_destination == 0 && outgoing == 0 {
            return Vec::new();
        }
        let mut always = self.policy.always.clone();
        always.sort_unstable();
        always.dedup();
        let mut steps: Vec<Step> = always.iter().map(|end| step(endpoint(*end), Then::Accept)).collect();
        steps.push(step(vec![Condition::Port(Side::Destination, one(53))], Then::Accept));
        let of = [
            (Check::ToOneDestination, Crowd::Destination, to_one_destination),
            (Check::Outgoing, Crowd::Outgoing, outgoing),
        ];
        for (check, crowd, most) in of {
            if most > 0 {
                let then = self.decides(check, Mode::Prevent);
                steps.extend(crowded(crowd, most, then));
            }
        }
        steps
    }
}

/// What every base chain does first; nothing where nothing follows. `each`: packets of established connections are looked
/// at as well.
fn framed(new: bool, of_loopback: Step, steps: Vec<Step>, each: bool) -> Vec<Step> {
    let mut framed = Vec::new();
    if new || !steps.is_empty() {
        // What most packets meet comes first.
        if !each {
            framed.push(step(vec![Condition::Established], Then::Accept));
        }
        // What Bypass names as well.
        framed.push(step(vec![Condition::Watch(Watch::NotAsked)], Then::Accept));
    }
    if new {
        framed.push(step(vec![Condition::Watch(Watch::New)], Then::Jump(CHAIN_NEW.into())));
    }
    if !steps.is_empty() {
        framed.push(of_loopback);
        framed.extend(steps);
    }
    framed
}

/// What goes through this host, to containers and from them, by those chains that have steps.
fn through(asked: &[&str], each: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let kinds = [Interface::Bridge, Interface::Veth];
    let both = [Side::Destination, Side::Source];
    if asked.contains(&CHAIN_NEW) {
        steps.extend(both.into_iter().flat_map(|side| {
            kinds.map(|kind| {
                step(
                    vec![Condition::Interface(side, kind), Condition::Watch(Watch::New)],
                    Then::Jump(CHAIN_NEW.into()),
                )
            })
        }));
    }
    if asked.contains(&CHAIN_CONTAINERS) {
        steps.extend(kinds.map(|kind| {
            step(vec![Condition::Interface(Side::Destination, kind)], Then::Jump(CHAIN_CONTAINERS.into()))
        }));
    }
    if asked.contains(&CHAIN_OUTGOING) {
        steps.extend(kinds.map(|kind| {
            let mut conditions = vec![Condition::Interface(Side::Source, kind)];
            conditions.extend(opens());
            step(conditions, Then::Jump(CHAIN_OUTGOING.into()))
        }));
    }
    if !steps.is_empty() {
        steps.insert(0, step(vec![Condition::Watch(Watch::NotAsked)], Then::Accept));
        if !each {
            steps.insert(0, step(vec![Condition::Established], Then::Accept));
        }
    }
    steps
}

/// What leaves this host.
fn leaving(new: bool, outgoing: bool, cookies: bool) -> Vec<Step> {
    let of_loopback = step(vec![Condition::Interface(Side::Destination, Interface::Loopback)], Then::Accept);
    let limits = outgoing.then(|| step(opens(), Then::Jump(CHAIN_OUTGOING.into())));
    let cookie = cookies.then(|| {
        let answers = Condition::Watch(Watch::AnswersInPlace);
        step(
            vec![Condition::Protocol(vec![TCP]), answers, flags(vec![COOKIE], false)],
            Then::Effect(Effect::Own),
        )
    });
    let mut steps: Vec<Step> = cookie.into_iter().collect();
    // Before established connections pass: to the kernel a cookie is the reply of one.
    steps.extend(framed(new, of_loopback, limits.into_iter().collect(), false));
    steps
}

/// One step for each IP version.
fn crowded(of: Crowd, most: u32, then: Then) -> [Step; 2] {
    BOTH.map(|v4| {
        let mut conditions = vec![Condition::Family { v4 }];
        conditions.extend(opens());
        conditions.push(Condition::Watch(Watch::Crowded { of, v4, most }));
        step(conditions, then)
    })
}

/// It opens a TCP connection.
fn opens() -> Vec<Condition> {
    vec![Condition::Protocol(vec![TCP]), Condition::Watch(Watch::New), flags(vec![OPENS], false)]
}

const fn flags(any: Vec<TcpFlags>, not: bool) -> Condition {
    Condition::TcpFlags { any, not }
}

fn one<T: Copy>(value: T) -> Vec<std::ops::RangeInclusive<T>> {
    std::iter::once(value..=value).collect()
}

fn endpoint(end: Endpoint) -> Vec<Condition> {
    let address = match end.address {
        IpAddr::V4(address) => AddressRanges::V4(one(address.into())),
        IpAddr::V6(address) => AddressRanges::V6(one(address.into())),
    };
    vec![Condition::Address(Side::Destination, address), Condition::Port(Side::Destination, one(end.port))]
}

const fn step(conditions: Vec<Condition>, then: Then) -> Step {
    Step { conditions, counter: None, sample: None, then }
}
