//! Sources that are kept out for a time because they look for ways in. In the supervisor: it owns the table.
//!
//! What such a source has sent can be forged, so an attacker could have others kept out. That has bounds: it ends by
//! itself, connections that stand go on, and never kept out are the addresses that the computer depends on, sources that
//! have an established connection (a forger cannot have one: a proxy in front of the server, an operator's session), and
//! more than a few sources a minute. The kernel has the list, with the time of each; it stays when the agent restarts.

use sakimori_firewall::scan::counted;
use sakimori_kernel::conntrack::has_connection_from;
use sakimori_kernel::nftables::{Blocked, Table};
use sakimori_kernel::{clock, interface, routes};
use sakimori_model::Action;
use sakimori_modules::EventDetail as _;
use sakimori_modules::firewall::{self, Firewall, Reconnaissance, Response};
use sakimori_protocol::Event;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sources that are blocked in a minute at most: more at once are forged, or so many that blocking helps nobody.
const A_MINUTE: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);

/// Shared by whoever puts plans in force, whoever hands events on, and whoever is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    firewall: Firewall,
    /// The manager's and the proxy's addresses.
    ways: Vec<IpAddr>,
    table: Option<Table>,
    /// When sources were blocked in the last minute.
    lately: VecDeque<Duration>,
}

// === impl Blocks ===

impl Blocks {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These settings are about to be in force.
    pub(super) fn follow(&self, firewall: &Firewall, ways: &[SocketAddr]) {
        let mut state = self.lock();
        state.firewall = firewall.clone();
        state.ways = ways.iter().map(|end| end.ip().to_canonical()).collect();
    }

    /// Blocks the sources of these events where the policy says so, and has the events tell of it.
    pub(super) fn judge(&self, events: &mut [Event]) {
        let is_ours =
            |event: &&mut Event| event.module == firewall::MODULE.id && event.kind == Reconnaissance::KIND;
        for event in events.iter_mut().filter(is_ours) {
            let Some(mut detail) = event.read::<Reconnaissance>() else { continue };
            (detail.blocked_until, detail.not_blocked) = (String::new(), String::new());
            match self.lock().block(&detail) {
                Some(Ok(time)) => {
                    let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
                    detail.blocked_until = firewall::moment(clock::wall_micros().saturating_add(micros));
                    Action::Blocked.as_str().clone_into(&mut event.action);
                }
                Some(Err(why)) => why.clone_into(&mut detail.not_blocked),
                None => {}
            }
            if let Ok(written) = serde_json::to_value(&detail) {
                event.detail = written;
            }
        }
    }

    /// Lets a source in again; whether it was kept out.
    pub(super) fn release(&self, address: IpAddr) -> Result<bool, String> {
        let mut state = self.lock();
        let table = state.table()?;
        table.unblock(address).map_err(|error| crate::connection::explain(&error))
    }

    /// Who is kept out now.
    pub(super) fn all(&self) -> Vec<Blocked> {
        let mut state = self.lock();
        let read = state.table().ok().map(Table::blocked);
        read.and_then(Result::ok).unwrap_or_default()
    }
}

impl State {
    fn table(&mut self) -> Result<&mut Table, String> {
        match &mut self.table {
            Some(table) => Ok(table),
            empty => {
                let table = Table::open().map_err(|error| crate::connection::explain(&error))?;
                Ok(empty.insert(table))
            }
        }
    }

    /// Blocks the source where the policy says so: for how long, or why not.
    fn block(&mut self, detail: &Reconnaissance) -> Option<Result<Duration, &'static str>> {
        let reaction = self.firewall.reaction(detail.probe);
        if reaction.response != Response::Block {
            return None;
        }
        let address: IpAddr = detail.source.parse().ok()?;
        if self.firewall.mode != sakimori_modules::Mode::Prevent {
            return Some(Err("detect"));
        }
        let now = clock::monotonic();
        self.lately.retain(|then| now.saturating_sub(*then) < MINUTE);
        let counted = counted(address, &own_v6());
        if is_depended_on(counted, &self.ways) {
            return Some(Err("spared"));
        }
        if self.lately.len() >= A_MINUTE {
            return Some(Err("too-many"));
        }
        // Where it cannot be found out, there is none: the other bounds hold.
        if has_connection_from(counted).unwrap_or_default() {
            return Some(Err("connected"));
        }
        let time = MINUTE.saturating_mul(reaction.block_minutes);
        let blocked = self.table().map(|table| table.block(counted, time));
        Some(match blocked {
            Ok(Ok(())) => {
                self.lately.push_back(now);
                tracing::warn!(%counted, seconds = time.as_secs(), probe = detail.probe.as_str(), "a source is blocked");
                Ok(time)
            }
            Ok(Err(error)) if is_full(&error) => Err("too-many"),
            Ok(Err(error)) => {
                tracing::error!(%address, "a source is not blocked: {}", crate::connection::explain(&error));
                Err("refused")
            }
            Err(error) => {
                tracing::error!(%address, error, "a source is not blocked");
                Err("refused")
            }
        })
    }
}

/// Whether the kernel has no room for one more.
fn is_full(error: &sakimori_kernel::nftables::TableError) -> bool {
    const ENFILE: i32 = 23;
    matches!(error, sakimori_kernel::nftables::TableError::Refused { source, .. } if source.raw_os_error() == Some(ENFILE))
}

/// The computer's own IPv6 addresses.
pub(super) fn own_v6() -> Vec<Ipv6Addr> {
    let addresses = interface::all().unwrap_or_default().into_iter().flat_map(|one| one.addresses);
    addresses.filter_map(|address| if let IpAddr::V6(v6) = address { Some(v6) } else { None }).collect()
}

/// Whether the computer would cut itself off by it: by an address, or by the network of one.
fn is_depended_on(address: IpAddr, ways: &[IpAddr]) -> bool {
    let special = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_multicast(),
    };
    let is_it = |one: &IpAddr| *one == address || counted(*one, &[]) == address;
    let own = || interface::all().unwrap_or_default().iter().any(|one| one.addresses.contains(&address));
    special
        || ways.iter().any(is_it)
        || routes::gateways().iter().any(is_it)
        || routes::name_servers().iter().any(is_it)
        || own()
}
