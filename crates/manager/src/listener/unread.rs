//! What a handler left unread of a request's body.
//!
//! A connection of HTTP/1.1 is of use for the next request only behind the end of this one's body, and who is cut off while
//! sending does not read the answer (RFC 9112, 9.3 and 9.6). A handler that refuses early, for want of rights say, answers
//! before the body has come. So what it left is read away before the answer goes; where that is too much, the answer says that
//! the connection ends.
use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use sakimori_protocol::paths;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Most bytes that are read away: a message that is somewhat too large is sent to its end.
const MOST: usize = 16 * paths::MESSAGE_BYTES;
/// Longest time for it.
const LONGEST: Duration = Duration::from_secs(10);

/// Where a body goes that its reader lets go of before its end.
type Rest<B> = Arc<Mutex<Option<Pin<Box<B>>>>>;

/// A body that is not lost with its reader.
pub(super) struct Watched<B> {
    body: Option<Pin<Box<B>>>,
    rest: Rest<B>,
}

/// The other end of a [`Watched`].
pub(super) struct Unread<B>(Rest<B>);

/// Watches a body.
pub(super) fn watch<B>(body: B) -> (Watched<B>, Unread<B>) {
    let rest: Rest<B> = Arc::default();
    (Watched { body: Some(Box::pin(body)), rest: Arc::clone(&rest) }, Unread(rest))
}

// === impl Watched ===

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl<B: HttpBody<Data = Bytes, Error = BoxError>> HttpBody for Watched<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = body.as_mut().poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

// === impl Unread ===

impl<B: HttpBody<Data = Bytes, Error = BoxError>> Unread<B> {
    /// Whether nothing is left unread.
    pub(super) fn is_nothing(&self) -> bool {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rest.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    /// Reads the rest away, within bounds; whether the body's end was reached.
    pub(super) async fn read_away(self) -> bool {
        let rest = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = rest.filter(|body| !body.is_end_stream()) else { return true };
        let reading = async {
            let mut read = 0_usize;
            while read < MOST {
                match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                    None => return true,
                    Some(Err(_broke_off)) => return false,
                    Some(Ok(frame)) => read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len)),
                }
            }
            false
        };
        tokio::time::timeout(LONGEST, reading).await.unwrap_or(false)
    }
}
