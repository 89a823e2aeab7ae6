//! Activation tokens.
use super::auth::{Access, Caller, Resource};
use super::extract::{Id, Message, Query, check_tag, limit, name, page};
use super::groups::check_group;
use crate::app::{App, authority_of};
use crate::clock;
use crate::problem::Refused;
use crate::reactions;
use crate::secrets;
use crate::store::{Change, TokenRow};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use sakimori_api::{ActivationToken, CreatedActivationToken, NewActivationToken, Page};
use sakimori_model::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// One hour: long enough to deploy, too short to lie about.
const DEFAULT_SECS: u64 = 3600;
/// One year.
const LONGEST_SECS: u64 = 31_536_000;

fn token(row: &TokenRow, now: Timestamp) -> ActivationToken {
    ActivationToken {
        id: row.id,
        name: row.name.clone(),
        policy_id: row.policy,
        group_id: row.group,
        tags: row.tags.clone(),
        ephemeral: row.ephemeral,
        needs_task: row.needs_task,
        created_at: clock::text(row.created_at),
        expires_at: clock::text(row.expires_at),
        max_uses: row.max_uses,
        uses: row.uses,
        usable: row.unusable(now).is_none(),
    }
}

/// The tokens, newest first, without their secrets.
#[utoipa::path(get, path = "/activation-tokens", tag = "activation-tokens", operation_id = "listActivationTokens",
    params(super::ListQuery), responses((status = 200, body = Page<ActivationToken>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<ActivationToken>>, Refused> {
    let ctx = caller.may(Resource::Tokens, Access::Read)?;
    let limit = limit(query.limit)?;
    let now = app.clock.now();
    let rows = app.store.activation_tokens(ctx, query.cursor.as_deref().unwrap_or("~"), limit + 1).await?;
    Ok(Json(page(rows.iter().map(|row| token(row, now)).collect(), limit, |token| token.id.to_string())))
}

/// Makes a token; its secret and the deployment line are shown this once.
#[utoipa::path(post, path = "/activation-tokens", tag = "activation-tokens", operation_id = "createActivationToken",
    request_body = NewActivationToken, responses((status = 201, body = CreatedActivationToken)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Message(new): Message<NewActivationToken>,
) -> Result<(StatusCode, Json<CreatedActivationToken>), Refused> {
    let ctx = caller.may(Resource::Tokens, Access::Write)?;
    let now = app.clock.now();
    let secs = new.expires_in_secs.unwrap_or(DEFAULT_SECS);
    if !(60..=LONGEST_SECS).contains(&secs) {
        return Err(Refused::field("/expiresInSecs", "out-of-range", "Between 60 seconds and one year."));
    }
    if new.max_uses.is_some_and(|uses| !(1..=1_000_000).contains(&uses)) {
        return Err(Refused::field("/maxUses", "out-of-range", "Between 1 and 1000000."));
    }
    if let Some(policy) = new.policy_id
        && !app.store.policies(ctx).await?.iter().any(|row| row.id == policy)
    {
        return Err(Refused::field(
            "/policyId",
            "no-such-policy",
            "There is no such policy; read the list again.",
        ));
    }
    if let Some(group) = new.group_id {
        check_group("/groupId", group, &app.store.groups(ctx).await?)?;
    }
    for (key, value) in &new.tags {
        check_tag("/tags", key, value)?;
    }
    if new.tags.len() > reactions::MAX_TAGS {
        return Err(Refused::field("/tags", "too-many", "A computer has at most 64 tags."));
    }
    let secret = secrets::new_secret()?;
    let row = TokenRow {
        tenant: ctx.tenant,
        id: Uuid::now_v7(),
        name: name("/name", &new.name)?,
        secret_hash: secrets::digest(&secret),
        policy: new.policy_id,
        group: new.group_id,
        tags: new.tags,
        ephemeral: new.ephemeral,
        needs_task: new.needs_task,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(secs)),
        max_uses: new.max_uses,
        uses: 0,
        revoked_at: None,
    };
    let mut write = app.store.begin(ctx, now).await?;
    write.insert_token(&row).await?;
    write
        .audit(Change {
            action: "activation-token.create",
            object_kind: "activation-token",
            object_id: row.id.to_string(),
            before: None,
            after: Some(serde_json::to_value(token(&row, now))?),
        })
        .await?;
    write.commit().await?;
    let secret = format!("{}.{secret}", row.id.simple());
    let deployment_line = format!(
        "curl -fsS -k --pinnedpubkey '{}' https://{}/deploy/linux.sh | sh -s -- --token {secret}",
        app.authority.tls_pin(),
        authority_of(app.host_used(&headers), app.public_port),
    );
    let created =
        CreatedActivationToken { activation_token: token(&row, now), token: secret, deployment_line };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Revokes a token. Computers that were activated with it stay.
#[utoipa::path(delete, path = "/activation-tokens/{id}", tag = "activation-tokens",
    operation_id = "deleteActivationToken", params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Tokens, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    if !write.revoke_token(id).await? {
        return Err(Refused::not_found("activation token"));
    }
    write
        .audit(Change {
            action: "activation-token.revoke",
            object_kind: "activation-token",
            object_id: id.to_string(),
            before: None,
            after: None,
        })
        .await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
