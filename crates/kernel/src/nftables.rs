//! Our own nftables table, `inet sakimori` (`arp sakimori` while a rule is about ARP, `netdev sakimori` while one is about other frames), put by raw netlink: no `nft`, no `iptables`, no C library.
//!
//! [`TablePlan`] says what is wanted; `plan` turns it into a deterministic list of netlink messages (pure);
//! [`Table`] sends them in one transaction. Foreign tables are never read,
//! flushed or changed. A change is made in place: hooks stay registered (unregistering one makes the kernel
//! drop everything that waits in queues) and named counters keep their values.
//!
//! # Source
//! `net/netfilter/nf_tables_api.c`, `include/uapi/linux/netfilter/nf_tables.h`

mod blocked;
mod expression;
mod field;
mod firewall;
mod named;
mod netdev;
mod plan;
mod release;
mod request;
mod scan;
mod standing;
mod stateful;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

pub use blocked::Blocked;
pub(crate) use blocked::is_network;
pub use scan::{COUNTER_OF_BLOCKED, SCAN_LABEL};
pub use table::{Table, probe};

/// The table's name.
pub const TABLE: &str = "sakimori";
/// The bits of packet and conntrack marks that are ours.
pub const MARK_MASK: u32 = 0x0F00_0000;
/// The flow needs no more inspection: never queued again.
pub const MARK_DONE: u32 = 0x0100_0000;
/// The flow is blocked: dropped in the kernel and counted.
pub const MARK_BLOCKED: u32 = 0x0200_0000;
/// Sent by ourselves: passes everything.
pub const MARK_INJECTED: u32 = 0x0400_0000;

/// A forwarded packet on its way to the queue: a container of this host opened the connection.
pub const MARK_OUTGOING: u32 = 0x0800_0000;
/// A packet that a rule of the firewall takes out of all inspection, between the firewall's chains and the queue's: both
/// bits, which no other packet has at once.
pub const MARK_BYPASS: u32 = MARK_INJECTED | MARK_OUTGOING;

/// How the kernel can be made to queue a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// The native `queue` expression.
    NftQueue,
    /// The xtables target `NFQUEUE` through `nft_compat`.
    XtNfqueue,
}

/// How segments with payload are told from those without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadMatch {
    /// `@ih,0,8`: one expression, since Linux 5.16.
    InnerHeader,
    /// One rule for each TCP header length; any kernel.
    DataOffsets,
}

/// What [`probe`] found the kernel to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// How to queue.
    pub mechanism: Mechanism,
    /// How to see payload.
    pub payload: PayloadMatch,
    /// Whether it can tell an interface's kind, and so containers' traffic from what is only routed. Since Linux 5.6.
    pub interface_kinds: bool,
    /// Whether samples of packets can be taken (`nft_log`, `nft_limit`, `nfnetlink_log`).
    pub samples: bool,
    /// Whether it can ask for the socket that a packet belongs to (`nft_socket` with `wildcard`, since Linux 5.12).
    pub sockets: bool,
}

/// What the table does with inspected traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableState {
    /// Hands it to the queue.
    Queue,
    /// Drops it (fail closed while no worker reads), counted as [`CounterKind::Refused`].
    DropAll,
    /// Lets it pass (fail open while no worker reads), counted as [`CounterKind::Passed`].
    PassAll,
}

/// What a host passes on for others: containers, virtual machines, networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// Nothing. Where only what comes in is filtered, connections are known without the kernel tracking them. What it
    /// passes on all the same, until the table is made anew, is filtered by what one packet says.
    None,
    /// It is inspected and filtered.
    Inspected,
    /// It is left alone.
    LeftAlone,
}

/// What the table should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePlan {
    /// What the kernel has.
    pub capabilities: Capabilities,
    /// The queue's number.
    pub queue: u16,
    /// Packets pass when nobody is bound to the queue; otherwise they are dropped.
    pub bypass: bool,
    /// Server ports that are inspected. Order and overlaps do not matter.
    pub inspected_ports: Vec<RangeInclusive<u16>>,
    /// Queue server→client payload too, not only SYN/ACK, FIN and RST.
    pub inspect_responses: bool,
    /// What this host passes on for others.
    pub forwarding: Forwarding,
    /// What happens to inspected traffic.
    pub state: TableState,
    /// Server ports of connections that this host and its containers open, which are queued until they are judged.
    pub outgoing_ports: Vec<RangeInclusive<u16>>,
    /// Servers to which connections are not queued.
    pub outgoing_except: Vec<SocketAddr>,
    /// The firewall; without chains while it is off.
    pub firewall: sakimori_firewall::Plan,
    /// Where samples of the firewall's packets go: the group of a [`crate::nflog::SampleSocket`].
    pub sample_group: Option<u16>,
}

impl TablePlan {
    /// Whether the firewall has the kernel track connections.
    pub fn tracks_connections(&self) -> bool {
        let filters = self.firewall.chains.iter().any(|chain| !chain.steps.is_empty());
        filters && !standing::is_untracked(self)
    }
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterKind {
    /// Packets handed to the queue.
    Queued,
    /// Packets let by uninspected in the state [`TableState::PassAll`].
    Passed,
    /// Packets dropped in the state [`TableState::DropAll`].
    Refused,
    /// Packets dropped because their flow is blocked.
    Blocked,
    /// Packets of flows that need no more inspection.
    Done,
}

/// Where a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterPath {
    /// Clients to this host's servers.
    InputToServer,
    /// Clients to servers behind this host (containers).
    ForwardToServer,
    /// Servers behind this host to clients.
    ForwardToClient,
    /// This host's servers to clients.
    OutputToClient,
    /// This host as a client to servers.
    OutputToServer,
    /// Servers to this host as a client.
    InputToClient,
    /// Containers of this host as clients to servers.
    ForwardOutToServer,
    /// Servers to containers of this host as clients.
    ForwardOutToClient,
    /// The input hook, both directions.
    Input,
    /// The forward hook, both directions.
    Forward,
    /// The output hook, both directions.
    Output,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets; one per segmentation-offload packet.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub bytes: u64,
}

/// The values of all named counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub BTreeMap<(CounterKind, CounterPath), Count>);

impl Counters {
    /// The sum over all paths.
    pub fn total(&self, kind: CounterKind) -> Count {
        self.0.iter().filter(|((k, _), _)| *k == kind).fold(Count::default(), |sum, (_, c)| Count {
            packets: sum.packets.wrapping_add(c.packets),
            bytes: sum.bytes.wrapping_add(c.bytes),
        })
    }
}

/// Why the table could not be read or changed. The table is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No netlink socket.
    #[error("cannot talk to nftables")]
    Socket(#[source] io::Error),
    /// The kernel refused one message of the transaction.
    #[error("the kernel refused to {message}")]
    Refused {
        /// What the refused message would have done, for example ``add rule to chain `input` ``.
        message: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Neither way of queueing exists.
    #[error(
        "this kernel can queue packets neither by nftables (nft_queue: {native}) nor by xtables (nft_compat and \
         xt_NFQUEUE: {xtables}); load one of these modules, or use a kernel with CONFIG_NFT_QUEUE or with \
         CONFIG_NFT_COMPAT and CONFIG_NETFILTER_XT_TARGET_NFQUEUE"
    )]
    NoQueueMechanism {
        /// Answer to the native expression.
        native: io::Error,
        /// Answer to the xtables target.
        xtables: io::Error,
    },
    /// The kernel's answer was not understood.
    #[error("the kernel's answer about {0} is not understood")]
    Malformed(&'static str),
}
