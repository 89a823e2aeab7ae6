//! Stateful checks through the whole network part: settings, kernel table, events, status; with a real FTP server.
use super::lab::{Lab, RULE, SOON, able, get, plan, start, until};
use super::modules::{firewalled, of};
use sakimori_agent::network::NetworkPlan;
use sakimori_kernel::nftables::Table;
use sakimori_kernel::raw_socket::RawSender;
use sakimori_model::{FailureResponse, Mode};
use sakimori_modules::firewall::FirewallEvent;
use sakimori_protocol::{Event, ModuleState, ModuleStatus};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BRIEFLY: Duration = Duration::from_millis(700);

fn value(status: &ModuleStatus, name: &str) -> u64 {
    status.counters.iter().find(|(n, _)| n == name).map_or(0, |(_, value)| *value)
}

/// A TCP segment without payload from a place of the client's network to the server's port.
fn segment(host: [u8; 2], from: u16, to: u16, flags: u8) -> Vec<u8> {
    let (source, destination) = ([10, 77, host[0], host[1]], [10, 77, 0, 1]);
    let mut tcp = Vec::new();
    tcp.extend(from.to_be_bytes());
    tcp.extend(to.to_be_bytes());
    tcp.extend([0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, flags, 4, 0, 0, 0, 0, 0]);
    let pseudo = [&source[..], &destination[..], &[0, 6, 0, 20], &tcp[..]].concat();
    let mut sum: u32 = pseudo.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    packet.extend(source);
    packet.extend(destination);
    packet.extend(tcp);
    packet
}

#[test]
fn what_checks_find_is_dropped_counted_and_told() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let session = lab.as_client(|| TcpStream::connect("10.77.0.1:8080").unwrap());
    let settings = r#"{"mode":"prevent","stateful":{"invalid":"prevent","outOfConnection":"prevent",
        "fragments":"prevent","maxFromOneSource":3}}"#;
    network.apply(firewalled(settings)).unwrap();
    let mut session = session;
    let before = super::lab::request(&mut session, "/", SOON).unwrap();
    assert!(before.contains("hello"), "a session from before the table goes on");
    let sender = lab.as_client(|| RawSender::open().unwrap());
    for flags in [0x00, 0x03, 0x29] {
        sender.send(&segment([0, 2], 999, 8080, flags)).unwrap();
    }
    sender.send(&segment([0, 2], 998, 8080, 0x10)).unwrap();
    sender.send(&segment([0, 2], 997, 8080, 0x12)).unwrap();
    lab.as_client(|| UdpSocket::bind("10.77.0.2:0").unwrap().send_to(&[7; 4_000], "10.77.0.1:9").unwrap());
    // The session from before is no new connection, so it is not counted.
    let held: Vec<TcpStream> = lab.as_client(|| {
        (0..3)
            .map(|_| TcpStream::connect_timeout(&"10.77.0.1:8080".parse().unwrap(), SOON).unwrap())
            .collect()
    });
    let one_more =
        || lab.as_client(|| TcpStream::connect_timeout(&"10.77.0.1:8080".parse().unwrap(), BRIEFLY).is_ok());
    assert!(!one_more());
    drop(held);
    assert!(until(SOON, one_more), "there is room again");
    let status = of(&network, "firewall");
    assert_eq!((status.state, status.reasons.as_slice()), (ModuleState::Active, [].as_slice()), "{status:?}");
    let expected = [("invalid-flags", 3), ("out-of-connection", 1), ("invalid-packet", 1), ("fragment", 3)];
    for (name, count) in expected {
        assert_eq!(value(&status, name), count, "{name}: {status:?}");
    }
    assert!(value(&status, "too-many-from-source") >= 1, "{status:?}");
    let told = |name: &str| -> u64 {
        let events = events.lock().unwrap();
        let details =
            events.iter().filter(|event| event.action == "blocked").filter_map(Event::read::<FirewallEvent>);
        details.filter(|detail| detail.rule == name).map(|detail| detail.count).sum()
    };
    // A sample that comes late has its event all the same, and the next one tells of so many less.
    let all =
        || expected.iter().all(|(name, count)| told(name) >= *count) && told("too-many-from-source") >= 1;
    assert!(until(Duration::from_secs(15), all), "{:#?}", events.lock().unwrap());

    // Only detected: all of it passes and is told.
    network.apply(firewalled(&settings.replacen("prevent", "detect", 1))).unwrap();
    let held: Vec<bool> = (0..5).map(|_| one_more()).collect();
    assert_eq!(held, [true; 5]);
    network.apply(firewalled(r#"{"mode":"prevent"}"#)).unwrap();
    assert!(of(&network, "firewall").counters.iter().all(|(name, _)| name != "invalid-flags"));
    network.stop();
}

/// A server that is flooded answers by cookies, and what comes by them is inspected like everything else.
#[test]
fn a_request_over_a_cookie_is_inspected() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    let settings = r#"{"mode":"prevent","stateful":{"maxHalfOpen":20}}"#;
    let inspecting = plan(Mode::Prevent, FailureResponse::Closed, RULE);
    network.apply(NetworkPlan { firewall: serde_json::from_str(settings).unwrap(), ..inspecting }).unwrap();
    assert!(lab.as_client(|| get("10.77.0.1:8080", "/", SOON)).unwrap().contains("hello"));
    let sender = lab.as_client(|| RawSender::open().unwrap());
    let flood = || {
        for number in 0..200_u8 {
            sender.send(&segment([0, 50], 1_000 + u16::from(number), 8080, 2)).unwrap();
        }
    };
    flood();
    let counted = |name: &str| value(&of(&network, "firewall"), name);
    assert!(until(SOON, || counted("too-many-half-open") >= 150), "{:?}", of(&network, "firewall"));
    for _ in 0..3 {
        flood();
        let answer = lab.as_client(|| get("10.77.0.1:8080", "/", SOON));
        assert!(answer.as_ref().is_ok_and(|answer| answer.contains("hello")), "{answer:?}");
        flood();
        let attack = lab.as_client(|| get("10.77.0.1:8080", "/attack", BRIEFLY));
        assert!(attack.as_ref().map_or(true, |answer| !answer.contains("hello")), "{attack:?}");
    }
    // One that has just been opened may leave room for the next.
    assert!(counted("cookie-answer") >= 3, "{:?}", of(&network, "firewall"));
    let blocked = super::lab::counter(&network, "blocked");
    assert!(blocked >= 3, "{blocked}");
    network.stop();
}

/// vsftpd in the server's namespace; ends with the value.
struct Ftp {
    server: Child,
    _folder: tempfile::TempDir,
}

impl Ftp {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, config) = (folder.path().join("root"), folder.path().join("vsftpd.conf"));
        std::fs::create_dir_all(folder.path().join("empty")).unwrap();
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("file"), "from the server").unwrap();
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), readable).unwrap();
        let text = format!(
            "listen=YES\nbackground=NO\nlisten_address=10.77.0.1\nanonymous_enable=YES\nno_anon_password=YES\n\
             anon_root={}\nsecure_chroot_dir={}\npasv_enable=YES\nport_enable=YES\nconnect_from_port_20=YES\n\
             seccomp_sandbox=NO\nxferlog_enable=NO\n",
            root.display(),
            folder.path().join("empty").display()
        );
        std::fs::write(&config, text).unwrap();
        let server = Command::new("vsftpd").arg(&config).stdin(Stdio::null()).spawn().unwrap();
        Self { server, _folder: folder }
    }
}

impl Drop for Ftp {
    fn drop(&mut self) {
        let _ended_already = self.server.kill();
        let _status = self.server.wait();
    }
}

/// Fetches the file with curl, in active mode or passive.
fn fetched(lab: &Lab, active: bool) -> bool {
    let output = lab.as_client(|| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "3", "--disable-eprt", "--noproxy", "*"]);
        if active {
            curl.args(["--ftp-port", "10.77.0.2"]);
        }
        curl.arg("ftp://10.77.0.1/file").output().unwrap()
    });
    output.stdout == b"from the server"
}

#[test]
fn ftp_has_its_data_connections_active_and_passive_where_its_port_is_named() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    let _server = Ftp::start();
    let is_there =
        || lab.as_client(|| TcpStream::connect_timeout(&"10.77.0.1:21".parse().unwrap(), BRIEFLY).is_ok());
    assert!(until(SOON, is_there), "vsftpd listens");
    assert!(fetched(&lab, false) && fetched(&lab, true), "without a firewall both ways work");
    // Nothing but the control connection is allowed, in either direction.
    let rules = r#""mode":"prevent","defaultInbound":"deny","defaultOutbound":"deny","rules":{
        "ftp":{"action":"allow","direction":"in","protocol":"tcp","ports":["21"]}}"#;
    network.apply(firewalled(&format!("{{{rules}}}"))).unwrap();
    assert!(!fetched(&lab, false) && !fetched(&lab, true), "the data connections are denied");
    network.apply(firewalled(&format!(r#"{{{rules},"stateful":{{"ftpPorts":["21"]}}}}"#))).unwrap();
    assert!(fetched(&lab, false), "passive: the client opens it");
    assert!(fetched(&lab, true), "active: the server opens it");
    let other = TcpListener::bind("10.77.0.1:40123").unwrap();
    let reached =
        || lab.as_client(|| TcpStream::connect_timeout(&"10.77.0.1:40123".parse().unwrap(), BRIEFLY).is_ok());
    assert!(!reached(), "nothing else is open");
    let status = of(&network, "firewall");
    assert_eq!(status.state, ModuleState::Active, "{status:?}");
    drop(other);
    network.stop();
}

/// The kernel's table of connections has the policy's times, and the kernel's own after it.
#[test]
fn connections_are_remembered_as_long_as_the_policy_says() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, _events) = start();
    let seconds = |needle: &str| -> Option<u32> {
        let table = std::fs::read_to_string("/proc/thread-self/net/nf_conntrack").unwrap();
        let line = table.lines().find(|line| line.contains(needle))?;
        line.split_whitespace().nth(4)?.parse().ok()
    };
    let settings = |udp: u32| {
        format!(
            r#"{{"mode":"prevent","stateful":{{"udpSecs":{udp},"tcpEstablishedSecs":1000,"icmpSecs":9}}}}"#
        )
    };
    let send = |port: u16| {
        lab.as_client(|| {
            UdpSocket::bind(("10.77.0.2", port)).unwrap().send_to(b"one", "10.77.0.1:8080").unwrap();
        });
        seconds(&format!("sport={port} dport=8080"))
    };
    // Somebody has to listen: the answer that nobody does would end it.
    let _listening = UdpSocket::bind("10.77.0.1:8080").unwrap();
    network.apply(firewalled(&settings(7))).unwrap();
    assert!(send(5_001).is_some_and(|left| left <= 7), "{:?}", send(5_001));
    let mut session = lab.as_client(|| TcpStream::connect("10.77.0.1:8080").unwrap());
    super::lab::request(&mut session, "/", SOON).unwrap();
    let from = session.local_addr().unwrap().port();
    let left = seconds(&format!("sport={from} dport=8080"));
    assert!(left.is_some_and(|left| left > 900 && left <= 1000), "{left:?}");
    network.apply(firewalled(&settings(1234))).unwrap();
    assert!(send(5_002).is_some_and(|left| left > 1200 && left <= 1234), "{:?}", send(5_002));
    network.apply(firewalled(r#"{"mode":"prevent","stateful":{"invalid":"prevent"}}"#)).unwrap();
    assert!(send(5_003).is_some_and(|left| left <= 30), "{:?}", send(5_003));
    super::lab::request(&mut session, "/", SOON).unwrap();
    network.stop();
    assert!(!Table::open().unwrap().exists().unwrap());
}
