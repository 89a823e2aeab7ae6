//! Refusals: what a handler returns when it does not do what it was asked.
use crate::events::AppendError;
use crate::secrets::SecretError;
use crate::store::{StoreError, Trouble};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sakimori_api::{FieldError, Problem};

/// A request was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// Stable code.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) title: String,
    /// What to do about it.
    pub(crate) detail: String,
    /// Each member that is wrong.
    pub(crate) errors: Vec<FieldError>,
    /// Seconds until it may be tried again.
    pub(crate) retry_after: Option<u64>,
}

/// What is wrong with one member of a message.
pub(crate) fn field_error(pointer: &str, code: &str, message: &str) -> FieldError {
    FieldError {
        pointer: pointer.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        args: std::collections::BTreeMap::new(),
    }
}

impl Refused {
    /// A refusal.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &str,
        detail: impl Into<String>,
    ) -> Self {
        let (title, detail) = (title.to_owned(), detail.into());
        Self { status, code, title, detail, errors: Vec::new(), retry_after: None }
    }

    /// The path names nothing, or nothing that the caller may know of.
    pub(crate) fn not_found(what: &str) -> Self {
        let detail = "It was deleted, or the id is wrong; read the list again.";
        Self::new(StatusCode::NOT_FOUND, "not-found", &format!("There is no such {what}."), detail)
    }

    /// Nobody, or nobody any more, is logged in.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Log in first.",
            "Send a session's cookie or an API key: Authorization: Bearer sak_<id>_<secret>.",
        )
    }

    /// The role does not allow it.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Your role does not allow this.", detail)
    }

    /// The message does not parse or breaks a bound.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "The request is not valid.", detail)
    }

    /// Some members of the message are wrong.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let mut refused = Self::invalid("Correct the members named in `errors`.");
        refused.errors = errors;
        refused
    }

    /// One member of the message is wrong.
    pub(crate) fn field(pointer: &str, code: &str, message: &str) -> Self {
        Self::fields(vec![field_error(pointer, code, message)])
    }

    /// Something stands against it.
    pub(crate) fn conflict(code: &'static str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title, detail)
    }

    /// Too much at once.
    pub(crate) fn busy(status: StatusCode, retry_after: u64) -> Self {
        let detail = format!("Try again in {retry_after} seconds.");
        let mut refused = Self::new(status, "busy", "Too many requests at once.", detail);
        refused.retry_after = Some(retry_after);
        refused
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The manager failed.",
            "The manager's log says more; look for the request id.",
        )
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NameTaken => {
                Self::conflict("name-taken", "The name is taken.", "Choose a name that is not in use.")
            }
            StoreError::InUse => Self::conflict(
                "in-use",
                "It is still in use, or refers to something that is not there.",
                "Detach what uses it first.",
            ),
            StoreError::TakenOver => Self::conflict(
                "request-taken-over",
                "The same request was sent again meanwhile and is being carried out in place of this one.",
                "Take that one's answer.",
            ),
            other => {
                let trouble = other.trouble();
                tracing::error!(error = %anyhow::Error::from(other).root_cause(), "the database failed");
                trouble.map_or_else(Self::internal, Self::from)
            }
        }
    }
}

/// Nothing was changed; it may be tried again.
impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        let (code, title, detail, secs) = match trouble {
            Trouble::Full => (
                "storage-full",
                "The disk of the manager's database is full.",
                "Nothing was changed. Make room or enlarge it, or keep events for fewer days; then send this again.",
                30,
            ),
            Trouble::Away => (
                "database-away",
                "The manager's database does not answer.",
                "Nothing was changed, as far as is known. Send this again in 5 seconds.",
                5,
            ),
        };
        let mut refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, title, detail);
        refused.retry_after = Some(secs);
        refused
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::from(StoreError::Database(error))
    }
}

impl From<SecretError> for Refused {
    fn from(error: SecretError) -> Self {
        tracing::error!(%error, "a secret could not be made");
        Self::internal()
    }
}

impl From<crate::authority::AuthorityError> for Refused {
    fn from(error: crate::authority::AuthorityError) -> Self {
        tracing::error!(%error, "a certificate could not be made");
        Self::internal()
    }
}

impl From<crate::vault::VaultError> for Refused {
    fn from(error: crate::vault::VaultError) -> Self {
        tracing::error!(%error, "secrets could not be sealed");
        Self::internal()
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "a value could not be written");
        Self::internal()
    }
}

impl From<tokio::task::JoinError> for Refused {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!(%error, "a task failed");
        Self::internal()
    }
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Busy => Self::busy(StatusCode::SERVICE_UNAVAILABLE, 5),
            AppendError::Gap { acknowledged, first } => Self::conflict(
                "sequence-invalid",
                "The batch does not follow on what was acknowledged.",
                format!(
                    "Send from sequence number {} on (this batch begins with {first}), or begin a new stream epoch \
                     if those events are gone.",
                    acknowledged.saturating_add(1)
                ),
            ),
            AppendError::Failed { trouble: Some(trouble), .. } => Self::from(trouble),
            AppendError::Failed { trouble: None, .. } => {
                let detail =
                    "None of them is lost: send them again in 30 seconds. The manager's log says more.";
                let title = "Events cannot be written.";
                let mut refused =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "events-not-written", title, detail);
                refused.retry_after = Some(30);
                refused
            }
        }
    }
}

/// The problem travels as an extension to the outermost layer, which knows the request's id and writes it.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(secs) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Problem {
            r#type: "about:blank".to_owned(),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            errors: self.errors,
            request_id: String::new(),
        });
        response
    }
}
