//! What is protected, and why the rest is not.
use super::auth::{Access, Caller, Resource};
use super::computers::{self, Names};
use super::extract::Id;
use crate::app::App;
use crate::coverage::{Gathered, of};
use crate::problem::Refused;
use crate::store::ComputersWanted;
use axum::Json;
use axum::extract::State;
use sakimori_api::{ComputerCoverage, FleetCoverage};
use std::sync::Arc;

/// What of a computer is protected, and why the rest is not.
#[utoipa::path(get, path = "/computers/{id}/coverage", tag = "computers", operation_id = "getComputerCoverage",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ComputerCoverage)))]
pub(super) async fn of_computer(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ComputerCoverage>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    Ok(Json(of(&computers::load(&app, ctx, id).await?)))
}

/// What of the fleet is protected, and why the rest is not. Suspended and unmanaged computers are left out.
#[utoipa::path(get, path = "/coverage", tag = "fleet", operation_id = "getCoverage",
    responses((status = 200, body = FleetCoverage)))]
pub(super) async fn of_fleet(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<FleetCoverage>, Refused> {
    let ctx = caller.may(Resource::Computers, Access::Read)?;
    let names = Names::read(&app, ctx).await?;
    let mut gathered = Gathered::default();
    let mut after = None;
    loop {
        let rows = app.store.computers(ctx, &ComputersWanted::default(), after.as_ref(), 500).await?;
        for (row, _) in &rows {
            gathered.add(&computers::shown(&app, row, &names, app.presence(row).as_ref()));
        }
        match rows.last() {
            Some((_, place)) if rows.len() == 500 => after = Some(place.clone()),
            _ => break,
        }
    }
    Ok(Json(gathered.shown()))
}
