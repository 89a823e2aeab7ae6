//! What can be acted on and how, and the scopes that narrow an API key to some of it.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// What can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Users.
    Users,
    /// One's own session and password: no key has these, so no scope names them.
    Own,
    /// Keys for scripts.
    ApiKeys,
    /// Computers.
    Computers,
    /// Policies.
    Policies,
    /// Rules.
    Rules,
    /// Events.
    Events,
    /// Alerts and their conditions.
    Alerts,
    /// Scheduled tasks.
    Tasks,
    /// Channels of delivery.
    Channels,
    /// Activation tokens.
    Tokens,
    /// The audit trail.
    Audit,
    /// Operations: what takes longer than a request.
    Operations,
    /// Agent packages: whoever brings one brings code.
    AgentPackages,
    /// Roll-outs of agent versions.
    Upgrades,
}

/// How it can be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Looked at.
    Read,
    /// Changed.
    Write,
}

/// A part of what a role allows: `events:read`. Who may write may read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// What may be acted on.
    pub resource: Resource,
    /// How.
    pub access: Access,
}

/// The text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAScope;

/// The resources that scopes name, with their words.
const NAMED: &[(Resource, &str)] = &[
    (Resource::ApiKeys, "api-keys"),
    (Resource::Tokens, "activation-tokens"),
    (Resource::AgentPackages, "agent-packages"),
    (Resource::Alerts, "alerts"),
    (Resource::Audit, "audit-records"),
    (Resource::Channels, "channels"),
    (Resource::Computers, "computers"),
    (Resource::Events, "events"),
    (Resource::Operations, "operations"),
    (Resource::Policies, "policies"),
    (Resource::Rules, "rules"),
    (Resource::Tasks, "tasks"),
    (Resource::Upgrades, "upgrades"),
    (Resource::Users, "users"),
];
const WORDS: [(Access, &str); 2] = [(Access::Read, "read"), (Access::Write, "write")];

impl Scope {
    /// All scopes.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMED.iter().flat_map(|(resource, _)| {
            WORDS.iter().map(|(access, _)| Self { resource: *resource, access: *access })
        })
    }

    /// Whether this scope allows what `wanted` names.
    pub fn allows(self, wanted: Self) -> bool {
        self.resource == wanted.resource && self.access >= wanted.access
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource =
            NAMED.iter().find(|(resource, _)| *resource == self.resource).map_or("own", |(_, word)| word);
        let access = WORDS.iter().find(|(access, _)| *access == self.access).map_or("", |(_, word)| word);
        write!(f, "{resource}:{access}")
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        Self::all().find(|scope| scope.to_string() == text).ok_or(NotAScope)
    }
}

impl fmt::Display for NotAScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> = NAMED.iter().map(|(_, word)| *word).collect();
        write!(f, "a scope is one of {}, then `:read` or `:write`", all.join(", "))
    }
}

impl std::error::Error for NotAScope {}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("A part of what a role allows. Who may write may read as well."))
            .enum_values(Some(Self::all().map(|scope| scope.to_string())))
            .into()
    }
}

impl ToSchema for Scope {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_as_it_is_read_and_write_includes_read() {
        for scope in Scope::all() {
            let text = serde_json::to_string(&scope).unwrap();
            assert_eq!(serde_json::from_str::<Scope>(&text).unwrap(), scope);
        }
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        assert!(scope("events:write").allows(scope("events:read")));
        assert!(!scope("events:read").allows(scope("events:write")));
        assert!(!scope("events:write").allows(scope("alerts:read")));
        for wrong in ["", "events", "events:", "own:read", "events:admin", "Events:read"] {
            assert_eq!(wrong.parse::<Scope>(), Err(NotAScope), "{wrong}");
        }
    }
}
