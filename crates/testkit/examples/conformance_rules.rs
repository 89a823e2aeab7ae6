//! How much of published rule files loads: `cargo xtask conformance rules --dir DIR`.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and measures real time")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use sakimori_model::Level;
use sakimori_signatures::{SourceFile, Variables, compile};
use sakimori_testkit::report::{Report, Target};

/// Reasons that are listed.
const REASONS: usize = 15;

fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: conformance_rules DIR")?);
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    if files.is_empty() {
        bail!("no *.rules below {}", folder.display());
    }
    let start = Instant::now();
    let compiled = compile(&files, &Variables::default());
    let seconds = start.elapsed().as_secs_f64();

    let mut reasons: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for finding in compiled.diagnostics.iter().filter(|finding| finding.level == Level::Error) {
        let title = finding.title.split(['`', '"', ':']).next().unwrap_or_default().trim().to_owned();
        *reasons.entry((finding.code, title)).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("most frequent reasons of rules that did not load:");
    for ((code, title), count) in reasons.iter().take(REASONS) {
        println!("{count:>7}  {code} {title}");
    }
    let (loaded, refused) = (count(compiled.loaded), count(compiled.refused));
    let mut report = Report::new("conformance rules");
    report.add("files", count(files.len()), "files", Target::None);
    report.add("loaded", loaded, "rules", Target::None);
    report.add("refused with a diagnostic", refused, "rules", Target::None);
    report.add("share loaded", loaded / (loaded + refused).max(1.0) * 100.0, "%", Target::None);
    report.add("compile time", seconds, "s", Target::None);
    report.print();
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of rules and files")]
fn count(number: usize) -> f64 {
    number as f64
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
