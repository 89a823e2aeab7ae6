//! What is installed on a computer, as its agent says when it is asked.
use super::{Peer, Refuse, tidy};
use crate::app::App;
use crate::inventories;
use crate::problem::Refused;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use sakimori_protocol::{Application, Cloud, Hash, Inventory, Package, Process};
use std::sync::Arc;

/// Most entries of each list: an inventory of 4 MiB has no room for more that say anything.
const ENTRIES: usize = 50_000;
/// Most tags of a cloud's instance.
const TAGS: usize = 100;
/// Kinds of software that an inventory may say were not looked for.
const KINDS: usize = 32;

/// Takes an inventory.
pub(crate) async fn inventory(
    State(app): State<Arc<App>>,
    Peer(row): Peer,
    request: Request,
) -> Result<StatusCode, Refuse> {
    // Before the body is read: what waits costs no memory.
    let Some(_slot) = app.inventories.slot() else {
        return Err(Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 5).into());
    };
    let body = Bytes::from_request(request, &app).await.map_err(|e| crate::http::too_large(&e))?;
    // The bytes as they came: what this version does not know of them counts in their name too.
    let hash = Hash::of(&body);
    let read = tokio::task::spawn_blocking(move || serde_json::from_slice::<Inventory>(&body)).await?;
    let inventory = read.map_err(|e| Refuse::invalid(format!("The inventory is not understood: {e}.")))?;
    inventories::arrived(&app, &row, hash, bounded(inventory)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The inventory within its bounds: a computer that says more than it may is cut, and not refused for ever.
fn bounded(said: Inventory) -> Inventory {
    let text = |text: String| tidy(&text, Inventory::TEXT);
    let package = |said: Package| Package {
        name: text(said.name),
        version: text(said.version),
        architecture: text(said.architecture),
        source: text(said.source),
        source_version: text(said.source_version),
    };
    let application = |said: Application| Application {
        kind: text(said.kind),
        name: text(said.name),
        title: text(said.title),
        version: text(said.version),
        place: text(said.place),
    };
    let process = |said: Process| Process { name: text(said.name), program: text(said.program), ..said };
    let cloud = |said: Cloud| Cloud {
        provider: text(said.provider),
        instance: text(said.instance),
        name: text(said.name),
        region: text(said.region),
        zone: text(said.zone),
        account: text(said.account),
        resource_group: text(said.resource_group),
        scale_set: text(said.scale_set),
        image: text(said.image),
        size: text(said.size),
        tags: said.tags.into_iter().take(TAGS).map(|(name, value)| (text(name), text(value))).collect(),
    };
    Inventory {
        packages: said.packages.into_iter().take(ENTRIES).map(package).collect(),
        applications: said.applications.into_iter().take(ENTRIES).map(application).collect(),
        processes: said.processes.into_iter().take(ENTRIES).map(process).collect(),
        cloud: said.cloud.map(cloud),
        incomplete: said.incomplete.into_iter().take(KINDS).map(text).collect(),
    }
}
