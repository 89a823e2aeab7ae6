//! Frames that are neither IP nor ARP, over a bridge of the protected host.

use std::process::Command;

use sakimori_firewall::{Action, Direction, Frame, Mac, Policy, Protocol, Rule};
use sakimori_kernel::nflog::{SampleReader, SampleSocket};
use sakimori_kernel::nftables::Table;
use sakimori_model::Mode;

use crate::firewall::firewall;
use crate::foreign;
use crate::support::{Namespace, apply, ip, root, wait_for};

const GROUP: u16 = 7_301;
/// For experiments (IEEE 802).
const ONE: u16 = 0x88b5;
const OTHER: u16 = 0x88b6;
const LACP: u16 = 0x8809;
const SENDER: [u8; 6] = [2, 0, 0x5e, 0x10, 0, 7];

/// Two hosts on a bridge of the protected one, which takes frames from the one to the other.
struct Bridged {
    here: Namespace,
    sender: Namespace,
    receiver: Namespace,
}

fn bridged() -> Bridged {
    let bridged = Bridged {
        here: Namespace::new("frh"),
        sender: Namespace::new("frs"),
        receiver: Namespace::new("frr"),
    };
    let here = &bridged.here.0;
    ip(&format!("-n {here} link add br0 type bridge mcast_snooping 0"));
    for (port, peer) in [("eth0", &bridged.sender.0), ("eth1", &bridged.receiver.0)] {
        ip(&format!("-n {here} link add {port} type veth peer name eth0 netns {peer}"));
        ip(&format!("-n {here} link set {port} master br0 addrgenmode none up"));
        ip(&format!("-n {peer} link set eth0 addrgenmode none up"));
    }
    ip(&format!("-n {here} link set br0 addrgenmode none up"));
    bridged
}

impl Bridged {
    /// Sends frames of a type to everybody.
    fn send(&self, ether_type: u16) {
        let program = "import socket, sys\n\
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\n\
            s.bind(('eth0', 0))\n\
            s.send(b'\\xff' * 6 + bytes.fromhex('02005e100007') + int(sys.argv[1]).to_bytes(2, 'big') + b'x' * 60)";
        let sent = self.sender.run(|| {
            Command::new("python3").args(["-c", program, &ether_type.to_string()]).status().expect("python3")
        });
        assert!(sent.success());
    }

    /// Frames that have come to the receiver.
    fn received(&self) -> u64 {
        let text = self.receiver.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap());
        let line = text.lines().find_map(|line| line.trim().strip_prefix("eth0:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Whether a frame of this type comes through. A frame of a type that always passes comes behind it.
    fn passes(&self, ether_type: u16) -> bool {
        let before = self.received();
        self.send(ether_type);
        self.send(LACP);
        wait_for("the frame behind", || self.received() > before);
        self.received() == before + 2
    }
}

fn rule(name: &str, action: Action, direction: Direction, number: u16) -> Rule {
    Rule { frame: Frame::Number(number), log: true, ..Rule::new(name, action, direction, Protocol::Any) }
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy { mode: Mode::Prevent, rules, ..Policy::default() }
}

fn count(table: &mut Table, begin: &str) -> Option<u64> {
    let counters = table.read_firewall_counters().unwrap();
    counters.into_iter().find(|(name, _)| name.starts_with(begin)).map(|(_, count)| count.packets)
}

#[test]
fn frames_are_filtered_by_number_card_and_interface_in_a_table_of_its_own() {
    if !root() {
        return;
    }
    let lab = bridged();
    wait_for("the bridge", || lab.passes(ONE));
    lab.here.run(|| {
        let before = foreign::everything();
        let mut reader = SampleReader::from_fd(SampleSocket::open(GROUP).unwrap().into_fd());
        let deny = |number| rule("no one", Action::Deny, Direction::In, number);
        let card = |mac| Rule {
            macs: vec![Mac::new(mac)].into(),
            ..rule("by card", Action::Deny, Direction::In, OTHER)
        };
        let mut table = apply(&firewall(&policy(vec![deny(ONE), card([2, 0, 0, 0, 0, 9])])));
        assert!(table.filters_frames(&firewall(&policy(vec![deny(ONE)])).firewall.frames));
        assert!(!lab.passes(ONE) && lab.passes(OTHER), "by number, and not from that card");
        assert_eq!((count(&mut table, "fw_no_one_"), count(&mut table, "fw_by_card_")), (Some(1), Some(0)));
        let mut told = Vec::new();
        while reader.read(|s| told.push((s.label.to_vec(), s.ether_type, s.link.to_vec()))).unwrap() > 0 {}
        let [(label, ether_type, link)] = &told[..] else { panic!("{told:?}") };
        assert!(label.starts_with(b"fw_no_one_") && label.ends_with(b"!"), "{told:?}");
        assert_eq!((*ether_type, &link[6..12]), (ONE, &SENDER[..]));

        table.apply(&firewall(&policy(vec![deny(ONE), card(SENDER)]))).unwrap();
        assert!(!lab.passes(OTHER) && lab.passes(LACP));
        assert_eq!(count(&mut table, "fw_no_one_"), Some(1), "kept over the swap");

        // What leaves, by its interface: the label, and the frame from its link header on.
        let out = |interface: &str| Rule {
            interfaces: vec![interface.parse().unwrap()].into(),
            ..rule("no way out", Action::Deny, Direction::Out, ONE)
        };
        table.apply(&firewall(&policy(vec![out("eth0")]))).unwrap();
        assert!(lab.passes(ONE), "it leaves by another one");
        while reader.read(|_| ()).unwrap() > 0 {}
        table.apply(&firewall(&policy(vec![out("eth1")]))).unwrap();
        assert!(!lab.passes(ONE));
        let mut sent = Vec::new();
        while reader.read(|s| sent.push((s.ether_type, s.packet.to_vec()))).unwrap() > 0 {}
        let [(ONE, packet)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(&packet[6..12], &SENDER[..], "{sent:?}");

        // One that allows closes its direction to others, but not what carries other frames or keeps a link up.
        let allow = rule("only one", Action::Allow, Direction::In, ONE);
        table.apply(&firewall(&policy(vec![allow.clone()]))).unwrap();
        assert!(lab.passes(ONE) && !lab.passes(OTHER) && lab.passes(LACP));
        assert_eq!(count(&mut table, "fw_default_frame_in"), Some(1));
        table.apply(&firewall(&Policy { mode: Mode::Detect, ..policy(vec![allow]) })).unwrap();
        assert!(lab.passes(OTHER), "only counted");
        assert!(count(&mut table, "fw_default_frame_in") >= Some(2));

        table.remove().unwrap();
        assert_eq!(foreign::everything(), before, "nothing is left");
        assert!(lab.passes(OTHER));
    });
}

#[test]
fn an_interface_that_comes_later_gets_the_rules_and_one_that_goes_takes_nothing_along() {
    if !root() {
        return;
    }
    let lab = bridged();
    lab.here.run(|| {
        let before = foreign::everything();
        let plan = firewall(&policy(vec![rule("no one", Action::Deny, Direction::In, ONE)]));
        ip(&format!("-n {} link del eth0", lab.here.0));
        let mut table = apply(&plan);
        assert!(!table.lacks_interfaces(&plan.firewall.frames).unwrap());
        let here = &lab.here.0;
        ip(&format!("-n {here} link add eth0 type veth peer name eth0 netns {}", lab.sender.0));
        ip(&format!("-n {here} link set eth0 master br0 addrgenmode none up"));
        ip(&format!("-n {} link set eth0 addrgenmode none up", lab.sender.0));
        assert!(table.lacks_interfaces(&plan.firewall.frames).unwrap());
        wait_for("the bridge", || lab.passes(ONE));
        table.apply(&plan).unwrap();
        assert!(!table.lacks_interfaces(&plan.firewall.frames).unwrap());
        assert!(!lab.passes(ONE));
        // The same name, another interface.
        for _ in 0..2 {
            ip(&format!("-n {here} link del eth0"));
            table.apply(&plan).unwrap();
            ip(&format!("-n {here} link add eth0 type veth peer name eth9"));
            assert!(table.lacks_interfaces(&plan.firewall.frames).unwrap());
            table.apply(&plan).unwrap();
        }
        // Besides the one that was sent: what came before the rules did was for the bridge itself too, which has them.
        assert!(count(&mut table, "fw_no_one_") >= Some(1));
        table.remove().unwrap();
        assert_eq!(foreign::everything(), before);
    });
}

/// What a person at the computer does when no agent runs.
#[test]
fn a_release_by_hand_leaves_no_rule_of_any_table() {
    if !root() {
        return;
    }
    let lab = bridged();
    lab.here.run(|| {
        let arp = Rule {
            frame: Frame::Arp,
            ..Rule::new("no questions", Action::Deny, Direction::Out, Protocol::Any)
        };
        let rules = vec![rule("no one", Action::Deny, Direction::In, ONE), arp];
        let rules = rules.into_iter().chain([Rule::new("ssh", Action::Deny, Direction::In, Protocol::Tcp)]);
        let table = apply(&firewall(&policy(rules.collect())));
        assert!(!lab.passes(ONE));
        drop(table);
        let mut table = Table::open().unwrap();
        assert!(table.empty_firewall().unwrap(), "it was there");
        assert!(lab.passes(ONE));
        // Of our table the chains stay, for the queue that others of it use; those beside it go with their counters.
        let left = table.read_firewall_counters().unwrap();
        assert!(left.keys().all(|name| name.starts_with("fw_ssh_")), "{left:?}");
        table.empty_firewall().unwrap();
        table.remove().unwrap();
        assert!(!table.empty_firewall().unwrap(), "nothing is there any more");
    });
}
