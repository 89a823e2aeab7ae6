//! The manager's own notices on their way to the events.
//!
//! A notice is written with the change that it is about, and is taken from there to the events by whichever manager
//! comes first. Its id is the stream's epoch: what was appended and not yet forgotten when a manager died is known
//! to be there already when it is appended again.
use crate::app::App;
use crate::events::{AppendError, Batch, EventStore as _, NewEvent};
use crate::store::{NoticeRow, TenantCtx};
use sakimori_modules::agent::Notice;
use sakimori_modules::{EventDetail as _, manager};
use uuid::Uuid;

/// Taken at once.
const AT_ONCE: u32 = 200;

/// Takes what waits to the events; true where more waits.
pub(crate) async fn deliver(app: &App, tenant: Uuid) -> Result<bool, AppendError> {
    let ctx = TenantCtx::system(tenant);
    let failed = |error: crate::store::StoreError| AppendError::Failed {
        why: error.to_string(),
        trouble: error.trouble(),
    };
    let waiting = app.store.manager_notices(&ctx, AT_ONCE).await.map_err(failed)?;
    let full = u32::try_from(waiting.len()).unwrap_or(u32::MAX) == AT_ONCE;
    for notice in waiting {
        let id = notice.id;
        // Of a computer that is gone since it is not known any more; none is worth less than this.
        let row = app.store.computer(&ctx, notice.computer).await.map_err(failed)?;
        let asset_value = row.map_or(1, |row| row.asset_value);
        let appended = app.events.append(batch(tenant, notice, asset_value)).await?;
        app.store.manager_notice_done(&ctx, id).await.map_err(failed)?;
        app.tell_events(tenant, appended.new);
    }
    Ok(full)
}

fn batch(tenant: Uuid, notice: NoticeRow, asset_value: u32) -> Batch {
    let args: Vec<(&str, &str)> =
        notice.args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let detail = serde_json::to_string(&Notice::new(&notice.code, &args)).unwrap_or_default();
    Batch {
        tenant,
        computer: notice.computer,
        computer_name: notice.computer_name,
        asset_value,
        epoch: notice.id,
        first_sequence: 1,
        events: vec![NewEvent {
            at: notice.at,
            module: manager::MODULE.id.to_owned(),
            severity: notice.severity,
            action: "noted".to_owned(),
            kind: Notice::KIND.to_owned(),
            detail,
        }],
    }
}
