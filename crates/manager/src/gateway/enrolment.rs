//! How a machine becomes a computer of the fleet, and stays one.
use super::{Refuse, check_machine, tidy, tidy_cloud};
use crate::app::{App, authority_of};
use crate::authority::{CertificateRequest, RequestError};
use crate::event_based_tasks::Facts;
use crate::fingerprint::{Machine, compare};
use crate::http::Message;
use crate::metrics::count;
use crate::reactions;
use crate::secrets;
use crate::store::{
    Actor, CertificateRow, Change, ComputerRow, Life, NewComputer, PolicyRow, StoreError, TenantCtx,
    TokenRow, Write, names_upwards,
};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{TaskActionKind, TaskOutcome, TaskVerdict, Trigger};
use sakimori_model::Timestamp;
use sakimori_protocol::{Cloud, Enrol, EnrolAnswer, Fingerprint, Hash, RefusalCode, Renew, RenewAnswer};
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

impl From<RequestError> for Refuse {
    fn from(error: RequestError) -> Self {
        Self::invalid(format!("Make the request anew: {error}."))
    }
}

fn bad_token(why: &str) -> Refuse {
    Refuse::new(
        StatusCode::FORBIDDEN,
        RefusalCode::TokenInvalid,
        &format!("The activation token {why}."),
        "Make a new one in the console under Computers, Activate, or with `sakimori tokens create`.",
    )
}

async fn token(app: &App, text: &str) -> Result<TokenRow, Refuse> {
    let parsed = text.split_once('.').and_then(|(id, secret)| Some((Uuid::parse_str(id).ok()?, secret)));
    let Some((id, secret)) = parsed else { return Err(bad_token("is not one of the form ID.SECRET")) };
    let row = app.store.activation_token(id).await?;
    row.filter(|row| secrets::equal(&secrets::digest(secret), &row.secret_hash))
        .ok_or_else(|| bad_token("is unknown"))
}

fn policy(token: &TokenRow, asked: Option<&str>, all: &[PolicyRow]) -> Result<Uuid, Refuse> {
    let refuse = |title: &str, detail: &str| {
        Err(Refuse::new(StatusCode::FORBIDDEN, RefusalCode::PolicyInvalid, title, detail))
    };
    let asked = match asked.filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match all.iter().find(|row| row.name == text || row.id.to_string() == text) {
            Some(row) => Some(row.id),
            None => {
                return refuse(
                    "There is no policy of that name or id.",
                    "Name one that the console lists, or leave the policy out.",
                );
            }
        },
    };
    match (token.policy, asked) {
        (Some(only), Some(asked)) if only != asked => refuse(
            "The activation token gives another policy.",
            "Leave the policy out, or use a token that allows it.",
        ),
        (Some(only), _) => Ok(only),
        (None, Some(asked)) => Ok(asked),
        (None, None) => match all.iter().find(|row| row.built_in && row.parent.is_none()) {
            Some(base) => Ok(base.id),
            None => refuse("There is no base policy.", "Name a policy."),
        },
    }
}

fn check_fingerprint(fingerprint: &Fingerprint) -> Result<(), Refuse> {
    let facts = [&fingerprint.machine_id, &fingerprint.dmi_uuid, &fingerprint.cloud_instance];
    if facts.iter().any(|fact| fact.len() > 256 || fact.chars().any(char::is_control)) {
        return Err(Refuse::invalid("A fact of the fingerprint has at most 256 printable characters."));
    }
    Ok(())
}

/// Gives an identity to a machine that shows an activation token.
pub(crate) async fn enrol(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    message: Result<Message<Enrol>, crate::problem::Refused>,
) -> Result<Json<EnrolAnswer>, Refuse> {
    let Message(said) = message?;
    check_fingerprint(&said.fingerprint)?;
    let _place = app.classes.activations.enter().await?;
    let now = app.clock.now();
    let token = token(&app, &said.token).await?;
    let request = CertificateRequest::from_pem(&said.csr)?;
    let spki_hash = request.spki_hash();
    let host_name = match tidy(&said.host_name, 253) {
        name if name.trim().is_empty() => "unnamed".to_owned(),
        name => name,
    };
    let actor = Actor { kind: "activation-token", id: Some(token.id), name: token.name.clone() };
    let ctx = TenantCtx::new(token.tenant, actor);

    let mut write = app.store.begin(&ctx, now).await?;
    let known = write.computer_enrolled(said.enrolment).await?;
    let (computer, repeated) = match known {
        // The answer to an earlier try was lost: no second computer, and no use of the token is counted.
        Some(row)
            if row.spki_hash == spki_hash
                && !matches!(compare(&row.fingerprint, &said.fingerprint), Machine::Another(_)) =>
        {
            (row.id, true)
        }
        // The disk was copied while an attempt lay on it.
        Some(row) if row.spki_hash == spki_hash => return Err(Refuse::clone_of(&row)),
        Some(_) => {
            return Err(Refuse::new(
                StatusCode::CONFLICT,
                RefusalCode::MessageInvalid,
                "This enrolment was made with another key.",
                "Begin a new enrolment.",
            ));
        }
        None => {
            if write.key_in_use(&spki_hash).await? {
                return Err(Refuse::new(
                    StatusCode::CONFLICT,
                    RefusalCode::Clone,
                    "The key belongs to a computer that is already activated.",
                    "Make a new key: each machine has one of its own.",
                ));
            }
            if let Some(why) = token.unusable(now) {
                return Err(bad_token(why));
            }
            let arrival = Arrival {
                host_name: &host_name,
                platform: &tidy(&said.operating_system, 128),
                cloud: said.cloud.as_ref().map(tidy_cloud),
                source: peer.ip().to_canonical().to_string(),
                token: &token,
            };
            let verdict = arrival.judge(&mut write).await?;
            if let Some(refused) = refusal(&token, &verdict) {
                // Who was not let in, and why, is to be found; no use of the token is counted.
                arrival.note_refused(&mut write, &verdict).await?;
                write.commit().await?;
                return Err(refused);
            }
            let policies = write.policies().await?;
            let asked = policy(&token, said.policy.as_deref(), &policies);
            // A task counts more than the deployment script, and that more than the default.
            let by_task = verdict.outcome.policy_id.filter(|id| policies.iter().any(|row| row.id == *id));
            let policy = match by_task {
                Some(policy) => policy,
                None => asked?,
            };
            let groups = write.groups().await?;
            let exists = |id: &Uuid| groups.iter().any(|row| row.id == *id);
            let group = verdict.outcome.group_id.filter(exists).or_else(|| token.group.filter(exists));
            let mut tags = token.tags.clone();
            reactions::add_tags(&mut tags, &verdict.outcome.tags);
            if !write.use_token(token.id).await? {
                return Err(bad_token("has been used as often as it allows"));
            }
            let told = !said.fingerprint.dmi_uuid.is_empty() || !said.fingerprint.cloud_instance.is_empty();
            let known = if told { write.computer_unmanaged(&said.fingerprint).await? } else { None };
            let id = known.as_ref().map_or_else(Uuid::now_v7, |row| row.id);
            let new = NewComputer {
                group,
                tags: &tags,
                ephemeral: token.ephemeral || verdict.outcome.ephemeral,
                cloud: arrival.cloud.as_ref(),
                source: &arrival.source,
                token: token.id,
                id,
                enrolment: said.enrolment,
                spki_hash: &spki_hash,
                host_name: &host_name,
                policy,
                agent_version: &tidy(&said.agent_version, 64),
                operating_system: &tidy(&said.operating_system, 128),
                fingerprint: &said.fingerprint,
            };
            match known {
                None => write.insert_computer(&new).await?,
                Some(row) => write.take_up(row, &new, by_task, &verdict.outcome.tags).await?,
            }
            write
                .audit(Change {
                    action: "computer.activate",
                    object_kind: "computer",
                    object_id: id.to_string(),
                    before: None,
                    after: Some(serde_json::json!({
                        "hostName": host_name, "policyId": policy, "groupId": group, "tags": tags,
                        "ephemeral": new.ephemeral, "tokenId": token.id,
                    })),
                })
                .await?;
            reactions::note_tasks(&mut write, id, &host_name, Trigger::Activated, &verdict).await?;
            (id, false)
        }
    };
    let certificate = issue(&app, &mut write, &request, token.tenant, computer, now).await?;
    write.commit().await?;
    if !repeated {
        count(&app.metrics.enrolments, 1);
        tracing::info!(%computer, host = %host_name, "a computer was activated");
        app.fleet.welcome(computer);
        app.tell_computer(token.tenant, computer).await;
    }
    Ok(Json(EnrolAnswer {
        computer,
        certificate,
        authorities: app.authority.ca_pem().to_owned(),
        gateway: format!("https://{}", authority_of(app.host_used(&headers), app.gateway_port)),
        bundle_key: app.authority.bundle_key(),
    }))
}

/// A machine that shows a token.
struct Arrival<'a> {
    host_name: &'a str,
    platform: &'a str,
    cloud: Option<Cloud>,
    source: String,
    token: &'a TokenRow,
}

impl Arrival<'_> {
    /// What event-based tasks make of it. They see the group and the tags that the token gives.
    async fn judge(&self, write: &mut Write) -> Result<TaskVerdict, StoreError> {
        let tasks = write.event_based_tasks().await?;
        if tasks.is_empty() {
            return Ok(TaskVerdict { tasks: Vec::new(), outcome: TaskOutcome::default() });
        }
        let facts = Facts {
            host_name: self.host_name.to_owned(),
            tags: self.token.tags.clone(),
            platform: self.platform.to_owned(),
            groups: names_upwards(self.token.group, &write.groups().await?),
            cloud: self.cloud.as_ref().map(reactions::cloud_facts),
            addresses: Vec::new(),
            source: self.source.clone(),
            token: vec![self.token.id.to_string(), self.token.name.clone()],
        };
        Ok(reactions::judge(&tasks, Trigger::Activated, &facts))
    }

    async fn note_refused(&self, write: &mut Write, verdict: &TaskVerdict) -> Result<(), StoreError> {
        write
            .audit(Change {
                action: "computer.refuse",
                object_kind: "activation-token",
                object_id: self.token.id.to_string(),
                before: None,
                after: Some(serde_json::json!({
                    "hostName": self.host_name, "sourceAddress": self.source,
                    "tasks": reactions::deciding(verdict),
                })),
            })
            .await
    }
}

/// Whether tasks keep a machine out.
fn refusal(token: &TokenRow, verdict: &TaskVerdict) -> Option<Refuse> {
    let refuse = |title: &str, detail: &str| {
        Some(Refuse::new(StatusCode::FORBIDDEN, RefusalCode::Other, title, detail))
    };
    match verdict.outcome.identity {
        Some(TaskActionKind::Deactivate | TaskActionKind::Delete) => refuse(
            "An event-based task does not let this machine in.",
            "The audit trail says which; change its conditions, or this machine.",
        ),
        None if token.needs_task => refuse(
            "No event-based task lets this machine in, and the activation token needs one.",
            "Add a task with the action 'activate' whose conditions this machine meets, or use another token.",
        ),
        Some(_) | None => None,
    }
}

async fn issue(
    app: &App,
    write: &mut Write,
    request: &CertificateRequest,
    tenant: Uuid,
    computer: Uuid,
    now: Timestamp,
) -> Result<String, Refuse> {
    let issued = app.authority.issue(request, tenant, computer, now)?;
    let row =
        CertificateRow { serial: issued.serial, computer, not_after: issued.not_after, pem: issued.pem };
    write.insert_certificate(&row).await?;
    Ok(row.pem)
}

/// Gives a new certificate to the holder of a known key, also after the old one has expired.
pub(crate) async fn renew(
    State(app): State<Arc<App>>,
    message: Result<Message<Renew>, crate::problem::Refused>,
) -> Result<Json<RenewAnswer>, Refuse> {
    let Message(said) = message?;
    check_fingerprint(&said.fingerprint)?;
    let _place = app.classes.activations.enter().await?;
    let now = app.clock.now();
    let request = CertificateRequest::from_pem(&said.csr)?;
    let row: Option<ComputerRow> = app.store.computer_anywhere(said.computer).await?;
    let row = row
        .filter(|row| secrets::equal(&row.spki_hash, &request.spki_hash()))
        .ok_or_else(Refuse::unknown_computer)?;
    if row.life == Life::Unmanaged {
        return Err(Refuse::unknown_computer());
    }
    check_machine(&app, &row, &said.fingerprint, now).await?;
    let ctx = TenantCtx::computer(row.tenant, row.id, row.name());
    let mut write = app.store.begin(&ctx, now).await?;
    let certificate = issue(&app, &mut write, &request, row.tenant, row.id, now).await?;
    write.commit().await?;
    count(&app.metrics.renewals, 1);
    Ok(Json(RenewAnswer { certificate, authorities: app.authority.ca_pem().to_owned() }))
}

/// A part of a bundle by its hash: immutable, so that every cache on the way may keep it.
pub(crate) async fn blob(
    State(app): State<Arc<App>>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refuse> {
    let _place = app.classes.blobs.enter().await?;
    let hash: Hash = hash.parse().map_err(|e| Refuse::invalid(format!("{e}.")))?;
    if let Some(path) = app.agent_packages.path_of(hash) {
        match crate::packages::serve(&path, &headers).await {
            Ok(response) => return Ok(response),
            Err(error) => tracing::error!(%error, "an agent package could not be read"),
        }
    }
    let content = app.content.now();
    let at_hand = content.files.iter().find(|file| file.blob.hash == hash);
    let content = match at_hand {
        Some(file) => Some(file.text.clone()),
        None => app.store.blob(&hash.to_string()).await?.map(Bytes::from),
    };
    let content = content.ok_or_else(|| {
        Refuse::new(
            StatusCode::NOT_FOUND,
            RefusalCode::Other,
            "There is no such blob.",
            "Check in again: the bundle that names it is no longer in force.",
        )
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, content).into_response())
}
