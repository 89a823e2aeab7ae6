#![no_main]
//! A signature file as somebody sends it, and a statement that is signed: what is taken keeps its bounds and its form.
use sakimori_content::package::{PACKAGE_BYTES, SignedStatement, Statement, keys};
use sakimori_content::sign::{self, SigningKey};
use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    let key = KEY.get_or_init(|| SigningKey::generate().expect("a key"));
    let text = String::from_utf8_lossy(bytes);
    let _a_list_of_keys = keys(&text);
    if let Ok(read) = SignedStatement::parse(&text) {
        assert_eq!(SignedStatement::parse(&read.to_text()).as_ref(), Ok(&read));
        assert!(read.verify(&[key.verifying_key()]).is_err(), "nobody signed it");
    }
    // What a trusted key has signed has to keep its bounds all the same.
    let statement = text.lines().next().unwrap_or_default().to_owned();
    let signature = key.sign(sign::PACKAGE, statement.as_bytes());
    let Ok(taken) = (SignedStatement { statement, signature }).verify(&[key.verifying_key()]) else { return };
    let Statement { package, size, sha256, .. } = &taken;
    assert!(!package.is_empty() && package.len() <= 64 && (1..=PACKAGE_BYTES).contains(size) && sha256.len() == 64);
    assert!(!taken.file_name().contains(['/', '\0', '\n']), "{}", taken.file_name());
});
