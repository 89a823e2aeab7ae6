//! Records of HTTP: requests wait for their answers.
use crate::dialogue::Asking;
use crate::record::{FileRecord, HttpRecord, Said, text};
use md5::{Digest as _, Md5};
use sakimori_protocols::http1::{Anomaly, Message};
use sakimori_signatures::{Direction, Protocol};
use std::collections::VecDeque;

/// Requests that wait for their answer.
const WAITING: usize = 64;

/// What is remembered of a connection for its records.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    waiting: VecDeque<(u64, HttpRecord)>,
    count: u64,
    answered: u64,
}

// === impl Recorder ===

impl Recorder {
    /// The number of the transaction at hand.
    pub(crate) fn number(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.count,
            Direction::ToClient => self.waiting.front().map_or(self.answered, |(number, _)| *number),
        }
    }

    /// The transaction as far as it is known.
    pub(crate) fn so_far(&self, direction: Direction, message: &Message) -> HttpRecord {
        match direction {
            Direction::ToServer => asked(message),
            Direction::ToClient => {
                let request = self.waiting.front().map(|(_, http)| http.clone());
                answered(request.unwrap_or_default(), message)
            }
        }
    }

    /// A request is over.
    pub(crate) fn request(&mut self, asking: &mut Asking<'_>, message: &Message) {
        if !asking.keeps_records() {
            return;
        }
        let http = asked(message);
        if let Some(file) = file(&http, message) {
            asking.record(Protocol::Http, Direction::ToServer, self.count, Said::File(file));
        }
        if self.waiting.len() < WAITING {
            self.waiting.push_back((self.count, http));
        }
        self.count += 1;
    }

    /// An answer is over.
    pub(crate) fn answer(&mut self, asking: &mut Asking<'_>, message: &Message) {
        if !asking.keeps_records() {
            return;
        }
        let status = status(message);
        if status.is_some_and(|status| status < 200) && message.body_len() == 0 {
            return;
        }
        let (number, request) =
            self.waiting.pop_front().unwrap_or_else(|| (self.answered, HttpRecord::default()));
        self.answered = number + 1;
        let http = answered(request, message);
        if let Some(file) = file(&http, message) {
            asking.record(Protocol::Http, Direction::ToClient, number, Said::File(file));
        }
        asking.record(Protocol::Http, Direction::ToServer, number, Said::Http(http));
    }

    /// The connection is over: nobody answers what still waits.
    pub(crate) fn end(&mut self, asking: &mut Asking<'_>) {
        for (number, http) in self.waiting.drain(..) {
            asking.record(Protocol::Http, Direction::ToServer, number, Said::Http(http));
        }
    }
}

fn asked(message: &Message) -> HttpRecord {
    let [method, target, protocol] = message.start_line_parts().map(text);
    let header = |name: &str| message.header(name).map(text).unwrap_or_default();
    HttpRecord {
        method,
        host: message.host().map(text).unwrap_or_default(),
        target,
        protocol,
        user_agent: header("user-agent"),
        referer: header("referer"),
        ..HttpRecord::default()
    }
}

fn answered(mut http: HttpRecord, message: &Message) -> HttpRecord {
    let header = |name: &str| message.header(name).map(text).unwrap_or_default();
    http.status = status(message);
    http.location = header("location");
    header("content-type").split(';').next().unwrap_or_default().trim().clone_into(&mut http.content_type);
    http.length = message.body_len();
    http
}

fn status(message: &Message) -> Option<u16> {
    let [_, status, _] = message.start_line_parts();
    std::str::from_utf8(status).ok()?.parse().ok()
}

fn file(http: &HttpRecord, message: &Message) -> Option<FileRecord> {
    let kept = message.body().len() as u64;
    if kept == 0 {
        return None;
    }
    let path = || http.target.split(['?', '#']).next().unwrap_or_default().to_owned();
    let truncated = message.anomalies().contains(Anomaly::BodyTruncated);
    Some(FileRecord {
        within: Some(Box::new(Said::Http(http.clone()))),
        name: message
            .received_header("content-disposition")
            .and_then(|value| file_name(&value))
            .unwrap_or_else(path),
        size: if truncated { message.body_len().max(kept) } else { kept },
        whole: message.is_complete(),
        md5: message.is_complete().then(|| Md5::digest(message.body()).into()),
        gaps: message.anomalies().contains(Anomaly::Gap),
    })
}

/// `filename=` of a Content-Disposition (RFC 6266).
fn file_name(disposition: &[u8]) -> Option<String> {
    let mut parameters = disposition.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(parameter.iter().position(|byte| *byte == b'=')?)?;
        name.trim_ascii().eq_ignore_ascii_case(b"filename").then(|| value.get(1..).unwrap_or_default())
    })?;
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let value = value.strip_suffix(b"\"").unwrap_or(value);
    (!value.is_empty()).then(|| text(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_found_in_whatever_form() {
        for (disposition, name) in [
            ("attachment; filename=\"a b.txt\"", Some("a b.txt")),
            ("attachment;FileName = x.zip ; size=3", Some("x.zip")),
            ("inline", None),
            ("attachment; filename=", None),
            ("attachment; filename=\"open", Some("open")),
        ] {
            assert_eq!(file_name(disposition.as_bytes()).as_deref(), name, "{disposition}");
        }
    }
}
