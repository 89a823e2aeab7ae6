//! What operators say of the firewall's changes on computers: told at check-ins, by whichever manager the computer speaks
//! with, until it has said what came of it. Where an answer is lost on its way it is told again; that does no harm, because
//! each order names the change that it is about.
use crate::app::App;
use crate::problem::Refused;
use crate::store::TenantCtx;
use sakimori_model::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// By then the computer has decided without it.
const STALE: Duration = Duration::from_hours(1);

/// What computers that speak with this manager are to be told.
#[derive(Debug, Default)]
pub(crate) struct FirewallOrders {
    waiting: Mutex<HashMap<Uuid, (Uuid, String)>>,
}

impl FirewallOrders {
    /// What this computer is to be told now.
    pub(crate) fn take(&self, computer: Uuid) -> Option<(Uuid, String)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&computer)
    }
}

/// Looks what computers that speak with this manager are to be told.
pub(crate) async fn look(app: &App, tenants: &[Uuid], now: Timestamp) -> Result<(), Refused> {
    let mut orders = HashMap::new();
    for tenant in tenants {
        let ctx = TenantCtx::system(*tenant);
        for row in app.store.firewall_orders(&ctx).await? {
            if row.asked_at.plus(STALE) < now {
                app.store.firewall_order_end(*tenant, row.computer, row.run).await?;
            } else if app.fleet.presence(row.computer).is_some_and(|presence| presence.held > 0) {
                orders.insert(row.computer, (row.run, row.words));
            }
        }
    }
    let computers: Vec<Uuid> = orders.keys().copied().collect();
    *app.firewall_orders.waiting.lock().unwrap_or_else(PoisonError::into_inner) = orders;
    for computer in computers {
        app.rollout.wake(computer);
    }
    Ok(())
}
