//! The numbers that a worker publishes, and their sum over all workers so far.

use sakimori_inspection::Counters;
use sakimori_kernel::ring::counters::CounterPage;

/// Places in the page; the wire between a worker and its supervisor, so only ever appended to.
const NAMES: [&str; 20] = [
    "packets",
    "bytes",
    "flows",
    "flows-midstream",
    "flows-blocked",
    "blocked",
    "detected",
    "packets-dropped",
    "packets-not-inspected",
    "anomalies-packet",
    "anomalies-stream",
    "anomalies-http",
    "http-requests",
    "events-lost",
    "sites-blocked",
    "sites-detected",
    "waf-requests",
    "waf-blocked",
    "waf-detected",
    "waf-bodies-not-inspected",
];
/// The judging thread's heartbeat: grows with every turn of its loop.
const HEARTBEAT: usize = 32;

/// Publishes a worker's numbers.
pub(super) fn publish(page: &CounterPage, c: &Counters) {
    let values = [
        c.packets,
        c.bytes,
        c.stream.flows_started,
        c.stream.midstream,
        c.stream.blocked,
        c.matches_blocked,
        c.matches_detected,
        c.dropped,
        c.not_inspected,
        c.packet_anomalies,
        c.stream_anomalies,
        c.http_anomalies,
        c.http_requests,
        c.events_lost,
        c.sites_blocked,
        c.sites_detected,
        c.waf_requests,
        c.waf_blocked,
        c.waf_detected,
        c.waf_unread,
    ];
    for (at, value) in values.into_iter().enumerate() {
        page.store(at, value);
    }
}

/// Says that the judging thread is alive.
pub(super) fn beat(page: &CounterPage, turns: u64) {
    page.store(HEARTBEAT, turns);
}

/// The last heartbeat.
pub(super) fn heartbeat(page: &CounterPage) -> u64 {
    page.load(HEARTBEAT)
}

/// The sums over the workers that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Tally(Vec<u64>);

impl Tally {
    /// Adds an ended worker's numbers.
    pub(super) fn add(&mut self, page: &CounterPage) {
        self.0.resize(NAMES.len(), 0);
        for (at, sum) in self.0.iter_mut().enumerate() {
            *sum = sum.saturating_add(page.load(at));
        }
    }

    /// All numbers by name, with those of the running worker.
    pub(super) fn named(&self, running: Option<&CounterPage>) -> Vec<(String, u64)> {
        let value = |at: usize| {
            let ended: u64 = self.0.get(at).copied().unwrap_or(0);
            ended.saturating_add(running.map_or(0, |page| page.load(at)))
        };
        NAMES.iter().enumerate().map(|(at, name)| ((*name).to_owned(), value(at))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_ended_and_running_workers_add_up() {
        let pages = [(); 2].map(|()| CounterPage::open(&CounterPage::create().unwrap()).unwrap());
        let counters = Counters { packets: 3, matches_blocked: 2, ..Counters::default() };
        let mut tally = Tally::default();
        for page in &pages {
            publish(page, &counters);
        }
        let [ended, running] = &pages;
        tally.add(ended);
        let named = tally.named(Some(running));
        let value = |name| named.iter().find(|(n, _)| n == name).unwrap().1;
        assert_eq!((value("packets"), value("blocked"), value("events-lost")), (6, 4, 0));
    }
}
