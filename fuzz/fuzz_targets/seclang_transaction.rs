#![no_main]
//! A request in pieces under rules with every kind of variable; the first byte chooses the body's type.
use std::sync::LazyLock;

use sakimori_seclang::{Memory, NoFiles, Opening, RECOMMENDED, Ruleset, SourceFile, compile};

const RULES: &str = r#"
SecRule REQUEST_LINE|REQUEST_HEADERS|REQUEST_COOKIES|REQUEST_COOKIES_NAMES|ARGS|ARGS_NAMES|FILES|XML:/*|XML://@*|MULTIPART_PART_HEADERS "@detectSQLi" "id:1,phase:2,pass,log,multiMatch,t:none,t:utf8toUnicode,t:urlDecodeUni,t:htmlEntityDecode,t:jsDecode,t:cssDecode,t:removeNulls"
SecRule ARGS|REQUEST_BODY "@detectXSS" "id:2,phase:2,pass,log,t:none,t:cmdLine,t:normalisePathWin,setvar:'tx.%{MATCHED_VAR_NAME}=+1'"
SecRule TX:/args/ "@gt 0" "id:3,phase:2,deny,log,capture,t:none,t:escapeSeqDecode,t:replaceComments,t:base64Decode"
"#;

static RULESET: LazyLock<Ruleset> = LazyLock::new(|| {
    let file = |name: &str, text: &str| SourceFile { name: name.to_owned(), text: text.as_bytes().to_vec() };
    compile(&[file("recommended.conf", RECOMMENDED), file("rules.conf", RULES)], &NoFiles).ruleset.expect("the rules load")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let kinds = [
        "application/x-www-form-urlencoded",
        "application/json",
        "text/xml",
        "multipart/form-data; boundary=b",
        "text/plain",
    ];
    let (head, body) = bytes.split_at(bytes.len() / 3);
    let store = Memory::new(4);
    let opening = Opening {
        client: ([192, 0, 2, 1], 1).into(),
        server: ([192, 0, 2, 2], 80).into(),
        unique_id: String::new(),
        now: Default::default(),
    };
    let mut transaction = RULESET.transaction(&store, &opening);
    transaction.request_line(b"POST", head, b"HTTP/1.1");
    transaction.request_header(b"Cookie", head);
    transaction.request_header(b"Content-Type", kinds[usize::from(*kind) % kinds.len()].as_bytes());
    transaction.request_headers_end();
    transaction.request_body(body);
    transaction.request_body_end();
    transaction.finish(opening.now);
});
