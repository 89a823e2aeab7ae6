//! What every request of the REST interface passes before its handler: who asks, how often, and whether it is asked
//! for the second time.
use super::auth::{self, Identified};
use super::idempotency;
use crate::app::App;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

pub(super) async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let found = auth::identify(&app, &parts).await;
    let (told, within) = match &found {
        Ok(caller) => app.limits.count(caller.principal()),
        Err(_) => (HeaderMap::new(), Ok(())),
    };
    let mut response = match (within, found) {
        (Err(refused), _) => refused.into_response(),
        (Ok(()), Ok(caller))
            if parts.method == Method::POST
                && parts.headers.contains_key(idempotency::HEADER)
                && !is_upload(&parts) =>
        {
            let request = Request::from_parts(parts, body);
            idempotency::once(&app, caller, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        (Ok(()), found) => {
            parts.extensions.insert(Identified(found));
            next.run(Request::from_parts(parts, body)).await
        }
    };
    response.headers_mut().extend(told);
    response
}

/// A package is known by its hash, so that one that comes again makes nothing; it is too long to be held in memory.
fn is_upload(parts: &Parts) -> bool {
    parts.uri.path().ends_with("/agent-packages")
}
