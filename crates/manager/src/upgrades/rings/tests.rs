//! A fleet that is simulated from seeds: computers that come and go, fail, roll back, and managers that die half-way.
use super::*;

const MINUTE: i64 = 60_000_000;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What a simulated computer does with an order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    Good,
    RollsBack,
    Refuses,
    Silent,
    Away,
    SickensLater,
}

struct World {
    plan: Plan,
    standing: Standing,
    computers: Vec<Computer>,
    habits: Vec<Habit>,
    now: Timestamp,
    dice: Dice,
    broken_off: bool,
}

impl World {
    fn new(seed: u64, bad_in_hundred: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let rings = u32::try_from(1 + dice.roll(4)).unwrap();
        let size = 1 + dice.roll(60);
        let now = Timestamp(1_000 * MINUTE);
        let habits: Vec<Habit> = (0..size)
            .map(|_| {
                if dice.roll(100) >= bad_in_hundred {
                    return Habit::Good;
                }
                [Habit::RollsBack, Habit::Refuses, Habit::Silent, Habit::Away, Habit::SickensLater]
                    [usize::try_from(dice.roll(5)).unwrap()]
            })
            .collect();
        let computers = (0..size)
            .map(|n| Computer {
                id: Uuid::from_u128(u128::from(n)),
                ring: u32::try_from(dice.roll(u64::from(rings))).unwrap(),
                state: Member::Waiting,
                since: now,
                from: "1".to_owned(),
                seen: Some(Seen {
                    online: true,
                    last_contact: now,
                    version: "1".to_owned(),
                    worse: None,
                    step: None,
                }),
            })
            .collect();
        let plan = Plan {
            version: "2".to_owned(),
            rings,
            healthy_within: Duration::from_mins(5),
            wait: Duration::from_mins(10),
            reach_within: Duration::from_hours(2),
            halt_above_percent: u32::try_from(dice.roll(3) * 20).unwrap(),
            at_once: usize::try_from(1 + dice.roll(10)).unwrap(),
            roll_back_on_halt: dice.roll(2) == 0,
        };
        let standing =
            Standing { state: State::Running, ring: 0, ring_since: now, ring_done: None, back_from: 0 };
        Self { plan, standing, computers, habits, now, dice, broken_off: false }
    }

    /// A minute in the life of the computers.
    fn live(&mut self) {
        for (computer, habit) in self.computers.iter_mut().zip(&self.habits) {
            let Some(seen) = &mut computer.seen else { continue };
            seen.online = *habit != Habit::Away && self.dice.roll(10) > 0;
            if seen.online {
                seen.last_contact = self.now;
            }
            let done = |step| Some((step, "why".to_owned()));
            match (computer.state, habit) {
                (Member::Ordered, Habit::Good | Habit::SickensLater) if self.dice.roll(3) == 0 => {
                    seen.version = "2".to_owned();
                    seen.step = done(UpgradeStep::Running);
                }
                (Member::Ordered, Habit::RollsBack) if self.dice.roll(3) == 0 => {
                    seen.step = done(UpgradeStep::RolledBack);
                }
                (Member::Ordered, Habit::Refuses) => seen.step = done(UpgradeStep::Refused),
                (Member::Healthy, Habit::SickensLater) if self.dice.roll(3) == 0 => {
                    seen.worse = Some("firewall is failed".to_owned());
                }
                (Member::Returning, _) if self.dice.roll(3) == 0 => {
                    seen.version = "1".to_owned();
                    seen.worse = None;
                    seen.step = done(UpgradeStep::Running);
                }
                _ => {}
            }
        }
        self.now = Timestamp(self.now.0 + MINUTE);
    }

    /// What the manager does with the acts, or with their beginning where it is killed in between.
    fn act(&mut self, acts: Vec<Act>, window_open: bool) {
        let killed = self.dice.roll(4) == 0;
        let most = if killed { usize::try_from(self.dice.roll(4)).unwrap() } else { acts.len() };
        self.broken_off |= most < acts.len();
        for act in acts.into_iter().take(most) {
            let (plan, now) = (self.plan.clone(), self.now);
            let ring = self.standing.ring;
            let mut set = |id: Uuid, state: Member, forget: bool| {
                let computer = self.computers.iter_mut().find(|one| one.id == id).unwrap();
                computer.state = state;
                computer.since = now;
                if let Some(seen) = computer.seen.as_mut().filter(|_| forget) {
                    seen.step = None;
                }
                computer.ring
            };
            match act {
                Act::Order(id) => {
                    assert_eq!(self.standing.state, State::Running);
                    assert!(window_open, "begun while the window was shut");
                    assert_eq!(set(id, Member::Ordered, true), ring, "another ring's turn");
                }
                Act::Return(id) => {
                    assert_eq!(self.standing.state, State::GoingBack);
                    assert!(set(id, Member::Returning, true) >= self.standing.back_from);
                }
                Act::Mark(id, state, _) => {
                    set(id, state, false);
                }
                Act::RingDone => self.standing.ring_done = Some(now),
                Act::EnterRing(next) => {
                    let done = self.standing.ring_done.unwrap();
                    let decided = self
                        .computers
                        .iter()
                        .any(|one| one.ring == ring && matches!(one.state, Member::Healthy | Member::Failed));
                    assert!(!decided || now >= done.plus(plan.wait), "a ring was not watched");
                    assert_eq!(next, ring + 1);
                    self.standing =
                        Standing { ring: next, ring_since: now, ring_done: None, ..self.standing };
                }
                Act::Halt { failed, of } => {
                    assert!(failed * 100 > of * u64::from(plan.halt_above_percent));
                    self.standing.state = State::Halted;
                }
                Act::GoBack { from } => {
                    self.standing = Standing {
                        state: State::GoingBack,
                        back_from: from,
                        ring_since: now,
                        ..self.standing
                    };
                }
                Act::End(state) => self.standing.state = state,
            }
            self.check();
        }
    }

    /// What holds at every moment.
    fn check(&self) {
        let count = |state: Member| self.computers.iter().filter(|one| one.state == state).count();
        assert!(count(Member::Ordered) <= self.plan.at_once, "too many at once");
        assert!(count(Member::Returning) <= self.plan.at_once, "too many at once on their way back");
        for one in &self.computers {
            assert!(one.ring <= self.standing.ring || one.state == Member::Waiting, "a ring was passed over");
        }
    }

    fn ended(&self) -> bool {
        matches!(self.standing.state, State::Succeeded | State::RolledBack | State::Halted)
    }
}

#[test]
fn every_roll_out_comes_to_an_end_and_keeps_its_rules() {
    let mut ends = std::collections::BTreeMap::new();
    for seed in 0..600 {
        let mut world = World::new(seed, [0, 10, 50, 100][usize::try_from(seed % 4).unwrap()]);
        let mut minutes = 0;
        while !world.ended() {
            world.live();
            let window_open = minutes % 60 < 40;
            let acts = decide(&world.plan, &world.standing, &world.computers, window_open, world.now);
            world.act(acts, window_open);
            minutes += 1;
            assert!(minutes < 20_000, "seed {seed} never ends: {:?}", world.standing);
            // A person looks at what a manager that died between the two has left.
            if world.standing.state == State::Halted && world.plan.roll_back_on_halt && world.broken_off {
                world.standing = Standing {
                    state: State::GoingBack,
                    back_from: world.standing.ring,
                    ring_since: world.now,
                    ..world.standing
                };
            }
        }
        match world.standing.state {
            State::Succeeded => {
                let left = world
                    .computers
                    .iter()
                    .filter(|one| matches!(one.state, Member::Waiting | Member::Ordered));
                assert_eq!(left.count(), 0, "seed {seed}");
            }
            State::RolledBack => {
                for (one, habit) in world.computers.iter().zip(&world.habits) {
                    let upgraded = one.seen.as_ref().is_some_and(|seen| seen.version == "2");
                    let concerned = one.ring >= world.standing.back_from;
                    assert!(
                        !(concerned && upgraded) || one.state == Member::Stuck,
                        "seed {seed}: {one:?} {habit:?}"
                    );
                }
            }
            _ => {}
        }
        if seed % 4 == 0 {
            assert_eq!(world.standing.state, State::Succeeded, "nothing was wrong with seed {seed}");
            assert!(world.computers.iter().all(|one| one.state == Member::Healthy), "seed {seed}");
        }
        *ends.entry(format!("{:?}", world.standing.state)).or_insert(0_u32) += 1;
    }
    assert_eq!(ends.len(), 3, "each kind of end was seen: {ends:?}");
}

fn one_ring(states: &[Member], halt_above_percent: u32) -> Vec<Act> {
    let mut world = World::new(1, 0);
    world.plan = Plan { rings: 2, halt_above_percent, roll_back_on_halt: false, at_once: 5, ..world.plan };
    world.computers = states
        .iter()
        .zip(0_u128..)
        .map(|(state, n)| Computer {
            id: Uuid::from_u128(n),
            ring: 0,
            state: *state,
            since: world.now,
            from: "1".to_owned(),
            seen: Some(Seen {
                online: true,
                last_contact: world.now,
                version: if *state == Member::Healthy { "2" } else { "1" }.to_owned(),
                worse: None,
                step: None,
            }),
        })
        .collect();
    decide(&world.plan, &world.standing, &world.computers, true, world.now)
}

#[test]
fn a_share_of_failures_halts_and_the_first_of_many_does_not() {
    use Member::{Failed, Healthy, Waiting};
    let halted = |acts: &[Act]| acts.iter().any(|act| matches!(act, Act::Halt { .. }));
    let mut many = vec![Waiting; 99];
    many.push(Failed);
    assert!(!halted(&one_ring(&many, 10)), "one of twenty, though the only one yet");
    assert!(halted(&one_ring(&many, 4)));
    assert!(halted(&one_ring(&[Failed, Healthy, Healthy], 20)), "one of three");
    assert!(!halted(&one_ring(&[Failed, Healthy, Healthy], 50)));
    assert!(halted(&one_ring(&many, 0)), "none may fail");
    assert!(!halted(&one_ring(&[Healthy, Waiting], 0)));
}

#[test]
fn only_so_many_are_told_at_once() {
    use Member::{Ordered, Waiting};
    let acts = one_ring(&[Ordered, Ordered, Ordered, Waiting, Waiting, Waiting], 0);
    assert_eq!(acts, [Act::Order(Uuid::from_u128(3)), Act::Order(Uuid::from_u128(4))]);
}
