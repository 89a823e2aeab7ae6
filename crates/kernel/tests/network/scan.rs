//! Samples of those who look for ways in, in the real kernel, and sources that are blocked for a time.

use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sakimori_firewall::scan::{Kind, Watch};
use sakimori_firewall::{Among, Plan};
use sakimori_kernel::nflog::{SampleReader, SampleSocket};
use sakimori_kernel::nftables::{Blocked, COUNTER_OF_BLOCKED, SCAN_LABEL, Table, TablePlan};

use crate::support::{Namespace, apply, ip, plan, root};

const GROUP: u16 = 7_302;
const BRIEFLY: Duration = Duration::from_millis(500);

struct Pair {
    here: Namespace,
    there: Namespace,
}

fn pair() -> Pair {
    let pair = Pair { here: Namespace::new("sch"), there: Namespace::new("sct") };
    let (here, there) = (&pair.here.0, &pair.there.0);
    ip(&format!("-n {here} link add v0 type veth peer name v0 netns {there}"));
    for (namespace, host) in [(here, 1), (there, 2)] {
        ip(&format!("-n {namespace} address add 10.79.0.{host}/24 dev v0"));
        ip(&format!("-n {namespace} address add fd79::{host}/64 dev v0 nodad"));
        ip(&format!("-n {namespace} link set v0 up"));
    }
    pair
}

fn watching() -> TablePlan {
    let kinds = [Kind::Scan, Kind::Fingerprint, Kind::Null, Kind::Fin, Kind::Xmas, Kind::SynFin];
    let watch = Watch::new(kinds.into(), &Among::default(), &Among::default());
    let firewall = Plan { watch: Some(watch), ..Plan::default() };
    TablePlan { firewall, sample_group: Some(GROUP), inspected_ports: Vec::new(), ..plan() }
}

/// Destination ports of the samples that have come.
fn ports(reader: &mut SampleReader) -> Vec<u16> {
    let mut ports = Vec::new();
    while reader
        .read(|sample| {
            assert_eq!(sample.label, SCAN_LABEL.as_bytes());
            let transport = if sample.packet[0] >> 4 == 4 { 20 } else { 40 };
            ports.push(u16::from_be_bytes([sample.packet[transport + 2], sample.packet[transport + 3]]));
        })
        .unwrap()
        > 0
    {}
    ports
}

fn reaches(pair: &Pair, port: u16) -> bool {
    pair.there
        .run(|| TcpStream::connect_timeout(&format!("10.79.0.1:{port}").parse().unwrap(), BRIEFLY).is_ok())
}

#[test]
fn what_begins_where_nothing_answers_is_sampled_and_no_ordinary_traffic() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let samples = SampleSocket::open(GROUP).unwrap();
        let mut reader = SampleReader::from_fd(samples.into_fd());
        let _table = apply(&watching());
        let open = TcpListener::bind("[::]:80").unwrap();
        let answers = UdpSocket::bind("10.79.0.1:53").unwrap();
        let asked = UdpSocket::bind("10.79.0.1:0").unwrap();
        std::thread::spawn(move || open.incoming().for_each(drop));
        for _ in 0..20 {
            assert!(reaches(&pair, 80));
        }
        assert!(pair.there.run(|| TcpStream::connect("[fd79::1]:80").is_ok()));
        assert_eq!(ports(&mut reader), [80, 80], "once for each address, until it has answered");
        pair.there.run(|| {
            let socket = UdpSocket::bind("10.79.0.2:0").unwrap();
            for _ in 0..5 {
                socket.send_to(b"?", "10.79.0.1:53").unwrap();
                let mut question = [0; 8];
                let (_, client) = answers.recv_from(&mut question).unwrap();
                answers.send_to(b"!", client).unwrap();
            }
            // What comes late to a port that the host asked from.
            socket.send_to(b"late", asked.local_addr().unwrap()).unwrap();
        });
        assert_eq!(ports(&mut reader), [53], "of UDP too");
        for port in [81, 82, 81] {
            assert!(!reaches(&pair, port));
        }
        pair.there.run(|| {
            let socket = UdpSocket::bind("10.79.0.2:0").unwrap();
            socket.send_to(b"?", "10.79.0.1:161").unwrap();
        });
        assert_eq!(ports(&mut reader), [81, 82, 81, 161]);
        // The host's own connections are nobody's scan.
        assert!(TcpStream::connect("127.0.0.1:83").is_err());
        assert!(TcpStream::connect_timeout(&"10.79.0.2:84".parse().unwrap(), BRIEFLY).is_err());
        assert_eq!(ports(&mut reader), [] as [u16; 0]);
    });
}

#[test]
fn a_blocked_source_is_kept_out_for_its_time_and_over_every_swap() {
    if !root() {
        return;
    }
    let pair = pair();
    pair.here.run(|| {
        let mut table = apply(&watching());
        let open = TcpListener::bind("[::]:80").unwrap();
        let mut standing = pair.there.run(|| TcpStream::connect("10.79.0.1:80").unwrap());
        let (mut served, _) = open.accept().unwrap();
        let source: IpAddr = "10.79.0.2".parse().unwrap();
        table.block(source, Duration::from_secs(4)).unwrap();
        let began = Instant::now();
        assert!(!reaches(&pair, 80), "nothing new");
        let mut echo = [0; 2];
        std::io::Write::write_all(&mut standing, b"hi").unwrap();
        std::io::Read::read_exact(&mut served, &mut echo).unwrap();
        assert_eq!(&echo, b"hi", "what stands goes on");
        table.apply(&watching()).unwrap();
        assert!(!reaches(&pair, 80), "a swap ends no block");
        // Another version's chain: the table is replaced as a whole.
        let nft = |command: &str| {
            let status = std::process::Command::new("nft").arg(command).status().unwrap();
            assert!(status.success(), "{command}");
        };
        nft("delete chain inet sakimori fw_scan_forward");
        nft("add chain inet sakimori fw_scan_forward { type filter hook output priority 7; }");
        table.apply(&watching()).unwrap();
        let [blocked] = table.blocked().unwrap()[..] else { panic!("{:?}", table.blocked()) };
        assert_eq!(blocked.address, source);
        assert!(blocked.left <= Duration::from_secs(4) && !blocked.left.is_zero(), "{blocked:?}");
        assert!(!reaches(&pair, 80), "a replaced table ends no block");
        let dropped = table.read_firewall_counters().unwrap()[COUNTER_OF_BLOCKED].packets;
        assert!(dropped >= 3, "{dropped}");
        while !table.blocked().unwrap().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(8), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        // By the kernel's own, coarser clock.
        assert!(
            began.elapsed() >= Duration::from_millis(3_900),
            "not before its time: {:?}",
            began.elapsed()
        );
        assert!(reaches(&pair, 80));

        let v6 = "fd79::2".parse().unwrap();
        table.block(v6, Duration::from_mins(1)).unwrap();
        assert!(
            !pair.there.run(|| TcpStream::connect_timeout(&"[fd79::1]:80".parse().unwrap(), BRIEFLY).is_ok())
        );
        assert!(table.unblock(v6).unwrap() && !table.unblock(v6).unwrap());
        assert!(pair.there.run(|| TcpStream::connect("[fd79::1]:80").is_ok()));
        // All of a network, and nobody of another.
        let reaches_v6 = || {
            pair.there.run(|| TcpStream::connect_timeout(&"[fd79::1]:80".parse().unwrap(), BRIEFLY).is_ok())
        };
        table.block("fd79:0:0:1::".parse().unwrap(), Duration::from_mins(1)).unwrap();
        assert!(reaches_v6());
        table.block("fd79::".parse().unwrap(), Duration::from_mins(1)).unwrap();
        let names: Vec<String> = table.blocked().unwrap().iter().map(Blocked::source).collect();
        assert_eq!(names, ["fd79::/64", "fd79:0:0:1::/64"]);
        assert!(!reaches_v6(), "its network is blocked");
        table.apply(&watching()).unwrap();
        assert!(!reaches_v6(), "over a swap too");
        assert!(table.unblock(v6).unwrap() && !table.unblock(v6).unwrap(), "let in with its network");
        assert!(reaches_v6());
        assert!(table.unblock("fd79:0:0:1::".parse().unwrap()).unwrap());
        for host in 0..1024_u32 {
            let forged = std::net::Ipv4Addr::from(0x0A00_0000 + host).into();
            table.block(forged, Duration::from_mins(1)).unwrap();
        }
        assert!(table.block(source, Duration::from_mins(1)).is_err(), "there is a most");
        assert_eq!(table.blocked().unwrap().len(), 1024);
        table.apply(&plan()).unwrap();
        assert_eq!(table.blocked().unwrap(), [], "gone with what looks for them");
        assert!(Table::open().unwrap().block(source, Duration::from_mins(1)).is_err());
        table.apply(&watching()).unwrap();
        assert_eq!(table.blocked().unwrap(), []);
        table.remove().unwrap();
    });
}
