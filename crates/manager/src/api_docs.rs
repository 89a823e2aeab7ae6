//! The page that shows the REST interface: `/api/docs`, made in the browser from the `OpenAPI` document.
//!
//! Three files of the manager's own, without a library: nothing is fetched from elsewhere, and no script or style
//! stands in the page, so the policy that every answer carries holds for it too.
use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;

const PAGE: &str = include_str!("api_docs/index.html");
const SCRIPT: &str = include_str!("api_docs/docs.js");
const STYLE: &str = include_str!("api_docs/docs.css");

/// The page and its files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |kind: &'static str, text: &'static str| get(async move || (head(kind), text));
    Router::new()
        .route("/api/docs", file("text/html; charset=utf-8", PAGE))
        .route("/api/docs/docs.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/api/docs/docs.css", file("text/css; charset=utf-8", STYLE))
}

fn head(kind: &'static str) -> [(HeaderName, &'static str); 2] {
    [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")]
}
