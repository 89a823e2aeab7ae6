//! Walking trees that change and lie, and hearing of names, on file systems of their own.
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test: it makes files, says why it is skipped, and fails by panicking"
)]

#[path = "support/tmpfs.rs"]
mod tmpfs;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountFlags, mount};
use sakimori_kernel::fanotify::names::{Folders, NameEvent, Names, process};
use sakimori_kernel::walk::{Base, DEPTH, Entry, Step, Visitor};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use tmpfs::on_private_tmpfs;

#[derive(Default)]
struct Seen {
    paths: Vec<Vec<u8>>,
    unread: Vec<Vec<u8>>,
    systems: usize,
    opened: Vec<Vec<u8>>,
}

impl Visitor for Seen {
    type State = ();
    fn visit(&mut self, _parent: Option<&()>, entry: &Entry<'_>) -> Step<()> {
        self.paths.push(entry.path.to_vec());
        if entry.open().is_ok() {
            self.opened.push(entry.path.to_vec());
        }
        Step::Enter(())
    }
    fn file_system(&mut self, _folder: std::os::fd::BorrowedFd<'_>) {
        self.systems += 1;
    }
    fn unread(&mut self, path: &[u8], _reason: &io::Error) {
        self.unread.push(path.to_vec());
    }
}

fn walked(base: &Path, start: &str) -> Seen {
    let mut seen = Seen::default();
    Base::open(base).unwrap().walk(start.as_bytes(), &mut seen, None).unwrap();
    seen
}

#[test]
fn everything_is_visited_once_in_the_order_of_names_and_no_link_is_followed() {
    on_private_tmpfs(|place| {
        fs::create_dir_all(place.join("b/d")).unwrap();
        fs::write(place.join("b/d/f"), b"x").unwrap();
        fs::write(place.join(OsStr::from_bytes(b"a\n\x1b[0m\xff")), b"x").unwrap();
        symlink("b", place.join("link")).unwrap();
        symlink(".", place.join("b/loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, place.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let seen = walked(place, "");
        let expected: Vec<&[u8]> =
            vec![b"", b"a\n\x1b[0m\xff", b"b", b"b/d", b"b/d/f", b"b/loop", b"link", b"pipe"];
        assert_eq!(seen.paths, expected);
        assert_eq!(
            seen.opened,
            [b"a\n\x1b[0m\xff".to_vec(), b"b/d/f".to_vec()],
            "and no pipe was waited for"
        );
        assert_eq!(walked(place, "b/d").paths, [b"b/d".to_vec(), b"b/d/f".to_vec()]);
        assert_eq!(walked(&place.join("link"), "").paths, [b"".to_vec()], "a base that is a link is a link");
        let base = Base::open(place).unwrap();
        assert!(base.facts(b"link/d").is_err(), "the way does not lead through links");
        assert!(base.facts(b"../x").is_err());
        assert_eq!(base.facts(b"b/d/f").unwrap().size, 1);
    });
}

#[test]
fn other_disks_are_entered_and_the_kernels_own_views_are_not() {
    on_private_tmpfs(|place| {
        for name in ["disk", "proc"] {
            fs::create_dir(place.join(name)).unwrap();
        }
        mount("tmpfs", place.join("disk"), "tmpfs", MountFlags::empty(), None).unwrap();
        mount("proc", place.join("proc"), "proc", MountFlags::empty(), None).unwrap();
        fs::write(place.join("disk/f"), b"x").unwrap();
        let seen = walked(place, "");
        assert_eq!(seen.systems, 2);
        assert_eq!(seen.unread, [b"proc".to_vec()]);
        assert!(seen.paths.contains(&b"disk/f".to_vec()));
        for name in ["disk", "proc"] {
            rustix::mount::unmount(place.join(name), rustix::mount::UnmountFlags::empty()).unwrap();
        }
    });
}

#[test]
fn a_very_deep_tree_ends_at_the_bound() {
    on_private_tmpfs(|place| {
        let mut deep = place.to_path_buf();
        for _ in 0..DEPTH + 20 {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        let seen = walked(place, "");
        assert_eq!(seen.paths.len(), DEPTH + 1);
        assert_eq!(seen.unread.len(), 1);
    });
}

/// Everything that was heard, waited for at most two seconds each time.
fn heard(names: &Names, until: impl Fn(&[NameEvent]) -> bool) -> (Vec<NameEvent>, bool) {
    let (mut events, mut overflow) = (Vec::new(), false);
    let mut buffer = vec![0; 64 << 10];
    while !until(&events) {
        let timeout = rustix::time::Timespec { tv_sec: 2, tv_nsec: 0 };
        if poll(&mut [PollFd::new(names, PollFlags::IN)], Some(&timeout)).unwrap() == 0 {
            break;
        }
        let batch = names.read(&mut buffer).unwrap();
        events.extend(batch.events);
        overflow |= batch.overflow;
    }
    (events, overflow)
}

#[test]
fn what_happens_to_names_is_heard_with_the_process() {
    on_private_tmpfs(|place| {
        let names = Names::open(true).unwrap();
        let base = Base::open(place).unwrap();
        let mut folders = Folders::default();
        names.watch(base.folder().unwrap().as_fd()).unwrap();
        folders.add(base.folder().unwrap().as_fd()).unwrap();
        fs::create_dir(place.join("d")).unwrap();
        fs::write(place.join("d/f"), b"x").unwrap();
        fs::rename(place.join("d/f"), place.join("g")).unwrap();
        fs::set_permissions(place.join("g"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::remove_dir(place.join("d")).unwrap();
        let (events, overflow) =
            heard(&names, |events| events.iter().any(|e| e.name == b"d" && events.len() > 4));
        assert!(!overflow);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(events.iter().all(|event| event.pid == own));
        let mut paths = BTreeSet::new();
        for event in &events {
            for folder in folders.paths(&event.folder) {
                let mut path = folder.clone();
                path.push(b'/');
                path.extend(&event.name);
                paths.insert(path);
            }
        }
        let full = |name: &str| place.join(name).into_os_string().into_encoded_bytes();
        assert!(paths.contains(&full("d")) && paths.contains(&full("g")), "{events:?} {paths:?}");
        assert!(process(own).unwrap().0.starts_with(b"/"));
    });
}

#[test]
fn a_full_queue_says_so_and_an_unlimited_one_loses_nothing() {
    on_private_tmpfs(|place| {
        let bound: usize =
            fs::read_to_string("/proc/sys/fs/fanotify/max_queued_events").unwrap().trim().parse().unwrap();
        let base = Base::open(place).unwrap();
        let (limited, unlimited) = (Names::open(false).unwrap(), Names::open(true).unwrap());
        limited.watch(base.folder().unwrap().as_fd()).unwrap();
        unlimited.watch(base.folder().unwrap().as_fd()).unwrap();
        let files = bound + 1000;
        for number in 0..files {
            symlink("x", place.join(number.to_string())).unwrap();
        }
        let (_, overflow) = heard(&limited, |_| false);
        assert!(overflow);
        let (events, overflow) = heard(&unlimited, |events| events.len() >= files);
        assert_eq!((events.len(), overflow), (files, false));
    });
}
