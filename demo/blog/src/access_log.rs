//! A line for each request, as web servers write it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;

use crate::Blog;

/// The open log.
#[derive(Debug)]
pub(crate) struct AccessLog(Mutex<File>);

impl AccessLog {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Mutex::new(file.with_context(|| format!("opening {}", path.display()))?)))
    }
}

/// Notes a request in the combined format.
pub(crate) async fn note(
    State(blog): State<Arc<Blog>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let line = format!("{} {} HTTP/1.1", request.method(), request.uri());
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or("-").replace('"', "");
    let response = next.run(request).await;
    if let Some(log) = &blog.access_log {
        let (ip, time, status) = (client.ip(), now(), response.status().as_u16());
        let line = format!("{ip} - - [{time}] \"{line}\" {status} 0 \"-\" \"{agent}\"\n");
        // A full disk must not end the demo's web server.
        let _lost = log.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
    response
}

/// `25/Nov/2026:17:00:00 +0000`.
#[expect(clippy::disallowed_methods, reason = "a web server's log has the time of the wall")]
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    time(since)
}

fn time(seconds: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = "";
    for (name, length) in MONTHS.into_iter().zip(lengths) {
        month = name;
        if days < length {
            break;
        }
        days -= length;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000", days + 1)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(time(951_782_400), "29/Feb/2000:00:00:00 +0000");
        assert_eq!(time(1_795_651_199), "25/Nov/2026:23:59:59 +0000");
    }
}
