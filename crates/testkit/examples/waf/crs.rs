//! How much of the Core Rule Set's own tests come out as they say: `cargo xtask conformance crs --rules DIR --tests DIR`.
//!
//! The tests are those of go-ftw; requests are built as it builds them and judged in process. A test that asks for nothing but a
//! status or an error of the web server is skipped: there is none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use sakimori_seclang::{Match, Memory, Ruleset};
use sakimori_testkit::peer::Play;
use sakimori_testkit::report::{Report, Target};
use serde::Deserialize;

use crate::engine::{self, RuleFiles};
use crate::number;

/// What the suite asks for beside the rule set (`tests/regression/README.md` of the Core Rule Set).
const SUITE: &str = r#"
SecRuleEngine DetectionOnly
SecAction "id:900005,phase:1,nolog,pass,t:none,\
    setvar:tx.blocking_paranoia_level=4,\
    setvar:tx.crs_validate_utf8_encoding=1,\
    setvar:tx.arg_name_length=100,\
    setvar:tx.arg_length=400,\
    setvar:tx.total_arg_length=64000,\
    setvar:tx.max_num_args=255,\
    setvar:tx.max_file_size=64100,\
    setvar:tx.combined_file_sizes=65535"
"#;

#[derive(Debug, Deserialize)]
struct File {
    rule_id: Option<u64>,
    #[serde(default)]
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    test_id: u64,
    stages: Vec<Stage>,
}

#[derive(Debug, Deserialize)]
struct Stage {
    input: Input,
    output: Output,
}

#[derive(Debug, Default, Deserialize)]
struct Input {
    method: Option<String>,
    uri: Option<String>,
    version: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    data: Option<String>,
    encoded_request: Option<String>,
    autocomplete_headers: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Output {
    log: Option<Log>,
}

#[derive(Debug, Default, Deserialize)]
struct Log {
    #[serde(default)]
    expect_ids: Vec<u64>,
    #[serde(default)]
    no_expect_ids: Vec<u64>,
    match_regex: Option<String>,
    no_match_regex: Option<String>,
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

pub(crate) fn run(rules: &Path, tests: &Path) -> anyhow::Result<Report> {
    let start = Instant::now();
    let rule_files = RuleFiles::find(rules)?;
    let ruleset = rule_files.load(SUITE)?;
    let loading = start.elapsed().as_secs_f64();

    let mut files = Vec::new();
    collect(tests, &mut files)?;
    files.sort();
    if files.is_empty() {
        bail!("no *.yaml below {}", tests.display());
    }
    let store = Memory::default();
    let (mut positive, mut negative) = (Count::default(), Count::default());
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut negatives = Vec::new();
    let start = Instant::now();
    for path in &files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        if text.trim().is_empty() {
            continue;
        }
        let file: File =
            serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
        for test in &file.tests {
            let name = format!("{}-{}", file.rule_id.unwrap_or_default(), test.test_id);
            let wanted: Vec<&Log> =
                test.stages.iter().filter_map(|stage| stage.output.log.as_ref()).collect();
            if wanted.is_empty() {
                *skipped.entry("asks for a status or an error of the web server alone").or_default() += 1;
                continue;
            }
            let expects = wanted.iter().any(|log| !log.expect_ids.is_empty() || log.match_regex.is_some());
            let count = if expects { &mut positive } else { &mut negative };
            if !expects {
                let plays = test.stages.iter().map(request).collect::<anyhow::Result<Vec<_>>>()?;
                negatives.push((name.clone(), plays));
            }
            let wrong = test.stages.iter().find_map(|stage| judge(&ruleset, &store, stage).err());
            match wrong {
                None => count.passed += 1,
                Some(why) => {
                    count.failed += 1;
                    println!("FAILED {name}: {why:#}");
                }
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (passed, failed) = (positive.passed + negative.passed, positive.failed + negative.failed);
    let left_out: usize = skipped.values().sum();
    println!("{passed} passed, {failed} failed, {left_out} skipped");
    println!("  must fire:     {} passed, {} failed", positive.passed, positive.failed);
    println!("  must not fire: {} passed, {} failed", negative.passed, negative.failed);
    for (reason, times) in &skipped {
        println!("  skipped: {times} {reason}");
    }
    let share = |count: &Count| number(count.passed) / number(count.passed + count.failed).max(1.0) * 100.0;
    let mut report = Report::new("conformance crs");
    report.add("passed", number(passed), "tests", Target::None);
    report.add("failed", number(failed), "tests", Target::None);
    report.add("skipped", number(left_out), "tests", Target::None);
    report.add("passed_percent", share(&Count { passed, failed }), "%", Target::AtLeast(99.5));
    report.add("positive_percent", share(&positive), "%", Target::None);
    report.add("negative_percent", share(&negative), "%", Target::None);
    report.add("rules", number(ruleset.rules()), "rules", Target::None);
    report.add("load_time", loading, "s", Target::None);
    report.add("run_time", seconds, "s", Target::None);
    crate::blocking::negative(&rule_files, &negatives, &mut report)?;
    crate::blocking::benign(&rule_files, &mut report)?;
    Ok(report)
}

/// The request of a stage, with what the suite's web server answers.
fn request(stage: &Stage) -> anyhow::Result<Play> {
    let mut play = match &stage.input.encoded_request {
        Some(encoded) => decode(encoded)?,
        None => build(&stage.input),
    };
    answer(&mut play);
    Ok(play)
}

/// Why a stage does not come out as it says.
fn judge(ruleset: &Ruleset, store: &Memory, stage: &Stage) -> anyhow::Result<()> {
    let lines = logged(ruleset, store, &request(stage)?);
    let Some(wanted) = &stage.output.log else { return Ok(()) };
    let logged = |id: &u64| lines.iter().any(|(rule, _)| rule == id);
    let missing: Vec<&u64> = wanted.expect_ids.iter().filter(|id| !logged(id)).collect();
    if !missing.is_empty() {
        bail!("not logged: {missing:?}");
    }
    let extra: Vec<&u64> = wanted.no_expect_ids.iter().filter(|id| logged(id)).collect();
    if !extra.is_empty() {
        bail!("logged: {extra:?}");
    }
    let log = lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    let matches = |pattern: &str| anyhow::Ok(regex::Regex::new(pattern)?.is_match(&log));
    if let Some(pattern) = &wanted.match_regex
        && !matches(pattern)?
    {
        bail!("no line matches {pattern}");
    }
    if let Some(pattern) = &wanted.no_match_regex
        && matches(pattern)?
    {
        bail!("a line matches {pattern}");
    }
    Ok(())
}

/// Rules that were logged, with lines as in a web server's log.
fn logged(ruleset: &Ruleset, store: &Memory, play: &Play) -> Vec<(u64, String)> {
    let (transaction, _) = engine::play(ruleset, store, play);
    transaction.matches().iter().filter(|found| found.log).flat_map(lines).collect()
}

fn lines(found: &Match) -> Vec<(u64, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let tags: String =
        found.tags.iter().map(|tag| format!(" [tag \"{}\"]", text(tag))).collect::<Vec<_>>().concat();
    let line = |data: &[u8]| {
        let severity =
            found.severity.map(|severity| format!(" [severity \"{severity}\"]")).unwrap_or_default();
        let line = format!(
            "[file \"{}\"] [line \"{}\"] [id \"{}\"] [msg \"{}\"] [data \"{}\"]{severity} [ver \"{}\"]{tags}",
            found.file,
            found.line,
            found.rule,
            text(&found.message),
            text(data),
            found.ver
        );
        (found.rule, line)
    };
    if found.data.is_empty() { vec![line(b"")] } else { found.data.iter().map(|data| line(data)).collect() }
}

/// The request that go-ftw makes of a test.
fn build(input: &Input) -> Play {
    let method = input.method.clone().unwrap_or_else(|| "GET".to_owned());
    let mut headers = input.headers.clone();
    let mut data = input.data.clone().unwrap_or_default();
    let has = |headers: &BTreeMap<String, String>, name: &str| {
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    if input.autocomplete_headers != Some(false) {
        if !data.is_empty() {
            if has(&headers, "content-type").is_none() {
                headers.insert("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
            }
            let kind = has(&headers, "content-type").unwrap_or_default();
            if kind == "application/x-www-form-urlencoded" && !data.contains(['%', '+']) {
                data = query_encoded(&data);
            }
        }
        if has(&headers, "connection").is_none() {
            headers.insert("Connection".to_owned(), "close".to_owned());
        }
    }
    if has(&headers, "content-type").is_some_and(|kind| kind.contains("multipart/form-data;")) {
        data = data.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    let sends_length =
        !data.is_empty() || ["POST", "PUT", "PATCH", "DELETE"].iter().any(|name| method.starts_with(name));
    if input.autocomplete_headers != Some(false) && sends_length && has(&headers, "content-length").is_none()
    {
        headers.insert("Content-Length".to_owned(), data.len().to_string());
    }
    Play {
        method: method.into_bytes(),
        target: input.uri.clone().unwrap_or_else(|| "/".to_owned()).into_bytes(),
        protocol: input.version.clone().unwrap_or_else(|| "HTTP/1.1".to_owned()).into_bytes(),
        headers: headers.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect(),
        body: data.into_bytes(),
        ..Play::default()
    }
}

fn query_encoded(data: &str) -> String {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(byte).to_string()
                }
                b' ' => "+".to_owned(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs = data.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) => format!("{}={}", escape(name), escape(value)),
        None => escape(pair),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// A request that a test has as a whole, in Base64.
fn decode(encoded: &str) -> anyhow::Result<Play> {
    let encoded: String = encoded.chars().filter(|c| !c.is_whitespace()).collect();
    let raw = base64::engine::general_purpose::STANDARD.decode(encoded)?;
    let split = raw.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = match split {
        Some(at) => (raw.get(..at).unwrap_or_default(), raw.get(at + 4..).unwrap_or_default()),
        None => (raw.as_slice(), &b""[..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.next().unwrap_or_default().splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let (method, target, protocol) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let headers: Vec<(Vec<u8>, Vec<u8>)> = lines
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(at);
            Some((name.to_vec(), value.get(1..).unwrap_or_default().trim_ascii().to_vec()))
        })
        .collect();
    let chunked = headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked")
    });
    let body = if chunked { unchunked(body) } else { body.to_vec() };
    Ok(Play { method, target, protocol, headers, body, ..Play::default() })
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(rest.get(..at).unwrap_or_default()).unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let chunk = rest.get(at + 2..).unwrap_or_default();
        if size == 0 {
            break;
        }
        out.extend_from_slice(chunk.get(..size).unwrap_or(chunk));
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    out
}

/// What the suite's web server says: `/reflect` answers with what the request asks for.
fn answer(play: &mut Play) {
    play.status = 200;
    if play.target.starts_with(b"/reflect") {
        let asked: serde_json::Value = serde_json::from_slice(&play.body).unwrap_or_default();
        if let Some(status) = asked.get("status").and_then(serde_json::Value::as_u64) {
            play.status = u16::try_from(status).unwrap_or(200);
        }
        for (name, value) in asked.get("headers").and_then(serde_json::Value::as_object).into_iter().flatten()
        {
            let value = value.as_str().unwrap_or_default();
            play.response_headers.push((name.clone().into_bytes(), value.into()));
        }
        if let Some(body) = asked.get("body").and_then(serde_json::Value::as_str) {
            play.response_body = body.as_bytes().to_vec();
        }
        if let Some(body) = asked.get("encodedBody").and_then(serde_json::Value::as_str) {
            play.response_body = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
        }
    }
    if !play.response_headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-type")) {
        play.response_headers.push((b"Content-Type".to_vec(), b"text/plain; charset=utf-8".to_vec()));
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    Ok(())
}
