//! The installer: puts a package in place of the running one, watches, and puts the former one back where it must.
//!
//! It is a process of its own, started by the agent that is about to be replaced: a unit of the service manager where there
//! is one, else a process that belongs to nobody. It goes on with the program that started it, which worked, whatever
//! becomes of the file. Each of its steps can be begun again, so an installer that died is simply started anew.
use super::fetch::hash_of;
use super::health::{Seen, Verdict, Watch};
use super::package::{self, PROGRAM};
use super::{Files, Former, Order};
use crate::connection::explain;
use crate::state;
use crate::status::{self, Report};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use sakimori_content::package::SignedStatement;
use sakimori_protocol::{Hash, UpgradeStep};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The service manager starts the installer (`sakimori-agent-upgrade.path`) while this file is there: the agent, in its
/// sandbox, may ask it for nothing.
const GO: &str = "go";
/// The service manager runs where this is.
const SYSTEMD: &str = "/run/systemd/system";
/// The package manager may take so long, maintainer scripts included, in seconds.
const PACKAGE_MANAGER_SECS: &str = "300";
/// Another program may hold the package manager's lock for so long.
const LOCKED: Duration = Duration::from_mins(5);
/// Looks at the agent.
const LOOK: Duration = Duration::from_millis(500);
/// After it was put back, the former program has this long to answer before it is started.
const ANSWERS: Duration = Duration::from_secs(20);
/// Programs are found here.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Packs what is installed as a package again: the files, the scripts and the description that the package manager has.
const PACK: &str = r#"set -eu
umask 022
name=$1 work=$2 out=$3
rm -rf "$work"
mkdir -p -m 700 "$work"
mkdir -p "$work/tree/DEBIAN"
chmod 755 "$work/tree" "$work/tree/DEBIAN"
dpkg-query --listfiles "$name" | while read -r path; do
    # Directories come with what is in them; /bin may be a link to one.
    [ -d "$path" ] && continue
    mkdir -p "$work/tree$(dirname "$path")"
    cp -a "$path" "$work/tree$path"
done
for script in preinst postinst prerm postrm conffiles; do
    file=$(dpkg-query --control-path "$name" "$script" 2>/dev/null) || continue
    [ -f "$file" ] && cp -a "$file" "$work/tree/DEBIAN/$script"
done
dpkg-query --status "$name" | awk '
    /^[^ \t]/ { keep = !/^(Status|Conffiles|Config-Version):/ }
    keep' >"$work/tree/DEBIAN/control"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/tree" "$work/out.deb" >/dev/null
mv "$work/out.deb" "$out"
rm -rf "$work"
"#;

/// Starts the installer of the order that lies in the state directory.
pub(super) fn start(files: &Files, run_dir: &Path) -> Result<(), String> {
    if Path::new(SYSTEMD).exists() {
        return state::write_atomic(&files.path(GO), b"").map_err(|error| explain(&error));
    }
    let program = crate::commands::own_path().map_err(|error| explain(error.as_ref()))?;
    let mut setsid = command("setsid");
    setsid.arg("--fork").arg(program).arg("--state-dir").arg(files.state_dir()).arg("--run-dir").arg(run_dir);
    setsid.arg("apply-upgrade").stdout(Stdio::null()).stderr(Stdio::inherit());
    let status = setsid.status().map_err(|error| format!("setsid does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the installer could not be started: {status}")) }
}

/// Carries out the order that lies there. The error is for the log: how it went is in the journal.
pub fn execute(state_dir: &Path, run_dir: &Path) -> Result<(), String> {
    let files = Files::in_dir(state_dir);
    files.make().map_err(|error| explain(&error))?;
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(files.path("lock"));
    let lock = lock.map_err(|error| format!("the installer's lock: {error}"))?;
    // The agent looks at the lock for a moment; another installer holds it to its end.
    let mut tries = 0;
    while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        tries += 1;
        if tries > 3 {
            return Ok(());
        }
        pause();
    }
    state::remove(&files.path(GO)).map_err(|error| explain(&error))?;
    let order = files.order().map_err(|error| explain(&error))?.ok_or("there is no order")?;
    let ended = files.journal().map_err(|error| explain(&error))?;
    if ended.is_some_and(|journal| {
        journal.order == order.order && journal.last().is_some_and(|last| last.step.is_end())
    }) {
        return Ok(());
    }
    Installer { files, order, run_dir, process: None }.work()
}

/// The work on one order.
struct Installer<'a> {
    files: Files,
    order: Order,
    run_dir: &'a Path,
    /// The agent's process as it last answered.
    process: Option<u32>,
}

impl Installer<'_> {
    fn work(mut self) -> Result<(), String> {
        let order = self.order.clone();
        // Its process is known from here on, even if it never answers again.
        let _before = self.look();
        let former = self.files.path("former.deb");
        let Some((statement, signature)) = order.package.clone() else {
            self.note(UpgradeStep::Installing, None)?;
            let back = self.bring_back(&former, &order.version);
            return match back {
                Ok(()) => self.note(UpgradeStep::Running, None),
                Err(reason) => self.note(UpgradeStep::Failed, Some(reason)),
            };
        };
        // Time has passed since the agent looked, and this process believes files as little as it must.
        let package = match self.checked(&SignedStatement { statement, signature }) {
            Ok(package) => package,
            Err(reason) => return self.note(UpgradeStep::Refused, Some(reason)),
        };
        if let Err(reason) = self.keep_former(&former) {
            return self.note(
                UpgradeStep::Refused,
                Some(format!(
                    "the version that runs could not be kept, so there would be no way back: {reason}"
                )),
            );
        }
        self.note(UpgradeStep::Installing, None)?;
        let went = install(&package).and_then(|()| self_check(&self.files)).and_then(|()| {
            let window = Duration::from_secs(u64::from(order.healthy_within_secs));
            self.watch(&order.version, &order, window)
        });
        let Err(reason) = went else {
            return self.note(UpgradeStep::Running, None);
        };
        tracing::error!("the new version is taken back: {reason}");
        match self.bring_back(&former, &order.from) {
            Ok(()) => self.note(UpgradeStep::RolledBack, Some(reason)),
            Err(again) => self.note(
                UpgradeStep::Failed,
                Some(format!("{reason}; and the former version is not healthy either: {again}")),
            ),
        }
    }

    /// The package, if it is still what was signed.
    fn checked(&self, signed: &SignedStatement) -> Result<std::path::PathBuf, String> {
        let statement = signed.verify(&package::keys()).map_err(|error| explain(&error))?;
        let hash: Hash = statement.sha256.parse().map_err(|_e| "the statement's hash is none".to_owned())?;
        let path = self.files.package(hash);
        let found = hash_of(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if found == hash {
            return Ok(path);
        }
        Err("the package on disk is not the one that was signed".to_owned())
    }

    /// Packs the version that runs, unless an installer before this one has.
    fn keep_former(&self, former: &Path) -> Result<(), String> {
        if let Ok(Some(kept)) = self.files.former()
            && kept.version == self.order.from
            && hash_of(former).is_ok_and(|hash| hash == kept.sha256)
        {
            return Ok(());
        }
        let on_disk = package::version_on_disk().unwrap_or_default();
        if on_disk != self.order.from {
            return Err(format!("version {on_disk} is installed, while {} runs", self.order.from));
        }
        let work = self.files.path("pack");
        let mut pack = command("sh");
        pack.args(["-c", PACK, "sh", "sakimori-agent"]).arg(&work).arg(former);
        run(&mut pack)?;
        let sha256 = hash_of(former).map_err(|error| error.to_string())?;
        let kept = Former { version: self.order.from.clone(), sha256 };
        state::write_json(&self.files.path("former.json"), &kept).map_err(|error| explain(&error))
    }

    /// Puts the kept version in place and sees to it that it runs.
    fn bring_back(&mut self, former: &Path, version: &str) -> Result<(), String> {
        let kept = self.files.former().map_err(|error| explain(&error))?;
        let kept = kept.filter(|kept| kept.version == version);
        let kept = kept.ok_or_else(|| format!("version {version} is not kept here"))?;
        if hash_of(former).is_ok_and(|hash| hash != kept.sha256) {
            return Err(format!("the package kept of version {version} is damaged"));
        }
        install(former)?;
        let order = Order {
            before: super::Before { connected: false, ..self.order.before.clone() },
            ..self.order.clone()
        };
        // By itself, where the agent was able to become it.
        if self.watch(version, &order, ANSWERS).is_ok() {
            return Ok(());
        }
        self.restart()?;
        self.watch(version, &order, Duration::from_secs(u64::from(order.healthy_within_secs)))
    }

    /// Starts the agent anew, for it does not answer or is not what is installed.
    fn restart(&self) -> Result<(), String> {
        tracing::warn!("the agent is started anew");
        if Path::new(SYSTEMD).exists() {
            run(command("systemctl").args(["reset-failed", "sakimori-agent.service"]))?;
            return run(command("systemctl").args(["restart", "sakimori-agent.service"])).map(drop);
        }
        if let Some(pid) = self.process.filter(|pid| is_agent(*pid))
            && let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        {
            for signal in [Signal::TERM, Signal::KILL] {
                let _gone = kill_process(process, signal);
                let begun = now();
                while is_agent(pid) && begun.elapsed() < ANSWERS {
                    pause();
                }
            }
        }
        let mut setsid = command("setsid");
        setsid
            .arg("--fork")
            .arg(PROGRAM)
            .arg("--state-dir")
            .arg(self.files.state_dir())
            .arg("--run-dir")
            .arg(self.run_dir);
        setsid.arg("run").stdout(Stdio::null()).stderr(Stdio::inherit());
        let status = setsid.status().map_err(|error| format!("setsid does not start: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("the agent could not be started: {status}")) }
    }

    /// Looks until the agent is healthy as this version, or is not in time.
    fn watch(&mut self, version: &str, order: &Order, window: Duration) -> Result<(), String> {
        let begun = now();
        let mut watch = Watch::new(version, &order.before, window);
        loop {
            let seen = self.look();
            match watch.see(seen.as_ref(), begun.elapsed()) {
                Verdict::Healthy => return Ok(()),
                Verdict::Sick(reason) => return Err(reason),
                Verdict::Undecided => pause(),
            }
        }
    }

    fn look(&mut self) -> Option<Seen> {
        let text = status::ask_within(self.run_dir, &status::Order::Status, Duration::from_secs(10)).ok()?;
        let report: Report = serde_json::from_str(&text).ok()?;
        self.process = Some(report.pid);
        Some(Seen {
            pid: report.pid,
            version: report.version,
            connected: report.link == "connected",
            modules: report.modules.into_iter().map(|module| (module.module, module.state)).collect(),
        })
    }

    /// Writes a step down and wakes the agent, which tells the manager.
    fn note(&self, step: UpgradeStep, reason: Option<String>) -> Result<(), String> {
        let written = self.files.step(&self.order, step, reason).map_err(|error| explain(&error));
        // An agent that does not answer now finds it when it looks.
        let _unheard = status::ask_within(self.run_dir, &status::Order::UpgradeStep, Duration::from_secs(5));
        written
    }
}

/// Whether the process is one of this program's, under whatever file.
fn is_agent(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe"))
        .is_ok_and(|program| program.to_string_lossy().contains("sakimori-agent"))
}

/// Lets the package manager install a file; waits while another program holds its lock.
fn install(package: &Path) -> Result<(), String> {
    let begun = now();
    loop {
        let mut dpkg = command("timeout");
        dpkg.args([PACKAGE_MANAGER_SECS, "dpkg", "--force-confold", "--install"]).arg(package);
        match run(&mut dpkg) {
            Ok(_said) => return Ok(()),
            Err(reason) if reason.contains("lock") && begun.elapsed() < LOCKED => {
                tracing::warn!("another program holds the package manager's lock");
                pause();
            }
            Err(reason) => return Err(format!("the package manager failed: {reason}")),
        }
    }
}

/// Asks the program that is installed now whether it can run here.
fn self_check(files: &Files) -> Result<(), String> {
    let mut check = command("timeout");
    check.args(["60", PROGRAM]).arg("--state-dir").arg(files.state_dir()).arg("self-check");
    run(&mut check).map(drop).map_err(|reason| format!("it says that it cannot run here: {reason}"))
}

fn command(program: &str) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the installer's work is the package manager's programs")]
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Runs a program to its end; its last words where it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} does not start: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" ");
    Err(format!("{name}: {}: {last}", output.status))
}

#[expect(clippy::disallowed_methods, reason = "the installer is a process that waits for others")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the installer is a process that waits for others")]
fn pause() {
    std::thread::sleep(LOOK);
}
