//! One connection to one of the manager's listeners: HTTP/1.1 over TLS, one request at a time, as agents call.
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use sakimori_protocol::{Refusal, RefusalCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a connection may take to be made, TLS included: as the agent has it.
const CONNECT: Duration = Duration::from_secs(15);
/// How long any request but a held one may take.
pub(crate) const REQUEST: Duration = Duration::from_mins(2);

/// Where a listener is and how to speak with it.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    /// The address to call from; the system's choice where there is none.
    pub(crate) from: Option<IpAddr>,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A connection.
pub(crate) struct Link {
    requests: SendRequest<Full<Bytes>>,
    host: String,
}

/// An answer, its body not yet read.
pub(crate) type Answer = Response<Incoming>;

/// A call did not give what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No answer, or none that is the manager's.
    #[error("{0}")]
    Broken(String),
    /// The manager said no.
    #[error("{} {:?}: {}", .status, .code, .title)]
    Refused { status: u16, code: RefusalCode, title: String, retry_after: Option<Duration> },
}

fn broken(what: &str) -> impl Fn(String) -> Trouble + '_ {
    move |why| Trouble::Broken(format!("{what}: {why}"))
}

// === impl Link ===

impl Link {
    pub(crate) async fn connect(to: &Listener) -> Result<Self, Trouble> {
        timeout(CONNECT, Self::connecting(to))
            .await
            .unwrap_or_else(|_late| Err(Trouble::Broken("connecting took more than 15 s".to_owned())))
    }

    async fn connecting(to: &Listener) -> Result<Self, Trouble> {
        let failed = broken("connecting");
        let socket = TcpSocket::new_v4().map_err(|e| failed(e.to_string()))?;
        if let Some(from) = to.from {
            socket.bind(SocketAddr::new(from, 0)).map_err(|e| failed(e.to_string()))?;
        }
        let stream = socket.connect(to.address).await.map_err(|e| failed(e.to_string()))?;
        stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
        let name = ServerName::IpAddress(to.address.ip().into());
        let tls = TlsConnector::from(Arc::clone(&to.tls)).connect(name, stream).await;
        let stream = tls.map_err(|e| broken("TLS")(e.to_string()))?;
        let (requests, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|e| failed(e.to_string()))?;
        // It ends when its `Link` is dropped or the manager closes; what broke it is told to the request under way.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { requests, host: to.address.to_string() })
    }

    /// Whether the manager has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        (method, path): (Method, &str),
        headers: &[(&str, String)],
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, Trouble> {
        let failed = broken("request");
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(|e| failed(e.to_string()))?;
        self.requests.ready().await.map_err(|e| failed(e.to_string()))?;
        match timeout(patience, self.requests.send_request(request)).await {
            Ok(answer) => answer.map_err(|e| failed(e.to_string())),
            Err(_late) => Err(Trouble::Broken(format!("no answer within {patience:?}"))),
        }
    }

    /// Posts a message: its answer, nothing where it has none.
    pub(crate) async fn post<A: DeserializeOwned>(
        &mut self,
        path: &str,
        message: &impl Serialize,
        patience: Duration,
    ) -> Result<Option<A>, Trouble> {
        let body = serde_json::to_vec(message).map_err(|e| broken("message")(e.to_string()))?;
        let json = [("content-type", "application/json".to_owned())];
        let answer = self.send((Method::POST, path), &json, body.into(), patience).await?;
        read(answer).await
    }
}

/// The body of an answer: a value, nothing, or a refusal.
pub(crate) async fn read<A: DeserializeOwned>(answer: Answer) -> Result<Option<A>, Trouble> {
    let answer = accepted(answer).await?;
    if answer.status() == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    let body = whole(answer, sakimori_protocol::paths::MESSAGE_BYTES).await?;
    serde_json::from_slice(&body).map(Some).map_err(|e| broken("answer")(e.to_string()))
}

/// The whole body of an answer, up to `most` bytes.
pub(crate) async fn whole(answer: Answer, most: usize) -> Result<Bytes, Trouble> {
    let body = timeout(REQUEST, Limited::new(answer.into_body(), most).collect()).await;
    match body {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(broken("answer")(error.to_string())),
        Err(_late) => Err(Trouble::Broken("the answer did not end".to_owned())),
    }
}

/// The answer, unless it is a refusal.
pub(crate) async fn accepted(answer: Answer) -> Result<Answer, Trouble> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    let retry_after =
        retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let body = whole(answer, sakimori_protocol::paths::MESSAGE_BYTES).await?;
    let status = status.as_u16();
    Err(match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { code, title, .. }) => Trouble::Refused { status, code, title, retry_after },
        Err(_not_an_agents) => {
            let title = String::from_utf8_lossy(&body).into_owned();
            Trouble::Refused { status, code: RefusalCode::Other, title, retry_after }
        }
    })
}

impl Trouble {
    /// When to ask again, where the manager said so.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Broken(_) => None,
        }
    }

    /// The manager's reason, where it gave one.
    pub(crate) const fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Broken(_) => None,
        }
    }
}
