//! Finding and reading, without understanding: what the worker is to look into, and what the kernel says itself.
use super::material::{Kind, Material, Piece};
use rustix::fs::FileType;
use sakimori_kernel::clock;
use sakimori_kernel::files::read_capped;
use sakimori_kernel::walk::{Base, Entry, Step, Visitor};
use sakimori_modules::event::printable;
use sakimori_protocol::{Inventory, Process};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// dpkg's list of what is installed.
const DPKG_STATUS: &str = "/var/lib/dpkg/status";
/// Folders of manifests that belong to no web root.
const MANIFESTS: [&str; 2] = ["/etc/sakimori/applications.d", "/usr/share/sakimori/applications"];
/// An application's manifest in its own folder.
const MANIFEST: &[u8] = b"sakimori-application.json";
/// Entities that are looked at below all web roots together.
const ENTITIES: u64 = 2_000_000;
/// Time that all web roots together may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Deepest folder below a web root.
const DEPTH: usize = 24;
/// PHP files of one plugin's folder that may be its main file.
const MAIN_FILES: usize = 32;
/// Different programs that are listed.
const PROCESSES: usize = 2_000;

/// What was gathered.
#[derive(Debug, Default)]
pub struct Gathered {
    /// For the worker.
    pub material: Material,
    /// Kinds that were not looked for to the end.
    pub incomplete: Vec<String>,
}

/// Reads what says something about installed software.
pub fn gather(web_roots: &[String]) -> Gathered {
    let mut gathered = Gathered::default();
    match read_capped(Path::new(DPKG_STATUS), Kind::DpkgStatus.bytes()) {
        Ok(bytes) => {
            gathered.material.add(Piece {
                kind: Kind::DpkgStatus,
                path: DPKG_STATUS.as_bytes(),
                bytes: &bytes,
            });
        }
        // Other distributions keep their packages elsewhere: they are not looked for yet.
        Err(_) => gathered.incomplete.push("package".to_owned()),
    }
    let mut search = Search {
        material: &mut gathered.material,
        base: Vec::new(),
        entities: 0,
        ends: clock::monotonic() + PATIENCE,
        main_files: 0,
        cut: false,
        manifests_only: false,
    };
    for (root, manifests_only) in
        web_roots.iter().map(|root| (root.as_str(), false)).chain(MANIFESTS.map(|folder| (folder, true)))
    {
        search.base = root.trim_end_matches('/').as_bytes().to_vec();
        search.manifests_only = manifests_only;
        let walked = Base::open(Path::new(root)).and_then(|base| base.walk(b"", &mut search, None));
        search.cut |= walked.is_err_and(|error| error.kind() != io::ErrorKind::NotFound);
    }
    if search.cut {
        let kinds = ["application", "wordpress-plugin", "wordpress-theme", "composer", "java"];
        gathered.incomplete.extend(kinds.map(str::to_owned));
    }
    gathered
}

/// A way through a web root.
struct Search<'a> {
    material: &'a mut Material,
    base: Vec<u8>,
    entities: u64,
    ends: Duration,
    main_files: usize,
    cut: bool,
    manifests_only: bool,
}

impl Visitor for Search<'_> {
    /// How deep it is.
    type State = usize;

    fn visit(&mut self, parent: Option<&usize>, entry: &Entry<'_>) -> Step<usize> {
        self.entities += 1;
        if self.entities > ENTITIES || self.entities.is_multiple_of(1024) && clock::monotonic() > self.ends {
            self.cut = true;
            return Step::Stop;
        }
        let depth = parent.map_or(0, |depth| depth + 1);
        match entry.facts.kind {
            FileType::Directory
                if depth < DEPTH && entry.name != b".git" && entry.name != b"node_modules" =>
            {
                self.main_files = 0;
                Step::Enter(depth)
            }
            FileType::RegularFile => {
                self.file(entry);
                Step::Pass
            }
            _ => Step::Pass,
        }
    }

    fn unread(&mut self, _path: &[u8], _reason: &io::Error) {
        self.cut = true;
    }
}

impl Search<'_> {
    fn file(&mut self, entry: &Entry<'_>) {
        let mut absolute = self.base.clone();
        if !entry.path.is_empty() {
            absolute.push(b'/');
            absolute.extend_from_slice(entry.path);
        }
        let Some((kind, up)) = kind_of(&absolute, self.manifests_only) else { return };
        if kind == Kind::WordPressPlugin {
            self.main_files += 1;
            if self.main_files > MAIN_FILES {
                return;
            }
        }
        let place = above(&absolute, up);
        if kind == Kind::JavaArchive {
            self.material.add(Piece { kind, path: &absolute, bytes: b"" });
            return;
        }
        let Ok(bytes) = entry.open().and_then(|file| beginning(&file, kind.bytes())) else {
            self.cut = true;
            return;
        };
        self.material.add(Piece { kind, path: place, bytes: &bytes });
    }
}

/// What a file is by its path, and how many sections above it lies what it speaks of.
fn kind_of(path: &[u8], manifests_only: bool) -> Option<(Kind, usize)> {
    let names: Vec<&[u8]> = path.rsplit(|byte| *byte == b'/').take(5).collect();
    let name = *names.first()?;
    let up = |at: usize| names.get(at).copied().unwrap_or_default();
    if manifests_only {
        return name.ends_with(b".json").then_some((Kind::Manifest, 0));
    }
    let php = name.ends_with(b".php");
    if name == MANIFEST {
        Some((Kind::Manifest, 1))
    } else if name == b"version.php" && up(1) == b"wp-includes" {
        Some((Kind::WordPressVersion, 2))
    } else if php && up(2) == b"plugins" && up(3) == b"wp-content" {
        Some((Kind::WordPressPlugin, 1))
    } else if php && matches!(up(1), b"plugins" | b"mu-plugins") && up(2) == b"wp-content" {
        Some((Kind::WordPressPlugin, 0))
    } else if name == b"style.css" && up(2) == b"themes" && up(3) == b"wp-content" {
        Some((Kind::WordPressTheme, 1))
    } else if name == b"installed.json" && up(1) == b"composer" && up(2) == b"vendor" {
        Some((Kind::ComposerInstalled, 3))
    } else if name.ends_with(b".jar") {
        Some((Kind::JavaArchive, 0))
    } else {
        None
    }
}

/// A path without its last sections.
fn above(path: &[u8], sections: usize) -> &[u8] {
    let mut path = path;
    for _ in 0..sections {
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        path = path.get(..end).unwrap_or_default();
    }
    path
}

fn beginning(file: &OwnedFd, most: u64) -> io::Result<Vec<u8>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    while bytes.len() < most {
        let length = rustix::io::read(file, &mut buffer)?;
        if length == 0 {
            break;
        }
        bytes.extend_from_slice(buffer.get(..length.min(most - bytes.len())).unwrap_or_default());
    }
    Ok(bytes)
}

/// Programs that run, with how many of each.
pub fn processes() -> Vec<Process> {
    let mut counts: BTreeMap<(String, String, u32), u32> = BTreeMap::new();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for id in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let folder = format!("/proc/{id}");
        let Ok(name) = read_capped(Path::new(&format!("{folder}/comm")), 4096) else { continue };
        let Ok(stat) = rustix::fs::stat(&folder) else { continue };
        // The kernel's own threads have no program.
        let Ok(program) = rustix::fs::readlink(format!("{folder}/exe"), Vec::new()) else { continue };
        let plain = |bytes: &[u8]| printable(String::from_utf8_lossy(bytes).trim(), Inventory::TEXT);
        let key = (plain(&name), plain(program.as_bytes()), stat.st_uid);
        if counts.len() < PROCESSES || counts.contains_key(&key) {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts.into_iter().map(|((name, program, user), count)| Process { name, program, user, count }).collect()
}
