//! The deployment script and the packages that it fetches.
use crate::app::{App, authority_of};
use crate::problem::Refused;
use crate::secrets;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

const SCRIPT: &str = include_str!("deploy/linux.sh");
/// Bound of a package.
const PACKAGE_BYTES: u64 = 256 << 20;

/// The deployment script, with the manager's pins and the packages' hashes written in.
pub(crate) async fn linux_script(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let mut cases = String::new();
    for (name, sum) in packages(&app.packages).await {
        let Some(architecture) = name.strip_suffix(".deb").and_then(|stem| stem.rsplit('_').next()) else {
            continue;
        };
        // Writing to a String never fails.
        let _never = writeln!(cases, "        {architecture}) package='{name}'; sha256='{sum}' ;;");
    }
    let url = format!("https://{}", authority_of(app.host_used(&headers), app.public_port));
    let script = SCRIPT
        .replace("@MANAGER@", &url)
        .replace("@TLS_PIN@", &app.authority.tls_pin())
        .replace("@CA_PIN@", &app.authority.ca_pin())
        .replace("        @PACKAGES@\n", &cases);
    let kind =
        [(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((kind, script).into_response())
}

/// A package or its signature.
pub(crate) async fn package(
    State(app): State<Arc<App>>,
    UrlPath(name): UrlPath<String>,
) -> Result<Response, Refused> {
    let known = is_package(name.strip_suffix(".sig").unwrap_or(&name));
    let bytes = if known { read(&app.packages.join(&name)).await } else { None };
    let bytes = bytes.ok_or_else(|| Refused::not_found("package"))?;
    let mut response = bytes.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.debian.binary-package"));
    Ok(response)
}

/// Whether a name is that of an agent package and nothing else: it goes into a path and into a script.
fn is_package(name: &str) -> bool {
    name.starts_with("sakimori-agent_")
        && Path::new(name).extension().is_some_and(|extension| extension == "deb")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+~".contains(&b))
}

/// The packages and their SHA-256; of several versions for one architecture the last by name.
async fn packages(dir: &Path) -> Vec<(String, String)> {
    let mut names = Vec::new();
    if let Ok(mut entries) = tokio::fs::read_dir(dir).await {
        while let Ok(Some(entry)) = entries.next_entry().await {
            names.extend(entry.file_name().to_str().filter(|name| is_package(name)).map(str::to_owned));
        }
    }
    names.sort_by(|a, b| b.cmp(a));
    let architecture = |name: &str| name.rsplit('_').next().unwrap_or_default().to_owned();
    let mut sums: Vec<(String, String)> = Vec::new();
    for name in names {
        if sums.iter().any(|(kept, _)| architecture(kept) == architecture(&name)) {
            continue;
        }
        if let Some(bytes) = read(&dir.join(&name)).await {
            let sum = tokio::task::spawn_blocking(move || {
                secrets::hex(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref())
            });
            sums.extend(sum.await.ok().map(|sum| (name, sum)));
        }
    }
    sums
}

async fn read(path: &Path) -> Option<Vec<u8>> {
    let size = tokio::fs::metadata(path).await.ok().filter(std::fs::Metadata::is_file)?.len();
    if size > PACKAGE_BYTES {
        return None;
    }
    tokio::fs::read(path).await.ok()
}
