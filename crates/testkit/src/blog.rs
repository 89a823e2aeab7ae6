//! The demo's own vulnerable blog, on the lab's server.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::bail;

use crate::{Host, Lab, Process, Programs, Role};

/// The secret of `POST /restore`; it guards nothing but a blog inside a lab.
const RESTORE_SECRET: &str = "lab-restores-its-blog";

/// The blog's folder: a file system of its own, in the server's private mounts.
pub const FOLDER: &str = "/var/www/blog";
/// Where uploads land, in the blog's folder.
pub(crate) const UPLOADS: &str = "wp-content/plugins/wp-file-manager/lib/files";
/// Its access log.
pub const ACCESS_LOG: &str = "/var/log/blog/access.log";

/// The running blog.
#[derive(Debug)]
pub struct Blog<'lab> {
    host: &'lab Host,
    address: SocketAddr,
    _process: Process,
}

impl<'lab> Blog<'lab> {
    /// Starts it on port 80 of the server.
    pub fn start(lab: &'lab Lab, programs: &Programs) -> anyhow::Result<Self> {
        Self::start_on(lab, programs, SocketAddr::new(IpAddr::V4(lab.host(Role::Server).v4()), 80))
    }

    /// Starts it on an address of the server.
    pub fn start_on(lab: &'lab Lab, programs: &Programs, address: SocketAddr) -> anyhow::Result<Self> {
        let host = lab.host(Role::Server);
        let secret = host.folder().join("restore-secret");
        std::fs::write(&secret, RESTORE_SECRET)?;
        host.mount_memory(FOLDER)?;
        let mut command = host.command(programs.blog());
        command
            .args(["--i-know-this-is-vulnerable", "--listen", &address.to_string()])
            .args(["--uploads", &format!("{FOLDER}/{UPLOADS}"), "--pages", FOLDER])
            .args(["--manifest", &format!("{FOLDER}/sakimori-application.json")])
            .args(["--access-log", ACCESS_LOG, "--restore-secret-file"])
            .arg(&secret);
        let mut process = host.start("blog", command)?;
        host.wait_for(address, &mut process, Duration::from_secs(20))?;
        Ok(Self { host, address, _process: process })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the original text back and removes the uploads.
    pub fn restore(&self) -> anyhow::Result<()> {
        let header = format!("x-restore-secret: {RESTORE_SECRET}");
        let url = format!("http://{}/restore", self.address);
        let answer = self.host.run(
            "curl",
            &[
                "--fail",
                "--silent",
                "--show-error",
                "--max-time",
                "10",
                "--request",
                "POST",
                "--header",
                &header,
                &url,
            ],
        )?;
        if answer.trim() != "restored" {
            bail!("the blog was not restored: {answer}");
        }
        Ok(())
    }
}
