//! Agent packages: what is in the packages folder, and how more gets there.
use super::auth::{Access, Caller, Resource};
use crate::app::App;
use crate::clock;
use crate::packages::PackageFile;
use crate::problem::Refused;
use crate::store::Change;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;
use sakimori_api::{AgentPackage, Page};
use sakimori_content::package::PACKAGE_BYTES;
use std::sync::Arc;

/// Carries the signature file of an uploaded package, in base64.
const SIGNATURE: &str = "x-package-signature";

fn shown(package: &PackageFile) -> AgentPackage {
    AgentPackage {
        file: package.file.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.hash.to_string(),
        size: package.size,
        added_at: clock::text(package.added),
        refused: package.signed.as_ref().err().cloned(),
    }
}

fn change<'a>(action: &'a str, package: &PackageFile, now_there: bool) -> Change<'a> {
    let value = serde_json::json!({
        "file": package.file, "version": package.version, "architecture": package.architecture, "size": package.size,
    });
    let (before, after) = if now_there { (None, Some(value)) } else { (Some(value), None) };
    Change { action, object_kind: "agent-package", object_id: package.hash.to_string(), before, after }
}

/// The agent packages that are here, with why one is refused.
#[utoipa::path(get, path = "/agent-packages", tag = "upgrades", operation_id = "listAgentPackages",
    responses((status = 200, body = Page<AgentPackage>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<Page<AgentPackage>>, Refused> {
    caller.may(Resource::AgentPackages, Access::Read)?;
    let items = app.agent_packages.look().await.iter().map(shown).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Takes an agent package: its bytes as the body, its signature file in base64 in the header.
#[utoipa::path(post, path = "/agent-packages", tag = "upgrades", operation_id = "uploadAgentPackage",
    params(("x-package-signature" = String, Header, description = "The package's `.sig` file, in base64")),
    request_body(content = String, description = "The package.", content_type = "application/vnd.debian.binary-package"),
    responses((status = 201, body = AgentPackage)))]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::AgentPackages, Access::Write)?;
    let signature = headers.get(SIGNATURE).and_then(|value| BASE64_STANDARD.decode(value.as_bytes()).ok());
    let signature = signature.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        Refused::invalid(format!("The header {SIGNATURE} carries the package's .sig file, in base64."))
    })?;
    // Each takes disk and the work of hashing.
    let _one =
        app.uploads.try_acquire().map_err(|_full| Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 30))?;
    let mut body = std::pin::pin!(body.into_data_stream());
    let taken = app.agent_packages.take(&signature, body.as_mut()).await;
    if taken.is_err() {
        // Who still sends does not listen: the refusal is heard once the rest has come.
        let mut rest = PACKAGE_BYTES;
        while let Some(Ok(piece)) = body.next().await {
            rest = rest.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if rest == 0 {
                break;
            }
        }
    }
    let package = taken?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    write.audit(change("agent-package.upload", &package, true)).await?;
    write.commit().await?;
    Ok((StatusCode::CREATED, Json(shown(&package))).into_response())
}

/// Removes an agent package from the folder.
#[utoipa::path(delete, path = "/agent-packages/{sha256}", tag = "upgrades", operation_id = "deleteAgentPackage",
    params(("sha256" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(sha256): Path<String>,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::AgentPackages, Access::Write)?;
    let hash = sha256.parse().map_err(|_e| Refused::not_found("package"))?;
    let package = app.agent_packages.remove(hash).await?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    write.audit(change("agent-package.delete", &package, false)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
