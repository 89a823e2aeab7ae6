//! The sandboxed process: open files in, verdicts out.
//!
//! One thread. It is in the cage ([`sakimori_kernel::sandbox`]) before it has the rules, and so before the first
//! file. It cannot open anything: what it looks at was opened by the supervisor, for reading.

use super::channel::{Answer, CageReport, Channel, FINDINGS, Found, Order, Rules, read_some};
use sakimori_antimalware::{Compiled, Engine, Limits, Verdict, compile, hexadecimal};
use sakimori_kernel::sandbox::{self, Cage, SystemCalls};
use sakimori_kernel::spawn;
use sakimori_model::Level;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

/// Names the descriptor that a scanner inherits: its channel.
pub(super) const DESCRIPTORS_VARIABLE: &str = "SAKIMORI_SCANNER";

/// Bound of heap and private mappings: the file (64 MiB by default), the rules, the matches.
const DATA_BYTES: u64 = 1 << 30;
/// The longest file that is held as a whole, whatever the settings say.
const MOST_BYTES: u64 = 512 << 20;

/// The channel, for the last words of a panic.
static LAST_WORDS: OnceLock<Channel> = OnceLock::new();

/// The body of `sakimori-agent worker scanner`; gives the process's exit code.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // There is nobody to tell inside the cage; outside of it the supervisor sees the code.
        Err(_unsayable) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    let list = std::env::var(DESCRIPTORS_VARIABLE).map_err(io::Error::other)?;
    let [channel]: [OwnedFd; 1] = spawn::inherited_list(&list)?
        .try_into()
        .map_err(|_other_count| io::Error::other("not the descriptor of a scanner"))?;
    let cage = Cage {
        system_calls: SystemCalls::reader_of_sent_files(channel.as_raw_fd()),
        data_bytes: DATA_BYTES,
        without_seccomp: false,
    };
    let channel = LAST_WORDS.get_or_init(|| Channel::from_fd(channel));
    std::panic::set_hook(Box::new(|panic| {
        let words = panic.to_string().chars().take(512).collect();
        let _unsaid = LAST_WORDS.get().map(|channel| channel.send_answer(&Answer::Panicked(words)));
        std::process::abort();
    }));
    let report = sandbox::enter(&cage, || Ok(())).map_err(io::Error::other)?;
    let Some(engine) = receive_rules(channel, report.into())? else { return Ok(()) };
    let mut buffer = Vec::new();
    while let Some(order) = channel.receive_order()? {
        let Order::Scan { job, size, file } = order else { return Err(io::ErrorKind::InvalidData.into()) };
        channel.send_answer(&scan(&engine, job, size, &file, &mut buffer))?;
    }
    Ok(())
}

fn receive_rules(channel: &Channel, cage: CageReport) -> io::Result<Option<Engine>> {
    let Some(Order::Rules(memory)) = channel.receive_order()? else { return Ok(None) };
    let Rules { max_file_bytes, scan_milliseconds, sources } = Rules::from_memory(&memory)?;
    drop(memory);
    let limits = Limits {
        bytes: usize::try_from(max_file_bytes.min(MOST_BYTES)).unwrap_or(0),
        scan_time: Some(Duration::from_millis(scan_milliseconds)),
        ..Limits::default()
    };
    let Compiled { engine, mut diagnostics, rules, hashes } = compile(&sources, limits);
    // Errors first: the supervisor is told a bounded number.
    diagnostics.sort_by_key(|d| d.level != Level::Error);
    let findings = diagnostics.into_iter().take(FINDINGS).map(Into::into).collect();
    let count = |n| u32::try_from(n).unwrap_or(u32::MAX);
    let answer = if engine.is_some() {
        Answer::Ready { rules: count(rules), hashes: count(hashes), findings, cage }
    } else {
        Answer::Refused(findings)
    };
    channel.send_answer(&answer)?;
    Ok(engine)
}

fn scan(engine: &Engine, job: u64, size: u64, file: &OwnedFd, buffer: &mut Vec<u8>) -> Answer {
    let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(engine.limits().bytes);
    buffer.clear();
    buffer.resize(wanted, 0);
    let Ok(length) = read_some(file, buffer, 0) else {
        return Answer::Verdict { job, found: Found::Unreadable, sha256: None, bytes: 0 };
    };
    let seen = buffer.get(..length).unwrap_or_default();
    // Shorter than it was: what is there now is the whole.
    let size = if length < wanted { u64::try_from(length).unwrap_or(0) } else { size };
    let report = engine.scan(seen, size);
    let found = match report.verdict {
        Verdict::Clean => Found::Clean,
        Verdict::Infected(f) => {
            Found::Infected { by: f.by.as_str().to_owned(), signature: f.signature, others: f.others }
        }
        Verdict::Partial(reason) => Found::Partial(reason.as_str().to_owned()),
    };
    let sha256 = report.sha256.map(|sum| hexadecimal(&sum));
    if buffer.capacity() > 8 << 20 {
        *buffer = Vec::new();
    }
    Answer::Verdict { job, found, sha256, bytes: u64::try_from(length).unwrap_or(0) }
}
