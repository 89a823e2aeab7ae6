//! Sends the spool to the manager: oldest first, until it says that it has them.
use crate::check_in::gateway;
use crate::clock;
use crate::connection::{CallError, explain};
use crate::control::Control;
use crate::identity::KeyedIdentity;
use crate::spool::{BATCH_EVENTS, Batch, Spool, gap};
use crate::state::StateError;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sakimori_protocol::RefusalCode;
use sakimori_protocol::pace::Backoff;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long to collect before sending: a burst becomes one batch, and nobody notices the wait.
const COLLECT: Duration = Duration::from_millis(100);

/// Sends with this identity for ever.
pub async fn run(control: Arc<Control>, keyed: KeyedIdentity) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(5));
    let gateway = loop {
        match gateway(&keyed) {
            Ok(gateway) => break gateway,
            Err(_said_by_the_check_in) => sleep(backoff.failed(None)).await,
        }
    };
    let spool = &control.spool;
    let mut most = BATCH_EVENTS;
    loop {
        let wait = match spool.batch(most) {
            Ok(None) => {
                spool.appended().await;
                sleep(COLLECT).await;
                continue;
            }
            Ok(Some(batch)) => {
                let compressed = compress_to_vec(batch.lines.as_slice(), CompressionLevel::Fastest);
                let answer = gateway.events(batch.epoch, batch.first, compressed).await;
                match settle(spool, &batch, answer.map(|answer| answer.acknowledged), &mut most) {
                    // Not at once again: a confused manager must not be asked in a tight loop, and 20,000 events/s drain so.
                    Ok(None) => {
                        backoff.succeeded();
                        COLLECT
                    }
                    Ok(Some(error)) => {
                        tracing::warn!("events wait: {}", explain(&error));
                        backoff.failed(error.retry_after())
                    }
                    Err(error) => {
                        tracing::error!("the spool: {}", explain(&error));
                        backoff.failed(None)
                    }
                }
            }
            Err(error) => {
                tracing::error!("the spool: {}", explain(&error));
                backoff.failed(None)
            }
        };
        tokio::select! {
            () = sleep(wait) => (),
            () = control.until_reconnected() => (),
        }
    }
}

/// What an answer means for the spool. Gives the error back where waiting is all that helps.
fn settle(
    spool: &Spool,
    batch: &Batch,
    answer: Result<u64, CallError>,
    most: &mut usize,
) -> Result<Option<CallError>, StateError> {
    let error = match answer {
        // A watermark under the batch: that manager does not know what it once acknowledged (restored from a backup).
        Ok(acknowledged) if acknowledged < batch.first => {
            spool.restart_stream()?;
            return Ok(None);
        }
        Ok(acknowledged) => {
            *most = BATCH_EVENTS;
            spool.acknowledge(batch.epoch, acknowledged)?;
            return Ok(None);
        }
        Err(error) => error,
    };
    match error.code() {
        Some(RefusalCode::SequenceInvalid) => {
            spool.restart_stream()?;
            Ok(None)
        }
        // One event that this manager cannot read must not hold up the rest: find it by halving, and say that it is gone.
        Some(RefusalCode::MessageInvalid) if batch.count > 1 => {
            *most = usize::try_from(batch.count / 2).unwrap_or(1);
            Ok(None)
        }
        Some(RefusalCode::MessageInvalid) => {
            tracing::error!("the manager cannot read an event: {}", explain(&error));
            spool.append(&[gap(clock::wall(), 1, "event-refused")])?;
            spool.acknowledge(batch.epoch, batch.first)?;
            spool.restart_stream()?;
            Ok(None)
        }
        _ => Ok(Some(error)),
    }
}
