//! Who is asking, and whether they may: every handler gets its tenant only through [`Caller::may`].
use crate::app::App;
use crate::network::Network;
use crate::problem::Refused;
use crate::secrets;
use crate::store::{Actor, TenantCtx};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};
pub(crate) use sakimori_api::{Access, Resource};
use sakimori_api::{Role, Scope, SessionUser};
use sakimori_model::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The console's cookie.
pub(crate) const COOKIE: &str = "sakimori_session";
/// A session unused for this long has ended.
const IDLE: Duration = Duration::from_hours(2);
/// Uses are noted this often at most.
const TOUCH: i64 = 60_000_000;

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
                    | Resource::Upgrades
            )
        }
        (Role::Auditor, Access::Write) => matches!(resource, Resource::Own),
    }
}

/// Whether somebody with `maker` may hand out `made`: never more than they have.
const fn may_grant(maker: Role, made: Role) -> bool {
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
    /// What a key is narrowed to.
    scopes: Option<Vec<Scope>>,
    /// Where a key works.
    sources: Option<Vec<Network>>,
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

/// Who is asking, found out once for each request.
#[derive(Clone, Debug)]
pub(crate) struct Identified(pub(crate) Result<Caller, Refused>);

impl Caller {
    /// The caller's tenant, if its role and its scopes allow this.
    pub(crate) fn may(&self, resource: Resource, access: Access) -> Result<&TenantCtx, Refused> {
        if !allows(self.role, resource, access) {
            return Err(Refused::forbidden("Ask an administrator to do it, or for another role."));
        }
        let wanted = Scope { resource, access };
        // No scope names what is one's own: a session has no scopes, and a key has nothing of its own.
        let scoped = self.scopes.as_ref().filter(|_| resource != Resource::Own);
        if scoped.is_some_and(|scopes| !scopes.iter().any(|scope| scope.allows(wanted))) {
            let title = "The API key is not made for this.";
            let detail = format!("Use a key with the scope {wanted}.");
            return Err(Refused::new(StatusCode::FORBIDDEN, "scope-missing", title, detail));
        }
        Ok(&self.ctx)
    }

    /// Whether the caller may make a key of this role, these scopes and these sources: never more than it has.
    pub(crate) fn may_grant(
        &self,
        role: Role,
        scopes: Option<&[Scope]>,
        sources: Option<&[Network]>,
    ) -> Result<(), Refused> {
        let within = |own: Option<&Vec<Scope>>| {
            own.is_none_or(|own| {
                scopes.is_some_and(|new| new.iter().all(|new| own.iter().any(|own| own.allows(*new))))
            })
        };
        let inside = |own: Option<&Vec<Network>>| {
            own.is_none_or(|own| {
                sources.is_some_and(|new| new.iter().all(|new| own.iter().any(|own| own.covers(*new))))
            })
        };
        if may_grant(self.role, role) && within(self.scopes.as_ref()) && inside(self.sources.as_ref()) {
            return Ok(());
        }
        Err(Refused::forbidden(
            "A key can do at most what its maker can: give it that role, scopes and sources.",
        ))
    }

    /// Who asks, among all of the tenant's users and keys.
    pub(crate) fn principal(&self) -> (Uuid, Uuid) {
        (self.ctx.tenant, self.ctx.actor.id.unwrap_or_default())
    }

    /// The same caller, whose changes belong to one request that is carried out once.
    pub(crate) fn claiming(mut self, claim: Uuid) -> Self {
        self.ctx.claim = Some(claim);
        self
    }

    /// Whose rows, and who is asking: for what every caller may.
    pub(crate) const fn ctx(&self) -> &TenantCtx {
        &self.ctx
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        match parts.extensions.get::<Identified>() {
            Some(Identified(found)) => found.clone(),
            None => identify(app, parts).await,
        }
    }
}

/// Who is asking, by key or session.
pub(crate) async fn identify(app: &App, parts: &Parts) -> Result<Caller, Refused> {
    let caller = match bearer(&parts.headers) {
        Some(key) => by_key(app, key, parts.extensions.get::<ConnectInfo<SocketAddr>>()).await?,
        None => by_session(app, &parts.method, &parts.headers).await?,
    };
    caller.ok_or_else(Refused::unauthenticated)
}

/// The secret by which the caller is known.
pub(crate) fn credential(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| cookie(headers))
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

async fn by_key(
    app: &App,
    key: &str,
    peer: Option<&ConnectInfo<SocketAddr>>,
) -> Result<Option<Caller>, Refused> {
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
    // What cannot be read allows nothing.
    let networks = |texts: &Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect();
    let sources: Option<Vec<Network>> = row.sources.as_ref().map(networks);
    let inside = |sources: &Vec<Network>| {
        peer.is_some_and(|ConnectInfo(peer)| sources.iter().any(|network| network.contains(peer.ip())))
    };
    if sources.as_ref().is_some_and(|sources| !inside(sources)) {
        let title = "The API key does not work from this address.";
        let detail = "Use it from one of its sources, or make a key for this address.";
        return Err(Refused::new(StatusCode::FORBIDDEN, "source-not-allowed", title, detail));
    }
    if row.last_used.is_none_or(|at| now.0 - at.0 > TOUCH) {
        app.store.touch_api_key(id, now).await?;
    }
    let actor = Actor { kind: "api-key", id: Some(row.id), name: row.name };
    Ok(Some(Caller {
        ctx: TenantCtx::new(row.tenant, actor),
        role: row.role,
        scopes: row.scopes,
        sources,
        session: None,
    }))
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
        ctx: TenantCtx::new(account.tenant, actor),
        role: account.role,
        scopes: None,
        sources: None,
        session: Some(CallerSession {
            user: SessionUser { id: account.id, name: account.name, role: account.role },
            hash,
            csrf_token,
            expires_at: row.expires_at,
            password_hash: account.password_hash,
        }),
    }))
}
