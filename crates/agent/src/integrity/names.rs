//! The thread that hears of names, and the paths that it finds changed.
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use sakimori_integrity::{CompiledSet, printable};
use sakimori_kernel::fanotify::InitError;
use sakimori_kernel::fanotify::names::{Folders, NameEvent, Names, process};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Paths that wait to be looked at; of more, everything is looked at.
const PATHS: usize = 200_000;
/// Bytes of one read: about a thousand events.
const BUFFER: usize = 64 << 10;

/// Who changed something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// Process number; 0 where it is in no PID namespace of ours.
    pub pid: i32,
    /// Its program, empty where it had ended before it was looked at.
    pub program: String,
    /// Its user; nothing where it had ended.
    pub user: Option<u32>,
}

/// What has been heard and not yet looked at.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Absolute paths, with who touched them last.
    pub paths: BTreeMap<Vec<u8>, Arc<Actor>>,
    /// Events were lost: everything has to be looked at.
    pub lost: bool,
    /// Events heard, of watched paths or not.
    pub events: u64,
}

/// The watching of names.
pub struct NameWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    names: Names,
    end: OwnedFd,
    folders: Mutex<Folders>,
    sets: Mutex<Arc<Vec<CompiledSet>>>,
    heard: Mutex<Heard>,
    /// Called when something is heard after nothing was.
    news: Box<dyn Fn() + Send + Sync>,
}

// === impl NameWatch ===

impl NameWatch {
    /// Starts; `news` is called by the thread when something waits to be [taken](Self::take).
    pub fn start(unlimited: bool, news: impl Fn() + Send + Sync + 'static) -> Result<Self, InitError> {
        let names = Names::open(unlimited)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| InitError::Other(e.into()))?;
        let shared = Arc::new(Shared {
            names,
            end,
            folders: Mutex::default(),
            sets: Mutex::default(),
            heard: Mutex::default(),
            news: Box::new(news),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("integrity-names".into())
            .spawn(move || listen(&for_thread))
            .map_err(InitError::Other)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Which sets' paths are kept.
    pub fn set_sets(&self, sets: Vec<CompiledSet>) {
        *lock(&self.shared.sets) = Arc::new(sets);
    }

    /// Hears of the file system that a folder lies on.
    pub fn watch(&self, folder: BorrowedFd<'_>) -> io::Result<()> {
        lock(&self.shared.folders).add(folder)?;
        self.shared.names.watch(folder)
    }

    /// Takes what has been heard.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut *lock(&self.shared.heard))
    }
}

impl Drop for NameWatch {
    fn drop(&mut self) {
        let _told = rustix::io::write(&self.shared.end, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn listen(shared: &Shared) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut ready = [
            PollFd::from_borrowed_fd(shared.names.as_fd(), PollFlags::IN),
            PollFd::new(&shared.end, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) => (),
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        if ready.get(1).is_some_and(|end| !end.revents().is_empty()) {
            return;
        }
        let batch = shared.names.read(&mut buffer);
        let (events, lost) = match batch {
            Ok(batch) => (batch.events, batch.overflow),
            Err(_) => (Vec::new(), true),
        };
        let sets = Arc::clone(&lock(&shared.sets));
        let found = resolve(shared, &sets, &events);
        let mut heard = lock(&shared.heard);
        let silent = heard.paths.is_empty() && !heard.lost;
        heard.events += events.len() as u64;
        heard.lost |= lost;
        heard.paths.extend(found);
        if heard.paths.len() > PATHS {
            heard.paths.clear();
            heard.lost = true;
        }
        let news = silent && (heard.lost || !heard.paths.is_empty());
        drop(heard);
        if news {
            (shared.news)();
        }
    }
}

/// The watched paths among the events.
fn resolve(shared: &Shared, sets: &[CompiledSet], events: &[NameEvent]) -> Vec<(Vec<u8>, Arc<Actor>)> {
    let mut folders = lock(&shared.folders);
    let mut actors: HashMap<i32, Arc<Actor>> = HashMap::new();
    let mut found = Vec::new();
    for event in events {
        if event.moves_folder {
            folders.forget_paths();
        }
        for folder in folders.paths(&event.folder) {
            let mut path = folder.clone();
            if !event.name.is_empty() {
                if path != b"/" {
                    path.push(b'/');
                }
                path.extend_from_slice(&event.name);
            }
            if sets.iter().any(|set| concerns(set, &path)) {
                let actor = actors.entry(event.pid).or_insert_with(|| Arc::new(actor(event.pid)));
                found.push((path, Arc::clone(actor)));
            }
        }
    }
    found
}

fn concerns(set: &CompiledSet, path: &[u8]) -> bool {
    set.lies_under(path)
        || set.relative(path).is_some_and(|relative| {
            let position = set.position_of(relative);
            set.watches(&position) || set.enters(&position)
        })
}

fn actor(pid: i32) -> Actor {
    match process(pid) {
        Some((program, user)) => Actor { pid, program: printable(&program), user: Some(user) },
        None => Actor { pid, ..Actor::default() },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for NameWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameWatch").finish_non_exhaustive()
    }
}
