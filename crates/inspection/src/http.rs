//! HTTP/1 over the seam of [`crate::dialogue`]: messages are shown to the rules step by step.
use crate::dialogue::{Asking, Dialogue, Probe, RuleMemory, Spec, Step};
use crate::http_recorder::Recorder;
use crate::http_view::{self, HttpView};
use crate::record::{Anomaly, Said};
use crate::site;
use crate::waf;
use crate::waf_response::{self, Exchange};
use sakimori_protocols::http1;
use sakimori_signatures::{Direction, Protocol, Stage};
use sakimori_stream::Decision;

pub(crate) const SPEC: Spec =
    Spec { protocol: Protocol::Http, ports: &[], probe, make: || Box::<Http>::default() };

/// Methods with which a first line is HTTP whatever follows.
const METHODS: [&[u8]; 15] = [
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"SEARCH",
];
/// Longest word that may be a method.
const METHOD_BYTES: usize = 32;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Http {
    connection: http1::Connection<Memory>,
    exchange: Exchange,
    recorder: Recorder,
}

/// What is remembered of one transaction.
#[derive(Debug, Default)]
struct Memory {
    rules: RuleMemory,
    /// Whether the reputation of what it asks for was looked up.
    asked: bool,
    /// Oddities that were told of.
    odd: Vec<&'static str>,
    waf: waf::Memo,
}

fn probe(direction: Direction, bytes: &[u8]) -> Probe {
    if direction == Direction::ToClient {
        const VERSION: &[u8] = b"HTTP/";
        return match bytes.get(..VERSION.len()) {
            Some(begin) if begin.eq_ignore_ascii_case(VERSION) => Probe::Yes,
            None if VERSION.starts_with(bytes) => Probe::More,
            _ => Probe::No,
        };
    }
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    let line = bytes.get(begin..).unwrap_or_default();
    let end = line.iter().position(|byte| !(byte.is_ascii_alphabetic() || *byte == b'-'));
    let Some(end) = end else { return if line.len() <= METHOD_BYTES { Probe::More } else { Probe::No } };
    let method = line.get(..end).unwrap_or_default();
    if method.is_empty() || !line.get(end).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Probe::No;
    }
    if METHODS.contains(&method) {
        return Probe::Yes;
    }
    // a method that is not known: the version at the end of the line tells
    let whole = line.iter().position(|byte| *byte == b'\n');
    let line = line.get(..whole.unwrap_or(line.len())).unwrap_or_default();
    if line.windows(6).any(|word| word.eq_ignore_ascii_case(b" http/")) {
        Probe::Yes
    } else if whole.is_some() {
        Probe::No
    } else {
        Probe::More
    }
}

// === impl Http ===

impl Http {
    fn told(control: http1::Control, tunnel: bool) -> Step {
        match control {
            http1::Control::Stop => Step::Block,
            http1::Control::Continue if tunnel => Step::Other,
            http1::Control::Continue => Step::Continue,
        }
    }
}

impl Dialogue for Http {
    fn protocol(&self) -> Protocol {
        Protocol::Http
    }

    fn data(&mut self, asking: &mut Asking<'_>, direction: Direction, bytes: &[u8]) -> Step {
        let mut limits = asking.shared.limits.http;
        if direction == Direction::ToServer && asking.served {
            let kept = self.connection.current(http1::Direction::ToServer).message.body().len();
            limits.body_bytes = asking.shared.waf.body_bytes(limits.body_bytes, kept);
        } else if asking.served {
            let kept = self.connection.current(http1::Direction::ToClient).message.body().len();
            limits.body_bytes = asking.shared.waf.response_bytes(limits.body_bytes, kept);
        }
        let mut sink =
            HttpSink { asking, recorder: &mut self.recorder, exchange: &mut self.exchange, tunnel: false };
        let control = self.connection.feed(side(direction), bytes, &limits, &mut sink);
        let tunnel = sink.tunnel;
        Self::told(control, tunnel)
    }

    fn gap(&mut self, _asking: &mut Asking<'_>, direction: Direction, bytes: u64) -> Step {
        self.connection.gap(side(direction), bytes);
        Step::Continue
    }

    fn end(&mut self, asking: &mut Asking<'_>, blocked: bool) {
        if !blocked {
            let limits = asking.shared.limits.http;
            let mut sink = HttpSink {
                asking,
                recorder: &mut self.recorder,
                exchange: &mut self.exchange,
                tunnel: false,
            };
            // What lasts until the end of its connection.
            let _over = self.connection.close(&limits, &mut sink);
        }
        self.recorder.end(asking);
        asking.shared.counters.garbage_lines += self.connection.garbage_lines();
    }
}

/// Is told of each step of a message, and asks about it.
struct HttpSink<'a, 'b> {
    asking: &'a mut Asking<'b>,
    recorder: &'a mut Recorder,
    exchange: &'a mut Exchange,
    /// A request opened a tunnel.
    tunnel: bool,
}

impl http1::Sink<Memory> for HttpSink<'_, '_> {
    fn progress(
        &mut self,
        direction: http1::Direction,
        transaction: &mut http1::Transaction<Memory>,
        stage: http1::Stage,
    ) -> http1::Control {
        let reached = stage;
        let (side, stage) = step(direction, stage);
        let message = &transaction.message;
        self.count(message, stage);
        let mut control = http1::Control::Continue;
        if self.asking.visit && side == Direction::ToServer && !transaction.state.asked {
            transaction.state.asked = true;
            match site::judge_request(self.asking.shared, self.asking.facts, message) {
                Decision::Block => control = http1::Control::Stop,
                Decision::Done => self.tunnel = true,
                _ => {}
            }
        }
        if control == http1::Control::Continue && self.asking.served {
            let (shared, facts) = (&mut *self.asking.shared, self.asking.facts);
            let memo = &mut transaction.state.waf;
            let decided = match direction {
                http1::Direction::ToServer => {
                    if stage == Stage::RequestEnd {
                        self.exchange.ask(&shared.waf, message);
                    }
                    waf::progress(shared, facts, message, memo, reached)
                }
                http1::Direction::ToClient => {
                    waf_response::progress(shared, facts, self.exchange, message, memo, reached)
                }
            };
            if decided == Decision::Block {
                control = http1::Control::Stop;
            }
        }
        if control == http1::Control::Continue {
            let number = self.recorder.number(side);
            let view = HttpView::new(message, side, self.asking.shared.limits.http.body_bytes, self.recorder);
            if self.asking.keeps_records() {
                for event in http_view::EVENTS {
                    if !transaction.state.odd.contains(event) && view.is_odd(event, side) {
                        transaction.state.odd.push(event);
                        let odd = Said::Anomaly(Anomaly::of_protocol(event));
                        self.asking.record(Protocol::Http, side, number, odd);
                    }
                }
            }
            if self.asking.judge(&view, number, &mut transaction.state.rules, stage) == Decision::Block {
                control = http1::Control::Stop;
            }
        }
        match stage {
            Stage::RequestEnd => self.recorder.request(self.asking, message),
            Stage::ResponseEnd => self.recorder.answer(self.asking, message),
            _ => {}
        }
        control
    }
}

impl HttpSink<'_, '_> {
    fn count(&mut self, message: &http1::Message, stage: Stage) {
        let counters = &mut self.asking.shared.counters;
        if stage == Stage::RequestEnd {
            counters.http_requests += 1;
            counters.http_anomalies += u64::from(!message.anomalies().is_empty());
        }
    }
}

const fn side(direction: Direction) -> http1::Direction {
    match direction {
        Direction::ToServer => http1::Direction::ToServer,
        Direction::ToClient => http1::Direction::ToClient,
    }
}

const fn step(direction: http1::Direction, stage: http1::Stage) -> (Direction, Stage) {
    match (direction, stage) {
        (http1::Direction::ToServer, http1::Stage::Headers) => (Direction::ToServer, Stage::RequestHeaders),
        (http1::Direction::ToServer, http1::Stage::Body) => (Direction::ToServer, Stage::RequestBody),
        (http1::Direction::ToServer, http1::Stage::End) => (Direction::ToServer, Stage::RequestEnd),
        (http1::Direction::ToClient, http1::Stage::Headers) => (Direction::ToClient, Stage::ResponseHeaders),
        (http1::Direction::ToClient, http1::Stage::Body) => (Direction::ToClient, Stage::ResponseBody),
        (http1::Direction::ToClient, http1::Stage::End) => (Direction::ToClient, Stage::ResponseEnd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_told_from_what_is_none() {
        for (direction, bytes, told) in [
            (Direction::ToServer, &b"GET / HTTP/1.1\r\n"[..], Probe::Yes),
            (Direction::ToServer, b"\r\n\r\nGET /", Probe::Yes),
            (Direction::ToServer, b"GE", Probe::More),
            (Direction::ToServer, b"BREW /pot", Probe::More),
            (Direction::ToServer, b"BREW /pot HTCPCP/1.0\r\n", Probe::No),
            (Direction::ToServer, b"BREW /pot HTTP/1.0\r\n", Probe::Yes),
            (Direction::ToServer, b"\x16\x03\x01", Probe::No),
            (Direction::ToServer, b"SSH-2.0-OpenSSH\r\n", Probe::No),
            (Direction::ToClient, b"HTT", Probe::More),
            (Direction::ToClient, b"HTTP/1.1 200 OK", Probe::Yes),
            (Direction::ToClient, b"220 welcome", Probe::No),
        ] {
            assert_eq!(probe(direction, bytes), told, "{}", bytes.escape_ascii());
        }
    }
}
