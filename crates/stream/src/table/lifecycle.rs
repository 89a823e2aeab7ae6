//! Flows come, move between lists, make room, and go.
use std::time::Duration;

use sakimori_model::Now;
use sakimori_packet::protocol;

use super::{
    Connection, End, Endpoint, Env, Flow, FlowInfo, FlowTable, Place, Sink, State, Traffic, key, micros,
};
use crate::application::Application;

impl<A: Application> FlowTable<A> {
    /// A new flow, after making room for it.
    pub(super) fn begin(
        &mut self,
        now: Now,
        client: Endpoint,
        server: Endpoint,
        midstream: bool,
        ctx: &mut A::Context,
    ) -> u32 {
        while !midstream && self.lists.half_open.length() >= self.limits.half_open.max(1) {
            let Some(oldest) = self.lists.half_open.oldest() else { break };
            self.counters.half_open_evicted += 1;
            self.end(oldest, End::Evicted, now, ctx);
            self.remove(oldest);
        }
        while self.flows.used() >= self.limits.flows.max(1) {
            let closed = self.lists.over.oldest();
            let half_open = self.lists.half_open.oldest();
            let Some(oldest) = closed.or(half_open).or_else(|| self.lists.live.oldest()) else { break };
            if closed.is_none() {
                if half_open.is_some() {
                    self.counters.half_open_evicted += 1;
                } else {
                    self.counters.flows_evicted += 1;
                }
            }
            self.end(oldest, End::Evicted, now, ctx);
            self.remove(oldest);
        }

        let mut connection = Connection::new();
        if midstream {
            connection.pick_up();
        }
        let place = if midstream { Place::Live } else { Place::HalfOpen };
        let index = self.flows.insert(Flow {
            info: FlowInfo {
                client,
                server,
                protocol: protocol::TCP,
                midstream,
                started: now.wall,
                to_server: Traffic::default(),
                to_client: Traffic::default(),
                client_next: 0,
                server_next: 0,
                client_mss: 0,
                server_mss: 0,
            },
            connection,
            application: None,
            last_seen: micros(now),
            place,
            buffered: false,
            ended: false,
        });
        self.lists.of(place).push(&mut self.flows, index);
        let Self { index: table, flows, hasher, .. } = self;
        table.insert_unique(key::hash(hasher, client, server), index, |index| {
            flows.get(*index).map_or(0, |flow| key::hash(hasher, flow.info.client, flow.info.server))
        });
        self.counters.flows_started += 1;
        index
    }

    /// Tells the application, once, and gives buffers back that serve nothing any more.
    pub(super) fn end(&mut self, index: u32, how: End, now: Now, ctx: &mut A::Context) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        if flow.ended {
            return;
        }
        flow.ended = true;
        let flush = !self.enforcing && matches!(how, End::Fin | End::Rst | End::Timeout | End::Replaced);
        if flush && flow.application.is_some() {
            let mut env = Env {
                limits: &self.limits,
                policy: self.policy,
                enforcing: false,
                responses: self.responses,
                grace: false,
                now: now.monotonic,
                counters: &mut self.counters,
                budget: &mut self.budget,
            };
            let mut nobody: Option<fn(&FlowInfo) -> A> = None;
            let mut sink = Sink {
                application: &mut flow.application,
                make: &mut nobody,
                made: &mut self.applications,
                info: &mut flow.info,
                ctx,
            };
            // Nothing can be blocked any more: what the application says to this has no object.
            flow.connection.client.flush(&mut env, &mut sink);
            flow.connection.server.flush(&mut env, &mut sink);
        }
        if let Some(mut application) = flow.application.take() {
            self.applications -= 1;
            application.end(ctx, &flow.info, how);
        }
        // After two FINs the last data may still be sent again and has to be the same; otherwise nothing will pass.
        if how != End::Fin {
            flow.connection.client.release(&mut self.budget);
            flow.connection.server.release(&mut self.budget);
        }
    }

    /// Takes an ended flow out of everything.
    pub(super) fn remove(&mut self, index: u32) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        flow.connection.client.release(&mut self.budget);
        flow.connection.server.release(&mut self.budget);
        let (place, buffered) = (flow.place, flow.buffered);
        let hash = key::hash(&self.hasher, flow.info.client, flow.info.server);
        self.lists.of(place).remove(&mut self.flows, index);
        if buffered {
            self.lists.buffers.remove(&mut self.flows, index);
        }
        if let Ok(entry) = self.index.find_entry(hash, |at| *at == index) {
            entry.remove();
        }
        self.flows.remove(index);
    }

    /// After a packet: puts the flow into the lists where it belongs now, and keeps delivered bytes within the total.
    ///
    /// `active` is false for a packet that was dropped: junk must neither keep a flow alive nor push others out.
    pub(super) fn settle(&mut self, index: u32, now: Now, active: bool) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        let place = match flow.connection.state {
            State::HalfOpen => Place::HalfOpen,
            State::Open => Place::Live,
            State::Closed | State::Reset | State::Done | State::Blocked => Place::Over,
        };
        let was = std::mem::replace(&mut flow.place, place);
        // Half-open flows keep the order of their coming: a repeated SYN buys no time.
        let touch = active && place != Place::HalfOpen;
        if touch || place != was {
            flow.last_seen = micros(now);
        }
        let has = flow.connection.client.has_buffers() || flow.connection.server.has_buffers();
        let had = std::mem::replace(&mut flow.buffered, has);
        if place != was {
            self.lists.of(was).remove(&mut self.flows, index);
            self.lists.of(place).push(&mut self.flows, index);
        } else if touch {
            self.lists.of(place).touch(&mut self.flows, index);
        }
        match (had, has) {
            (false, true) => self.lists.buffers.push(&mut self.flows, index),
            (true, false) => self.lists.buffers.remove(&mut self.flows, index),
            (true, true) if touch => self.lists.buffers.touch(&mut self.flows, index),
            _ => {}
        }
        // A packet adds 64 KiB at most, so a few of the idlest flows make room; else the flow pays itself.
        for _ in 0..16 {
            if self.budget.history <= self.limits.history_total {
                return;
            }
            let Some(oldest) = self.lists.buffers.oldest() else { return };
            self.counters.history_evicted += 1;
            self.forget_buffers(oldest);
        }
        if self.budget.history > self.limits.history_total {
            self.forget_buffers(index);
        }
    }

    /// Forgets delivered bytes of a flow; the list of flows with buffers keeps it only while something waits there.
    pub(super) fn forget_buffers(&mut self, index: u32) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        flow.connection.client.forget_history(&mut self.budget);
        flow.connection.server.forget_history(&mut self.budget);
        flow.buffered = false;
        self.lists.buffers.remove(&mut self.flows, index);
    }

    /// A flow has sent nothing for longer than any retransmission takes: its delivered bytes go. Where something
    /// still waits behind a hole, the connection is dead, and it must stay so: the server holds bytes that nobody
    /// will have inspected once ours are gone.
    pub(super) fn retire_buffers(&mut self, index: u32, now: Now, ctx: &mut A::Context) {
        let Some(flow) = self.flows.get_mut(index) else { return };
        if flow.connection.client.is_waiting() || flow.connection.server.is_waiting() {
            flow.connection.state = State::Reset;
            self.counters.timed_out += 1;
            self.end(index, End::Timeout, now, ctx);
            if let Some(flow) = self.flows.get_mut(index) {
                flow.connection.client.release(&mut self.budget);
                flow.connection.server.release(&mut self.budget);
            }
            self.settle(index, now, false);
        } else {
            self.forget_buffers(index);
        }
    }

    pub(super) fn is_older(&self, index: u32, now: Now, timeout: Duration) -> bool {
        let timeout = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
        self.flows.get(index).is_some_and(|f| micros(now).saturating_sub(f.last_seen) >= timeout)
    }

    /// Panics where the table is broken. For tests and fuzzing; linear in the number of flows.
    ///
    /// # Panics
    /// When an invariant does not hold; the message names it.
    pub fn check_invariants(&mut self) {
        let mut members = 0;
        for place in [Place::HalfOpen, Place::Live, Place::Over] {
            let mut last = 0;
            for index in self.lists.of(place).members(&mut self.flows) {
                members += 1;
                let Some(flow) = self.flows.get(index) else { continue };
                assert_eq!(flow.place, place, "T1: a flow is in the list it says");
                assert!(flow.last_seen >= last, "T2: lists are ordered by time");
                last = flow.last_seen;
            }
        }
        assert_eq!(members, self.flows.used(), "T3: every flow is in one list");
        assert_eq!(members, self.index.len(), "T4: every flow can be found");
        let (mut history, mut pending, mut applications) = (0, 0, 0);
        let indices: Vec<u32> = self.index.iter().copied().collect();
        for index in indices {
            let flow = self.flows.get(index);
            assert!(flow.is_some(), "T5: the index names a flow");
            let Some(flow) = flow else { continue };
            for half in [&flow.connection.client, &flow.connection.server] {
                half.check_invariants(&self.limits);
                history += half.held().0;
                pending += half.held().1;
            }
            applications += usize::from(flow.application.is_some());
            assert!(!(flow.ended && flow.application.is_some()), "T6: an ended flow has no application");
        }
        assert_eq!(history, self.budget.history, "T7: delivered bytes are counted");
        assert_eq!(pending, self.budget.pending, "T8: waiting bytes are counted");
        assert_eq!(applications, self.applications, "T9: applications are counted");
        assert!(self.flows.used() <= self.limits.flows.max(1), "T10: flows are bounded");
        assert!(
            self.lists.half_open.length() <= self.limits.half_open.max(1),
            "T11: half-open flows are bounded"
        );
        assert!(self.budget.history <= self.limits.history_total, "T12: delivered bytes are bounded");
    }
}
