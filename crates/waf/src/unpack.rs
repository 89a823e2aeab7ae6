//! Archives and single files → the files of a rule set.

use crate::files::{FILES, RuleFile, RuleFiles, TEXT_BYTES, has_ending, is_directives, is_setup, rank};
#[expect(clippy::disallowed_types, reason = "what comes out of it is bounded by `UNPACKED_BYTES`")]
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Bytes of an archive's entries together, those that are left out included: its tests are larger than its rules.
const UNPACKED_BYTES: u64 = 256 << 20;
/// Entries of an archive, those that are left out included.
const ENTRIES: usize = 20_000;
/// Folders of a release that hold no rules.
const BESIDE: &[&str] = &["tests", "docs", "util", "regex-assembly", ".github", "documentation"];

/// A file as it was handed over: an archive (`.tar.gz`, `.tgz`, `.tar`, `.zip`), or a file of rules.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// Its name, folders included where they are known.
    pub name: &'a str,
    /// Its content.
    pub content: &'a [u8],
}

/// Why nothing is taken.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// An archive is damaged.
    #[error("{name} cannot be unpacked: hand over a whole .tar.gz, .tgz, .tar or .zip")]
    Archive {
        /// The archive.
        name: String,
        /// What the reader says.
        #[source]
        source: std::io::Error,
    },
    /// A file is not text.
    #[error("{0} is not UTF-8: save it as UTF-8, and write other bytes as \\xhh")]
    NotText(String),
    /// Two files have the same name.
    #[error("{0} is there twice with different contents: leave one of them out")]
    Twice(String),
    /// More than there may be.
    #[error("a rule set has at most {FILES} files of together {} MiB", TEXT_BYTES >> 20)]
    TooLarge,
    /// There is nothing in it.
    #[error("there is no file of rules in it: names of those end in .conf, names of lists in .data")]
    Empty,
}

/// Reads what was handed over: rules and lists are kept, in the order of a configuration; the rest is left out.
///
/// # Bounds
/// [`TEXT_BYTES`] and [`FILES`] for what is kept; a bomb ends at 256 MiB of what is not.
pub fn unpack(uploads: &[Upload<'_>]) -> Result<RuleFiles, UnpackError> {
    let mut taken = Taken::default();
    for upload in uploads {
        let name = upload.name.to_ascii_lowercase();
        let broken = |source| UnpackError::Archive { name: upload.name.to_owned(), source };
        if upload.content.starts_with(&[0x1f, 0x8b]) {
            #[expect(
                clippy::disallowed_types,
                reason = "what comes out of it is bounded by `UNPACKED_BYTES`"
            )]
            let unzipped = GzDecoder::new(upload.content);
            tar(unzipped, &mut taken).map_err(broken)?;
        } else if upload.content.starts_with(b"PK") {
            zip(upload.content, &mut taken).map_err(broken)?;
        } else if has_ending(&name, "tar") {
            tar(upload.content, &mut taken).map_err(broken)?;
        } else {
            taken.offer(upload.name, &mut &*upload.content).map_err(broken)?;
        }
        if let Some(refused) = taken.refused.take() {
            return Err(refused);
        }
    }
    taken.into_files()
}

/// The files could not be packed.
#[derive(Debug, thiserror::Error)]
#[error("the files could not be packed")]
pub struct PackError(#[source] std::io::Error);

/// The files of a rule set as a `.tar.gz`, to be sent.
pub fn pack(rules: &RuleFiles) -> Result<Vec<u8>, PackError> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut builder = tar::Builder::new(gzip);
    for file in &rules.files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(file.text.len()).unwrap_or(u64::MAX));
        header.set_mode(0o644);
        builder.append_data(&mut header, &file.name, file.text.as_bytes()).map_err(PackError)?;
    }
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(PackError)
}

fn tar(from: impl Read, taken: &mut Taken) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(from.take(UNPACKED_BYTES));
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if count >= ENTRIES || taken.refused.is_some() {
            taken.refused.get_or_insert(UnpackError::TooLarge);
            break;
        }
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            taken.offer(&name, &mut entry)?;
        }
    }
    Ok(())
}

fn zip(content: &[u8], taken: &mut Taken) -> std::io::Result<()> {
    let mut archive = zip::ZipArchive::new(Cursor::new(content))?;
    for index in 0..archive.len() {
        if index >= ENTRIES || taken.refused.is_some() {
            taken.refused.get_or_insert(UnpackError::TooLarge);
            break;
        }
        let mut entry = archive.by_index(index)?;
        if entry.is_file() {
            let name = entry.name().to_owned();
            taken.offer(&name, &mut entry)?;
        }
    }
    Ok(())
}

/// What is kept so far, by its place in the configuration.
#[derive(Default)]
struct Taken {
    files: BTreeMap<(u8, String), String>,
    bytes: usize,
    refused: Option<UnpackError>,
}

impl Taken {
    /// Keeps a file, if it is one of rules.
    fn offer(&mut self, path: &str, from: &mut dyn Read) -> std::io::Result<()> {
        let mut folders: Vec<&str> = path.split(['/', '\\']).collect();
        let name = folders.pop().unwrap_or_default();
        let beside = folders.iter().any(|folder| BESIDE.contains(folder));
        if beside || name.starts_with('.') || !(is_directives(name) || has_ending(name, "data")) {
            return Ok(());
        }
        let room = TEXT_BYTES - self.bytes;
        let mut content = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "it is capped")]
        from.take(u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut content)?;
        if content.len() > room || self.files.len() >= FILES {
            self.refused = Some(UnpackError::TooLarge);
            return Ok(());
        }
        self.bytes += content.len();
        let Ok(text) = String::from_utf8(content) else {
            self.refused = Some(UnpackError::NotText(name.to_owned()));
            return Ok(());
        };
        let place = (rank(name, folders.contains(&"plugins")), name.to_owned());
        if self.files.insert(place, text.clone()).is_some_and(|former| former != text) {
            self.refused = Some(UnpackError::Twice(name.to_owned()));
        }
        Ok(())
    }

    fn into_files(mut self) -> Result<RuleFiles, UnpackError> {
        // What was made of the example counts in its place.
        if self.files.keys().any(|(_, name)| name == "crs-setup.conf") {
            self.files.retain(|(_, name), _| name != "crs-setup.conf.example");
        }
        if !self.files.keys().any(|(_, name)| is_directives(name) && !is_setup(name)) {
            return Err(UnpackError::Empty);
        }
        let files = self.files.into_iter().map(|((_, name), text)| RuleFile { name, text });
        Ok(RuleFiles { files: files.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const RELEASE: &[(&str, &str)] = &[
        ("crs/rules/REQUEST-942.conf", "SecMarker b"),
        ("crs/rules/sql.data", "union"),
        ("crs/crs-setup.conf.example", "SecMarker a"),
        ("crs/plugins/x-before.conf", "SecMarker p"),
        ("crs/rules/REQUEST-900-BEFORE.conf.example", "SecMarker never"),
        ("crs/tests/regression/nginx.conf", "server {}"),
    ];

    fn names(files: &RuleFiles) -> Vec<&str> {
        files.files.iter().map(|file| file.name.as_str()).collect()
    }

    fn targz(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (name, text) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len().try_into().unwrap());
            header.set_mode(0o644);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_release_is_read_from_both_kinds_of_archive_in_the_order_of_a_configuration() {
        for content in [targz(RELEASE), zipped(RELEASE)] {
            let files = unpack(&[Upload { name: "crs", content: &content }]).unwrap();
            assert_eq!(
                names(&files),
                ["crs-setup.conf.example", "x-before.conf", "REQUEST-942.conf", "sql.data"]
            );
        }
    }

    #[test]
    fn what_was_packed_comes_back() {
        let file = |name: &str, text: &str| RuleFile { name: name.to_owned(), text: text.to_owned() };
        let rules =
            RuleFiles { files: vec![file("crs-setup.conf", "SecMarker s"), file("a.conf", "SecMarker a")] };
        let content = pack(&rules).unwrap();
        assert_eq!(unpack(&[Upload { name: "x", content: &content }]).unwrap(), rules);
    }

    #[test]
    fn own_files_go_with_it_and_the_settings_made_of_the_example_count() {
        let content = targz(RELEASE);
        let files = unpack(&[
            Upload { name: "crs.tar.gz", content: &content },
            Upload { name: "/etc/modsecurity/crs/crs-setup.conf", content: b"SecMarker own" },
            Upload { name: "own.conf", content: b"SecMarker c" },
        ]);
        assert_eq!(
            names(&files.unwrap()),
            ["crs-setup.conf", "x-before.conf", "REQUEST-942.conf", "own.conf", "sql.data"]
        );
    }

    #[test]
    fn what_is_no_rule_set_is_refused_with_its_reason() {
        let one = |name, content: &[u8]| unpack(&[Upload { name, content }]).unwrap_err();
        assert!(matches!(one("a.txt", b"x"), UnpackError::Empty));
        assert!(matches!(one("a.conf", b"\xff"), UnpackError::NotText(_)));
        assert!(matches!(one("a.tar.gz", &[0x1f, 0x8b, 8, 0, 1]), UnpackError::Archive { .. }));
        let whole = zipped(RELEASE);
        assert!(matches!(one("a.zip", whole.get(..whole.len() / 2).unwrap()), UnpackError::Archive { .. }));
        assert!(matches!(one("a.conf", &vec![b'#'; TEXT_BYTES + 1]), UnpackError::TooLarge));
        let twice = targz(&[("a/x.conf", "a"), ("b/x.conf", "b")]);
        assert!(matches!(one("a.tgz", &twice), UnpackError::Twice(_)));
    }
}
