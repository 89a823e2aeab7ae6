//! The local socket of the anti-malware part: scans on request and the quarantine, for root on this computer.
//!
//! # Shape
//! One JSON line each way: a [`Request`], then a [`Reply`]. A scan is answered when it is done, however long it takes.

use super::{Entry, Quarantine, QuarantineError, Summary};
use crate::connection::explain;
use crate::state::{self, StateError};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Bound of a request, in bytes: some hundred paths.
const REQUEST_BYTES: u64 = 64 << 10;
/// Bound of a reply, in bytes: a summary names a thousand files.
const REPLY_BYTES: u64 = 16 << 20;
/// Requests that are served at a time.
const AT_A_TIME: usize = 4;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asked of the part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// Look at everything below these paths; at what the settings watch, if there are none.
    Scan {
        /// The paths.
        paths: Vec<PathBuf>,
    },
    /// Put a file back.
    Restore {
        /// The entry.
        id: Uuid,
    },
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reply {
    /// What went wrong, in words.
    pub error: Option<String>,
    /// What a scan found.
    pub summary: Option<Summary>,
    /// The file that was put back.
    pub entry: Option<Entry>,
}

/// What the socket's requests are handed to.
pub(super) type Serve = Arc<dyn Fn(Request) -> Reply + Send + Sync>;

/// The part could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error(
        "anti-malware does not run on this computer (nothing listens at {path}): the agent is stopped, or its policy has the module off"
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The conversation broke.
    #[error("the agent did not answer")]
    Broken(#[source] io::Error),
    /// Another version's words.
    #[error("the agent's answer cannot be read: it runs another version than this program")]
    Malformed(#[source] serde_json::Error),
}

/// Where the socket is.
fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("scanner.sock")
}

/// Opens the socket.
pub(super) fn listen(run_dir: &Path) -> Result<UnixListener, StateError> {
    let path = socket_path(run_dir);
    state::remove(&path)?;
    let listener = UnixListener::bind(&path).map_err(state::because("binding", &path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(state::because("protecting", &path))?;
    Ok(listener)
}

/// Body of the desk; ends when `ending` says so at the next connection ([`knock`]).
pub(super) fn serve(listener: &UnixListener, serve: &Serve, ending: impl Fn() -> bool) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if ending() {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        if busy.fetch_add(1, Ordering::SeqCst) >= AT_A_TIME {
            let _before = busy.fetch_sub(1, Ordering::SeqCst);
            let _gone = reply(
                &mut stream,
                &Reply { error: Some("too many scans at a time".to_owned()), ..Reply::default() },
            );
            continue;
        }
        let (serve, still) = (Arc::clone(serve), Arc::clone(&busy));
        let spawned = std::thread::Builder::new().name("file-desk".to_owned()).spawn(move || {
            if let Err(error) = converse(&mut stream, &serve) {
                tracing::debug!("local socket: {error}");
            }
            let _before = still.fetch_sub(1, Ordering::SeqCst);
        });
        if spawned.is_err() {
            let _before = busy.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Makes the desk look whether it is to end.
pub(super) fn knock(run_dir: &Path) {
    let _nobody_there = UnixStream::connect(socket_path(run_dir));
    let _gone_already = std::fs::remove_file(socket_path(run_dir));
}

fn converse(stream: &mut UnixStream, serve: &Serve) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    let _length = BufReader::new((&mut *stream).take(REQUEST_BYTES)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => serve(request),
        Err(error) => Reply { error: Some(format!("not a request: {error}")), ..Reply::default() },
    };
    reply(stream, &answer)
}

fn reply(stream: &mut UnixStream, answer: &Reply) -> io::Result<()> {
    let text = serde_json::to_string(answer)?;
    writeln!(stream, "{text}")
}

/// Asks the running agent; blocks until it is done.
pub fn ask(run_dir: &Path, request: &Request) -> Result<Reply, AskError> {
    let path = socket_path(run_dir);
    let mut stream = UnixStream::connect(&path).map_err(|source| AskError::NotRunning { path, source })?;
    let line = serde_json::to_string(request).map_err(AskError::Malformed)?;
    let mut answer = String::new();
    writeln!(stream, "{line}")
        .and_then(|()| BufReader::new(stream.take(REPLY_BYTES)).read_line(&mut answer))
        .map_err(AskError::Broken)?;
    serde_json::from_str(&answer).map_err(AskError::Malformed)
}

/// Puts a file back through the running agent, which would otherwise find it again at once; by itself where none runs.
pub fn restore(run_dir: &Path, quarantine: &Quarantine, id: Uuid) -> Result<Entry, String> {
    match ask(run_dir, &Request::Restore { id }) {
        Ok(Reply { entry: Some(entry), .. }) => Ok(entry),
        Ok(Reply { error, .. }) => Err(error.unwrap_or_default()),
        Err(AskError::NotRunning { .. }) => {
            quarantine.restore(id).map_err(|error: QuarantineError| explain(&error))
        }
        Err(error) => Err(explain(&error)),
    }
}
