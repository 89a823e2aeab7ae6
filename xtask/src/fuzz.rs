//! Fuzzing with cargo-fuzz on a nightly compiler; both are installed when missing.

use std::process::Command;

use anyhow::{Context as _, bail};
use sakimori_testkit::{process, programs};

use crate::build::show;

/// The compiler that the sanitizers need.
const TOOLCHAIN: &str = "+nightly";

/// Runs one fuzz target, or all, for `seconds` each.
pub(crate) fn run(seconds: u32, target: Option<&str>) -> anyhow::Result<()> {
    let folder = programs::source().join("fuzz");
    if !folder.join("Cargo.toml").is_file() {
        bail!("fuzz/Cargo.toml is not there");
    }
    if process::call("cargo", &[TOOLCHAIN, "--version"]).is_err() {
        let mut install = Command::new("rustup");
        install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
        show(install)?;
    }
    if process::call("cargo", &["fuzz", "--version"]).is_err() {
        let mut install = Command::new("cargo");
        install.args(["install", "cargo-fuzz", "--locked"]);
        show(install)?;
    }
    let fuzz = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.arg(TOOLCHAIN).arg("fuzz").args(arguments).current_dir(programs::source());
        command
    };
    let all = process::run(fuzz(&["list"])).context("listing the fuzz targets")?;
    let targets: Vec<&str> = match target {
        Some(target) => vec![target],
        None => all.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
    };
    for target in &targets {
        println!("\n== {target}: {seconds} s");
        let limit = format!("-max_total_time={seconds}");
        show(fuzz(&["run", target, "--", &limit, "-rss_limit_mb=1024"]))?;
    }
    println!("\n{} targets clean, {seconds} s each", targets.len());
    Ok(())
}
