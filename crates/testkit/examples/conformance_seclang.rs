//! Operators and transformations of `SecLang` on published test vectors: `cargo xtask conformance seclang --tests DIR`.
//!
//! Vectors are JSON: an operator's say whether it matches, a transformation's say what comes out. Text in them stands for
//! bytes: `\xhh` and `\u00hh` that the JSON reader leaves are read once more. Whether a transformation says that it changed
//! something is not compared: engines differ in that, and no rule sees it.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sakimori_seclang::{Loader, Transformation, judge_value};
use sakimori_testkit::report::{Report, Target};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Vector {
    #[serde(default)]
    name: String,
    #[serde(default)]
    param: String,
    input: String,
    #[serde(default)]
    output: String,
    ret: i64,
}

/// Files of phrases and addresses lie beside the vectors.
struct Beside(PathBuf);

impl Loader for Beside {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        [self.0.join("op").join(name), self.0.join(name)].iter().find_map(|path| std::fs::read(path).ok())
    }
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: conformance_seclang DIR")?);
    if !folder.is_dir() {
        bail!("the folder {} is not there", folder.display());
    }
    let (mut operators, mut transformations) = (Count::default(), Count::default());
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let loader = Beside(folder.join("operators"));
    for (path, vectors) in vectors(&folder.join("operators"))? {
        for vector in vectors {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let called = if vector.name.is_empty() { &name } else { &vector.name };
            if called.eq_ignore_ascii_case("validateSchema") {
                *skipped
                    .entry("validateSchema needs a JSON schema and is not offered".to_owned())
                    .or_default() += 1;
                continue;
            }
            // what C's `\0` stands for is written so in one vector
            let input = bytes(&vector.input.replace("\\0d", "\\x00d"));
            let result = judge_value(called, &vector.param, &input, &loader);
            // an address list that does not load judges nothing
            let matched = result.as_ref().is_ok_and(|(matched, _)| *matched);
            if matched == (vector.ret == 1) {
                operators.passed += 1;
            } else {
                operators.failed += 1;
                println!(
                    "FAILED @{called} {:?} on {:?}: expected {}, {}",
                    vector.param,
                    vector.input,
                    vector.ret,
                    result.err().map_or_else(|| "not so".to_owned(), |error| error.to_string())
                );
            }
        }
    }
    for (path, vectors) in vectors(&folder.join("transformations"))? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(transformation) = Transformation::by_name(&name) else {
            bail!("unknown transformation {name}");
        };
        for vector in vectors {
            let (input, output) = (bytes(&vector.input), bytes(&vector.output));
            let made = transformation.apply(&input).unwrap_or_else(|| input.clone());
            if made == output {
                transformations.passed += 1;
            } else {
                transformations.failed += 1;
                println!(
                    "FAILED t:{name} on {:?}: expected {:?}, made {:?}",
                    vector.input,
                    String::from_utf8_lossy(&output),
                    String::from_utf8_lossy(&made)
                );
            }
        }
    }
    let (passed, failed) =
        (operators.passed + transformations.passed, operators.failed + transformations.failed);
    let left_out: usize = skipped.values().sum();
    println!("{passed} passed, {failed} failed, {left_out} skipped");
    println!("  operators:       {} passed, {} failed", operators.passed, operators.failed);
    println!("  transformations: {} passed, {} failed", transformations.passed, transformations.failed);
    for (reason, times) in &skipped {
        println!("  skipped: {times} {reason}");
    }
    let mut report = Report::new("conformance seclang");
    report.add("passed", number(passed), "vectors", Target::None);
    report.add("failed", number(failed), "vectors", Target::AtMost(0.0));
    report.add("skipped", number(left_out), "vectors", Target::None);
    report.add(
        "passed_percent",
        number(passed) / number(passed + failed).max(1.0) * 100.0,
        "%",
        Target::AtLeast(100.0),
    );
    report.print();
    Ok(if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn vectors(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<Vector>)>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("the folder {} is not there", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path)?;
            let vectors = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            Ok((path, vectors))
        })
        .collect()
}

/// The bytes that a text of a vector stands for.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let number = |from: usize, to: usize| {
            tail.get(from..to)
                .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
                .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        };
        let escaped = match tail.first().filter(|_| *first == b'\\') {
            Some(b'x') => number(1, 3).map(|byte| (byte, 3)),
            Some(b'u') if tail.get(1..3) == Some(b"00") => number(3, 5).map(|byte| (byte, 5)),
            _ => None,
        };
        let (byte, taken) = escaped.unwrap_or((*first, 0));
        out.push(byte);
        rest = tail.get(taken..).unwrap_or_default();
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "counts of vectors")]
fn number(count: usize) -> f64 {
    count as f64
}
