//! Debian packages of the programs, built with `dpkg-deb` from a staged tree.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{process, programs};

/// The version of every package: the workspace's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One package of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// `sakimori-agent`
    Agent,
    /// `sakimori-manager`
    Manager,
    /// `sakimori`: the command line.
    Cli,
}

impl Package {
    /// All packages.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Manager, Self::Cli];

    /// Its name, which is its program's as well.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "sakimori-agent",
            Self::Manager => "sakimori-manager",
            Self::Cli => "sakimori",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Agent => "protects this server: intrusion prevention and virtual patches",
            Self::Manager => "manages a fleet of protected servers",
            Self::Cli => "command line of the manager's API",
        }
    }

    fn file_name(self, version: &str) -> String {
        format!("{}_{version}_{}.deb", self.name(), architecture())
    }
}

/// How hard a package is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// For release: xz.
    Small,
    /// For tests: hardly.
    Fast,
}

/// How a package is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe<'a> {
    /// Its version.
    pub version: &'a str,
    /// Public keys of those whose packages it takes as its successors, one in base64 a line; none where empty.
    pub keys: &'a str,
    /// How hard it is packed.
    pub packing: Packing,
}

/// Debian's word for the architecture of this build.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Builds `package` of the programs in `built` and puts it into `out`; its path.
///
/// # Errors
/// When the program is not built or `dpkg-deb` fails.
pub fn build(package: Package, built: &Path, out: &Path, packing: Packing) -> anyhow::Result<PathBuf> {
    build_by(package, built, out, Recipe { version: VERSION, keys: "", packing })
}

/// The same, with a version and keys.
///
/// # Errors
/// When the program is not built or `dpkg-deb` fails.
pub fn build_by(package: Package, built: &Path, out: &Path, recipe: Recipe<'_>) -> anyhow::Result<PathBuf> {
    let stage = out.join(format!("stage-{}-{}-{}", package.name(), recipe.version, std::process::id()));
    let result = stage_and_pack(package, built, &stage, out, recipe);
    drop(std::fs::remove_dir_all(&stage));
    result.with_context(|| format!("packaging {}", package.name()))
}

fn stage_and_pack(
    package: Package,
    built: &Path,
    stage: &Path,
    out: &Path,
    recipe: Recipe<'_>,
) -> anyhow::Result<PathBuf> {
    let Recipe { version, keys, packing } = recipe;
    let name = package.name();
    let deploy = programs::source().join("deploy");
    let program = stage.join("usr/bin").join(name);
    copy(&built.join(name), &program, 0o755)?;
    process::call("strip", &["--strip-debug", &program.to_string_lossy()])?;
    for unit in units(package, &deploy)? {
        let file = unit.file_name().context("a unit has a name")?;
        copy(&unit, &stage.join("usr/lib/systemd/system").join(file), 0o644)?;
    }
    copy(
        &programs::source().join("LICENSE"),
        &stage.join("usr/share/doc").join(name).join("copyright"),
        0o644,
    )?;

    let share = stage.join("usr/share").join(name);
    if package == Package::Agent {
        write(&share.join("package"), &format!("{version} {}\n", architecture()))?;
    }
    if package != Package::Cli && !keys.is_empty() {
        write(&share.join("package-keys"), keys)?;
    }

    let control = stage.join("DEBIAN");
    std::fs::create_dir_all(&control)?;
    let scripts = deploy.join("debian").join(name);
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        if scripts.join(script).is_file() {
            copy(&scripts.join(script), &control.join(script), 0o755)?;
        }
    }
    let etc = scripts.join("etc");
    if etc.is_dir() {
        let mut conffiles = String::new();
        for entry in std::fs::read_dir(&etc)? {
            let entry = entry?;
            let target = format!("/etc/sakimori/{}", entry.file_name().to_string_lossy());
            copy(&entry.path(), &stage.join(target.trim_start_matches('/')), 0o640)?;
            conffiles.push_str(&target);
            conffiles.push('\n');
        }
        std::fs::write(control.join("conffiles"), conffiles)?;
    }
    let size = process::call("du", &["--summarize", "--block-size=1024", &stage.to_string_lossy()])?;
    let size = size.split_whitespace().next().unwrap_or("0");
    let text = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {}\nMaintainer: Sakimori <sakimori@localhost>\n\
         Installed-Size: {size}\nDepends: libc6 (>= 2.36), libgcc-s1{}\nSection: admin\nPriority: optional\n\
         Description: {}\n Sakimori is host-based protection for servers.\n",
        architecture(),
        if package == Package::Manager { ", adduser" } else { "" },
        package.description(),
    );
    std::fs::write(control.join("control"), text)?;

    let deb = out.join(package.file_name(version));
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group"]);
    command.args(match packing {
        Packing::Small => ["-Zxz", "-z6"],
        Packing::Fast => ["-Zgzip", "-z1"],
    });
    command.arg("--build").arg(stage).arg(&deb);
    process::run(command)?;
    Ok(deb)
}

/// The systemd units whose name begins with the program's.
fn units(package: Package, deploy: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if package == Package::Cli {
        return Ok(Vec::new());
    }
    let folder = deploy.join("systemd");
    let mut units = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(package.name()) {
            units.push(entry.path());
        }
    }
    if units.is_empty() {
        bail!("{} has no unit in {}", package.name(), folder.display());
    }
    units.sort();
    Ok(units)
}

fn write(to: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(to, text).with_context(|| format!("writing {}", to.display()))
}

fn copy(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    std::fs::set_permissions(to, Permissions::from_mode(mode))?;
    Ok(())
}
