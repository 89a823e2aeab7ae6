//! The crate graph of ARCHITECTURE.md is an invariant: an edge that is not in [`ALLOWED`] fails here,
//! and so does an engine that depends on anything but the pure crates of [`ENGINES`].
#![expect(clippy::disallowed_methods, reason = "reads the project's own files and asks cargo")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends when cargo answers otherwise")]
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// `(crate, workspace crates it may depend on)`, lowest layer first. Development dependencies do not count.
const ALLOWED: &[(&str, &[&str])] = &[
    ("sakimori-model", &[]),
    ("sakimori-modules", &["sakimori-model"]),
    ("sakimori-packet", &[]),
    ("sakimori-stream", &["sakimori-model", "sakimori-packet"]),
    ("sakimori-protocols", &[]),
    ("sakimori-expressions", &[]),
    ("sakimori-signatures", &["sakimori-model", "sakimori-expressions"]),
    ("sakimori-seclang", &["sakimori-model", "sakimori-expressions"]),
    ("sakimori-reputation", &["sakimori-model"]),
    ("sakimori-firewall", &["sakimori-model"]),
    ("sakimori-firewall-settings", &["sakimori-model", "sakimori-modules", "sakimori-firewall"]),
    (
        "sakimori-inspection",
        &[
            "sakimori-seclang",
            "sakimori-reputation",
            "sakimori-model",
            "sakimori-packet",
            "sakimori-stream",
            "sakimori-protocols",
            "sakimori-signatures",
        ],
    ),
    ("sakimori-waf", &["sakimori-model", "sakimori-modules", "sakimori-seclang", "sakimori-inspection"]),
    (
        "sakimori-recordings",
        &[
            "sakimori-model",
            "sakimori-packet",
            "sakimori-stream",
            "sakimori-protocols",
            "sakimori-signatures",
            "sakimori-inspection",
        ],
    ),
    ("sakimori-loginspect", &["sakimori-model"]),
    ("sakimori-antimalware", &["sakimori-model"]),
    ("sakimori-integrity", &["sakimori-model"]),
    ("sakimori-recommend", &["sakimori-model"]),
    ("sakimori-query", &["sakimori-model"]),
    ("sakimori-content", &["sakimori-model"]),
    ("sakimori-kernel-sys", &[]),
    ("sakimori-kernel", &["sakimori-kernel-sys", "sakimori-firewall"]),
    ("sakimori-protocol", &["sakimori-model", "sakimori-modules"]),
    ("sakimori-api", &["sakimori-modules"]),
    ("sakimori-trust", &[]),
    (
        "sakimori-agent",
        &[
            "sakimori-model",
            "sakimori-modules",
            "sakimori-inspection",
            "sakimori-firewall",
            "sakimori-firewall-settings",
            "sakimori-waf",
            "sakimori-reputation",
            "sakimori-signatures",
            "sakimori-antimalware",
            "sakimori-integrity",
            "sakimori-content",
            "sakimori-loginspect",
            "sakimori-kernel",
            "sakimori-protocol",
            "sakimori-trust",
        ],
    ),
    (
        "sakimori-manager",
        &[
            "sakimori-model",
            "sakimori-modules",
            "sakimori-content",
            "sakimori-firewall-settings",
            "sakimori-waf",
            "sakimori-signatures",
            "sakimori-protocol",
            "sakimori-query",
            "sakimori-recommend",
            "sakimori-api",
            "sakimori-trust",
        ],
    ),
    (
        "sakimori-cli",
        &[
            "sakimori-api",
            "sakimori-model",
            "sakimori-modules",
            "sakimori-trust",
            "sakimori-signatures",
            "sakimori-inspection",
            "sakimori-waf",
            "sakimori-recordings",
        ],
    ),
    ("sakimori-demo-blog", &[]),
    ("sakimori-testkit", &["sakimori-model", "sakimori-content", "sakimori-signatures"]),
    (
        "sakimori-simulator",
        &["sakimori-model", "sakimori-modules", "sakimori-protocol", "sakimori-trust", "sakimori-testkit"],
    ),
    ("xtask", &["sakimori-testkit", "sakimori-content"]),
];

/// Engines with the external crates they may use: matching, hashing and data structures, nothing that does I/O.
const ENGINES: &[(&str, &[&str])] = &[
    ("sakimori-model", &["thiserror", "uuid"]),
    ("sakimori-packet", &[]),
    ("sakimori-stream", &["siphasher", "hashbrown"]),
    ("sakimori-protocols", &["flate2", "md-5", "memchr", "sha1", "sha2", "x509-parser"]),
    ("sakimori-expressions", &["fancy-regex", "regex", "regex-syntax"]),
    (
        "sakimori-seclang",
        &["aho-corasick", "libinjectionrs", "md-5", "memchr", "quick-xml", "regex", "regex-syntax", "sha1"],
    ),
    (
        "sakimori-signatures",
        &["daachorse", "flate2", "md-5", "memchr", "regex", "regex-syntax", "sha1", "sha2"],
    ),
    ("sakimori-inspection", &["md-5"]),
    ("sakimori-reputation", &["siphasher"]),
    ("sakimori-firewall", &[]),
    ("sakimori-loginspect", &["aho-corasick", "regex"]),
    ("sakimori-antimalware", &["boreal", "sha2"]),
    ("sakimori-integrity", &["thiserror"]),
    ("sakimori-recommend", &["thiserror"]),
    ("sakimori-query", &[]),
];

fn packages() -> Vec<serde_json::Value> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn dependencies(package: &serde_json::Value) -> impl Iterator<Item = &str> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|d| d["kind"].is_null()).map(|d| d["name"].as_str().unwrap())
}

#[test]
fn crate_graph_is_the_one_in_architecture_md() {
    let packages = packages();
    let members: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut bad = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ALLOWED.iter().find(|(n, _)| *n == name) else {
            bad.push(format!("{name}: not in ALLOWED"));
            continue;
        };
        for dependency in dependencies(package) {
            if members.contains(dependency) && !allowed.contains(&dependency) {
                bad.push(format!("{name} -> {dependency}"));
            }
        }
    }
    assert!(bad.is_empty(), "edges missing from ALLOWED and ARCHITECTURE.md: {bad:#?}");
}

#[test]
fn engines_use_nothing_that_does_io() {
    let packages = packages();
    let mut bad = Vec::new();
    for (name, allowed) in ENGINES {
        let package = packages.iter().find(|p| p["name"] == *name).unwrap();
        let foreign = dependencies(package).filter(|d| !d.starts_with("sakimori-") && !allowed.contains(d));
        bad.extend(foreign.map(|d| format!("{name} -> {d}")));
    }
    assert!(bad.is_empty(), "external crates that an engine may not use: {bad:#?}");
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        for target in package["targets"].as_array().unwrap() {
            let kinds: Vec<_> =
                target["kind"].as_array().unwrap().iter().filter_map(|k| k.as_str()).collect();
            let root = Path::new(target["src_path"].as_str().unwrap());
            if name == "sakimori-kernel-sys" || !(kinds.contains(&"lib") || kinds.contains(&"bin")) {
                continue;
            }
            let text = std::fs::read_to_string(root).unwrap();
            assert!(
                text.contains("#![forbid(unsafe_code)]"),
                "{} does not forbid unsafe code",
                root.display()
            );
        }
    }
}
