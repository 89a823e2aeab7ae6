//! What saved searches and rules that tag have in common: a filter under a name.
use super::event_search::parse_of;
use super::extract::name;
use crate::problem::Refused;
use crate::store::KeptFilter;
use sakimori_api::SearchSubject;
use sakimori_model::Timestamp;
use uuid::Uuid;

impl KeptFilter {
    /// A new one, checked.
    pub(super) fn new(
        subject: SearchSubject,
        called: &str,
        filter: String,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        parse_of(subject, "/filter", &filter, now)?;
        Ok(Self { id: Uuid::now_v7(), name: name("/name", called)?, filter, revision: 1, updated_at: now })
    }

    /// Another name or another filter, checked.
    pub(super) fn change(
        &mut self,
        subject: SearchSubject,
        called: Option<String>,
        filter: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if let Some(text) = called {
            self.name = name("/name", &text)?;
        }
        if let Some(filter) = filter {
            parse_of(subject, "/filter", &filter, now)?;
            self.filter = filter;
        }
        Ok(())
    }

    /// As it is after it was written back.
    pub(super) const fn changed(&mut self, now: Timestamp) {
        self.revision += 1;
        self.updated_at = now;
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.revision)
    }
}
