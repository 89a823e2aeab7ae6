#![no_main]
//! Files that say which software is installed: whoever can write a web root writes them.
use sakimori_agent::inventory::material::{Kind, Material, Piece, pieces};
use sakimori_agent::inventory::parse;
use sakimori_protocol::Inventory;

const PATHS: [&[u8]; 3] = [b"/srv/www/wp-content/plugins/a/a.php", b"/opt/app/log4j-core-2.14.1.jar", b"/srv/www/composer.lock"];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((kind, content)) = bytes.split_first() else { return };
    // As it comes through the pipe, whole or nonsense.
    drop(parse::inventory(pieces(bytes)));
    let mut material = Material::default();
    let kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
    for path in PATHS {
        material.add(Piece { kind, path, bytes: content });
    }
    let inventory = parse::inventory(pieces(material.bytes()));
    assert!(inventory.packages.len() <= parse::ITEMS && inventory.applications.len() <= parse::ITEMS);
    for package in &inventory.packages {
        assert!(package.name.chars().count() <= Inventory::TEXT + 1, "a text keeps its bound");
        assert!(!package.name.chars().any(char::is_control), "a text is printable");
    }
});
