//! One of the manager's two listeners, as the agent calls it.
use crate::identity::IdentityError;
use reqwest::{RequestBuilder, Response, StatusCode};
use rustls::ClientConfig;
use sakimori_protocol::{EventsAnswer, Hash, Refusal, RefusalCode, paths};
use sakimori_trust::TrustError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;
use uuid::Uuid;

/// How long any request but a held one may take. Generous: it includes a 64 MiB blob over a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
/// How long one try to fetch a package may take; the next goes on where it broke off.
const PACKAGE_TIMEOUT: Duration = Duration::from_mins(15);
/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A listener of the manager.
#[derive(Clone, Debug)]
pub struct Connection {
    client: reqwest::Client,
    base: String,
}

/// A call did not give what it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer: name, network, proxy or certificate.
    #[error("the manager at {base} cannot be reached")]
    Unreachable {
        /// Which listener.
        base: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The manager said no, and why.
    #[error("{} {}", .refusal.title, .refusal.detail)]
    Refused {
        /// Its reason.
        refusal: Refusal,
        /// When to ask again, where it said so.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the protocol says.
    #[error("the answer of {base} is not that of a Sakimori manager: {what}")]
    Malformed {
        /// Which listener.
        base: String,
        /// What is wrong with it.
        what: String,
    },
}

/// The listener's address or the proxy's is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Not an `https://` address.
    #[error("'{0}' is not a manager's address: expected https://HOST:PORT")]
    Address(String),
    /// Not a proxy's address.
    #[error("'{0}' is not a proxy's address: expected http://HOST:PORT")]
    Proxy(String, #[source] reqwest::Error),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// TLS could not be configured.
    #[error(transparent)]
    Tls(#[from] TrustError),
    /// The own certificate or key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

// === impl Connection ===

impl Connection {
    /// A listener at `https://host:port`. Connects when first called; with a proxy, through its CONNECT method.
    /// Without one the environment's `HTTPS_PROXY` and `NO_PROXY` count.
    pub fn new(base: &str, tls: ClientConfig, proxy: Option<&str>) -> Result<Self, ConnectionError> {
        let base = base.trim_end_matches('/');
        let url = reqwest::Url::parse(base).map_err(|_e| ConnectionError::Address(base.to_owned()))?;
        if url.scheme() != "https" || !url.has_host() || url.path() != "/" {
            return Err(ConnectionError::Address(base.to_owned()));
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("sakimori-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_mins(1))
            .tcp_keepalive(Duration::from_mins(1));
        if let Some(proxy) = proxy {
            let refuse = |source| ConnectionError::Proxy(proxy.to_owned(), source);
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(refuse)?);
        }
        Ok(Self { client: builder.build().map_err(ConnectionError::Client)?, base: base.to_owned() })
    }

    /// Its address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a message; gives its answer.
    pub async fn post<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        message: &Q,
    ) -> Result<A, CallError> {
        let request = self.client.post(self.url(path)).json(message).timeout(REQUEST_TIMEOUT);
        let response = self.send(request).await?;
        self.json(response).await
    }

    /// Sends a message that the manager may hold for `hold`; no answer means that nothing is new.
    pub async fn poll<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        message: &Q,
        hold: Duration,
    ) -> Result<Option<A>, CallError> {
        // A minute past the hold: a proxy or a stalled connection must not silence the agent for ever.
        let request = self.client.post(self.url(path)).json(message).timeout(hold + Duration::from_mins(1));
        let response = self.send(request).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        self.json(response).await.map(Some)
    }

    /// Connects and has any answer at all, of whoever has the manager's certificate.
    pub async fn greet(&self, patience: Duration) -> Result<(), CallError> {
        match self.send(self.client.get(self.url("/")).timeout(patience)).await {
            Ok(_) | Err(CallError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Fetches a blob and checks that it is what its name says.
    pub async fn blob(&self, hash: Hash, most: usize) -> Result<Vec<u8>, CallError> {
        let request = self.client.get(self.url(&format!("{}/{hash}", paths::BLOBS))).timeout(REQUEST_TIMEOUT);
        let response = self.send(request).await?;
        let bytes = self.body(response, most).await?;
        if Hash::of(&bytes) != hash {
            return Err(self.malformed(format!(
                "the bytes of blob {hash} have another hash: a proxy or cache on the way changed them, or the manager's store is damaged"
            )));
        }
        Ok(bytes)
    }

    /// Begins to fetch an agent package, from this byte on: the answer's body, and the byte that it begins with. Hash and
    /// length are the caller's to check.
    pub async fn package(&self, hash: Hash, from: u64) -> Result<(Response, u64), CallError> {
        let mut request =
            self.client.get(self.url(&format!("{}/{hash}", paths::BLOBS))).timeout(PACKAGE_TIMEOUT);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let response = self.send(request).await?;
        let partly = response.status() == StatusCode::PARTIAL_CONTENT;
        Ok((response, if partly { from } else { 0 }))
    }

    /// Sends a batch of events, compressed; gives what the manager has made durable.
    pub async fn events(
        &self,
        epoch: Uuid,
        first: u64,
        compressed: Vec<u8>,
    ) -> Result<EventsAnswer, CallError> {
        let request = self
            .client
            .post(self.url(paths::EVENTS))
            .header(paths::STREAM_EPOCH, epoch.to_string())
            .header(paths::FIRST_SEQUENCE, first)
            .header("content-type", "application/x-ndjson")
            .header("content-encoding", "zstd")
            .body(compressed)
            .timeout(REQUEST_TIMEOUT);
        let response = self.send(request).await?;
        self.json(response).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let unreachable = |source| CallError::Unreachable { base: self.base.clone(), source };
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = self.body(response, paths::MESSAGE_BYTES).await.unwrap_or_default();
        let refusal = serde_json::from_slice(&body).unwrap_or_else(|_not_a_refusal| Refusal {
            status: status.as_u16(),
            code: RefusalCode::Other,
            title: format!("{} answered {status}.", self.base),
            detail: "If this is not the manager's own answer, a proxy or load balancer stands between."
                .to_owned(),
        });
        Err(CallError::Refused { refusal, retry_after })
    }

    async fn json<A: DeserializeOwned>(&self, response: Response) -> Result<A, CallError> {
        let body = self.body(response, paths::ANSWER_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| self.malformed(error.to_string()))
    }

    async fn body(&self, mut response: Response, most: usize) -> Result<Vec<u8>, CallError> {
        let mut bytes = Vec::new();
        let unreachable = |source| CallError::Unreachable { base: self.base.clone(), source };
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > most {
                return Err(self.malformed(format!("more than {most} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn malformed(&self, what: String) -> CallError {
        CallError::Malformed { base: self.base.clone(), what }
    }
}

// === impl CallError ===

impl CallError {
    /// When to ask again, where the manager said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The manager's reason, where it gave one.
    pub const fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        }
    }
}

/// An error with its causes in one line, for people: the outer says what failed, the inner why.
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            let _infallible = write!(text, ": {words}");
        }
        cause = inner.source();
    }
    text
}
