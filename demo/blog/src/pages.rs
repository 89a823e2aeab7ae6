//! The page that visitors read, and the way back to the original text.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Html;

use crate::Blog;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes from the coast</title>
<style>
body { font: 18px/1.6 Georgia, serif; color: #222; background: #f7f4ee; margin: 0 auto; max-width: 42rem; padding: 2rem 1.5rem; }
header { border-bottom: 3px double #8a2b20; margin-bottom: 2rem; }
h1 { letter-spacing: .02em; margin: 0; } header p { color: #666; margin-top: .2rem; }
article { background: #fff; border: 1px solid #e4ddcf; padding: 1rem 1.5rem; margin-bottom: 1.5rem; }
h2 { color: #8a2b20; margin-top: 0; }
footer { color: #888; font-size: .8em; }
</style>
</head>
<body>
<header><h1>Notes from the coast</h1><p>A small blog about old border guards</p></header>
<main>
"#;
const TAIL: &str =
    "</main>\n<footer>Vulnerable on purpose: part of a demonstration.</footer>\n</body>\n</html>\n";

/// The front page with every post.
pub(crate) async fn front(State(blog): State<Arc<Blog>>) -> Html<String> {
    let mut page = HEAD.to_owned();
    for post in blog.posts.all() {
        // A `String` takes any text: the result says nothing.
        let _written = writeln!(
            page,
            "<article id=\"post-{}\">\n<h2>{}</h2>\n<p>{}</p>\n</article>",
            post.id,
            escape(&post.title),
            escape(&post.content)
        );
    }
    page.push_str(TAIL);
    Html(page)
}

/// The page of the folder that visitors may read.
const ABOUT: &str = "about.html";
/// As it was written.
const ABOUT_TEXT: &str =
    "<!doctype html>\n<title>About</title>\n<p>Notes on the coast guards of Kyushu.</p>\n";

/// Makes the folder of pages.
pub(crate) fn open(folder: PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    std::fs::write(folder.join(ABOUT), ABOUT_TEXT).with_context(|| format!("writing {ABOUT}"))?;
    Ok(folder)
}

/// A page as it lies in the folder.
pub(crate) async fn about(State(blog): State<Arc<Blog>>) -> Result<Html<String>, StatusCode> {
    std::fs::read_to_string(blog.pages.join(ABOUT)).map(Html).map_err(|_gone| StatusCode::NOT_FOUND)
}

/// The log-in's form.
pub(crate) async fn log_in_form() -> Html<&'static str> {
    Html(
        "<!doctype html>\n<form method=\"post\"><input name=\"log\"><input name=\"pwd\" type=\"password\"></form>\n",
    )
}

/// No password is the right one. As `WordPress` does, it says so with a page of status 200.
pub(crate) async fn log_in() -> Html<&'static str> {
    Html("<!doctype html>\n<p>Error: The password you entered is incorrect.</p>\n")
}

/// Puts the original posts back and removes every upload.
pub(crate) async fn restore(State(blog): State<Arc<Blog>>, headers: HeaderMap) -> (StatusCode, &'static str) {
    let given = headers.get("x-restore-secret").map_or(&b""[..], |value| value.as_bytes());
    if given != blog.restore_secret.as_bytes() {
        return (StatusCode::FORBIDDEN, "the restore secret is missing or wrong\n");
    }
    blog.posts.restore();
    if std::fs::write(blog.pages.join(ABOUT), ABOUT_TEXT).is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written\n");
    }
    match blog.uploads.clear() {
        Ok(()) => (StatusCode::OK, "restored\n"),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the upload folder could not be emptied\n"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
