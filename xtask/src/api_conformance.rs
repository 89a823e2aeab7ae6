//! `cargo xtask conformance api`: schemathesis, with all its checks and phases, against a manager of its own on each
//! database.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use sakimori_testkit::manager::Manager;
use sakimori_testkit::postgres::{Durability, Postgres};
use sakimori_testkit::report::{Report, Target};
use sakimori_testkit::{Lab, Programs, Role, debian, interrupt, programs, python};
use serde_json::Value;

use crate::build;
use crate::setup;

/// The release of schemathesis: another one may check other things.
const VERSION: &str = "4.32.5";

/// How thorough a run is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Asked {
    /// Test cases of each operation and phase, at most.
    #[arg(long, default_value_t = 10)]
    examples: u32,
    /// Seed: the same one gives the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only on `SQLite`.
    #[arg(long)]
    sqlite_only: bool,
    /// Only operations whose id contains this regular expression.
    #[arg(long)]
    operations: Option<String>,
}

/// Whether everything passed.
pub(crate) fn run(asked: &Asked) -> anyhow::Result<bool> {
    let mut needed = [debian::BUILD, debian::LAB].concat();
    if !asked.sqlite_only {
        needed.extend(debian::POSTGRES);
    }
    debian::require(&needed)?;
    let schemathesis = python::environment("schemathesis", VERSION)?.join("bin/schemathesis");
    build::manager()?;
    setup::as_root_again()?;
    interrupt::watch()?;
    let programs = Programs::find()?;
    let mut report = Report::new("conformance api");
    let out = programs::source().join("target/conformance-api");
    let mut run = |database: &str, url: Option<String>| -> anyhow::Result<()> {
        println!("\n== {database}");
        let folder = out.join(database.to_lowercase());
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let found = examine(&programs, &schemathesis, url.as_deref(), &folder, asked)?;
        add(&mut report, database, &found);
        Ok(())
    };
    run("SQLite", None)?;
    if !asked.sqlite_only {
        let server = Postgres::start(Durability::None)?;
        let database = server.database("conformance")?;
        run("PostgreSQL", Some(database.url()))?;
    }
    println!("\nreports: {}", out.display());
    report.print();
    Ok(report.all_met())
}

/// What schemathesis finds at a fresh manager, in a network that has no way out: channels are made and tried as well.
fn examine(
    programs: &Programs,
    schemathesis: &Path,
    database: Option<&str>,
    out: &Path,
    asked: &Asked,
) -> anyhow::Result<Value> {
    let lab = Lab::new()?;
    // What is looked at here is each answer, not how many there may be.
    let mut settings = vec![("SAKIMORI_RATE_LIMIT", "0"), ("SAKIMORI_TENANT_RATE_LIMIT", "0")];
    settings.extend(database.map(|url| ("SAKIMORI_DATABASE", url)));
    let mut manager = Manager::start_with(&lab, programs, &out.join("packages"), &settings)?;
    let api = manager.log_in()?;
    let report = out.join("report.json");
    let mut command = lab.host(Role::Visitor).command(schemathesis);
    command.current_dir(out);
    command.arg("--config-file").arg(programs::source().join("xtask/schemathesis.toml"));
    command.arg("run").arg(programs::source().join("crates/api/openapi.json"));
    command.args(["--url", &format!("https://{}", manager.address()), "--tls-verify", "false"]);
    command.args(["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--no-color"]);
    command.args(["--request-timeout", "30", "--continue-on-failure", "--generation-database", "none"]);
    command.args(["--max-examples", &asked.examples.to_string(), "--seed", &asked.seed.to_string()]);
    command.env("SAKIMORI_API_KEY", api.key());
    command.env("SCHEMATHESIS_HOOKS", programs::source().join("xtask/schemathesis_hooks.py"));
    command.args(["--report", "json,junit", "--report-json-path"]).arg(&report);
    command.arg("--report-junit-path").arg(out.join("report.xml"));
    if let Some(operations) = &asked.operations {
        command.args(["--include-operation-id-regex", operations]);
    }
    command.env("PYTHONWARNINGS", "ignore").stdin(Stdio::null());
    // Its exit code says that something was found; the report says what.
    let status = command.status().context("running schemathesis")?;
    fs::write(out.join("manager.log"), manager.output())?;
    // What was asked must not have taken the key or the administrator away: then 401 would have passed for all answers.
    api.get("/users").context("the key of the run works at its end")?;
    manager.log_in().context("the administrator logs in after the run")?;
    manager.stop()?;
    let text = fs::read(&report).with_context(|| format!("schemathesis ({status}) left no report"))?;
    let found: Value = serde_json::from_slice(&text)?;
    ensure!(found.get("complete") == Some(&Value::Bool(true)), "schemathesis broke off ({status})");
    Ok(found)
}

/// Puts one database's figures into the report.
fn add(report: &mut Report, database: &str, found: &Value) {
    let number = |path: &str| found.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let generated = number("/test_cases/generated");
    let failed = number("/test_cases/with_failures") + number("/test_cases/errored");
    let probes = number("/test_cases/without_checks");
    let errors = found.get("errors").and_then(Value::as_array).map_or(0, Vec::len);
    for failure in found.get("failures").and_then(Value::as_array).into_iter().flatten() {
        println!("  {} {} in {}", failure["code"], failure["title"], failure["operations"]);
    }
    let passed = generated.saturating_sub(failed + probes);
    let mut figure = |name: &str, value: u64, unit, target| {
        #[expect(clippy::cast_precision_loss, reason = "numbers of test cases are small")]
        report.add(format!("{database}: {name}"), value as f64, unit, target);
    };
    let (selected, tested) = (number("/operations/selected"), number("/operations/tested"));
    figure("operations tested", tested, "", Target::AtLeast(1.0));
    figure("operations not reached", selected.saturating_sub(tested), "", Target::AtMost(0.0));
    figure("passed", passed, "cases", Target::AtLeast(1.0));
    figure("failed", failed, "cases", Target::AtMost(0.0));
    figure("errors", u64::try_from(errors).unwrap_or(u64::MAX), "", Target::AtMost(0.0));
    let left_out = number("/operations/total").saturating_sub(selected);
    figure("skipped: the live stream, which has no end", left_out, "operations", Target::None);
    figure("skipped: sent by a check itself, which judged the answer", probes, "cases", Target::None);
    #[expect(clippy::cast_precision_loss, reason = "numbers of test cases are small")]
    let percent = 100.0 * passed as f64 / (passed + failed).max(1) as f64;
    report.add(format!("{database}: passed_percent"), percent, "%", Target::AtLeast(100.0));
}
