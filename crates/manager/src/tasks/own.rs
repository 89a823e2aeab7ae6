//! What the manager does itself. Begun again after a kill, each does the same as at once.
use super::TICK;
use super::operations::Progress;
use crate::app::{App, stopped};
use crate::backup;
use crate::content::update;
use crate::http::event_export::{self, Part};
use crate::store::{StoreError, TenantCtx};
use futures_util::{Stream, StreamExt as _};
use sakimori_api::{ExportFormat, SortEventsBy, TaskKind};
use sakimori_model::Timestamp;
use sakimori_query::{Filter, TimeField};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

/// Backups and reports kept.
const KEPT: usize = 7;
/// Whoever carries a run out says so this often, and is replaced three times that long after it was killed.
const LEASE: Duration = Duration::from_secs(30);
/// What became of alerts, and runs, are kept this long.
const RECORDS: i64 = 90 * 86_400_000_000;
/// Progress is written down after so many events.
const NOTE: u64 = 10_000;
/// A report's time.
const DAY: i64 = 86_400_000_000;

/// Carries a run out, unless another manager does.
pub(super) async fn carry_out(app: &Arc<App>, tenant: Uuid, run: Uuid, kind: TaskKind) {
    let ctx = TenantCtx::system(tenant);
    let work = async {
        match kind {
            TaskKind::Backup => Box::pin(make_backup(app, tenant, run)).await,
            TaskKind::Report => Box::pin(report(app, tenant, run)).await,
            TaskKind::Retention => retention(app, &ctx).await,
            TaskKind::ContentUpdate => Box::pin(update::run(app, &ctx)).await,
            TaskKind::IntegrityScan | TaskKind::MalwareScan | TaskKind::RecommendationScan => {
                Ok(String::new())
            }
        }
    };
    let Some(result) = leased(app, &format!("task run {run}"), work).await else { return };
    let (state, message) = match result {
        Ok(message) => ("succeeded", message),
        Err(message) => ("failed", message),
    };
    let end = async {
        let mut write = app.store.begin(&ctx, app.clock.now()).await?;
        write.end_task_run(run, state, &sakimori_modules::event::printable(&message, 1_000)).await?;
        write.commit().await?;
        Ok::<(), StoreError>(())
    };
    if let Err(error) = end.await {
        tracing::error!(%error, "a task's end could not be written down: it is begun again");
        tokio::time::sleep(TICK).await;
    }
}

/// Does a piece of work under a lease that is renewed meanwhile; nothing where another manager does it, or this one ends
/// before the work does: it is then begun again.
pub(super) async fn leased<T>(
    app: &App,
    name: &str,
    work: impl Future<Output = Result<T, String>>,
) -> Option<Result<T, String>> {
    match take(app, name).await {
        Ok(true) => {}
        Ok(false) => return None,
        Err(error) => {
            tracing::error!(%error, "a task could not be begun");
            return None;
        }
    }
    let mut stopping = app.stopping.clone();
    // Beside the work, not in turns with it: the work may hold what the renewal waits for.
    let renewing = async {
        let mut renew = tokio::time::interval(LEASE / 3);
        loop {
            renew.tick().await;
            if let Err(error) = take(app, name).await {
                tracing::warn!(%error, "a task's lease could not be renewed");
            }
        }
    };
    tokio::select! {
        result = work => Some(result),
        () = renewing => None,
        () = stopped(&mut stopping) => None,
    }
}

async fn take(app: &App, name: &str) -> Result<bool, StoreError> {
    app.store.lease(name, app.instance, LEASE, app.clock.now()).await
}

pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    format!("{text}.")
}

pub(super) fn folder(path: &Path) -> Result<(), String> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| format!("{}: {e}.", path.display()))
}

/// The oldest of a folder's files of this ending go, beyond those kept. Their names begin with a time.
fn rotate(dir: &Path, ending: &str) -> Result<(), String> {
    let unusable = |e: std::io::Error| format!("{}: {e}.", dir.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        files.extend(path.extension().is_some_and(|is| is == ending).then_some(path));
    }
    files.sort();
    let over = files.len().saturating_sub(KEPT);
    for path in files.into_iter().take(over) {
        std::fs::remove_file(&path).map_err(|e| format!("{}: {e}.", path.display()))?;
    }
    Ok(())
}

/// A name that sorts by time and tells runs apart: ids of runs begin with their time.
pub(super) async fn make_backup(app: &App, tenant: Uuid, run: Uuid) -> Result<String, String> {
    if tenant != app.tenant {
        return Err("A backup holds every tenant's rows: only the first tenant makes one.".to_owned());
    }
    let dir = app.data_dir.join("backups");
    folder(&dir)?;
    let path = dir.join(format!("{run}.tar"));
    for left in [path.clone(), path.with_extension("partial")] {
        match std::fs::remove_file(&left) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {e}.", left.display()));
            }
            _ => {}
        }
    }
    backup::backup(&app.data_dir, &app.database, &path, &app.clock).await.map_err(|e| causes(&e))?;
    rotate(&dir, "tar")?;
    Ok(format!("Written to {}.", path.display()))
}

async fn report(app: &Arc<App>, tenant: Uuid, run: Uuid) -> Result<String, String> {
    let dir = app.data_dir.join("reports").join(tenant.to_string());
    folder(&dir)?;
    let now = app.clock.now();
    let filter = Filter::Time(TimeField::At, Some(now.0.saturating_sub(DAY)), Some(now.0));
    let path = dir.join(format!("{run}.csv"));
    let parts = event_export::parts(
        Arc::clone(app),
        tenant,
        filter,
        (ExportFormat::Csv, SortEventsBy::Received),
        u32::MAX,
    );
    Box::pin(write_file(&path, parts, None)).await?;
    rotate(&dir, "csv")?;
    Ok(format!("Written to {}.", path.display()))
}

/// Writes events to a file that is there whole or not at all; how many they are. `progress` is told how far it is.
pub(super) async fn write_file(
    path: &Path,
    parts: impl Stream<Item = Result<Part, sqlx::Error>>,
    progress: Option<&Progress<'_>>,
) -> Result<u64, String> {
    let partial = path.with_extension("partial");
    let unusable = |e: std::io::Error| format!("{}: {e}.", partial.display());
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let mut file = tokio::fs::File::from_std(file.map_err(unusable)?);
    let mut parts = std::pin::pin!(parts);
    let (mut done, mut noted) = (0, 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|e| causes(&e))?;
        file.write_all(&part.bytes).await.map_err(unusable)?;
        done += part.events;
        if let Some(progress) = progress
            && done >= noted + NOTE
        {
            noted = done;
            progress.note(done, None).await?;
        }
    }
    file.sync_all().await.map_err(unusable)?;
    std::fs::rename(&partial, path).map_err(unusable)?;
    Ok(done)
}

async fn retention(app: &App, ctx: &TenantCtx) -> Result<String, String> {
    let now = app.clock.now();
    let retire = async {
        let mut write = app.store.begin(ctx, now).await?;
        let removed = write.retire(Timestamp(now.0.saturating_sub(RECORDS))).await?;
        write.commit().await?;
        Ok::<_, StoreError>(removed)
    };
    let (changes, runs) = retire.await.map_err(|e| causes(&e))?;
    Ok(format!("{changes} records of alerts and {runs} runs were older than 90 days and are gone."))
}
