//! A capture shown to an engine, packet by packet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sakimori_inspection::{Checksums, Config, Engine, Limits, Path, Said, Verdict};
use sakimori_model::{Action, IntrusionPrevention, Mode, Now, Sid, Timestamp};
use sakimori_packet::{Transport, decode};
use sakimori_signatures::{Action as RuleAction, RuleSet};
use sakimori_stream::MidstreamPolicy;
use serde_json::{Value, json};

use crate::capture::Frame;
use crate::eve::{self, Occasion};
use crate::flows::Flows;
use crate::link::ip;

/// How a capture is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Rules that say `drop` or `reject` stop traffic, as if the engine were in its way; all only report otherwise.
    pub inline: bool,
    /// Packets with wrong checksums are looked at as well: captures taken on the machine that sends are full of them.
    pub ignore_checksums: bool,
    /// Connections whose beginning was not captured are looked at.
    pub midstream: bool,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames.
    pub frames: u64,
    /// Frames without an IP packet, or with a link layer that is not known.
    pub not_ip: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
    /// Alerts.
    pub alerts: u64,
    /// Packets that would have been dropped.
    pub dropped: u64,
}

/// A capture being shown to an engine.
#[derive(Debug)]
pub struct Replay {
    engine: Engine,
    rules: Arc<RuleSet>,
    places: BTreeMap<Sid, usize>,
    options: Options,
    flows: Flows,
    first: Option<Timestamp>,
    last: Timestamp,
    statistics: Statistics,
}

// === impl Replay ===

impl Replay {
    /// Nothing shown yet.
    pub fn new(rules: Arc<RuleSet>, options: Options) -> Self {
        let places = rules.rules().iter().enumerate().map(|(at, rule)| (rule.sid, at)).collect();
        let stops = rules
            .rules()
            .iter()
            .filter(|rule| options.inline && matches!(rule.action, RuleAction::Drop | RuleAction::Reject));
        let settings = IntrusionPrevention {
            mode: if options.inline { Mode::Prevent } else { Mode::Detect },
            rule_modes: stops.map(|rule| (rule.sid, Mode::Prevent)).collect(),
            answer_page: false,
            ..IntrusionPrevention::default()
        };
        let mut limits = Limits::default();
        if !options.midstream {
            limits.stream.midstream = MidstreamPolicy::Pass;
        }
        // Nobody was blocked by what was recorded, so neither number has to be a secret.
        let config = Config { limits, ..Config::new(settings, 1, 2) };
        let mut engine = Engine::new(config, Arc::clone(&rules));
        engine.keep_records();
        Self {
            engine,
            rules,
            places,
            options,
            flows: Flows::default(),
            first: None,
            last: Timestamp(0),
            statistics: Statistics::default(),
        }
    }

    /// Shows the next frame; what is said of it goes to `tell`, one event each.
    pub fn frame(&mut self, frame: Frame<'_>, tell: &mut impl FnMut(Value)) {
        self.statistics.frames += 1;
        let first = *self.first.get_or_insert(frame.at);
        self.last = self.last.max(frame.at);
        let Some(bytes) = ip(frame.link, frame.bytes) else {
            self.statistics.not_ip += 1;
            return;
        };
        self.statistics.bytes += bytes.len() as u64;
        let since = u64::try_from(self.last.0.saturating_sub(first.0)).unwrap_or(0);
        // A second at the beginning, so that timeouts can be told from "never".
        let monotonic = Duration::from_micros(since).saturating_add(Duration::from_secs(1));
        let now = Now { wall: frame.at, monotonic };
        let checksums =
            if self.options.ignore_checksums { Checksums::Ignore } else { Checksums::VerifyUnlessOffloaded };
        let judgement = self.engine.inspect_on(now, bytes, checksums, Path::Serving);
        let packet = decode(bytes);
        // each is a record as well
        let alerted = self.engine.drain_events().count() > 0;
        let mut counted = self.flows.count(frame.at, &packet);
        if let Some((flow, _)) = &mut counted {
            flow.alerted |= alerted;
        }
        let ports = match packet.transport {
            Transport::Tcp(tcp) => (Some(tcp.source_port), Some(tcp.destination_port)),
            Transport::Udp(udp) => (Some(udp.source_port), Some(udp.destination_port)),
            _ => (None, None),
        };
        let occasion = Occasion {
            at: frame.at,
            number: self.statistics.frames,
            source: (packet.source, ports.0),
            destination: (packet.destination, ports.1),
            protocol: packet.protocol,
            flow: counted.as_ref().map(|(flow, to_server)| (&**flow, *to_server)),
        };
        let Self { engine, statistics, places, rules, options, .. } = self;
        let mut others = Vec::new();
        for mut record in engine.drain_records() {
            let Said::Match(found) = &mut record.said else {
                others.push(record);
                continue;
            };
            statistics.alerts += 1;
            if !options.inline {
                found.action = Action::Detected;
            }
            let rule = places.get(&found.found.sid).and_then(|at| rules.rules().get(*at));
            tell(eve::record(&occasion, &record, rule));
        }
        if judgement.verdict == Verdict::Drop {
            statistics.dropped += 1;
            tell(eve::drop(&occasion, bytes.len(), packet.ttl));
        }
        for record in others {
            tell(eve::record(&occasion, &record, None));
        }
    }

    /// The capture is over: the flows and the statistics.
    pub fn end(self, tell: &mut impl FnMut(Value)) -> Statistics {
        let Self { flows, last, mut statistics, mut engine, places, rules, .. } = self;
        let late = Now { wall: last, monotonic: Duration::from_secs(u64::from(u32::MAX)) };
        while engine.expire(late) {}
        let flows = flows.all();
        for record in engine.drain_records() {
            let mut rule = None;
            if let Said::Match(found) = &record.said {
                statistics.alerts += 1;
                rule = places.get(&found.found.sid).and_then(|at| rules.rules().get(*at));
            }
            tell(eve::late_record(last, statistics.frames, &flows, &record, rule));
        }
        for flow in flows {
            tell(eve::flow(&flow, last));
        }
        let counters = engine.counters();
        tell(json!({
            "timestamp": eve::timestamp(last),
            "event_type": "stats",
            "stats": {
                "decoder": {
                    "pkts": statistics.frames,
                    "bytes": statistics.bytes,
                    "invalid": counters.packet_anomalies,
                },
                "detect": {"alert": statistics.alerts},
                "ips": {"blocked": statistics.dropped},
            },
        }));
        statistics
    }
}
