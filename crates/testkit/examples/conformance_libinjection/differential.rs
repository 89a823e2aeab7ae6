//! The operators' face beside the library in C, as libmodsecurity carries it: over a corpus that is made of the tests' inputs, of
//! mutations of them, and of pieces that are put together by a grammar. The seed is fixed.

use std::collections::BTreeSet;

use sakimori_seclang::injection;
use sakimori_testkit::peer::LibModSecurity;
use sakimori_testkit::report::{Report, Target};

/// Values at least.
const VALUES: usize = 150_000;

/// Values in one question.
const PIECE: usize = 5_000;

/// Longest value.
const BYTES: usize = 400;

/// Differences that are told one by one.
const TOLD: usize = 60;

pub(crate) fn run(inputs: &[Vec<u8>], report: &mut Report) -> anyhow::Result<()> {
    let mut peer = match LibModSecurity::start() {
        Ok(peer) => peer,
        Err(why) => {
            println!("skipped: the differential run beside the library in C: {why:#}");
            return Ok(());
        }
    };
    let corpus = corpus(inputs);
    let (mut missed, mut more, mut found) = (0_u32, 0_u32, 0_u32);
    let mut version = String::new();
    for piece in corpus.chunks(PIECE) {
        let (answers, told) = peer.injections(piece)?;
        version = told;
        for (value, (sqli, xss)) in piece.iter().zip(answers) {
            found += u32::from(sqli.is_some()) + u32::from(xss);
            let ours = (injection::sqli(value).is_some(), injection::xss(value));
            for (what, here, there) in [("sqli", ours.0, sqli.is_some()), ("xss", ours.1, xss)] {
                if here != there {
                    let count = if there { &mut missed } else { &mut more };
                    *count += 1;
                    if missed as usize + more as usize <= TOLD {
                        let which = if there { "MISSED" } else { "MORE" };
                        println!("{which} {what}: {:?} {sqli:?}", String::from_utf8_lossy(value));
                    }
                }
            }
        }
    }
    println!(
        "{} values beside libinjection {version}: {found} injections, {missed} missed, {more} more",
        corpus.len()
    );
    #[expect(clippy::cast_precision_loss, reason = "counts of values")]
    report.add("differential_values", corpus.len() as f64, "values", Target::AtLeast(100_000.0));
    report.add("differential_injections", f64::from(found), "values", Target::None);
    report.add("differential_missed", f64::from(missed), "values", Target::AtMost(0.0));
    report.add("differential_more", f64::from(more), "values", Target::AtMost(0.0));
    Ok(())
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % sides.max(1)
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.roll(list.len()))
    }
}

const SQL: &[&str] = &[
    "1",
    "-1",
    "1.5e3",
    "0x41",
    "'",
    "\"",
    "`",
    "'a'",
    "\"a\"",
    "`a`",
    "a",
    "user",
    "@a",
    "@@version",
    "@`a`",
    "(",
    ")",
    ",",
    ";",
    ".",
    "=",
    "<",
    ">",
    "!=",
    "<=>",
    "||",
    "&&",
    "|",
    "&",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "~",
    "^",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "/*!",
    "/*!50000",
    "{",
    "}",
    "[",
    "]",
    "\\",
    ":",
    ":=",
    "::",
    "union",
    "union all",
    "select",
    "select distinct",
    "from",
    "where",
    "and",
    "or",
    "not",
    "xor",
    "like",
    "rlike",
    "regexp",
    "in",
    "is",
    "is not",
    "is null",
    "between",
    "having",
    "group by",
    "order by",
    "limit",
    "offset",
    "into outfile",
    "into dumpfile",
    "into",
    "procedure analyse",
    "lock in share mode",
    "in boolean mode",
    "for update",
    "insert into",
    "update",
    "delete from",
    "drop table",
    "create table",
    "alter table",
    "exec",
    "execute",
    "declare",
    "waitfor delay",
    "sleep(",
    "benchmark(",
    "char(",
    "concat(",
    "version(",
    "user()",
    "database()",
    "if(",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast(",
    "convert(",
    "null",
    "true",
    "false",
    "current_user",
    "collate",
    "binary",
    "date",
    "interval",
    "n'a'",
    "x'41'",
    "b'1'",
    "u&'a'",
    "q'[a]'",
    "_utf8'a'",
    "$a$a$a$",
    "$1",
    "1d",
    "1f",
    "natural join",
    "left outer join",
    "cross join",
    "using",
    "with rollup",
    "at time zone",
    "sounds like",
    "not in",
    "not like",
    "print",
    "go",
    "shutdown",
    "sp_password",
];

const MARKUP: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "<!",
    "<?",
    "?>",
    "<![CDATA[",
    "]]>",
    "<a",
    "<img",
    "<script",
    "<svg",
    "<iframe",
    "<b",
    "<x",
    "<style",
    "<xml",
    "<!doctype",
    "<!entity",
    " src",
    " href",
    " onerror",
    " onload",
    " onclick",
    " onmouseover",
    " style",
    " action",
    " formaction",
    " xlink:href",
    " data",
    " to",
    " from",
    " values",
    " attributename",
    "=",
    "= ",
    " =",
    "'",
    "\"",
    "`",
    "x",
    "javascript:",
    "java\tscript:",
    "&#106;avascript:",
    "&#x6a;avascript:",
    "vbscript:",
    "data:",
    "view-source:",
    "alert(1)",
    "/",
    " ",
    "\t",
    "\n",
    "\x0c",
    "\0",
    "%09",
    "%0a",
    "%00",
    "xmlns",
    "folder",
    "on",
    "onx",
    "[if",
    "xml-stylesheet",
    "import",
    "entity",
    "base",
    "link",
    "meta",
    "object",
    "embed",
];

const BETWEEN: &[&str] =
    &[" ", " ", " ", "", "/**/", "\t", "\n", "+", "%20", "\u{a0}", "\x0b", "/*a*/", "  ", "\0", "--\n"];

fn corpus(inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut dice = Dice(0x5eed_1b1b_2026_1130);
    let mut values: BTreeSet<Vec<u8>> = inputs.iter().cloned().collect();
    for input in inputs {
        values.insert(url_decoded(input));
    }
    let mut round = 0_usize;
    while values.len() < VALUES {
        round += 1;
        let value = match round % 5 {
            0 | 1 => mutated(&mut dice, inputs),
            2 => put_together(&mut dice, SQL, BETWEEN),
            3 => put_together(&mut dice, MARKUP, &["", "", "", " "]),
            _ => {
                let mut value = put_together(&mut dice, SQL, BETWEEN);
                let opening = dice.pick(&["'", "\"", "1", "a'", "1)", "1'))"]).copied().unwrap_or_default();
                drop(value.splice(0..0, opening.bytes()));
                value
            }
        };
        let value: Vec<u8> = value.into_iter().take(BYTES).collect();
        if dice.roll(8) == 0 {
            values.insert(url_decoded(&value));
        }
        values.insert(value);
    }
    values.into_iter().collect()
}

fn put_together(dice: &mut Dice, pieces: &[&str], between: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=dice.roll(9) {
        let mut piece = dice.pick(pieces).copied().unwrap_or_default().as_bytes().to_vec();
        match dice.roll(6) {
            0 => piece.make_ascii_uppercase(),
            1 => {
                for byte in &mut piece {
                    if dice.roll(2) == 0 {
                        byte.make_ascii_uppercase();
                    }
                }
            }
            _ => {}
        }
        out.extend(piece);
        out.extend_from_slice(dice.pick(between).copied().unwrap_or_default().as_bytes());
    }
    out
}

fn mutated(dice: &mut Dice, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut value = dice.pick(inputs).cloned().unwrap_or_default();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(value.len() + 1);
        match dice.roll(7) {
            0 if at < value.len() => drop(value.remove(at)),
            1 => value.insert(at, u8::try_from(dice.roll(256)).unwrap_or(0)),
            2 => drop(value.splice(at..at, dice.pick(SQL).copied().unwrap_or_default().bytes())),
            3 => drop(value.splice(at..at, dice.pick(MARKUP).copied().unwrap_or_default().bytes())),
            4 => drop(value.splice(at..at, dice.pick(BETWEEN).copied().unwrap_or_default().bytes())),
            5 => {
                let other = dice.pick(inputs).cloned().unwrap_or_default();
                value.truncate(at);
                value.extend(other.into_iter().skip(dice.roll(10)));
            }
            _ => {
                for byte in &mut value {
                    if dice.roll(4) == 0 {
                        *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
                    }
                }
            }
        }
    }
    value
}

fn url_decoded(value: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = value.get(at) {
        let pair = digit(value.get(at + 1)).zip(digit(value.get(at + 2)));
        match (byte, pair) {
            (b'%', Some((high, low))) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(0));
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}
