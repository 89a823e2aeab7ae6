//! What went wrong, in words for the person and as an exit code for the script.
use sakimori_api::Problem;
use std::error::Error;
use std::fmt;

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The manager said no.
    Refused(Box<Problem>),
    /// No answer.
    Unreachable {
        /// The manager's address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// No address or no credentials.
    NotLoggedIn(String),
    /// The name or id given stands for nothing.
    NotFound(String),
    /// Two things given that do not go together, or a value that is none.
    Usage(String),
    /// Anything else.
    Other(anyhow::Error),
}

// === impl Failure ===

impl Failure {
    /// The exit code, as `main` documents them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(problem) => match problem.status {
                401 | 403 => 4,
                404 => 3,
                _ => 1,
            },
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::NotLoggedIn(_) => 4,
            Self::Unreachable { .. } => 5,
            Self::Other(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(problem) => {
                write!(f, "{} {}", problem.title, problem.detail)?;
                for error in &problem.errors {
                    write!(f, "\n  {}: {}", error.pointer, error.message)?;
                }
                if problem.status == 401 {
                    write!(f, "\n  Log in with 'sakimori login', or set SAKIMORI_API_KEY.")?;
                }
                Ok(())
            }
            Self::Unreachable { url, source } => {
                write!(f, "the manager at {url} cannot be reached: {source}")?;
                let mut cause = source.source();
                while let Some(inner) = cause {
                    write!(f, ": {inner}")?;
                    cause = inner.source();
                }
                Ok(())
            }
            Self::NotLoggedIn(words) | Self::NotFound(words) | Self::Usage(words) => f.write_str(words),
            Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sakimori_api::FieldError;

    fn problem(status: u16) -> Failure {
        Failure::Refused(Box::new(Problem {
            r#type: "about:blank".into(),
            title: "The policy is not valid.".into(),
            status,
            detail: "Correct the members named.".into(),
            code: "invalid".into(),
            errors: vec![FieldError {
                pointer: "/settings/intrusion-prevention/httpPorts/0".into(),
                code: "not-a-port-range".into(),
                message: "'x' is not a port.".into(),
                args: std::collections::BTreeMap::new(),
            }],
            request_id: String::new(),
        }))
    }

    #[test]
    fn scripts_can_tell_refusals_apart() {
        let codes: Vec<u8> =
            [400, 401, 403, 404, 409, 500].map(|status| problem(status).exit_code()).to_vec();
        assert_eq!(codes, [1, 4, 4, 3, 1, 1]);
    }

    #[test]
    fn people_see_what_to_correct() {
        let words = problem(400).to_string();
        assert!(words.contains("Correct the members named."));
        assert!(words.contains("/settings/intrusion-prevention/httpPorts/0: 'x' is not a port."));
    }
}
