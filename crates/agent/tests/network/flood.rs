//! A flood of denied packets: few events that tell of all of them, and an agent that stays small and awake.
use super::lab::{Lab, able, get, plan, start, until, worker_id};
use sakimori_agent::network::NetworkPlan;
use sakimori_kernel::nftables::Table;
use sakimori_model::{FailureResponse, Mode};
use sakimori_modules::firewall::FirewallEvent;
use sakimori_protocol::Event;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Packets of the flood.
const PACKETS: u64 = 120_000;
/// Ends of it: more than one rule has events for.
const PORTS: u16 = 300;

/// Processor time of a process, in seconds.
fn cpu(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    f64::from(ticks) / 100.0
}

/// Memory of a process, in KiB.
fn memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_flood_is_few_events_that_tell_of_every_packet() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let rules = r#"{"mode":"prevent","rules":{
        "one port":{"action":"deny","direction":"in","protocol":"udp","ports":["9"]},
        "many ports":{"action":"deny","direction":"in","protocol":"udp","ports":["20000-30000"]},
        "quiet":{"action":"deny","direction":"in","protocol":"udp","ports":["7"]}}}"#;
    let inspected = plan(Mode::Prevent, FailureResponse::Open, "");
    network.apply(NetworkPlan { firewall: serde_json::from_str(rules).unwrap(), ..inspected }).unwrap();
    let worker = worker_id().unwrap();
    let (small, idle) = (memory(worker), cpu(worker));

    let began = Instant::now();
    lab.as_client(|| {
        let socket = UdpSocket::bind("10.77.0.2:0").unwrap();
        for number in 0..PACKETS {
            // Half of them to one port, half to many; all are dropped.
            let port = match number % 2 {
                0 => 9,
                _ => 20_000 + u16::try_from(number / 2 % u64::from(PORTS)).unwrap(),
            };
            // A full queue of the card refuses a packet: it is then not counted either.
            let _full = socket.send_to(&[0; 32], ("10.77.0.1", port));
        }
        socket.send_to(&[0; 32], ("10.77.0.1", 7)).unwrap();
    });
    let flood = began.elapsed();
    assert!(get_as_client(&lab).contains("hello"), "what is allowed is judged as before");

    let counted = |rule: &str| {
        let prefix = format!("fw_{}_", rule.replace(' ', "_"));
        let counters = Table::open().unwrap().read_firewall_counters().unwrap();
        counters
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(_, count)| count.packets)
            .sum::<u64>()
    };
    let told = || -> Vec<FirewallEvent> {
        events.lock().unwrap().iter().filter_map(Event::read::<FirewallEvent>).collect()
    };
    let sum =
        |rule: &str| told().iter().filter(|event| event.rule == rule).map(|event| event.count).sum::<u64>();
    let all = ["one port", "many ports", "quiet"];
    // A sample that is late, on a busy machine, tells of its packet once more; the next event would tell of so many less.
    let told_of = |rule: &str| {
        let (sum, counted) = (sum(rule), counted(rule));
        sum >= counted && sum <= counted + counted / 1000
    };
    assert!(
        until(Duration::from_secs(30), || all.iter().all(|rule| told_of(rule))),
        "{:?} counted, {:?} told",
        all.map(counted),
        all.map(sum)
    );
    let counts = all.map(counted);
    assert!(counts[0] > PACKETS / 4 && counts[1] > PACKETS / 4 && counts[2] == 1, "{counts:?}");

    let events = told();
    let windows = usize::try_from(flood.as_secs() / 2 + 2).unwrap();
    let (most, number) = (windows * 200, events.len());
    assert!(number < most, "{number} events in {flood:?}");
    let one: Vec<&FirewallEvent> = events.iter().filter(|event| event.rule == "one port").collect();
    assert!(
        one.iter().any(|event| event.count > 100 * event.sampled && event.destination_port == 9),
        "{one:#?}"
    );
    assert!(one.iter().all(|event| event.first <= event.last && !event.first.is_empty()), "{one:#?}");
    let (grown, used) = (memory(worker).saturating_sub(small), cpu(worker) - idle);
    assert!(grown < 8 << 10, "the worker grew by {grown} KiB");
    // A core has `flood` seconds; the worker must not need one for what is dropped anyhow.
    assert!(used < flood.as_secs_f64().max(1.0), "{used} s of processor time in {flood:?}");
    eprintln!(
        "{counts:?} packets in {flood:?}: {number} events, worker +{grown} KiB, {used:.2} s of processor time",
    );
    network.stop();
}

fn get_as_client(lab: &Lab) -> String {
    lab.as_client(|| get("10.77.0.1:8080", "/", Duration::from_secs(3))).unwrap()
}

/// Packets of the flood from forged sources.
const FORGED: u32 = 1_000_000;

/// Sends TCP SYN with forged sources as fast as one thread can; how long it took.
fn forged_flood(lab: &Lab) -> Duration {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};
    lab.as_client(|| {
        let raw = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW))
            .unwrap();
        let mut packet = [0_u8; 40];
        packet[..10].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
        packet[16..20].copy_from_slice(&[10, 77, 0, 1]);
        packet[32..34].copy_from_slice(&[0x50, 0x02]);
        let to = std::net::SocketAddrV4::new([10, 77, 0, 1].into(), 0);
        let began = Instant::now();
        for number in 0..FORGED {
            packet[12..16].copy_from_slice(&(0xCB00_0000 + number % 500_000).to_be_bytes());
            packet[20..22].copy_from_slice(&[0x9C, 0x40]);
            let port = 1000 + u16::try_from(number % 60_000).unwrap();
            packet[22..24].copy_from_slice(&port.to_be_bytes());
            // A full queue of the card refuses a packet.
            let _full = sendto(&raw, &packet, SendFlags::empty(), &to);
        }
        began.elapsed()
    })
}

#[test]
fn a_flood_from_forged_sources_drowns_neither_reconnaissance_nor_the_agent() {
    if !able() {
        return;
    }
    let lab = Lab::new();
    let (network, events) = start();
    let rules = r#"{"mode":"prevent","defaultInbound":"deny",
        "stateful":{"invalid":"prevent","outOfConnection":"prevent"},
        "reconnaissance":{"scan":{"response":"block"},"fingerprint":{},"null":{},"fin":{},"xmas":{},"syn-fin":{}},
        "rules":{"web":{"action":"allow","direction":"in","protocol":"tcp","ports":["8080"]}}}"#;
    let inspected = plan(Mode::Prevent, FailureResponse::Open, "");
    network.apply(NetworkPlan { firewall: serde_json::from_str(rules).unwrap(), ..inspected }).unwrap();
    let worker = worker_id().unwrap();
    let own = std::process::id();
    let (small, idle) = (memory(worker), cpu(worker));
    let (own_small, own_idle) = (memory(own), cpu(own));
    let flood = forged_flood(&lab);
    assert!(get_as_client(&lab).contains("hello"), "what is allowed is judged as before");
    let (grown, used) = (memory(worker).saturating_sub(small), cpu(worker) - idle);
    // The supervisor is this process, and so is the flood's sender.
    let (own_grown, both) = (memory(own).saturating_sub(own_small), cpu(own) - own_idle);
    let number = events.lock().unwrap().len();
    eprintln!(
        "{FORGED} packets in {flood:?}, {:.0} a second: {number} events, worker +{grown} KiB, {used:.2} s of processor \
         time; supervisor and sender +{own_grown} KiB, {both:.2} s",
        f64::from(FORGED) / flood.as_secs_f64()
    );
    let windows = usize::try_from(flood.as_secs() / 2 + 2).unwrap();
    assert!(number < windows * 200, "{number} events in {flood:?}");
    assert!(grown < 12 << 10, "the worker grew by {grown} KiB");
    assert!(own_grown < 16 << 10, "the supervisor grew by {own_grown} KiB");
    assert!(used < (flood.as_secs_f64() / 2.0).max(1.0), "{used} s of processor time in {flood:?}");
    network.stop();
}
