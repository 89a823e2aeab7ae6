//! States of the table, counters over changes, removal.

use sakimori_kernel::nfqueue::{QueueOptions, QueueSocket};
use sakimori_kernel::nftables::{Count, CounterKind, CounterPath, Counters, Table, TablePlan, TableState};

use crate::foreign;
use crate::support::{
    Answerer, LOOPBACKS, PORT, apply, connect, echo, exchange, in_namespace, plan, wait_for,
};

#[test]
fn without_a_listener_bypass_lets_pass_and_otherwise_nothing_passes() {
    in_namespace("bypass", || {
        for address in LOOPBACKS {
            let server = echo(address, PORT, 1);
            let _table = apply(&TablePlan { bypass: false, ..plan() });
            assert!(connect(address, PORT).is_err(), "fail closed");
            let _table = apply(&TablePlan { bypass: true, ..plan() });
            exchange(&mut connect(address, PORT).unwrap(), b"fail open").unwrap();
            server.join().unwrap();
        }
    });
}

#[test]
fn states_pass_and_drop_without_the_queue_and_counters_stay() {
    in_namespace("states", || {
        let mut table = apply(&plan());
        for address in LOOPBACKS {
            let before = table.read_counters().unwrap();
            let answerer = Answerer::accepting();
            let server = echo(address, PORT, 3);
            let mut kept = connect(address, PORT).unwrap();
            exchange(&mut kept, b"queued").unwrap();
            let queued = table.read_counters().unwrap();
            assert!(queued.total(CounterKind::Queued).packets > before.total(CounterKind::Queued).packets);

            table.apply(&TablePlan { state: TableState::PassAll, ..plan() }).unwrap();
            exchange(&mut kept, b"passed").unwrap();
            let passed = table.read_counters().unwrap();
            assert_eq!(passed.total(CounterKind::Queued), queued.total(CounterKind::Queued), "kept");
            let of = |counters: &Counters| counters.0[&(CounterKind::Passed, CounterPath::InputToServer)];
            assert_eq!(of(&passed).packets, of(&before).packets + 1, "the one segment with payload");
            assert_eq!(of(&passed).bytes - of(&before).bytes, if address.is_ipv4() { 58 } else { 78 });
            drop(kept);

            table.apply(&TablePlan { state: TableState::DropAll, ..plan() }).unwrap();
            assert!(connect(address, PORT).is_err());
            let refused = table.read_counters().unwrap();
            assert!(refused.total(CounterKind::Refused).packets > before.total(CounterKind::Refused).packets);

            table.apply(&plan()).unwrap();
            exchange(&mut connect(address, PORT).unwrap(), b"queued again").unwrap();
            let again = table.read_counters().unwrap();
            assert!(again.total(CounterKind::Queued).packets > refused.total(CounterKind::Queued).packets);
            // The attempt that was refused leaves no connection: two are enough, the third is for the server.
            drop(connect(address, PORT).unwrap());
            server.join().unwrap();
            answerer.stop();
        }
    });
}

#[test]
fn a_change_in_place_loses_no_packet_that_waits() {
    in_namespace("inplace", || {
        let mut table = apply(&plan());
        let socket = QueueSocket::open(QueueOptions::new(crate::support::QUEUE)).unwrap();
        let server = echo(LOOPBACKS[0], PORT, 1);
        let client = std::thread::spawn(|| {
            exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"waiting").unwrap();
        });
        let waiting =
            || sakimori_kernel::nfqueue::read_statistics(crate::support::QUEUE).unwrap().unwrap().waiting;
        wait_for("the SYN in the queue", || waiting() == 1);
        table.apply(&TablePlan { inspect_responses: true, ..plan() }).unwrap();
        assert_eq!(waiting(), 1);
        let answerer = Answerer::over(socket, |_| (sakimori_kernel::nfqueue::Verdict::Accept, None));
        client.join().unwrap();
        server.join().unwrap();
        answerer.stop();
    });
}

#[test]
fn removal_leaves_nothing_and_other_tables_are_not_touched() {
    in_namespace("foreign", || {
        let empty = foreign::everything();
        let mut table = Table::open().unwrap();
        assert!(!table.exists().unwrap());
        assert_eq!(table.read_counters().unwrap(), Counters::default());
        table.remove().unwrap();
        foreign::create();
        let before = foreign::everything();
        assert!(before.len() >= empty.len() + 4, "table, chain, rule, counter");
        table.apply(&plan()).unwrap();
        assert!(table.exists().unwrap());
        assert_eq!(table.read_counters().unwrap().0.len(), 18);
        let with = foreign::everything();
        assert!(before.iter().all(|message| with.contains(message)), "the foreign table is as it was");
        assert!(with.len() > before.len() + 30);
        table.apply(&TablePlan { state: TableState::PassAll, inspect_responses: true, ..plan() }).unwrap();
        table.apply(&TablePlan { inspected_ports: Vec::new(), ..plan() }).unwrap();
        assert!(table.exists().unwrap());
        table.remove().unwrap();
        assert!(!table.exists().unwrap());
        assert_eq!(foreign::everything(), before);
        let server = echo(LOOPBACKS[0], PORT, 1);
        exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"free").unwrap();
        server.join().unwrap();
    });
}

#[test]
fn another_versions_table_is_replaced_and_its_counters_live_on() {
    in_namespace("version", || {
        foreign::create_our_table_with_another_priority();
        let mut table = Table::open().unwrap();
        let old = table.read_counters().unwrap();
        assert_eq!(
            old.0[&(CounterKind::Queued, CounterPath::InputToServer)],
            Count { packets: 11, bytes: 2222 }
        );
        table.apply(&plan()).unwrap();
        let new = table.read_counters().unwrap();
        assert_eq!(
            new.0[&(CounterKind::Queued, CounterPath::InputToServer)],
            Count { packets: 11, bytes: 2222 }
        );
        assert_eq!(new.0.len(), 18);
        let answerer = Answerer::accepting();
        let server = echo(LOOPBACKS[0], PORT, 1);
        exchange(&mut connect(LOOPBACKS[0], PORT).unwrap(), b"queued").unwrap();
        server.join().unwrap();
        let seen = answerer.stop().iter().filter(|p| p.to_server()).count() as u64;
        let total = table.read_counters().unwrap().0[&(CounterKind::Queued, CounterPath::InputToServer)];
        assert_eq!(total.packets, 11 + seen);
    });
}

#[test]
fn port_ranges_are_matched_at_their_ends() {
    in_namespace("ranges", || {
        let ports = vec![9000..=9002, 9002..=9004, 65_535..=65_535, 1..=1];
        let mut table = apply(&TablePlan { inspected_ports: ports, state: TableState::PassAll, ..plan() });
        let mut passed = 0;
        for (port, inspected) in [
            (8999, false),
            (9000, true),
            (9003, true),
            (9004, true),
            (9005, false),
            (65_535, true),
            (65_534, false),
            (1, true),
            (2, false),
        ] {
            let server = echo(LOOPBACKS[1], port, 1);
            exchange(&mut connect(LOOPBACKS[1], port).unwrap(), b"x").unwrap();
            server.join().unwrap();
            let now = table.read_counters().unwrap().total(CounterKind::Passed).packets;
            assert_eq!(now > passed, inspected, "port {port}");
            passed = now;
        }
    });
}
