//! Attempts to break out of the sandbox, each in a process of its own that is started for it.
//!
//! Every attempt is made twice: in the full cage, where it must end the process or fail, and in a cage
//! without the system-call filter, where the other layers must refuse it alone. The attempt is also made without
//! any cage, where it must succeed: an attempt that fails anyway would prove nothing.
#![expect(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test: it starts itself, leaves by exit codes, says why it is skipped, and fails by panicking"
)]

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal};
use sakimori_kernel::nfqueue::{
    Batch, QueueMessage, QueueOptions, QueueReader, QueueSocket, Verdict, VerdictMessage, VerdictWriter,
};
use sakimori_kernel::sandbox::{Cage, SystemCalls, enter};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

const BROKEN_OUT: i32 = 10;
const REFUSED: i32 = 11;
const SIGSYS: i32 = 31;

/// Attempt, and whether the layers beside the filter refuse it too.
const ATTEMPTS: &[(&str, bool)] = &[
    ("open", true),
    ("create", true),
    ("proc", true),
    ("parent-memory", true),
    ("connect", true),
    ("raw-socket", true),
    ("execve", true),
    ("fork", true),
    ("kill-parent", true),
    ("steal-descriptor", true),
    ("become-root", true),
    ("verdict", true),
    ("socket", false),
    ("executable-page", false),
    ("namespace", false),
    ("write-open-file", false),
];

/// Makes the attempt; `Ok` means that it succeeded.
fn attempt(
    name: &str,
    parent: Pid,
    queue: Option<&mut (VerdictWriter, QueueReader, Batch)>,
    listener: SocketAddr,
    file: &OwnedFd,
) -> std::io::Result<()> {
    match name {
        "open" => rustix::fs::open("/etc/passwd", OFlags::RDONLY, Mode::empty()).map(drop)?,
        "create" => {
            let path = "/tmp/sakimori-sandbox-test";
            rustix::fs::open(path, OFlags::WRONLY | OFlags::CREATE, Mode::RUSR).map(drop)?;
            std::fs::remove_file(path)?;
        }
        "proc" => std::fs::write("/proc/self/comm", "free")?,
        "parent-memory" => {
            let path = format!("/proc/{}/mem", parent.as_raw_nonzero());
            rustix::fs::open(path, OFlags::RDWR, Mode::empty()).map(drop)?;
        }
        "connect" => TcpStream::connect(listener).map(drop)?,
        "socket" => rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).map(drop)?,
        "raw-socket" => {
            rustix::net::socket(AddressFamily::INET, SocketType::RAW, Some(rustix::net::ipproto::RAW))
                .map(drop)?;
        }
        // Returns only if it failed.
        "execve" => return Err(sakimori_kernel_sys::process::try_execve()),
        "fork" => sakimori_kernel_sys::process::try_fork()?,
        "kill-parent" => rustix::process::test_kill_process(parent)
            .and_then(|()| rustix::process::kill_process(parent, Signal::CONT))?,
        "steal-descriptor" => {
            let process = rustix::process::pidfd_open(parent, PidfdFlags::empty())?;
            rustix::process::pidfd_getfd(process, 0, PidfdGetfdFlags::empty()).map(drop)?;
        }
        "become-root" => rustix::thread::set_thread_uid(rustix::thread::Uid::ROOT)?,
        "verdict" => {
            let (writer, reader, batch) = queue.unwrap();
            let message = VerdictMessage { id: 1, verdict: Verdict::Accept, mark: None, payload: None };
            writer.verdict(message)?;
            reader.read(batch, Some(1_000))?;
            // With the privilege the kernel says "no such packet", without it "not permitted".
            match batch.messages().next() {
                Some(QueueMessage::Refused { errno, .. }) if errno == libc::ENOENT => {}
                Some(QueueMessage::Refused { errno, .. }) => {
                    return Err(std::io::Error::from_raw_os_error(errno));
                }
                other => panic!("{other:?}"),
            }
        }
        "executable-page" => sakimori_kernel_sys::process::try_executable_page()?,
        "namespace" => sakimori_kernel_sys::process::unshare_user()?,
        // Shared memory that was made before: as good as a file that somebody sent by mistake open for writing.
        "write-open-file" => rustix::io::write(file, b"x").map(drop)?,
        // What every worker does: memory small and large, the clock, a short sleep, randomness, a lock.
        "ordinary-work" => {
            let mut blocks: Vec<Vec<u8>> = (0..64).map(|n| vec![n; 1 << (n / 3)]).collect();
            blocks.retain(|block| block.len() > 1 << 10);
            let map: std::collections::HashMap<usize, u8> = blocks.iter().map(|b| (b.len(), b[0])).collect();
            sakimori_kernel::clock::sleep(std::time::Duration::from_millis(1));
            assert!(!map.is_empty() && sakimori_kernel::clock::wall_micros() > 0);
        }
        other => panic!("no attempt is called {other}"),
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial, run};
    if let Ok(order) = std::env::var("SAKIMORI_ATTEMPT") {
        child(&order);
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = vec![
        trial(
            "each_attempt_succeeds_outside_and_ends_the_process_inside",
            each_attempt_succeeds_outside_and_ends_the_process_inside,
        ),
        trial("the_other_layers_hold_without_the_filter", the_other_layers_hold_without_the_filter),
        trial("what_a_worker_needs_is_left", what_a_worker_needs_is_left),
        trial("a_cage_with_threads_outside_is_refused", a_cage_with_threads_outside_is_refused),
    ];
    run(&Arguments::from_args(), trials).exit_code()
}

/// The other side of [`try_it`], in the process's only thread.
fn child(order: &str) -> ! {
    let (cage, name) = order.split_once(':').unwrap();
    // What needs the file system, privileges or another system call is made before the door closes: the attempt's own
    // call must be the first that is refused.
    let parent = Pid::from_raw(std::os::unix::process::parent_id().try_into().unwrap()).unwrap();
    let mut queue = (name == "verdict").then(|| {
        sakimori_kernel_sys::process::unshare_network().unwrap();
        let queue = QueueSocket::open(QueueOptions::new(1)).unwrap();
        (queue.verdict_writer().unwrap(), queue.reader().unwrap(), Batch::new(1))
    });
    let listener = TcpListener::bind("127.0.0.1:0").ok();
    let address =
        listener.as_ref().map_or_else(|| "127.0.0.1:1".parse().unwrap(), |l| l.local_addr().unwrap());
    let file = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    if cage != "none" {
        let cage = Cage {
            system_calls: match cage {
                // No descriptor has this number: the attempts are none of a file reader's business.
                "file-reader" => SystemCalls::reader_of_sent_files(1_000),
                _ => SystemCalls::default(),
            },
            data_bytes: 256 << 20,
            without_seccomp: cage == "without-seccomp",
        };
        let report = enter(&cage, || Ok(())).unwrap();
        assert!(report.capabilities_dropped && report.landlock_complete, "{report:?}");
        assert_eq!(report.seccomp, !cage.without_seccomp);
    }
    let result = attempt(name, parent, queue.as_mut(), address, &file);
    std::process::exit(if result.is_ok() { BROKEN_OUT } else { REFUSED });
}

fn try_it(cage: &str, name: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .env("SAKIMORI_ATTEMPT", format!("{cage}:{name}"))
        .env("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
        .output()
        .unwrap()
        .status
}

fn able() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: entering the sandbox needs root");
    }
    root
}

fn each_attempt_succeeds_outside_and_ends_the_process_inside() {
    if !able() {
        return;
    }
    for (name, _) in ATTEMPTS {
        // The other program's code is 0.
        let outside = if *name == "execve" { 0 } else { BROKEN_OUT };
        assert_eq!(
            try_it("none", name).code(),
            Some(outside),
            "{name} fails even outside, so it proves nothing"
        );
        for cage in ["full", "file-reader"] {
            let inside = try_it(cage, name);
            assert_eq!(inside.signal(), Some(SIGSYS), "{name} in the cage {cage}: {inside:?}");
        }
    }
}

fn the_other_layers_hold_without_the_filter() {
    if !able() {
        return;
    }
    for (name, refused) in ATTEMPTS {
        if *refused {
            let status = try_it("without-seccomp", name);
            assert_eq!(status.code(), Some(REFUSED), "{name} without the filter: {status:?}");
        }
    }
}

fn what_a_worker_needs_is_left() {
    if !able() {
        return;
    }
    assert_eq!(try_it("full", "ordinary-work").code(), Some(BROKEN_OUT));
}

fn a_cage_with_threads_outside_is_refused() {
    let (started, wait) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        started.send(()).unwrap();
        let _ended = ended.recv();
    });
    wait.recv().unwrap();
    let cage = Cage { system_calls: SystemCalls::default(), data_bytes: 1 << 30, without_seccomp: true };
    let error = enter(&cage, || Ok(())).unwrap_err();
    assert!(error.to_string().contains("before threads"), "{error}");
    end.send(()).unwrap();
    other.join().unwrap();
}
