//! Logging in and out.
use super::auth::{Access, COOKIE, Caller, CallerSession, Resource};
use super::extract::{Message, Query, limit, page};
use crate::app::App;
use crate::clock;
use crate::metrics::count;
use crate::problem::Refused;
use crate::secrets;
use crate::store::{AccountRow, Actor, Change, TenantCtx};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{Credentials, Page, PasswordChange, Session, SessionUser, User};
use sakimori_model::Timestamp;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// A session ends after this long however much it is used.
const SESSION_LIFE: Duration = Duration::from_hours(12);
/// So many failed log-ins of one name from one address, or of any name from it tenfold, may follow quickly.
const FAILURES: u32 = 5;
/// Then this long must pass.
const PENALTY: Duration = Duration::from_mins(1);
/// Names and addresses remembered.
const REMEMBERED: usize = 10_000;
/// Verified when there is no such user, so that the time taken does not tell.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FraW1vcmktbm9ib2R5$Nf3sG2ayk3Yy0Z4tH0jT9d3bq2v0m0hQn0p7mYyR0tE";

/// Failed log-ins of one name or address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogInFailures {
    count: u32,
    last: Timestamp,
}

fn session(of: &CallerSession) -> Session {
    Session {
        user: of.user.clone(),
        csrf_token: of.csrf_token.clone(),
        expires_at: clock::text(of.expires_at),
    }
}

fn user(row: AccountRow) -> User {
    User {
        id: row.id,
        name: row.name,
        role: row.role,
        created_at: clock::text(row.created_at),
        last_log_in: row.last_log_in.map(clock::text),
    }
}

fn own(caller: &Caller) -> Result<&CallerSession, Refused> {
    caller.session.as_ref().ok_or_else(|| Refused::forbidden("An API key has no session; use a log-in."))
}

/// The address whose failures count together: an IPv6 host has a whole /64.
fn source(peer: SocketAddr) -> String {
    match peer.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("{:x}", ip.to_bits() >> 64),
    }
}

/// Counts an attempt as failed until it has succeeded, so that guesses made at once count too; refuses where too
/// many have failed.
fn attempt(app: &App, keys: &[(String, u32)], now: Timestamp) -> Result<(), Refused> {
    let mut failures = app.log_ins.lock().unwrap_or_else(PoisonError::into_inner);
    failures.retain(|_, of| now < of.last.plus(PENALTY));
    for (key, allowed) in keys {
        if let Some(of) = failures.get(key).filter(|of| of.count >= *allowed) {
            let wait = u64::try_from(of.last.plus(PENALTY).0 - now.0).unwrap_or_default() / 1_000_000 + 1;
            return Err(Refused::busy(StatusCode::TOO_MANY_REQUESTS, wait));
        }
    }
    for (key, _) in keys {
        if failures.len() < REMEMBERED || failures.contains_key(key) {
            let of = failures.entry(key.clone()).or_insert(LogInFailures { count: 0, last: now });
            of.count += 1;
            of.last = now;
        }
    }
    Ok(())
}

/// Takes back what [`attempt`] counted.
fn succeeded(app: &App, keys: &[(String, u32)]) {
    let mut failures = app.log_ins.lock().unwrap_or_else(PoisonError::into_inner);
    for (key, _) in keys {
        if let Some(of) = failures.get_mut(key) {
            of.count = of.count.saturating_sub(1);
        }
    }
}

/// A turn to compute a password hash.
async fn turn(app: &App) -> Result<SemaphorePermit<'_>, Refused> {
    match tokio::time::timeout(Duration::from_secs(5), app.hashing.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Refused::busy(StatusCode::SERVICE_UNAVAILABLE, 5)),
    }
}

/// Whether the password is right, computed where it blocks nobody.
async fn verified(app: &App, password: String, hash: String) -> Result<bool, Refused> {
    let _turn = turn(app).await?;
    Ok(tokio::task::spawn_blocking(move || secrets::verify_password(&password, &hash)).await?)
}

fn set_cookie(value: &str, secs: u64) -> Result<HeaderValue, Refused> {
    let text = format!("{COOKIE}={value}; Path=/; Max-Age={secs}; HttpOnly; Secure; SameSite=Strict");
    HeaderValue::from_str(&text).map_err(|_e| Refused::invalid("The cookie could not be written."))
}

/// Logs in: sets the session cookie.
#[utoipa::path(post, path = "/sessions", tag = "sessions", operation_id = "logIn", request_body = Credentials,
    responses((status = 201, body = Session)), security(()))]
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Message(credentials): Message<Credentials>,
) -> Result<Response, Refused> {
    let now = app.clock.now();
    let from = source(peer);
    let name: String = credentials.user.chars().take(64).collect();
    let keys = [(format!("{from} {name}"), FAILURES), (from, FAILURES * 10)];
    attempt(&app, &keys, now)?;
    let account = app.store.account_named(app.tenant, &name).await?;
    let hash = account.as_ref().map_or_else(|| NOBODY.to_owned(), |account| account.password_hash.clone());
    let right = credentials.password.len() <= 1024 && verified(&app, credentials.password, hash).await?;
    let Some(account) = account.filter(|_| right) else {
        count(&app.metrics.log_ins_failed, 1);
        tracing::warn!(user = %name, peer = %peer, "log-in failed");
        return Err(Refused::new(
            StatusCode::UNAUTHORIZED,
            "log-in-failed",
            "The user name or the password is wrong.",
            "Check both; after five failures a minute must pass.",
        ));
    };
    succeeded(&app, &keys);
    let secret = secrets::new_secret()?;
    let expires_at = now.plus(SESSION_LIFE);
    let actor = Actor { kind: "user", id: Some(account.id), name: account.name.clone() };
    let mut write = app.store.begin(&TenantCtx::new(account.tenant, actor), now).await?;
    write.insert_session(&secrets::digest(&secret), account.id, expires_at).await?;
    write
        .audit(Change {
            action: "session.create",
            object_kind: "user",
            object_id: account.id.to_string(),
            before: None,
            after: Some(json!({"from": peer.ip()})),
        })
        .await?;
    write.commit().await?;
    let body = Session {
        user: SessionUser { id: account.id, name: account.name, role: account.role },
        csrf_token: secrets::csrf_token(&secret),
        expires_at: clock::text(expires_at),
    };
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    response.headers_mut().insert(header::SET_COOKIE, set_cookie(&secret, SESSION_LIFE.as_secs())?);
    Ok(response)
}

/// The session that the cookie names.
#[utoipa::path(get, path = "/sessions/current", tag = "sessions", operation_id = "getCurrentSession",
    responses((status = 200, body = Session)))]
pub(super) async fn current(caller: Caller) -> Result<Json<Session>, Refused> {
    caller.may(Resource::Own, Access::Read)?;
    Ok(Json(session(own(&caller)?)))
}

/// Logs out.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions", operation_id = "logOut",
    responses((status = 204)))]
pub(super) async fn log_out(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Own, Access::Write)?;
    let own = own(&caller)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    write.delete_session(&own.hash).await?;
    write
        .audit(Change {
            action: "session.delete",
            object_kind: "user",
            object_id: own.user.id.to_string(),
            before: None,
            after: None,
        })
        .await?;
    write.commit().await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::SET_COOKIE, set_cookie("", 0)?);
    Ok(response)
}

/// The users.
#[utoipa::path(get, path = "/users", tag = "users", operation_id = "listUsers", params(super::ListQuery),
    responses((status = 200, body = Page<User>)))]
pub(super) async fn users(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<User>>, Refused> {
    let ctx = caller.may(Resource::Users, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.accounts(ctx, query.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    Ok(Json(page(rows.into_iter().map(user).collect(), limit, |user| user.id.to_string())))
}

/// Changes one's own password and ends one's other sessions.
#[utoipa::path(post, path = "/users/current/password", tag = "users", operation_id = "changePassword",
    request_body = PasswordChange, responses((status = 204)))]
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(change): Message<PasswordChange>,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Own, Access::Write)?;
    let own = own(&caller)?;
    let length = change.new_password.chars().count();
    if length < 12 || change.new_password.len() > 1024 {
        return Err(Refused::field(
            "/newPassword",
            "password-length",
            "A password has 12 to 1024 characters.",
        ));
    }
    if change.new_password == change.current_password {
        return Err(Refused::field(
            "/newPassword",
            "password-same",
            "Choose a password that is not the old one.",
        ));
    }
    let now = app.clock.now();
    let keys = [(format!("password {}", own.user.id), FAILURES)];
    attempt(&app, &keys, now)?;
    if !verified(&app, change.current_password, own.password_hash.clone()).await? {
        return Err(Refused::field(
            "/currentPassword",
            "password-wrong",
            "This is not the password until now.",
        ));
    }
    succeeded(&app, &keys);
    let new = change.new_password;
    let hash = {
        let _turn = turn(&app).await?;
        tokio::task::spawn_blocking(move || secrets::hash_password(&new)).await??
    };
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    write.set_password(own.user.id, &hash, &own.hash).await?;
    write
        .audit(Change {
            action: "user.password",
            object_kind: "user",
            object_id: own.user.id.to_string(),
            before: None,
            after: None,
        })
        .await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
