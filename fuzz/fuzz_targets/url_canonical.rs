#![no_main]
//! Host, a line feed, target: any bytes have a canonical form that stays, and a verdict.
use sakimori_reputation::{Builder, Host, Lists, Url};
use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static LISTS: OnceLock<Lists> = OnceLock::new();
    let lists = LISTS.get_or_init(|| {
        let mut builder = Builder::new(1);
        let _fine = builder.block_list("fuzz", b"bad.example\nbad.example/path\n192.0.2.1\n");
        builder.build()
    });
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (host, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let url = Url::of_request(host, target, 80);
    assert_eq!(Host::of(url.host.as_bytes()).as_bytes(), url.host.as_bytes());
    assert!(url.path().starts_with(b"/"));
    std::hint::black_box(lists.judge_url(&url));
    let mut builder = Builder::new(2);
    std::hint::black_box(builder.block_list("fuzz", bytes));
});
