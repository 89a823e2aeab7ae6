//! Typed ids: one newtype a kind, so that one can never stand for another.
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID; the caller decides where ids come from (version 7 everywhere by habit).
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// One customer of a manager. Every stored row carries it.
    TenantId
);
uuid_id!(
    /// One protected machine.
    ComputerId
);
uuid_id!(
    /// One policy in the tree.
    PolicyId
);
uuid_id!(
    /// One account of the console and the API.
    UserId
);
uuid_id!(
    /// One activation token (the public half of `id.secret`).
    TokenId
);

/// A signature id as its rule language writes it (`sid:2010001`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(pub u32);

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a blocked visitor is shown and an operator searches for: `SKM-0123-4567-89AB-CDEF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        write!(
            f,
            "SKM-{:04X}-{:04X}-{:04X}-{:04X}",
            n >> 48,
            (n >> 32) & 0xffff,
            (n >> 16) & 0xffff,
            n & 0xffff
        )
    }
}

impl FromStr for IncidentId {
    type Err = ParseIncidentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let body = text.strip_prefix("SKM-").ok_or(ParseIncidentIdError)?;
        let digits: String = body.chars().filter(|c| *c != '-').collect();
        if digits.len() != 16 || body.len() != 19 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseIncidentIdError);
        }
        u64::from_str_radix(&digits, 16).map(Self).map_err(|_e| ParseIncidentIdError)
    }
}

/// The text is not of the form `SKM-0123-4567-89AB-CDEF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an incident id: expected SKM- and four groups of four hexadecimal digits")]
pub struct ParseIncidentIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incident_id_survives_its_text() {
        let id = IncidentId(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "SKM-0123-4567-89AB-CDEF");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("SKM-0123".parse::<IncidentId>(), Err(ParseIncidentIdError));
        assert_eq!("SKM-+123-4567-89AB-CDEF".parse::<IncidentId>(), Err(ParseIncidentIdError));
    }
}
