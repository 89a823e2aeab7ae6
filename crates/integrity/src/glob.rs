//! Patterns over paths.
//!
//! A pattern is sections between `/`. In a section `*` stands for any bytes, `?` for one character, and `\` takes
//! the next character as it is; the section `**` stands for any number of sections, none included. Matching
//! takes time in proportion to pattern × path, whatever both are.

/// Most sections of a pattern; positions are bits of a word.
pub const SECTIONS: usize = 60;
/// Longest pattern in bytes: the kernel's own bound of a path.
pub const PATTERN_BYTES: usize = 4096;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Section {
    /// `**`
    Any,
    One(Vec<Token>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `*`
    Many,
    /// `?`
    Single,
    Byte(u8),
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is empty, or a section of it is.
    #[error("a section is empty")]
    Empty,
    /// It begins with `/`.
    #[error("patterns are relative to the folder")]
    Absolute,
    /// A section is `.` or `..`.
    #[error("'.' and '..' are not followed")]
    Dots,
    /// It ends in a lone `\`.
    #[error("nothing follows the last backslash")]
    Backslash,
    /// It is too long or has too many sections.
    #[error("it is longer than {PATTERN_BYTES} bytes or {SECTIONS} sections")]
    TooLong,
}

/// How far a pattern is matched: bit `i` is set where the sections before `i` are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached(u64);

impl Reached {
    /// Nothing can match any more, here or deeper.
    pub const fn is_dead(self) -> bool {
        self.0 == 0
    }
}

// === impl Pattern ===

impl Pattern {
    /// Parses.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.starts_with('/') {
            return Err(PatternError::Absolute);
        }
        if text.len() > PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        let mut sections = Vec::new();
        for section in text.split('/') {
            match section {
                "" => return Err(PatternError::Empty),
                "." | ".." => return Err(PatternError::Dots),
                "**" if sections.last() == Some(&Section::Any) => (),
                "**" => sections.push(Section::Any),
                _ => sections.push(Section::One(tokens(section)?)),
            }
            if sections.len() > SECTIONS {
                return Err(PatternError::TooLong);
            }
        }
        Ok(Self { sections })
    }

    /// Before the first section.
    pub fn start(&self) -> Reached {
        self.skip_any(1)
    }

    /// After one more section of the path.
    pub fn step(&self, reached: Reached, name: &[u8]) -> Reached {
        let mut next = 0;
        for (at, section) in self.sections.iter().enumerate() {
            if reached.0 & (1 << at) == 0 {
                continue;
            }
            match section {
                Section::Any => next |= 1 << at,
                Section::One(tokens) if section_matches(tokens, name) => next |= 1 << (at + 1),
                Section::One(_) => (),
            }
        }
        self.skip_any(next)
    }

    /// Whether what was stepped through matches.
    pub fn accepts(&self, reached: Reached) -> bool {
        reached.0 & (1 << self.sections.len()) != 0
    }

    /// Whether everything below what was stepped through matches too: the pattern's last section is `**`.
    pub fn accepts_all_below(&self, reached: Reached) -> bool {
        let last = self.sections.len().saturating_sub(1);
        self.sections.last() == Some(&Section::Any) && reached.0 & (1 << last) != 0
    }

    /// Whether a whole path matches; the empty path is the folder itself.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut reached = self.start();
        for name in sections_of(path) {
            reached = self.step(reached, name);
        }
        self.accepts(reached)
    }

    /// `**` may stand for nothing.
    fn skip_any(&self, mut bits: u64) -> Reached {
        for (at, section) in self.sections.iter().enumerate() {
            if bits & (1 << at) != 0 && *section == Section::Any {
                bits |= 1 << (at + 1);
            }
        }
        Reached(bits)
    }
}

/// The sections of a relative path; none of the empty path.
pub(crate) fn sections_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

fn tokens(section: &str) -> Result<Vec<Token>, PatternError> {
    let mut tokens = Vec::with_capacity(section.len());
    let mut bytes = section.bytes();
    while let Some(byte) = bytes.next() {
        let token = match byte {
            b'*' if tokens.last() == Some(&Token::Many) => continue,
            b'*' => Token::Many,
            b'?' => Token::Single,
            b'\\' => Token::Byte(bytes.next().ok_or(PatternError::Backslash)?),
            other => Token::Byte(other),
        };
        tokens.push(token);
    }
    Ok(tokens)
}

/// Matches with one point to come back to, the last `*`: an earlier one never needs to take more.
fn section_matches(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let rest = name.get(at..).unwrap_or_default();
        let stepped = match tokens.get(token) {
            Some(Token::Many) => {
                back = Some((token, at));
                token += 1;
                continue;
            }
            Some(Token::Single) if !rest.is_empty() => Some(character_length(rest)),
            Some(Token::Byte(byte)) if rest.first() == Some(byte) => Some(1),
            None if rest.is_empty() => return true,
            _ => None,
        };
        match (stepped, &mut back) {
            (Some(length), _) => {
                token += 1;
                at += length;
            }
            (None, Some((many, from))) if *from < name.len() => {
                *from += 1;
                (token, at) = (*many + 1, *from);
            }
            (None, _) => return false,
        }
    }
}

/// Bytes of the first character; one where it is none.
fn character_length(bytes: &[u8]) -> usize {
    let window = bytes.get(..bytes.len().min(4)).unwrap_or_default();
    window.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()).map_or(1, char::len_utf8)
}
