//! Whole messages over a socket pair between supervisor and worker.
//!
//! `read` and `write`, not `recv` and `send`: a caged worker may use no other calls on its socket.
use crate::network::RuleFile;
use std::io;
use std::os::fd::AsFd;

/// Reads until `bytes` is full.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] when the other side has gone.
pub(crate) fn fill(from: impl AsFd, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::read(from.as_fd(), &mut *bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => bytes = bytes.get_mut(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Reads `length` bytes; the caller has held the length against its bound.
pub(crate) fn receive(from: impl AsFd, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    fill(from, &mut bytes)?;
    Ok(bytes)
}

/// Writes all bytes.
pub(crate) fn send_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to.as_fd(), bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Names and lengths of files whose bytes follow end to end.
pub(crate) fn describe<'a>(files: impl IntoIterator<Item = &'a RuleFile>) -> Vec<(String, u32)> {
    let each = files.into_iter();
    each.map(|file| (file.name.clone(), u32::try_from(file.text.len()).unwrap_or(u32::MAX))).collect()
}

/// Cuts bytes into the files that [`describe`] described. `None` if the lengths do not add up.
pub(crate) fn cut(files: Vec<(String, u32)>, raw: &[u8]) -> Option<Vec<RuleFile>> {
    let mut rest = raw;
    let files = files
        .into_iter()
        .map(|(name, length)| {
            let (text, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some(RuleFile { name, text: text.to_vec() })
        })
        .collect::<Option<Vec<_>>>()?;
    rest.is_empty().then_some(files)
}
