//! Accept loops: TLS, bounds on connections and slow senders, and an end that finishes what was begun.
mod unread;

use crate::app::stopped;
use crate::authority::PeerIdentity;
use crate::metrics::{Metrics, count};
use crate::pacing::Pace;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::{BoxError, Router};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, EXPECT, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;

/// A handshake takes at most this long.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A whole body takes at most so many times as long as each of its pieces may: a batch of events passes a line of 64 kbit/s.
const WHOLE: u32 = 10;
/// What was begun may take this long after the end was asked for.
const DRAIN: Duration = Duration::from_secs(20);

/// One listener.
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) socket: TcpListener,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    pub(crate) router: Router,
    /// Most connections at once.
    pub(crate) connections: usize,
    /// How fast connections are taken: handshakes that are begun all at once end all too late.
    pub(crate) pace: Option<Pace>,
    /// The head of a request, and each piece of its body, takes at most this long.
    pub(crate) patience: Duration,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Listener {
    /// Accepts until told to stop, then waits for what was begun.
    pub(crate) async fn run(mut self) {
        let slots = Arc::new(Semaphore::new(self.connections));
        let tasks = TaskTracker::new();
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
        loop {
            let accepted = tokio::select! {
                accepted = async {
                    // The slot first: beyond the bound, callers wait in the kernel's backlog.
                    let slot = Arc::clone(&slots).acquire_owned().await;
                    if let Some(pace) = &self.pace {
                        sleep_until(pace.turn(Instant::now())).await;
                    }
                    (slot, self.socket.accept().await)
                } => accepted,
                () = stopped(&mut self.stopping) => break,
            };
            let (Ok(slot), accepted) = accepted else { break };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let connection = Connection {
                acceptor: acceptor.clone(),
                router: self.router.clone(),
                patience: self.patience,
                metrics: Arc::clone(&self.metrics),
                stopping: self.stopping.clone(),
            };
            tasks.spawn(async move {
                connection.serve(stream, peer).await;
                drop(slot);
            });
        }
        drop(self.socket);
        tasks.close();
        if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
            tracing::warn!(listener = self.name, left = tasks.len(), "some requests did not end in time");
        }
    }
}

/// A body that has to end in time: each piece may come just before the sender is given up, and there may be many.
struct Whole<B> {
    pieces: Pin<Box<B>>,
    left: Pin<Box<Sleep>>,
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Whole<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = self.pieces.as_mut().poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.left.as_mut().poll(cx).map(|()| Some(Err("the body did not end in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.pieces.size_hint()
    }
}

struct Connection {
    acceptor: TlsAcceptor,
    router: Router,
    patience: Duration,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    /// The handshake.
    async fn secure(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY could not be set");
        }
        let accepted = tokio::time::timeout(HANDSHAKE, self.acceptor.accept(stream)).await;
        if accepted.as_ref().is_ok_and(Result::is_ok) {
            return accepted.ok()?.ok();
        }
        count(&self.metrics.handshakes_failed, 1);
        if let Ok(Err(error)) = accepted {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
        }
        None
    }

    /// What is needed for a part of a connection's life only lies in a box of its own: there may be ten thousands that wait.
    async fn serve(mut self, stream: TcpStream, peer: SocketAddr) {
        let Some(stream) = Box::pin(self.secure(stream, peer)).await else { return };
        // Which one is agreed on in the handshake: nothing is read to find out.
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let certificates = stream.get_ref().1.peer_certificates();
        let identity = certificates.and_then(<[_]>::first).and_then(PeerIdentity::of);
        let (router, patience) = (self.router, self.patience);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            // HTTP/2 says the host in the target.
            let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
            if let Some(host) = host {
                request.headers_mut().entry(HOST).or_insert(host);
            }
            if let Some(identity) = &identity {
                request.extensions_mut().insert(identity.clone());
            }
            let expects = request.headers().contains_key(EXPECT);
            let (head, body) = request.into_parts();
            let pieces = TimeoutBody::new(patience, Box::pin(body));
            let whole =
                Whole { pieces: Box::pin(pieces), left: Box::pin(tokio::time::sleep(patience * WHOLE)) };
            let (watched, unread) = unread::watch(whole);
            let answer = router.clone().oneshot(hyper::Request::from_parts(head, Body::new(watched)));
            async move {
                let mut answer = answer.await?;
                // Who waits for a word before it sends has sent nothing.
                let at_its_end = if expects { unread.is_nothing() } else { unread.read_away().await };
                // A stream of HTTP/2 ends for itself.
                if !at_its_end && !http2 {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        let mut builder = if http2 { builder.http2_only() } else { builder.http1_only() };
        builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(64)
            .keep_alive_interval(Some(patience));
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection broke");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what an asynchronous function of three arguments makes.
    fn bytes_of<A, B, C, F>(_function: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_is_small() {
        let bytes = bytes_of(Connection::serve);
        assert!(bytes <= 2560, "{bytes} bytes for each connection beside its own box");
    }
}
