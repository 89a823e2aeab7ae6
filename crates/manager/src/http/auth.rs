//! Who is asking, and whether they may: every handler gets its tenant only through [`Caller::may`].
use crate::app::App;
use crate::problem::Refused;
use crate::secrets;
use crate::store::{Actor, TenantCtx};
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, Method, header, request::Parts};
use sakimori_api::{Role, SessionUser};
use sakimori_model::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The console's cookie.
pub(crate) const COOKIE: &str = "sakimori_session";
/// A session unused for this long has ended.
const IDLE: Duration = Duration::from_hours(2);
/// Uses are noted this often at most.
const TOUCH: i64 = 60_000_000;

/// What can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    /// Users.
    Users,
    /// One's own session and password.
    Own,
    /// Keys for scripts.
    ApiKeys,
    /// Computers.
    Computers,
    /// Policies.
    Policies,
    /// Rules.
    Rules,
    /// Events.
    Events,
    /// Alerts and their conditions.
    Alerts,
    /// Scheduled tasks.
    Tasks,
    /// Channels of delivery.
    Channels,
    /// Activation tokens.
    Tokens,
    /// The audit trail.
    Audit,
}

/// How it can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Looked at.
    Read,
    /// Changed.
    Write,
}

/// The matrix of roles.
pub(crate) const fn allows(role: Role, resource: Resource, access: Access) -> bool {
    match (role, access) {
        (Role::Administrator, _) | (_, Access::Read) => true,
        (Role::Operator, Access::Write) => {
            matches!(
                resource,
                Resource::Own
                    | Resource::Computers
                    | Resource::Policies
                    | Resource::Tokens
                    | Resource::Events
                    | Resource::Alerts
                    | Resource::Tasks
            )
        }
        (Role::Auditor, Access::Write) => matches!(resource, Resource::Own),
    }
}

/// Whether somebody with `maker` may hand out `made`: never more than they have.
pub(crate) const fn may_grant(maker: Role, made: Role) -> bool {
    match maker {
        Role::Administrator => true,
        Role::Operator => !matches!(made, Role::Administrator),
        Role::Auditor => matches!(made, Role::Auditor),
    }
}

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    ctx: TenantCtx,
    pub(crate) role: Role,
    /// The session, where it is one and not a key.
    pub(crate) session: Option<CallerSession>,
}

/// The session of a caller.
#[derive(Clone, Debug)]
pub(crate) struct CallerSession {
    pub(crate) user: SessionUser,
    pub(crate) hash: String,
    pub(crate) csrf_token: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) password_hash: String,
}

impl Caller {
    /// The caller's tenant, if its role allows this.
    pub(crate) fn may(&self, resource: Resource, access: Access) -> Result<&TenantCtx, Refused> {
        if allows(self.role, resource, access) {
            return Ok(&self.ctx);
        }
        Err(Refused::forbidden("Ask an administrator to do it, or for another role."))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        let caller = match bearer(&parts.headers) {
            Some(key) => by_key(app, key).await?,
            None => by_session(app, &parts.method, &parts.headers).await?,
        };
        caller.ok_or_else(Refused::unauthenticated)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The session's secret in the cookies.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

async fn by_key(app: &App, key: &str) -> Result<Option<Caller>, Refused> {
    let parsed = key.strip_prefix("sak_").and_then(|rest| rest.split_once('_'));
    let Some((id, secret)) = parsed.and_then(|(id, secret)| Some((Uuid::parse_str(id).ok()?, secret))) else {
        return Ok(None);
    };
    let now = app.clock.now();
    let Some(row) = app.store.api_key(id).await? else { return Ok(None) };
    if !secrets::equal(&secrets::digest(secret), &row.secret_hash)
        || row.expires_at.is_some_and(|at| at <= now)
    {
        return Ok(None);
    }
    if row.last_used.is_none_or(|at| now.0 - at.0 > TOUCH) {
        app.store.touch_api_key(id, now).await?;
    }
    let actor = Actor { kind: "api-key", id: Some(row.id), name: row.name };
    Ok(Some(Caller { ctx: TenantCtx { tenant: row.tenant, actor }, role: row.role, session: None }))
}

async fn by_session(app: &App, method: &Method, headers: &HeaderMap) -> Result<Option<Caller>, Refused> {
    let Some(secret) = cookie(headers) else { return Ok(None) };
    let hash = secrets::digest(secret);
    let now = app.clock.now();
    let Some(row) = app.store.session(&hash).await? else { return Ok(None) };
    if row.expires_at <= now || row.last_used.plus(IDLE) <= now {
        return Ok(None);
    }
    let csrf_token = secrets::csrf_token(secret);
    if !matches!(*method, Method::GET | Method::HEAD) {
        let sent = headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !secrets::equal(sent, &csrf_token) {
            let mut refused = Refused::forbidden("Send the session's csrfToken in the header X-CSRF-Token.");
            refused.code = "csrf";
            "The request does not show that it comes from the console.".clone_into(&mut refused.title);
            return Err(refused);
        }
    }
    if now.0 - row.last_used.0 > TOUCH {
        app.store.touch_session(&hash, now).await?;
    }
    let account = row.account;
    let actor = Actor { kind: "user", id: Some(account.id), name: account.name.clone() };
    Ok(Some(Caller {
        ctx: TenantCtx { tenant: account.tenant, actor },
        role: account.role,
        session: Some(CallerSession {
            user: SessionUser { id: account.id, name: account.name, role: account.role },
            hash,
            csrf_token,
            expires_at: row.expires_at,
            password_hash: account.password_hash,
        }),
    }))
}
