//! Lints and tests: what CI runs.

use sakimori_testkit::debian;

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
        debian::require(&[debian::BUILD, debian::LAB, debian::TABLES, debian::POSTGRES].concat())?;
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
