//! A capture shown to an engine, packet by packet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sakimori_inspection::{Checksums, Config, Engine, Frame as Inspected, Limits, Path, Said, Verdict};
use sakimori_model::{Action, IntrusionPrevention, Mode, Now, Sid, Timestamp};
use sakimori_packet::{Transport, decode};
use sakimori_signatures::{Action as RuleAction, RuleSet};
use sakimori_stream::MidstreamPolicy;
use serde_json::{Value, json};

use crate::capture::Frame;
use crate::eve::{self, Occasion};
use crate::flows::{Flows, Seen};
use crate::layers::{Fragments, Layer, layers};
use crate::link::{Stripped, strip};

/// How a capture is looked at.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent choices, each made by its name")]
pub struct Options {
    /// Rules that say `drop` or `reject` stop traffic, as if the engine were in its way; all only report otherwise.
    pub inline: bool,
    /// Packets with wrong checksums are looked at as well: captures taken on the machine that sends are full of them.
    pub ignore_checksums: bool,
    /// Version of the form of DNS events: 3, or 2.
    pub dns_version: u8,
    /// Addresses of the link are told.
    pub ethernet: bool,
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
    fragments: Fragments,
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
        let mut limits = Limits { strict: false, ..Limits::default() };
        if !options.midstream {
            limits.stream.midstream =
                if options.inline { MidstreamPolicy::Drop } else { MidstreamPolicy::Pass };
            limits.stream.start_grace = Duration::ZERO;
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
            fragments: Fragments::default(),
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
        let Some(link) = strip(frame.link, frame.bytes) else {
            self.statistics.not_ip += 1;
            return;
        };
        self.statistics.bytes += link.packet.len() as u64;
        let since = u64::try_from(self.last.0.saturating_sub(first.0)).unwrap_or(0);
        // A second at the beginning, so that timeouts can be told from "never".
        let monotonic = Duration::from_micros(since).saturating_add(Duration::from_secs(1));
        let now = Now { wall: frame.at, monotonic };
        while self.engine.expire(now) {}
        let mut dropped = false;
        for layer in layers(monotonic, &mut self.fragments, link.packet) {
            if dropped {
                break;
            }
            let length = if layer.depth > 0 { layer.bytes.len() } else { frame.bytes.len() };
            dropped = self.packet(now, &link, &layer, length, tell);
        }
        self.statistics.dropped += u64::from(dropped);
    }

    /// One packet of a frame; whether it was dropped.
    fn packet(
        &mut self,
        now: Now,
        link: &Stripped<'_>,
        layer: &Layer<'_>,
        length: usize,
        tell: &mut impl FnMut(Value),
    ) -> bool {
        let checksums =
            if self.options.ignore_checksums { Checksums::Ignore } else { Checksums::VerifyUnlessOffloaded };
        let judgement = self.engine.inspect_frame(
            now,
            &layer.bytes,
            &Inspected { checksums, path: Path::Serving, vlans: link.vlans, oddities: &layer.oddities },
        );
        // each is a record as well
        let alerted = self.engine.drain_events().count() > 0;
        let dropped = judgement.verdict == Verdict::Drop;
        let packet = decode(&layer.bytes);
        let mut others = Vec::new();
        let (mut because, mut refused, mut passed) = (None, None, Vec::new());
        let Self { engine, statistics, places, rules, options, flows, .. } = self;
        let records: Vec<_> = engine.drain_records().collect();
        let seen = Seen { length, depth: layer.depth, dropped: dropped && options.inline };
        let mut counted = flows.count(now.wall, &packet, link, seen);
        if let Some((flow, _)) = &mut counted {
            flow.alerted |= alerted;
            flow.dropped |= dropped && options.inline;
            for record in &records {
                if matches!(record.said, Said::Spoken) {
                    flow.spoken = record.protocol;
                }
            }
        }
        let ports = packet.ports().unzip();
        let occasion = Occasion {
            at: now.wall,
            number: statistics.frames,
            source: (packet.source, ports.0),
            destination: (packet.destination, ports.1),
            protocol: packet.protocol,
            seen_on: layer.seen_on,
            tunnel: layer.around.map(|(source, destination, protocol)| eve::Tunnel {
                source,
                destination,
                protocol,
                depth: layer.depth,
            }),
            dns: options.dns_version,
            link: options.ethernet.then_some(link.macs).flatten(),
            icmp: match packet.transport {
                Transport::Icmp(icmp) => Some((icmp.kind, icmp.code)),
                _ => None,
            },
            flow: counted.as_ref().map(|(flow, to_server)| (&**flow, *to_server)),
        };
        for mut record in records {
            let Said::Match(found) = &mut record.said else {
                match record.said {
                    Said::Spoken => {}
                    Said::Passed => passed.push(record.flow),
                    Said::Refused(why) => refused = Some(why),
                    _ => others.push(record),
                }
                continue;
            };
            if !options.inline {
                found.action = Action::Detected;
            }
            let rule = places.get(&found.found.sid).and_then(|at| rules.rules().get(*at));
            if found.action == Action::Blocked {
                because = Some(((**found).clone(), rule));
            }
            if rule.is_none_or(|rule| rule.reports) {
                statistics.alerts += 1;
                tell(eve::record(&occasion, &record, rule));
            }
        }
        if dropped {
            let reason = match (refused, &because) {
                (Some(why), _) => why,
                (None, Some(_)) => "rules",
                (None, None) => "flow drop",
            };
            tell(eve::drop(&occasion, &packet, reason, because.as_ref().map(|(found, rule)| (found, *rule))));
        }
        for record in &others {
            tell(eve::record(&occasion, record, None));
        }
        for flow in &passed {
            flows.let_pass(flow);
        }
        dropped
    }

    /// The capture is over: the flows and the statistics.
    pub fn end(self, tell: &mut impl FnMut(Value)) -> Statistics {
        let Self { mut flows, last, mut statistics, mut engine, places, rules, options, .. } = self;
        let late = Now { wall: last, monotonic: Duration::from_secs(u64::from(u32::MAX)) };
        while engine.expire(late) {}
        let records: Vec<_> = engine.drain_records().collect();
        for record in &records {
            if record.said == Said::Passed {
                flows.let_pass(&record.flow);
            }
        }
        let flows = flows.all();
        for record in records {
            let mut rule = None;
            if let Said::Match(found) = &record.said {
                statistics.alerts += 1;
                rule = places.get(&found.found.sid).and_then(|at| rules.rules().get(*at));
            }
            if matches!(record.said, Said::Spoken | Said::Passed | Said::Refused(_)) {
                continue;
            }
            tell(eve::late_record(last, statistics.frames, &flows, &record, rule));
        }
        for flow in flows {
            tell(eve::flow(&flow, last, options.ethernet));
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
