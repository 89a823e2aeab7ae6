//! fanotify groups on file systems of their own, in mount namespaces of their own.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test: it reads files, says why it is skipped, and fails by panicking"
)]

#[path = "support/tmpfs.rs"]
mod tmpfs;

use rustix::event::{PollFd, PollFlags, poll};
use sakimori_kernel::fanotify::content::{Answer, Identity, Permission, Written, path_of};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd;
use tmpfs::on_private_tmpfs;

fn wait(group: &impl AsFd, milliseconds: i64) -> bool {
    let timeout =
        rustix::time::Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
    poll(&mut [PollFd::new(group, PollFlags::IN)], Some(&timeout)).unwrap() > 0
}

#[test]
fn a_written_file_is_handed_over_with_its_writer_and_its_path() {
    on_private_tmpfs(|place| {
        let group = Written::open().unwrap();
        group.watch(place).unwrap();
        fs::create_dir(place.join("sub")).unwrap();
        let path = place.join("sub/new");
        fs::write(&path, b"content").unwrap();
        drop(File::open(&path).unwrap());
        assert!(wait(&group, 2_000));
        let batch = group.read(&mut [0; 4096]).unwrap();
        assert!(!batch.overflow && batch.unopened == 0);
        assert_eq!(batch.events.len(), 1, "reading is not writing: {batch:?}");
        let event = &batch.events[0];
        assert_eq!(path_of(event.file.as_fd()).unwrap(), path);
        assert_eq!(u32::try_from(event.pid).unwrap(), std::process::id());
        let mut content = [0; 16];
        let length = rustix::io::pread(&event.file, &mut content, 0).unwrap();
        assert_eq!(&content[..length], b"content");
        assert!(!wait(&group, 50), "our own reading raised an event");
    });
}

#[test]
fn an_opener_waits_for_the_answer_and_gets_it() {
    on_private_tmpfs(|place| {
        let (good, bad) = (place.join("good"), place.join("bad"));
        fs::write(&good, b"g").unwrap();
        fs::write(&bad, b"b").unwrap();
        let group = Permission::open().unwrap();
        group.guard(place).unwrap();
        std::thread::scope(|scope| {
            let opener = scope.spawn(|| {
                let denied = File::open(&bad).unwrap_err();
                (denied.raw_os_error(), fs::read(&good).unwrap())
            });
            for _ in 0..2 {
                assert!(wait(&group, 2_000));
                // Room for one: the next stays in the kernel.
                for event in group.read(&mut [0; 24]).unwrap().events {
                    let bad = path_of(event.file.as_fd()).unwrap() == bad;
                    group.answer(event.file.as_fd(), if bad { Answer::Deny } else { Answer::Allow }).unwrap();
                }
            }
            let (denied, read) = opener.join().unwrap();
            assert_eq!(denied, Some(libc::EPERM));
            assert_eq!(read, b"g");
        });
        group.release().unwrap();
        drop(File::open(&bad).unwrap());
    });
}

#[test]
fn a_group_that_ends_lets_waiting_openers_pass() {
    on_private_tmpfs(|place| {
        let path = place.join("file");
        fs::write(&path, b"x").unwrap();
        let group = Permission::open().unwrap();
        group.guard(place).unwrap();
        std::thread::scope(|scope| {
            let opener = scope.spawn(|| File::open(&path).map(drop));
            assert!(wait(&group, 2_000));
            drop(group);
            opener.join().unwrap().unwrap();
        });
    });
}

#[test]
fn the_identity_of_a_file_changes_with_its_content() {
    on_private_tmpfs(|place| {
        let path = place.join("file");
        fs::write(&path, b"one").unwrap();
        let first = Identity::of(File::open(&path).unwrap().as_fd()).unwrap().unwrap();
        assert_eq!(Identity::of(File::open(&path).unwrap().as_fd()).unwrap(), Some(first));
        File::options().append(true).open(&path).unwrap().write_all(b"!").unwrap();
        let second = Identity::of(File::open(&path).unwrap().as_fd()).unwrap().unwrap();
        assert_ne!(first, second);
        assert_eq!(first.file, second.file);
        assert_eq!(Identity::of(File::open(place).unwrap().as_fd()).unwrap(), None, "a directory");
    });
}
