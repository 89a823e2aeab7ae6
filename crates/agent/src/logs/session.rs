//! The log worker as the supervisor sees it. What it answers is not trusted: lengths are bounded, texts are cut.

use super::channel::{Answer, Channel, Chunk, Judged, Order};
use super::worker::{DESCRIPTORS_VARIABLE, EVENTS, SHOWN_BYTES, SHOWN_LINE_BYTES};
use super::{ApplyError, LogsPlan, own_rules};
use crate::pipe;
use sakimori_kernel::pidfd::PidFd;
use sakimori_kernel::spawn::{self, Program};
use sakimori_modules::Mode;
use sakimori_modules::log_inspection::LogEvent;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::time::Duration;

/// How long rules may take to compile; the largest published set takes a second.
const COMPILE_PATIENCE: Duration = Duration::from_mins(1);
/// How long a piece may take to be judged: a hundred times what the slowest takes.
const JUDGE_PATIENCE: Duration = Duration::from_secs(20);

/// A running worker.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: u32,
    process: PidFd,
    control: Channel,
}

/// A worker that cannot be used any longer, and why.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

impl Session {
    pub(super) fn start(worker: &Path) -> io::Result<Self> {
        let (control, theirs) = Channel::pair()?;
        let child = spawn::spawn(&Program {
            path: worker.to_owned(),
            name: "sakimori-agent".into(),
            arguments: vec!["worker".into(), "logs".into()],
            environment: vec![
                (DESCRIPTORS_VARIABLE.into(), theirs.fd().as_raw_fd().to_string().into()),
                // The C library reads a file when it shrinks a second heap, which the cage forbids.
                ("GLIBC_TUNABLES".into(), "glibc.malloc.arena_max=1".into()),
            ],
            descriptors: vec![theirs.fd().as_fd()],
        })?;
        drop(theirs);
        Ok(Self { id: child.id, process: child.process, control })
    }

    /// Puts a plan's rules in force; gives their number.
    pub(super) fn configure(&self, plan: &LogsPlan) -> Result<u32, ApplyError> {
        let own;
        let files = if plan.files.is_empty() {
            own = own_rules();
            &own
        } else {
            &plan.files
        };
        let order = Order::Configure {
            files: pipe::describe(files),
            minimum_level: plan.settings.minimum_level,
            off: plan
                .settings
                .rule_modes
                .iter()
                .filter(|(_, mode)| **mode == Mode::Off)
                .map(|(id, _)| *id)
                .collect(),
        };
        let raw: Vec<&[u8]> = files.iter().map(|file| file.text.as_slice()).collect();
        let sent = self.control.send_order(&order, &raw);
        sent.map_err(|error| ApplyError::Worker(error.to_string()))?;
        match self.answer(COMPILE_PATIENCE) {
            Ok(Answer::Configured { rules, warnings, cage }) => {
                for warning in warnings.iter().take(5) {
                    tracing::warn!("{warning:?}");
                }
                tracing::info!(worker = self.id, rules, cage = ?cage, "log rules are in force");
                Ok(rules)
            }
            Ok(Answer::Refused { errors, findings }) => Err(ApplyError::Rules {
                count: usize::try_from(errors).unwrap_or(usize::MAX),
                shown: findings.into_iter().take(5).map(|f| bounded(f, 512)).collect::<Vec<_>>().join("\n"),
            }),
            Ok(_out_of_turn) => Err(ApplyError::Worker("it answered out of turn".to_owned())),
            Err(Lost(why)) => Err(ApplyError::Worker(why)),
        }
    }

    /// Has a piece judged.
    pub(super) fn judge(&self, chunk: Chunk, bytes: &[u8]) -> Result<Judged, Lost> {
        let order = Order::Judge(chunk);
        self.control.send_order(&order, &[bytes]).map_err(|error| Lost(error.to_string()))?;
        let Answer::Judged(mut judged) = self.answer(JUDGE_PATIENCE)? else {
            return Err(Lost("it answered out of turn".to_owned()));
        };
        let impossible = usize::try_from(judged.consumed).map_or(true, |consumed| consumed > bytes.len());
        if impossible || judged.events.len() > EVENTS {
            return Err(Lost("it answered nonsense".to_owned()));
        }
        judged.events = judged.events.into_iter().map(cut).collect();
        Ok(judged)
    }

    fn answer(&self, patience: Duration) -> Result<Answer, Lost> {
        if !self.control.readable(patience) {
            return Err(Lost("it does not answer in time".to_owned()));
        }
        match self.control.receive_answer() {
            Ok(Answer::Panicked(words)) => Err(Lost(format!("it failed: {:?}", bounded(words, 512)))),
            Ok(answer) => Ok(answer),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Lost("it ended".to_owned())),
            Err(error) => Err(Lost(error.to_string())),
        }
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.process.wait(Some(Duration::ZERO))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        self.process.reap();
    }
}

/// An event with the bounds that an honest worker keeps by itself.
fn cut(event: LogEvent) -> LogEvent {
    LogEvent {
        rule: event.rule,
        level: event.level.min(16),
        description: bounded(event.description, SHOWN_LINE_BYTES + 3),
        groups: event.groups.into_iter().take(32).map(|group| bounded(group, SHOWN_BYTES)).collect(),
        decoder: bounded(event.decoder, SHOWN_BYTES),
        program: bounded(event.program, SHOWN_BYTES + 3),
        source_address: event
            .source_address
            .parse::<std::net::IpAddr>()
            .map(|a| a.to_string())
            .unwrap_or_default(),
        user: bounded(event.user, SHOWN_BYTES + 3),
        line: bounded(event.line, SHOWN_LINE_BYTES + 3),
        source: bounded(event.source, 4_096),
        count: event.count,
    }
}

fn bounded(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    if text.chars().any(char::is_control) {
        text.retain(|letter| !letter.is_control() || letter == '\n');
    }
    text
}
