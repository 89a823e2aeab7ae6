//! A new certificate at two thirds of the old one's life, or later: an expired one is renewed too, by proof of the key.
use crate::clock;
use crate::connection::{CallError, Connection, ConnectionError, explain};
use crate::control::Control;
use crate::host;
use crate::identity::{IdentityError, KeyedIdentity};
use sakimori_protocol::pace::{Backoff, jitter};
use sakimori_protocol::{Renew, RenewAnswer, paths};
use sakimori_trust::Trust;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The clock is looked at this often at least: suspended machines and set clocks jump.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// A renewal failed; the next try follows.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// The listener cannot be called.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// No certificate came.
    #[error("the certificate could not be renewed")]
    Call(#[from] CallError),
    /// What came is not usable, or could not be kept.
    #[error("the renewed certificate cannot be used")]
    Identity(#[from] IdentityError),
}

/// Watches over this identity's certificate for ever; a renewed one is put in use by [`Control::reload_identity`].
pub async fn run(control: Arc<Control>, keyed: KeyedIdentity) {
    let mut backoff = Backoff::new(Duration::from_secs(10), LOOK_EVERY);
    loop {
        let now = clock::wall().as_millis() / 1000;
        let due = keyed.validity().map_or(now, super::identity::Validity::renew_at);
        if now < due {
            let until = Duration::from_secs(u64::try_from(due - now).unwrap_or(0));
            // The jitter spreads computers that were activated together.
            sleep(until.min(LOOK_EVERY) + jitter(LOOK_EVERY / 12)).await;
            continue;
        }
        // A manager whose certificates are always due (its clock is wrong) must not be asked in a tight loop.
        if let Some(renewed) = control.state().renewed {
            tokio::time::sleep_until(renewed + LOOK_EVERY).await;
        }
        match renew(&control, &keyed).await {
            Ok(()) => {
                tracing::info!("the certificate was renewed");
                control.update(|state| state.renewed = Some(Instant::now()));
                control.reload_identity();
                control.touch();
                // The watch on the identity ends this loop; the new certificate has its own.
                sleep(LOOK_EVERY).await;
            }
            Err(error) => {
                let wait = match &error {
                    RenewalError::Call(call) => backoff.failed(call.retry_after()),
                    _ => backoff.failed(None),
                };
                tracing::warn!("{}; next try in {} s", explain(&error), wait.as_secs());
                sleep(wait).await;
            }
        }
    }
}

/// Renews the certificate now and keeps it.
pub async fn renew(control: &Control, keyed: &KeyedIdentity) -> Result<(), RenewalError> {
    let trust = Trust::Authorities(keyed.identity.authorities.clone());
    let config = sakimori_trust::client_config(&trust, None).map_err(ConnectionError::from)?;
    let public = Connection::new(&keyed.identity.manager, config, keyed.identity.proxy.as_deref())?;
    let message =
        Renew { computer: keyed.identity.computer, csr: keyed.request()?, fingerprint: host::fingerprint() };
    let answer: RenewAnswer = public.post(paths::RENEW, &message).await?;
    let mut renewed = keyed.clone();
    renewed.identity.certificate = answer.certificate;
    renewed.identity.authorities = answer.authorities;
    let trust = Trust::Authorities(renewed.identity.authorities.clone());
    // Checked before it is kept: a certificate for another key would lock this computer out.
    sakimori_trust::client_config(&trust, Some(renewed.client_identity()?)).map_err(ConnectionError::from)?;
    renewed.validity()?;
    Ok(control.files.store_public(&renewed.identity)?)
}
