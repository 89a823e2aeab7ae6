//! The sandboxed process: pieces of files in, events out.
//!
//! One thread in the cage ([`sakimori_kernel::sandbox`]), one descriptor: the socket pair to the supervisor, which may be
//! read and written and nothing else. It ends when the supervisor has gone.

use super::channel::{Answer, Channel, Chunk, Judged, Order};
use crate::pipe::cut;
use sakimori_kernel::sandbox::{self, Cage, SystemCalls};
use sakimori_kernel::spawn;
use sakimori_loginspect::{Dialect, Engine, Judgement, Line, Moment, SourceFile, compile, limits};
use sakimori_model::Level;
use sakimori_modules::log_inspection::LogEvent;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::os::fd::AsRawFd as _;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

/// Names the descriptor that a worker inherits: its socket pair.
pub(super) const DESCRIPTORS_VARIABLE: &str = "SAKIMORI_LOGS_WORKER";

/// Bound of heap and private mappings: twice what the largest published rule set takes.
const DATA_BYTES: u64 = 1 << 30;
/// Most events of one piece; what follows them is judged with the next.
pub(super) const EVENTS: usize = 512;
/// The longest line in an event.
pub(super) const SHOWN_LINE_BYTES: usize = 1_024;
/// Longest other text in an event.
pub(super) const SHOWN_BYTES: usize = 256;
/// Findings that are told.
const FINDINGS: usize = 20;

/// The control channel, for the last words of a panic.
static LAST_WORDS: OnceLock<Channel> = OnceLock::new();

/// The body of `sakimori-agent worker logs`; gives the process's exit code.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Standard error is closed to us inside the cage; outside of it the supervisor sees the code.
        Err(_unsayable) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let list = std::env::var(DESCRIPTORS_VARIABLE).map_err(io::Error::other)?;
    let mut descriptors = spawn::inherited_list(&list)?;
    let control = descriptors.pop().filter(|_| descriptors.is_empty());
    let control = control.ok_or_else(|| io::Error::other("not the descriptors of a log worker"))?;
    let cage = Cage {
        system_calls: SystemCalls {
            read: vec![control.as_raw_fd()],
            write: vec![control.as_raw_fd()],
            ..SystemCalls::default()
        },
        data_bytes: DATA_BYTES,
        without_seccomp: false,
    };
    let channel = LAST_WORDS.get_or_init(|| Channel::from_fd(control));
    std::panic::set_hook(Box::new(|panic| {
        let mut words = panic.to_string();
        words.truncate(words.char_indices().map(|(at, _)| at).take_while(|at| *at < 512).last().unwrap_or(0));
        let _unsaid = LAST_WORDS.get().map(|channel| channel.send_answer(&Answer::Panicked(words)));
        std::process::abort();
    }));
    let report = sandbox::enter(&cage, || Ok(())).map_err(io::Error::other)?;
    let cage = format!(
        "user {}, landlock {}{}, seccomp {}",
        report.uid,
        report.landlock_abi,
        if report.landlock_complete { "" } else { " in part" },
        report.seccomp
    );
    let mut judge = Judge { engine: None, minimum_level: 0, off: BTreeSet::new() };
    loop {
        let (order, raw) = match channel.receive_order() {
            Ok(order) => order,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let answer = match order {
            Order::Configure { files, minimum_level, off } => {
                judge.configure(files, &raw, minimum_level, off, &cage)
            }
            Order::Judge(chunk) => Answer::Judged(judge.judge(&chunk, &raw)),
        };
        channel.send_answer(&answer)?;
    }
}

/// The rules in force and what they remember.
pub(super) struct Judge {
    engine: Option<Engine>,
    minimum_level: u8,
    off: BTreeSet<u32>,
}

impl Judge {
    fn configure(
        &mut self,
        files: Vec<(String, u32)>,
        raw: &[u8],
        minimum_level: u8,
        off: Vec<u32>,
        cage: &str,
    ) -> Answer {
        let Some(files) = cut(files, raw) else {
            return Answer::Refused { errors: 1, findings: vec!["the files do not add up".to_owned()] };
        };
        let sources: Vec<SourceFile> =
            files.into_iter().map(|file| SourceFile { name: file.name, text: file.text }).collect();
        let compiled = compile(&sources, Dialect::Ossec);
        let of = |level: Level| {
            let findings = compiled.diagnostics.iter().filter(move |finding| finding.level == level);
            findings.take(FINDINGS).map(ToString::to_string).collect::<Vec<_>>()
        };
        if compiled.is_refused() {
            let errors = compiled.diagnostics.iter().filter(|finding| finding.level == Level::Error).count();
            let errors = u32::try_from(errors).unwrap_or(u32::MAX);
            return Answer::Refused { errors, findings: of(Level::Error) };
        }
        let warnings = of(Level::Warning);
        let rules = Arc::new(compiled.rules);
        match &mut self.engine {
            Some(engine) => engine.swap(rules),
            None => self.engine = Some(Engine::new(rules)),
        }
        self.minimum_level = minimum_level;
        self.off = off.into_iter().collect();
        let rules = u32::try_from(compiled.loaded).unwrap_or(u32::MAX);
        Answer::Configured { rules, warnings, cage: cage.to_owned() }
    }

    fn judge(&mut self, chunk: &Chunk, bytes: &[u8]) -> Judged {
        let mut judged = Judged { cut: chunk.cut, ..Judged::default() };
        let Some(engine) = &mut self.engine else { return judged };
        let now = moment(chunk.seconds, chunk.wall);
        let mut rest = bytes;
        while !rest.is_empty() && judged.events.len() < EVENTS {
            let end = rest.iter().position(|byte| *byte == b'\n');
            if judged.cut {
                // The rest of a line whose beginning was judged.
                let passed = end.map_or(rest.len(), |end| end + 1);
                judged.cut = end.is_none() && !chunk.last;
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            let (line, passed) = match end {
                Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
                None if chunk.last || rest.len() >= limits::LINE_BYTES => (rest, rest.len()),
                None => break,
            };
            judged.cut = end.is_none() && !chunk.last;
            rest = rest.get(passed..).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            judged.lines += 1;
            let line = Line { bytes: line, location: &chunk.source, header: chunk.header };
            let judgement = engine.judge(line, now);
            judged.long += u32::from(judgement.is_cut() || judged.cut);
            let event = event_of(&judgement, &chunk.source, self.minimum_level, &self.off);
            judged.events.extend(event);
        }
        judged.consumed = u32::try_from(bytes.len() - rest.len()).unwrap_or(u32::MAX);
        judged.forgotten = engine.forgotten();
        judged
    }
}

/// The moment in UTC: the cage has no files, so no time zones either.
pub(super) fn moment(seconds: u64, wall: i64) -> Moment {
    let days = wall.div_euclid(86_400);
    let minute = wall.rem_euclid(86_400) / 60;
    Moment {
        seconds,
        minute: u16::try_from(minute).unwrap_or(0),
        // The first of January 1970 was a Thursday.
        weekday: u8::try_from((days + 4).rem_euclid(7)).unwrap_or(0),
    }
}

fn event_of(
    judgement: &Judgement<'_>,
    source: &str,
    minimum_level: u8,
    off: &BTreeSet<u32>,
) -> Option<LogEvent> {
    let rule = judgement.rule()?;
    if rule.level == 0 || rule.level < minimum_level || off.contains(&rule.id) {
        return None;
    }
    let text = |bytes: Option<&[u8]>| printable(bytes.unwrap_or_default(), SHOWN_BYTES);
    Some(LogEvent {
        rule: rule.id,
        level: rule.level,
        description: printable(judgement.description().as_bytes(), SHOWN_LINE_BYTES),
        groups: rule.groups.iter().take(32).cloned().collect(),
        decoder: judgement.decoder().unwrap_or_default().to_owned(),
        program: text(judgement.program()),
        source_address: address(judgement.source_ip()),
        user: text(judgement.user()),
        line: printable(judgement.line(), SHOWN_LINE_BYTES),
        source: source.to_owned(),
        count: judgement.count().max(1),
    })
}

/// An address in its canonical form; what is none is no source address.
fn address(bytes: Option<&[u8]>) -> String {
    let parsed = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse::<std::net::IpAddr>().ok());
    parsed.map(|address| address.to_canonical().to_string()).unwrap_or_default()
}

/// The text with everything that a terminal or a page could take for an order written out, cut at `most` bytes.
pub(super) fn printable(bytes: &[u8], most: usize) -> String {
    let mut out = String::new();
    // Of what is cut anyway no more is decoded than could fit.
    let bytes = bytes.get(..most.saturating_mul(4)).unwrap_or(bytes);
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            // Besides control characters: those that turn the direction of text or are not seen.
            let unseen = matches!(letter, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
            if letter == '\t' {
                out.push(' ');
            } else if letter.is_control() || unseen {
                let _infallible = write!(out, "\\u{{{:x}}}", u32::from(letter));
            } else {
                out.push(letter);
            }
        }
        for byte in chunk.invalid() {
            let _infallible = write!(out, "\\x{byte:02x}");
        }
        if out.len() > most {
            break;
        }
    }
    if out.len() > most {
        let mut end = most;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge() -> Judge {
        let mut judge = Judge { engine: None, minimum_level: 1, off: BTreeSet::new() };
        let text = "<decoder name='a'><prematch>^a</prematch></decoder><group name='g,'>\
            <rule id='100' level='3'><decoded_as>a</decoded_as><description>a</description></rule></group>";
        let files = vec![("r.xml".to_owned(), u32::try_from(text.len()).unwrap())];
        let answer = judge.configure(files, text.as_bytes(), 1, Vec::new(), "");
        assert!(matches!(answer, Answer::Configured { rules: 1, .. }), "{answer:?}");
        judge
    }

    fn chunk(cut: bool, last: bool) -> Chunk {
        Chunk { source: "/var/log/a".into(), header: false, cut, last, seconds: 1, wall: 0 }
    }

    #[test]
    fn a_line_without_an_end_waits_unless_it_is_the_last() {
        let mut judge = judge();
        let judged = judge.judge(&chunk(false, false), b"a1\r\n\na2\nb\na3");
        assert_eq!((judged.consumed, judged.lines, judged.events.len()), (10, 3, 2));
        assert_eq!(judged.events.first().unwrap().line, "a1");
        let judged = judge.judge(&chunk(false, true), b"a3");
        assert_eq!((judged.consumed, judged.lines, judged.cut), (2, 1, false));
    }

    #[test]
    fn a_line_that_never_ends_is_judged_once_and_then_passed_over() {
        let mut judge = judge();
        let long = vec![b'a'; limits::LINE_BYTES + 5];
        let judged = judge.judge(&chunk(false, false), &long);
        assert_eq!((judged.lines, judged.long, judged.cut), (1, 1, true));
        assert_eq!(usize::try_from(judged.consumed).unwrap(), long.len());
        let judged = judge.judge(&chunk(true, false), b"aaaa");
        assert_eq!((judged.consumed, judged.lines, judged.cut), (4, 0, true));
        let judged = judge.judge(&chunk(true, false), b"aaaa\na\n");
        assert_eq!((judged.consumed, judged.lines, judged.cut), (7, 1, false));
    }

    #[test]
    fn a_flood_of_events_is_answered_in_parts() {
        let mut judge = judge();
        let lines = b"a\n".repeat(EVENTS + 10);
        let judged = judge.judge(&chunk(false, false), &lines);
        assert_eq!((judged.events.len(), judged.consumed), (EVENTS, u32::try_from(EVENTS * 2).unwrap()));
    }

    #[test]
    fn rules_that_are_refused_leave_the_former_ones() {
        let mut judge = judge();
        let text = "<group name='g,'><rule id='100' level='99'/></group>";
        let files = vec![("r.xml".to_owned(), u32::try_from(text.len()).unwrap())];
        let answer = judge.configure(files, text.as_bytes(), 1, Vec::new(), "");
        assert!(matches!(answer, Answer::Refused { errors: 1, .. }), "{answer:?}");
        assert_eq!(judge.judge(&chunk(false, false), b"a\n").events.len(), 1);
    }

    #[test]
    fn texts_are_printable_and_bounded() {
        assert_eq!(printable(b"a\x1b[31m\xff\t\xe2\x80\xae", 100), "a\\u{1b}[31m\\xff \\u{202e}");
        assert_eq!(printable("あいう".as_bytes(), 7), "あい…");
        assert_eq!(address(Some(b"::ffff:192.0.2.1")), "192.0.2.1");
        assert_eq!(address(Some(b"<script>")), "");
    }

    #[test]
    fn days_and_minutes() {
        assert_eq!(moment(0, 0), Moment { seconds: 0, minute: 0, weekday: 4 });
        // 2026-11-25T17:30:00Z, a Wednesday.
        assert_eq!(moment(0, 1_795_627_800), Moment { seconds: 0, minute: 17 * 60 + 30, weekday: 3 });
    }
}
