//! Namespaces, a reader that answers, small servers and clients.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sakimori_kernel::nfqueue::{
    Batch, Hook, QueueMessage, QueueOptions, QueueSocket, QueuedPacket, Verdict, VerdictMessage,
};
use sakimori_kernel::nftables::{Forwarding, Table, TablePlan, TableState, probe};

pub(crate) const QUEUE: u16 = 77;
pub(crate) const PORT: u16 = 8080;
pub(crate) const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Whether the test can run; says so when it cannot.
pub(crate) fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("SKIPPED: needs root to make a network namespace");
    }
    root
}

pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("`ip` of iproute2");
    assert!(status.success(), "ip {arguments}");
}

/// A named network namespace that goes with the value.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn new(suffix: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sk-{}-{number}-{suffix}", std::process::id());
        ip(&format!("netns add {name}"));
        let namespace = Self(name);
        ip(&format!("-n {} link set lo up", namespace.0));
        namespace
    }

    /// Runs `work` in a thread inside; its threads and processes are inside as well.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let file = std::fs::File::open(format!("/run/netns/{}", self.0)).unwrap();
                    let kind = Some(rustix::thread::LinkNameSpaceType::Network);
                    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), kind).unwrap();
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.0));
    }
}

/// Runs the test in a namespace of its own.
pub(crate) fn in_namespace(suffix: &str, test: impl FnOnce() + Send) {
    if root() {
        Namespace::new(suffix).run(test);
    }
}

pub(crate) fn plan() -> TablePlan {
    TablePlan {
        capabilities: probe().unwrap(),
        queue: QUEUE,
        bypass: true,
        inspected_ports: std::iter::once(PORT..=PORT).collect(),
        inspect_responses: false,
        forwarding: Forwarding::Inspected,
        state: TableState::Queue,
        outgoing_ports: Vec::new(),
        outgoing_except: Vec::new(),
        firewall: sakimori_firewall::Plan::default(),
        sample_group: None,
    }
}

pub(crate) fn apply(plan: &TablePlan) -> Table {
    let mut table = Table::open().unwrap();
    table.apply(plan).unwrap();
    table
}

/// What a queued packet was.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) hook: Hook,
    pub(crate) hw_protocol: u16,
    pub(crate) mark: u32,
    pub(crate) gso: bool,
    pub(crate) checksum_not_ready: bool,
    pub(crate) in_ifindex: u32,
    pub(crate) out_ifindex: u32,
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    pub(crate) data: Vec<u8>,
}

impl Seen {
    pub(crate) fn new(packet: &QueuedPacket<'_>) -> Self {
        let ip = packet.payload;
        let header = if ip[0] >> 4 == 4 { usize::from(ip[0] & 15) * 4 } else { 40 };
        let tcp = &ip[header..];
        let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
        Self {
            hook: packet.hook,
            hw_protocol: packet.hw_protocol,
            mark: packet.mark,
            gso: packet.gso,
            checksum_not_ready: packet.checksum_not_ready,
            in_ifindex: packet.in_ifindex,
            out_ifindex: packet.out_ifindex,
            source: u16::from_be_bytes([tcp[0], tcp[1]]),
            destination: u16::from_be_bytes([tcp[2], tcp[3]]),
            sequence: word(4),
            acknowledgement: word(8),
            flags: tcp[13],
            data: tcp[usize::from(tcp[12] >> 4) * 4..].to_vec(),
        }
    }

    pub(crate) fn to_server(&self) -> bool {
        self.destination == PORT
    }
}

/// A thread that reads the queue and answers until it is stopped.
pub(crate) struct Answerer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
}

impl Answerer {
    pub(crate) fn start(
        options: QueueOptions,
        answer: impl FnMut(&Seen) -> (Verdict, Option<u32>) + Send + 'static,
    ) -> Self {
        Self::over(QueueSocket::open(options).unwrap(), answer)
    }

    pub(crate) fn over(
        socket: QueueSocket,
        mut answer: impl FnMut(&Seen) -> (Verdict, Option<u32>) + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut reader, mut writer) = (socket.reader().unwrap(), socket.verdict_writer().unwrap());
            let mut batch = Batch::new(16);
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                reader.read(&mut batch, Some(20)).unwrap();
                let mut verdicts = Vec::new();
                for message in batch.messages() {
                    let QueueMessage::Packet(packet) = message else { panic!("{message:?}") };
                    let one = Seen::new(&packet);
                    let (verdict, mark) = answer(&one);
                    verdicts.push(VerdictMessage { id: packet.id, verdict, mark, payload: None });
                    seen.push(one);
                }
                writer.verdicts(&verdicts).unwrap();
            }
            seen
        });
        Self { stop, thread }
    }

    /// Accepts everything.
    pub(crate) fn accepting() -> Self {
        Self::start(QueueOptions::new(QUEUE), |_| (Verdict::Accept, None))
    }

    pub(crate) fn stop(self) -> Vec<Seen> {
        // Packets behind the last one that a test waited for (FIN) still come.
        std::thread::sleep(Duration::from_millis(150));
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A server that sends back what it gets, for `connections` connections, and tells what it got from each.
pub(crate) fn echo(address: IpAddr, port: u16, connections: usize) -> JoinHandle<Vec<Vec<u8>>> {
    let listener = TcpListener::bind((address, port)).unwrap();
    std::thread::spawn(move || {
        let mut got = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            let (mut all, mut buffer) = (Vec::new(), vec![0; 65_536]);
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                all.extend_from_slice(&buffer[..length]);
                if stream.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            got.push(all);
        }
        got
    })
}

pub(crate) fn connect(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_millis(1500))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(1500)))?;
    stream.set_write_timeout(Some(Duration::from_secs(3)))?;
    Ok(stream)
}

/// Sends and waits for the echo.
pub(crate) fn exchange(stream: &mut TcpStream, data: &[u8]) -> std::io::Result<()> {
    stream.write_all(data)?;
    let mut back = vec![0; data.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, data);
    Ok(())
}

/// Waits until the condition holds, 3 seconds at most.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(3), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
