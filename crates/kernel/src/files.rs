//! Reading files with a bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The whole file, if it is not longer than `most` bytes.
///
/// # Errors
/// The kernel's; `FileTooLarge` past the bound. Works for files whose size the kernel does not tell, like those in
/// `/proc`.
pub fn read_capped(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut file = File::open(path)?.take(most.saturating_add(1));
    #[expect(clippy::disallowed_methods, reason = "the capped reader itself: bounded by `take`")]
    let length = file.read_to_end(&mut content)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_inclusive() {
        let name = std::env::temp_dir().join(format!("sakimori-capped-{}", std::process::id()));
        std::fs::write(&name, b"12345").unwrap();
        assert_eq!(read_capped(&name, 5).unwrap(), b"12345");
        assert_eq!(read_capped(&name, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        std::fs::remove_file(&name).unwrap();
        assert!(!read_capped(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
    }
}
