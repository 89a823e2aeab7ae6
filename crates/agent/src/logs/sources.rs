//! Which files a source means: a path with `*` for parts of names.
//!
//! # Bounds
//! [`FILES`] files of all sources, [`ENTRIES`] names of a folder. Compressed neighbours are left out: they were read
//! before they were compressed.

use std::path::{Path, PathBuf};

/// Files that are followed at once.
pub(super) const FILES: usize = 256;
/// Names of one folder that are looked at.
const ENTRIES: usize = 10_000;

/// Endings of compressed files.
const COMPRESSED: [&str; 8] = ["gz", "xz", "bz2", "zst", "lz4", "zip", "Z", "lzma"];

/// The paths that a pattern means now, sorted. They need not be files.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Vec::new();
        }
        let mut next = Vec::new();
        for folder in found {
            if part.contains('*') {
                next.extend(matching(&folder, part));
            } else {
                next.push(folder.join(part));
            }
        }
        next.truncate(ENTRIES);
        found = next;
    }
    found.retain(|path| path.symlink_metadata().is_ok() && !is_compressed(path));
    found.sort();
    found
}

pub(super) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| COMPRESSED.iter().any(|known| ending == *known))
}

fn matching(folder: &Path, part: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .take(ENTRIES)
        .filter_map(Result::ok)
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            // As in a shell: hidden names are meant only by a pattern that begins with a dot.
            fits(part.as_bytes(), name) && (name.first() != Some(&b'.') || part.starts_with('.'))
        })
        .map(|entry| entry.path())
        .collect()
}

/// Whether a name fits a pattern with `*`, in time proportional to both lengths.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let (Some(first), Some(last)) = (parts.next(), pattern.rsplit(|byte| *byte == b'*').next()) else {
        return false;
    };
    if !pattern.contains(&b'*') {
        return pattern == name;
    }
    let Some(mut rest) = name.strip_prefix(first).filter(|rest| rest.len() >= last.len()) else {
        return false;
    };
    let count = pattern.split(|byte| *byte == b'*').count();
    for middle in pattern.split(|byte| *byte == b'*').skip(1).take(count.saturating_sub(2)) {
        if middle.is_empty() {
            continue;
        }
        let Some(found) = rest.windows(middle.len()).position(|window| window == middle) else {
            return false;
        };
        rest = rest.get(found + middle.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_parts_of_names() {
        for (pattern, name, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "a.log.1", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a*a", "a", false),
            ("*", "x", true),
            ("access*", "access.log", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_are_walked_and_compressed_files_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/x.log", "b/y.log", "b/y.log.gz", "b/.hidden.log", "b/z.txt"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let root = dir.path().to_str().unwrap();
        let found = expand(&format!("{root}/*/*.log"));
        assert_eq!(found, [dir.path().join("a/x.log"), dir.path().join("b/y.log")]);
        assert_eq!(expand(&format!("{root}/b/y.log*")), [dir.path().join("b/y.log")]);
        assert!(expand(&format!("{root}/none.log")).is_empty());
    }
}
