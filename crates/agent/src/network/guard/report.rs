//! The guard's numbers and words: sums over workers and tables, what was missed, how the module is.

use super::super::channel::CageReport;
use super::super::session::gap;
use super::super::tally::Tally;
use super::Guard;
use sakimori_kernel::nfqueue::{Verdict, read_statistics};
use sakimori_kernel::nftables::{COUNTER_OF_BLOCKED, Count, CounterKind, Counters};
use sakimori_kernel::{clock, interface};
use sakimori_model::{Action, Mode, PortRange, Severity, Timestamp};
use sakimori_modules::agent::Notice;
use sakimori_modules::firewall::{Except, FirewallRule};
use sakimori_modules::{Context, firewall, intrusion_prevention, web_application_firewall, web_reputation};
use sakimori_protocol::{Event, ModuleState, ModuleStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Sums over all workers; given on over [`super::Network::hand_over`].
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::network) struct Totals {
    pub(in crate::network) tally: Tally,
    pub(in crate::network) judged: u64,
    pub(in crate::network) restarts: u64,
    /// Packets answered by the guard: passed or refused uninspected.
    pub(in crate::network) passed: u64,
    pub(in crate::network) refused: u64,
    /// Packets that the kernel let by (or dropped) because the queue was full.
    pub(in crate::network) overflowed: u64,
    /// Counters of tables that were removed.
    pub(in crate::network) kernel: KernelTotals,
    /// Packets that the present table had queued more than were seen, when it was first looked at. Negative after
    /// a former table was removed.
    pub(in crate::network) queued_before: Option<i64>,
    pub(in crate::network) overflow_told: u64,
}

/// The table's packet counters, summed over its paths.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::network) struct KernelTotals {
    queued: u64,
    passed: u64,
    refused: u64,
    blocked: u64,
    done: u64,
}

/// Counters of rules that a status has: a manager takes 256 counters of a module.
const RULE_COUNTERS: usize = 160;
/// Sources that are kept out which a status names.
const BLOCKED_SHOWN: usize = 40;

/// Those of the rules that counted most, and the sum of the others.
fn most_used(counters: Vec<(String, u64)>) -> Vec<(String, u64)> {
    if counters.len() <= RULE_COUNTERS {
        return counters;
    }
    let mut order: Vec<usize> = (0..counters.len()).collect();
    // Of those that counted alike, the ones that are asked first.
    order.sort_by_key(|at| std::cmp::Reverse(counters.get(*at).map(|(_, value)| *value)));
    let kept: BTreeSet<usize> = order.into_iter().take(RULE_COUNTERS).collect();
    let mut others = 0_u64;
    let mut most = Vec::with_capacity(RULE_COUNTERS + 1);
    for (at, (name, value)) in counters.into_iter().enumerate() {
        // What no rule named is always told.
        if kept.contains(&at) || !name.starts_with("rule:") {
            most.push((name, value));
        } else {
            others = others.saturating_add(value);
        }
    }
    most.push(("other-rules".to_owned(), others));
    most
}

// === impl Guard ===

impl Guard {
    /// Packets that were queued by the table and never seen by anybody: the queue or its socket was full.
    ///
    /// The counters are read one after another while packets move on between them: one that the table has counted
    /// may not be in the queue yet, and one that has its verdict may not be counted as judged yet. So a
    /// difference counts only as far as it stays over several looks.
    pub(super) fn look_for_overflow(&mut self) -> Counters {
        /// What is on its way arrives within microseconds; a processor's time slice is a few milliseconds.
        const LOOKS: u32 = 10;
        const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
        let (mut counters, mut missing) = self.missing();
        for _ in 1..LOOKS {
            if missing <= self.totals.overflowed {
                break;
            }
            clock::sleep(BETWEEN_LOOKS);
            let again = self.missing();
            counters = again.0;
            missing = missing.min(again.1);
        }
        self.totals.overflowed = self.totals.overflowed.max(missing);
        let untold = self.totals.overflowed - self.totals.overflow_told;
        if untold > 0 {
            self.totals.overflow_told = self.totals.overflowed;
            let open = self.failure_response() == Verdict::Accept;
            let what = if open { "packets-uninspected" } else { "packets-refused" };
            self.untold.push(gap(what, untold, "queue-overflow"));
        }
        counters
    }

    /// The table's counters, and how many packets it has queued that nobody has seen, at one look.
    fn missing(&mut self) -> (Counters, u64) {
        let counters = self.table.read_counters().unwrap_or_default();
        let queued = counters.total(CounterKind::Queued).packets;
        let waiting = read_statistics(self.fixed.number).ok().flatten().map_or(0, |s| u64::from(s.waiting));
        let seen = self.judged() + self.totals.passed + self.totals.refused + waiting;
        let [queued, seen] = [queued, seen].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let already = i64::try_from(self.totals.overflowed).unwrap_or(i64::MAX);
        let base = *self
            .totals
            .queued_before
            .get_or_insert_with(|| queued.saturating_sub(seen).saturating_sub(already));
        let missing = queued.saturating_sub(base).saturating_sub(seen);
        (counters, u64::try_from(missing).unwrap_or(0))
    }

    fn judged(&self) -> u64 {
        let running = self.session.as_ref();
        let running = running.map_or(0, |s| s.progress.judged.load(std::sync::atomic::Ordering::Relaxed));
        self.totals.judged + running
    }

    pub(super) fn tell(&mut self) {
        let untold = std::mem::take(&mut self.untold);
        if !untold.is_empty() {
            self.events.give(&untold);
        }
    }

    /// Puts the present state where [`super::Network::status`] finds it.
    pub(in crate::network) fn show(&mut self) {
        let mut kernel = self.totals.kernel;
        kernel.add(&self.look_for_overflow());
        let mut counters = self.totals.tally.named(self.session.as_ref().map(|s| &s.page));
        let open = self.failure_response() == Verdict::Accept;
        let (passed_over, refused_over) =
            if open { (self.totals.overflowed, 0) } else { (0, self.totals.overflowed) };
        let own = [
            ("packets-queued", kernel.queued),
            ("packets-judged", self.judged()),
            ("packets-uninspected", self.totals.passed + passed_over + kernel.passed),
            ("packets-refused", self.totals.refused + refused_over + kernel.refused),
            ("packets-blocked-in-kernel", kernel.blocked),
            ("packets-done-in-kernel", kernel.done),
            ("worker-restarts", self.totals.restarts),
        ];
        counters.extend(own.map(|(name, value)| (name.to_owned(), value)));
        if let Some(plan) = &self.plan {
            counters.extend(self.contexts(plan.signature_contexts()));
        }
        let settings = self.plan.as_ref().map(|plan| &plan.settings);
        let mode = settings.map_or(Mode::Off, |s| s.mode);
        let (state, reasons) = self.state(mode);
        let (sites, counters): (Vec<_>, Vec<_>) =
            counters.into_iter().partition(|(name, _)| name.starts_with("sites-"));
        let (waf, counters): (Vec<_>, Vec<_>) =
            counters.into_iter().partition(|(name, _)| name.starts_with("waf-"));
        let waf = self.waf_status(waf);
        let works = |state| matches!(state, ModuleState::Active | ModuleState::Degraded);
        let judges = self.plan.as_ref().is_some_and(|plan| plan.waf.judges());
        let looks = works(state) || works(waf.state) && judges;
        let ports: Vec<PortRange> = match settings {
            Some(settings) if looks && self.session.is_some() => settings.http_ports.clone(),
            _ => Vec::new(),
        };
        let status = ModuleStatus {
            module: intrusion_prevention::MODULE.id.to_owned(),
            state,
            mode: wire(mode),
            reasons,
            rules: self.rules,
            counters,
        };
        let statuses = vec![status, self.firewall_status(), self.web_status(sites), waf];
        if let Ok(mut view) = self.view.lock() {
            view.statuses = statuses;
            view.ports = ports;
        }
    }

    /// Which of these contexts hold, as counters: 1 or 0 by name.
    fn contexts<'a>(&self, of: impl Iterator<Item = &'a Context>) -> Vec<(String, u64)> {
        let names: BTreeSet<String> = of.map(Context::label).collect();
        let known = self.schedule.contexts();
        let holds = |name: &String| u64::from(known.get(name).copied().unwrap_or_default());
        names.into_iter().map(|name| (format!("context:{name}"), holds(&name))).collect()
    }

    /// The kernel enforces it by itself: a worker that restarts makes no difference.
    fn firewall_status(&mut self) -> ModuleStatus {
        let mode = self.plan.as_ref().map_or(Mode::Off, |plan| plan.firewall.mode.into());
        let mut reasons = Vec::new();
        if self.fixed.samples.is_none() || !self.capabilities.samples {
            reasons.push("no-packet-samples".to_owned());
        }
        if !self.capabilities.interface_kinds {
            reasons.push("containers-not-seen".to_owned());
        }
        if self.firewall.has_arp() && !self.table.filters_arp() {
            reasons.push("arp-not-filtered".to_owned());
        }
        if !self.firewall.frames.is_empty() && !self.table.filters_frames(&self.firewall.frames) {
            reasons.push("frames-not-filtered".to_owned());
        }
        let lacks = self.table.lacks(&self.firewall);
        let lacking = [
            (lacks.limits, "connections-not-counted"),
            (lacks.fragments, "fragments-not-seen"),
            (lacks.cookies, "half-open-not-limited"),
            (lacks.timeouts, "timeouts-not-set"),
            (lacks.ftp, "ftp-not-followed"),
        ];
        reasons.extend(lacking.iter().filter(|(lacks, _)| *lacks).map(|(_, reason)| (*reason).to_owned()));
        if self.names_missing_interface() {
            reasons.push("interface-missing".to_owned());
        }
        let values = self.table.read_firewall_counters().unwrap_or_default();
        let named = self.firewall.all_counters().map(|counter| {
            let default = || counter.default_name().to_owned();
            let name = counter.rule.as_ref().map_or_else(default, |rule| format!("rule:{rule}"));
            (name, values.get(&counter.name).map_or(0, |count| count.packets))
        });
        let named = most_used(named.collect());
        let contexts = self.plan.as_ref().map(|plan| self.contexts(plan.firewall_contexts()));
        let blocked = self.blocked(&values);
        let counters = blocked.into_iter().chain(named).chain(contexts.unwrap_or_default()).collect();
        let rules = self.firewall.all_counters().filter(|counter| counter.rule.is_some()).count();
        // An interface may come later: all rules are enforced.
        let whole = reasons.iter().all(|reason| reason == "interface-missing");
        let state = match (mode, whole) {
            (Mode::Off, _) => ModuleState::Off,
            (_, true) => ModuleState::Active,
            (_, false) => ModuleState::Degraded,
        };
        ModuleStatus {
            module: firewall::MODULE.id.to_owned(),
            state,
            mode: wire(mode),
            reasons: if mode == Mode::Off { Vec::new() } else { reasons },
            rules: u32::try_from(rules).unwrap_or(u32::MAX),
            counters,
        }
    }

    /// Sources that are kept out, with the moment that ends it, and packets that were dropped for it.
    fn blocked(&self, values: &BTreeMap<String, Count>) -> Vec<(String, u64)> {
        let Some(dropped) = values.get(COUNTER_OF_BLOCKED) else { return Vec::new() };
        let blocked = self.events.blocks.all();
        let count = u64::try_from(blocked.len()).unwrap_or(u64::MAX);
        let sums = [("blocked-sources", count), ("blocked-source-packets", dropped.packets)];
        let sums = sums.map(|(name, value)| (name.to_owned(), value));
        let now = u64::try_from(clock::wall_micros() / 1_000_000).unwrap_or_default();
        let each = blocked
            .iter()
            .take(BLOCKED_SHOWN)
            .map(|one| (format!("blocked:{}", one.source()), now.saturating_add(one.left.as_secs())));
        sums.into_iter().chain(each).collect()
    }

    /// Whether a rule that is on waits for an interface that is not there.
    fn names_missing_interface(&self) -> bool {
        let Some(plan) = &self.plan else { return false };
        let waits = |rule: &&FirewallRule| {
            rule.mode != sakimori_modules::Mode::Off && !rule.not.contains(&Except::Interfaces)
        };
        let rules = plan.firewall.rules.values().filter(waits);
        let mut exact =
            rules.flat_map(|rule| &rule.interfaces).filter(|name| !name.ends_with('*')).peekable();
        if exact.peek().is_none() {
            return false;
        }
        let there = interface::all().unwrap_or_default();
        exact.any(|name| !there.iter().any(|interface| interface.name == *name))
    }

    fn web_status(&self, mut counters: Vec<(String, u64)>) -> ModuleStatus {
        let mode = self.plan.as_ref().map_or(Mode::Off, |plan| plan.web.mode.into());
        let (mut state, mut reasons) = self.state(mode);
        if mode != Mode::Off && self.sites == 0 {
            reasons.push("no-lists".to_owned());
        }
        if mode != Mode::Off && !self.capabilities.interface_kinds {
            reasons.push("containers-not-seen".to_owned());
        }
        if state == ModuleState::Active && !reasons.is_empty() {
            state = ModuleState::Degraded;
        }
        counters.push(("list-entries".to_owned(), self.sites));
        ModuleStatus {
            module: web_reputation::MODULE.id.to_owned(),
            state,
            mode: wire(mode),
            reasons,
            rules: u32::try_from(self.sites).unwrap_or(u32::MAX),
            counters,
        }
    }

    fn waf_status(&self, counters: Vec<(String, u64)>) -> ModuleStatus {
        let mode = self.plan.as_ref().map_or(Mode::Off, |plan| plan.waf.settings.mode.into());
        let (mut state, mut reasons) = self.state(mode);
        if mode != Mode::Off && self.plan.as_ref().is_some_and(|plan| !plan.waf.judges()) {
            // Without a plan for the worker there is none, and nothing is the matter with it.
            reasons = vec!["no-rule-set".to_owned()];
            state = ModuleState::Degraded;
        }
        ModuleStatus {
            module: web_application_firewall::MODULE.id.to_owned(),
            state,
            mode: wire(mode),
            reasons,
            rules: self.waf_rules,
            counters,
        }
    }

    fn state(&self, mode: Mode) -> (ModuleState, Vec<String>) {
        if mode == Mode::Off {
            return (ModuleState::Off, Vec::new());
        }
        let Some(session) = &self.session else {
            let hopeless = self.outage.as_ref().is_some_and(|outage| outage.attempts >= 3);
            let state = if hopeless { ModuleState::Failed } else { ModuleState::Degraded };
            return (state, vec!["worker-restarting".to_owned()]);
        };
        let reasons: Vec<String> = session
            .cage
            .as_ref()
            .map(cage_reasons)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let state = if reasons.is_empty() { ModuleState::Active } else { ModuleState::Degraded };
        (state, reasons)
    }
}

impl KernelTotals {
    pub(super) fn add(&mut self, counters: &Counters) {
        let total = |kind| counters.total(kind).packets;
        self.queued += total(CounterKind::Queued);
        self.passed += total(CounterKind::Passed);
        self.refused += total(CounterKind::Refused);
        self.blocked += total(CounterKind::Blocked);
        self.done += total(CounterKind::Done);
    }
}

const fn wire(mode: Mode) -> sakimori_protocol::Mode {
    match mode {
        Mode::Off => sakimori_protocol::Mode::Off,
        Mode::Detect => sakimori_protocol::Mode::Detect,
        Mode::Prevent => sakimori_protocol::Mode::Prevent,
    }
}

/// Which layers of the cage this kernel lacks.
fn cage_reasons(cage: &CageReport) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if cage.landlock_abi == 0 {
        reasons.push("sandbox-without-landlock");
    }
    if !cage.seccomp {
        reasons.push("sandbox-without-seccomp");
    }
    reasons
}

pub(super) fn notice(code: &str, args: &[(&str, &str)]) -> Event {
    let module = intrusion_prevention::MODULE.id;
    let at = Timestamp(clock::wall_micros());
    Event::new(at, module, Severity::Medium, Action::Noted, &Notice::new(code, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_rules_that_counted_most_and_the_sum_of_the_others() {
        let counters: Vec<(String, u64)> = (0..1000).map(|n| (format!("rule:{n}"), n % 500)).collect();
        let mut with_default = counters.clone();
        with_default.push(("default-inbound".to_owned(), 0));
        let shown = most_used(with_default);
        assert_eq!(shown.len(), RULE_COUNTERS + 2);
        assert_eq!(
            shown.iter().map(|(_, value)| value).sum::<u64>(),
            counters.iter().map(|(_, value)| value).sum::<u64>()
        );
        assert!(
            shown.iter().any(|(name, _)| name == "rule:499")
                && shown.iter().any(|(name, _)| name == "rule:999")
        );
        assert!(!shown.iter().any(|(name, _)| name == "rule:0"));
        let few = counters.into_iter().take(RULE_COUNTERS).collect::<Vec<_>>();
        assert_eq!(most_used(few.clone()), few);
    }
}
