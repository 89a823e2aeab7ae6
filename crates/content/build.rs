//! Puts our own content pack into the crate: its description, metadata and rules, not the attack cases.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a build script ends when the pack is not there"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[expect(clippy::unnecessary_debug_formatting, reason = "a path becomes a Rust string literal")]
fn main() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../content/virtual-patches");
    let root = root.canonicalize().expect("content/virtual-patches stands beside the crates");
    println!("cargo::rerun-if-changed={}", root.join("rules").display());
    let mut rules: Vec<PathBuf> = std::fs::read_dir(root.join("rules"))
        .expect("the pack has a folder of rules")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rules"))
        .collect();
    rules.sort();
    let mut out = String::new();
    embed_modules(&root.join(".."), &mut out);
    for (name, file) in [("PACK", "pack.toml"), ("METADATA", "metadata.toml")] {
        writeln!(out, "const {name}: &str = include_str!({:?});", root.join(file)).unwrap();
    }
    out.push_str("const RULES: &[(&str, &str)] = &[\n");
    for path in rules {
        let name = path.file_name().unwrap().to_str().unwrap();
        writeln!(out, "    ({name:?}, include_str!({path:?})),").unwrap();
    }
    out.push_str("];\n");
    let target = Path::new(&std::env::var("OUT_DIR").unwrap()).join("embedded.rs");
    std::fs::write(target, out).unwrap();
}

/// The folders of content beside the virtual patches: the module that works with it, and where its files lie.
const OF_MODULES: [(&str, &str); 3] = [
    ("anti-malware", "malware/rules"),
    ("log-inspection", "logs/rules"),
    ("web-reputation", "reputation/lists"),
];

#[expect(clippy::unnecessary_debug_formatting, reason = "a path becomes a Rust string literal")]
fn embed_modules(content: &Path, out: &mut String) {
    out.push_str("const OF_MODULES: &[(&str, &str, &[u8])] = &[\n");
    for (module, folder) in OF_MODULES {
        let folder = content.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let Ok(folder) = folder.canonicalize() else { continue };
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            let name = path.file_name().unwrap().to_str().unwrap();
            writeln!(out, "    ({module:?}, {name:?}, include_bytes!({path:?})),").unwrap();
        }
    }
    out.push_str("];\n");
}
