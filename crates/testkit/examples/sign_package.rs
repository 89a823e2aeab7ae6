//! Signs agent packages and content packs, and makes signing keys; `cargo xtask package` uses it.
//!
//! `sign_package key KEY_FILE PUBLIC_FILE` writes the public key, and makes the private one where there is none.
//! `sign_package sign KEY_FILE PACKAGE...` writes `PACKAGE.sig` beside each: a signed statement of what it is. A folder is a
//! content pack: it is sealed, whole, into `NAME.json` beside it, as the task `content-update` takes it.
//! `sign_package verify KEYS_FILE PACKAGE...` checks each against its signature, as agents do.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given and starts dpkg-deb")]
#![expect(clippy::print_stdout, reason = "a tool tells what it did")]

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use sakimori_content::package::{SignedStatement, Statement, keys};
use sakimori_content::{Pack, SignedPack, SigningKey};
use sakimori_testkit::process;

const USAGE: &str =
    "usage: sign_package key KEY_FILE PUBLIC_FILE | sign KEY_FILE PACKAGE... | verify KEYS_FILE PACKAGE...";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let what = arguments.next().context(USAGE)?;
    let mut arguments = arguments.map(PathBuf::from);
    let file = arguments.next().context(USAGE)?;
    match what.to_str() {
        Some("key") => {
            let public = arguments.next().context(USAGE)?;
            std::fs::write(&public, format!("{}\n", key(&file)?.verifying_key()))
                .with_context(|| public.display().to_string())?;
        }
        Some("sign") => {
            let key = key(&file)?;
            for package in arguments {
                if package.is_dir() {
                    let pack = Pack::load(&package).with_context(|| package.display().to_string())?;
                    let text = SignedPack::seal(&pack, &key)?.to_text()?;
                    let path = package.with_file_name(format!("{}.json", pack.info().name));
                    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
                    println!("{}", path.display());
                    continue;
                }
                let signed = SignedStatement::sign(&statement(&package)?, &key)?;
                let path = beside(package);
                std::fs::write(&path, signed.to_text()).with_context(|| path.display().to_string())?;
                println!("{}", path.display());
            }
        }
        Some("verify") => {
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let keys = keys(&text).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))?;
            for package in arguments {
                let path = beside(package.clone());
                let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let signed = SignedStatement::parse(&text)?.verify(&keys)?;
                ensure!(signed == statement(&package)?, "{} is not what was signed", package.display());
                println!("{}: signed, version {}, {} bytes", package.display(), signed.version, signed.size);
            }
        }
        _ => bail!(USAGE),
    }
    Ok(())
}

fn beside(package: PathBuf) -> PathBuf {
    let mut name = package.into_os_string();
    name.push(".sig");
    name.into()
}

/// What a package is, of its own words and bytes.
fn statement(package: &Path) -> anyhow::Result<Statement> {
    let bytes = std::fs::read(package).with_context(|| package.display().to_string())?;
    let field = |name: &str| -> anyhow::Result<String> {
        let said = process::call("dpkg-deb", &["--field", &package.to_string_lossy(), name])?;
        Ok(said.trim().to_owned())
    };
    let sha256 = process::call("sha256sum", &["--", &package.to_string_lossy()])?;
    Ok(Statement {
        package: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
        size: u64::try_from(bytes.len())?,
        sha256: sha256.split_whitespace().next().unwrap_or_default().to_owned(),
    })
}

fn key(path: &Path) -> anyhow::Result<SigningKey> {
    if path.exists() {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return Ok(SigningKey::from_base64(text.trim())?);
    }
    let key = SigningKey::generate()?;
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.to_base64())?;
    Ok(key)
}
