//! The web application firewall's engine over whole requests: `waf crs RULES TESTS`, `waf benign RULES`, `waf bench RULES`.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and measures real time")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

mod bench;
mod benign;
mod blocking;
mod crs;
mod engine;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sakimori_testkit::report::Report;

const USAGE: &str = "usage: waf crs RULES TESTS | waf benign RULES | waf bench RULES";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let word = arguments.next().context(USAGE)?;
    let folders: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    for folder in &folders {
        if !folder.is_dir() {
            bail!("the folder {} is not there", folder.display());
        }
    }
    let report = match (word.to_str(), folders.as_slice()) {
        (Some("crs"), [rules, tests]) => crs::run(rules, tests)?,
        (Some("benign"), [rules]) => {
            let mut report = Report::new("benign requests");
            blocking::benign(&engine::RuleFiles::find(rules)?, &mut report)?;
            report
        }
        (Some("bench"), [rules]) => bench::run(rules)?,
        _ => bail!(USAGE),
    };
    report.print();
    Ok(if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn number(count: usize) -> f64 {
    count as f64
}
