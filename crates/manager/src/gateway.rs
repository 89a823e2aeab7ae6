//! What agents say: enrolment and renewal on the public listener, check-ins and events on the gateway.
mod check_in;
mod enrolment;
mod events;
mod inventory;

pub(crate) use check_in::{check_in, order_done};
pub(crate) use enrolment::{blob, enrol, renew};
pub(crate) use events::events;
pub(crate) use inventory::inventory;

use crate::app::App;
use crate::authority::PeerIdentity;
use crate::fingerprint::{Machine, compare};
use crate::metrics::count;
use crate::problem::Refused;
use crate::store::{CloneSighting, ComputerRow, TenantCtx};
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use sakimori_model::Timestamp;
use sakimori_protocol::{Cloud, Fingerprint, Refusal, RefusalCode};
use std::sync::Arc;

/// A refusal as agents read it.
#[derive(Debug)]
pub(crate) struct Refuse(Refusal, Option<u64>);

impl Refuse {
    fn new(status: StatusCode, code: RefusalCode, title: &str, detail: impl Into<String>) -> Self {
        let (title, detail) = (title.to_owned(), detail.into());
        Self(Refusal { status: status.as_u16(), code, title, detail }, None)
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, RefusalCode::MessageInvalid, "The message is not valid.", detail)
    }

    fn unknown_computer() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            RefusalCode::ComputerUnknown,
            "The manager does not know this computer, or it was deleted.",
            "Activate the agent anew with a valid activation token.",
        )
    }

    fn clone_of(row: &ComputerRow) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            RefusalCode::Clone,
            "This identity belongs to another machine.",
            format!(
                "It was given to {}. If this machine is a copy of it, activate the agent here anew with a valid \
                 activation token; if it is the same machine with new hardware, delete the computer in the console \
                 and activate anew.",
                row.host_name
            ),
        )
    }
}

impl IntoResponse for Refuse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if let Some(secs) = self.1 {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(secs));
        }
        response
    }
}

impl<E: Into<Refused>> From<E> for Refuse {
    fn from(error: E) -> Self {
        let refused: Refused = error.into();
        let code = match refused.code {
            "busy" => RefusalCode::Busy,
            "sequence-invalid" => RefusalCode::SequenceInvalid,
            "invalid" | "too-large" | "not-json" => RefusalCode::MessageInvalid,
            _ => RefusalCode::Other,
        };
        Self(
            Refusal { status: refused.status.as_u16(), code, title: refused.title, detail: refused.detail },
            refused.retry_after,
        )
    }
}

/// The computer whose certificate the connection showed, unless it was deleted.
pub(crate) struct Peer(pub(crate) Box<ComputerRow>);

impl FromRequestParts<Arc<App>> for Peer {
    type Rejection = Refuse;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refuse> {
        let identity = parts.extensions.get::<PeerIdentity>().ok_or_else(Refuse::unknown_computer)?;
        // On the heap, and gone before a check-in is held.
        Box::pin(Self::of(app, identity)).await
    }
}

impl Peer {
    async fn of(app: &App, identity: &PeerIdentity) -> Result<Self, Refuse> {
        let ctx = TenantCtx::system(identity.tenant);
        if !app.store.certificate_valid(&ctx, &identity.serial, identity.computer).await? {
            return Err(Refuse::unknown_computer());
        }
        let row = app.store.computer(&ctx, identity.computer).await?;
        row.map(|row| Self(Box::new(row))).ok_or_else(Refuse::unknown_computer)
    }
}

/// Refuses another machine that uses a computer's identity; the original is left alone, and a person decides.
async fn check_machine(
    app: &App,
    row: &ComputerRow,
    said: &Fingerprint,
    now: Timestamp,
) -> Result<(), Refuse> {
    match compare(&row.fingerprint, said) {
        Machine::Same => Ok(()),
        Machine::SameButChanged(fingerprint) => {
            let ctx = TenantCtx::computer(row.tenant, row.id, row.name());
            let mut write = app.store.begin(&ctx, now).await?;
            write.set_fingerprint(row.id, &fingerprint).await?;
            write.commit().await?;
            Ok(())
        }
        Machine::Another(differs_in) => {
            note_clone(app, row, differs_in, said, now).await?;
            Err(Refuse::clone_of(row))
        }
    }
}

/// Keeps that another machine used the identity, once for each new finding.
async fn note_clone(
    app: &App,
    row: &ComputerRow,
    differs_in: Vec<String>,
    said: &Fingerprint,
    now: Timestamp,
) -> Result<(), Refuse> {
    count(&app.metrics.clones, 1);
    let known = row.clone.as_ref().is_some_and(|c| c.differs_in == differs_in && c.fingerprint == *said);
    if known {
        return Ok(());
    }
    tracing::warn!(computer = %row.id, ?differs_in, "another machine uses a computer's identity");
    let sighting = CloneSighting { seen: now.0, differs_in, fingerprint: said.clone() };
    let ctx = TenantCtx::system(row.tenant);
    let mut write = app.store.begin(&ctx, now).await?;
    write.set_clone(row.id, &sighting).await?;
    write
        .audit(crate::store::Change {
            action: "computer.clone",
            object_kind: "computer",
            object_id: row.id.to_string(),
            before: None,
            after: Some(serde_json::json!({"differsIn": sighting.differs_in})),
        })
        .await?;
    write.commit().await?;
    app.tell_computer(row.tenant, row.id).await;
    Ok(())
}

/// What an agent says of the cloud, within bounds.
fn tidy_cloud(cloud: &Cloud) -> Cloud {
    let text = |text: &str| tidy(text, 256);
    let mut tags: Vec<(String, String)> =
        cloud.tags.iter().take(64).map(|(key, value)| (text(key), text(value))).collect();
    tags.sort();
    Cloud {
        provider: text(&cloud.provider),
        instance: text(&cloud.instance),
        name: text(&cloud.name),
        region: text(&cloud.region),
        zone: text(&cloud.zone),
        account: text(&cloud.account),
        resource_group: text(&cloud.resource_group),
        scale_set: text(&cloud.scale_set),
        image: text(&cloud.image),
        size: text(&cloud.size),
        tags,
    }
}

/// A text from a computer, cut and without control characters: it ends up in lists and logs.
fn tidy(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}
