//! Replacing the supervisor's program while packets are being judged.
//!
//! `execve` keeps the process, its children and its descriptors. So the old program writes down which descriptor is
//! what ([`bequeath`]), and the new one, under the same process number, takes them over ([`inherit`]): the queue
//! socket stays bound, the worker stays its child, and verdicts that the worker writes in between wait in their
//! ring. What lies in kernel memory is the state, in a file in memory that is one more descriptor.
//!
//! The state's format is a wire between two versions: fields are only added, with a default.

use super::channel::Settings;
use super::guard::{Guard, Totals};
use super::schedule::Schedule;
use super::session::{Session, SessionFiles};
use super::{
    Fixed, NetworkPlan, Placed, RuleFile, SharedEvents, StartError, View, WafPlan, open_samples, resource,
    translate,
};
use sakimori_kernel::clock;
use sakimori_kernel::nflog::SampleSocket;
use sakimori_kernel::nfqueue::{QueueOptions, QueueReader, QueueSocket, VerdictWriter};
use sakimori_kernel::nftables::{Table, probe};
use sakimori_kernel::ring::RingFiles;
use sakimori_kernel::spawn::{bequeath as leave, inherited};
use sakimori_model::Sid;
use sakimori_modules::firewall::Firewall;
use sakimori_modules::web_application_firewall::WebApplicationFirewall;
use sakimori_modules::web_reputation::WebReputation;
use sakimori_modules::{Context, Mode};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Bound of the state: the longest rule files, as JSON strings or byte lists.
const STATE_BYTES: u64 = 512 << 20;

#[derive(Serialize, Deserialize)]
struct State {
    queue_number: u16,
    fail_open: bool,
    queue: RawFd,
    raw4: RawFd,
    raw6: RawFd,
    /// Descriptor and group.
    #[serde(default)]
    samples: Option<(RawFd, u16)>,
    session: Option<SessionState>,
    plan: Option<PlanState>,
    rules: u32,
    needs_responses: bool,
    totals: Totals,
    answered: u32,
}

#[derive(Serialize, Deserialize)]
struct SessionState {
    id: u32,
    process: RawFd,
    control: RawFd,
    verdict_memory: RawFd,
    verdict_wake: RawFd,
    event_memory: RawFd,
    event_wake: RawFd,
    counters: RawFd,
    last_id: u32,
    judged: u64,
}

#[derive(Serialize, Deserialize)]
struct PlanState {
    settings: Settings,
    rules: Vec<(String, Vec<u8>)>,
    #[serde(default)]
    placed: Vec<(u32, Mode, Vec<Context>)>,
    generation: String,
    #[serde(default)]
    firewall: Firewall,
    #[serde(default)]
    always: Vec<SocketAddr>,
    #[serde(default)]
    web: WebReputation,
    #[serde(default)]
    lists: Vec<(String, Vec<u8>)>,
    #[serde(default)]
    waf: WebApplicationFirewall,
    #[serde(default)]
    waf_rules: Vec<(String, Vec<u8>)>,
}

/// Leaves everything to the next program of this process; gives what it has to be told.
pub(super) fn bequeath(guard: Guard) -> Result<OsString, StartError> {
    let samples_group = guard.fixed.samples.as_ref().map(SampleSocket::group);
    let Guard { socket, fixed, plan, rules, needs_responses, session, totals, answered, .. } = guard;
    let options = socket.options();
    drop((guard.writer, guard.reader, socket));
    let leave = |fd: OwnedFd| leave(fd).map_err(resource("inheritance"));
    let session = session
        .map(|session| {
            let id = session.id;
            let progress = Arc::clone(&session.progress);
            let files = session.detach();
            // After the threads have ended: they may have written more.
            let (last_id, judged) = progress.position();
            Ok(SessionState {
                id,
                process: leave(files.process)?,
                control: leave(files.control)?,
                verdict_memory: leave(files.verdicts.memory)?,
                verdict_wake: leave(files.verdicts.wake)?,
                event_memory: leave(files.events.memory)?,
                event_wake: leave(files.events.wake)?,
                counters: leave(files.counters)?,
                last_id,
                judged,
            })
        })
        .transpose()?;
    let fixed = duplicate(&fixed).map_err(resource("inheritance"))?;
    let state = State {
        queue_number: options.queue,
        fail_open: options.fail_open,
        queue: leave(fixed.queue)?,
        raw4: leave(fixed.raw4)?,
        raw6: leave(fixed.raw6)?,
        samples: match (fixed.samples, samples_group) {
            (Some(samples), Some(group)) => Some((leave(samples.into_fd())?, group)),
            _ => None,
        },
        session,
        plan: plan.map(|plan| PlanState {
            settings: Settings::from(&plan.settings),
            rules: plan.rules.into_iter().map(|file| (file.name, file.text)).collect(),
            placed: plan
                .placed
                .into_iter()
                .map(|(sid, placed)| (sid.0, placed.mode.into(), placed.contexts))
                .collect(),
            generation: plan.generation.to_string(),
            firewall: plan.firewall,
            always: plan.always,
            web: plan.web,
            lists: plan.lists.into_iter().map(|file| (file.name, file.text)).collect(),
            waf: plan.waf.settings,
            waf_rules: plan.waf.rules.into_iter().map(|file| (file.name, file.text)).collect(),
        }),
        rules,
        needs_responses,
        totals,
        answered,
    };
    let file = write_state(&state).map_err(resource("inheritance"))?;
    Ok(leave(file)?.to_string().into())
}

/// Takes over what [`bequeath`] left. Judges at once with the old worker.
pub(super) fn inherit(
    worker: PathBuf,
    handed_over: &OsStr,
    events: SharedEvents,
    view: Arc<Mutex<View>>,
) -> Result<Guard, StartError> {
    let strange = |what: &str| StartError::HandedOver(what.to_owned());
    let number: RawFd =
        handed_over.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| strange("not a descriptor"))?;
    let take = |number| inherited(number).map_err(resource("inheritance"));
    let state = read_state(take(number)?).map_err(|e| strange(&e.to_string()))?;

    let fixed = Fixed {
        queue: take(state.queue)?,
        raw4: take(state.raw4)?,
        raw6: take(state.raw6)?,
        number: state.queue_number,
        samples: match state.samples {
            Some((number, group)) => Some(SampleSocket::adopt(take(number)?, group)),
            None => open_samples(),
        },
    };
    let options = QueueOptions { fail_open: state.fail_open, ..QueueOptions::new(state.queue_number) };
    let duplicate = || fixed.queue.as_fd().try_clone_to_owned().map_err(resource("queue socket"));
    let socket = QueueSocket::adopt(duplicate()?, options);
    let (writer, reader) =
        (VerdictWriter::from_fd(duplicate()?, fixed.number), QueueReader::from_fd(duplicate()?));

    let mut totals = state.totals;
    let session = match state.session {
        None => None,
        Some(s) => {
            let files = SessionFiles {
                process: take(s.process)?,
                control: take(s.control)?,
                verdicts: RingFiles { memory: take(s.verdict_memory)?, wake: take(s.verdict_wake)? },
                events: RingFiles { memory: take(s.event_memory)?, wake: take(s.event_wake)? },
                counters: take(s.counters)?,
            };
            totals.judged += s.judged;
            Some(Session::with(s.id, files, &fixed, s.last_id, &events).map_err(resource("worker"))?)
        }
    };
    let mut plan = match state.plan {
        None => None,
        Some(plan) => Some(NetworkPlan {
            settings: plan.settings.into(),
            rules: plan.rules.into_iter().map(|(name, text)| RuleFile { name, text }).collect(),
            placed: plan
                .placed
                .into_iter()
                .map(|(sid, mode, contexts)| (Sid(sid), Placed { mode: mode.into(), contexts }))
                .collect(),
            generation: plan.generation.parse().map_err(|_e| strange("the plan's name"))?,
            firewall: plan.firewall,
            always: plan.always,
            web: plan.web,
            lists: plan.lists.into_iter().map(|(name, text)| RuleFile { name, text }).collect(),
            waf: WafPlan {
                settings: plan.waf,
                rules: plan.waf_rules.into_iter().map(|(name, text)| RuleFile { name, text }).collect(),
            },
        }),
    };
    // It was fine when it was put in force; a rule that this version sees otherwise is told at the next plan.
    let mut schedule = Schedule::default();
    let firewall = plan
        .as_mut()
        .and_then(|plan| {
            // The old worker judges meanwhile.
            schedule.observer().ask_for(plan);
            let moment = schedule.moment(plan);
            translate::place(plan, &moment);
            schedule.entered(plan, &moment);
            let _told_by_the_program_before = schedule.changed_contexts(plan, &moment);
            translate::firewall(&plan.firewall, &plan.always, &moment).ok()
        })
        .map(|(firewall, _findings)| firewall)
        .unwrap_or_default();
    Ok(Guard {
        worker,
        socket,
        fixed: Arc::new(fixed),
        table: Table::open().map_err(StartError::Table)?,
        capabilities: probe().map_err(StartError::Table)?,
        writer,
        reader,
        events,
        view,
        plan,
        firewall,
        tracks: false,
        routes: false,
        next_interfaces: std::time::Duration::ZERO,
        rules: state.rules,
        sites: 0,
        waf_rules: 0,
        needs_responses: state.needs_responses,
        session,
        totals,
        outage: None,
        last_outage: None,
        answered: state.answered,
        pulse: (0, clock::monotonic()),
        looked: clock::monotonic(),
        schedule,
        untold: Vec::new(),
    })
}

fn duplicate(fixed: &Fixed) -> io::Result<Fixed> {
    Ok(Fixed {
        queue: fixed.queue.try_clone()?,
        raw4: fixed.raw4.try_clone()?,
        raw6: fixed.raw6.try_clone()?,
        number: fixed.number,
        samples: match &fixed.samples {
            Some(samples) => {
                Some(SampleSocket::adopt(samples.as_fd().try_clone_to_owned()?, samples.group()))
            }
            None => None,
        },
    })
}

fn write_state(state: &State) -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let mut file = File::from(memfd_create("sakimori-hand-over", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(state)?)?;
    Ok(file.into())
}

fn read_state(file: OwnedFd) -> io::Result<State> {
    let mut file = File::from(file);
    file.rewind()?;
    let mut text = String::new();
    let _length = file.take(STATE_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}
