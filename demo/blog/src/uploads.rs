//! The upload hole, shaped like CVE-2020-25213: the connector of a file manager's library was
//! reachable without any log-in.
//!
//! Files are kept as text in one folder under a name without path; none is ever run.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Json;
use axum::extract::{Multipart, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::Blog;

/// Where the vulnerable connector is reached.
pub(crate) const CONNECTOR: &str = "/wp-content/plugins/wp-file-manager/lib/php/connector.minimal.php";

/// Largest stored file, in bytes: a marker is a line of text.
const FILE_BYTES: usize = 4096;
/// Most stored files.
const FILES: usize = 16;

/// The folder of uploaded files.
#[derive(Debug)]
pub(crate) struct Uploads(PathBuf);

impl Uploads {
    pub(crate) fn open(folder: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// Removes everything that was uploaded.
    pub(crate) fn clear(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.0)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    fn store(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        if bytes.len() > FILE_BYTES || std::fs::read_dir(&self.0)?.count() >= FILES {
            return Err(std::io::Error::other("the upload folder is full or the file too big"));
        }
        std::fs::write(self.0.join(name), bytes)
    }
}

/// A file name that cannot leave the folder.
fn safe_name(name: &str) -> Option<&str> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('.')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "._-".contains(character));
    fits.then_some(name)
}

pub(crate) async fn connector(State(blog): State<Arc<Blog>>, mut form: Multipart) -> Response {
    let mut command = String::new();
    let mut files = Vec::new();
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let bytes = match field.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        };
        match (name.as_str(), file_name) {
            ("cmd", _) => command = String::from_utf8_lossy(&bytes).into_owned(),
            ("upload[]", Some(file_name)) => files.push((file_name, bytes)),
            _ => {}
        }
    }
    if command != "upload" {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": ["errUnknownCmd"]}))).into_response();
    }
    let mut added = Vec::new();
    for (name, bytes) in &files {
        let Some(name) = safe_name(name) else {
            return (StatusCode::BAD_REQUEST, Json(json!({"error": ["errInvName"]}))).into_response();
        };
        if let Err(error) = blog.uploads.store(name, bytes) {
            return (StatusCode::INSUFFICIENT_STORAGE, error.to_string()).into_response();
        }
        added.push(json!({"name": name, "size": bytes.len()}));
    }
    Json(json!({"added": added})).into_response()
}

pub(crate) async fn file(State(blog): State<Arc<Blog>>, Path(name): Path<String>) -> Response {
    let text = safe_name(&name).and_then(|name| std::fs::read_to_string(blog.uploads.0.join(name)).ok());
    match text {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::safe_name;

    #[test]
    fn names_stay_in_the_folder() {
        assert_eq!(safe_name("marker.php"), Some("marker.php"));
        for name in ["", "..", "../x", "/etc/passwd", "a/b", ".htaccess", "a\0b"] {
            assert_eq!(safe_name(name), None, "{name:?}");
        }
    }
}
