//! A pack survives being signed, sent and opened, and nothing else is opened.
#![expect(clippy::unwrap_used, reason = "a test ends when it cannot write its folder")]

use sakimori_content::{OpenError, Pack, SignedPack, SigningKey};
use std::path::Path;

fn folder(version: u64, name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: String| std::fs::write(folder.path().join(path), text).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    write(
        "pack.toml",
        format!(
            "name = {name:?}\nversion = {version}\ndate = \"2026-01-01\"\nlicence = \"Apache-2.0\"\n\
             description = {{ en = \"a\", ja = \"b\" }}\n"
        ),
    );
    write("metadata.toml", String::new());
    write("rules/a.rules", "# none\n".into());
    folder
}

fn pack(version: u64, name: &str) -> Pack {
    Pack::load(folder(version, name).path()).unwrap()
}

#[test]
fn a_signed_pack_opens_with_its_key_only() {
    let key = SigningKey::generate().unwrap();
    let pack = Pack::embedded().unwrap();
    let text = SignedPack::seal(&pack, &key).unwrap().to_text().unwrap();
    assert_eq!(
        text,
        SignedPack::seal(&pack, &key).unwrap().to_text().unwrap(),
        "the same pack gives the same text"
    );
    assert_eq!(SignedPack::open(text.as_bytes(), key.verifying_key(), None).unwrap(), pack);
    let other = SigningKey::generate().unwrap().verifying_key();
    assert!(matches!(SignedPack::open(text.as_bytes(), other, None), Err(OpenError::Signature(_))));
    let changed = text.replacen("7000001", "7000009", 1);
    assert_ne!(changed, text);
    assert!(matches!(
        SignedPack::open(changed.as_bytes(), key.verifying_key(), None),
        Err(OpenError::Signature(_))
    ));
    assert!(matches!(SignedPack::open(b"{}", key.verifying_key(), None), Err(OpenError::Form(_))));
}

#[test]
fn an_older_or_another_pack_does_not_replace_the_one_in_force() {
    let key = SigningKey::generate().unwrap();
    let open = |pack: &Pack, current: &Pack| {
        let text = SignedPack::seal(pack, &key).unwrap().to_text().unwrap();
        SignedPack::open(text.as_bytes(), key.verifying_key(), Some(current.info())).map(|p| p.info().version)
    };
    let current = pack(5, "a");
    assert_eq!(open(&pack(6, "a"), &current).unwrap(), 6);
    assert_eq!(open(&pack(5, "a"), &current).unwrap(), 5);
    assert!(matches!(open(&pack(4, "a"), &current), Err(OpenError::Older { found: 4, current: 5 })));
    assert!(matches!(open(&pack(6, "b"), &current), Err(OpenError::Name { .. })));
}

#[test]
fn a_folder_that_is_no_pack_is_said_to_be_none() {
    let broken = folder(1, "a");
    std::fs::write(broken.path().join("metadata.toml"), "[[rule]]\nsid = \"x\"\n").unwrap();
    let error = Pack::load(broken.path()).unwrap_err();
    assert_eq!(error.to_string(), "metadata.toml is not valid");
    assert!(
        Pack::load(&Path::new("/nonexistent").join("pack"))
            .unwrap_err()
            .to_string()
            .starts_with("cannot read")
    );
}
