//! Rules over recorded traffic, without a manager.
use crate::command_line::Inspect;
use crate::problem::Failure;
use crate::table::harmless;
use anyhow::Context as _;
use sakimori_recordings::{Options, Replay, frames};
use sakimori_signatures::{SourceFile, Variables, compile_with};
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest rule file; the longest published one has 20 MB.
const RULE_FILE_BYTES: u64 = 256 << 20;
/// Ends of files that rules may name as lists.
const LISTS: [&str; 5] = ["lst", "csv", "txt", "list", "config"];
/// Refused rules that are told of; the number is told anyway.
const TOLD: usize = 20;

pub(super) fn execute(asked: &Inspect) -> Result<(), Failure> {
    let mut files = Vec::new();
    for place in &asked.rules {
        collect(place, &mut files)?;
    }
    if files.is_empty() {
        return Err(Failure::Usage("--rules names no file that ends in .rules".to_owned()));
    }
    let mut variables = Variables::default();
    for variable in &asked.variables {
        let (name, value) = variable.split_once('=').ok_or_else(|| {
            Failure::Usage(format!("--var {variable}: write NAME=VALUE, as HOME_NET=10.0.0.0/8"))
        })?;
        variables.set(name, value);
    }
    let mut lists = Vec::new();
    for place in &asked.rules {
        collect_lists(place, &mut lists)?;
    }
    let compiled = compile_with(&files, &variables, &lists);
    for finding in compiled.diagnostics.iter().take(TOLD) {
        say(&finding.to_string());
    }
    say(&format!("{} rules loaded, {} refused", compiled.loaded, compiled.refused));
    let capture = File::open(&asked.file).with_context(|| format!("opening {}", asked.file.display()))?;
    let options = Options {
        inline: asked.ips,
        ignore_checksums: asked.ignore_checksums,
        midstream: asked.midstream,
        ethernet: false,
        dns_version: 3,
    };
    let mut replay = Replay::new(Arc::new(compiled.rules), options);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let mut tell = |event: serde_json::Value| {
        if written.is_ok() {
            written = writeln!(out, "{event}");
        }
    };
    let read = frames(capture, |frame| replay.frame(frame, &mut tell));
    let statistics = replay.end(&mut tell);
    written.and_then(|()| out.flush()).context("writing the events")?;
    say(&format!(
        "{} frames, {} of them no IP; {} alerts, {} packets dropped",
        statistics.frames, statistics.not_ip, statistics.alerts, statistics.dropped
    ));
    read.with_context(|| format!("reading {}", asked.file.display()))?;
    Ok(())
}

/// Words for the person: events alone go to standard output.
fn say(text: &str) {
    // Nothing is left to be done if that cannot be said.
    let _unsaid = writeln!(io::stderr(), "{}", harmless(text));
}

fn collect(place: &Path, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    let told = || format!("reading {}", place.display());
    if !place.is_dir() {
        let mut text = Vec::new();
        let file = File::open(place).with_context(told)?;
        #[expect(clippy::disallowed_methods, reason = "it is capped")]
        file.take(RULE_FILE_BYTES).read_to_end(&mut text).with_context(told)?;
        files.push(SourceFile { name: place.display().to_string(), text });
        return Ok(());
    }
    let entries = std::fs::read_dir(place).with_context(told)?;
    let mut places: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().with_context(told)?;
    places.sort();
    let is_rules = |place: &PathBuf| place.extension().is_some_and(|extension| extension == "rules");
    places.iter().filter(|place| is_rules(place)).try_for_each(|place| collect(place, files))
}

/// What stands beside the rules and may be named by them: sets of values, digests, classes.
fn collect_lists(place: &Path, lists: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    let folder = if place.is_dir() { Some(place) } else { place.parent().filter(|folder| folder.is_dir()) };
    let Some(folder) = folder else { return Ok(()) };
    let told = || format!("reading {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(told)? {
        let path = entry.with_context(told)?.path();
        let end = path.extension().and_then(|end| end.to_str());
        if !path.is_file() || !end.is_none_or(|end| LISTS.contains(&end)) {
            continue;
        }
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        let mut text = Vec::new();
        let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        #[expect(clippy::disallowed_methods, reason = "it is capped")]
        file.take(RULE_FILE_BYTES).read_to_end(&mut text).with_context(told)?;
        lists.push(SourceFile { name, text });
    }
    Ok(())
}
