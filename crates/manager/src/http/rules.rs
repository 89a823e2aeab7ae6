//! Rules of the content pack.
use super::auth::{Access, Caller, Resource};
use super::extract::{Query, limit, page};
use crate::app::App;
use crate::clock;
use crate::content::update;
use crate::problem::Refused;
use crate::store::TenantCtx;
use axum::Json;
use axum::extract::{Path, State};
use sakimori_api::{ContentInForce, Page, Rule};
use sakimori_model::Timestamp;
use std::sync::Arc;

/// Filter of a list of rules.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RuleQuery {
    /// Only rules whose message, CVE or sid contains this text.
    pub(super) q: Option<String>,
    /// At most so many, 1 to 500; 100 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// The `nextCursor` of the part before.
    pub(super) cursor: Option<String>,
}

/// The rules, by sid.
#[utoipa::path(get, path = "/rules", tag = "rules", operation_id = "listRules", params(RuleQuery),
    responses((status = 200, body = Page<Rule>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<RuleQuery>,
) -> Result<Json<Page<Rule>>, Refused> {
    caller.may(Resource::Rules, Access::Read)?;
    let limit = limit(query.limit)?;
    let after = match query.cursor.as_deref().map(str::parse::<u32>) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => return Err(Refused::invalid("cursor is not one that this list gave.")),
    };
    let needle = query.q.unwrap_or_default().to_lowercase();
    let content = app.content.now();
    let found = content.rules.iter().filter(|rule| {
        rule.sid > after
            && (rule.message.to_lowercase().contains(&needle)
                || rule.cves.iter().any(|cve| cve.to_lowercase().contains(&needle))
                || rule.sid.to_string().contains(&needle))
    });
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    Ok(Json(page(found.take(most).cloned().collect(), limit, |rule| rule.sid.to_string())))
}

/// One rule.
#[utoipa::path(get, path = "/rules/{sid}", tag = "rules", operation_id = "getRule", params(("sid" = u32, Path)),
    responses((status = 200, body = Rule)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    sid: Result<Path<u32>, axum::extract::rejection::PathRejection>,
) -> Result<Json<Rule>, Refused> {
    caller.may(Resource::Rules, Access::Read)?;
    let sid = sid.map(|Path(sid)| sid).unwrap_or_default();
    let content = app.content.now();
    let rule = content.rules.iter().find(|rule| rule.sid == sid);
    rule.cloned().map(Json).ok_or_else(|| Refused::not_found("rule"))
}

/// Which rules are in force, and since when.
#[utoipa::path(get, path = "/content", tag = "rules", operation_id = "getContent",
    responses((status = 200, body = ContentInForce)))]
pub(super) async fn content(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<ContentInForce>, Refused> {
    caller.may(Resource::Rules, Access::Read)?;
    let content = app.content.now();
    // They are the same for every tenant.
    let kept = update::kept(&app.store, &TenantCtx::system(app.tenant)).await?;
    let info = content.info.as_ref();
    let updated = kept.filter(|kept| info.is_some_and(|info| info.version == kept.version));
    Ok(Json(ContentInForce {
        name: info.map(|info| info.name.clone()).unwrap_or_default(),
        version: info.map_or(0, |info| info.version),
        date: info.map(|info| info.date.clone()).unwrap_or_default(),
        rules: u64::try_from(content.rules.len()).unwrap_or(u64::MAX),
        updated_at: updated.map(|kept| clock::text(Timestamp(kept.at))),
        source: app.content_source.is_some(),
    }))
}
