//! Talking to the kernel: transactions, dry runs, reading counters.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use super::expression::{Expression, Socket};
use super::plan::Present;
use super::request::{
    ChainHook, NFPROTO_ARP, NFPROTO_INET, NFPROTO_NETDEV, NFT_MSG_GETOBJ, NFT_MSG_GETTABLE, NFT_MSG_NEWOBJ,
    NFT_MSG_NEWTABLE, NFT_OBJECT_COUNTER, NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS, NFTA_OBJ_DATA,
    NFTA_OBJ_NAME, NFTA_OBJ_TABLE, NFTA_OBJ_TYPE, NFTA_TABLE_NAME, Request, transaction,
};
use super::stateful::Has;
use super::{
    Capabilities, Count, Counters, Mechanism, PayloadMatch, TABLE, TableError, TablePlan, firewall, plan,
};
use crate::netlink::{self, Message, NETFILTER_HEADER, Writer};
use sakimori_firewall::Needs;

pub(super) const ENOENT: i32 = 2;
const EPERM: i32 = 1;
/// A datagram of a dump is at most 32 KiB; acknowledgements are short.
const RECEIVE: usize = 64 << 10;
/// The longest transaction.
const SEND: i32 = 32 << 20;
pub(super) const QUERY: u32 = 1;
/// How often interfaces are listed again because one of them has gone.
const INTERFACES_GO: u32 = 5;

/// Our table in the network namespace of the thread that opened it. Every call needs `CAP_NET_ADMIN`.
///
/// Dropping the value leaves the table in place: a restarted supervisor takes it over.
#[derive(Debug)]
pub struct Table {
    pub(super) fd: OwnedFd,
    /// Whether the kernel filters ARP, where it was asked.
    filters_arp: Option<bool>,
    /// Whether it filters frames that come in by an interface, and that leave by one, where it was asked.
    pub(super) frame_hooks: Option<[bool; 2]>,
    /// What the kernel has for stateful checks, where it was asked.
    pub(super) has: Option<Has>,
    /// Whether stateful checks may have left something in the table.
    keeps: bool,
}

/// Asks the kernel what it has, by transactions that are never committed.
pub fn probe() -> Result<Capabilities, TableError> {
    let table = Table::open()?;
    let native =
        table.try_rule(Expression::Queue { mechanism: Mechanism::NftQueue, queue: 0, bypass: true })?;
    let mechanism = match native {
        Ok(()) => Mechanism::NftQueue,
        Err(native) => {
            let xt = Expression::Queue { mechanism: Mechanism::XtNfqueue, queue: 0, bypass: true };
            match table.try_rule(xt)? {
                Ok(()) => Mechanism::XtNfqueue,
                Err(xtables) => return Err(TableError::NoQueueMechanism { native, xtables }),
            }
        }
    };
    let payload = match table.try_rule(Expression::Payload)? {
        Ok(()) => PayloadMatch::InnerHeader,
        Err(_older_kernel) => PayloadMatch::DataOffsets,
    };
    let kind = Expression::InterfaceKind { side: sakimori_firewall::Side::Source, kind: "veth" };
    let interface_kinds = table.try_rule(kind)?.is_ok();
    let sampling = firewall::sampling(1, "probe".to_owned()).into();
    let samples = table.try_rules(firewall::all_samples(), sampling)?.is_ok();
    let sockets = [Socket::Connected, Socket::Any].map(|kind| table.try_rule(Expression::Socket(kind)));
    let [connected, any] = sockets;
    let sockets = connected?.is_ok() && any?.is_ok() && table.try_rule(Expression::LaterFragment)?.is_ok();
    Ok(Capabilities { mechanism, payload, interface_kinds, samples, sockets })
}

/// What the kernel is asked to list, what its answers are, and of which family of tables.
#[derive(Clone, Copy)]
pub(super) struct Listing {
    pub(super) ask: u16,
    pub(super) answer: u16,
    pub(super) family: u8,
}

impl Table {
    /// Opens the connection; changes nothing.
    pub fn open() -> Result<Self, TableError> {
        let fd = netlink::socket().map_err(TableError::Socket)?;
        sakimori_kernel_sys::netlink::set_short_acknowledgements(&fd).map_err(TableError::Socket)?;
        // A transaction is one datagram, and 10,000 firewall rules are some megabytes. The forced variant is not
        // bounded by net.core.wmem_max; where it is not allowed (in tests without privileges) small plans still go.
        let _smaller = sakimori_kernel_sys::netlink::set_send_buffer_force(&fd, SEND);
        Ok(Self { fd, filters_arp: None, frame_hooks: None, has: None, keeps: true })
    }

    /// Creates the table or changes it to the plan, in one transaction. Counters keep their values.
    ///
    /// A table that another version made differently is replaced; packets that wait in queues at that moment
    /// are dropped by the kernel (senders repeat them), otherwise none is lost.
    pub fn apply(&mut self, plan: &TablePlan) -> Result<(), TableError> {
        // What is described is the plan; what is carried out takes fewer steps to the same end.
        let plan = &TablePlan { firewall: plan.firewall.in_blocks(), ..plan.clone() };
        let mut present = self.present()?;
        present.filters_arp = plan.firewall.has_arp() && (present.arp.is_some() || self.asks_for_arp());
        present.has = self.asked_for_state(&plan.firewall)?;
        let needs = plan.firewall.needs() != Needs::default();
        if self.keeps || needs {
            self.keeps = true;
            present.kept = self.kept()?;
        }
        let mut again = INTERFACES_GO;
        let refused = loop {
            present.frames = self.present_frames(&plan.firewall.frames)?;
            match self.run(&plan::in_place(plan, &present)) {
                // An interface has gone since they were listed.
                Err(TableError::Refused { source, .. })
                    if source.raw_os_error() == Some(ENOENT)
                        && !plan.firewall.frames.is_empty()
                        && again > 0 =>
                {
                    again -= 1;
                }
                Err(refused @ TableError::Refused { .. }) => break refused,
                other => {
                    self.keeps &= needs || other.is_err();
                    return other;
                }
            }
        };
        if !self.exists()? {
            return Err(refused);
        }
        let values = self.read_counters()?;
        let blocked = self.blocked()?;
        self.run(&plan::replacement(plan, &values, &present, &blocked))
    }

    /// Removes the table and all that is in it; nothing to do is success.
    pub fn remove(&mut self) -> Result<(), TableError> {
        let (arp, frames) = (self.table_exists(NFPROTO_ARP)?, self.table_exists(NFPROTO_NETDEV)?);
        self.run(&plan::removal(arp, frames))
    }

    /// Whether our table exists.
    pub fn exists(&mut self) -> Result<bool, TableError> {
        self.table_exists(NFPROTO_INET)
    }

    pub(super) fn table_exists(&self, family: u8) -> Result<bool, TableError> {
        self.drain()?;
        let mut w = Writer::default();
        w.begin(NFT_MSG_GETTABLE, netlink::REQUEST | netlink::ACK, QUERY, family, 0);
        w.string(NFTA_TABLE_NAME, TABLE);
        w.end();
        netlink::send(&self.fd, w.as_bytes()).map_err(TableError::Socket)?;
        let mut found = None;
        self.receive_all(|message| {
            if message.kind == NFT_MSG_NEWTABLE {
                found = Some(Ok(true));
            } else if let Some(errno) = message.errno().filter(|errno| *errno != 0) {
                found = Some(if errno == ENOENT { Ok(false) } else { Err(errno) });
            }
        })?;
        match found {
            Some(Ok(found)) => Ok(found),
            Some(Err(errno)) => Err(refused("look for our table".into(), errno)),
            None => Err(TableError::Malformed("our table")),
        }
    }

    /// The counters' values; empty when there is no table.
    pub fn read_counters(&mut self) -> Result<Counters, TableError> {
        let mut counters = Counters::default();
        self.list_counters(NFPROTO_INET, |name, count| {
            if let Some((kind, path, _)) = plan::counters().find(|(_, _, known)| name == known.as_bytes()) {
                counters.0.insert((kind, path), count);
            }
        })?;
        Ok(counters)
    }

    /// The values of the firewall's counters by their names; empty when there is no table.
    pub fn read_firewall_counters(&mut self) -> Result<BTreeMap<String, Count>, TableError> {
        let mut counters = BTreeMap::new();
        for family in [NFPROTO_INET, NFPROTO_ARP, NFPROTO_NETDEV] {
            counters.extend(self.counters_of(family)?);
        }
        Ok(counters)
    }

    /// Whether rules for ARP are in force, as far as the plan had any.
    pub const fn filters_arp(&self) -> bool {
        !matches!(self.filters_arp, Some(false))
    }

    /// Asks whether the kernel takes chains for ARP. Not asked before a rule needs it: taking back a chain makes the
    /// kernel drop everything that waits in queues.
    fn asks_for_arp(&mut self) -> bool {
        let hook = Some(ChainHook { number: 0, name: "input", kind: "filter", priority: 0 });
        let requests = [Request::AddTable, Request::AddChain { name: "probe".into(), hook }];
        let known = match self.filters_arp {
            Some(known) => known,
            None => self.transact(&requests.map(|request| Request::Arp(Box::new(request))), false).is_ok(),
        };
        self.filters_arp = Some(known);
        known
    }

    fn present(&self) -> Result<Present, TableError> {
        let arp = if self.table_exists(NFPROTO_ARP)? { Some(self.counters_of(NFPROTO_ARP)?) } else { None };
        let chains = self.chains_of(NFPROTO_INET)?.into_iter();
        let chains = chains.filter(|chain| !chain.hangs).map(|chain| chain.name).collect();
        Ok(Present { chains, counters: self.counters_of(NFPROTO_INET)?, arp, ..Present::default() })
    }

    /// The firewall's counters of a family; none where there is no table.
    pub(super) fn counters_of(&self, family: u8) -> Result<BTreeMap<String, Count>, TableError> {
        let mut counters = BTreeMap::new();
        self.list_counters(family, |name, count| {
            if let Ok(name) = std::str::from_utf8(name)
                && name.starts_with(sakimori_firewall::PREFIX)
            {
                counters.insert(name.to_owned(), count);
            }
        })?;
        Ok(counters)
    }

    fn list_counters(&self, family: u8, mut each: impl FnMut(&[u8], Count)) -> Result<(), TableError> {
        let asked = Listing { ask: NFT_MSG_GETOBJ, answer: NFT_MSG_NEWOBJ, family };
        self.list(
            asked,
            "the counters of our table",
            |w| {
                w.string(NFTA_OBJ_TABLE, TABLE);
                w.be32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
            },
            |body| {
                if let Some((name, count)) = parse_counter(body) {
                    each(name, count);
                }
            },
        )
    }

    /// Has the kernel list something; nothing where there is no table. `which` writes what is asked for, `each` is given
    /// the body of each answer.
    pub(super) fn list(
        &self,
        asked: Listing,
        what: &'static str,
        which: impl FnOnce(&mut Writer),
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), TableError> {
        self.drain()?;
        let mut w = Writer::default();
        w.begin(asked.ask, netlink::REQUEST | netlink::DUMP, QUERY, asked.family, 0);
        which(&mut w);
        w.end();
        netlink::send(&self.fd, w.as_bytes()).map_err(TableError::Socket)?;
        let (mut done, mut error) = (false, None);
        self.receive_all(|message| {
            if message.kind == asked.answer {
                each(message.body);
            } else if message.kind == netlink::NLMSG_DONE {
                done = true;
            } else if let Some(errno) = message.errno() {
                error = Some(errno);
            }
        })?;
        match error {
            Some(ENOENT) => Ok(()),
            Some(errno) => Err(refused(format!("list {what}"), errno)),
            None if done => Ok(()),
            None => Err(TableError::Malformed(what)),
        }
    }

    /// Whether the kernel takes a rule with this expression. Never committed.
    fn try_rule(&self, expression: Expression) -> Result<io::Result<()>, TableError> {
        self.try_rules(Request::AddTable, vec![expression])
    }

    /// Whether the kernel takes a rule behind another request. Never committed.
    pub(super) fn try_rules(
        &self,
        before: Request,
        rule: Vec<Expression>,
    ) -> Result<io::Result<()>, TableError> {
        const CHAIN: &str = "probe";
        let requests = [
            Request::AddTable,
            before,
            Request::AddChain { name: CHAIN.into(), hook: None },
            Request::AddRule { chain: CHAIN.into(), rule },
        ];
        match self.transact(&requests, false) {
            Ok(()) => Ok(Ok(())),
            Err(TableError::Refused { source, .. }) if source.raw_os_error() != Some(EPERM) => {
                Ok(Err(source))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn run(&self, requests: &[Request]) -> Result<(), TableError> {
        self.transact(requests, true)
    }

    /// Sends the transaction. The kernel has answered everything when the send returns.
    pub(super) fn transact(&self, requests: &[Request], commit: bool) -> Result<(), TableError> {
        self.drain()?;
        netlink::send(&self.fd, &transaction(requests, commit)).map_err(TableError::Socket)?;
        let mut first: Option<(u32, i32)> = None;
        let mut acknowledged = false;
        self.receive_all(|message| match message.errno() {
            Some(0) => acknowledged = true,
            Some(errno) if first.is_none_or(|(sequence, _)| message.sequence < sequence) => {
                first = Some((message.sequence, errno));
            }
            _ => {}
        })?;
        match first {
            Some((sequence, errno)) => {
                let request = usize::try_from(sequence).ok().and_then(|s| requests.get(s.checked_sub(1)?));
                let message =
                    request.map_or_else(|| "carry out the transaction".to_owned(), ToString::to_string);
                Err(refused(message, errno))
            }
            None if acknowledged => Ok(()),
            None => Err(TableError::Malformed("a transaction")),
        }
    }

    /// Throws away answers that an earlier call did not wait for.
    pub(super) fn drain(&self) -> Result<(), TableError> {
        self.receive_all(|_stale| {})
    }

    pub(super) fn receive_all(&self, mut each: impl FnMut(&Message<'_>)) -> Result<(), TableError> {
        let mut buffer = vec![0; RECEIVE];
        while let Some(datagram) = netlink::receive(&self.fd, &mut buffer).map_err(TableError::Socket)? {
            netlink::messages(datagram).for_each(|message| each(&message));
        }
        Ok(())
    }
}

pub(super) fn refused(message: String, errno: i32) -> TableError {
    TableError::Refused { message, source: io::Error::from_raw_os_error(errno) }
}

/// Name and value of a counter of our table.
fn parse_counter(body: &[u8]) -> Option<(&[u8], Count)> {
    let mut name = None;
    let mut count = None;
    for (kind, value) in netlink::attributes(body.get(NETFILTER_HEADER..)?) {
        match kind {
            NFTA_OBJ_TABLE if value.strip_suffix(&[0]) != Some(TABLE.as_bytes()) => return None,
            NFTA_OBJ_NAME => name = value.strip_suffix(&[0]),
            NFTA_OBJ_DATA => {
                let mut read = Count::default();
                for (kind, value) in netlink::attributes(value) {
                    match kind {
                        NFTA_COUNTER_BYTES => read.bytes = netlink::be64(value)?,
                        NFTA_COUNTER_PACKETS => read.packets = netlink::be64(value)?,
                        _ => {}
                    }
                }
                count = Some(read);
            }
            _ => {}
        }
    }
    name.zip(count)
}
