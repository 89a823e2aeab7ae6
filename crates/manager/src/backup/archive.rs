//! A file of files: POSIX tar (ustar), so that any system can look into a backup.
//!
//! A file's length need not be known before it is written: its header is filled in afterwards.
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};

const BLOCK: usize = 512;
/// Longest name of a file inside.
const NAME: usize = 100;

/// Writes files one after the other.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    /// Where the header of the file being written is, and its name.
    open: Option<(u64, String)>,
}

/// Reads files one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
}

/// A file inside, to be read before the next.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: String,
    pub(super) content: io::Take<&'a mut File>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(file: File) -> Self {
        Self { file, open: None }
    }

    /// Begins a file; what is written from now on is its content.
    pub(super) fn begin(&mut self, name: &str) -> io::Result<()> {
        self.finish_entry()?;
        let at = self.file.stream_position()?;
        self.file.write_all(&header(name, 0)?)?;
        self.open = Some((at, name.to_owned()));
        Ok(())
    }

    fn finish_entry(&mut self) -> io::Result<()> {
        let Some((at, name)) = self.open.take() else { return Ok(()) };
        let end = self.file.stream_position()?;
        let length = end - at - BLOCK as u64;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(&header(&name, length)?)?;
        self.file.seek(SeekFrom::Start(end))?;
        self.file.write_all(&vec![0; padding(length)])
    }

    /// Ends the archive; what was written survives a loss of power.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.finish_entry()?;
        self.file.write_all(&[0; 2 * BLOCK])?;
        self.file.sync_all()
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(file: File) -> Self {
        Self { file }
    }

    /// The next file; the one before has to be read to its end.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry<'_>>> {
        let mut block = [0_u8; BLOCK];
        self.file.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "a header of the archive is damaged");
        let field = |from: usize, to: usize| block.get(from..to).ok_or_else(broken);
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if octal(field(148, 156)?) != Some(sum) || field(257, 262)? != b"ustar" {
            return Err(broken());
        }
        let name = field(0, NAME)?.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|_not| broken())?.to_owned();
        let length = field(124, 136)?;
        let length = match length.split_first() {
            // Longer than eight GiB: the number itself, as GNU writes it.
            Some((0x80, number)) => {
                number.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)))
            }
            _ => octal(length),
        };
        Ok(Some(Entry { name, content: (&mut self.file).take(length.ok_or_else(broken)?) }))
    }

    /// Goes over what fills the last block of a file of this length.
    pub(super) fn skip_padding(&mut self, length: u64) -> io::Result<()> {
        let skip = i64::try_from(padding(length)).unwrap_or_default();
        self.file.seek(SeekFrom::Current(skip)).map(|_at| ())
    }
}

fn padding(length: u64) -> usize {
    let over = usize::try_from(length % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

/// A header: owned by root, readable by the owner alone.
fn header(name: &str, length: u64) -> io::Result<[u8; BLOCK]> {
    let mut block = [0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = block.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    if name.len() >= NAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name of a file is too long for the archive",
        ));
    }
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if length < 1 << 33 {
        put(124, format!("{length:011o}\0").as_bytes());
    } else {
        put(124, &[0x80]);
        put(128, &length.to_be_bytes());
    }
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    if let Some(place) = block.get_mut(148..156) {
        place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_were() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(file.try_clone().unwrap());
        let files =
            [("a", vec![1_u8; 511]), ("events/b", vec![2; 512]), ("c", Vec::new()), ("d", vec![3; 1000])];
        for (name, content) in &files {
            writer.begin(name).unwrap();
            writer.write_all(content).unwrap();
        }
        assert!(writer.begin(&"n".repeat(100)).is_err());
        writer.finish().unwrap();
        let mut file = file;
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut reader = Reader::new(file);
        for (name, content) in &files {
            let mut entry = reader.next().unwrap().unwrap();
            assert_eq!(entry.name, *name);
            let mut read = Vec::new();
            #[expect(clippy::disallowed_methods, reason = "a test's own few bytes")]
            entry.content.read_to_end(&mut read).unwrap();
            assert_eq!(read, *content);
            reader.skip_padding(content.len() as u64).unwrap();
        }
        assert!(reader.next().unwrap().is_none());
    }

    #[test]
    fn a_length_over_eight_gib_is_kept() {
        let block = header("a", 10 << 33).unwrap();
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(&block).unwrap();
        (&file).seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(Reader::new(file).next().unwrap().unwrap().content.limit(), 10 << 33);
    }
}
