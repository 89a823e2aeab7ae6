//! One value, as macros ask for it.

use std::borrow::Cow;

use super::Transaction;
use crate::template::{Piece, Template};
use crate::variable::{Kind, Variable};

impl Transaction<'_> {
    /// The first value of a variable of the request or the response.
    pub(super) fn first(&self, variable: Variable) -> Option<&[u8]> {
        self.entries(variable).first().map(|entry| self.values.bytes(entry.value))
    }

    /// The first value with a name.
    pub(super) fn header(&self, variable: Variable, name: &[u8]) -> Option<&[u8]> {
        self.entries(variable)
            .iter()
            .find(|entry| self.values.bytes(entry.name).eq_ignore_ascii_case(name))
            .map(|entry| self.values.bytes(entry.value))
    }

    /// Fills in macros.
    pub(super) fn expand(&self, template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in template.pieces() {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Value(variable, key) => {
                    if let Some(value) = self.lookup(*variable, key.as_deref()) {
                        out.extend_from_slice(&value);
                    }
                }
            }
        }
        out
    }

    pub(super) fn lookup(&self, variable: Variable, key: Option<&[u8]>) -> Option<Cow<'_, [u8]>> {
        let of = |found: Variable| match key {
            Some(key) => self.header(found, key),
            None => self.first(found),
        };
        match variable.kind() {
            Kind::Single => self.first(variable).map(Cow::Borrowed),
            Kind::Named if variable == Variable::Xml => {
                let first = self.paths.iter().flatten().next()?;
                Some(Cow::Borrowed(self.values.bytes(*first)))
            }
            Kind::Named => of(variable).map(Cow::Borrowed),
            Kind::Both(one, two) => of(one).or_else(|| of(two)).map(Cow::Borrowed),
            Kind::NamesOf(one) => self.name_of(one, key),
            Kind::NamesOfBoth(one, two) => self.name_of(one, key).or_else(|| self.name_of(two, key)),
            Kind::Persistent => {
                let at = self.persistent.iter().find(|at| at.collection == variable)?;
                self.store.read(at, key?, self.now).map(Cow::Owned)
            }
            Kind::Never => None,
            Kind::Volatile => self.volatile_value(variable, key),
        }
    }

    fn name_of(&self, variable: Variable, key: Option<&[u8]>) -> Option<Cow<'_, [u8]>> {
        self.entries(variable)
            .iter()
            .map(|entry| self.values.bytes(entry.name))
            .find(|name| key.is_none_or(|key| name.eq_ignore_ascii_case(key)))
            .map(Cow::Borrowed)
    }

    fn volatile_value(&self, variable: Variable, key: Option<&[u8]>) -> Option<Cow<'_, [u8]>> {
        let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
        match variable {
            Variable::Tx => self.tx.get(key?).map(|value| Cow::Borrowed(value.as_slice())),
            Variable::Env => self.env.get(key?).map(|value| Cow::Borrowed(value.as_slice())),
            Variable::MatchedVar | Variable::MatchedVars => {
                let hit = self.hits.last().or_else(|| self.before.last())?;
                Some(Cow::Borrowed(self.held(&hit.value)))
            }
            Variable::MatchedVarName | Variable::MatchedVarsNames => {
                let hit = self.hits.last().or_else(|| self.before.last())?;
                Some(Cow::Owned(self.full_name(hit)))
            }
            Variable::ReqbodyProcessor => Some(Cow::Borrowed(self.processor.as_bytes())),
            Variable::HighestSeverity => owned(self.highest_severity.to_string()),
            Variable::Duration => owned((self.now.0.saturating_sub(self.opened.0) / 1000).to_string()),
            Variable::WebappId => Some(Cow::Borrowed(self.rules.settings.web_app.as_bytes())),
            Variable::SessionId => self.key_of(Variable::Session),
            Variable::UserId => self.key_of(Variable::User),
            Variable::Rule => {
                let rule = self.rules.rules.get(self.rule)?;
                match key? {
                    b"id" => owned(rule.id.to_string()),
                    b"rev" => owned(rule.rev.clone()),
                    b"severity" => owned(rule.severity?.to_string()),
                    b"msg" => Some(Cow::Owned(self.expand(rule.links.first()?.msg.as_ref()?))),
                    b"logdata" => Some(Cow::Owned(self.expand(rule.links.first()?.log_data.as_ref()?))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn key_of(&self, collection: Variable) -> Option<Cow<'_, [u8]>> {
        let at = self.persistent.iter().find(|at| at.collection == collection)?;
        Some(Cow::Borrowed(at.key.as_slice()))
    }
}
