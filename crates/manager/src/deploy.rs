//! The deployment script and the packages that it fetches.
use crate::app::{App, authority_of};
use crate::packages::{self, PackageFile, is_package};
use crate::problem::Refused;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use sakimori_recommend::version::debian;
use std::fmt::Write as _;
use std::sync::Arc;

const SCRIPT: &str = include_str!("deploy/linux.sh");

/// The deployment script, with the manager's pins and the packages' hashes written in.
pub(crate) async fn linux_script(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let mut cases = String::new();
    for package in offered(app.agent_packages.look().await) {
        let PackageFile { architecture, file, hash, .. } = package;
        // Writing to a String never fails.
        let _never = writeln!(cases, "        {architecture}) package='{file}'; sha256='{hash}' ;;");
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
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if !is_package(name.strip_suffix(".sig").unwrap_or(&name)) {
        return Err(Refused::not_found("package"));
    }
    packages::serve(&app.packages.join(&name), &headers).await.map_err(|_e| Refused::not_found("package"))
}

/// For each architecture the newest package: of those that are true, where any is.
fn offered(mut all: Vec<PackageFile>) -> Vec<PackageFile> {
    all.retain(|package| !package.architecture.is_empty());
    all.sort_by(|a, b| {
        let by_truth = b.signed.is_ok().cmp(&a.signed.is_ok());
        a.architecture.cmp(&b.architecture).then(by_truth).then_with(|| debian(&b.version, &a.version))
    });
    all.dedup_by(|later, first| later.architecture == first.architecture);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_content::package::SignedStatement;
    use sakimori_model::Timestamp;
    use sakimori_protocol::Hash;

    #[test]
    fn the_newest_true_package_is_offered() {
        let package = |version: &str, architecture: &str, signed: bool| PackageFile {
            file: String::new(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            hash: Hash::of(b""),
            size: 1,
            added: Timestamp(0),
            signed: if signed {
                Ok(SignedStatement { statement: String::new(), signature: String::new() })
            } else {
                Err(String::new())
            },
        };
        let all = vec![
            package("0.9.0", "amd64", true),
            package("0.10.0", "amd64", true),
            package("0.11.0", "amd64", false),
            package("0.1.0", "arm64", false),
            package("0.2.0", "arm64", false),
            package("1", "", true),
        ];
        let offered: Vec<String> = offered(all).into_iter().map(|one| one.version).collect();
        assert_eq!(offered, ["0.10.0", "0.2.0"]);
    }
}
