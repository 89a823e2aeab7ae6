//! Text → tokens with their places.

/// A token and the column it begins at, in characters from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) column: u32,
    pub(crate) kind: Kind,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word without quotes.
    Word(String),
    /// A text in quotes.
    Quoted(String),
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    Greater,
    /// `>=`.
    AtLeast,
    /// `~`.
    Contains,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// The end of the text.
    End,
}

impl Kind {
    /// How it is named to a person.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Quoted(text) => format!("\"{text}\""),
            Self::Equal => "`=`".to_owned(),
            Self::NotEqual => "`!=`".to_owned(),
            Self::Less => "`<`".to_owned(),
            Self::AtMost => "`<=`".to_owned(),
            Self::Greater => "`>`".to_owned(),
            Self::AtLeast => "`>=`".to_owned(),
            Self::Contains => "`~`".to_owned(),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::End => "the end".to_owned(),
        }
    }

    /// Whether it is this keyword, in any case of letters.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Takes a text apart; the column of a quote that never ends, where there is one.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, u32> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().zip(1_u32..).peekable();
    while let Some((c, column)) = rest.next() {
        let mut then = |expected: char, with: Kind, without: Kind| {
            if rest.next_if(|(next, _)| *next == expected).is_some() { with } else { without }
        };
        let kind = match c {
            c if c.is_whitespace() => continue,
            '(' => Kind::Open,
            ')' => Kind::Close,
            ',' => Kind::Comma,
            '~' => Kind::Contains,
            '=' => Kind::Equal,
            '<' => then('=', Kind::AtMost, Kind::Less),
            '>' => then('=', Kind::AtLeast, Kind::Greater),
            '!' => then('=', Kind::NotEqual, Kind::Word("!".to_owned())),
            '"' => {
                let mut quoted = String::new();
                loop {
                    match rest.next() {
                        None => return Err(column),
                        Some(('"', _)) => break Kind::Quoted(quoted),
                        Some(('\\', _)) => match rest.next() {
                            None => return Err(column),
                            Some((escaped, _)) => quoted.push(escaped),
                        },
                        Some((c, _)) => quoted.push(c),
                    }
                }
            }
            c => {
                let mut word = String::from(c);
                while let Some((c, _)) = rest.next_if(|(c, _)| {
                    !c.is_whitespace() && !matches!(c, '(' | ')' | ',' | '~' | '=' | '<' | '>' | '!' | '"')
                }) {
                    word.push(c);
                }
                Kind::Word(word)
            }
        };
        tokens.push(Token { column, kind });
    }
    let end = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
    tokens.push(Token { column: end, kind: Kind::End });
    Ok(tokens)
}
