//! What is installed and runs on this computer.
//!
//! The supervisor finds and reads files but does not look into them ([`gather`]); a caged process that has nothing but
//! one socket does ([`worker`], [`parse`]) and answers with an [`Inventory`]. Whoever can write a web root writes what
//! is parsed here.
//!
//! The cloud's metadata service is asked only where the firmware says that there is one, or where somebody says so.

pub mod cloud;
pub mod gather;
pub mod material;
pub mod parse;
pub mod part;
pub mod worker;

use cloud::Provider;
use material::{Kind, Piece};
use sakimori_kernel::spawn::{self, Program};
use sakimori_modules::recommendation::Recommendation;
use sakimori_protocol::{Hash, Inventory};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The worker has this long for everything.
const PATIENCE: Duration = Duration::from_mins(1);

/// The inventory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The worker did not start, or not answer.
    #[error("the inventory worker does not answer")]
    Worker(#[source] io::Error),
    /// The worker's answer is no inventory.
    #[error("the inventory worker's answer is not understood")]
    Answer(#[source] serde_json::Error),
}

/// Takes the inventory. Blocks: reading, the cloud's answer, and the worker take seconds.
pub fn take(web_roots: &[String], provider: Provider) -> Result<Inventory, InventoryError> {
    take_with(web_roots, provider, Path::new(spawn::OWN_PROGRAM))
}

/// As [`take`], with the program that has the worker in it.
pub fn take_with(
    web_roots: &[String],
    provider: Provider,
    program: &Path,
) -> Result<Inventory, InventoryError> {
    let mut gathered = gather::gather(web_roots);
    if let Some((kind, document)) = cloud::document(provider) {
        gathered.material.add(Piece { kind, path: b"", bytes: &document });
    }
    if gathered.material.left_out > 0 {
        let kinds = ["package", "application", "wordpress-plugin", "wordpress-theme", "composer", "java"];
        gathered.incomplete.extend(kinds.map(str::to_owned));
    }
    let mut inventory = understand(gathered.material.bytes(), program)?;
    inventory.processes = gather::processes();
    inventory.incomplete.extend(gathered.incomplete);
    inventory.incomplete.sort();
    inventory.incomplete.dedup();
    fit(&mut inventory);
    Ok(inventory)
}

/// Cuts lists until the inventory fits its bound, and says so.
fn fit(inventory: &mut Inventory) {
    while serde_json::to_vec(inventory).map_or(0, |bytes| bytes.len()) > Inventory::BYTES {
        let Inventory { packages, applications, processes, incomplete, .. } = inventory;
        let mut say = |kind: &str| {
            if !incomplete.iter().any(|said| said == kind) {
                incomplete.push(kind.to_owned());
            }
        };
        if processes.len() > 100 {
            processes.truncate(processes.len() / 2);
            say("process");
        } else if packages.len() > applications.len() {
            packages.truncate(packages.len() / 2);
            say("package");
        } else {
            applications.truncate(applications.len() / 2);
            for kind in ["application", "wordpress-plugin", "wordpress-theme", "composer", "java"] {
                say(kind);
            }
        }
        incomplete.sort();
    }
}

/// Has the worker look into what was gathered.
fn understand(material: &[u8], program: &Path) -> Result<Inventory, InventoryError> {
    let (mut ours, theirs) = UnixStream::pair().map_err(InventoryError::Worker)?;
    let descriptor = theirs.as_raw_fd().to_string();
    let child = spawn::spawn(&Program {
        path: program.to_owned(),
        name: "sakimori-agent".into(),
        arguments: vec!["worker".into(), "inventory".into()],
        environment: vec![(worker::DESCRIPTOR_VARIABLE.into(), descriptor.into())],
        descriptors: vec![theirs.as_fd()],
    })
    .map_err(InventoryError::Worker)?;
    drop(theirs);
    let answer = converse(&mut ours, material);
    let _ended_already = child.process.kill();
    child.process.reap();
    serde_json::from_slice(&answer.map_err(InventoryError::Worker)?).map_err(InventoryError::Answer)
}

fn converse(socket: &mut UnixStream, material: &[u8]) -> io::Result<Vec<u8>> {
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(material)?;
    socket.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    // What comes is cut to `Inventory::BYTES` afterwards; a worker that was taken over must not fill the memory.
    let most = Inventory::BYTES * 8;
    loop {
        let length = io::Read::read(socket, &mut buffer)?;
        if length == 0 {
            return Ok(answer);
        }
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if answer.len() > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

/// The provider of this computer by its firmware.
pub fn provider() -> Provider {
    let word = |name: &str| {
        let path = PathBuf::from("/sys/class/dmi/id").join(name);
        let bytes = sakimori_kernel::files::read_capped(&path, 4096).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    cloud::by_firmware(&word("sys_vendor"), &word("chassis_asset_tag"))
}

/// The last inventory, for whoever reports it, and the way to ask for a new one.
#[derive(Debug, Default)]
pub struct Current {
    state: Mutex<State>,
    taken: Notify,
}

#[derive(Debug, Default)]
struct State {
    last: Option<(Hash, Arc<Inventory>)>,
    /// Somebody waits for the next one.
    asked: bool,
    /// The last one is what somebody waits for.
    awaited: bool,
    /// Wakes whoever takes inventories.
    taker: Option<Sender<Ask>>,
}

/// What the thread that takes inventories is told.
#[derive(Clone, Debug)]
pub enum Ask {
    /// These settings are in force: take one.
    Settings(Recommendation),
    /// Take one now.
    Now,
    /// End.
    End,
}

impl Current {
    /// It is this now.
    pub fn set(&self, inventory: Option<Inventory>) {
        let named = inventory.map(|inventory| (inventory.hash(), Arc::new(inventory)));
        let mut state = self.lock();
        state.awaited |= std::mem::take(&mut state.asked) && named.is_some();
        let news = state.awaited || state.last.as_ref().map(|last| last.0) != named.as_ref().map(|now| now.0);
        state.last = named;
        drop(state);
        if news {
            self.taken.notify_one();
        }
    }

    /// It and its name.
    pub fn get(&self) -> Option<(Hash, Arc<Inventory>)> {
        self.lock().last.clone()
    }

    /// Who takes inventories from now on.
    pub fn set_taker(&self, taker: Sender<Ask>) {
        self.lock().taker = Some(taker);
    }

    /// Somebody waits for a new one. Where none is taken, nothing comes of it.
    pub fn ask(&self) {
        let mut state = self.lock();
        state.asked = true;
        if let Some(taker) = &state.taker {
            let _ended = taker.send(Ask::Now);
        }
    }

    /// Whether the last one is what somebody waits for.
    pub fn is_awaited(&self) -> bool {
        self.lock().awaited
    }

    /// The last one was sent.
    pub fn sent(&self) {
        self.lock().awaited = false;
    }

    /// Waits for a new one.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kinds of documents and where they come from, for [`cloud`].
pub(crate) type Document = (Kind, Vec<u8>);
