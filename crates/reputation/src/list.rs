//! Lists of domains and URLs, and what they say.
use crate::table::Table;
use crate::url::{Host, Url};
use sakimori_model::{Diagnostic, Level, Severity};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::Hasher as _;

/// Longest category name.
const CATEGORY_BYTES: usize = 64;
/// Longest line.
const LINE_BYTES: usize = 4096;
/// Findings of one list that are told apart; what comes on top is one more.
const FINDINGS: usize = 100;
/// Different (list, category, severity); the class is kept as 16 bits.
const CLASSES: usize = 1 << 16;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    of: u16,
    category: String,
    severity: Severity,
}

/// Takes lists in.
#[derive(Debug)]
pub struct Builder {
    keys: (u64, u64),
    allow: Vec<(u64, u16)>,
    block: Vec<(u64, u16)>,
    lists: Vec<String>,
    classes: Vec<Class>,
    numbers: BTreeMap<Class, u16>,
}

/// Everything that is known, ready to be asked.
#[derive(Clone, Debug)]
pub struct Lists {
    keys: (u64, u64),
    allow: Table,
    block: Table,
    names: Vec<String>,
    classes: Vec<Class>,
}

/// The entry that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The list's name.
    pub list: &'a str,
    /// The entry as it was found: `bad.example`, `mixed.example/path`; printable.
    pub entry: String,
    /// The entry's category; empty on allow lists.
    pub category: &'a str,
    /// How bad.
    pub severity: Severity,
    /// Whether the entry is a URL; otherwise it is a domain or address.
    pub is_url: bool,
}

/// What the lists say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is on an allow list.
    Allow(Found<'a>),
    /// It is on a block list, and on no allow list.
    Block(Found<'a>),
    /// It is on none.
    Unknown,
}

/// A line's kind of entry.
enum Entry {
    Domain(Host),
    Url(Url, bool),
}

// === impl Builder ===

impl Builder {
    /// No lists. `seed` is a secret: with it unknown nobody can make up a name that looks like another.
    pub fn new(seed: u64) -> Self {
        Self {
            keys: (seed, seed.rotate_left(32) ^ 0x7265_7075_7461_7469),
            allow: Vec::new(),
            block: Vec::new(),
            lists: Vec::new(),
            classes: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// Takes in a block list. With an error among the findings none of its entries is used.
    ///
    /// # Errors (as diagnostics)
    /// W001 neither domain nor URL · W002 unknown directive · W003 unknown severity · W004 category · W005 line too
    /// long · W006 too many classes · warnings: W101 a whole top-level domain · W102 more findings than are shown.
    pub fn block_list(&mut self, name: &str, text: &[u8]) -> Vec<Diagnostic> {
        self.list(name, text, true)
    }

    /// Takes in an allow list; categories in it are read and mean nothing.
    pub fn allow_list(&mut self, name: &str, text: &[u8]) -> Vec<Diagnostic> {
        self.list(name, text, false)
    }

    fn list(&mut self, name: &str, text: &[u8], block: bool) -> Vec<Diagnostic> {
        let mut findings = Findings { source: name, all: Vec::new(), more: 0 };
        let mut entries: Vec<(u64, u16)> = Vec::new();
        let Ok(list) = u16::try_from(self.lists.len()) else {
            findings.add("W006", Level::Error, 0, "too many lists".to_owned(), "Join lists.");
            return findings.finish();
        };
        let (mut category, mut severity) = (String::from("unwanted"), Severity::Medium);
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if line.len() > LINE_BYTES {
                let title = format!("the line is longer than {LINE_BYTES} bytes");
                findings.add("W005", Level::Error, number, title, "One entry a line.");
                continue;
            }
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let Some(first) = words.next() else { continue };
            if let Some(directive) = first.strip_prefix(b"@") {
                let value = words.next().unwrap_or_default();
                match directive {
                    b"category" => match category_of(value) {
                        Some(named) => category = named,
                        None => findings.category(number),
                    },
                    b"severity" => match severity_of(value) {
                        Some(named) => severity = named,
                        None => findings.severity(number),
                    },
                    _ => {
                        let title = format!("unknown directive {}", printable(first));
                        findings.add(
                            "W002",
                            Level::Error,
                            number,
                            title,
                            "There are @category and @severity.",
                        );
                    }
                }
                continue;
            }
            let Some(entry) = entry(first) else {
                let title = format!("{} is neither a domain nor a URL", printable(first));
                let help = "Write a domain like bad.example, or a URL like bad.example/path.";
                findings.add("W001", Level::Error, number, title, help);
                continue;
            };
            if block
                && let Entry::Domain(host) = &entry
                && !host.is_address()
                && !host.as_bytes().contains(&b'.')
            {
                let title = format!("{} is a whole top-level domain", printable(first));
                findings.add("W101", Level::Warning, number, title, "Everything below it is blocked.");
            }
            let category = match words.next().map(category_of) {
                None => category.clone(),
                Some(Some(own)) => own,
                Some(None) => {
                    findings.category(number);
                    continue;
                }
            };
            let severity = match words.next().map(severity_of) {
                None => severity,
                Some(Some(own)) => own,
                Some(None) => {
                    findings.severity(number);
                    continue;
                }
            };
            let Some(class) = self.class(Class { of: list, category, severity }) else {
                let title = format!("more than {CLASSES} different categories");
                findings.add("W006", Level::Error, number, title, "Use fewer categories.");
                break;
            };
            entries.push((self.hash(&entry), class));
        }
        let broken = findings.all.iter().any(|finding| finding.level == Level::Error);
        if !broken {
            self.lists.push(name.to_owned());
            let all = if block { &mut self.block } else { &mut self.allow };
            all.append(&mut entries);
        }
        findings.finish()
    }

    fn class(&mut self, class: Class) -> Option<u16> {
        if let Some(number) = self.numbers.get(&class) {
            return Some(*number);
        }
        let number = u16::try_from(self.classes.len()).ok()?;
        self.classes.push(class.clone());
        self.numbers.insert(class, number);
        Some(number)
    }

    fn hash(&self, entry: &Entry) -> u64 {
        match entry {
            Entry::Domain(host) => hash_domain(self.keys, host.as_bytes()),
            Entry::Url(url, named) => {
                let path = url.path().strip_suffix(b"/").unwrap_or_else(|| url.path());
                hash_url(self.keys, url, named.then_some(url.port), path, url.query())
            }
        }
    }

    /// Ends the taking in. Of entries that are on several lists the first list's counts.
    pub fn build(self) -> Lists {
        Lists {
            keys: self.keys,
            allow: Table::new(self.allow),
            block: Table::new(self.block),
            names: self.lists,
            classes: self.classes,
        }
    }
}

// === impl Lists ===

impl Lists {
    /// Without any entry: everything is unknown.
    pub fn empty() -> Self {
        Builder::new(0).build()
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.allow.len() + self.block.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.allow.memory_bytes() + self.block.memory_bytes()
    }

    /// What is known of a place.
    pub fn judge_url(&self, url: &Url) -> Verdict<'_> {
        self.judge(&url.host, Some(url))
    }

    /// What is known of a host, where nothing else is seen: a TLS server name.
    pub fn judge_host(&self, host: &Host) -> Verdict<'_> {
        self.judge(host, None)
    }

    fn judge(&self, host: &Host, url: Option<&Url>) -> Verdict<'_> {
        if let Some(found) = self.find(&self.allow, host, url) {
            return Verdict::Allow(found);
        }
        self.find(&self.block, host, url).map_or(Verdict::Unknown, Verdict::Block)
    }

    /// The most particular entry: a URL before a domain, a longer domain before a shorter one.
    fn find(&self, table: &Table, host: &Host, url: Option<&Url>) -> Option<Found<'_>> {
        if table.len() == 0 {
            return None;
        }
        if let Some(url) = url
            && let Some((class, path)) = self.find_url(table, url)
        {
            return self.found(class, true, &[url.host.as_bytes(), path]);
        }
        let (class, suffix) = host
            .suffixes()
            .find_map(|suffix| table.get(hash_domain(self.keys, suffix)).map(|class| (class, suffix)))?;
        self.found(class, false, &[suffix])
    }

    fn find_url<'u>(&self, table: &Table, url: &'u Url) -> Option<(u16, &'u [u8])> {
        let whole = url.path().strip_suffix(b"/").unwrap_or_else(|| url.path());
        let get = |port, path: &'u [u8], query| {
            table.get(hash_url(self.keys, url, port, path, query)).map(|class| (class, path))
        };
        [None, Some(url.port)].into_iter().find_map(|port| {
            let exact = url.query().and_then(|query| get(port, whole, Some(query)));
            exact.or_else(|| url.path_prefixes().find_map(|prefix| get(port, prefix, None)))
        })
    }

    fn found(&self, class: u16, is_url: bool, entry: &[&[u8]]) -> Option<Found<'_>> {
        const ENTRY_BYTES: usize = 512;
        let class = self.classes.get(usize::from(class))?;
        let list = self.names.get(usize::from(class.of)).map_or("", String::as_str);
        let bytes = entry.iter().copied().flatten().take(ENTRY_BYTES);
        let entry = bytes.flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
        Some(Found { list, entry, category: &class.category, severity: class.severity, is_url })
    }
}

fn hash_domain(keys: (u64, u64), name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(keys.0, keys.1);
    hasher.write(b"d");
    hasher.write(name);
    hasher.finish()
}

fn hash_url(keys: (u64, u64), url: &Url, port: Option<u16>, path: &[u8], query: Option<&[u8]>) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(keys.0, keys.1);
    // The lengths keep the parts apart.
    hasher.write(b"u");
    hasher.write_usize(url.host.as_bytes().len());
    hasher.write(url.host.as_bytes());
    hasher.write(&port.map_or([0; 3], |port| {
        let [high, low] = port.to_be_bytes();
        [1, high, low]
    }));
    hasher.write_usize(path.len());
    hasher.write(path);
    if let Some(query) = query {
        hasher.write(b"?");
        hasher.write(query);
    }
    hasher.finish()
}

/// A domain, an address, or a URL when there is a slash or a question mark in it.
fn entry(word: &[u8]) -> Option<Entry> {
    let schemeless = word
        .iter()
        .position(|byte| *byte == b':')
        .filter(|colon| word.get(*colon..*colon + 3) == Some(b"://"))
        .and_then(|colon| word.get(colon + 3..))
        .unwrap_or(word);
    let (url, named) = Url::parse(word)?;
    let bytes = url.host.as_bytes();
    let label = |label: &[u8]| {
        !label.is_empty()
            && label.len() <= 63
            && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') || !b.is_ascii())
    };
    let is_name = bytes.len() <= 253 && bytes.split(|byte| *byte == b'.').all(label);
    if !url.host.is_address() && !is_name {
        return None;
    }
    let is_url = named || schemeless.iter().any(|byte| matches!(byte, b'/' | b'?'));
    // `bad.example/` is the whole host, but this host alone: a URL.
    Some(if is_url { Entry::Url(url, named) } else { Entry::Domain(url.host) })
}

fn category_of(word: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(word).ok()?;
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!text.is_empty() && text.len() <= CATEGORY_BYTES && text.chars().all(fine)).then(|| text.to_owned())
}

fn severity_of(word: &[u8]) -> Option<Severity> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn printable(word: &[u8]) -> String {
    let shown: String =
        word.iter().take(60).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    format!("'{shown}'")
}

struct Findings<'a> {
    source: &'a str,
    all: Vec<Diagnostic>,
    more: usize,
}

impl Findings<'_> {
    fn add(&mut self, code: &'static str, level: Level, line: u32, title: String, help: &str) {
        // An error is never left out for warnings.
        let room =
            FINDINGS + usize::from(level == Level::Error && !self.all.iter().any(|f| f.level == level));
        if self.all.len() >= room {
            self.more += 1;
            return;
        }
        let source = self.source.to_owned();
        self.all.push(Diagnostic { code, level, title, source, line, column: 1, help: help.to_owned() });
    }

    fn category(&mut self, line: u32) {
        let title = "a category is lower-case letters, digits and dashes".to_owned();
        self.add("W004", Level::Error, line, title, "For example malware, phishing, command-and-control.");
    }

    fn severity(&mut self, line: u32) {
        let title = "no such severity".to_owned();
        self.add("W003", Level::Error, line, title, "There are info, low, medium, high and critical.");
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        if self.more > 0 {
            self.all.push(Diagnostic {
                code: "W102",
                level: Level::Warning,
                title: format!("{} more findings are not shown", self.more),
                source: self.source.to_owned(),
                line: 0,
                column: 0,
                help: String::new(),
            });
        }
        self.all
    }
}
