use std::collections::HashSet;

use expect_test::{Expect, expect};

use super::*;
use crate::nftables::request::transaction;
use crate::nftables::{Capabilities, Forwarding, Mechanism};

fn plan() -> TablePlan {
    TablePlan {
        capabilities: Capabilities {
            mechanism: Mechanism::NftQueue,
            payload: PayloadMatch::InnerHeader,
            interface_kinds: true,
            samples: true,
            sockets: true,
        },
        queue: 7,
        bypass: true,
        inspected_ports: vec![8000..=8090, 80..=80],
        inspect_responses: false,
        forwarding: Forwarding::Inspected,
        state: TableState::Queue,
        outgoing_ports: Vec::new(),
        outgoing_except: Vec::new(),
        firewall: sakimori_firewall::Plan::default(),
        sample_group: None,
    }
}

fn in_place(plan: &TablePlan) -> Vec<Request> {
    super::in_place(plan, &Present::default())
}

fn text(requests: &[Request]) -> String {
    requests.iter().flat_map(|request| [request.to_string(), "\n".to_owned()]).collect()
}

fn rules(plan: &TablePlan, chain: &str, golden: &Expect) {
    let prefix = format!("add rule {chain} ");
    let lines: Vec<String> = text(&in_place(plan))
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix).map(|rule| format!("{rule}\n")))
        .collect();
    golden.assert_eq(&lines.concat());
}

#[test]
fn the_whole_table() {
    expect![[r#"
        add table inet sakimori
        add chain input_to_server
        add chain forward_to_server
        add chain forward_to_client
        add chain output_to_client
        add chain input { type filter hook input priority 10; policy accept; }
        add chain input_save { type filter hook input priority 11; policy accept; }
        add chain forward { type filter hook forward priority 10; policy accept; }
        add chain forward_save { type filter hook forward priority 11; policy accept; }
        add chain output { type filter hook output priority 10; policy accept; }
        add chain output_save { type route hook output priority 11; policy accept; }
        flush table inet sakimori
        add counter queued_input_to_server { packets 0 bytes 0 }
        add counter passed_input_to_server { packets 0 bytes 0 }
        add counter refused_input_to_server { packets 0 bytes 0 }
        add counter queued_forward_to_server { packets 0 bytes 0 }
        add counter passed_forward_to_server { packets 0 bytes 0 }
        add counter refused_forward_to_server { packets 0 bytes 0 }
        add counter queued_forward_to_client { packets 0 bytes 0 }
        add counter passed_forward_to_client { packets 0 bytes 0 }
        add counter refused_forward_to_client { packets 0 bytes 0 }
        add counter queued_output_to_client { packets 0 bytes 0 }
        add counter passed_output_to_client { packets 0 bytes 0 }
        add counter refused_output_to_client { packets 0 bytes 0 }
        add counter blocked_input { packets 0 bytes 0 }
        add counter done_input { packets 0 bytes 0 }
        add counter blocked_forward { packets 0 bytes 0 }
        add counter done_forward { packets 0 bytes 0 }
        add counter blocked_output { packets 0 bytes 0 }
        add counter done_output { packets 0 bytes 0 }
        add rule input meta mark and 0x04000000 != 0x0 accept
        add rule input ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        add rule input ct mark and 0x02000000 != 0x0 counter name "blocked_input" drop
        add rule input ct mark and 0x01000000 != 0x0 counter name "done_input" accept
        add set #34
        fill set #34
        add rule input meta l4proto tcp tcp dport { 80, 8000-8090 } jump input_to_server
        add rule input_to_server tcp flags and 0x07 != 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        add rule input_to_server @ih,0,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        add rule input_save ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        add rule input_save meta mark and 0x02000000 != 0x0 ct mark set ct mark and 0xfdffffff xor 0x02000000 counter name "blocked_input" drop
        add rule input_save meta mark and 0x01000000 != 0x0 ct mark set ct mark and 0xfeffffff xor 0x01000000 meta mark set meta mark and 0xfcffffff
        add rule forward meta mark and 0x04000000 != 0x0 accept
        add rule forward ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        add rule forward ct mark and 0x02000000 != 0x0 counter name "blocked_forward" drop
        add rule forward ct mark and 0x01000000 != 0x0 counter name "done_forward" accept
        add set #46
        fill set #46
        add rule forward meta l4proto tcp tcp dport { 80, 8000-8090 } jump forward_to_server
        add rule forward_to_server tcp flags and 0x07 != 0x0 counter name "queued_forward_to_server" queue flags bypass to 7
        add rule forward_to_server @ih,0,8 >= 0x0 counter name "queued_forward_to_server" queue flags bypass to 7
        add set #51
        fill set #51
        add rule forward meta l4proto tcp tcp sport { 80, 8000-8090 } jump forward_to_client
        add rule forward_to_client tcp flags and 0x07 != 0x0 counter name "queued_forward_to_client" queue flags bypass to 7
        add rule forward_save ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        add rule forward_save meta mark and 0x02000000 != 0x0 ct mark set ct mark and 0xfdffffff xor 0x02000000 counter name "blocked_forward" drop
        add rule forward_save meta mark and 0x01000000 != 0x0 ct mark set ct mark and 0xfeffffff xor 0x01000000 meta mark set meta mark and 0xfcffffff
        add rule output meta mark and 0x04000000 != 0x0 accept
        add rule output ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        add rule output ct mark and 0x02000000 != 0x0 counter name "blocked_output" drop
        add rule output ct mark and 0x01000000 != 0x0 counter name "done_output" accept
        add set #62
        fill set #62
        add rule output meta l4proto tcp tcp sport { 80, 8000-8090 } jump output_to_client
        add rule output_to_client tcp flags and 0x07 != 0x0 counter name "queued_output_to_client" queue flags bypass to 7
        add rule output_save ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        add rule output_save meta mark and 0x02000000 != 0x0 ct mark set ct mark and 0xfdffffff xor 0x02000000 counter name "blocked_output" drop
        add rule output_save meta mark and 0x01000000 != 0x0 ct mark set ct mark and 0xfeffffff xor 0x01000000 meta mark set meta mark and 0xfcffffff
    "#]].assert_eq(&text(&in_place(&plan())));
}

#[test]
fn responses_fail_closed_and_xtables() {
    let capabilities = Capabilities { mechanism: Mechanism::XtNfqueue, ..plan().capabilities };
    let plan = TablePlan { capabilities, bypass: false, inspect_responses: true, ..plan() };
    rules(
        &plan,
        "output_to_client",
        &expect![[r#"
        tcp flags and 0x07 != 0x0 counter name "queued_output_to_client" queue to 7 (xt)
        @ih,0,8 >= 0x0 counter name "queued_output_to_client" queue to 7 (xt)
    "#]],
    );
}

#[test]
fn payload_without_the_inner_header() {
    let capabilities = Capabilities { payload: PayloadMatch::DataOffsets, ..plan().capabilities };
    rules(
        &TablePlan { capabilities, ..plan() },
        "input_to_server",
        &expect![[r#"
        tcp flags and 0x07 != 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 5 @th,160,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 6 @th,192,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 7 @th,224,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 8 @th,256,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 9 @th,288,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 10 @th,320,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 11 @th,352,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 12 @th,384,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 13 @th,416,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 14 @th,448,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
        tcp doff 15 @th,480,8 >= 0x0 counter name "queued_input_to_server" queue flags bypass to 7
    "#]],
    );
}

#[test]
fn while_no_worker_reads() {
    rules(
        &TablePlan { state: TableState::PassAll, ..plan() },
        "input_to_server",
        &expect![[r#"
        tcp flags and 0x07 != 0x0 counter name "passed_input_to_server" accept
        @ih,0,8 >= 0x0 counter name "passed_input_to_server" accept
    "#]],
    );
    rules(
        &TablePlan { state: TableState::DropAll, ..plan() },
        "input_to_server",
        &expect![[r#"
        counter name "refused_input_to_server" drop
    "#]],
    );
}

#[test]
fn nothing_to_inspect_hangs_nothing_in_the_way_of_packets() {
    let text = text(&in_place(&TablePlan { inspected_ports: Vec::new(), ..plan() }));
    assert!(!text.contains("add chain") && !text.contains("add rule"), "{text}");
    assert!(text.contains("flush table"), "what an earlier plan has put there is emptied: {text}");
}

#[test]
fn replacing_sets_the_counters() {
    let mut values = Counters::default();
    values.0.insert((CounterKind::Queued, CounterPath::InputToServer), Count { packets: 3, bytes: 99 });
    let text = text(&replacement(&plan(), &values, &Present::default(), &[]));
    assert!(
        text.starts_with("add table inet sakimori\ndelete table inet sakimori\nadd table inet sakimori\n")
    );
    assert!(text.contains("add counter queued_input_to_server { packets 3 bytes 99 }\n"), "{text}");
    assert!(text.contains("add counter done_input { packets 0 bytes 0 }\n"), "{text}");
}

#[test]
fn counters_have_names_of_their_own() {
    let names: HashSet<_> = counters().map(|(_, _, name)| name).collect();
    assert_eq!((names.len(), counters().count()), (30, 30));
}

#[test]
fn ranges_are_merged() {
    let merged = |ranges: &[RangeInclusive<u16>]| merge(ranges);
    assert_eq!(merged(&[]), []);
    #[expect(clippy::reversed_empty_ranges, reason = "an operator may write one")]
    let empty = 9..=8;
    assert_eq!(merged(&[5..=9, 1..=2, 3..=3, 9..=12, 0..=0, empty]), [0..=3, 5..=12]);
    assert_eq!(merged(&[65_535..=65_535, 0..=65_535, 7..=7]), [0..=65_535]);
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_a_dry_run_has_no_end() {
    let requests = in_place(&plan());
    let whole = transaction(&requests, true);
    assert_eq!(whole, transaction(&in_place(&plan()), true));
    assert_eq!(whole.len(), transaction(&requests, false).len() + 20);
    let messages: Vec<_> = crate::netlink::messages(&whole).collect();
    assert_eq!(messages.len(), requests.len() + 2);
    assert_eq!((messages[0].kind, messages[messages.len() - 1].kind), (0x10, 0x11));
    for (index, message) in messages[1..=requests.len()].iter().enumerate() {
        assert_eq!(message.sequence as usize, index + 1);
        assert_eq!(message.kind >> 8, 10);
    }
}

#[test]
fn connections_to_the_outside_are_queued_at_the_other_ends_of_the_hooks() {
    let plan = TablePlan {
        inspected_ports: Vec::new(),
        outgoing_ports: vec![443..=443],
        outgoing_except: vec!["[2001:db8::7]:443".parse().unwrap()],
        state: TableState::DropAll,
        ..plan()
    };
    let golden = |chain: &str, golden: &Expect| rules(&plan, chain, golden);
    golden(
        "output_to_server",
        &expect![[r#"
            meta l4proto tcp ip6 daddr 2001:db8::7 th dport 443 accept
            tcp flags and 0x07 != 0x0 counter name "passed_output_to_server" accept
            @ih,0,8 >= 0x0 counter name "passed_output_to_server" accept
        "#]],
    );
    golden(
        "input_to_client",
        &expect![[r#"
        tcp flags and 0x07 != 0x0 counter name "passed_input_to_client" accept
    "#]],
    );
    golden(
        "forward_out_to_server",
        &expect![[r#"
            meta l4proto tcp ip6 daddr 2001:db8::7 th dport 443 accept
            tcp flags and 0x07 != 0x0 counter name "passed_forward_out_to_server" accept
            @ih,0,8 >= 0x0 counter name "passed_forward_out_to_server" accept
        "#]],
    );
    golden(
        "forward_save",
        &expect![[r#"
        ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        meta mark and 0x02000000 != 0x0 ct mark set ct mark and 0xfdffffff xor 0x02000000 counter name "blocked_forward" drop
        meta mark and 0x01000000 != 0x0 ct mark set ct mark and 0xfeffffff xor 0x01000000 meta mark set meta mark and 0xfcffffff
        meta mark and 0x08000000 != 0x0 meta mark set meta mark and 0xf7ffffff
    "#]],
    );
    let text = text(&in_place(&plan));
    assert!(text.contains("tcp dport { 443 } oiftype != loopback jump output_to_server"), "{text}");
    assert!(text.contains("tcp sport { 443 } iiftype != loopback jump input_to_client"), "{text}");
    assert!(text.contains("tcp dport { 443 } iifkind \"veth\" meta mark set meta mark and 0xf7ffffff xor 0x08000000 jump forward_out_to_server"), "{text}");
}

#[test]
fn the_firewalls_chains_come_first_and_stale_counters_go() {
    use sakimori_firewall::{Action, Direction, Policy, Protocol, Rule, compile};
    let rule = Rule {
        remote: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()].into(),
        local_ports: vec![sakimori_model::PortRange::single(22)].into(),
        log: true,
        ..Rule::new("no ssh", Action::Deny, Direction::In, Protocol::Tcp)
    };
    let policy = Policy { mode: sakimori_model::Mode::Prevent, rules: vec![rule], ..Policy::default() };
    let firewall = compile(&policy).plan.unwrap();
    let plan = TablePlan { firewall, sample_group: Some(9), ..plan() };
    rules(
        &plan,
        "fw_in",
        &expect![[r#"
            meta l4proto 6 ip saddr 10.0.0.0-10.255.255.255 th dport 22 counter name "fw_no_ssh_bc4e0fb6866b195c" limit rate 20/second burst 40 packets limit name "samples" log prefix "fw_no_ssh_bc4e0fb6866b195c!" group 9 snaplen 128
            meta l4proto 6 ip saddr 10.0.0.0-10.255.255.255 th dport 22 drop
            meta l4proto 6 ip6 saddr 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff th dport 22 counter name "fw_no_ssh_bc4e0fb6866b195c" limit rate 20/second burst 40 packets limit name "samples" log prefix "fw_no_ssh_bc4e0fb6866b195c!" group 9 snaplen 128
            meta l4proto 6 ip6 saddr 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff th dport 22 drop
        "#]],
    );
    rules(
        &plan,
        "fw_input",
        &expect![[r"
            ct state and 0x6 != 0x0 accept
            meta mark and 0x0c000000 == 0x04000000 accept
            iiftype loopback accept
            meta l4proto 17 th sport 67 th dport 68 accept
            meta l4proto 17 th sport 547 th dport 546 accept
            meta l4proto 58 @th,0,16 130/0-137/255 accept
            meta l4proto 58 @th,0,16 143/0-143/255 accept
            jump fw_in
        "]],
    );
    rules(
        &plan,
        "fw_forward",
        &expect![[r#"
            ct state and 0x6 != 0x0 accept
            meta mark and 0x0c000000 == 0x04000000 accept
            oifkind "bridge" jump fw_in
            oifkind "veth" jump fw_in
        "#]],
    );
    rules(
        &TablePlan { sample_group: None, ..plan.clone() },
        "fw_in",
        &expect![[r#"
            meta l4proto 6 ip saddr 10.0.0.0-10.255.255.255 th dport 22 counter name "fw_no_ssh_bc4e0fb6866b195c" drop
            meta l4proto 6 ip6 saddr 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff th dport 22 counter name "fw_no_ssh_bc4e0fb6866b195c" drop
        "#]],
    );
    let present =
        Present { counters: [("fw_gone_1".to_owned(), Count::default())].into(), ..Present::default() };
    let text = text(&super::in_place(&plan, &present));
    assert!(
        text.contains("add chain fw_input { type filter hook input priority 5; policy accept; }"),
        "{text}"
    );
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in\n{text}"));
    assert!(at("flush table") < at("delete counter fw_gone_1"));
    assert!(at("add counter fw_no_ssh") < at("add rule fw_in "));
}

#[test]
fn what_a_rule_bypasses_is_marked_before_the_queue_and_unmarked_there() {
    use sakimori_firewall::{Action, Among, Direction, Policy, Protocol, Rule, TcpFlags, compile};
    let rule = Rule {
        interfaces: vec!["eth*".parse().unwrap(), "wg0".parse().unwrap()].into(),
        tcp_flags: vec![TcpFlags { set: 2, clear: 16 }].into(),
        macs: Among { entries: vec![sakimori_firewall::Mac::new([2, 0, 0, 0, 0, 1])], not: true },
        ..Rule::new("probe", Action::Bypass, Direction::In, Protocol::Tcp)
    };
    let policy = Policy { mode: sakimori_model::Mode::Prevent, rules: vec![rule], ..Policy::default() };
    let plan = TablePlan { firewall: compile(&policy).plan.unwrap(), ..plan() };
    rules(
        &plan,
        "fw_bypass_in",
        &expect![[r#"
            iifname eth* meta l4proto 6 tcp flags & 0x12 == 0x02 iiftype ether ether saddr != 02:00:00:00:00:01 counter name "fw_probe_f97691246db266f1" meta mark set meta mark and 0xf3ffffff xor 0x0c000000 accept
            iifname wg0 meta l4proto 6 tcp flags & 0x12 == 0x02 iiftype ether ether saddr != 02:00:00:00:00:01 counter name "fw_probe_f97691246db266f1" meta mark set meta mark and 0xf3ffffff xor 0x0c000000 accept
        "#]],
    );
    rules(
        &plan,
        "fw_input",
        &expect![[r"
            ct state and 0x6 != 0x0 jump fw_bypass_in
            ct state and 0x6 != 0x0 accept
            meta mark and 0x0c000000 == 0x04000000 accept
            iiftype loopback jump fw_bypass_in
            iiftype loopback accept
            meta l4proto 17 th sport 67 th dport 68 accept
            meta l4proto 17 th sport 547 th dport 546 accept
            meta l4proto 58 @th,0,16 130/0-137/255 accept
            meta l4proto 58 @th,0,16 143/0-143/255 accept
            jump fw_in
        "]],
    );
    rules(
        &plan,
        "input",
        &expect![[r#"
        meta mark and 0x0c000000 == 0x0c000000 ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        meta mark and 0x0c000000 == 0x0c000000 meta mark set meta mark and 0xf3ffffff accept
        meta mark and 0x04000000 != 0x0 accept
        ct mark and 0x03000000 != 0x0 meta l4proto tcp tcp flags and 0x17 == 0x2 ct mark set ct mark and 0xfcffffff
        ct mark and 0x02000000 != 0x0 counter name "blocked_input" drop
        ct mark and 0x01000000 != 0x0 counter name "done_input" accept
        meta l4proto tcp tcp dport { 80, 8000-8090 } jump input_to_server
    "#]],
    );
}

fn watching() -> TablePlan {
    use sakimori_firewall::scan::{Kind, Watch};
    use sakimori_firewall::{Among, Network};
    let kinds = [Kind::Scan, Kind::Fingerprint, Kind::Null, Kind::Fin, Kind::Xmas, Kind::SynFin];
    let networks = |text: &str| Among::from(vec![text.parse::<Network>().unwrap()]);
    let watch = Watch::new(kinds.into(), &networks("192.0.2.7"), &networks("198.51.100.0/24"));
    let firewall = sakimori_firewall::Plan { watch: Some(watch), ..sakimori_firewall::Plan::default() };
    TablePlan { firewall, sample_group: Some(5), inspected_ports: Vec::new(), ..plan() }
}

#[test]
fn who_looks_for_ways_in_is_sampled() {
    rules(
        &watching(),
        "fw_scan",
        &expect![[r#"
        ip saddr 192.0.2.7 accept
        ip saddr @fw_blocked4 counter name "fw_blocked_source" drop
        ip6 saddr @fw_blocked6 counter name "fw_blocked_source" drop
        ip6 saddr and ffff:ffff:ffff:ffff:: @fw_blocked6 counter name "fw_blocked_source" drop
        ip daddr { 0.0.0.0-198.51.99.255, 198.51.101.0-255.255.255.255 } accept
        ip6 daddr ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff accept
        meta l4proto tcp tcp flags & 0x3f == 0x00 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto tcp tcp flags & 0x3f == 0x01 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto tcp tcp flags & 0x3f == 0x29 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto tcp tcp flags & 0x03 == 0x03 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto tcp tcp flags & 0x06 == 0x06 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto tcp tcp flags & 0x37 == 0x02 tcp urgptr 1-65535 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto 1 @th,0,16 8/1-8/255 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto 1 @th,0,16 15/0-15/255 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto 1 @th,0,16 17/0-17/255 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto 58 @th,0,16 128/1-128/255 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto 58 @th,0,16 139/0-139/255 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        ip daddr . meta l4proto . th dport @fw_served4 accept
        ip6 daddr . meta l4proto . th dport @fw_served6 accept
        meta l4proto tcp tcp flags and 0x17 == 0x2 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto udp th dport 0-32767 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
        meta l4proto udp th dport 61000-65535 limit name "scan_samples" log prefix "scan" group 5 snaplen 128 accept
    "#]],
    );
}

#[test]
fn the_ways_to_the_look_are_short() {
    rules(
        &watching(),
        "fw_scan_input",
        &expect![[r"
        ct state and 0x6 != 0x0 accept
        iiftype loopback accept
        jump fw_scan
    "]],
    );
    rules(
        &watching(),
        "fw_scan_output",
        &expect![[r"
        oiftype loopback accept
        meta l4proto tcp tcp flags and 0x17 == 0x12 jump fw_scan_answers
        meta l4proto udp ct direction reply ct status and 0x4 == 0x0 jump fw_scan_answers
    "]],
    );
    rules(
        &watching(),
        "fw_scan_answers",
        &expect![[r"
        update @fw_served4 { ip saddr . meta l4proto . th sport }
        update @fw_served6 { ip6 saddr . meta l4proto . th sport }
    "]],
    );
    rules(
        &watching(),
        "fw_scan_forward",
        &expect![[r#"
        ct state and 0x6 == 0x0 oifkind "bridge" jump fw_scan
        iifkind "bridge" meta l4proto tcp tcp flags and 0x17 == 0x12 jump fw_scan_answers
        iifkind "bridge" meta l4proto udp ct direction reply ct status and 0x4 == 0x0 jump fw_scan_answers
        ct state and 0x6 == 0x0 oifkind "veth" jump fw_scan
        iifkind "veth" meta l4proto tcp tcp flags and 0x17 == 0x12 jump fw_scan_answers
        iifkind "veth" meta l4proto udp ct direction reply ct status and 0x4 == 0x0 jump fw_scan_answers
    "#]],
    );
}

#[test]
fn blocked_sources_stay_over_changes_and_go_with_what_looks_for_them() {
    use std::time::Duration;
    let address = "203.0.113.9".parse().unwrap();
    let blocked = [Blocked { address, left: Duration::from_secs(61) }];
    let present = Present {
        counters: [(scan::COUNTER_OF_BLOCKED.to_owned(), Count::default())].into(),
        ..Present::default()
    };
    let kept = text(&super::in_place(&watching(), &present));
    assert!(kept.contains("add set fw_blocked4") && !kept.contains("delete"), "{kept}");
    let replaced = text(&replacement(&watching(), &Counters::default(), &present, &blocked));
    assert!(replaced.contains("block 203.0.113.9 for 61 s"), "{replaced}");
    let gone = text(&super::in_place(&plan(), &present));
    for line in ["delete counter fw_blocked_source", "delete set fw_blocked4", "delete set fw_served6"] {
        assert!(gone.contains(line), "{line}\n{gone}");
    }
    let without = text(&replacement(&plan(), &Counters::default(), &present, &blocked));
    assert!(!without.contains("block 203"), "{without}");
}
