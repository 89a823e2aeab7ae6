//! Two network namespaces joined by a veth pair, a web server in one, clients in the other.
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sakimori_agent::network::{Network, NetworkPlan, RuleFile};
use sakimori_model::{FailureResponse, IntrusionPrevention, Mode, PortRange};
use sakimori_protocol::{Event, Hash};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const PORT: u16 = 8080;
pub(crate) const SOON: Duration = Duration::from_secs(3);
pub(crate) const SERVER: &str = "10.77.0.1:8080";
/// One rule that stops requests whose path holds `/attack`.
pub(crate) const RULE: &str = r#"drop http any any -> any any (msg:"test attack"; flow:established,to_server; http.uri; content:"/attack"; sid:4000001; rev:1;)"#;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Removed with everything in it when dropped.
pub(crate) struct Lab {
    pub(crate) server: String,
    pub(crate) client: String,
    served: Arc<AtomicU64>,
    ending: Arc<AtomicBool>,
}

/// Whether the test can run; says why not.
pub(crate) fn able() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: network namespaces need root");
    }
    root
}

impl Lab {
    /// The calling thread is in the server's namespace afterwards, and so are the threads that it starts.
    pub(crate) fn new() -> Self {
        let unique = format!("{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (server, client) = (format!("sknws{unique}"), format!("sknwc{unique}"));
        let lab = Self {
            server: server.clone(),
            client: client.clone(),
            served: Arc::default(),
            ending: Arc::default(),
        };
        for name in [&server, &client] {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        ip(&["-n", &server, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", &client]);
        for (name, address, address6) in
            [(&server, "10.77.0.1/24", "fd77::1/64"), (&client, "10.77.0.2/24", "fd77::2/64")]
        {
            ip(&["-n", name, "addr", "add", address, "dev", "v0"]);
            ip(&["-n", name, "addr", "add", address6, "dev", "v0", "nodad"]);
            ip(&["-n", name, "link", "set", "v0", "up"]);
        }
        lab.enter_server();
        lab.serve();
        lab
    }

    pub(crate) fn enter_server(&self) {
        enter(&self.server);
    }

    /// Requests that reached the server.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    fn serve(&self) {
        let listener = TcpListener::bind(("::", PORT)).unwrap();
        let (served, ending) = (Arc::clone(&self.served), Arc::clone(&self.ending));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if ending.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = connection else { continue };
                let served = Arc::clone(&served);
                std::thread::spawn(move || answer(connection, &served));
            }
        });
    }

    /// Runs `work` in a thread of the client's namespace.
    pub(crate) fn as_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    enter(&self.client);
                    work()
                })
                .join()
                .unwrap()
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        for name in [&self.server, &self.client] {
            let _left_behind = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

pub(crate) fn enter(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn answer(mut connection: TcpStream, served: &AtomicU64) {
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let Ok(n) = connection.read(&mut piece) else { return };
        if n == 0 {
            return;
        }
        buffer.extend_from_slice(&piece[..n]);
        while let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            buffer.drain(..end + 4);
            served.fetch_add(1, Ordering::SeqCst);
            if connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").is_err() {
                return;
            }
        }
    }
}

/// One request on one connection; what came back.
pub(crate) fn get(server: &str, path: &str, patience: Duration) -> io::Result<String> {
    let server: SocketAddr = server.parse().unwrap();
    let mut connection = TcpStream::connect_timeout(&server, patience)?;
    request(&mut connection, path, patience)
}

/// One request on an open connection.
pub(crate) fn request(connection: &mut TcpStream, path: &str, patience: Duration) -> io::Result<String> {
    ask(connection, format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes(), patience)
}

/// A request as it is written, on one connection; what came back.
pub(crate) fn exchange(server: &str, request: &[u8], patience: Duration) -> io::Result<String> {
    let server: SocketAddr = server.parse().unwrap();
    ask(&mut TcpStream::connect_timeout(&server, patience)?, request, patience)
}

fn ask(connection: &mut TcpStream, request: &[u8], patience: Duration) -> io::Result<String> {
    connection.set_read_timeout(Some(patience))?;
    connection.write_all(request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = connection.read(&mut piece)?;
        if n == 0 {
            return if answer.is_empty() {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(String::from_utf8_lossy(&answer).into_owned())
            };
        }
        answer.extend_from_slice(&piece[..n]);
        if answer.ends_with(b"hello") {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

/// Events as they were given on.
pub(crate) type Events = Arc<Mutex<Vec<Event>>>;

/// The network part in the calling thread's namespace, with the real program's worker.
pub(crate) fn start() -> (Network, Events) {
    let events = Events::default();
    let sink = Arc::clone(&events);
    let network =
        Network::start_with(worker(), move |events| sink.lock().unwrap().extend_from_slice(events)).unwrap();
    (network, events)
}

pub(crate) fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_sakimori-agent"))
}

pub(crate) fn plan(mode: Mode, response: FailureResponse, rules: &str) -> NetworkPlan {
    NetworkPlan {
        settings: IntrusionPrevention {
            mode,
            failure_response: response,
            http_ports: vec![PortRange::single(PORT)],
            answer_page: false,
            default_rule_mode: Mode::Prevent,
            ..IntrusionPrevention::default()
        },
        rules: vec![RuleFile { name: "test.rules".into(), text: rules.as_bytes().to_vec() }],
        ..NetworkPlan::off(Hash::of(rules.as_bytes()))
    }
}

pub(crate) fn counter(network: &Network, name: &str) -> u64 {
    let status = network.status();
    status.counters.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no counter {name}")).1
}

/// The process number of the worker: the child of this process that runs the worker's role.
pub(crate) fn worker_id() -> Option<u32> {
    let own = std::process::id();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (_, after) = stat.rsplit_once(')')?;
        let mut fields = after.split_ascii_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        let line = std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        (parent == own.to_string() && state != "Z" && line.contains("worker\0network")).then_some(id)
    })
}

pub(crate) fn kill(id: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_raw(i32::try_from(id).unwrap()).unwrap(), Signal::KILL).unwrap();
}

/// Waits until `condition` holds, `patience` at most.
pub(crate) fn until(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    condition()
}
