//! Programs of `PyPI`, each in an environment of its own below `target`.

use std::path::PathBuf;
use std::process::Command;

use crate::{debian, process, programs};

/// The environment's folder with this release of a package, installed where it is missing.
///
/// # Errors
/// When Python or pip is missing and cannot be installed, or the package is not had.
pub fn environment(package: &str, version: &str) -> anyhow::Result<PathBuf> {
    let folder = programs::source().join("target").join(format!("{package}-{version}"));
    let done = folder.join("installed");
    if done.is_file() {
        return Ok(folder);
    }
    if process::call("python3", &["-c", "import venv, ensurepip"]).is_err() {
        debian::require(&["python3-venv"])?;
    }
    println!("installing {package} {version}");
    process::call("python3", &["-m", "venv", &folder.display().to_string()])?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", &format!("{package}=={version}")]);
    process::run(pip)?;
    std::fs::write(&done, version)?;
    Ok(folder)
}
