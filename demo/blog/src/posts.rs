//! The posts and their REST route, with the flaw of CVE-2017-1001000.
//!
//! The flaw, as in `WordPress` 4.7.0 and 4.7.1: the id may come in the query or in the body and then
//! replaces the one of the path. The permission check looks the post up by the id as it was
//! sent; `1abc` is no post, so there is nothing to check. The update then casts the id to a
//! number, and `1abc` becomes 1.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Blog;

/// The REST route of one post, in the form that is sent as `rest_route`.
const ROUTE: &str = "/wp/v2/posts/";

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Post {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) content: String,
}

/// The blog's posts, in memory.
#[derive(Debug)]
pub(crate) struct Posts(Mutex<BTreeMap<u64, Post>>);

impl Posts {
    pub(crate) fn fresh() -> Self {
        Self(Mutex::new(original()))
    }

    pub(crate) fn restore(&self) {
        *self.lock() = original();
    }

    pub(crate) fn all(&self) -> Vec<Post> {
        self.lock().values().cloned().collect()
    }

    fn one(&self, id: u64) -> Option<Post> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Post>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn original() -> BTreeMap<u64, Post> {
    [
        (
            1,
            "The border guards of the east",
            "From the seventh century on, men of the eastern provinces were sent to guard the coast of Kyushu. They were called sakimori. Their songs are kept in the Man'yoshu.",
        ),
        (2, "Opening hours in winter", "The museum is open from nine to four; on Mondays it is closed."),
    ]
    .into_iter()
    .map(|(id, title, content)| (id, Post { id, title: title.to_owned(), content: content.to_owned() }))
    .collect()
}

pub(crate) async fn list(State(blog): State<Arc<Blog>>) -> Json<Vec<Post>> {
    Json(blog.posts.all())
}

pub(crate) async fn read(State(blog): State<Arc<Blog>>, Path(id): Path<String>) -> Response {
    match blog.posts.one(cast(&id)) {
        Some(post) => Json(post).into_response(),
        None => not_found(),
    }
}

pub(crate) async fn write(
    State(blog): State<Arc<Blog>>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    update(&blog, &id, query, &headers, &body)
}

pub(crate) async fn read_by_query(
    State(blog): State<Arc<Blog>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    match query.get("rest_route").and_then(|route| route.strip_prefix(ROUTE)) {
        Some(id) => match blog.posts.one(cast(id)) {
            Some(post) => Json(post).into_response(),
            None => not_found(),
        },
        None => crate::pages::front(State(blog)).await.into_response(),
    }
}

pub(crate) async fn write_by_query(
    State(blog): State<Arc<Blog>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match query.get("rest_route").and_then(|route| route.strip_prefix(ROUTE)).map(str::to_owned) {
        Some(id) => update(&blog, &id, query, &headers, &body),
        None => not_found(),
    }
}

fn update(
    blog: &Blog,
    path_id: &str,
    query: BTreeMap<String, String>,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let mut parameters: Map<String, Value> = Map::new();
    parameters.insert("id".to_owned(), path_id.into());
    parameters.extend(query.into_iter().map(|(name, value)| (name, value.into())));
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if is_json {
        match serde_json::from_slice::<Map<String, Value>>(body) {
            Ok(fields) => parameters.extend(fields),
            Err(error) => {
                let answer = json!({"code": "rest_invalid_json", "message": error.to_string()});
                return (StatusCode::BAD_REQUEST, Json(answer)).into_response();
            }
        }
    }
    let id = match parameters.get("id") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return not_found(),
    };
    // The check: nobody is logged in here, so a post that is found may not be edited.
    if id.parse::<u64>().is_ok_and(|id| blog.posts.one(id).is_some()) {
        let answer =
            json!({"code": "rest_cannot_edit", "message": "Sorry, you are not allowed to edit this post."});
        return (StatusCode::UNAUTHORIZED, Json(answer)).into_response();
    }
    // The flaw: the update means another post than the check did.
    let mut posts = blog.posts.lock();
    let Some(post) = posts.get_mut(&cast(&id)) else {
        return not_found();
    };
    if let Some(Value::String(title)) = parameters.get("title") {
        post.title.clone_from(title);
    }
    if let Some(Value::String(content)) = parameters.get("content") {
        post.content.clone_from(content);
    }
    Json(post.clone()).into_response()
}

/// PHP's cast of a string to a number: the digits it starts with, or 0.
fn cast(id: &str) -> u64 {
    id.chars()
        .map_while(|character| character.to_digit(10))
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit)))
}

fn not_found() -> Response {
    let answer = json!({"code": "rest_post_invalid_id", "message": "Invalid post ID."});
    (StatusCode::NOT_FOUND, Json(answer)).into_response()
}

#[cfg(test)]
mod tests {
    use super::cast;

    #[test]
    fn cast_takes_leading_digits() {
        assert_eq!(cast("1abc"), 1);
        assert_eq!(cast("12"), 12);
        assert_eq!(cast("abc"), 0);
        assert_eq!(cast("99999999999999999999999"), u64::MAX);
    }
}
