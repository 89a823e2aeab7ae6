//! Building the programs with the same cargo, into the same target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use sakimori_testkit::programs;

/// `cargo` as it called us, without what it tells of this package: build scripts that look at it would run anew, and with
/// them everything that depends on theirs.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(programs::source());
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command whose output the person sees.
pub(crate) fn show(mut command: Command) -> anyhow::Result<()> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let status = command.status().with_context(|| format!("running {words}"))?;
    if !status.success() {
        bail!("{words}: {status}");
    }
    Ok(())
}

/// Builds every program for tests and the demo.
pub(crate) fn programs() -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["build", "--locked", "--workspace", "--bins", "--exclude", "xtask"]);
    show(build)
}

/// Builds the manager alone.
pub(crate) fn manager() -> anyhow::Result<()> {
    let mut build = cargo();
    build.args(["build", "--locked", "-p", "sakimori-manager", "--bins"]);
    show(build)
}

/// Builds the comparison of the inline benchmark: a queue reader that accepts everything.
pub(crate) fn accept_all(release: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !programs::source().join("crates/kernel/examples/accept_all.rs").is_file() {
        return Ok(None);
    }
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "-p", "sakimori-kernel", "--example", "accept_all"]);
    show(build)?;
    Ok(Some(release.join("examples/accept_all")))
}

/// Runs an example of the test kit, optimised, with paths as arguments.
pub(crate) fn run_example(example: &str, arguments: &[PathBuf]) -> anyhow::Result<()> {
    run_example_to(example, None, arguments)
}

/// Measures lists of many computers, with the manager as it is released: whether every target was met.
pub(crate) fn measure_computers() -> anyhow::Result<bool> {
    let mut run = cargo();
    run.args(["run", "--quiet", "--locked", "--release", "-p", "sakimori-manager"]);
    run.args(["--example", "bench_computers"]);
    Ok(run.status().context("running the measurement")?.success())
}

/// Runs an example of the test kit that prints a report: whether every target was met. It says itself what is wrong.
pub(crate) fn example_meets(example: &str, arguments: &[PathBuf]) -> anyhow::Result<bool> {
    example_meets_to(example, None, arguments)
}

/// The same, with a word first that says what it is to do.
pub(crate) fn example_meets_to(
    example: &str,
    word: Option<&str>,
    arguments: &[PathBuf],
) -> anyhow::Result<bool> {
    Ok(example_command(example, word, arguments)?.status().context("running the example")?.success())
}

/// The same, with a word first that says what it is to do.
pub(crate) fn run_example_to(example: &str, word: Option<&str>, arguments: &[PathBuf]) -> anyhow::Result<()> {
    show(example_command(example, word, arguments)?)
}

fn example_command(example: &str, word: Option<&str>, arguments: &[PathBuf]) -> anyhow::Result<Command> {
    let mut run = cargo();
    run.args([
        "run",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        "sakimori-testkit",
        "--example",
        example,
        "--",
    ]);
    run.args(word);
    for argument in arguments {
        run.arg(std::path::absolute(argument)?);
    }
    Ok(run)
}

/// Builds the manager and the simulator as they are released, and runs the simulator: whether it was content.
pub(crate) fn simulate(what: &str, arguments: &[String]) -> anyhow::Result<bool> {
    let mut build = cargo();
    build.args([
        "build",
        "--locked",
        "--release",
        "--bins",
        "-p",
        "sakimori-manager",
        "-p",
        "sakimori-simulator",
    ]);
    show(build)?;
    let mut run = Command::new(release_folder()?.join("sakimori-simulator"));
    run.arg(what).args(arguments);
    Ok(run.status().context("running the simulator")?.success())
}

/// Builds the product's programs as they are released; the folder they are in.
pub(crate) fn release_programs() -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "--bins"]);
    build.args([
        "-p",
        "sakimori-agent",
        "-p",
        "sakimori-manager",
        "-p",
        "sakimori-cli",
        "-p",
        "sakimori-demo-blog",
    ]);
    show(build)?;
    release_folder()
}

/// Where all is built: this program lies in it.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).context("a built program lies in TARGET/PROFILE")?.to_owned())
}

fn release_folder() -> anyhow::Result<PathBuf> {
    Ok(target_folder()?.join("release"))
}
