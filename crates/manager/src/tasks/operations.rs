//! Operations: what somebody asked for, done by the same hands as what the clock asks for.
//!
//! A killed manager's operation is begun again from its beginning; what it had written is written over.
use super::own::{self, causes, folder, leased};
use crate::app::App;
use crate::http::{event_export, event_search};
use crate::inventories;
use crate::policy_tree::Tree;
use crate::problem::Refused;
use crate::store::{ComputersWanted, OperationEnd, OperationRow, StoreError, TenantCtx};
use sakimori_api::{ExportFormat, Mode, NewEventExport, OperationKind};
use sakimori_model::Timestamp;
use sakimori_modules::recommendation;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Operations, and the files they made, are kept this long after their end.
pub(crate) const KEPT: Duration = Duration::from_hours(7 * 24);
/// Operations of a tenant at work at once.
pub(crate) const AT_ONCE: i64 = 20;
/// Computers asked in one transaction.
const PART: u32 = 200;

/// A kind by its word.
pub(crate) fn kind(word: &str) -> Option<OperationKind> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// Where a tenant's results lie.
pub(crate) fn results(app: &App, tenant: Uuid) -> PathBuf {
    app.data_dir.join("exports").join(tenant.to_string())
}

/// Carries an operation out, unless another manager does.
pub(super) async fn carry_out(app: &Arc<App>, tenant: Uuid, row: OperationRow) {
    let ctx = TenantCtx::system(tenant);
    let name = format!("operation {}", row.id);
    let work = async {
        match kind(&row.kind) {
            Some(OperationKind::EventExport) => Box::pin(export(app, &ctx, &row)).await,
            Some(OperationKind::Backup) => {
                Box::pin(own::make_backup(app, tenant, row.id)).await.map(|message| (message, None))
            }
            Some(OperationKind::RecommendationScan) => scan(app, &ctx, row.id).await,
            None => Err("This version of the manager does not know this kind of operation.".to_owned()),
        }
    };
    let Some(result) = Box::pin(leased(app, &name, work)).await else { return };
    let end = match result {
        Ok((message, result)) => OperationEnd { succeeded: true, message, result },
        Err(message) => OperationEnd {
            succeeded: false,
            message: sakimori_modules::event::printable(&message, 1_000),
            result: None,
        },
    };
    let now = app.clock.now();
    let write_down = async {
        let mut write = app.store.begin(&ctx, now).await?;
        write.end_operation(row.id, &end).await?;
        let kept = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
        let files = write.delete_operations(Timestamp(now.0.saturating_sub(kept))).await?;
        write.commit().await?;
        Ok::<_, StoreError>(files)
    };
    match write_down.await {
        Ok(files) => {
            for file in files {
                // One that another manager made lies with that one.
                let _elsewhere = tokio::fs::remove_file(results(app, tenant).join(file)).await;
            }
        }
        Err(error) => {
            tracing::error!(%error, "an operation's end could not be written down: it is begun again");
            tokio::time::sleep(super::TICK).await;
        }
    }
}

/// Where it is written down how far an operation is.
pub(super) struct Progress<'a> {
    app: &'a App,
    ctx: &'a TenantCtx,
    id: Uuid,
}

impl Progress<'_> {
    /// So much is done.
    pub(super) async fn note(&self, done: u64, total: Option<u64>) -> Result<(), String> {
        let note = async {
            let mut write = self.app.store.begin(self.ctx, self.app.clock.now()).await?;
            write.operation_progress(self.id, done, total).await?;
            write.commit().await
        };
        note.await.map_err(|error| causes(&error))
    }
}

async fn export(
    app: &Arc<App>,
    ctx: &TenantCtx,
    row: &OperationRow,
) -> Result<(String, Option<String>), String> {
    let asked: NewEventExport = serde_json::from_str(&row.asked).map_err(|error| causes(&error))?;
    let words = |refused: Refused| format!("{} {}", refused.title, refused.detail);
    // Ages in the filter are those of the request, also where it is begun again.
    let filter = event_search::of_export(&asked, row.created_at).map_err(words)?;
    let ending = match asked.format {
        ExportFormat::Csv => "csv",
        ExportFormat::Jsonl => "jsonl",
    };
    let dir = results(app, ctx.tenant);
    folder(&dir)?;
    let name = format!("{}.{ending}", row.id);
    let parts = event_export::parts(
        Arc::clone(app),
        ctx.tenant,
        filter,
        (asked.format, asked.sort.unwrap_or_default()),
        asked.limit.unwrap_or(u32::MAX),
    );
    let progress = Progress { app, ctx, id: row.id };
    let done = Box::pin(own::write_file(&dir.join(&name), parts, Some(&progress))).await?;
    progress.note(done, Some(done)).await?;
    Ok((format!("{done} events were written."), Some(name)))
}

/// Asks each computer whose policy has the scan on; it answers when it is next in contact.
async fn scan(app: &App, ctx: &TenantCtx, id: Uuid) -> Result<(String, Option<String>), String> {
    let module = recommendation::MODULE.id;
    let mut after: Option<(String, String)> = None;
    let (mut asked, mut off) = (0_u64, 0_u64);
    loop {
        let tree = Tree::read(&app.store, ctx).await.map_err(|error| causes(&error))?;
        let wanted = ComputersWanted::default();
        let rows =
            app.store.computers(ctx, &wanted, after.as_ref(), PART).await.map_err(|error| causes(&error))?;
        let mut here = Vec::new();
        for (row, _) in &rows {
            let settings: recommendation::Recommendation =
                inventories::settings_in(&tree, row, module).map_err(|refused| refused.title)?;
            if settings.mode == Mode::Off {
                off += 1;
            } else {
                here.push(row.id);
            }
        }
        let ask = async {
            let mut write = app.store.begin(ctx, app.clock.now()).await?;
            for computer in &here {
                write.put_inventory_request(*computer).await?;
            }
            asked += u64::try_from(here.len()).unwrap_or_default();
            write.operation_progress(id, asked, None).await?;
            write.commit().await
        };
        ask.await.map_err(|error| causes(&error))?;
        for computer in here {
            app.inventories.request(computer);
        }
        match rows.last() {
            Some((_, last)) if rows.len() == usize::try_from(PART).unwrap_or(usize::MAX) => {
                after = Some(last.clone());
            }
            _ => break,
        }
    }
    Progress { app, ctx, id }.note(asked, Some(asked)).await?;
    Ok((format!("{asked} computers were asked; on {off} the recommendation scan is off."), None))
}
