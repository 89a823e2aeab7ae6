//! Requests that are carried out once: those with an `Idempotency-Key`.
//!
//! The row is the claim to the work, and [`Write::commit`] notes under that claim, in the transaction of the change
//! itself, that the request has made something. So a request whose manager was killed is begun again only where
//! nothing of it is there, and one that was overtaken by its own repetition changes nothing any more.
use super::db::query;
use super::{Store, StoreError, TenantCtx, Write};
use sakimori_model::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// Answers are kept this long.
const KEPT: Duration = Duration::from_hours(24);
/// A request that has not ended after this long was lost with its manager.
const CLAIM: Duration = Duration::from_mins(2);
/// Requests of one user or key whose answers are kept.
const MOST: i64 = 10_000;

/// A request that is to be carried out once.
#[derive(Clone, Debug)]
pub struct Claim {
    /// This attempt.
    pub id: Uuid,
    /// SHA-256 of the `Idempotency-Key`.
    pub key_hash: String,
    /// SHA-256 of the request.
    pub request_hash: String,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing: it is to be carried out now.
    New,
    /// It was carried out; its answer, sealed.
    Answered(Vec<u8>),
    /// It was carried out, and its answer is lost.
    Made,
    /// It is being carried out.
    Running,
    /// The key was used for another request.
    Other,
    /// The caller has used too many keys.
    TooMany,
}

fn principal(ctx: &TenantCtx) -> String {
    format!("{} {}", ctx.actor.kind, ctx.actor.id.unwrap_or_default())
}

impl Store {
    /// Claims a request, or says what is known of it.
    pub async fn request_claim(
        &self,
        ctx: &TenantCtx,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let (tenant, principal) = (ctx.tenant.to_string(), principal(ctx));
        let mut write = self.begin(ctx, now).await?;
        query("DELETE FROM idempotent_request WHERE tenant_id = ? AND expires_at < ?")
            .bind(&tenant)
            .bind(now.0)
            .execute(&mut write.tx)
            .await?;
        let known: Option<(String, i64, String, Option<Vec<u8>>)> = query(
            "SELECT request_hash, claimed_until, state, answer FROM idempotent_request \
             WHERE tenant_id = ? AND principal = ? AND key_hash = ?",
        )
        .bind(&tenant)
        .bind(&principal)
        .bind(&claim.key_hash)
        .fetch_optional(&mut write.tx)
        .await?;
        let claimed = match known {
            None => {
                let (count,): (i64,) =
                    query("SELECT COUNT(*) FROM idempotent_request WHERE tenant_id = ? AND principal = ?")
                        .bind(&tenant)
                        .bind(&principal)
                        .fetch_optional(&mut write.tx)
                        .await?
                        .unwrap_or_default();
                if count < MOST { Claimed::New } else { Claimed::TooMany }
            }
            Some((request, ..)) if request != claim.request_hash => Claimed::Other,
            Some((_, _, _, Some(answer))) => Claimed::Answered(answer),
            Some((_, until, _, None)) if until > now.0 => Claimed::Running,
            Some((_, _, state, None)) if state == "running" => Claimed::New,
            Some(_) => Claimed::Made,
        };
        if claimed != Claimed::New {
            return Ok(claimed);
        }
        // Where two ask at once, the row of the first stands.
        let taken = query(
            "INSERT INTO idempotent_request (tenant_id, principal, key_hash, request_hash, claim, claimed_until, \
             state, expires_at) VALUES (?, ?, ?, ?, ?, ?, 'running', ?) \
             ON CONFLICT (tenant_id, principal, key_hash) DO UPDATE SET claim = excluded.claim, \
             claimed_until = excluded.claimed_until, expires_at = excluded.expires_at \
             WHERE idempotent_request.state = 'running' AND idempotent_request.claimed_until <= ?",
        )
        .bind(&tenant)
        .bind(&principal)
        .bind(&claim.key_hash)
        .bind(&claim.request_hash)
        .bind(claim.id)
        .bind(now.plus(CLAIM).0)
        .bind(now.plus(KEPT).0)
        .bind(now.0)
        .execute(&mut write.tx)
        .await?;
        write.tx.commit().await?;
        Ok(if taken == 1 { Claimed::New } else { Claimed::Running })
    }

    /// Keeps the answer of a request that was carried out, or that it is lost.
    pub async fn request_answered(
        &self,
        ctx: &TenantCtx,
        claim: Uuid,
        answer: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.begin(ctx, now).await?;
        let note = match answer {
            Some(answer) => query(
                "UPDATE idempotent_request SET state = 'answered', answer = ?, expires_at = ? \
                 WHERE tenant_id = ? AND claim = ?",
            )
            .bind(answer)
            .bind(now.plus(KEPT).0),
            None => query(
                "UPDATE idempotent_request SET state = 'made', claimed_until = 0 WHERE tenant_id = ? AND claim = ?",
            ),
        };
        note.bind(ctx.tenant).bind(claim).execute(&mut write.tx).await?;
        Ok(write.tx.commit().await?)
    }

    /// Gives a claim up: what was refused can be asked again, unless something was made.
    pub async fn request_refused(
        &self,
        ctx: &TenantCtx,
        claim: Uuid,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.begin(ctx, now).await?;
        query("DELETE FROM idempotent_request WHERE tenant_id = ? AND claim = ? AND state = 'running'")
            .bind(ctx.tenant)
            .bind(claim)
            .execute(&mut write.tx)
            .await?;
        query("UPDATE idempotent_request SET claimed_until = 0 WHERE tenant_id = ? AND claim = ?")
            .bind(ctx.tenant)
            .bind(claim)
            .execute(&mut write.tx)
            .await?;
        Ok(write.tx.commit().await?)
    }
}

impl Write {
    /// Notes, with the change, that the request which makes it has made something.
    pub(super) async fn note_made(&mut self) -> Result<(), StoreError> {
        let Some(claim) = self.ctx.claim else { return Ok(()) };
        let noted = query(
            "UPDATE idempotent_request SET state = CASE state WHEN 'running' THEN 'made' ELSE state END \
             WHERE tenant_id = ? AND claim = ?",
        )
        .bind(self.tenant())
        .bind(claim)
        .execute(&mut self.tx)
        .await?;
        if noted == 0 { Err(StoreError::TakenOver) } else { Ok(()) }
    }
}
