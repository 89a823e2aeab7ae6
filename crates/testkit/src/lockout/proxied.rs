//! The same where the manager is reached through a proxy alone: Debian's tinyproxy, and no other way.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::{BEFORE, PATIENCE, SILENCE, Stage, Windows};
use crate::agent::Agent;
use crate::blog::Blog;
use crate::fleet::{self, Protected, text};
use crate::manager::PUBLIC;
use crate::report::{Report, Target};
use crate::{Host, Lab, Process, Programs, Role, wait};

const PORT: u16 = 8888;

/// The proxy, on the visitor's machine.
struct Tinyproxy<'lab> {
    host: &'lab Host,
    process: Process,
}

/// Plays the acts that a proxy makes a difference for.
///
/// # Errors
/// Where the stage cannot be set, or an act does not come to its end.
pub fn play(programs: &Programs, windows: Windows) -> anyhow::Result<Report> {
    let lab = Lab::new()?;
    let blog = Blog::start(&lab, programs)?;
    let proxy = Tinyproxy::start(&lab)?;
    let manager = fleet::start_manager(&lab, programs)?;
    let server = lab.host(Role::Server);
    for (family, address) in
        [("-4", lab.host(Role::Manager).v4().to_string()), ("-6", lab.host(Role::Manager).v6().to_string())]
    {
        server.run("ip", &[family, "route", "add", "prohibit", &address])?;
    }
    let api = manager.log_in()?;
    let line = manager.deployment_line(&api)?;
    let way = format!("export https_proxy=http://{}\n{line}", proxy.address());
    let agent = Agent::deploy(server, &way)?;
    let protected = Protected { agent, manager, api };
    let report = Report::new("lockout, through a proxy");
    let mut stage = Stage { lab: &lab, programs, protected, blog, windows, report };
    let played = stage.play_proxied(&proxy);
    stage.protected.told(played).context(proxy.process.tail(10))?;
    Ok(stage.report)
}

impl<'lab> Tinyproxy<'lab> {
    fn start(lab: &'lab Lab) -> anyhow::Result<Self> {
        let host = lab.host(Role::Visitor);
        let config = host.folder().join("tinyproxy.conf");
        let words =
            format!("Port {PORT}\nListen {}\nTimeout 600\nMaxClients 50\nLogLevel Connect\n", host.v4());
        std::fs::write(&config, words)?;
        let mut command = host.command("tinyproxy");
        command.arg("-d").arg("-c").arg(&config);
        let mut process = host.start("tinyproxy", command)?;
        host.wait_for(SocketAddr::new(IpAddr::V4(host.v4()), PORT), &mut process, Duration::from_secs(10))?;
        Ok(Self { host, process })
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.host.v4()), PORT)
    }

    /// How many ways through it were asked for.
    fn tunnels(&self) -> usize {
        self.process.output().lines().filter(|line| line.contains("CONNECT ")).count()
    }
}

impl Stage<'_> {
    fn play_proxied(&mut self, proxy: &Tinyproxy<'_>) -> anyhow::Result<()> {
        let manager = SocketAddr::new(IpAddr::V4(self.lab.host(Role::Manager).v4()), PUBLIC);
        let web = json!({"action": "allow", "direction": "in", "protocol": "tcp", "ports": ["80"]});
        let reaches = |to: SocketAddr, stage: &Self| stage.server().connect(to, SILENCE).is_ok();
        self.protected.enforce("Web server")?;
        self.fact("the manager is reached through the proxy alone", !reaches(manager, self));

        // Everything is closed but the way to the proxy, by itself.
        let before = proxy.tunnels();
        let closed = json!({"defaultInbound": "deny", "defaultOutbound": "deny", "rules": {"web": web}});
        self.policy(BEFORE, &closed)?;
        self.protected.enforce(BEFORE)?;
        self.step("confirmed", 1)?;
        self.fact("looked for anew through it, before and after", proxy.tunnels() >= before + 2);
        self.fact("the proxy stays open", reaches(proxy.address(), self));
        let beside = SocketAddr::new(proxy.address().ip(), PORT + 1);
        let silent = |error: &std::io::Error| error.kind() != std::io::ErrorKind::ConnectionRefused;
        self.fact(
            "nothing else of its host",
            self.server().connect(beside, SILENCE).err().is_some_and(|e| silent(&e)),
        );

        // The manager's own address is none that has to be open.
        let named = json!({"action": "deny", "direction": "out", "remote": [manager.ip().to_string()], "priority": 4});
        self.policy(
            "Manager denied",
            &json!({"alwaysAllowManager": false, "rules": {"manager": named, "web": web}}),
        )?;
        self.protected.enforce("Manager denied")?;
        self.step("confirmed", 2)?;
        self.fact("who denies the manager's address cuts nobody off", self.is_served());

        // The proxy's is.
        let proxy_denied = json!({"action": "deny", "direction": "out", "remote": [proxy.address().ip().to_string()], "priority": 4});
        self.policy(
            "Proxy denied",
            &json!({"alwaysAllowManager": false, "rules": {"proxy": proxy_denied, "web": web}}),
        )?;
        fleet::assign_policy(
            &self.protected.api,
            &fleet::computer_online(&self.protected.api)?,
            "Proxy denied",
        )?;
        wait::until("the proxy to be out of reach", PATIENCE, || {
            Ok((!reaches(proxy.address(), self)).then_some(()))
        })?;
        let start = std::time::Instant::now();
        wait::until("the proxy to be reached again", PATIENCE, || {
            Ok(reaches(proxy.address(), self).then_some(()))
        })?;
        let back = Target::AtMost(f64::from(self.windows.manager) + 2.0);
        self.report.add("the proxy was denied, back after", start.elapsed().as_secs_f64(), "s", back);
        let told = self.step("reverted", 1)?;
        self.fact("the event says why", text(&told, "/detail/reason") == "manager-unreachable");
        Ok(())
    }
}
