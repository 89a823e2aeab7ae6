//! A deliberately vulnerable blog: the target of the attack demo, and of nothing else.
//!
//! It re-creates two published, widely exploited holes with the shape of their requests:
//! CVE-2017-1001000 (the REST route for posts checks permissions of the id as it was sent, and
//! updates the post of the id as a number) and CVE-2020-25213 (a file manager's connector takes
//! uploads from anybody). What an attacker can reach through them is kept harmless: the text of a
//! post in memory, and a small text file in a folder given on the command line; nothing uploaded is ever run. Its
//! log-in lets nobody in.
#![forbid(unsafe_code)]

mod access_log;
mod pages;
mod posts;
mod uploads;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use clap::Parser;
use tokio::net::TcpListener;

/// Largest request body, in bytes: a post or a marker file is far smaller.
const BODY_BYTES: usize = 1 << 20;

/// A deliberately vulnerable blog for the Sakimori demo.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address and port to listen on; there is no default.
    #[arg(long)]
    listen: SocketAddr,
    /// Folder that takes the uploads; made when absent.
    #[arg(long)]
    uploads: PathBuf,
    /// Folder of pages that are served as they lie there: `about.html`; made when absent.
    #[arg(long)]
    pages: PathBuf,
    /// File that takes a line for each request, in the combined format.
    #[arg(long)]
    access_log: Option<PathBuf>,
    /// File with the secret that `POST /restore` wants in its `x-restore-secret` header.
    #[arg(long)]
    restore_secret_file: PathBuf,
    /// File to write the blog's name and version to, where an inventory of installed software finds them: best
    /// `sakimori-application.json` in the blog's folder.
    #[arg(long)]
    manifest: Option<PathBuf>,
    /// Confirms that the listener cannot be reached by strangers.
    #[arg(long)]
    i_know_this_is_vulnerable: bool,
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Blog {
    posts: posts::Posts,
    uploads: uploads::Uploads,
    pages: PathBuf,
    access_log: Option<access_log::AccessLog>,
    restore_secret: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if !arguments.i_know_this_is_vulnerable {
        bail!(
            "this blog is vulnerable on purpose; run it only where strangers cannot reach it, and say so with --i-know-this-is-vulnerable"
        );
    }
    if arguments.listen.ip().is_unspecified() {
        bail!("give --listen one address of a closed network, not every address of the machine");
    }
    let restore_secret = std::fs::read_to_string(&arguments.restore_secret_file)
        .with_context(|| format!("reading {}", arguments.restore_secret_file.display()))?
        .trim()
        .to_owned();
    if restore_secret.len() < 16 {
        bail!("the secret in {} must have 16 characters or more", arguments.restore_secret_file.display());
    }
    if let Some(path) = &arguments.manifest {
        let manifest = serde_json::json!({
            "name": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "title": "A deliberately vulnerable blog",
        });
        std::fs::write(path, manifest.to_string()).with_context(|| format!("writing {}", path.display()))?;
    }
    let blog = Arc::new(Blog {
        posts: posts::Posts::fresh(),
        uploads: uploads::Uploads::open(arguments.uploads)?,
        pages: pages::open(arguments.pages)?,
        access_log: arguments.access_log.map(|path| access_log::AccessLog::open(&path)).transpose()?,
        restore_secret,
    });
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(arguments.listen)
            .await
            .with_context(|| format!("listening on {}", arguments.listen))?;
        let service = router(blog).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await.context("serving")
    })
}

fn router(blog: Arc<Blog>) -> Router {
    Router::new()
        .route("/", get(pages::front))
        .route("/about.html", get(pages::about))
        .route("/wp-login.php", get(pages::log_in_form).post(pages::log_in))
        .route("/restore", post(pages::restore))
        .route("/index.php", get(posts::read_by_query).post(posts::write_by_query))
        .route("/wp-json/wp/v2/posts", get(posts::list))
        .route("/wp-json/wp/v2/posts/{id}", get(posts::read).post(posts::write).put(posts::write))
        .route(uploads::CONNECTOR, post(uploads::connector))
        .route("/wp-content/plugins/wp-file-manager/lib/files/{name}", get(uploads::file))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&blog), access_log::note))
        .with_state(blog)
}
