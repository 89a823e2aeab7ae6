//! The console's files: in the binary, or from a folder while somebody works on them.
use crate::app::App;
use crate::problem::Refused;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::path::{Component, Path};
use std::sync::Arc;

// FILES: &[(&str, &[u8])], made by build.rs from console/dist, or a page that says that it was not built.
include!(concat!(env!("OUT_DIR"), "/console_files.rs"));

/// Bound of one file.
const FILE_BYTES: u64 = 32 << 20;

/// Answers everything that is not API with a file; a path without one is a page of the console.
///
/// A file that the console's build has compressed (`name.gz` beside it) is sent so to a browser that takes it.
pub(crate) async fn serve(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path().trim_start_matches('/');
    let reserved = ["api", "agent", "health", "deploy", "packages", "metrics"];
    if path.split('/').next().is_some_and(|first| reserved.contains(&first)) {
        return Refused::not_found("resource").into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        let detail = "Pages are only read.";
        return Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Not that way.", detail)
            .into_response();
    }
    let is_page = path.rsplit('/').next().is_none_or(|last| !last.contains('.'));
    let found = match file(&app, path).await {
        Some(bytes) => Some((path, bytes)),
        None if is_page => file(&app, "index.html").await.map(|bytes| ("index.html", bytes)),
        None => None,
    };
    let Some((name, bytes)) = found else { return Refused::not_found("file").into_response() };
    let compressed = if takes_gzip(&headers) { file(&app, &format!("{name}.gz")).await } else { None };
    let encoded = compressed.is_some();
    let bytes = compressed.unwrap_or(bytes);
    // Files in assets/ carry a hash of their content in their name.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if encoded {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether the browser takes gzip; one that refuses it by `q=0` does not.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let refused = ["q=0", "q=0.0", "q=0.00", "q=0.000"];
        parts.next() == Some("gzip") && parts.next().is_none_or(|quality| !refused.contains(&quality))
    })
}

async fn file(app: &App, path: &str) -> Option<axum::body::Bytes> {
    if path.is_empty() {
        return None;
    }
    let Some(dist) = &app.console_dist else {
        let found = FILES.iter().find(|(name, _)| *name == path);
        return found.map(|(_, bytes)| axum::body::Bytes::from_static(bytes));
    };
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    read_capped(&dist.join(path)).await
}

async fn read_capped(path: &Path) -> Option<axum::body::Bytes> {
    let size = tokio::fs::metadata(path).await.ok().filter(std::fs::Metadata::is_file)?.len();
    if size > FILE_BYTES {
        return None;
    }
    tokio::fs::read(path).await.ok().map(Into::into)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
