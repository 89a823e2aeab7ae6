//! How much of published rule files loads: `cargo xtask conformance rules --dir DIR`.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and measures real time")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use sakimori_inspection::coverage;
use sakimori_model::Level;
use sakimori_signatures::{Compiled, SourceFile, Variables, compile};
use sakimori_testkit::process::resident_bytes;
use sakimori_testkit::report::{Report, Target};

/// Reasons that are listed.
const REASONS: usize = 40;

fn main() -> anyhow::Result<ExitCode> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: conformance_rules DIR")?);
    if !folder.is_dir() {
        bail!("there is no folder {}: --dir names the folder with the rule files", folder.display());
    }
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    if files.is_empty() {
        bail!("no *.rules below {}", folder.display());
    }
    let resting = resident_bytes();
    let (begun, processor) = (Instant::now(), processor_seconds());
    let compiled = compile(&files, &Variables::default());
    let (seconds, processor) = (begun.elapsed().as_secs_f64(), processor_seconds() - processor);
    let memory = (resident_bytes() - resting) / 1_048_576.0;

    print_reasons(&compiled);
    let inspected = print_inspected(&compiled);
    let (loaded, refused) = (count(compiled.loaded), count(compiled.refused));
    let mut report = Report::new("conformance rules");
    report.add("files", count(files.len()), "files", Target::None);
    report.add("loaded", loaded, "rules", Target::None);
    report.add("refused", refused, "rules", Target::None);
    // word for word, or in an older revision: what they ask for is in force
    report.add("repeated", count(compiled.repeated), "rules", Target::None);
    let percent = loaded / (loaded + refused).max(1.0) * 100.0;
    report.add("loaded_percent", percent, "%", Target::AtLeast(99.9));
    report.add("inspected_today", count(inspected), "rules", Target::None);
    report.add("load_seconds", seconds, "s", Target::None);
    report.add("load_cpu_seconds", processor, "s", Target::None);
    report.add("memory_of_the_rule_set", memory, "MiB", Target::None);
    report.print();
    Ok(if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why rules did not load, the most frequent reasons first: a rule counts once, by its first error.
fn print_reasons(compiled: &Compiled) {
    let mut reasons: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut last = None;
    for finding in compiled.diagnostics.iter().filter(|finding| finding.level == Level::Error) {
        let place = Some((finding.source.as_str(), finding.line));
        if std::mem::replace(&mut last, place) == place {
            continue;
        }
        let title = finding.title.split(['`', '"', ':']).next().unwrap_or_default().trim().to_owned();
        *reasons.entry((finding.code, title)).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("\n{:>7}  loaded", compiled.loaded);
    println!("{:>7}  refused, by the first reason of each:", compiled.refused);
    for ((code, title), count) in reasons.iter().take(REASONS) {
        println!("{count:>7}    {code} {title}");
    }
    let others: usize = reasons.iter().skip(REASONS).map(|(_, count)| count).sum();
    if others > 0 {
        println!("{others:>7}    other reasons");
    }
}

/// How many loaded rules look at traffic that the pipeline shows them today, by protocol.
fn print_inspected(compiled: &Compiled) -> usize {
    let mut protocols: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for rule in compiled.rules.rules() {
        let counts = protocols.entry(format!("{:?}", rule.protocol).to_lowercase()).or_default();
        let [inspected, waiting] = counts;
        *(if coverage::is_fed(rule) { inspected } else { waiting }) += 1;
    }
    println!(
        "\nof those that loaded, by protocol (inspected are TCP connections to the ports of the policy):\n  inspected today   not fed yet"
    );
    for (protocol, [inspected, waiting]) in &protocols {
        println!("  {inspected:>15}   {waiting:>11}  {protocol}");
    }
    protocols.values().map(|[inspected, _]| inspected).sum()
}

#[expect(clippy::cast_precision_loss, reason = "counts of rules and files")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Time of this thread, which does all the work, on a processor.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn collect(folder: &Path, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rules") {
            let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
            files.push(SourceFile { name: path.display().to_string(), text });
        }
    }
    Ok(())
}
