//! Lints and tests: what CI runs.

use sakimori_testkit::{debian, process};

use crate::build::{self, cargo, show};
use crate::{console, setup};

/// Formatting and lints of the Rust code.
pub(crate) fn lint() -> anyhow::Result<()> {
    println!("\n== formatting");
    let mut fmt = cargo();
    fmt.args(["fmt", "--all", "--check"]);
    show(fmt)?;
    println!("\n== lints");
    let mut clippy = cargo();
    clippy.args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    show(clippy)
}

/// Everything, or the Rust tests whose names contain one of `filters`.
pub(crate) fn test(filters: &[String]) -> anyhow::Result<()> {
    // Namespaces need root; going on as root at once spares building twice.
    setup::as_root_again()?;
    if filters.is_empty() {
        setup::everything()?;
        lint()?;
        console::checks()?;
    } else {
        debian::require(
            &[
                debian::BUILD,
                debian::LAB,
                debian::TABLES,
                debian::POSTGRES,
                debian::SYSLOG,
                debian::SCANNER,
                debian::FTP,
                debian::PROXY,
                debian::WAF_RULES,
            ]
            .concat(),
        )?;
        setup::nextest()?;
    }
    println!("\n== programs");
    build::programs()?;
    if filters.is_empty() {
        console::browser()?;
    }
    println!("\n== tests");
    let mut nextest = cargo();
    nextest.args(["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]).args(filters);
    show(nextest)
}

/// All tests of the firewall: rules, plan, kernel, agent; the kernel against the model with many rule sets, whose counts
/// are said again at the end.
pub(crate) fn firewall() -> anyhow::Result<()> {
    setup::as_root_again()?;
    debian::require(&[debian::BUILD, debian::LAB, debian::TABLES, debian::FTP, debian::WAF_RULES].concat())?;
    setup::nextest()?;
    let mut told = Vec::new();
    for (what, tests, sets) in [
        ("rules, plan, checks", "package(sakimori-firewall) | package(sakimori-firewall-settings)", 0),
        ("settings", "package(sakimori-modules) & test(firewall)", 0),
        ("kernel", "package(sakimori-kernel) & (test(firewall) | test(nftables))", 0),
        ("agent", "package(sakimori-agent) & (test(network) | test(firewall) | binary(network))", 0),
        ("kernel against the model", "package(sakimori-kernel) & test(model)", 20_000),
    ] {
        println!("\n== {what}");
        let mut nextest = cargo();
        nextest.args(["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--color", "never"]);
        nextest.args(["--success-output", "final", "-E", tests]);
        if sets > 0 {
            nextest.env("SAKIMORI_FIREWALL_SETS", sets.to_string());
        }
        let output = process::output(&mut nextest)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        print!("{text}");
        anyhow::ensure!(output.status.success(), "{what}: {}", output.status);
        let summary = text.lines().find_map(|line| line.trim().strip_prefix("Summary"));
        told.push(format!("{what:<25} {}", summary.unwrap_or_default().trim()));
        let counts = text.lines().filter(|line| line.contains("rule sets") || line.contains("applied in"));
        told.extend(counts.map(|line| line.trim().to_owned()));
    }
    println!("\n{}", told.join("\n"));
    Ok(())
}

/// The console alone: lints, unit tests, build, and the browser.
pub(crate) fn console() -> anyhow::Result<()> {
    setup::as_root_again()?;
    debian::require(debian::BUILD)?;
    console::checks()?;
    build::programs()?;
    console::browser()
}

/// The manager's behaviour on each database, then its other tests; how many passed is said for each.
pub(crate) fn manager() -> anyhow::Result<()> {
    setup::as_root_again()?;
    debian::require(&[debian::BUILD, debian::POSTGRES, debian::SYSLOG].concat())?;
    setup::nextest()?;
    let mut told = Vec::new();
    for (what, tests) in [
        ("behaviour on SQLite", "binary(behaviour)"),
        ("behaviour on PostgreSQL", "binary(behaviour_postgres)"),
        ("store, on both", "binary(store)"),
    ] {
        println!("\n== {what}");
        let mut nextest = cargo();
        nextest.args(["nextest", "run", "--locked", "-p", "sakimori-manager", "--no-fail-fast"]);
        nextest.args(["--color", "never", "-E", tests]);
        let output = process::output(&mut nextest)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        print!("{text}");
        anyhow::ensure!(output.status.success(), "{what}: {}", output.status);
        let summary = text.lines().find_map(|line| line.trim().strip_prefix("Summary"));
        told.push(format!("{what:<24} {}", summary.unwrap_or_default().trim()));
    }
    println!("\n{}", told.join("\n"));
    Ok(())
}
