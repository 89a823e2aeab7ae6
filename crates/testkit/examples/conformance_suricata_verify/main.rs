//! Suricata's own test-suite against this engine: `cargo xtask conformance suricata-verify --tests DIR`.
//!
//! Of each test folder `test.yaml`, rules and capture are read; what the engine says of the capture is filtered and counted
//! as the test asks. What a test needs beyond that is named as the reason of its being skipped.
//!
//! A second argument takes only the tests with it in their names and says how each came out; `SAKIMORI_SHOW` in the environment
//! shows all events of those that fail.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

mod filter;
mod settings;
mod test;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sakimori_testkit::report::{Report, Target};
use test::Outcome;

/// Reasons that are listed.
const REASONS: usize = 60;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: conformance_suricata_verify DIR [NAME]")?);
    let only = arguments.next().and_then(|name| name.into_string().ok());
    if !folder.is_dir() {
        bail!("there is no folder {}: --tests names the folder with the tests", folder.display());
    }
    let mut tests = Vec::new();
    collect(&folder, &mut tests)?;
    tests.sort();
    if tests.is_empty() {
        bail!("no test.yaml below {}", folder.display());
    }
    let mut tally = Tally::default();
    for path in &tests {
        let name = path.strip_prefix(&folder).unwrap_or(path).display().to_string();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let told = test::run(path, &name);
        if only.is_some() {
            println!("{name}: {:?}", told.outcome);
        }
        tally.add(&name, told);
    }
    tally.print();
    let report = tally.report();
    report.print();
    Ok(if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn collect(folder: &Path, tests: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if folder.join("test.yaml").is_file() {
        tests.push(folder.to_owned());
    }
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, tests)?;
        }
    }
    Ok(())
}

/// Passed, failed, skipped.
type Counts = [usize; 3];

#[derive(Default)]
struct Tally {
    all: Counts,
    evader: Counts,
    inline: Counts,
    protocols: BTreeMap<String, Counts>,
    skipped: BTreeMap<String, usize>,
    failed: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, name: &str, told: test::Told) {
        let at = match &told.outcome {
            Outcome::Passed => 0,
            Outcome::Failed(why) => {
                *self.failed.entry(why.clone()).or_default() += 1;
                1
            }
            Outcome::Skipped(why) => {
                *self.skipped.entry(why.clone()).or_default() += 1;
                2
            }
        };
        let mut counts = vec![&mut self.all, self.protocols.entry(told.protocol).or_default()];
        if name.contains("http-evader") {
            counts.push(&mut self.evader);
        }
        if told.inline {
            counts.push(&mut self.inline);
        }
        for count in counts.into_iter().filter_map(|counts| counts.get_mut(at)) {
            *count += 1;
        }
    }

    fn print(&self) {
        println!("\npassed failed skipped  protocol");
        for (protocol, [passed, failed, skipped]) in &self.protocols {
            println!("{passed:>6} {failed:>6} {skipped:>7}  {protocol}");
        }
        for (title, reasons) in [("skipped", &self.skipped), ("failed", &self.failed)] {
            let mut reasons: Vec<_> = reasons.iter().collect();
            reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            println!("\n{title}, by reason:");
            for (reason, count) in reasons.iter().take(REASONS) {
                println!("{count:>6}  {reason}");
            }
            let others: usize = reasons.iter().skip(REASONS).map(|(_, count)| **count).sum();
            if others > 0 {
                println!("{others:>6}  other reasons");
            }
        }
        let [passed, failed, skipped] = self.all;
        println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    }

    fn report(&self) -> Report {
        let mut report = Report::new("conformance suricata-verify");
        let [passed, failed, skipped] = self.all;
        report.add("passed", number(passed), "tests", Target::None);
        report.add("failed", number(failed), "tests", Target::None);
        report.add("skipped", number(skipped), "tests", Target::None);
        report.add("passed_percent", percent(self.all), "%", Target::AtLeast(95.0));
        report.add("http_evader_passed_percent", percent(self.evader), "%", Target::AtLeast(100.0));
        report.add("ips_passed_percent", percent(self.inline), "%", Target::AtLeast(95.0));
        report
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of tests")]
fn number(count: usize) -> f64 {
    count as f64
}

fn percent([passed, failed, _]: Counts) -> f64 {
    number(passed) / number(passed + failed).max(1.0) * 100.0
}
