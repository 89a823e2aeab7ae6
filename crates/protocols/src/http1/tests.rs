//! Behaviour of the HTTP/1 parser: transcripts in, a written account of each step out.
use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;

/// Writes each step as a line.
#[derive(Default)]
struct Account(String);

impl Sink<bool> for Account {
    fn progress(&mut self, direction: Direction, tx: &mut Transaction<bool>, stage: Stage) -> Control {
        let m = &tx.message;
        let arrow = if direction == Direction::ToServer { '>' } else { '<' };
        let text = |b: &[u8]| String::from_utf8_lossy(b).escape_debug().to_string();
        if !std::mem::replace(&mut tx.state, true) {
            let [a, b, c] = m.start_line_parts().map(text);
            let headers: Vec<_> = m.headers().map(|(n, v)| format!("{}={}", text(n), text(v))).collect();
            writeln!(self.0, "{arrow} {a}|{b}|{c} {headers:?}").unwrap();
        }
        match stage {
            Stage::Headers => assert!(!m.is_complete()),
            Stage::Body => writeln!(self.0, "{arrow} body {} of {}", m.body().len(), m.body_len()).unwrap(),
            Stage::End => {
                let odd: Vec<_> = m.anomalies().iter().collect();
                writeln!(self.0, "{arrow} end body={:?} {odd:?}", text(m.body())).unwrap();
            }
        }
        Control::Continue
    }
}

fn account(pieces: &[(Direction, &[u8])]) -> String {
    let mut connection = Connection::default();
    let mut sink = Account::default();
    for (direction, bytes) in pieces {
        assert_eq!(connection.feed(*direction, bytes, &Limits::default(), &mut sink), Control::Continue);
    }
    sink.0
}

fn requests(text: &str) -> String {
    account(&[(Direction::ToServer, text.as_bytes())])
}

#[track_caller]
fn check(input: &str, expected: &[&str]) {
    assert_eq!(requests(input).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn plain_requests_follow_one_another() {
    check(
        "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\nPOST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /d HTTP/1.0\r\n\r\n",
        &[
            r#"> GET|/a?b|HTTP/1.1 ["Host=x"]"#,
            r#"> end body="" []"#,
            r#"> POST|/c|HTTP/1.1 ["Content-Length=3"]"#,
            r#"> end body="abc" []"#,
            "> GET|/d|HTTP/1.0 []",
            r#"> end body="" []"#,
        ],
    );
}

#[test]
fn bare_line_feeds_folds_and_odd_spaces_are_read_as_servers_read_them() {
    check(
        "\r\n\nGET  /a b  HTTP/1.1\nA : 1\nB:\t2\n  3\nnocolon\n\n",
        &[
            r#"> GET|/a b|HTTP/1.1 ["A=1", "B=2\\n  3", "=nocolon"]"#,
            r#"> end body="" [HeaderWithoutColon, SpaceBeforeColon, FoldedHeader]"#,
        ],
    );
}

#[test]
fn chunks_are_joined_and_extensions_and_trailers_ignored() {
    check(
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3;x=y\r\nabc\r\n0002\r\nde\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        &[
            r#"> POST|/|HTTP/1.1 ["Transfer-Encoding=gzip, chunked"]"#,
            r#"> end body="abcde" [ChunkExtension]"#,
            "> GET|/|HTTP/1.1 []",
            r#"> end body="" []"#,
        ],
    );
}

#[test]
fn smuggling_is_named() {
    let odd = |headers: &str| {
        let text = requests(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n0\r\n\r\n"));
        text.lines().nth(1).unwrap_or_default().split("end ").nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(odd("Content-Length: 5\r\nTransfer-Encoding: chunked"), r#"body="" [LengthAndChunked]"#);
    assert_eq!(odd("Content-Length: 5\r\nContent-Length: 3"), r#"body="0\\r\\n\\r\\n" [LengthConflict]"#);
    assert_eq!(odd("Content-Length: 5, 5"), r#"body="0\\r\\n\\r\\n" []"#);
    assert_eq!(odd("Transfer-Encoding: xchunked"), r#"body="" [TransferEncodingUnknown]"#);
    assert_eq!(odd("Content-Length: x"), r#"body="" [LengthInvalid]"#);
}

#[test]
fn garbage_does_not_switch_parsing_off() {
    check(
        "\x16\x03\x01garbage\r\nonemoreline\nGET /evil HTTP/1.1\r\n\r\n",
        &["> GET|/evil|HTTP/1.1 []", r#"> end body="" [Garbage]"#],
    );
    let long = format!("{}\nGET /evil HTTP/1.1\r\n\r\n", "x".repeat(200_000));
    check(&long, &["> GET|/evil|HTTP/1.1 []", r#"> end body="" [Garbage]"#]);
}

#[test]
fn http_0_9_has_no_headers() {
    check(
        "GET /a\r\nGET /b HTTP/1.1\r\n\r\n",
        &["> GET|/a| []", r#"> end body="" [Http09]"#, "> GET|/b|HTTP/1.1 []", r#"> end body="" []"#],
    );
}

#[test]
fn a_version_may_be_left_out_before_fields() {
    check("GET /a\r\nHost: b\r\n\r\n", &[r#"> GET|/a| ["Host=b"]"#, r#"> end body="" [VersionMissing]"#]);
}

#[test]
fn a_broken_chunk_leaves_the_rest_visible() {
    let text = requests("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nrest");
    assert!(text.ends_with("> body 8 of 8\n"), "{text}");
}

#[test]
fn limits_hold() {
    let mut connection = Connection::default();
    let mut sink = Account::default();
    let limits = Limits { head_bytes: 100, headers: 3, body_bytes: 4, pipelined: 1 };
    let head = format!("POST / HTTP/1.1\r\nContent-Length: 10\r\n{}\r\n", "A: 1\r\n".repeat(1000));
    connection.feed(Direction::ToServer, head.as_bytes(), &limits, &mut sink);
    connection.feed(Direction::ToServer, b"0123456789", &limits, &mut sink);
    assert!(connection.memory_bytes() < 20_000, "{}", connection.memory_bytes());
    assert!(sink.0.contains(r#"end body="0123" [HeadTooLong, TooManyHeaders, BodyTruncated]"#), "{}", sink.0);
    assert!(connection.is_idle());
}

#[test]
fn responses_are_paired_with_their_requests() {
    let text = account(&[
        (Direction::ToServer, b"HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        (Direction::ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\nbye"),
    ]);
    let lines: Vec<_> = text.lines().filter(|l| l.starts_with('<')).collect();
    assert_eq!(
        lines,
        [
            r#"< HTTP/1.1|200|OK ["Content-Length=5"]"#,
            r#"< end body="" []"#,
            "< HTTP/1.1|100|Continue []",
            r#"< end body="" []"#,
            "< HTTP/1.1|404|Not Found []",
            "< body 3 of 3",
        ]
    );
}

#[test]
fn a_gap_in_a_body_is_bridged_and_elsewhere_resynchronised() {
    let mut connection = Connection::default();
    let mut sink = Account::default();
    let limits = Limits::default();
    connection.feed(
        Direction::ToServer,
        b"PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nab",
        &limits,
        &mut sink,
    );
    connection.gap(Direction::ToServer, 6);
    connection.feed(Direction::ToServer, b"ijGET / HT", &limits, &mut sink);
    connection.gap(Direction::ToServer, 20);
    connection.feed(Direction::ToServer, b"junk\r\nGET /x HTTP/1.1\r\n\r\n", &limits, &mut sink);
    assert!(sink.0.contains(r#"end body="abij" [Gap]"#), "{}", sink.0);
    assert!(sink.0.ends_with("> GET|/x|HTTP/1.1 []\n> end body=\"\" [Gap]\n"), "{}", sink.0);
}

#[test]
fn views_are_what_the_rule_language_expects() {
    struct Views;
    impl Sink<()> for Views {
        fn progress(&mut self, _: Direction, tx: &mut Transaction<()>, stage: Stage) -> Control {
            let m = &tx.message;
            if stage == Stage::End {
                assert_eq!(m.uri(), b"/b");
                assert_eq!(m.host(), Some(&b"example.org"[..]));
                assert_eq!(m.host_raw(), Some(&b"Example.ORG:80"[..]));
                assert_eq!(m.normalised_headers(), b"Host: Example.ORG:80\r\nX: 1 2\r\n");
                assert_eq!(m.header_names(), b"\r\nHost\r\nCookie\r\nX\r\n\r\n");
                assert_eq!(m.header("cookie"), Some(&b"a=b"[..]));
                assert_eq!(m.start_line(), b"GET /a/../b HTTP/1.1");
            }
            Control::Continue
        }
    }
    let text = b"GET /a/../b HTTP/1.1\r\nHost:Example.ORG:80\r\nCookie: a=b\r\nX: 1\r\n  2\r\n\r\n";
    Connection::default().feed(Direction::ToServer, text, &Limits::default(), &mut Views);
}

proptest! {
    #[test]
    fn how_input_is_cut_does_not_matter(cuts in proptest::collection::vec(0_usize..300, 0..12)) {
        let text = "GET /a%20b HTTP/1.1\r\nHost: x\r\nA: 1\r\n 2\r\n\r\nPOST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n6;q=1\r\n world\r\n0\r\n\r\nrubbish\r\nPUT /d HTTP/1.1\r\nContent-Length: 4\r\n\r\nwxyz";
        let whole = requests(text);
        let mut cuts: Vec<_> = cuts.into_iter().filter(|c| *c < text.len()).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            pieces.push((Direction::ToServer, &text.as_bytes()[from..cut]));
            from = cut;
        }
        let steps = |s: &str| s.lines().filter(|l| !l.contains(" body ")).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(steps(&account(&pieces)), steps(&whole));
    }

    #[test]
    fn garbage_never_panics_and_stays_small(input in proptest::collection::vec(any::<u8>(), 0..2000), cut in 1_usize..64) {
        let mut connection = Connection::default();
        let mut sink = Account::default();
        for piece in input.chunks(cut) {
            connection.feed(Direction::ToServer, piece, &Limits::default(), &mut sink);
            connection.feed(Direction::ToClient, piece, &Limits::default(), &mut sink);
        }
        prop_assert!(connection.memory_bytes() < 100_000);
    }
}

/// The body that is kept of a response, in one piece.
fn answered(response: &str) -> Vec<u8> {
    let mut connection = Connection::<bool>::default();
    let mut sink = Bodies::default();
    let limits = Limits::default();
    connection.feed(Direction::ToServer, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &limits, &mut sink);
    connection.feed(Direction::ToClient, response.as_bytes(), &limits, &mut sink);
    sink.0
}

#[derive(Default)]
struct Bodies(Vec<u8>);

impl Sink<bool> for Bodies {
    fn progress(&mut self, direction: Direction, tx: &mut Transaction<bool>, _: Stage) -> Control {
        if direction == Direction::ToClient {
            self.0 = tx.message.body().to_vec();
        }
        Control::Continue
    }
}

#[test]
fn however_a_server_hides_that_its_answer_is_chunked_it_is_put_together() {
    for head in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer\0-Encoding: chun\0ked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding\r\n :\r\n chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\rTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\r\r\nTransfer-Encoding: chunked\r\n\r\n",
        " HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\n \n",
        "nonsense\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let response = format!("{head}3\r\nabc\r\n\r\n3x\r\ndef\r\n\0 2;a=b\r\ngh\r\n0\r\n\r\n");
        assert_eq!(answered(&response), b"abcdefgh", "{head:?}");
    }
}

#[test]
fn what_is_not_chunked_after_all_is_taken_as_it_is() {
    for response in [
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nplain text, no line",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, or not\r\n\r\nplain text, no line",
        "HTTP/1.1 204 Nothing\r\nContent-Length: 19\r\n\r\nplain text, no line",
        "plain text, no line",
    ] {
        assert_eq!(answered(response), b"plain text, no line", "{response:?}");
    }
}
