//! The agent packages in the packages folder: which are here, and which are true.
//!
//! A package is `sakimori-agent_VERSION_ARCHITECTURE.deb` with its signature beside it (`….deb.sig`). One whose signature
//! is of a trusted key, and whose bytes are those that were signed, can be rolled out; any other is listed as refused, with
//! the reason. Trusted are the keys that came with the product and those of the operator, each in a file; no request of
//! the API adds one, so that who holds an administrator's password still cannot make a package true. Agents judge by keys
//! of their own in any case.
use crate::problem::Refused;
use crate::secrets;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use ring::digest::{Context, SHA256};
use sakimori_content::VerifyingKey;
use sakimori_content::package::{
    AGENT, PACKAGE_BYTES, SIGNATURE_FILE_BYTES, SignedStatement, Statement, keys_in,
};
use sakimori_model::Timestamp;
use sakimori_protocol::Hash;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom};

/// Files looked at: a folder of another purpose is not read through.
const FILES: usize = 1_000;
/// Read and sent at once.
const PIECE: usize = 64 << 10;

/// A package file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackageFile {
    /// Its name.
    pub(crate) file: String,
    /// Its version.
    pub(crate) version: String,
    /// Its architecture.
    pub(crate) architecture: String,
    /// The hash of its bytes.
    pub(crate) hash: Hash,
    /// Its length.
    pub(crate) size: u64,
    /// When it was put there.
    pub(crate) added: Timestamp,
    /// The signature that makes it true, or why it is not.
    pub(crate) signed: Result<SignedStatement, String>,
}

/// What a judgement rests on: as long as this stays the same, so does it.
#[derive(Debug, PartialEq, Eq)]
struct Basis {
    size: u64,
    modified: i64,
    signature: String,
    keys: Vec<VerifyingKey>,
}

/// The packages folder.
#[derive(Debug)]
pub(crate) struct Packages {
    dir: PathBuf,
    key_files: Vec<PathBuf>,
    known: Mutex<BTreeMap<String, (Basis, PackageFile)>>,
    /// One look at a time: each reads files through.
    looking: tokio::sync::Mutex<()>,
}

// === impl Packages ===

impl Packages {
    /// The packages in this folder, judged by the keys in these files.
    pub(crate) fn new(dir: PathBuf, key_files: Vec<PathBuf>) -> Arc<Self> {
        Arc::new(Self { dir, key_files, known: Mutex::default(), looking: tokio::sync::Mutex::default() })
    }

    /// Looks what is there now.
    pub(crate) async fn look(self: &Arc<Self>) -> Vec<PackageFile> {
        let _one = self.looking.lock().await;
        let packages = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || packages.scan()).await {
            tracing::error!(%error, "the packages folder could not be looked at");
        }
        self.all()
    }

    /// What was there at the last look.
    pub(crate) fn all(&self) -> Vec<PackageFile> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|(_, package)| package.clone()).collect()
    }

    /// The true package of a version for an architecture.
    pub(crate) fn find(&self, version: &str, architecture: &str) -> Option<SignedStatement> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fitting = known.values().map(|(_, package)| package);
        fitting
            .find(|package| {
                package.version == version && package.architecture == architecture && package.signed.is_ok()
            })?
            .signed
            .clone()
            .ok()
    }

    /// The file of a true package.
    pub(crate) fn path_of(&self, hash: Hash) -> Option<PathBuf> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.values().find(|(_, package)| package.hash == hash && package.signed.is_ok())?;
        Some(self.dir.join(&found.1.file))
    }

    /// Who may make a package true, as far as this manager is concerned.
    fn keys(&self) -> Vec<VerifyingKey> {
        let (keys, wrong) = keys_in(&self.key_files);
        for words in wrong {
            tracing::error!("a file of package keys does not count: {words}");
        }
        keys
    }

    fn scan(&self) {
        let keys = self.keys();
        let mut found = BTreeMap::new();
        for name in names(&self.dir) {
            match self.judge(&name, &keys) {
                Ok(judged) => {
                    found.insert(name, judged);
                }
                // It went meanwhile, or is being written.
                Err(error) => tracing::debug!(%error, name, "a package could not be read"),
            }
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn judge(&self, name: &str, keys: &[VerifyingKey]) -> io::Result<(Basis, PackageFile)> {
        let path = self.dir.join(name);
        let about = std::fs::metadata(&path)?;
        let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let added = Timestamp(i64::try_from(modified.as_micros()).unwrap_or(i64::MAX));
        let basis = Basis {
            size: about.len(),
            modified: added.0,
            signature: signature_text(&self.dir.join(format!("{name}.sig"))),
            keys: keys.to_vec(),
        };
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .and_then(|(before, package)| (*before == basis).then(|| package.clone()));
        if let Some(package) = known {
            return Ok((basis, package));
        }
        let (version, architecture) = parts(name);
        let hash = if basis.size > PACKAGE_BYTES { Hash::of(b"") } else { hash_of(&path)? };
        let signed = verdict(name, &basis, hash);
        let package = PackageFile {
            file: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            hash,
            size: basis.size,
            added,
            signed,
        };
        Ok((basis, package))
    }

    /// Takes a package as it comes, if its signature is true and its bytes are those that were signed.
    pub(crate) async fn take(
        self: &Arc<Self>,
        signature: &str,
        body: impl Stream<Item = Result<Bytes, axum::Error>> + Send,
    ) -> Result<PackageFile, Refused> {
        let untrue = |why: String| {
            let mut refused = Refused::invalid(format!("{why}."));
            refused.code = "package-refused";
            "The package is not one that this manager trusts.".clone_into(&mut refused.title);
            refused
        };
        let signed = SignedStatement::parse(signature).map_err(|error| untrue(error.to_string()))?;
        let statement = signed.verify(&self.keys()).map_err(|error| untrue(error.to_string()))?;
        if statement.package != AGENT {
            return Err(untrue(format!("it is '{}', not the agent's", statement.package)));
        }
        let file = self.dir.join(statement.file_name());
        let part = self.dir.join(format!(".{}.part", uuid::Uuid::now_v7()));
        let written = receive(&part, &statement, body).await;
        let is_here = |package: &PackageFile| {
            package.hash.to_string() == statement.sha256 && package.file == statement.file_name()
        };
        let here = self.look().await.into_iter().find(|package| is_here(package) && package.signed.is_ok());
        let kept = match written {
            Ok(()) if here.is_some() => Ok(()),
            Ok(()) => keep(&part, &file, &signed).await.map_err(|error| unwritable(&error)),
            Err(Broken::File(error)) => Err(unwritable(&error)),
            Err(Broken::Off) => Err(Refused::invalid("The request broke off.")),
            Err(Broken::Another(why)) => Err(untrue(why)),
        };
        if (kept.is_err() || here.is_some())
            && let Err(error) = tokio::fs::remove_file(&part).await
        {
            tracing::debug!(%error, "nothing was left of a package that was not taken");
        }
        kept?;
        self.look().await.into_iter().find(is_here).ok_or_else(|| Refused::not_found("package"))
    }

    /// Removes a package with its signature.
    pub(crate) async fn remove(self: &Arc<Self>, hash: Hash) -> Result<PackageFile, Refused> {
        let found = self.look().await.into_iter().find(|package| package.hash == hash);
        let found = found.ok_or_else(|| Refused::not_found("package"))?;
        for name in [found.file.clone(), format!("{}.sig", found.file)] {
            match tokio::fs::remove_file(self.dir.join(name)).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(&error)),
                _ => {}
            }
        }
        self.look().await;
        Ok(found)
    }
}

/// Why a body did not become a file.
enum Broken {
    File(io::Error),
    Off,
    Another(String),
}

async fn receive(
    part: &Path,
    statement: &Statement,
    body: impl Stream<Item = Result<Bytes, axum::Error>> + Send,
) -> Result<(), Broken> {
    let mut file = tokio::fs::File::create_new(part).await.map_err(Broken::File)?;
    let mut context = Context::new(&SHA256);
    let mut size = 0_u64;
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_broke| Broken::Off)?;
        size = size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if size > statement.size {
            return Err(Broken::Another(format!(
                "it has more than the {} bytes that were signed",
                statement.size
            )));
        }
        context.update(&piece);
        file.write_all(&piece).await.map_err(Broken::File)?;
    }
    file.sync_all().await.map_err(Broken::File)?;
    if size != statement.size || secrets::hex(context.finish().as_ref()) != statement.sha256 {
        return Err(Broken::Another("its bytes are not those that were signed".to_owned()));
    }
    Ok(())
}

/// Puts a whole package and its signature in their places; the package last, for it is looked for first.
async fn keep(part: &Path, file: &Path, signed: &SignedStatement) -> io::Result<()> {
    let mut signature = file.as_os_str().to_owned();
    signature.push(".sig");
    tokio::fs::write(&signature, signed.to_text()).await?;
    tokio::fs::rename(part, file).await
}

fn unwritable(error: &io::Error) -> Refused {
    tracing::error!(%error, "the packages folder cannot be written");
    Refused::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "packages-folder",
        "The packages folder could not be written.",
        "See the manager's log; it needs the right to write there, and room.",
    )
}

/// The verdict on a package, and on its signature.
fn verdict(name: &str, basis: &Basis, hash: Hash) -> Result<SignedStatement, String> {
    if basis.size > PACKAGE_BYTES {
        return Err("it is larger than 256 MiB".to_owned());
    }
    if basis.signature.is_empty() {
        return Err(format!("it has no signature: put {name}.sig beside it"));
    }
    let signed = SignedStatement::parse(&basis.signature).map_err(|error| error.to_string())?;
    let statement = signed.verify(&basis.keys).map_err(|error| error.to_string())?;
    if statement.file_name() != name {
        return Err(format!("it was signed as {}", statement.file_name()));
    }
    if statement.sha256 != hash.to_string() || statement.size != basis.size {
        return Err("its bytes are not those that were signed".to_owned());
    }
    Ok(signed)
}

/// Whether a name is that of an agent package and nothing else: it goes into a path and into a script.
pub(crate) fn is_package(name: &str) -> bool {
    name.starts_with("sakimori-agent_")
        && Path::new(name).extension().is_some_and(|extension| extension == "deb")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+~".contains(&b))
}

/// Version and architecture, as the name says.
fn parts(name: &str) -> (&str, &str) {
    let stem = name.strip_suffix(".deb").unwrap_or(name);
    let rest = stem.split_once('_').map_or("", |(_, rest)| rest);
    rest.rsplit_once('_').unwrap_or((rest, ""))
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().take(FILES).filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_package(name)).collect()
}

fn signature_text(path: &Path) -> String {
    let mut text = String::new();
    let most = u64::try_from(SIGNATURE_FILE_BYTES + 1).unwrap_or(u64::MAX);
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_string(&mut text));
    if read.is_ok() { text } else { String::new() }
}

fn hash_of(path: &Path) -> io::Result<Hash> {
    let mut file = std::fs::File::open(path)?.take(PACKAGE_BYTES);
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        context.update(read);
    }
    secrets::hex(context.finish().as_ref()).parse().map_err(io::Error::other)
}

/// A package as agents fetch it: as it is read, from the byte that they ask for.
pub(crate) async fn serve(path: &Path, headers: &HeaderMap) -> io::Result<Response> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let from = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(first_byte);
    let from = from.filter(|from| *from > 0 && *from < size);
    if let Some(from) = from {
        file.seek(SeekFrom::Start(from)).await?;
    }
    let pieces = stream::unfold(file, async |mut file| {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(Bytes::from(piece)), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let length = size - from.unwrap_or_default();
    let mut response = (
        [
            (header::CONTENT_TYPE, "application/vnd.debian.binary-package".to_owned()),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
        ],
        Body::from_stream(pieces),
    )
        .into_response();
    if let Some(from) = from {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {from}-{}/{size}", size.saturating_sub(1));
        if let Ok(range) = header::HeaderValue::from_str(&range) {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

/// `bytes=N-`, the only part that agents ask for; anything else gets the whole.
fn first_byte(range: &str) -> Option<u64> {
    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_content::SigningKey;

    fn signed(bytes: &[u8], version: &str, key: &SigningKey) -> SignedStatement {
        let statement = Statement {
            package: AGENT.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            size: u64::try_from(bytes.len()).unwrap(),
            sha256: Hash::of(bytes).to_string(),
        };
        SignedStatement::sign(&statement, key).unwrap()
    }

    #[tokio::test]
    async fn a_package_is_judged_by_signature_bytes_and_name() {
        let dir = tempfile::tempdir().unwrap();
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let keys = dir.path().join("keys");
        std::fs::write(&keys, key.verifying_key().to_base64()).unwrap();
        let put = |version: &str, bytes: &[u8], signature: Option<&SignedStatement>| {
            let file = dir.path().join(format!("sakimori-agent_{version}_amd64.deb"));
            std::fs::write(&file, bytes).unwrap();
            if let Some(signature) = signature {
                std::fs::write(format!("{}.sig", file.display()), signature.to_text()).unwrap();
            }
        };
        put("1.0", b"good", Some(&signed(b"good", "1.0", &key)));
        put("1.1", b"evil", Some(&signed(b"good", "1.1", &key)));
        put("1.2", b"good", Some(&signed(b"good", "1.0", &key)));
        put("1.3", b"good", Some(&signed(b"good", "1.3", &other)));
        put("1.4", b"good", None);
        let packages = Packages::new(dir.path().to_owned(), vec![keys.clone()]);
        let all = packages.look().await;
        let reason = |version: &str| {
            let package = all.iter().find(|package| package.version == version).unwrap();
            package.signed.clone().err().unwrap_or_default()
        };
        assert_eq!(reason("1.0"), "");
        assert_eq!(reason("1.1"), "its bytes are not those that were signed");
        assert_eq!(reason("1.2"), "it was signed as sakimori-agent_1.0_amd64.deb");
        assert!(reason("1.3").contains("none of the trusted package keys"));
        assert!(reason("1.4").contains("no signature"));
        assert!(packages.find("1.0", "amd64").is_some() && packages.find("1.3", "amd64").is_none());
        assert!(packages.path_of(Hash::of(b"evil")).is_none());
        // An operator trusts the other signer as well.
        std::fs::write(&keys, format!("{}\n{}\n", key.verifying_key(), other.verifying_key())).unwrap();
        packages.look().await;
        assert!(packages.find("1.3", "amd64").is_some());
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(parts("sakimori-agent_0.2.0-1~rc_amd64.deb"), ("0.2.0-1~rc", "amd64"));
        assert_eq!(parts("sakimori-agent_0.deb"), ("0", ""));
        assert!(!is_package("sakimori-agent_../x.deb") && !is_package("sakimori-agent_1_amd64.deb.sig"));
        assert_eq!(
            (first_byte("bytes=7-"), first_byte("bytes=7-9"), first_byte("7-")),
            (Some(7), None, None)
        );
    }
}
