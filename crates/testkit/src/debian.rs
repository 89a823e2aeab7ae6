//! Debian packages that a command needs: looked up, and installed only when missing.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::call;

/// What a lab needs: namespaces, overlays, a client, an interpreter for what sends odd packets.
pub const LAB: &[&str] =
    &["iproute2", "util-linux", "mount", "curl", "ca-certificates", "dpkg", "procps", "python3"];
/// What shows the agent's table to people and to tests.
pub const TABLES: &[&str] = &["nftables"];
/// What the real `WordPress` target needs.
pub const WORDPRESS: &[&str] = &[
    "wordpress",
    "wordpress-theme-twentytwentythree",
    "mariadb-server",
    "php-fpm",
    "php-cli",
    "php-mysql",
    "nginx-light",
];
/// What the benchmarks need.
pub const BENCH: &[&str] = &["nginx-light", "wrk"];
/// What unpacks peers beside the system, and tells what a program took.
pub const PEERS: &[&str] = &["dpkg", "debian-archive-keyring", "python3"];
/// The rule set that the web application firewall is tried with.
pub const WAF_RULES: &[&str] = &["modsecurity-crs"];
/// The port scanner that the firewall's events are tried with.
pub const SCANNER: &[&str] = &["nmap"];
/// The server that following FTP is tried with.
pub const FTP: &[&str] = &["vsftpd"];
/// The HTTP proxy that an agent reaches its manager through.
pub const PROXY: &[&str] = &["tinyproxy-bin"];
/// What the console's browser tests need.
pub const BROWSER: &[&str] = &["chromium", "fonts-noto-cjk"];
/// The server that the manager may keep its record in.
pub const POSTGRES: &[&str] = &["postgresql-15"];
/// The receiver of syslog that delivery is tried with.
pub const SYSLOG: &[&str] = &["rsyslog", "rsyslog-openssl"];
/// What building the programs needs.
pub const BUILD: &[&str] = &["gcc", "libc6-dev", "make", "dpkg-dev"];

/// Keeps package scripts from starting services while packages are installed.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs those of `packages` that are missing, as root or through sudo; services are not started.
///
/// # Errors
/// When something is missing and neither root nor sudo is there, or apt fails.
pub fn require(packages: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing from Debian: {}", missing.join(" "));
    let guard = PolicyGuard::set()?;
    apt(&["update", "--quiet=2"])?;
    let options = ["install", "--quiet=2", "--yes", "--no-install-recommends"];
    apt(&[&options[..], &missing[..]].concat())?;
    drop(guard);
    let still: Vec<&str> = missing.into_iter().filter(|package| !is_installed(package)).collect();
    if !still.is_empty() {
        bail!("apt-get ended well, but these are not installed: {}", still.join(" "));
    }
    Ok(())
}

fn is_installed(package: &str) -> bool {
    call("dpkg-query", &["--show", "--showformat=${db:Status-Status}", package])
        .is_ok_and(|status| status.trim() == "installed")
}

fn apt(arguments: &[&str]) -> anyhow::Result<()> {
    let options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"];
    let mut command = as_root("env")?;
    command.arg("DEBIAN_FRONTEND=noninteractive").arg("apt-get").args(options).args(arguments);
    let status = command.status().context("running apt-get")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// A command that runs as root, through sudo where needed.
pub fn as_root(program: &str) -> anyhow::Result<Command> {
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new(program));
    }
    if call("sudo", &["--version"]).is_err() {
        bail!("this needs root, and sudo is not installed: run it as root");
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// Forbids service starts for its life, unless the machine already has a policy of its own.
struct PolicyGuard {
    ours: bool,
}

impl PolicyGuard {
    fn set() -> anyhow::Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        let draft = std::env::temp_dir().join(format!("sakimori-policy-{}", std::process::id()));
        std::fs::write(&draft, "#!/bin/sh\nexit 101\n").with_context(|| draft.display().to_string())?;
        std::fs::set_permissions(&draft, Permissions::from_mode(0o755))?;
        let status = as_root("install")?.args(["-m", "755"]).arg(&draft).arg(POLICY).status()?;
        std::fs::remove_file(&draft)?;
        if !status.success() {
            bail!("{POLICY} could not be written: {status}");
        }
        Ok(Self { ours: true })
    }
}

impl Drop for PolicyGuard {
    fn drop(&mut self) {
        if self.ours {
            let removed = as_root("rm").and_then(|mut command| Ok(command.args(["-f", POLICY]).status()?));
            if !removed.is_ok_and(|status| status.success()) {
                println!("! {POLICY} is left; it forbids package scripts to start services");
            }
        }
    }
}
