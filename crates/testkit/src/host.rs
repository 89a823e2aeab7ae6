//! One machine of a lab: a network namespace, and private mounts where it needs them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::{self, Process};
use crate::wait;

/// Folders of a private machine that take writes into memory instead of the real disk.
const PRIVATE: &str = "/etc /usr /var /opt";

/// A machine of the lab.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: String,
    folder: PathBuf,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    /// Holds the private mounts alive.
    anchor: Option<Process>,
}

impl Host {
    pub(crate) fn new(name: &str, namespace: String, folder: PathBuf, v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        Self { name: name.to_owned(), namespace, folder, v4, v6, anchor: None }
    }

    /// Its role's name: `server`, `attacker`, …
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address in the lab.
    pub fn v4(&self) -> Ipv4Addr {
        self.v4
    }

    /// Its unique local address in the lab.
    pub fn v6(&self) -> Ipv6Addr {
        self.v6
    }

    /// A folder for its files and logs, gone with the lab.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives the machine its own view of `/etc`, `/usr`, `/var`, `/opt` (overlays over the real
    /// ones), `/run` (empty) and its own machine id: what is installed there stays in the lab.
    pub(crate) fn make_private(&mut self) -> anyhow::Result<()> {
        let memory = self.folder.join("mounts");
        std::fs::create_dir_all(&memory)?;
        // overlayfs does not take another overlayfs as its upper layer (containers have one as
        // root), so the upper layers are in memory.
        let script = format!(
            r#"set -e
mount -t tmpfs -o size=2g,mode=755 tmpfs "$1"
for folder in {PRIVATE}; do
    mkdir -p "$1$folder/upper" "$1$folder/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=$1$folder/upper,workdir=$1$folder/work" overlay "$folder"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' > /etc/machine-id
echo >> /etc/machine-id
echo mounted
exec sleep infinity"#
        );
        let mut command = self.command("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(&memory);
        let mut anchor = Process::start("mounts", command, &self.folder)?;
        wait::until("the private mounts", Duration::from_secs(10), || {
            anchor.check_alive()?;
            Ok(anchor.output().contains("mounted").then_some(()))
        })?;
        self.anchor = Some(anchor);
        Ok(())
    }

    /// A command that will run on this machine; its process id is the program's own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace));
        if let Some(anchor) = &self.anchor {
            command.arg(format!("--mount=/proc/{}/ns/mnt", anchor.pid()));
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs a program on this machine to its end; its standard output.
    pub fn run(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command(program);
        command.args(arguments);
        process::run(command).with_context(|| format!("on the {}", self.name))
    }

    /// Runs a shell script on this machine to its end; its standard output.
    pub fn shell(&self, script: &str) -> anyhow::Result<String> {
        self.run("sh", &["-c", script])
    }

    /// Starts a program on this machine.
    pub fn start(&self, name: &str, command: Command) -> anyhow::Result<Process> {
        Process::start(name, command, &self.folder)
    }

    /// Mounts a file system of its own, in memory, on a folder of this private machine, unless there is one.
    pub fn mount_memory(&self, folder: &str) -> anyhow::Result<()> {
        self.shell(&format!(
            "mkdir -p '{folder}' && (mountpoint -q '{folder}' || mount -t tmpfs -o size=512m,mode=755 tmpfs '{folder}')"
        ))?;
        Ok(())
    }

    /// The path of a file of this machine as the rest of the system sees it (private mounts included).
    pub fn outside(&self, path: &str) -> PathBuf {
        match &self.anchor {
            Some(anchor) => PathBuf::from(format!("/proc/{}/root{path}", anchor.pid())),
            None => PathBuf::from(path),
        }
    }

    /// Everything that runs in its network namespace.
    pub fn processes(&self) -> Vec<u32> {
        namespace_processes(&self.namespace)
    }

    /// Connects from this machine. The socket stays in its namespace, wherever it is used.
    pub fn connect(&self, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
        let namespace = self.namespace_file()?;
        std::thread::scope(|scope| {
            let connecting = scope.spawn(|| {
                enter(&namespace)?;
                TcpStream::connect_timeout(&to, limit)
            });
            connecting.join().unwrap_or_else(|_| Err(io::Error::other("the connecting thread panicked")))
        })
    }

    /// The machine's network namespace, for threads that [`enter`] it.
    pub fn namespace_file(&self) -> io::Result<File> {
        File::open(format!("/run/netns/{}", self.namespace))
    }

    /// Waits until something accepts connections on `port` of this machine.
    pub fn wait_for_port(&self, port: u16, process: &mut Process, limit: Duration) -> anyhow::Result<()> {
        self.wait_for(SocketAddr::new(IpAddr::V4(self.v4), port), process, limit)
    }

    /// Waits until something accepts connections to `to`, which `process` of this machine serves.
    pub fn wait_for(&self, to: SocketAddr, process: &mut Process, limit: Duration) -> anyhow::Result<()> {
        wait::until(&format!("{to} to accept connections"), limit, || {
            process.check_alive()?;
            Ok(self.connect(to, Duration::from_millis(200)).is_ok().then_some(()))
        })
    }
}

/// Moves the calling thread, and it alone, into a network namespace.
pub fn enter(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Everything that runs in a named network namespace.
pub(crate) fn namespace_processes(namespace: &str) -> Vec<u32> {
    let list = process::call("ip", &["netns", "pids", namespace]).unwrap_or_default();
    list.lines().filter_map(|pid| pid.trim().parse().ok()).collect()
}
