//! Newer rules: looked for where the manager was told to look, checked, and put in force whole or not at all.
//!
//! A setting of the first tenant says which pack is in force; the pack itself lies among the blobs, so that every manager
//! of the database, and this one after a restart, has the same. A product that brings newer rules than those wins.
//! Where they come from and who signs them is said by who runs the manager, not by its users: it is read by the manager.
use super::{Content, ContentFile};
use crate::app::App;
use crate::inventories;
use crate::outgoing::{self, causes};
use crate::problem::Refused;
use crate::store::{CONTENT, Change, Store, StoreError, TenantCtx};
use reqwest::StatusCode;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use sakimori_api::Rule;
use sakimori_content::{ARCHIVE_BYTES, Info, Pack, SignedPack, VerifyingKey};
use sakimori_model::Timestamp;
use sakimori_protocol::Hash;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A source has this long for a pack: 64 MiB over a line of 5 Mbit/s.
const PATIENCE: Duration = Duration::from_mins(2);
/// Rules of each kind of change that are named in words.
const NAMED: usize = 20;

/// Where newer rules come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// A URL, a file, or a folder that holds a file with the pack's name and the ending `json`.
    pub place: String,
    /// Who signs them.
    pub key: VerifyingKey,
}

/// What the setting says of the pack in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    name: String,
    pub(crate) version: u64,
    /// Names the pack among the blobs.
    pack: String,
    /// Names where it came from.
    source: String,
    /// What the source called it.
    etag: Option<String>,
    /// When it came.
    pub(crate) at: i64,
}

/// What a source gave.
#[derive(Debug, PartialEq, Eq)]
enum Fetched {
    Unchanged,
    Pack { text: Vec<u8>, etag: Option<String> },
}

/// What an update does to the rules, by sid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Changes {
    added: Vec<u32>,
    changed: Vec<u32>,
    removed: Vec<u32>,
}

/// What is kept of the pack in force; nothing where it came with the product.
pub(crate) async fn kept(store: &Store, first: &TenantCtx) -> Result<Option<Kept>, StoreError> {
    let text = store.setting(first, CONTENT).await?;
    text.map(|text| serde_json::from_str(&text).map_err(|e| StoreError::Damaged("setting.content", e)))
        .transpose()
}

/// The newest of the content that is there and the one that is kept.
pub(crate) async fn newest(store: &Store, first: &TenantCtx, there: Content) -> Result<Content, StoreError> {
    let Some(kept) = kept(store, first).await? else { return Ok(there) };
    if !there.info.as_ref().is_some_and(|info| info.name == kept.name && info.version < kept.version) {
        return Ok(there);
    }
    let text = store.blob(&kept.pack).await?.unwrap_or_default();
    let read = serde_json::from_slice::<Pack>(&text).map_err(|e| e.to_string());
    match read.and_then(|pack| there.with_pack(&pack)) {
        Ok(newer) => Ok(newer),
        Err(error) => {
            tracing::error!(%error, version = kept.version, "the rules of the last update cannot be used: older ones are");
            Ok(there)
        }
    }
}

/// Keeps a content's files where agents get them.
pub(crate) async fn put_files(store: &Store, content: &Content, now: Timestamp) -> Result<(), StoreError> {
    for ContentFile { blob, text, .. } in &content.files {
        store.put_blob(&blob.hash.to_string(), text, now).await?;
    }
    Ok(())
}

/// Takes what another manager has put in force.
pub(crate) async fn read(app: &Arc<App>) -> Result<(), Refused> {
    let there = app.content.now();
    let newest = newest(&app.store, &TenantCtx::system(app.tenant), Content::clone(&there)).await?;
    if newest.info == there.info {
        return Ok(());
    }
    take(app, newest).await
}

/// Puts content in force: every tenant's computers get what it comes to.
async fn take(app: &Arc<App>, content: Content) -> Result<(), Refused> {
    app.content.set(content);
    for tenant in app.store.tenants().await? {
        app.refresh_bundles(tenant).await?;
    }
    tokio::spawn(inventories::consider_new_content(Arc::clone(app)));
    Ok(())
}

/// Looks for newer rules and puts them in force; what came of it, in words.
pub(crate) async fn run(app: &Arc<App>, ctx: &TenantCtx) -> Result<String, String> {
    if ctx.tenant != app.tenant {
        return Err("The rules are the same for every tenant: only the first tenant updates them.".to_owned());
    }
    let source = app.content_source.as_ref().ok_or(
        "This manager was not told where newer rules come from: start it with --content-source and --content-key.",
    )?;
    let current = app.content.now();
    let info = current.info.as_ref().ok_or("The rules in force are of no pack: nothing can be newer.")?;
    let kept = kept(&app.store, ctx).await.map_err(|e| causes(&e))?;
    let name = Hash::of(source.place.as_bytes()).to_string();
    let known = kept.filter(|kept| kept.version == info.version && kept.source == name);
    let fetched = fetch(&source.place, &info.name, known.and_then(|known| known.etag));
    let fetched = tokio::time::timeout(PATIENCE, fetched).await.map_err(|_late| {
        format!("The source did not give the pack within {} seconds.", PATIENCE.as_secs())
    })?;
    match fetched? {
        Fetched::Unchanged => Ok(nothing_newer(info)),
        Fetched::Pack { text, etag } => {
            let before = Arc::clone(&current);
            let key = source.key;
            let opened = tokio::task::spawn_blocking(move || open(&text, key, &before)).await;
            let Some((pack, content)) = opened.map_err(|e| causes(&e))?? else {
                return Ok(nothing_newer(info));
            };
            Box::pin(apply(app, ctx, (&pack, content), (name, etag))).await
        }
    }
}

fn nothing_newer(info: &Info) -> String {
    format!("Nothing newer: version {} of {} is in force.", info.version, info.date)
}

/// Reads a signed pack: nothing where it is the version in force. Every rule compiles, or nothing is taken.
fn open(text: &[u8], key: VerifyingKey, current: &Content) -> Result<Option<(Pack, Content)>, String> {
    let pack = SignedPack::open(text, key, current.info.as_ref()).map_err(|e| causes(&e))?;
    if current.info.as_ref().is_some_and(|info| info.version == pack.info().version) {
        return Ok(None);
    }
    let content = current.with_pack(&pack)?;
    Ok(Some((pack, content)))
}

async fn apply(
    app: &Arc<App>,
    ctx: &TenantCtx,
    (pack, content): (&Pack, Content),
    (source, etag): (String, Option<String>),
) -> Result<String, String> {
    let now = app.clock.now();
    let before = app.content.now();
    let changes = Changes::between(&before.rules, &content.rules);
    let text = serde_json::to_string(pack).map_err(|e| causes(&e))?;
    let info = pack.info();
    let hash = Hash::of(text.as_bytes()).to_string();
    let kept =
        Kept { name: info.name.clone(), version: info.version, pack: hash.clone(), source, etag, at: now.0 };
    let keep = async {
        put_files(&app.store, &content, now).await?;
        app.store.put_blob(&hash, text.as_bytes(), now).await?;
        let mut write = app.store.begin(ctx, now).await?;
        let kept = serde_json::to_string(&kept).map_err(|e| StoreError::Damaged("setting.content", e))?;
        write.put_content(&kept).await?;
        write
            .audit(Change {
                action: "content.update",
                object_kind: "content",
                object_id: info.name.clone(),
                before: before.info.as_ref().map(|info| json!({"version": info.version, "date": info.date})),
                after: Some(json!({"version": info.version, "date": info.date, "rules": changes})),
            })
            .await?;
        write.commit().await
    };
    keep.await.map_err(|e: StoreError| causes(&e))?;
    take(app, content).await.map_err(|refused| {
        format!("Version {} is kept, but bundles could not be compiled: {}.", info.version, refused.title)
    })?;
    Ok(format!("Version {} of {} is in force: {}.", info.version, info.date, changes.words()))
}

// === impl Changes ===

impl Changes {
    fn between(before: &[Rule], after: &[Rule]) -> Self {
        let by_sid = |rules: &[Rule]| -> BTreeMap<u32, Rule> {
            rules.iter().map(|rule| (rule.sid, Rule { pack: String::new(), ..rule.clone() })).collect()
        };
        let (before, after) = (by_sid(before), by_sid(after));
        let differs = |sid: &&u32| before.get(*sid).is_some_and(|rule| after.get(*sid) != Some(rule));
        Self {
            added: after.keys().filter(|sid| !before.contains_key(sid)).copied().collect(),
            changed: after.keys().filter(differs).copied().collect(),
            removed: before.keys().filter(|sid| !after.contains_key(sid)).copied().collect(),
        }
    }

    fn words(&self) -> String {
        let of = |what: &str, sids: &[u32]| {
            let mut named: Vec<String> = sids.iter().take(NAMED).map(u32::to_string).collect();
            if sids.len() > NAMED {
                named.push("…".to_owned());
            }
            let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
            format!("{} {what}{named}", sids.len())
        };
        let kinds = [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        format!("rules {}", kinds.map(|(what, sids)| of(what, sids)).join(", "))
    }
}

/// Gets what a source has, unless it is what is known already.
async fn fetch(place: &str, pack: &str, etag: Option<String>) -> Result<Fetched, String> {
    if place.starts_with("https://") || place.starts_with("http://") {
        return download(place, etag).await;
    }
    let mut path = Path::new(place).to_owned();
    if path.is_dir() {
        path.push(format!("{pack}.json"));
    }
    let reading = tokio::task::spawn_blocking(move || {
        let unusable = |e: std::io::Error| format!("{}: {e}.", path.display());
        let most = u64::try_from(ARCHIVE_BYTES).unwrap_or(u64::MAX);
        let mut text = Vec::new();
        let file = std::fs::File::open(&path).map_err(unusable)?;
        std::io::copy(&mut file.take(most.saturating_add(1)), &mut text).map_err(unusable)?;
        Ok(Fetched::Pack { text, etag: None })
    });
    reading.await.map_err(|e| causes(&e))?
}

async fn download(place: &str, etag: Option<String>) -> Result<Fetched, String> {
    let too_large = || format!("The source's answer is larger than {ARCHIVE_BYTES} bytes.");
    let url = reqwest::Url::parse(place).map_err(|e| format!("The source is not a URL: {e}."))?;
    let mut request = outgoing::client(&url, None, PATIENCE).await?.get(url);
    if let Some(etag) = etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let mut answer = request.send().await.map_err(|e| causes(&e.without_url()))?;
    let status = answer.status();
    if status == StatusCode::NOT_MODIFIED {
        return Ok(Fetched::Unchanged);
    }
    if status.is_redirection() {
        return Err(format!("The source answered {status}; redirects are not followed."));
    }
    if !status.is_success() {
        return Err(format!("The source answered {status}."));
    }
    let most = u64::try_from(ARCHIVE_BYTES).unwrap_or(u64::MAX);
    if answer.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let etag = answer.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| causes(&e.without_url()))? {
        if text.len() + chunk.len() > ARCHIVE_BYTES {
            return Err(too_large());
        }
        text.extend_from_slice(&chunk);
    }
    Ok(Fetched::Pack { text, etag })
}
