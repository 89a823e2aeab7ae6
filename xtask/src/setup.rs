//! What the commands need of the machine.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use sakimori_testkit::{debian, process, programs};

use crate::{build, console};

/// Everything for building, testing and the demo.
pub(crate) fn everything() -> anyhow::Result<()> {
    let all = [
        debian::BUILD,
        debian::LAB,
        debian::TABLES,
        debian::WORDPRESS,
        debian::BENCH,
        debian::BROWSER,
        debian::POSTGRES,
        debian::SYSLOG,
        debian::SCANNER,
        debian::FTP,
        debian::PROXY,
        debian::WAF_RULES,
    ]
    .concat();
    debian::require(&all)?;
    nextest()?;
    console::install()
}

/// Installs cargo-nextest when it is missing.
pub(crate) fn nextest() -> anyhow::Result<()> {
    let mut version = build::cargo();
    version.args(["nextest", "--version"]);
    if process::run(version).is_ok() {
        return Ok(());
    }
    println!("installing cargo-nextest");
    let mut install = build::cargo();
    install.args(["install", "cargo-nextest", "--locked"]);
    // A target folder of the project may be set in the environment; the tool has its own.
    install.env_remove("CARGO_TARGET_DIR");
    build::show(install)
}

/// Goes on as root, for what works with namespaces; returns when it already is root.
pub(crate) fn as_root_again() -> anyhow::Result<()> {
    if process::call("id", &["-u"])?.trim() == "0" {
        return Ok(());
    }
    println!("going on as root (network namespaces)");
    let own = std::env::current_exe()?;
    let mut command = Command::new("sudo");
    command
        .arg("--preserve-env=PATH,CARGO,CARGO_HOME,RUSTUP_HOME,CARGO_TARGET_DIR,HOME,CI,SAKIMORI_KEEP_LOGS");
    command.arg(own).args(std::env::args_os().skip(1));
    Err(command.exec()).context("running through sudo")
}

/// Gives what root has built back to who called through sudo, so that they build again without it.
pub(crate) fn give_back() -> anyhow::Result<()> {
    let (Ok(user), Ok(group)) = (std::env::var("SUDO_UID"), std::env::var("SUDO_GID")) else {
        return Ok(());
    };
    if process::call("id", &["-u"])?.trim() != "0" {
        return Ok(());
    }
    let source = programs::source();
    let folders = [build::target_folder()?, source.join("console"), source.join("fuzz")];
    let mut chown = Command::new("chown");
    chown.args(["--recursive", "--no-dereference", &format!("{user}:{group}")]).args(folders);
    build::show(chown)
}
