//! Conditions that are no conditions on a buffer.
use super::Inspected;
use super::call::Call;
use crate::buffer::Direction;
use crate::condition::{BitTest, Check, StreamSide, Which, Whose};
use crate::fact::Fact;
use std::net::IpAddr;

/// Numbers of one kind that are looked at.
const NUMBERS: usize = 1024;

impl<T: Inspected> Call<'_, T> {
    pub(super) fn check(&self, check: &Check) -> bool {
        let subject = self.subject;
        match check {
            Check::Number { fact, ranges, negated } => subject
                .fact(*fact, self.direction)
                .is_some_and(|value| ranges.iter().any(|range| range.contains(value)) != *negated),
            Check::Numbers { fact, range, which } => {
                let at = |index| subject.fact_at(*fact, self.direction, index);
                let all = || (0..NUMBERS).map_while(at);
                match which {
                    Which::Any => all().any(|value| range.contains(value)),
                    Which::All => at(0).is_some() && all().all(|value| range.contains(value)),
                    Which::At(place) => usize::try_from(*place)
                        .ok()
                        .or_else(|| all().count().checked_sub(usize::try_from(place.unsigned_abs()).ok()?))
                        .and_then(at)
                        .is_some_and(|value| range.contains(value)),
                }
            }
            Check::Any(checks) => checks.iter().any(|check| self.check(check)),
            Check::Segment(range) => range.contains(subject.segment_length() as u64),
            Check::Bits { fact, ignored, wanted, how } => {
                subject.fact(*fact, self.direction).is_some_and(|value| {
                    let (value, wanted) = (value & !ignored, wanted & !ignored);
                    match how {
                        BitTest::Exactly => value == wanted,
                        BitTest::AllAndMore => value & wanted == wanted,
                        BitTest::Any => value & wanted != 0,
                        BitTest::None => value & wanted == 0,
                    }
                })
            }
            Check::StreamSize { side, range } => {
                let holds =
                    |fact| subject.fact(fact, self.direction).is_some_and(|bytes| range.contains(bytes));
                match side {
                    StreamSide::Client => holds(Fact::StreamOfClient),
                    StreamSide::Server => holds(Fact::StreamOfServer),
                    StreamSide::Both => holds(Fact::StreamOfClient) && holds(Fact::StreamOfServer),
                    StreamSide::Either => holds(Fact::StreamOfClient) || holds(Fact::StreamOfServer),
                }
            }
            Check::Event(event) => subject.has_event(*event, self.direction),
            Check::Application { protocols, unknown, negated } => {
                let is = match subject.protocol() {
                    Some(protocol) => protocols.contains(&protocol),
                    None => *unknown,
                };
                is != *negated
            }
            Check::SameAddress => {
                let flow = subject.flow();
                flow.client == flow.server
            }
            Check::Reputation { whose, category, range } => {
                let flow = subject.flow();
                let (source, destination) = match self.direction {
                    Direction::ToServer => (flow.client, flow.server),
                    Direction::ToClient => (flow.server, flow.client),
                };
                let holds = |address: IpAddr| {
                    subject.reputation(address, category).is_some_and(|score| range.contains(score.into()))
                };
                match whose {
                    Whose::Source => holds(source),
                    Whose::Destination => holds(destination),
                    Whose::Any => holds(source) || holds(destination),
                    Whose::Both => holds(source) && holds(destination),
                }
            }
        }
    }
}
