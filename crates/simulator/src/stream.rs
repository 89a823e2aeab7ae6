//! An agent's events, sent as its spool does: in order, until the manager says that it has them.
use crate::agent::Agent;
use crate::link::{Link, REQUEST, Trouble, read};
use hyper::Method;
use hyper::body::Bytes;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sakimori_protocol::{Event, EventsAnswer, paths};
use std::sync::Arc;
use uuid::Uuid;

/// A stream of events.
pub(crate) struct Stream {
    agent: Arc<Agent>,
    link: Option<Link>,
    epoch: Uuid,
    /// The last number that the manager has made durable.
    pub(crate) acknowledged: u64,
}

impl Stream {
    pub(crate) fn of(agent: Arc<Agent>) -> Self {
        Self { agent, link: None, epoch: Uuid::now_v7(), acknowledged: 0 }
    }

    /// Sends a batch that follows on what is acknowledged.
    pub(crate) async fn send(&mut self, batch: Bytes) -> Result<(), Trouble> {
        let mut link = match self.link.take() {
            Some(link) if !link.is_closed() => link,
            _ => Link::connect(&self.agent.gateway).await?,
        };
        let headers = [
            (paths::STREAM_EPOCH, self.epoch.to_string()),
            (paths::FIRST_SEQUENCE, (self.acknowledged + 1).to_string()),
            ("content-type", "application/x-ndjson".to_owned()),
            ("content-encoding", "zstd".to_owned()),
        ];
        let answer = link.send((Method::POST, paths::EVENTS), &headers, batch, REQUEST).await?;
        let answer: Option<EventsAnswer> = read(answer).await?;
        self.link = Some(link);
        let answer = answer.ok_or_else(|| Trouble::Broken("a batch without an answer".to_owned()))?;
        self.acknowledged = answer.acknowledged;
        Ok(())
    }
}

/// Events as they travel.
pub(crate) fn pack(events: &[Event]) -> Result<Bytes, serde_json::Error> {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event)?;
        lines.push(b'\n');
    }
    Ok(compress_to_vec(lines.as_slice(), CompressionLevel::Fastest).into())
}
