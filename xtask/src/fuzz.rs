//! Fuzzing on the stable compiler: coverage by LLVM's sanitizer pass, libFuzzer from its crate.
//!
//! Engines have no unsafe code, so the address sanitizer, which would need a nightly compiler, has nothing to find in them.

use std::process::Command;

use anyhow::{Context as _, bail};
use sakimori_testkit::programs;

use crate::build::{cargo, show};

/// The triple is named so that build scripts are left uninstrumented.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What makes a program tell libFuzzer which branches it took.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";

/// Runs one fuzz target, or all, for `seconds` each. Corpora stay in `fuzz/corpus`, findings in `fuzz/artifacts`.
pub(crate) fn run(seconds: u32, target: Option<&str>) -> anyhow::Result<()> {
    let folder = programs::source().join("fuzz");
    let mut build = cargo();
    build
        .args(["build", "--release", "--locked", "--target", TRIPLE])
        .env("RUSTFLAGS", INSTRUMENTATION)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(&folder);
    show(build)?;

    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder.join("fuzz_targets"))? {
        let name = entry?.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        if target.is_none_or(|wanted| wanted == name) {
            targets.push(name);
        }
    }
    targets.sort();
    if targets.is_empty() {
        bail!("no fuzz target is called {}", target.unwrap_or_default());
    }
    let artifacts = folder.join("artifacts");
    std::fs::create_dir_all(&artifacts)?;
    for target in &targets {
        println!("\n== {target}: {seconds} s");
        let corpus = folder.join("corpus").join(target);
        std::fs::create_dir_all(&corpus)?;
        let mut fuzzer = Command::new(folder.join("target").join(TRIPLE).join("release").join(target));
        fuzzer
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .args(["-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-artifact_prefix={}/{target}-", artifacts.display()));
        show(fuzzer).with_context(|| format!("the finding is in {}", artifacts.display()))?;
    }
    println!("\n{} targets clean, {seconds} s each: {}", targets.len(), targets.join(", "));
    Ok(())
}
