//! A content pack and its folder.
use sakimori_model::{Severity, Sid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

    pub(super) const fn texts() -> (&'static str, &'static str, &'static [(&'static str, &'static str)]) {
        (PACK, METADATA, RULES)
    }

    pub(super) const fn of_modules() -> &'static [(&'static str, &'static str, &'static [u8])] {
        OF_MODULES
    }
}

/// What came with the product for a module beside its virtual patches: file names and contents, in their order.
pub fn embedded_files(module: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let of_module = embedded::of_modules().iter().filter(move |(of, _, _)| *of == module);
    of_module.map(|(_, name, text)| (*name, *text))
}

/// Largest file of a pack, in bytes: all of ET Open is 20 MB in 50 files.
const FILE_BYTES: u64 = 16 << 20;
/// Most rule files of a pack.
const FILES: usize = 1000;

/// What a pack is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// Identifies the pack over its versions: `virtual-patches`.
    pub name: String,
    /// Counts up with every release; an older one never replaces a newer one.
    pub version: u64,
    /// Day of the release, `2026-11-22`.
    pub date: String,
    /// SPDX expression.
    pub licence: String,
    /// One sentence.
    pub description: Text,
}

/// A text in the languages of the console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

/// A file of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// File name: `wordpress.rules`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What a rule protects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The rule.
    pub sid: u32,
    /// The hole it closes.
    pub title: Text,
    /// What an attacker gains and how the rule stops it.
    pub description: Text,
    /// CVE numbers.
    #[serde(default)]
    pub cve: Vec<String>,
    /// CVSS 3 base score, 0 to 10; absent where none was published.
    #[serde(default)]
    pub cvss: Option<Score>,
    /// How much a match matters.
    #[serde(with = "severity_word")]
    pub severity: Severity,
    /// The kind of application: `WordPress`.
    pub application_type: String,
    /// Versions with the hole, in words.
    pub affected: String,
    /// Versions with the hole, for the recommendation scan; empty where an inventory cannot tell.
    #[serde(default)]
    pub affects: Vec<Affects>,
    /// Day the rule was first published.
    pub published: String,
    /// Day of its last change.
    pub updated: String,
    /// Advisories.
    #[serde(default)]
    pub references: Vec<String>,
}

/// Versions of one piece of software that have the hole.
///
/// # Shape
/// `{ wordpress-plugin = "wp-file-manager", versions = ">=6.0, <6.9" }`: one key says what it is and is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Affects {
    /// What kind of software: `package`, `application`, `wordpress-plugin`, `wordpress-theme`, `composer`, `java`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its versions, as the recommendation scan reads them.
    pub versions: String,
}

impl Affects {
    /// The kinds that there are.
    pub const KINDS: [&str; 6] =
        ["package", "application", "wordpress-plugin", "wordpress-theme", "composer", "java"];
}

impl TryFrom<BTreeMap<String, String>> for Affects {
    type Error = String;

    fn try_from(mut keys: BTreeMap<String, String>) -> Result<Self, String> {
        let versions = keys.remove("versions").ok_or("affects without versions")?;
        match (keys.pop_first(), keys.is_empty()) {
            (Some((kind, name)), true) if Self::KINDS.contains(&kind.as_str()) => {
                Ok(Self { kind, name, versions })
            }
            _ => Err(format!("affects needs versions and one of {}", Self::KINDS.join(", "))),
        }
    }
}

impl From<Affects> for BTreeMap<String, String> {
    fn from(affects: Affects) -> Self {
        Self::from([(affects.kind, affects.name), ("versions".to_owned(), affects.versions)])
    }
}

/// A CVSS base score in tenths, so that it compares and hashes exactly: 98 is 9.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Score(u8);

impl Score {
    /// Tenths of a point, 0 to 100.
    pub const fn tenths(self) -> u8 {
        self.0
    }
}

impl TryFrom<f64> for Score {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        // the tenths of a score are few: compare instead of converting
        (0..=100)
            .find(|tenths| (f64::from(*tenths) / 10.0 - value).abs() < 0.01)
            .map(Self)
            .ok_or_else(|| format!("not a CVSS score: {value}"))
    }
}

impl From<Score> for f64 {
    fn from(score: Score) -> Self {
        Self::from(score.0) / 10.0
    }
}

mod severity_word {
    use sakimori_model::Severity;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A content pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    info: Info,
    rules: Vec<RuleFile>,
    metadata: BTreeMap<u32, Metadata>,
}

/// Why a folder is not a pack.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not TOML of the expected form.
    #[error("{file} is not valid")]
    Toml {
        /// The file.
        file: &'static str,
        /// Where and why.
        #[source]
        source: toml::de::Error,
    },
    /// A file is larger than a pack's files may be.
    #[error("{path} is larger than {FILE_BYTES} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// There are too many rule files.
    #[error("the pack has more than {FILES} rule files")]
    TooMany,
    /// Two entries of the metadata are about one rule.
    #[error("metadata.toml describes the rule {0} twice")]
    DescribedTwice(u32),
}

// === impl Pack ===

impl Pack {
    /// Our own virtual patches, as they were when the program was built.
    ///
    /// # Errors
    /// None in a program whose tests ran: they load it.
    pub fn embedded() -> Result<Self, LoadError> {
        let (info, metadata, rules) = embedded::texts();
        let rules = rules.iter().map(|(name, text)| RuleFile { name: (*name).into(), text: (*text).into() });
        Self::from_texts(info, metadata, rules.collect())
    }

    /// Loads a pack from its folder.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let info = read(&folder.join("pack.toml"))?;
        let metadata = read(&folder.join("metadata.toml"))?;
        let rules = folder.join("rules");
        let failed = |source| LoadError::Read { path: rules.clone(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&rules).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|e| e == "rules") {
                paths.push(path);
            }
            if paths.len() > FILES {
                return Err(LoadError::TooMany);
            }
        }
        paths.sort();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(RuleFile { name, text: read(&path)? });
        }
        Self::from_texts(&info, &metadata, files)
    }

    fn from_texts(info: &str, metadata: &str, rules: Vec<RuleFile>) -> Result<Self, LoadError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(default)]
            rule: Vec<Metadata>,
        }
        let info = toml::from_str(info).map_err(|source| LoadError::Toml { file: "pack.toml", source })?;
        let file: File =
            toml::from_str(metadata).map_err(|source| LoadError::Toml { file: "metadata.toml", source })?;
        let mut by_sid = BTreeMap::new();
        for entry in file.rule {
            let sid = entry.sid;
            if by_sid.insert(sid, entry).is_some() {
                return Err(LoadError::DescribedTwice(sid));
            }
        }
        Ok(Self { info, rules, metadata: by_sid })
    }

    /// What it is.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Its rule files, by name.
    pub fn rules(&self) -> &[RuleFile] {
        &self.rules
    }

    /// What is said of a rule.
    pub fn metadata(&self, sid: Sid) -> Option<&Metadata> {
        self.metadata.get(&sid.0)
    }

    /// Everything that is said of rules, by sid.
    pub fn all_metadata(&self) -> impl Iterator<Item = &Metadata> {
        self.metadata.values()
    }
}

fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(failed)?;
    if read as u64 > FILE_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}
