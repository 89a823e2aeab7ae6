//! A POST with an `Idempotency-Key` is carried out once; sent again within 24 hours it gets the same answer.
//!
//! After draft-ietf-httpapi-idempotency-key-header-08. Answers may hold a secret that is shown once, so they are kept
//! sealed: only the key or session that asked can open them. A refusal is not kept, for it made nothing.
use super::auth::{Caller, Identified, credential};
use crate::app::App;
use crate::problem::Refused;
use crate::secrets;
use crate::store::{Claim, Claimed, TenantCtx};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use uuid::Uuid;

/// The request's header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const KEY_BYTES: usize = 255;
/// Longest answer that is kept.
const ANSWER_BYTES: usize = 1 << 20;
/// What is kept of an answer's head.
const HEADS: [HeaderName; 4] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION, header::RETRY_AFTER];

/// Carries a request out, unless that was done.
pub(super) async fn once(
    app: &Arc<App>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let key = key(request.headers().get(HEADER).map(HeaderValue::as_bytes).unwrap_or_default())?;
    let secret = credential(request.headers()).unwrap_or_default().to_owned();
    let (mut parts, body) = request.into_parts();
    let body = super::extract::whole(Request::from_parts(parts.clone(), body), app).await?;
    let kind = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let claim = Claim {
        id: Uuid::now_v7(),
        key_hash: secrets::digest(&key),
        request_hash: secrets::digest_of(&[parts.method.as_str().as_bytes(), target.as_bytes(), kind, &body]),
    };
    let ctx = caller.ctx().clone();
    match app.store.request_claim(&ctx, &claim, app.clock.now()).await? {
        Claimed::New => {}
        Claimed::Answered(sealed) => {
            let answer = secrets::open(&secret, &key, &sealed).and_then(|answer| unpacked(&answer));
            return answer.ok_or_else(|| {
                Refused::conflict(
                    "answered-to-another",
                    "The request was carried out for another session of yours, which alone can see its answer.",
                    "Read what it made; to make another one, send another Idempotency-Key.",
                )
            });
        }
        Claimed::Made => {
            return Err(Refused::conflict(
                "answer-lost",
                "The request was carried out, but its answer is not kept.",
                "Read what it made; to make another one, send another Idempotency-Key.",
            ));
        }
        Claimed::Running => {
            let mut refused = Refused::conflict(
                "still-running",
                "The same request is still being carried out.",
                "Send it again in a few seconds.",
            );
            refused.retry_after = Some(2);
            return Err(refused);
        }
        Claimed::Other => {
            return Err(Refused::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "This Idempotency-Key was used for another request.",
                "Use a new key, such as a random UUID, for each request that is not a repetition.",
            ));
        }
        Claimed::TooMany => {
            let mut refused = Refused::new(
                StatusCode::TOO_MANY_REQUESTS,
                "idempotency-keys-exhausted",
                "10,000 requests with an Idempotency-Key were made within 24 hours.",
                "Wait, or send the request without the key.",
            );
            refused.retry_after = Some(3_600);
            return Err(refused);
        }
    }
    parts.extensions.insert(Identified(Ok(caller.claiming(claim.id))));
    let app = Arc::clone(app);
    // On its own, so that a caller who hangs up finds the answer when asking again.
    let work = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        kept(&app, &ctx, claim.id, (&secret, &key), response).await
    });
    work.await?
}

/// The key, bare or as a string of structured fields.
fn key(bytes: &[u8]) -> Result<String, Refused> {
    let key = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if key.is_empty() || key.len() > KEY_BYTES || !key.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
        return Err(Refused::new(
            StatusCode::BAD_REQUEST,
            "idempotency-key",
            "The Idempotency-Key is not valid.",
            "Send 1 to 255 visible characters, such as a random UUID.",
        ));
    }
    Ok(key.to_owned())
}

/// Notes what became of the request.
async fn kept(
    app: &App,
    ctx: &TenantCtx,
    claim: Uuid,
    (secret, key): (&str, &str),
    response: Response,
) -> Result<Response, Refused> {
    let now = app.clock.now();
    if !response.status().is_success() {
        app.store.request_refused(ctx, claim, now).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, ANSWER_BYTES).await else {
        app.store.request_answered(ctx, claim, None, now).await?;
        return Err(Refused::conflict(
            "answer-too-long",
            "The request was carried out, but its answer is too long to be kept for an Idempotency-Key.",
            "Read what it made; send such requests without the key.",
        ));
    };
    let sealed = secrets::seal(secret, key, &packed(parts.status, &parts.headers, &body)?)?;
    app.store.request_answered(ctx, claim, Some(sealed), now).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// An answer as bytes: its status and head in a line of JSON, then its body.
fn packed(
    status: StatusCode,
    headers: &header::HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, serde_json::Error> {
    let value =
        |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut bytes = serde_json::to_vec(&(status.as_u16(), HEADS.each_ref().map(value)))?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    Ok(bytes)
}

fn unpacked(bytes: &[u8]) -> Option<Response> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let (head, body) = bytes.split_at_checked(end)?;
    let (status, values): (u16, [Option<String>; 4]) = serde_json::from_slice(head).ok()?;
    let mut response = Body::from(body.get(1..)?.to_owned()).into_response();
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in HEADS.into_iter().zip(values) {
        if let Some(value) = value {
            response.headers_mut().insert(name, HeaderValue::from_str(&value).ok()?);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Some(response)
}
