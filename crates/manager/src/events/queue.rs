//! The way of a batch to the disk: batches wait in a bounded queue, and all that wait are committed together.
use super::rank::rank;
use super::{AppendError, Appended, Batch, StoredEvent};
use crate::events::AutoTags;
use crate::secrets;
use crate::store::Trouble;
use sakimori_model::Timestamp;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Batches that may wait; more are refused as busy.
const WAITING: usize = 128;
/// Most events in one transaction, except that a batch is never split.
const GROUP: usize = 8_000;

type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// Writes groups of batches, each group in one transaction.
pub(super) trait Sink: Send + 'static {
    /// What became of each batch, once it is durable. An error means that nothing of the group is kept.
    fn write(
        &mut self,
        group: Vec<Batch>,
    ) -> impl Future<Output = Result<Vec<Result<Appended, AppendError>>, sqlx::Error>> + Send;
}

/// Batches that wait for their sink.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Mutex<Option<mpsc::Sender<(Batch, Reply)>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Ids of events, each greater than all before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ids {
    last: u128,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(sink: impl Sink) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(run(sink, receiver));
        Self { sender: Mutex::new(Some(sender)), writer: Mutex::new(Some(task)) }
    }

    pub(super) async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sender = sender.ok_or(AppendError::Busy)?;
        sender.try_send((batch, reply)).map_err(|_full| AppendError::Busy)?;
        drop(sender);
        let ended = || AppendError::Failed { why: "the writer has ended".to_owned(), trouble: None };
        answer.await.unwrap_or_else(|_gone| Err(ended()))
    }

    /// Writes what waits; after it nothing is taken.
    pub(super) async fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.await.is_err()
        {
            tracing::error!("the event writer ended by a fault");
        }
    }
}

async fn run(mut sink: impl Sink, mut batches: mpsc::Receiver<(Batch, Reply)>) {
    while let Some(first) = batches.recv().await {
        let mut size = first.0.events.len();
        let mut group = vec![first];
        while size < GROUP
            && let Ok(next) = batches.try_recv()
        {
            size += next.0.events.len();
            group.push(next);
        }
        let (group, replies): (Vec<Batch>, Vec<Reply>) = group.into_iter().unzip();
        let results = match sink.write(group).await {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(%error, "events could not be written");
                let trouble = Trouble::of(&error);
                let failed = || Err(AppendError::Failed { why: error.to_string(), trouble });
                replies.iter().map(|_| failed()).collect()
            }
        };
        for (reply, result) in replies.into_iter().zip(results) {
            // The sender may have gone; it will ask again and be told the same.
            let _gone = reply.send(result);
        }
    }
}

/// What of a batch is new after `known`, the last number committed of its stream, with ids and automatic tags.
///
/// A stream that is not known may begin anywhere: its beginning was lost with an older database.
pub(super) fn accept(
    batch: Batch,
    known: Option<u64>,
    now: Timestamp,
    ids: &mut Ids,
    tags: &AutoTags,
) -> Result<Appended, AppendError> {
    let first = batch.first_sequence;
    let acknowledged = known.unwrap_or_else(|| first.saturating_sub(1));
    if first > acknowledged.saturating_add(1) {
        return Err(AppendError::Gap { acknowledged, first });
    }
    let seen = usize::try_from(acknowledged + 1 - first).unwrap_or(usize::MAX);
    let mut new: Vec<StoredEvent> = batch
        .events
        .into_iter()
        .skip(seen)
        .map(|event| StoredEvent {
            id: ids.next(now),
            tenant: batch.tenant,
            computer: batch.computer,
            computer_name: batch.computer_name.clone(),
            received_at: now,
            asset_value: batch.asset_value,
            rank: rank(&event.severity, batch.asset_value),
            event,
            tags: Vec::new(),
        })
        .collect();
    tags.apply(batch.tenant, now, &mut new);
    let acknowledged = acknowledged + u64::try_from(new.len()).unwrap_or_default();
    Ok(Appended { acknowledged, new })
}

// === impl Ids ===

impl Ids {
    /// Now, or the time of the last id where the clock was set back: an id's day never goes back.
    pub(super) fn now(self, clock: Timestamp) -> Timestamp {
        clock.max(id_time(Uuid::from_u128(self.last)))
    }

    /// A version 7 UUID greater than all before.
    fn next(&mut self, now: Timestamp) -> Uuid {
        let millis = u128::try_from(now.as_millis()).unwrap_or_default() & 0xffff_ffff_ffff;
        let random = secrets::random::<8>().map(u64::from_be_bytes).unwrap_or_default();
        // The 74 free bits: 12 above the variant begin at zero so that there is room to count up.
        let fresh = (millis << 80) | (0x7 << 76) | (0b10 << 62) | u128::from(random >> 2);
        self.last = if fresh > self.last { fresh } else { successor(self.last) };
        Uuid::from_u128(self.last)
    }
}

/// The next version 7 UUID, with version and variant in place.
fn successor(id: u128) -> u128 {
    const LOW: u128 = (1 << 62) - 1;
    if id & LOW < LOW {
        return id + 1;
    }
    let middle = (id >> 64) & 0xfff;
    if middle < 0xfff {
        return (id & !(LOW | (0xfff << 64))) | ((middle + 1) << 64);
    }
    (((id >> 80) + 1) << 80) | (0x7 << 76) | (0b10 << 62)
}

/// The time inside a version 7 UUID.
pub(super) fn id_time(id: Uuid) -> Timestamp {
    let millis = i64::try_from(id.as_u128() >> 80).unwrap_or_default();
    Timestamp(millis.saturating_mul(1000))
}
