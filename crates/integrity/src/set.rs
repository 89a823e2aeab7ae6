//! File sets: what an operator writes, and what is made of it.
use crate::attribute::{Attribute, Attributes};
use crate::glob::{Pattern, PatternError, Reached, sections_of};
use sakimori_model::{Diagnostic, Level};
use std::collections::BTreeSet;

/// Most sets of a computer.
pub const SETS: usize = 128;
/// Most patterns of a set, included and excluded.
pub const PATTERNS: usize = 512;
/// Deepest folder below a set's base that is entered; also the bound of open descriptors of a walk.
pub const DEPTH: usize = 128;

/// What an operator writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSet {
    /// Its name, unique among the sets.
    pub name: String,
    /// The folder, or the one file, that patterns are relative to: an absolute path.
    pub base: String,
    /// Patterns of which an entity must match one; none means everything.
    pub include: Vec<String>,
    /// Patterns of which an entity must match none. What lies under an excluded folder is excluded with `folder/**`.
    pub exclude: Vec<String>,
    /// Attributes by their words; none means [`Attributes::STANDARD`].
    pub attributes: Vec<String>,
}

/// A set that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledSet {
    name: String,
    base: String,
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    attributes: Attributes,
}

/// The sets that can be used, and everything that is wrong with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// In the order they were given. Empty where a diagnostic is an error: sets load whole or not at all.
    pub sets: Vec<CompiledSet>,
    /// Findings; codes begin with `I`.
    pub diagnostics: Vec<Diagnostic>,
}

/// How far a walk has come in a set: one value for each pattern.
#[derive(Clone, Debug)]
pub struct Position {
    include: Vec<Reached>,
    exclude: Vec<Reached>,
}

/// Checks and compiles sets.
///
/// # Anomalies
/// `I001` base is not absolute · `I002` base has empty, `.` or `..` sections or is too long · `I003` pattern does not
/// parse · `I004` unknown attribute · `I005` too many sets · `I006` too many patterns · `I007` two sets of one name ·
/// `I008` (warning) digests are not watched, so changed content with an unchanged size goes unseen.
pub fn compile(sets: &[FileSet]) -> Compiled {
    let mut findings = Findings::default();
    if sets.len() > SETS {
        findings.error("I005", "", format!("{} sets", sets.len()), format!("at most {SETS}: join some"));
    }
    let mut names = BTreeSet::new();
    let mut compiled = Vec::new();
    for set in sets.iter().take(SETS) {
        if !names.insert(set.name.as_str()) {
            findings.error("I007", &set.name, "two sets have this name".into(), "rename one".into());
        }
        compiled.push(one(set, &mut findings));
    }
    if findings.0.iter().any(|finding| finding.level == Level::Error) {
        compiled.clear();
    }
    Compiled { sets: compiled, diagnostics: findings.0 }
}

fn one(set: &FileSet, findings: &mut Findings) -> CompiledSet {
    check_base(set, findings);
    if set.include.len() + set.exclude.len() > PATTERNS {
        let title = format!("{} patterns", set.include.len() + set.exclude.len());
        findings.error("I006", &set.name, title, format!("at most {PATTERNS}: use * and **"));
    }
    let mut parse = |texts: &[String]| -> Vec<Pattern> {
        texts.iter().take(PATTERNS).filter_map(|text| findings.pattern(&set.name, text)).collect()
    };
    let everything = ["**".to_owned()];
    let include = parse(if set.include.is_empty() { &everything } else { &set.include });
    let exclude = parse(&set.exclude);
    let mut attributes = Attributes::default();
    for word in &set.attributes {
        if let Some(attribute) = Attribute::named(word) {
            attributes = attributes.with(attribute);
            continue;
        }
        let known: Vec<&str> = Attribute::ALL.iter().map(|a| a.as_str()).collect();
        let help = format!("known are {}", known.join(", "));
        findings.error("I004", &set.name, format!("unknown attribute '{word}'"), help);
    }
    if set.attributes.is_empty() {
        attributes = Attributes::STANDARD;
    } else if !attributes.contains(Attribute::Sha256) && !attributes.contains(Attribute::StatusChanged) {
        let help = "add sha256, or ctime where reading every file costs too much".to_owned();
        findings.warning("I008", &set.name, "changed content of the same size goes unseen".into(), help);
    }
    let base = if set.base.len() > 1 { set.base.trim_end_matches('/') } else { &set.base };
    CompiledSet { name: set.name.clone(), base: base.to_owned(), include, exclude, attributes }
}

fn check_base(set: &FileSet, findings: &mut Findings) {
    let Some(relative) = set.base.strip_prefix('/') else {
        let title = format!("the base '{}' is not an absolute path", set.base);
        findings.error("I001", &set.name, title, "write it from / on".into());
        return;
    };
    let relative = relative.strip_suffix('/').unwrap_or(relative);
    let bad = |section: &str| matches!(section, "" | "." | "..") || section.contains('\0');
    if set.base.len() > 4096 || !relative.is_empty() && relative.split('/').any(bad) {
        let title = format!("the base '{}' has empty or dotted sections, or is too long", set.base);
        findings.error("I002", &set.name, title, "write the path as the kernel says it".into());
    }
}

#[derive(Default)]
struct Findings(Vec<Diagnostic>);

impl Findings {
    fn error(&mut self, code: &'static str, set: &str, title: String, help: String) {
        self.add(code, Level::Error, set, title, help);
    }

    fn warning(&mut self, code: &'static str, set: &str, title: String, help: String) {
        self.add(code, Level::Warning, set, title, help);
    }

    fn add(&mut self, code: &'static str, level: Level, set: &str, title: String, help: String) {
        let source = format!("sets.{set}");
        self.0.push(Diagnostic { code, level, title, source, line: 0, column: 0, help });
    }

    fn pattern(&mut self, set: &str, text: &str) -> Option<Pattern> {
        let error = match Pattern::parse(text) {
            Ok(pattern) => return Some(pattern),
            Err(error) => error,
        };
        let help = match error {
            PatternError::Absolute => "leave the base out of it",
            PatternError::Backslash => "write \\\\ for a backslash",
            PatternError::Empty => "remove the doubled or trailing /, or write **",
            PatternError::Dots => "name the folder itself as base",
            PatternError::TooLong => "use **",
        };
        self.error("I003", set, format!("pattern '{text}': {error}"), help.into());
        None
    }
}

// === impl CompiledSet ===

impl CompiledSet {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder, without a slash at the end unless it is `/`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What is watched.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// At the base.
    pub fn start(&self) -> Position {
        Position {
            include: self.include.iter().map(Pattern::start).collect(),
            exclude: self.exclude.iter().map(Pattern::start).collect(),
        }
    }

    /// One section deeper.
    pub fn step(&self, position: &Position, name: &[u8]) -> Position {
        let step = |patterns: &[Pattern], reached: &[Reached]| {
            patterns.iter().zip(reached).map(|(pattern, reached)| pattern.step(*reached, name)).collect()
        };
        Position {
            include: step(&self.include, &position.include),
            exclude: step(&self.exclude, &position.exclude),
        }
    }

    /// Whether the entity at this position is watched.
    pub fn watches(&self, position: &Position) -> bool {
        let any = |patterns: &[Pattern], reached: &[Reached]| {
            patterns.iter().zip(reached).any(|(pattern, reached)| pattern.accepts(*reached))
        };
        any(&self.include, &position.include) && !any(&self.exclude, &position.exclude)
    }

    /// Whether something below this position may be watched; a walk need not enter other folders.
    pub fn enters(&self, position: &Position) -> bool {
        let excluded = self.exclude.iter().zip(&position.exclude).any(|(p, r)| p.accepts_all_below(*r));
        !excluded && position.include.iter().any(|reached| !reached.is_dead())
    }

    /// Where a relative path leads; the empty path is the base.
    pub fn position_of(&self, path: &[u8]) -> Position {
        sections_of(path).fold(self.start(), |position, name| self.step(&position, name))
    }

    /// The path relative to the base; nothing if it lies elsewhere.
    pub fn relative<'p>(&self, absolute: &'p [u8]) -> Option<&'p [u8]> {
        if self.base == "/" {
            return absolute.strip_prefix(b"/");
        }
        match absolute.strip_prefix(self.base.as_bytes())? {
            [] => Some(b""),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// The absolute path of a relative one.
    pub fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let mut absolute = self.base.as_bytes().to_vec();
        if !path.is_empty() {
            if self.base != "/" {
                absolute.push(b'/');
            }
            absolute.extend_from_slice(path);
        }
        absolute
    }

    /// Whether a path is the base or above it: when it goes, the whole set goes.
    pub fn lies_under(&self, absolute: &[u8]) -> bool {
        absolute == b"/"
            || self
                .base
                .as_bytes()
                .strip_prefix(absolute)
                .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    }
}
