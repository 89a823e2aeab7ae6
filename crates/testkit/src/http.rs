//! A reader of web pages from inside a lab, small and bounded.
//!
//! HTTP/1.0 on purpose: one request a connection and no chunked bodies, so the text can be searched as it came.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use crate::Host;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 4 << 20;

/// An answer: status code and everything behind the head.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head, status line included.
    pub head: String,
    /// The body as text.
    pub body: String,
}

/// Gets `path` from `to`, from the machine `from`, within `limit` for connecting and for each read.
pub fn get(from: &Host, to: SocketAddr, path: &str, limit: Duration) -> anyhow::Result<Answer> {
    let stream = from.connect(to, limit).with_context(|| format!("connecting to {to}"))?;
    ask(stream, to, path, limit)
}

/// [`get`] from the namespace of the calling thread.
pub fn get_here(to: SocketAddr, path: &str, limit: Duration) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect_timeout(&to, limit).with_context(|| format!("connecting to {to}"))?;
    ask(stream, to, path, limit)
}

fn ask(mut stream: TcpStream, to: SocketAddr, path: &str, limit: Duration) -> anyhow::Result<Answer> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {to}\r\nUser-Agent: lab\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut bytes).with_context(|| format!("reading {path} from {to}"))?;
    parse(&bytes).with_context(|| format!("answer to {path} of {to}: {} bytes", bytes.len()))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_have_status_and_body() {
        let answer = parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nnothing\r\n\r\nhere").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (404, "nothing\r\n\r\nhere"));
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
