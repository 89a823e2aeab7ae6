//! libinjection's own tests: `cargo xtask conformance libinjection --tests DIR`.
//!
//! Tokens, folding and HTML5 are asked of the library that the operators stand on; whether an input is an injection is
//! asked of the operators' own face, and compared with the fingerprint that the test expects.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]

mod differential;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use libinjectionrs::sqli::{SqliFlags, SqliState, SqliTokenizer, Token, TokenType};
use libinjectionrs::xss::{Html5Flags, Html5State};
use sakimori_seclang::injection;
use sakimori_testkit::report::{Report, Target};

fn main() -> anyhow::Result<ExitCode> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("usage: conformance_libinjection DIR")?);
    if !folder.is_dir() {
        bail!("the folder {} is not there", folder.display());
    }
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    if paths.is_empty() {
        bail!("no test-*.txt in {}", folder.display());
    }
    let mut inputs = Vec::new();
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for path in &paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read(path)?;
        let (input, expected) = parts(&text).with_context(|| format!("{name}: not of the format"))?;
        let (kind, made) = if name.starts_with("test-tokens") {
            ("tokens", tokens(&input))
        } else if name.starts_with("test-folding") {
            ("folding", folded(&input))
        } else if name.starts_with("test-html5") {
            ("html5", html5(&input))
        } else if name.starts_with("test-sqli") {
            ("sqli", injection::sqli(&input).unwrap_or_default())
        } else {
            bail!("{name}: an unknown kind of test");
        };
        inputs.push(input);
        let count = counts.entry(kind).or_default();
        if made.trim_end() == expected.trim_end() {
            count.0 += 1;
        } else {
            count.1 += 1;
            println!("FAILED {name}: expected {expected:?}, made {made:?}");
        }
    }
    let passed: usize = counts.values().map(|(passed, _)| passed).sum();
    let failed: usize = counts.values().map(|(_, failed)| failed).sum();
    println!("{passed} passed, {failed} failed, 0 skipped");
    for (kind, (passed, failed)) in &counts {
        println!("  {kind}: {passed} passed, {failed} failed");
    }
    let mut report = Report::new("conformance libinjection");
    report.add("passed", number(passed), "tests", Target::None);
    report.add("failed", number(failed), "tests", Target::AtMost(0.0));
    report.add("skipped", 0.0, "tests", Target::None);
    report.add(
        "passed_percent",
        number(passed) / number(passed + failed).max(1.0) * 100.0,
        "%",
        Target::AtLeast(100.0),
    );
    differential::run(&inputs, &mut report)?;
    report.print();
    Ok(if report.all_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Input and expected output of a test.
fn parts(text: &[u8]) -> Option<(Vec<u8>, String)> {
    let find =
        |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).position(|window| window == needle);
    let (start, middle) = (&b"\n--INPUT--\n"[..], &b"--EXPECTED--"[..]);
    let rest = text.get(find(text, start)? + start.len()..)?;
    let at = find(rest, middle)?;
    let input = rest.get(..at)?;
    let input = input.strip_suffix(b"\n").unwrap_or(input);
    let expected = rest.get(at + middle.len()..)?;
    Some((
        input.to_vec(),
        String::from_utf8_lossy(expected.strip_prefix(b"\n").unwrap_or(expected)).into_owned(),
    ))
}

/// As the library's own test driver prints tokens.
fn line(token: &Token) -> String {
    let value = token.value_as_str();
    let kind = token.token_type.to_char();
    if token.token_type == TokenType::String {
        let quote = |byte: u8| if byte == 0 { String::new() } else { char::from(byte).to_string() };
        return format!("{kind} {}{value}{}", quote(token.str_open), quote(token.str_close));
    }
    if token.token_type == TokenType::Variable && token.str_open != 0 {
        let at = "@".repeat(usize::try_from(token.count).unwrap_or(0));
        let close =
            if token.str_close == 0 { String::new() } else { char::from(token.str_close).to_string() };
        return format!("{kind} {at}{}{value}{close}", char::from(token.str_open));
    }
    format!("{kind} {value}")
}

fn tokens(input: &[u8]) -> String {
    let mut state = SqliTokenizer::new(input, SqliFlags::FLAG_QUOTE_NONE | SqliFlags::FLAG_SQL_ANSI);
    let mut lines = Vec::new();
    while let Some(token) = state.next_token() {
        lines.push(line(&token));
    }
    lines.join("\n")
}

fn folded(input: &[u8]) -> String {
    let mut state = SqliState::new(input, SqliFlags::FLAG_QUOTE_NONE | SqliFlags::FLAG_SQL_ANSI);
    let count = state.fold_tokens();
    state.tokens.iter().take(count).map(line).collect::<Vec<_>>().join("\n")
}

fn html5(input: &[u8]) -> String {
    let mut state = Html5State::new(input, Html5Flags::DataState);
    let mut lines = Vec::new();
    while state.next() {
        let text = state.token_start.get(..state.token_len).unwrap_or_default();
        lines.push(format!("{},{},{}", state.token_type, state.token_len, String::from_utf8_lossy(text)));
    }
    lines.join("\n")
}

#[expect(clippy::cast_precision_loss, reason = "counts of tests")]
fn number(count: usize) -> f64 {
    count as f64
}
