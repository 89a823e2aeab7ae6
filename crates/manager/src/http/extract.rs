//! Messages as handlers get them: typed, bounded, with every refusal a problem.
use crate::problem::Refused;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse as _, Response};
use sakimori_protocol::paths;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

/// A JSON message.
pub(crate) struct Message<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Message<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json")
            && !kind.eq_ignore_ascii_case("application/merge-patch+json")
        {
            return Err(Refused::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The request is not JSON.",
                "Send Content-Type: application/json.",
            ));
        }
        let bytes = whole(request, state).await?;
        let wrong = |e: serde_json::Error| Refused::invalid(format!("{e}."));
        let mut value = serde_json::from_slice(&bytes).map_err(wrong)?;
        // Derived readers would take a list for an object, member by member.
        if !Value::is_object(&value) {
            return Err(Refused::invalid("The message is not an object: write { … }."));
        }
        // Where nothing was changed, the text itself is read: then what is wrong is told with its line and column.
        let read =
            if settle(&mut value)? { serde_json::from_value(value) } else { serde_json::from_slice(&bytes) };
        read.map(Self).map_err(wrong)
    }
}

/// Writes whole numbers as such: `61.0` is 61 in JSON. Refuses what no database keeps.
fn settle(value: &mut Value) -> Result<bool, Refused> {
    /// Beyond it not every whole number is one of floating point.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let mut changed = false;
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|f| number.is_f64() && f.fract() == 0.0 && f.abs() < EXACT);
            if let Some(whole) = whole {
                #[expect(clippy::cast_possible_truncation, reason = "a whole number within 53 bits")]
                let whole = whole as i64;
                *number = whole.into();
                changed = true;
            }
        }
        Value::String(text) => no_nul(text)?,
        Value::Array(items) => {
            for item in items {
                changed |= settle(item)?;
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                no_nul(name)?;
                changed |= settle(member)?;
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    Ok(changed)
}

/// `PostgreSQL` keeps no U+0000 in texts.
fn no_nul(text: &str) -> Result<(), Refused> {
    if text.contains('\0') { Err(nul()) } else { Ok(()) }
}

fn nul() -> Refused {
    Refused::invalid("A text contains the character U+0000: leave it out.")
}

/// The whole of a message's body.
pub(crate) async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refused> {
    // What is sent of it is read away where the answer goes out: who is cut off while sending does not read it.
    if says_too_much(request.headers()) {
        return Err(refuse_too_large());
    }
    Bytes::from_request(request, state).await.map_err(|e| too_large(&e))
}

/// Why a body could not be read.
pub(crate) fn too_large(rejection: &BytesRejection) -> Refused {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return refuse_too_large();
    }
    Refused::invalid("The request broke off.")
}

fn refuse_too_large() -> Refused {
    let detail = "Send less at once.";
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large.", detail)
}

fn says_too_much(headers: &HeaderMap) -> bool {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length > paths::MESSAGE_BYTES)
}

/// Query parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(nul());
        }
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|e: QueryRejection| {
            let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            Refused::invalid(format!("{why}."))
        })
    }
}

/// The id in the path, with what else stands there. One that is no UUID names nothing.
pub(crate) struct Id<T = Uuid>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        if parts.uri.path().contains("%00") {
            return Err(Refused::not_found("object"));
        }
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(id)| Self(id)).map_err(|_e| Refused::not_found("object"))
    }
}

/// How long a part of a list is.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Refused> {
    match asked.unwrap_or(100) {
        limit @ 1..=500 => Ok(limit),
        _ => Err(Refused::invalid("limit is a number from 1 to 500.")),
    }
}

/// Cuts a list that was read one longer than asked for; the key of its last member where more follows.
pub(crate) fn page<T>(mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> String) -> sakimori_api::Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(key);
    sakimori_api::Page { items, next_cursor }
}

/// The revision that the caller has read, where it says one.
pub(crate) fn check_if_match(headers: &HeaderMap, etag: &str) -> Result<(), Refused> {
    let Some(given) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    if given
        .split(',')
        .map(str::trim)
        .any(|one| one == "*" || one == etag || one.trim_matches('"') == etag.trim_matches('"'))
    {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::PRECONDITION_FAILED,
        "changed-meanwhile",
        "Somebody else has changed it meanwhile.",
        "Read it again, apply your change to what is there now, and send its new etag.",
    ))
}

/// An object with the etag of its revision as a header too.
pub(crate) fn with_etag(status: StatusCode, etag: &str, object: &impl Serialize) -> Response {
    let mut response = (status, Json(object)).into_response();
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// A name that a person gives.
pub(crate) fn name(pointer: &str, text: &str) -> Result<String, Refused> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().count() > 128 || trimmed.chars().any(char::is_control) {
        return Err(Refused::field(
            pointer,
            "not-a-name",
            "A name has 1 to 128 characters, none of them control characters.",
        ));
    }
    Ok(trimmed.to_owned())
}

/// A tag of a computer: a key, and a value that may be empty.
pub(crate) fn check_tag(pointer: &str, key: &str, value: &str) -> Result<(), Refused> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    let key_fits = !key.is_empty() && key.chars().count() <= 64 && key.chars().all(fits);
    if !key_fits || value.chars().count() > 256 || value.chars().any(char::is_control) {
        let message = "A tag's key has 1 to 64 letters, digits and -_.:/; its value at most 256 characters.";
        return Err(Refused::field(pointer, "not-a-tag", message));
    }
    Ok(())
}
