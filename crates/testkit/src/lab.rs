//! A network of namespaces: four machines on one bridge, IPv4 and IPv6, no way out.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use crate::host::{Host, namespace_processes};
use crate::process::{call, runs, signal_pid};

/// What every namespace and folder of a lab starts with, before the owner's process id.
const PREFIX: &str = "sakimori-lab-";

/// Distinguishes several labs of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The machines of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends the attacks.
    Attacker,
    /// Reads the pages, as everybody does.
    Visitor,
    /// Runs the web server and the agent; has private mounts.
    Server,
    /// Runs the manager; has private mounts.
    Manager,
}

impl Role {
    const ALL: [Self; 4] = [Self::Attacker, Self::Visitor, Self::Server, Self::Manager];

    fn name(self) -> &'static str {
        match self {
            Self::Attacker => "attacker",
            Self::Visitor => "visitor",
            Self::Server => "server",
            Self::Manager => "manager",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Attacker => 66,
            Self::Visitor => 10,
            Self::Server => 20,
            Self::Manager => 30,
        }
    }

    fn is_private(self) -> bool {
        matches!(self, Self::Server | Self::Manager)
    }
}

/// A lab; dropping it removes all of it.
#[derive(Debug)]
pub struct Lab {
    name: String,
    folder: PathBuf,
    hosts: Vec<Host>,
}

impl Lab {
    /// Builds the machines and their network, after removing what dead owners left.
    ///
    /// # Errors
    /// Without root, iproute2, util-linux or overlayfs.
    pub fn new() -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("network namespaces need root: run through sudo");
        }
        remove_stale();
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        // From here on a failure drops the lab, which removes what there is of it.
        let mut lab = Self { name, folder, hosts: Vec::new() };
        lab.build().context("building the lab's network")?;
        Ok(lab)
    }

    fn build(&mut self) -> anyhow::Result<()> {
        let switch = format!("{}-switch", self.name);
        call("ip", &["netns", "add", &switch])?;
        call("ip", &["-n", &switch, "link", "add", "bridge", "type", "bridge", "forward_delay", "0"])?;
        call("ip", &["-n", &switch, "link", "set", "bridge", "up"])?;
        for role in Role::ALL {
            let namespace = format!("{}-{}", self.name, role.name());
            let number = role.number();
            let v4 = Ipv4Addr::new(10, 83, 77, number);
            let v6 = Ipv6Addr::new(0xfd83, 0x7361, 0x6b69, 0, 0, 0, 0, u16::from(number));
            let port = format!("to-{}", role.name());
            call("ip", &["netns", "add", &namespace])?;
            let peer = ["type", "veth", "peer", "name", &port, "netns", &switch];
            call("ip", &[&["link", "add", "lan", "netns", &namespace][..], &peer[..]].concat())?;
            call("ip", &["-n", &switch, "link", "set", &port, "master", "bridge", "up"])?;
            call("ip", &["-n", &namespace, "link", "set", "lo", "up"])?;
            call("ip", &["-n", &namespace, "address", "add", &format!("{v4}/24"), "dev", "lan"])?;
            call("ip", &["-n", &namespace, "address", "add", &format!("{v6}/64"), "dev", "lan", "nodad"])?;
            call("ip", &["-n", &namespace, "link", "set", "lan", "up"])?;
            let folder = self.folder.join(role.name());
            std::fs::create_dir_all(&folder)?;
            let mut host = Host::new(role.name(), namespace, folder, v4, v6);
            if role.is_private() {
                host.make_private().with_context(|| format!("private mounts of the {}", role.name()))?;
            }
            self.hosts.push(host);
        }
        Ok(())
    }

    /// One of the machines.
    pub fn host(&self, role: Role) -> &Host {
        // `new` hands out a lab only after `build` pushed every role in this order.
        self.hosts
            .iter()
            .find(|host| host.name() == role.name())
            .unwrap_or_else(|| unreachable!("every lab has every role"))
    }

    /// The lab's folder: logs of every machine; kept when `SAKIMORI_KEEP_LOGS` is set.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills a program of this lab's network without leave, for labs that end.
    fn end_processes(&self) {
        let namespaces = self.hosts.iter().flat_map(Host::processes).collect::<Vec<_>>();
        end_all(&namespaces);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end_processes();
        self.hosts.clear();
        remove(&self.name);
        if std::env::var_os("SAKIMORI_KEEP_LOGS").is_none() {
            // The folder is in the temporary folder: what cannot be removed now, the next run removes.
            drop(std::fs::remove_dir_all(&self.folder));
        } else {
            println!("logs kept in {}", self.folder.display());
        }
    }
}

fn namespaces() -> Vec<String> {
    let list = call("ip", &["netns", "list"]).unwrap_or_default();
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Removes every namespace of the lab `name`.
fn remove(name: &str) {
    for namespace in namespaces().iter().filter(|namespace| belongs(namespace, name)) {
        if let Err(error) = call("ip", &["netns", "delete", namespace]) {
            println!("! {namespace} is left: {error:#}");
        }
    }
}

fn belongs(namespace: &str, lab: &str) -> bool {
    namespace.strip_prefix(lab).is_some_and(|rest| rest.starts_with('-'))
}

/// SIGTERM, and SIGKILL two seconds later, to processes that run inside the lab.
fn end_all(pids: &[u32]) {
    for pid in pids {
        drop(signal_pid(*pid, Signal::TERM));
    }
    let start = Instant::now();
    while pids.iter().any(|pid| runs(*pid)) && start.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(20));
    }
    for pid in pids.iter().filter(|pid| runs(**pid)) {
        drop(signal_pid(*pid, Signal::KILL));
    }
}

/// Removes the labs whose owner is dead.
fn remove_stale() {
    for namespace in namespaces() {
        let Some((lab, owner)) = owner(&namespace) else { continue };
        if Path::new(&format!("/proc/{owner}")).exists() {
            continue;
        }
        end_all(&namespace_processes(&namespace));
        drop(call("ip", &["netns", "delete", &namespace]));
        drop(std::fs::remove_dir_all(std::env::temp_dir().join(lab)));
    }
}

/// The lab of a namespace and the process that made it.
fn owner(namespace: &str) -> Option<(&str, u32)> {
    let (pid, rest) = namespace.strip_prefix(PREFIX)?.split_once('-')?;
    let (number, _role) = rest.split_once('-')?;
    let length = PREFIX.len() + pid.len() + 1 + number.len();
    Some((namespace.get(..length)?, pid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{belongs, owner};

    #[test]
    fn owners_are_in_the_name() {
        assert_eq!(owner("sakimori-lab-123-4-server"), Some(("sakimori-lab-123-4", 123)));
        assert_eq!(owner("sakimori-lab-x-4-server"), None);
        assert_eq!(owner("other-123-4-server"), None);
    }

    #[test]
    fn a_lab_is_not_its_longer_namesake() {
        assert!(belongs("sakimori-lab-1-1-server", "sakimori-lab-1-1"));
        assert!(!belongs("sakimori-lab-1-11-server", "sakimori-lab-1-1"));
    }
}
