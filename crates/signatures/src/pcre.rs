//! Perl regular expressions, translated for an engine that takes time linear in its input.
//!
//! Conditionals and recursion refuse the rule.
//!
//! # Source
//! Suricata user guide, "pcre (Perl Compatible Regular Expressions)".
use crate::buffer::Buffer;
use crate::diagnose::{Finding, shown};
use crate::parse::Word;
use crate::pattern::Pcre;

pub(crate) use sakimori_expressions::Expression;
use sakimori_expressions::{Error, Options};

/// An expression and the buffer its flags name.
pub(crate) struct Parsed {
    pub(crate) pcre: Pcre,
    pub(crate) buffer: Option<Buffer>,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the letters behind an expression, any of which may be there"
)]
struct Flags {
    nocase: bool,
    dotall: bool,
    multiline: bool,
    extended: bool,
    ungreedy: bool,
    anchored: bool,
    dollar_end_only: bool,
    relative: bool,
    buffer: Option<Buffer>,
}

/// Parses the value of `pcre`: `"/.../flags"`, the quotes already taken off.
pub(crate) fn parse(word: Word<'_>, negated: bool) -> Result<Parsed, Finding> {
    let open = word.text.strip_prefix("m").unwrap_or(word.text);
    let (Some(body), Some(close)) = (open.strip_prefix('/'), open.rfind('/')) else {
        return Err(Finding::error(
            "S030",
            word.at,
            "the expression has no slashes",
            "write it as \"/expression/flags\"",
        ));
    };
    if close == 0 {
        return Err(Finding::error(
            "S030",
            word.at,
            "the expression is not closed by a slash",
            "write it as \"/expression/flags\"",
        ));
    }
    let expression = body.get(..close - 1).unwrap_or_default();
    let skipped = word.text.len() - open.len();
    let flags = parse_flags(open.get(close + 1..).unwrap_or_default(), word.at + skipped + close + 1)?;
    let at = word.at + skipped + 1;
    let options = flags.options();
    let expression = Expression::new(expression, options).map_err(|error| finding(error, at, &options))?;
    let (anchored, looks) =
        if expression.backtracks() { (false, true) } else { properties(expression.as_str()) };
    Ok(Parsed {
        pcre: Pcre {
            expression,
            negated,
            relative: flags.relative,
            anchored: anchored && !flags.multiline,
            looks,
        },
        buffer: flags.buffer,
    })
}

fn finding(error: Error, at: usize, options: &Options) -> Finding {
    match error {
        Error::Unsupported(place, what) => Finding::error(
            "S031",
            at + place,
            format!("{what} is not supported in expressions"),
            "rewrite the expression without it, or say it with negated contents",
        ),
        Error::Ungreedy => Finding::error(
            "S031",
            at,
            "the flag G cannot be kept together with look-around or back-references",
            "write lazy repetitions as *? and +?",
        ),
        Error::Malformed(place, what, remedy) => Finding::error("S030", at + place, what, remedy),
        Error::TooBig => Finding::error(
            "S034",
            at,
            format!("the expression compiles to more than {} bytes", options.compiled_bytes),
            "shorten counted repetitions such as {1,1000}",
        ),
        Error::Invalid(why) => Finding::error(
            "S030",
            at,
            format!("the expression is not valid: {}", last_line(&why)),
            "check brackets, repetitions and escapes",
        ),
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    shown(line.strip_prefix("error: ").unwrap_or(line))
}

fn parse_flags(text: &str, at: usize) -> Result<Flags, Finding> {
    let mut flags = Flags::default();
    for (offset, c) in text.char_indices() {
        let buffer = match c {
            'i' => {
                flags.nocase = true;
                None
            }
            's' => {
                flags.dotall = true;
                None
            }
            'm' => {
                flags.multiline = true;
                None
            }
            'x' => {
                flags.extended = true;
                None
            }
            'G' => {
                flags.ungreedy = true;
                None
            }
            'A' => {
                flags.anchored = true;
                None
            }
            'E' => {
                flags.dollar_end_only = true;
                None
            }
            'R' => {
                flags.relative = true;
                None
            }
            // raw bytes of the packet, and no limits on matching: both are always so here
            'B' | 'O' => None,
            'U' => Some(Buffer::HttpUri),
            'I' => Some(Buffer::HttpUriRaw),
            'P' => Some(Buffer::HttpRequestBody),
            'Q' => Some(Buffer::FileData),
            'H' => Some(Buffer::HttpHeader),
            'D' => Some(Buffer::HttpHeaderRaw),
            'M' => Some(Buffer::HttpMethod),
            'C' => Some(Buffer::HttpCookie),
            'V' => Some(Buffer::HttpUserAgent),
            'W' => Some(Buffer::HttpHost),
            'Z' => Some(Buffer::HttpHostRaw),
            'S' => Some(Buffer::HttpStatCode),
            'Y' => Some(Buffer::HttpStatMsg),
            _ => {
                return Err(Finding::error(
                    "S032",
                    at + offset,
                    format!("unknown flag of the expression: {}", c.escape_default()),
                    "known are i s m x A E G R, and for buffers U I P Q H D M C V W Z S Y B",
                ));
            }
        };
        if let Some(buffer) = buffer {
            if flags.buffer.is_some_and(|b| b != buffer) {
                return Err(Finding::error(
                    "S033",
                    at + offset,
                    "the flags name two buffers",
                    "keep one of them",
                ));
            }
            flags.buffer = Some(buffer);
        }
    }
    Ok(flags)
}

/// Whether the expression begins with an anchor, and whether it looks at its surroundings elsewhere.
fn properties(expression: &str) -> (bool, bool) {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    let Ok(hir) = parser.parse(expression) else { return (false, true) };
    let properties = hir.properties();
    let anchored = properties.look_set_prefix().contains(regex_syntax::hir::Look::Start);
    let looks = properties
        .look_set()
        .iter()
        .any(|look| look != regex_syntax::hir::Look::Start && look != regex_syntax::hir::Look::StartLF);
    (anchored, looks)
}

impl Flags {
    fn options(&self) -> Options {
        Options {
            nocase: self.nocase,
            dotall: self.dotall,
            multiline: self.multiline,
            extended: self.extended,
            ungreedy: self.ungreedy,
            anchored: self.anchored,
            dollar_end_only: self.dollar_end_only,
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pcre: &str, text: &[u8]) -> bool {
        parse(Word { text: pcre, at: 0 }, false)
            .map_err(|f| f.title)
            .unwrap()
            .pcre
            .expression
            .find(text)
            .is_ok_and(|found| found.is_some())
    }

    #[test]
    fn perl_spellings() {
        for (pcre, yes, no) in [
            (r"/^a{/", "a{b", "ab"),
            (r"/a{,3}/", "a{,3}", "aaa"),
            (r"/[[]x/", "[x", "x"),
            (r"/[]a]x/", "]x", "bx"),
            (r"/[a&&b]\-\;\//", "&-;/", "c-;/"),
            (r"/[\w-.]+$/", "--\n", "--\n\n"),
            (r"/^a$/m", "b\na\nc", "ba"),
            (r"/\x41\x{42}\103?/", "AB", "ab"),
            (r"/[[:digit:]]{2}/", "a42", "a4"),
            (r"/(?>ab)c*+d++/", "abccdd", "abcc"),
            (r"/\Qa.b\E./i", "A.Bx", "axbx"),
            (r"/a.c/s", "a\nc", "ac"),
            (r"/\xff/", "\u{0}", ""),
        ] {
            if pcre != r"/\xff/" {
                assert!(matches(pcre, yes.as_bytes()), "{pcre} must match {yes:?}");
            }
            assert!(!matches(pcre, no.as_bytes()), "{pcre} must not match {no:?}");
        }
        for (pcre, yes, no) in [
            (r"/(.)\1x/", "aax", "abx"),
            (r"/(?P<c>.)(?P=c)x/", "aax", "abx"),
            (r"/(?P<c>.)\k<c>x/", "aax", "abx"),
            (r"/(.)\g{1}0/", "aa0", "ab0"),
            (r"/a(?!b)/", "ac", "ab"),
            (r"/a(?=b)./", "ab", "ac"),
            (r"/(?<!x)a/i", "bA", "xA"),
            (r"/(?<=x)a/", "xa", "ba"),
            (r"/^(?!.*evil)\w+$/s", "good", "evil"),
        ] {
            assert!(matches(pcre, yes.as_bytes()), "{pcre} must match {yes:?}");
            assert!(!matches(pcre, no.as_bytes()), "{pcre} must not match {no:?}");
        }
        assert!(matches(r"/\xff(?!a)/", b"a\xff\xfe"), "bytes that are no UTF-8");
        assert!(matches(r"/\xff\x00/", b"a\xff\x00"));
        assert!(matches("/\u{e9}/", "caf\u{e9}".as_bytes()));
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (pcre, code) in [
            ("/(?(1)a)b/", "S031"),
            ("/(a)\\g{-1}/", "S031"),
            ("/(?R)b/", "S031"),
            ("/a/q", "S032"),
            ("/a/UP", "S033"),
            ("/(a/", "S030"),
            ("/[a/", "S030"),
            ("a", "S030"),
            ("/", "S030"),
            ("/a\\/", "S030"),
            ("/(x{1000}){1000}/", "S034"),
        ] {
            assert_eq!(parse(Word { text: pcre, at: 0 }, false).err().map(|f| f.code), Some(code), "{pcre}");
        }
    }
}
