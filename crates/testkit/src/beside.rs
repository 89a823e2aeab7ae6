//! Debian packages unpacked beside the system: peers that are measured, and are not to be installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::{call, run};

/// A package with what it needs and the system lacks, unpacked.
#[derive(Debug)]
pub struct Beside {
    /// What stands in for `/`.
    pub root: PathBuf,
    /// Its version.
    pub version: String,
}

impl Beside {
    /// Unpacks the package of a suite (`bookworm-backports`) into the folder, unless it is there.
    ///
    /// # Errors
    /// When Debian's archive is not reached, or there is no such package.
    pub fn unpack(package: &str, suite: &str, folder: &Path) -> anyhow::Result<Self> {
        let (root, marker) = (folder.join("root"), folder.join("version"));
        if let Ok(version) = std::fs::read_to_string(&marker) {
            return Ok(Self { root, version });
        }
        let archives = folder.join("archives");
        for part in [folder.join("lists/partial"), archives.join("partial"), root.clone()] {
            std::fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
        }
        let sources = folder.join("sources.list");
        let (base, _) = suite.split_once('-').unwrap_or((suite, ""));
        let line = |suite: &str| {
            format!(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {suite} main\n"
            )
        };
        let suites = if base == suite { line(suite) } else { line(base) + &line(suite) };
        std::fs::write(&sources, suites)?;
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            let folder = folder.display();
            for option in [
                format!("Dir::Etc::sourcelist={}", sources.display()),
                "Dir::Etc::sourceparts=-".to_owned(),
                format!("Dir::State::lists={folder}/lists"),
                format!("Dir::Cache::archives={folder}/archives"),
                "Dir::Cache::pkgcache=".to_owned(),
                "Dir::Cache::srcpkgcache=".to_owned(),
                "APT::Sandbox::User=root".to_owned(),
                "Acquire::Retries=3".to_owned(),
                // Nothing is installed.
                "Debug::NoLocking=1".to_owned(),
            ] {
                command.args(["-o", &option]);
            }
            command.args(["--quiet=2", "--yes"]).args(arguments);
            run(command)
        };
        apt(&["update"])?;
        let wanted =
            ["install", "--download-only", "--no-install-recommends", "--target-release", suite, package];
        apt(&wanted).with_context(|| format!("fetching {package} of {suite}"))?;
        let mut version = None;
        for entry in std::fs::read_dir(&archives)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "deb") {
                continue;
            }
            let (deb, to) = (path.display().to_string(), root.display().to_string());
            call("dpkg-deb", &["--extract", &deb, &to])?;
            if call("dpkg-deb", &["--field", &deb, "Package"])?.trim() == package {
                version = Some(call("dpkg-deb", &["--field", &deb, "Version"])?.trim().to_owned());
            }
        }
        let Some(version) = version else { bail!("{package} of {suite} was not among what apt-get fetched") };
        std::fs::write(&marker, &version)?;
        Ok(Self { root, version })
    }

    /// A command that runs one of its programs with its libraries.
    pub fn command(&self, program: &str) -> Command {
        let mut libraries = Vec::new();
        folders(&self.root.join("usr/lib"), &mut libraries);
        let mut command = Command::new(self.root.join(program));
        command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap_or_default());
        command
    }
}

/// Folders with libraries.
fn folders(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut libraries = false;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders(&path, found);
        } else {
            libraries |= path.to_string_lossy().contains(".so");
        }
    }
    if libraries {
        found.push(folder.to_owned());
    }
}
