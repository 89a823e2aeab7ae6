//! The console's own tools: npm scripts of `console/`.

use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use sakimori_testkit::story::{self, Target};
use sakimori_testkit::{debian, interrupt, process, programs};

use crate::build::show;

fn folder() -> PathBuf {
    programs::source().join("console")
}

/// Whether there is a console in this tree.
pub(crate) fn is_there() -> bool {
    folder().join("package.json").is_file()
}

fn npm(arguments: &[&str]) -> anyhow::Result<()> {
    if process::call("npm", &["--version"]).is_err() {
        debian::require(&["npm"])?;
    }
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder()).env("npm_config_update_notifier", "false");
    show(command)
}

/// Installs the console's packages when they are missing or older than the lock file.
pub(crate) fn install() -> anyhow::Result<()> {
    if !is_there() {
        println!("skipped: the console's packages (console/package.json is not there)");
        return Ok(());
    }
    let installed = modified(&folder().join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder().join("package-lock.json")) {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund"])
}

/// Builds the console into `console/dist` when a source file is newer than the last build.
pub(crate) fn build_if_stale() -> anyhow::Result<()> {
    if !is_there() {
        println!("skipped: building the console (console/package.json is not there)");
        return Ok(());
    }
    let built = modified(&folder().join("dist/index.html"));
    if built.is_some() && built >= newest()? {
        return Ok(());
    }
    install()?;
    npm(&["run", "build"])
}

/// Lints, unit tests and build of the console.
pub(crate) fn checks() -> anyhow::Result<()> {
    if !is_there() {
        println!("skipped: checks of the console (console/package.json is not there)");
        return Ok(());
    }
    install()?;
    for script in ["lint", "test", "build"] {
        println!("\n== console: {script}");
        npm(&["run", script])?;
    }
    Ok(())
}

/// The browser test against a manager that has just seen the demo's attack.
pub(crate) fn browser() -> anyhow::Result<()> {
    if !is_there() {
        println!("skipped: browser test of the console (console/package.json is not there)");
        return Ok(());
    }
    println!("\n== console: browser test");
    debian::require(debian::BROWSER)?;
    interrupt::watch()?;
    let as_told = story::play_and_visit(Target::Blog, |console| {
        let mut command = Command::new("npm");
        command.args(["run", "e2e"]).current_dir(folder());
        command.env("SAKIMORI_URL", &console.url).env("SAKIMORI_TRIGGER", &console.trigger);
        command.env("SAKIMORI_USER", &console.user).env("SAKIMORI_PASSWORD", &console.password);
        show(command)
    })?;
    if !as_told {
        bail!("the demo before the browser test did not go as told");
    }
    Ok(())
}

fn modified(path: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// When a file of the console, or the API it is generated from, last changed.
fn newest() -> anyhow::Result<Option<SystemTime>> {
    let mut command = Command::new("find");
    command.current_dir(programs::source()).args(["console", "crates/api/openapi.json"]);
    command.args([
        "(",
        "-name",
        "node_modules",
        "-o",
        "-name",
        "dist",
        ")",
        "-prune",
        "-o",
        "-type",
        "f",
        "-print",
    ]);
    let list = process::run(command).context("listing the console's files")?;
    Ok(list.lines().filter_map(|path| modified(&programs::source().join(path))).max())
}
