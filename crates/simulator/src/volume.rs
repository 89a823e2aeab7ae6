//! A small disk for a manager's data: in memory, seen by nobody but the manager, gone with the simulator.
use anyhow::Context as _;
use sakimori_testkit::Process;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long mounting may take.
const MOUNT: Duration = Duration::from_secs(10);
/// What is written at once to fill it; less than this is left.
const CHUNK: usize = 64 << 10;

/// A file system in a mount namespace of its own.
pub(crate) struct Volume {
    holder: Process,
    place: PathBuf,
}

impl Volume {
    /// Mounts `megabytes` at `place`, a folder that exists.
    pub(crate) fn mount(place: &Path, megabytes: u32) -> anyhow::Result<Self> {
        let script = format!(
            "mount -t tmpfs -o size={megabytes}m,mode=700 tmpfs \"$1\" && echo mounted && exec sleep infinity"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(place);
        let logs = place.parent().context("a volume has a folder around it")?;
        let mut holder = Process::start("volume", command, logs)?;
        let begun = Instant::now();
        while !holder.output().contains("mounted") {
            holder.check_alive().context("a disk in memory needs root")?;
            anyhow::ensure!(begun.elapsed() < MOUNT, "the volume is not mounted");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { holder, place: place.to_owned() })
    }

    /// A command that sees it. It begins in the root folder: another view of the mounts has other folders.
    pub(crate) fn command(&self, program: &Path) -> std::io::Result<Command> {
        let mut command = Command::new("nsenter");
        let mounts = format!("--mount=/proc/{}/ns/mnt", self.holder.pid());
        command.arg(mounts).arg("--").arg(std::path::absolute(program)?);
        Ok(command)
    }

    /// Takes all room that is left.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        for size in [CHUNK, 512] {
            let chunk = vec![0; size];
            while filler.write_all(&chunk).is_ok() {}
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        let inside = self.place.strip_prefix("/").unwrap_or(&self.place);
        Path::new("/proc").join(self.holder.pid().to_string()).join("root").join(inside).join("filler")
    }
}
