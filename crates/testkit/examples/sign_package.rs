//! Signs packages with Ed25519, each into `PACKAGE.sig`: `cargo xtask package --signing-key FILE`. A folder is a content
//! pack: it is sealed, whole, into `NAME.json` beside it, as the task `content-update` takes it.
//!
//! The key's file is made where there is none. What it signs is as good as the key is secret.
#![expect(clippy::disallowed_methods, reason = "a tool reads the files it was given")]
#![expect(clippy::print_stdout, reason = "a tool tells what it did")]

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sakimori_content::{Pack, SignedPack, SigningKey};

/// Keeps a signature of a package from passing as one of anything else.
const CONTEXT: &str = "sakimori package";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let key = key(&arguments.next().context("usage: sign_package KEY_FILE PACKAGE...")?)?;
    for package in arguments {
        if package.is_dir() {
            let pack = Pack::load(&package).with_context(|| package.display().to_string())?;
            let text = SignedPack::seal(&pack, &key)?.to_text()?;
            let file = package.with_file_name(format!("{}.json", pack.info().name));
            std::fs::write(&file, text).with_context(|| file.display().to_string())?;
            println!("{}", file.display());
            continue;
        }
        let bytes = std::fs::read(&package).with_context(|| package.display().to_string())?;
        let signature = key.sign(CONTEXT, &bytes);
        key.verifying_key().verify(CONTEXT, &bytes, &signature).context("the signature does not verify")?;
        let mut file = package.into_os_string();
        file.push(".sig");
        std::fs::write(&file, format!("{signature}\n")).with_context(|| file.display().to_string())?;
        println!("{}", file.display());
    }
    println!("verify with the key {}", key.verifying_key().to_base64());
    Ok(())
}

fn key(path: &Path) -> anyhow::Result<SigningKey> {
    if path.exists() {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return Ok(SigningKey::from_base64(text.trim())?);
    }
    let key = SigningKey::generate()?;
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.to_base64())?;
    println!("made a signing key: {}", path.display());
    Ok(key)
}
