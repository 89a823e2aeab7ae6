//! A package on its way: in parts, from where it broke off, and only of the length and hash that was signed.
use super::Files;
use crate::connection::{Connection, explain};
use crate::state::{self, sync_parent};
use ring::digest::{Context, SHA256};
use sakimori_protocol::Hash;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// So often it is tried without one byte more.
const TRIES: u32 = 6;
/// Between two tries; twice as long each time.
const PAUSE: Duration = Duration::from_secs(2);

/// Sees to it that the package is here, whole; words for the manager where it cannot be had.
pub async fn package(gateway: &Connection, files: &Files, hash: Hash, size: u64) -> Result<(), String> {
    let (whole, part) = (files.package(hash), files.path(&format!("{hash}.part")));
    if is_whole(&whole, hash).await? {
        return Ok(());
    }
    let mut tries = 0;
    let mut pause = PAUSE;
    loop {
        let before = length(&part);
        let failed = match once(gateway, &part, hash, size).await {
            Ok(()) => {
                if is_whole(&part, hash).await? {
                    std::fs::rename(&part, &whole).map_err(|error| error.to_string())?;
                    return sync_parent(&whole).map_err(|error| explain(&error));
                }
                state::remove(&part).map_err(|error| explain(&error))?;
                "the bytes that came have another hash than the one that was signed".to_owned()
            }
            Err(reason) => reason,
        };
        if length(&part) > before {
            (tries, pause) = (0, PAUSE);
        } else {
            tries += 1;
        }
        if tries >= TRIES {
            return Err(failed);
        }
        tracing::warn!("the package is not here yet, again in {pause:?}: {failed}");
        sleep(pause).await;
        pause = pause.saturating_mul(2);
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// Appends to the part until it is as long as it has to be.
async fn once(gateway: &Connection, part: &Path, hash: Hash, size: u64) -> Result<(), String> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(part)
        .map_err(|error| format!("{}: {error}", part.display()))?;
    let mut here = length(part);
    if here > size {
        file.set_len(0).map_err(|error| error.to_string())?;
        here = 0;
    }
    if here == size {
        return Ok(());
    }
    let (mut response, from) = gateway.package(hash, here).await.map_err(|error| explain(&error))?;
    if from != here {
        // The whole comes, not the rest.
        file.set_len(0).and_then(|()| file.rewind()).map_err(|error| error.to_string())?;
        here = 0;
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
        here = here.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if here > size {
            file.set_len(0).map_err(|error| error.to_string())?;
            return Err(format!("more than the {size} bytes came that were signed"));
        }
        file.write_all(&chunk).map_err(|error| format!("{}: {error}", part.display()))?;
    }
    file.sync_all().map_err(|error| error.to_string())?;
    if here < size { Err(format!("it broke off after {here} of {size} bytes")) } else { Ok(()) }
}

async fn is_whole(path: &Path, hash: Hash) -> Result<bool, String> {
    let path = path.to_owned();
    let judged =
        tokio::task::spawn_blocking(move || hash_of(&path)).await.map_err(|error| error.to_string())?;
    match judged {
        Ok(found) => Ok(found == hash),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// The hash of a file, read in pieces.
pub(super) fn hash_of(path: &Path) -> io::Result<Hash> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        context.update(read);
    }
    let mut digits = String::with_capacity(64);
    for byte in context.finish().as_ref() {
        let _infallible = write!(digits, "{byte:02x}");
    }
    digits.parse().map_err(io::Error::other)
}
