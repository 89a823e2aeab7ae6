//! What a transaction costs: CPU time of all phases with the Core Rule Set, per kind of request.
//!
//! `cost RULES [ROUNDS]`: RULES holds the rule set's `*.conf` and `*.data`, with `crs-setup.conf.example` in it or beside it.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and measures real time")]
#![expect(clippy::print_stdout, reason = "a tool prints its figures")]
#![expect(clippy::expect_used, clippy::panic, reason = "a tool ends where its input is not there")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sakimori_model::Timestamp;
use sakimori_seclang::{Loader, Memory, Opening, RECOMMENDED, Ruleset, SourceFile, Verdict, compile};

struct Beside(PathBuf);

impl Loader for Beside {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(name)).ok()
    }
}

struct Request {
    name: &'static str,
    method: &'static str,
    target: String,
    kind: &'static str,
    body: String,
    response: String,
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let rules = PathBuf::from(arguments.next().expect("usage: cost RULES [ROUNDS]"));
    let rounds: u32 = arguments.next().and_then(|rounds| rounds.to_str()?.parse().ok()).unwrap_or(300);
    let start = Instant::now();
    let ruleset = load(&rules);
    println!("{} rules load in {:.2} s", ruleset.rules(), start.elapsed().as_secs_f64());
    println!("{:<26} {:>12} {:>9}", "request", "µs CPU", "matches");
    for request in requests() {
        let (matches, verdict) = play(&ruleset, &request);
        let rounds = if request.body.len() > 50_000 { rounds.div_ceil(20) } else { rounds };
        let before = cpu_micros();
        for _ in 0..rounds {
            black_box(play(&ruleset, &request));
        }
        let each = (cpu_micros() - before) / f64::from(rounds);
        println!("{:<26} {each:>12.1} {matches:>9}  {verdict:?}", request.name);
    }
}

/// CPU time of this process so far; the kernel counts it in nanoseconds.
fn cpu_micros() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0)
        / 1000.0
}

fn load(rules: &Path) -> Ruleset {
    let read =
        |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = |name: &str, text: Vec<u8>| SourceFile { name: name.to_owned(), text };
    let mut files =
        vec![file("recommended.conf", RECOMMENDED.into()), file("on.conf", b"SecRuleEngine On".to_vec())];
    let beside = rules.join("../crs-setup.conf.example");
    let setup = if beside.is_file() { beside } else { rules.join("crs-setup.conf.example") };
    files.push(file("crs-setup.conf", read(setup)));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(rules)
        .unwrap_or_else(|error| panic!("{}: {error}", rules.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    paths.sort();
    files.extend(paths.into_iter().map(|path| file(&path.display().to_string(), read(path))));
    let compiled = compile(&files, &Beside(rules.to_owned()));
    for finding in &compiled.diagnostics {
        println!("{finding}");
    }
    compiled.ruleset.expect("the rules load")
}

fn requests() -> Vec<Request> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let words = "the quick brown fox jumps over the lazy dog and runs through the forest until it is dark ";
    let long = words.repeat(10_240 / words.len() + 1);
    let many: Vec<String> = (0..950)
        .map(|n| {
            format!("field{n}={}", "value+of+some+length+in+a+form+that+is+long+enough+to+be+realistic+x+y+z")
        })
        .collect();
    let item = r#"{"id":17,"name":"Green tea","price":4.5,"tags":["tea","green","japan"],"stock":{"tokyo":12,"osaka":7}}"#;
    let post = |name, kind, body| Request {
        name,
        method: "POST",
        target: "/api/items".to_owned(),
        kind,
        body,
        response: String::new(),
    };
    vec![
        Request {
            name: "GET, 2 arguments",
            method: "GET",
            target: "/shop/search?q=green+tea&page=2".to_owned(),
            kind: "",
            body: String::new(),
            response: String::new(),
        },
        post("POST, 8 fields", FORM, "name=Hanako&mail=hanako%40example.org&city=Kyoto&zip=600-8001&street=Shijo+12&note=please+ring&gift=yes&count=3".to_owned()),
        post("POST, argument of 10 kB", FORM, format!("text={}", long.replace(' ', "+"))),
        post("POST, 950 arguments", FORM, many.join("&")),
        post("128 kB of SQL", FORM, format!("q={}", "'+union+select+/**/+(1)+or+a=".repeat(4_400))),
        post("128 kB of tags", FORM, format!("q={}", "<a+onerror%09=x+href='javascript:%22>".repeat(3_500))),
        post("128 kB of dots", FORM, format!("q={}", "../".repeat(43_000))),
        post("JSON call", "application/json", format!("{{\"items\":[{}]}}", [item; 5].join(","))),
        Request {
            name: "page of 60 kB",
            method: "GET",
            target: "/2026/11/autumn/".to_owned(),
            kind: "",
            body: String::new(),
            response: format!("<html><body>{}</body></html>", format!("<p>{words}</p>\n").repeat(61_440 / 96)),
        },
        Request {
            name: "SQL injection",
            method: "GET",
            target: "/shop/search?q=1%27%20UNION%20SELECT%20user%2Cpassword%20FROM%20users--&page=2".to_owned(),
            kind: "",
            body: String::new(),
            response: String::new(),
        },
    ]
}

fn play(ruleset: &Ruleset, request: &Request) -> (usize, Verdict) {
    let store = Memory::default();
    let now = Timestamp(1_790_000_000_000_000);
    let opening = Opening {
        client: ([192, 0, 2, 10], 40_000).into(),
        server: ([192, 0, 2, 80], 80).into(),
        unique_id: "0c1d2e3f405162738495".to_owned(),
        now,
    };
    let mut transaction = ruleset.transaction(&store, &opening);
    transaction.request_line(request.method.as_bytes(), request.target.as_bytes(), b"HTTP/1.1");
    transaction.request_header(b"Host", b"shop.example.org");
    transaction.request_header(
        b"User-Agent",
        b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    );
    transaction.request_header(b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    if !request.body.is_empty() {
        transaction.request_header(b"Content-Type", request.kind.as_bytes());
        transaction.request_header(b"Content-Length", request.body.len().to_string().as_bytes());
    }
    transaction.request_headers_end();
    transaction.request_body(request.body.as_bytes());
    transaction.request_body_end();
    transaction.response_line(b"HTTP/1.1", 200);
    transaction.response_header(b"Content-Type", b"text/html; charset=UTF-8");
    transaction.response_headers_end();
    transaction.response_body(request.response.as_bytes());
    transaction.response_body_end();
    transaction.finish(now);
    (transaction.matches().len(), transaction.verdict().clone())
}
