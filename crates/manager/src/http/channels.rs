//! Channels: where alerts and events are sent. Their secrets go in and never out.
use super::auth::{Access, Caller, Resource};
use super::event_search::parse;
use super::extract::{Id, Message, Query, check_if_match, limit, name, page};
use crate::app::App;
use crate::clock;
use crate::events::{self, EventStore as _};
use crate::problem::Refused;
use crate::store::{Change, ChannelRow, Progress};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{
    Channel, ChannelPatch, ChannelSecrets, ChannelTarget, ChannelTest, FieldError, MailSecurity, NewChannel,
    Page, Patch,
};
use sakimori_model::{Severity, Timestamp};
use sakimori_query::Filter;
use std::sync::Arc;
use uuid::Uuid;

/// Most channels of a tenant.
const CHANNELS: u64 = 100;

async fn shown(app: &App, tenant: Uuid, row: &ChannelRow) -> Result<Channel, Refused> {
    let progress = &row.progress;
    let end = app.store.alert_changes_end(tenant).await?;
    let waiting = if row.alerts.is_some() { end - progress.alerts } else { 0 };
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    // Secrets that cannot be opened are none; that it is so is said when they are needed.
    let secrets = app.vault.unseal(tenant, row.id, &row.secrets).unwrap_or_default();
    let mut secrets_set: Vec<String> = secrets.headers.keys().map(|name| format!("headers.{name}")).collect();
    secrets_set.extend(secrets.password.as_ref().map(|_| "password".to_owned()));
    secrets_set.extend(secrets.signing_key.as_ref().map(|_| "signingKey".to_owned()));
    let through = events::id_time(progress.events);
    Ok(Channel {
        id: row.id,
        name: row.name.clone(),
        target: row.target.clone(),
        secrets_set,
        enabled: row.enabled,
        alerts: row.alerts.clone(),
        events: row.events.clone(),
        alerts_waiting: number(waiting),
        events_through: (row.events.is_some() && through > Timestamp(0)).then(|| clock::text(through)),
        delivered: number(progress.delivered),
        lost: number(progress.lost),
        events_lost_from: progress.events_lost.map(|(from, _)| clock::text(from)),
        events_lost_until: progress.events_lost.map(|(_, until)| clock::text(until)),
        last_delivered_at: progress.last_delivered.map(clock::text),
        failing_since: progress.failing_since.map(clock::text),
        last_error: progress.last_error.clone(),
        next_attempt_at: progress.failing_since.map(|_| clock::text(progress.next_attempt)),
        updated_at: clock::text(row.updated_at),
        etag: etag(row),
    })
}

fn etag(row: &ChannelRow) -> String {
    format!("\"{}\"", row.revision)
}

fn with_etag(status: StatusCode, channel: &Channel) -> Response {
    let mut response = (status, Json(channel)).into_response();
    if let Ok(value) = HeaderValue::from_str(&channel.etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

fn audited(row: &ChannelRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.name, "target": row.target, "enabled": row.enabled, "alerts": row.alerts, "events": row.events,
    })
}

fn change<'a>(action: &'a str, before: Option<&ChannelRow>, after: Option<&ChannelRow>) -> Change<'a> {
    let id = before.or(after).map(|row| row.id.to_string()).unwrap_or_default();
    Change {
        action,
        object_kind: "channel",
        object_id: id,
        before: before.map(audited),
        after: after.map(audited),
    }
}

// === what is right ===

fn error(pointer: &str, message: &str) -> FieldError {
    FieldError {
        pointer: pointer.to_owned(),
        code: "invalid".to_owned(),
        message: message.to_owned(),
        args: std::collections::BTreeMap::new(),
    }
}

fn server(errors: &mut Vec<FieldError>, server: &str, port: u16) {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
    if server.is_empty() || server.len() > 253 || !server.chars().all(fits) {
        errors.push(error("/target/server", "A name of DNS or an address."));
    }
    if port == 0 {
        errors.push(error("/target/port", "A number from 1 to 65535."));
    }
}

fn is_here(server: &str) -> bool {
    server == "localhost" || server.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn authorities(errors: &mut Vec<FieldError>, pem: Option<&String>) {
    let Some(pem) = pem else { return };
    let trust = sakimori_trust::Trust::Authorities(pem.clone());
    if pem.len() > 65_536 || sakimori_trust::client_config(&trust, None).is_err() {
        errors.push(error("/target/authorities", "Certificates in PEM, at most 64 KiB."));
    }
}

fn check(target: &ChannelTarget, secrets: &ChannelSecrets) -> Result<(), Refused> {
    let mut errors = Vec::new();
    match target {
        ChannelTarget::Email(target) => {
            server(&mut errors, &target.server, target.port);
            if target.security == MailSecurity::Plain && !is_here(&target.server) {
                errors.push(error(
                    "/target/security",
                    "Without TLS mail goes to localhost only: take tls or starttls.",
                ));
            }
            let address =
                |text: &String| text.len() <= 320 && text.parse::<lettre::message::Mailbox>().is_ok();
            if !address(&target.from) {
                errors.push(error("/target/from", "An address of e-mail."));
            }
            if target.to.is_empty() || target.to.len() > 50 || !target.to.iter().all(address) {
                errors.push(error("/target/to", "1 to 50 addresses of e-mail."));
            }
            if target.user.is_some() != secrets.password.is_some() {
                errors.push(error("/secrets/password", "A user and a password go together."));
            }
            authorities(&mut errors, target.authorities.as_ref());
        }
        ChannelTarget::Webhook(http) | ChannelTarget::Otlp(http) => {
            let url = reqwest::Url::parse(&http.url).ok().filter(|url| {
                let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
                let fits = url.scheme() == "https" || (url.scheme() == "http" && is_here(host));
                fits && url.username().is_empty() && url.password().is_none() && http.url.len() <= 2048
            });
            if url.is_none() {
                errors.push(error(
                    "/target/url",
                    "A URL with https, or with http to localhost, without user and password in it: give those as a header.",
                ));
            }
            let signed = matches!(target, ChannelTarget::Webhook(_));
            if signed && secrets.signing_key.as_ref().is_none_or(|key| !(16..=1024).contains(&key.len())) {
                errors.push(error(
                    "/secrets/signingKey",
                    "16 to 1024 bytes: the receiver knows requests by it.",
                ));
            }
            authorities(&mut errors, http.authorities.as_ref());
        }
        ChannelTarget::Syslog(target) => {
            server(&mut errors, &target.server, target.port);
            authorities(&mut errors, target.authorities.as_ref());
        }
    }
    let ours = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.starts_with("sakimori-")
            || matches!(
                name.as_str(),
                "host" | "content-type" | "content-length" | "transfer-encoding" | "connection"
            )
    };
    let header = |(name, value): (&String, &String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok()
            && HeaderValue::from_str(value).is_ok()
            && value.len() <= 4096
            && !ours(name)
    };
    if secrets.headers.len() > 16 || !secrets.headers.iter().all(header) {
        errors.push(error("/secrets/headers", "At most 16 headers, none of those that are set anyhow."));
    }
    if secrets.password.as_ref().is_some_and(|password| password.len() > 1024) {
        errors.push(error("/secrets/password", "At most 1024 bytes."));
    }
    if errors.is_empty() { Ok(()) } else { Err(Refused::fields(errors)) }
}

fn severity(text: Option<String>) -> Result<Option<String>, Refused> {
    let known = text.map(|text| text.parse::<Severity>().map(|severity| severity.to_string())).transpose();
    known.map_err(|_e| Refused::field("/alerts", "unknown", "One of info, low, medium, high and critical."))
}

/// Where what is stored ends now.
async fn end(app: &App, tenant: Uuid) -> Result<Progress, Refused> {
    let nothing = Filter::Or(Vec::new());
    Ok(Progress {
        alerts: app.store.alert_changes_end(tenant).await?,
        events: app.events.follow(tenant, &nothing, Uuid::nil(), 1).await?.through,
        ..Progress::default()
    })
}

// === handlers ===

/// The channels.
#[utoipa::path(get, path = "/channels", tag = "channels", operation_id = "listChannels",
    params(super::ListQuery), responses((status = 200, body = Page<Channel>)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<super::ListQuery>,
) -> Result<Json<Page<Channel>>, Refused> {
    let ctx = caller.may(Resource::Channels, Access::Read)?;
    let limit = limit(query.limit)?;
    let rows = app.store.channels(ctx, query.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    let mut channels = Vec::with_capacity(rows.len());
    for row in &rows {
        channels.push(shown(&app, ctx.tenant, row).await?);
    }
    Ok(Json(page(channels, limit, |channel| channel.id.to_string())))
}

/// Makes a channel. It sends what happens from now on.
#[utoipa::path(post, path = "/channels", tag = "channels", operation_id = "createChannel",
    request_body = NewChannel, responses((status = 201, body = Channel)))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Message(new): Message<NewChannel>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Channels, Access::Write)?;
    let now = app.clock.now();
    check(&new.target, &new.secrets)?;
    if let Some(filter) = &new.events {
        parse("/events", filter, now)?;
    }
    let id = Uuid::now_v7();
    let row = ChannelRow {
        id,
        name: name("/name", &new.name)?,
        target: new.target,
        secrets: app.vault.seal(ctx.tenant, id, &new.secrets)?,
        enabled: new.enabled.unwrap_or(true),
        alerts: severity(new.alerts)?,
        events: new.events,
        progress: end(&app, ctx.tenant).await?,
        revision: 1,
        updated_at: now,
    };
    let mut write = app.store.begin(ctx, now).await?;
    if write.count_channels().await? >= CHANNELS {
        return Err(Refused::conflict(
            "too-many",
            "There are as many channels as there may be.",
            "Delete one that is not used.",
        ));
    }
    write.insert_channel(&row).await?;
    write.audit(change("channel.create", None, Some(&row))).await?;
    write.commit().await?;
    Ok(with_etag(StatusCode::CREATED, &shown(&app, ctx.tenant, &row).await?))
}

/// One channel.
#[utoipa::path(get, path = "/channels/{id}", tag = "channels", operation_id = "getChannel",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Channel)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Channels, Access::Read)?;
    let row = app.store.channel(ctx, id).await?.ok_or_else(|| Refused::not_found("channel"))?;
    Ok(with_etag(StatusCode::OK, &shown(&app, ctx.tenant, &row).await?))
}

/// Changes a channel. Merge patch.
#[utoipa::path(patch, path = "/channels/{id}", tag = "channels", operation_id = "updateChannel",
    params(("id" = uuid::Uuid, Path), ("If-Match" = Option<String>, Header, description = "The `etag` that was read")),
    request_body(content = ChannelPatch, content_type = "application/json"),
    responses((status = 200, body = Channel)))]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Message(patch): Message<ChannelPatch>,
) -> Result<Response, Refused> {
    let ctx = caller.may(Resource::Channels, Access::Write)?;
    let now = app.clock.now();
    let end = end(&app, ctx.tenant).await?;
    let mut write = app.store.begin(ctx, now).await?;
    let mut row = write.channel(id).await?.ok_or_else(|| Refused::not_found("channel"))?;
    check_if_match(&headers, &etag(&row))?;
    let before = row.clone();
    if let Some(text) = patch.name {
        row.name = name("/name", &text)?;
    }
    let mut secrets = app.vault.unseal(ctx.tenant, id, &row.secrets).unwrap_or_default();
    if let Some(target) = patch.target
        && target != row.target
    {
        row.target = target;
        secrets = ChannelSecrets::default();
    }
    if let Some(given) = patch.secrets {
        secrets = given;
    }
    check(&row.target, &secrets)?;
    row.secrets = app.vault.seal(ctx.tenant, id, &secrets)?;
    // What a channel begins with, it sends from now on.
    match patch.alerts {
        Patch::Keep => {}
        Patch::Clear => row.alerts = None,
        Patch::Set(text) => {
            if row.alerts.is_none() {
                row.progress.alerts = end.alerts;
            }
            row.alerts = severity(Some(text))?;
        }
    }
    match patch.events {
        Patch::Keep => {}
        Patch::Clear => row.events = None,
        Patch::Set(filter) => {
            parse("/events", &filter, now)?;
            if row.events.is_none() {
                row.progress.events = end.events;
            }
            row.events = Some(filter);
        }
    }
    row.enabled = patch.enabled.unwrap_or(row.enabled);
    write.update_channel(&row).await?;
    write.audit(change("channel.update", Some(&before), Some(&row))).await?;
    write.commit().await?;
    row.revision += 1;
    row.updated_at = now;
    Ok(with_etag(StatusCode::OK, &shown(&app, ctx.tenant, &row).await?))
}

/// Deletes a channel. What it had not sent yet is not sent.
#[utoipa::path(delete, path = "/channels/{id}", tag = "channels", operation_id = "deleteChannel",
    params(("id" = uuid::Uuid, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Refused> {
    let ctx = caller.may(Resource::Channels, Access::Write)?;
    let mut write = app.store.begin(ctx, app.clock.now()).await?;
    let row = write.channel(id).await?.ok_or_else(|| Refused::not_found("channel"))?;
    write.delete_channel(id).await?;
    write.audit(change("channel.delete", Some(&row), None)).await?;
    write.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a made-up alert at once, beside the queue, and says what the receiver said.
#[utoipa::path(post, path = "/channels/{id}/test", tag = "channels", operation_id = "testChannel",
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ChannelTest)))]
pub(super) async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ChannelTest>, Refused> {
    let ctx = caller.may(Resource::Channels, Access::Write)?;
    let row = app.store.channel(ctx, id).await?.ok_or_else(|| Refused::not_found("channel"))?;
    Ok(Json(crate::delivery::test(&app, ctx.tenant, &row).await))
}
