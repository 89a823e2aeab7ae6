//! What is said of rules that do not load: code, place, words and remedy, as golden texts.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::needless_raw_string_hashes,
    reason = "golden texts and the project's own files"
)]

use expect_test::{Expect, expect};
use sakimori_signatures::{SourceFile, Variables, compile};
use std::fmt::Write as _;

fn check(text: &[u8], expect: &Expect) {
    let compiled =
        compile(&[SourceFile { name: "a.rules".into(), text: text.to_vec() }], &Variables::default());
    let mut out = format!("loaded {}, refused {}\n", compiled.loaded, compiled.refused);
    for diagnostic in &compiled.diagnostics {
        writeln!(out, "{diagnostic}").unwrap();
    }
    expect.assert_eq(&out);
}

fn options(options: &str, expect: &Expect) {
    check(format!("alert http any any -> any any (msg:\"m\"; sid:1; {options})").as_bytes(), expect);
}

/// The codes found in one rule's options.
fn codes(options: &str) -> Vec<&'static str> {
    let text = format!("alert http any any -> any any (msg:\"m\"; {options} sid:1;)");
    let file = SourceFile { name: "a.rules".into(), text: text.into_bytes() };
    compile(&[file], &Variables::default()).diagnostics.iter().map(|d| d.code).collect()
}

#[test]
fn lines_that_are_no_rules() {
    check(
        b"# comment\n\nalart http any any -> any any (sid:1;)\nalert http any any -> any (sid:2;)\nalert http any any -> any any\nalert quux any any -> any any (msg:\"m\"; sid:3;)\nalert dns:some_time any any -> any any (msg:\"m\"; sid:4;)\nalert http any any => any any (msg:\"m\"; sid:5;)\nalert tcp any any -> any any (msg:\"\xff\"; sid:6;)\nalert http any any -> any any (msg:\"fine\"; sid:7;)\n",
        &expect![[r#"
            loaded 1, refused 7
            error[S003]: unknown action: alart
              --> a.rules:3:1
              help: write alert, drop, reject or pass
            error[S006]: the header has 6 fields instead of 7
              --> a.rules:4:23
              help: action protocol address port -> address port; no spaces inside a bracketed list
            error[S009]: the rule has no options
              --> a.rules:5:30
              help: write the options in parentheses: (msg:"..."; sid:1; rev:1;)
            error[S004]: unknown protocol: quux
              --> a.rules:6:7
              help: write http, dns, tls, tcp, udp, icmp, ip, or another protocol of the language
            error[S005]: this hook of a protocol is not supported: dns:some_time
              --> a.rules:7:7
              help: write the protocol alone; a rule is asked as soon as what it looks at is there
            error[S006]: not a direction: =>
              --> a.rules:8:20
              help: write -> or <>
            error[S001]: the line is not UTF-8
              --> a.rules:9:36
              help: write other bytes as |hex| inside a content
        "#]],
    );
}

#[test]
fn headers_that_cannot_be() {
    check(
        b"alert http 10.0.0.0/33 any -> any any (msg:\"m\"; sid:1;)\nalert http any 80:70 -> $NOPE [80,,81] (msg:\"m\"; sid:2;)\nalert http !$HOME_NET any -> any any (msg:\"m\"; sid:3;)\n",
        &expect![[r#"
            loaded 0, refused 3
            error[S007]: not a valid address: 10.0.0.0/33
              --> a.rules:1:12
              help: write any, 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, $HOME_NET, [a,b,!c]
            error[S008]: not a valid port: 80:70
              --> a.rules:2:16
              help: write any, 80, 1024:, :1023, 8000:8090, $HTTP_PORTS, [80,81,!8080]
            error[S007]: the address variable $NOPE is not set
              --> a.rules:2:25
              help: write any, 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, $HOME_NET, [a,b,!c]
            error[S008]: the list has an empty entry: [80,,81]
              --> a.rules:2:31
              help: write any, 80, 1024:, :1023, 8000:8090, $HTTP_PORTS, [80,81,!8080]
            error[S007]: no address is left: !$HOME_NET
              --> a.rules:3:12
              help: a variable that stands for any cannot be negated; set it to the networks it means
        "#]],
    );
}

#[test]
fn all_findings_of_a_rule_at_once() {
    options(
        "http.uri; content:\"a|4|\"; content:\"abc\"; depth:2; wibble; pcre:\"/(?R)/\"; flow:to_moon; dns.query;",
        &expect![[r#"
            loaded 0, refused 1
            error[S020]: a byte has only one digit
              --> a.rules:1:70
              help: bytes are written |0d 0a|, two digits each; escape " ; : \ and | outside the bars with a backslash
            error[S024]: depth is shorter than the content: it never matches
              --> a.rules:1:74
              help: make depth at least the length of the content
            error[S011]: unknown keyword: wibble
              --> a.rules:1:98
              help: check the spelling; a semicolon inside a value is written \;
            error[S031]: recursion is not supported in expressions
              --> a.rules:1:113
              help: rewrite the expression without it, or say it with negated contents
            error[S050]: unknown word in flow: to_moon
              --> a.rules:1:126
              help: known are to_server, to_client, from_client, from_server, established, not_established, stateless, only_stream and no_stream
            error[S040]: nothing looks at the buffer dns.query
              --> a.rules:1:135
              help: a buffer's contents and expressions follow it; conditions before it look at the buffer before it
        "#]],
    );
}

#[test]
fn quotes_and_ends() {
    check(
        b"alert http any any -> any any (msg:\"a;b\"; sid:1;)\nalert http any any -> any any (msg:\"ab; sid:2;)\nalert http any any -> any any (msg:\"m\"; sid:3\nalert http any any -> any any (msg:\"m\"; sid:4;) x\n",
        &expect![[r#"
            loaded 0, refused 4
            error[S010]: the quotes are not closed: "a
              --> a.rules:1:36
              help: close them; inside quotes write a semicolon as \; and a quote as \"
            error[S011]: unknown keyword: b"
              --> a.rules:1:39
              help: check the spelling; a semicolon inside a value is written \;
            error[S010]: the quotes are not closed: "ab
              --> a.rules:2:36
              help: close them; inside quotes write a semicolon as \; and a quote as \"
            error[S009]: the last option is not ended by a semicolon, or the closing parenthesis is missing: sid:3
              --> a.rules:3:41
              help: every option ends in ; and the rule in )
            error[S009]: text after the closing parenthesis: x
              --> a.rules:4:48
              help: one rule a line; escape a semicolon inside a value as \;
        "#]],
    );
}

#[test]
fn continuation_lines_keep_their_places() {
    check(
        b"alert http any any -> any any ( \\\n    msg:\"m\"; \\\n    content:\"a\"; depht:3; \\\n    sid:1;)\n",
        &expect![[r#"
            loaded 0, refused 1
            error[S011]: unknown keyword: depht
              --> a.rules:3:18
              help: check the spelling; a semicolon inside a value is written \;
        "#]],
    );
}

#[test]
fn warnings_do_not_refuse() {
    check(
        b"alert http any any -> any any (http.uri; content:\"login\"; tag:session,5,packets; flowbits:isset,never; sid:1;)\n",
        &expect![[r#"
            loaded 1, refused 0
            warning[S053]: tag asks for the packets behind a match: they are not kept
              --> a.rules:1:59
              help: the rule matches as ever; its event has the bytes that matched
            warning[S052]: no loaded rule sets the flowbit never: the rule never matches
              --> a.rules:1:82
              help: load the rule that sets it, or see why that one was refused
            warning[S016]: the rule has no msg
              --> a.rules:1:104
              help: say what it found: msg:"...";
        "#]],
    );
}

#[test]
fn the_second_of_two_sids_is_refused() {
    check(
        b"alert http any any -> any any (msg:\"a\"; sid:1;)\nalert http any any -> any any (msg:\"b\"; sid:1;)\n",
        &expect![[r#"
            loaded 1, refused 1
            error[S017]: the sid 1 is taken by a.rules:1
              --> a.rules:2:45
              help: give each rule a number of its own; the first one stays loaded
        "#]],
    );
}

#[test]
fn what_stands_in_the_files_again() {
    check(
        b"alert http any any -> any any (msg:\"a\"; sid:1; rev:2;)\nalert http any any -> any any (msg:\"a\"; sid:1; rev:2;)\nalert http any any -> any any (msg:\"b\"; sid:1; rev:1;)\nalert http any any -> any any (msg:\"c\"; sid:1; rev:3;)\n",
        &expect![[r#"
            loaded 1, refused 0
            warning[S017]: the sid 1 is taken by a.rules:1, by the same words
              --> a.rules:2:45
              help: one of the two is enough
            warning[S017]: the sid 1 is taken by a.rules:1, in a newer revision
              --> a.rules:3:45
              help: that one is in force
            warning[S017]: the sid 1 is taken by a.rules:1, in an older revision
              --> a.rules:4:45
              help: this one is in force
        "#]],
    );
}

#[test]
fn each_code() {
    for (text, expected) in [
        ("nocase;", "S022"),
        ("content:\"\";", "S021"),
        ("content:abc;", "S010"),
        ("content:\"a\\n\";", "S020"),
        ("content:\"a\"; offset:x;", "S014"),
        ("content:\"a\"; offset:9999999999;", "S014"),
        ("content:\"a\"; offset:1; distance:1;", "S023"),
        ("content:\"a\"; startswith; depth:5;", "S023"),
        ("http.uri; content:\"a\"; http_header;", "S023"),
        ("content:\"abc\"; depth:2;", "S024"),
        ("content:\"a\"; content:\"abc\"; within:2;", "S024"),
        ("content:\"a\"; nocase; nocase;", "S018"),
        ("rev:1; rev:2;", "S018"),
        ("content:!\"a\"; fast_pattern;", "S044"),
        ("content:\"a\"; fast_pattern; content:\"b\"; fast_pattern;", "S044"),
        ("content:\"abc\"; fast_pattern:2,2;", "S044"),
        ("http.uri; bsize:3; content:\"abcd\";", "S043"),
        ("http.uri; bsize:5<>6;", "S014"),
        ("http.uri;", "S040"),
        ("http.uri; http.method; content:\"a\";", "S040"),
        ("http.uri; content:\"a\"; http.stat_code; content:\"2\";", "S041"),
        ("flow:to_client; http.uri; content:\"a\";", "S041"),
        ("dotprefix; content:\"a\";", "S042"),
        ("http.uri; luaxform:x; content:\"a\";", "S042"),
        ("http.uri; xor:\"0\"; content:\"a\";", "S042"),
        ("flow:to_server,to_client;", "S050"),
        ("flowbits:set;", "S051"),
        ("flowbits:frob,a;", "S051"),
        ("pcre:\"/a/\";pcre:\"/(/\";", "S030"),
        ("pcre:\"/(?R)/\";", "S031"),
        ("pcre:\"/a/z\";", "S032"),
        ("pcre:\"/a/UH\";", "S033"),
        ("reference:nothing;", "S019"),
        ("nocase:1;", "S013"),
        ("content;", "S013"),
        ("priority:0;", "S014"),
        ("target:me;", "S014"),
        ("geoip:src,JP;", "S012"),
        ("http.uri; dataset:isset,a,type string,load nothing.lst;", "S060"),
        ("http.uri; dataset:isset,a;", "S014"),
        ("ip.src; content:\"a\";", "S022"),
        ("absent;", "S022"),
        ("http.uri; entropy:value high;", "S014"),
        ("flow.pkts:here,1;", "S014"),
        ("tls_cert_notafter:>soon;", "S014"),
        ("base64_data; content:\"a\";", "S022"),
        ("base64_decode:bytes x;", "S014"),
        ("byte_extract:2,0;", "S014"),
        ("byte_math:bytes 2, offset 0, oper %, rvalue 1, result x;", "S014"),
        ("http.uri; byte_extract:2,0,n; http.request_body; content:\"a\"; offset:n;", "S058"),
        ("app-layer-event:http.nothing;", "S056"),
        ("requires:version >= 9;", "S057"),
        ("requires:moon phase;", "S057"),
        ("flags:Q;", "S014"),
        ("fragbits:X;", "S014"),
        ("ttl:x;", "S014"),
        ("stream_size:server,5;", "S014"),
        ("xbits:set,a;", "S051"),
        ("xbits:set,a,track ip_moon;", "S051"),
        ("hostbits:set,a,up;", "S051"),
        ("flowint:a,%,1;", "S051"),
        ("iprep:src,c;", "S014"),
        ("asn1:much;", "S014"),
        ("tag:moon;", "S014"),
        ("threshold:type limit, track by_src, count 1;", "S014"),
        ("detection_filter:type limit, track by_src, count 1, seconds 1;", "S014"),
        ("app-layer-protocol:moon;", "S014"),
        ("dcerpc.iface:1;", "S014"),
        ("http.uri; content:\"a\"; tls.sni; content:\"b\";", "S041"),
        ("byte_test:9,>,1,0;", "S014"),
        ("byte_jump:2;", "S014"),
        ("isdataat:x;", "S014"),
    ] {
        assert!(codes(text).contains(&expected), "{text}: {:?}, expected {expected}", codes(text));
    }
    assert_eq!(codes(""), [""; 0]);
    let long = format!("content:\"{}\";", "a".repeat(70_000));
    assert_eq!(codes(&long), ["S002"]);
    let many = "content:\"a\"; ".repeat(300);
    assert!(codes(&many).contains(&"S054"));
}

/// Every code that the source can give has an entry in the manual, and the other way round.
#[test]
#[expect(clippy::disallowed_methods, reason = "reads the project's own files")]
fn every_code_has_its_page() {
    use std::collections::BTreeSet;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read(root.join("../../docs/diagnostics/signatures.md")).unwrap();
    let page = String::from_utf8(page).unwrap();
    let written: BTreeSet<&str> =
        page.lines().filter_map(|l| l.strip_prefix("## ")).filter_map(|l| l.get(..4)).collect();
    let mut given = BTreeSet::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
            for (at, _) in text.match_indices("\"S0") {
                given.insert(text[at + 1..at + 5].to_owned());
            }
        }
    }
    assert_eq!(written, given.iter().map(String::as_str).collect());
}
