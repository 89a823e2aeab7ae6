//! What every handler is handed.
use crate::authority::Authority;
use crate::bundles::{Bundles, Compiler};
use crate::clock::Clock;
use crate::content::{self, update::Source};
use crate::disk::Disk;
use crate::events::{AutoTags, Events};
use crate::firewall_orders::FirewallOrders;
use crate::fleet::Fleet;
use crate::inventories::Inventories;
use crate::limits::Limits;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::pacing::{Classes, Rollout};
use crate::packages::Packages;
use crate::problem::Refused;
use crate::store::{Database, Store, StoreError, TenantCtx};
use crate::tasks::Orders;
use crate::vault::Vault;
use sakimori_model::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, broadcast, watch};
use uuid::Uuid;

/// The manager's parts.
#[derive(Debug)]
pub(crate) struct App {
    /// Tells the time.
    pub(crate) clock: Clock,
    /// The system of record.
    pub(crate) store: Store,
    /// The events.
    pub(crate) events: Events,
    /// Days that events are kept.
    pub(crate) event_days: u32,
    /// What tags events as they arrive.
    pub(crate) auto_tags: Arc<AutoTags>,
    /// The keys.
    pub(crate) authority: Authority,
    /// The key of secrets at rest.
    pub(crate) vault: Vault,
    /// The rules in force.
    pub(crate) content: content::InForce,
    /// Where newer rules come from.
    pub(crate) content_source: Option<Source>,
    /// The bundles in force.
    pub(crate) bundles: Bundles,
    /// Hands bundles out.
    pub(crate) rollout: Arc<Rollout>,
    /// What agents may ask at once.
    pub(crate) classes: Classes,
    /// Presence.
    pub(crate) fleet: Fleet,
    /// The other managers of the same database.
    pub(crate) nodes: Nodes,
    /// Which inventories are here, and which are waited for.
    pub(crate) inventories: Inventories,
    /// What computers are to be told by tasks.
    pub(crate) orders: Orders,
    /// What computers are to be told of their firewalls' changes.
    pub(crate) firewall_orders: FirewallOrders,
    /// Where the record is kept.
    pub(crate) database: Database,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
    /// What happens, for consoles.
    pub(crate) news: broadcast::Sender<Arc<News>>,
    /// Which events consoles were told of.
    pub(crate) live: Live,
    /// How often one may ask.
    pub(crate) limits: Limits,
    /// Failed log-ins.
    pub(crate) log_ins: Mutex<HashMap<String, crate::http::LogInFailures>>,
    /// Password hashes computed at once: each takes 19 MiB.
    pub(crate) hashing: Semaphore,
    /// Event batches taken at once: each is up to 1 MiB before it is unpacked.
    pub(crate) batches: Semaphore,
    /// Event batches unpacked at once: each takes up to 16 MiB and its window.
    pub(crate) unpacking: Semaphore,
    /// This manager among several, since its start.
    pub(crate) instance: Uuid,
    /// Everything that the manager keeps beside the database.
    pub(crate) data_dir: PathBuf,
    /// Says how full the disk is.
    pub(crate) disk: Disk,
    /// The tenant that the first start made.
    pub(crate) tenant: Uuid,
    /// Names and addresses by which the manager is reached, the most public first.
    pub(crate) public_hosts: Vec<String>,
    /// Port of the public listener.
    pub(crate) public_port: u16,
    /// Port of the gateway.
    pub(crate) gateway_port: u16,
    /// The folder of agent packages.
    pub(crate) packages: PathBuf,
    /// The agent packages in it.
    pub(crate) agent_packages: Arc<Packages>,
    /// Agent packages taken at once.
    pub(crate) uploads: Semaphore,
    /// What computers are to be told by roll-outs.
    pub(crate) upgrades: crate::upgrades::Orders,
    /// The console from a folder instead of the binary.
    pub(crate) console_dist: Option<PathBuf>,
    /// When the manager started: nobody could be in contact before.
    pub(crate) started_at: Timestamp,
    /// When any computer was last in contact before that, by tenant: as far as the manager was there itself.
    pub(crate) was_there_until: HashMap<Uuid, Timestamp>,
    /// True once the manager is to end.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Something for consoles.
#[derive(Clone, Debug)]
pub(crate) struct News {
    /// Who may see it.
    pub(crate) tenant: Uuid,
    /// `event`, `computer` or `alert`.
    pub(crate) kind: &'static str,
    /// JSON in one line.
    pub(crate) data: String,
}

impl App {
    /// Compiles the tenant's policies and wakes waiting check-ins.
    pub(crate) async fn refresh_bundles(&self, tenant: Uuid) -> Result<(), Refused> {
        Ok(self.bundles.refresh(self.compiler(), &TenantCtx::system(tenant)).await?)
    }

    /// Sees to it that the bundle of a computer that has this policy is compiled.
    pub(crate) async fn prepare_bundle(
        &self,
        tenant: Uuid,
        computer: Uuid,
        policy: Uuid,
    ) -> Result<(), StoreError> {
        self.bundles.prepare(self.compiler(), &TenantCtx::system(tenant), computer, policy).await
    }

    fn compiler(&self) -> Compiler<'_> {
        Compiler {
            store: &self.store,
            authority: &self.authority,
            content: self.content.now(),
            now: self.clock.now(),
        }
    }

    /// Events that arrived before this time are removed.
    pub(crate) fn events_kept_since(&self) -> Timestamp {
        const DAY: i64 = 86_400_000_000;
        let day = self.clock.now().0.div_euclid(DAY) - i64::from(self.event_days);
        Timestamp(day.saturating_mul(DAY))
    }

    /// Reads the tenant's rules that tag events.
    pub(crate) async fn refresh_auto_tags(&self, tenant: Uuid) -> Result<(), StoreError> {
        let ctx = TenantCtx::system(tenant);
        let rules = self.store.auto_tag_rules(&ctx, "", 1_000).await?;
        let rules = rules.into_iter().filter(|rule| rule.enabled).map(|rule| (rule.kept.filter, rule.tag));
        self.auto_tags.set(tenant, rules.collect());
        Ok(())
    }

    /// Tells consoles that a computer has changed. What cannot be told is in the lists anyhow.
    pub(crate) async fn tell_computer(&self, tenant: Uuid, id: Uuid) {
        if self.news.receiver_count() == 0 {
            return;
        }
        let ctx = TenantCtx::system(tenant);
        match crate::http::computers::load(self, &ctx, id).await {
            Ok(computer) => {
                if let Ok(data) = serde_json::to_string(&computer) {
                    self.tell(News { tenant, kind: "computer", data });
                }
            }
            Err(refused) => tracing::debug!(?refused, %id, "a changed computer could not be told of"),
        }
    }

    /// Tells consoles; nobody may be listening.
    pub(crate) fn tell(&self, news: News) {
        let _nobody = self.news.send(Arc::new(news));
    }

    /// The name by which a caller reached the manager, where it is one of the manager's names.
    pub(crate) fn host_used(&self, headers: &axum::http::HeaderMap) -> &str {
        let host =
            headers.get(axum::http::header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let name = host_name(host);
        self.public_hosts
            .iter()
            .find(|known| known.eq_ignore_ascii_case(name))
            .or_else(|| self.public_hosts.first())
            .map_or("localhost", String::as_str)
    }
}

/// Waits until the manager is to end.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the manager is gone already.
    let _gone = stopping.wait_for(|stop| *stop).await;
}

/// The name in `name:port`, `[::1]:port` or `name`.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host })
}

/// `name:port`, with the brackets that an IPv6 address needs.
pub(crate) fn authority_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_taken_out_of_a_host_header() {
        assert_eq!(host_name("manager.example:4433"), "manager.example");
        assert_eq!(host_name("manager.example"), "manager.example");
        assert_eq!(host_name("[::1]:4433"), "::1");
        assert_eq!(authority_of("::1", 4433), "[::1]:4433");
        assert_eq!(authority_of("127.0.0.1", 1), "127.0.0.1:1");
    }
}
