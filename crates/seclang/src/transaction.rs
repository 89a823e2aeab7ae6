//! A transaction: fed with what goes over the wire, asked after each phase.

mod body;
mod effects;
mod evaluate;
mod gather;
mod lookup;
mod request;
mod response;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sakimori_model::Timestamp;

use crate::parse::targets::Target;
use crate::prefilter::Bits;
use crate::ruleset::Ruleset;
use crate::settings::Engine;
use crate::store::{Address, Store};
use crate::values::{ValueId, Values};
use crate::variable::Variable;
use crate::verdict::{Match, Verdict};

/// What is known when a transaction begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who asks.
    pub client: SocketAddr,
    /// Who is asked.
    pub server: SocketAddr,
    /// A name that no other transaction has.
    pub unique_id: String,
    /// The time.
    pub now: Timestamp,
}

/// The name of what has none: the first value, which is empty.
const NO_NAME: ValueId = 0;

/// A named value.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: ValueId,
    value: ValueId,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
struct Gathered {
    variable: Variable,
    name: Option<ValueId>,
    value: ValueId,
}

/// Targets after transformations, as they are now.
#[derive(Debug, Default)]
struct Batch {
    generation: u32,
    targets: Vec<Gathered>,
    /// Filters that any of them passed.
    passed: Bits,
}

/// A value that is kept, or one of its own.
#[derive(Clone, Debug)]
enum Held {
    Kept(ValueId),
    Own(Vec<u8>),
}

/// A value that matched.
#[derive(Clone, Debug)]
struct Hit {
    variable: Variable,
    name: Option<Held>,
    value: Held,
}

/// A transaction.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that rules turn by themselves")]
pub struct Transaction<'r> {
    rules: &'r Ruleset,
    store: &'r dyn Store,
    now: Timestamp,
    opened: Timestamp,
    engine: Engine,
    values: Values,
    /// Values of the request and the response, by variable.
    entries: Vec<Vec<Entry>>,
    /// Grows with each change of them.
    generation: u32,
    gathered: Vec<(u32, Vec<Gathered>)>,
    batches: Vec<Batch>,
    /// For each `XPath` of the rules what it selects.
    paths: Vec<Vec<ValueId>>,
    tx: BTreeMap<Vec<u8>, Vec<u8>>,
    env: BTreeMap<Vec<u8>, Vec<u8>>,
    persistent: Vec<Address>,
    removed: Bits,
    removed_targets: Vec<(Bits, Vec<Target>)>,
    processor: &'static str,
    force_request_body: bool,
    request_body_access: bool,
    request_body_limit: usize,
    response_body_access: bool,
    /// The type of the response is one of those whose bodies are looked at.
    response_type_wanted: bool,
    content_type: Vec<u8>,
    response_body_limit: usize,
    request_body: Vec<u8>,
    request_body_length: usize,
    response_body: Vec<u8>,
    response_body_length: usize,
    phase: u8,
    allowed: bool,
    allowed_request: bool,
    /// What the rule before in the chain matched, and what this one does.
    before: Vec<Hit>,
    hits: Vec<Hit>,
    rule: usize,
    /// Patterns that were given up for their steps back.
    given_up: std::cell::Cell<u32>,
    highest_severity: u8,
    audit: bool,
    matches: Vec<Match>,
    verdict: Verdict,
    would: Verdict,
}

impl Ruleset {
    /// Begins a transaction.
    pub fn transaction<'r>(&'r self, store: &'r dyn Store, opening: &Opening) -> Transaction<'r> {
        let settings = &self.settings;
        let mut transaction = Transaction {
            rules: self,
            store,
            now: opening.now,
            opened: opening.now,
            engine: settings.engine,
            values: Values::with(Vec::new()),
            entries: vec![Vec::new(); Variable::COUNT],
            generation: 1,
            gathered: std::iter::repeat_with(|| (0, Vec::new())).take(self.targets.len()).collect(),
            batches: std::iter::repeat_with(Batch::default).take(self.batches.len()).collect(),
            paths: vec![Vec::new(); self.paths.len()],
            tx: BTreeMap::new(),
            env: BTreeMap::new(),
            persistent: Vec::new(),
            removed: Bits::default(),
            removed_targets: Vec::new(),
            processor: "",
            force_request_body: false,
            request_body_access: settings.request_body,
            request_body_limit: settings.request_body_limit,
            response_body_access: settings.response_body,
            response_type_wanted: false,
            content_type: Vec::new(),
            response_body_limit: settings.response_body_limit,
            request_body: Vec::new(),
            request_body_length: 0,
            response_body: Vec::new(),
            response_body_length: 0,
            phase: 0,
            allowed: false,
            allowed_request: false,
            before: Vec::new(),
            hits: Vec::new(),
            rule: 0,
            given_up: std::cell::Cell::new(0),
            highest_severity: u8::MAX,
            audit: true,
            matches: Vec::new(),
            verdict: Verdict::Pass,
            would: Verdict::Pass,
        };
        transaction.open(opening);
        transaction
    }
}

impl Transaction<'_> {
    /// What is to be done now.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What the first blocking rule says, whether the engine blocks or not.
    pub fn would(&self) -> &Verdict {
        &self.would
    }

    /// Rules that matched, in their order.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// A variable of `TX`, such as a score.
    pub fn tx(&self, name: &str) -> Option<&[u8]> {
        self.tx.get(name.to_ascii_lowercase().as_bytes()).map(Vec::as_slice)
    }

    /// Whether anything was left out for want of memory or of time.
    pub fn is_exhausted(&self) -> bool {
        self.values.exhausted || self.given_up.get() > 0
    }

    /// Runs the rules of the last phase.
    pub fn finish(&mut self, now: Timestamp) {
        self.now = now;
        self.run(5);
    }

    fn open(&mut self, opening: &Opening) {
        self.set(Variable::RemoteAddr, opening.client.ip().to_canonical().to_string());
        self.set(Variable::RemoteHost, opening.client.ip().to_canonical().to_string());
        self.set(Variable::UseragentIp, opening.client.ip().to_canonical().to_string());
        self.set(Variable::RemotePort, opening.client.port().to_string());
        self.set(Variable::ServerAddr, opening.server.ip().to_canonical().to_string());
        self.set(Variable::ServerPort, opening.server.port().to_string());
        self.set(Variable::UniqueId, opening.unique_id.as_str());
        self.set_time();
        for zero in [
            Variable::ReqbodyError,
            Variable::ReqbodyProcessorError,
            Variable::UrlencodedError,
            Variable::InboundDataError,
            Variable::OutboundDataError,
            Variable::MultipartStrictError,
            Variable::MultipartUnmatchedBoundary,
        ] {
            self.set(zero, "0");
        }
    }

    /// Time of day and of year in UTC.
    fn set_time(&mut self) {
        let seconds = self.now.0.div_euclid(1_000_000);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let (year, month, day) = civil(days);
        let week_day = (days + 4).rem_euclid(7);
        self.set(Variable::Time, format!("{hour:02}:{minute:02}:{second:02}"));
        for (variable, value) in [
            (Variable::TimeEpoch, seconds),
            (Variable::TimeHour, hour),
            (Variable::TimeMin, minute),
            (Variable::TimeSec, second),
            (Variable::TimeDay, day),
            (Variable::TimeMon, month - 1),
            (Variable::TimeYear, year),
            (Variable::TimeWday, week_day),
        ] {
            self.set(variable, value.to_string());
        }
    }

    /// Sets a variable that has one value.
    fn set(&mut self, variable: Variable, value: impl Into<Vec<u8>>) {
        if !self.rules.reads(variable) {
            return;
        }
        let value = self.values.add(value.into());
        self.generation += 1;
        if let Some(list) = self.entries.get_mut(variable as usize) {
            list.clear();
            list.push(Entry { name: NO_NAME, value });
        }
    }

    /// Adds a named value.
    fn push(&mut self, variable: Variable, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        if !self.rules.reads(variable) {
            return;
        }
        let name = self.values.add(name.into());
        let value = self.values.add(value.into());
        self.generation += 1;
        if let Some(list) = self.entries.get_mut(variable as usize) {
            list.push(Entry { name, value });
        }
    }

    fn entries(&self, variable: Variable) -> &[Entry] {
        self.entries.get(variable as usize).map(Vec::as_slice).unwrap_or_default()
    }

    fn held<'h>(&'h self, held: &'h Held) -> &'h [u8] {
        match held {
            Held::Kept(id) => self.values.bytes(*id),
            Held::Own(bytes) => bytes,
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01, by Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_are_dates() {
        assert_eq!(super::civil(0), (1970, 1, 1));
        assert_eq!(super::civil(20_787), (2026, 11, 30));
        assert_eq!(super::civil(11_016), (2000, 2, 29));
    }
}
