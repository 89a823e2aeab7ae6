//! Text → directives: lines joined where they end in a backslash, split into words.

use crate::diagnose::{Finding, shown};

/// A directive and its words, before anything is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// Line of its first word.
    pub(crate) line: u32,
    /// Its name as written.
    pub(crate) name: String,
    /// Its arguments without their quotes.
    pub(crate) words: Vec<String>,
}

/// Longest directive; the Core Rule Set's longest has 13 kB.
const DIRECTIVE_BYTES: usize = 1 << 20;

/// The directives of a file, and what is wrong, by line.
pub(crate) fn directives(text: &str) -> (Vec<Directive>, Vec<(u32, Finding)>) {
    let (mut found, mut findings) = (Vec::new(), Vec::new());
    let mut lines = (1_u32..).zip(text.lines());
    while let Some((number, first)) = lines.next() {
        let mut joined = String::new();
        let mut line = first;
        while let Some(start) = line.strip_suffix('\\') {
            joined.push_str(start);
            let Some((_, next)) = lines.next() else {
                line = "";
                break;
            };
            line = next;
        }
        joined.push_str(line);
        let whole = joined.trim();
        if whole.is_empty() || whole.starts_with('#') {
            continue;
        }
        if whole.len() > DIRECTIVE_BYTES {
            findings.push((
                number,
                Finding::error(
                    "W001",
                    "a directive of more than 1 MiB",
                    "split it, or move its data into a file",
                ),
            ));
            continue;
        }
        match words(whole) {
            Ok(mut words) if !words.is_empty() => {
                found.push(Directive { line: number, name: words.remove(0), words });
            }
            Ok(_) => {}
            Err(finding) => findings.push((number, finding)),
        }
    }
    (found, findings)
}

/// Splits at white space; quotes hold words together, and `\"` stands for a quote.
fn words(text: &str) -> Result<Vec<String>, Finding> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(first) = characters.next() else { return Ok(words) };
        let mut word = String::new();
        if !matches!(first, '"' | '\'') {
            word.push(first);
            while let Some(next) = characters.next_if(|c| !c.is_whitespace()) {
                word.push(next);
            }
            words.push(word);
            continue;
        }
        loop {
            match characters.next() {
                None => {
                    return Err(Finding::error(
                        "W002",
                        format!("a quote is never closed: {first}{}", shown(&word)),
                        format!(
                            "end the argument with {first}, or write \\{first} where it belongs to the text"
                        ),
                    ));
                }
                Some('\\') => match characters.next() {
                    Some(next) if next == first => word.push(next),
                    Some(next) => word.extend(['\\', next]),
                    None => word.push('\\'),
                },
                Some(next) if next == first => break,
                Some(next) => word.push(next),
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn lines_are_joined_and_quotes_hold() {
        let (found, findings) =
            directives("# c\nSecRule ARGS \"@rx a\\\"b\\s\" \\\n    \"id:1,\\\n  pass\"\nSecMarker X");
        assert!(findings.is_empty());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].words, ["ARGS", "@rx a\"b\\s", "id:1,  pass"]);
        assert_eq!((found[0].line, found[1].line), (2, 5));
    }

    #[test]
    fn an_open_quote_is_said() {
        let (found, findings) = directives("SecRule ARGS \"@rx a");
        assert!(found.is_empty());
        assert_eq!(findings[0].0, 1);
    }
}
