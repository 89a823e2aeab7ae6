//! What was said over a connection, for those who keep records of traffic: transactions and files, apart from matches.
use sakimori_protocols::http1::{Anomaly, Message};
use sakimori_signatures::{Direction, FlowFacts};
use std::collections::VecDeque;

/// Bytes of a text in a record.
const TEXT_BYTES: usize = 4096;
/// Requests that wait for their answer.
const WAITING: usize = 64;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A request with its answer, where one came.
    Http(HttpRecord),
    /// A body.
    File(FileRecord),
}

/// A request with its answer. Texts are cut, and bytes that are no UTF-8 replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRecord {
    /// Whose it is.
    pub flow: Option<FlowFacts>,
    /// Which of the connection, from 0.
    pub number: u64,
    /// As sent.
    pub method: String,
    /// The host in lower case, without port.
    pub host: String,
    /// The target as sent.
    pub target: String,
    /// Version of the request.
    pub protocol: String,
    /// Its header.
    pub user_agent: String,
    /// Its header.
    pub referer: String,
    /// Code of the answer.
    pub status: Option<u16>,
    /// Where the answer sends to.
    pub location: String,
    /// Kind of the answer's body, without parameters.
    pub content_type: String,
    /// Length of the answer's body, as sent.
    pub length: u64,
}

/// A body as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The transaction that it is of.
    pub http: HttpRecord,
    /// Which way it went.
    pub direction: Direction,
    /// What the sender calls it, else the path.
    pub name: String,
    /// Length, codings undone as far as they are.
    pub size: u64,
    /// Whether all of it came.
    pub whole: bool,
    /// Whether bytes in between are missing.
    pub gaps: bool,
}

/// What is remembered of a connection for its records.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    waiting: VecDeque<HttpRecord>,
    count: u64,
}

// === impl Recorder ===

impl Recorder {
    /// A request is over.
    pub(crate) fn request(&mut self, flow: &FlowFacts, message: &Message, records: &mut Vec<Record>) {
        let [method, target, protocol] = message.start_line_parts().map(text);
        let header = |name: &str| message.header(name).map(text).unwrap_or_default();
        let http = HttpRecord {
            flow: Some(*flow),
            number: self.count,
            method,
            host: message.host().map(text).unwrap_or_default(),
            target,
            protocol,
            user_agent: header("user-agent"),
            referer: header("referer"),
            ..HttpRecord::default()
        };
        self.count += 1;
        records.extend(file(&http, message, Direction::ToServer).map(Record::File));
        if self.waiting.len() < WAITING {
            self.waiting.push_back(http);
        }
    }

    /// An answer is over.
    pub(crate) fn answer(&mut self, flow: &FlowFacts, message: &Message, records: &mut Vec<Record>) {
        let [_, status, _] = message.start_line_parts();
        let status = std::str::from_utf8(status).ok().and_then(|status| status.parse::<u16>().ok());
        if status.is_some_and(|status| status < 200) && message.body_len() == 0 {
            return;
        }
        let asked = self.waiting.pop_front();
        let mut http = asked.unwrap_or_else(|| HttpRecord { flow: Some(*flow), ..HttpRecord::default() });
        let header = |name: &str| message.header(name).map(text).unwrap_or_default();
        http.status = status;
        http.location = header("location");
        header("content-type")
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .clone_into(&mut http.content_type);
        http.length = message.body_len();
        records.extend(file(&http, message, Direction::ToClient).map(Record::File));
        records.push(Record::Http(http));
    }

    /// The connection is over: nobody answers what still waits.
    pub(crate) fn end(&mut self, records: &mut Vec<Record>) {
        records.extend(self.waiting.drain(..).map(Record::Http));
    }
}

fn file(http: &HttpRecord, message: &Message, direction: Direction) -> Option<FileRecord> {
    let kept = message.body().len() as u64;
    if kept == 0 {
        return None;
    }
    let path = || http.target.split(['?', '#']).next().unwrap_or_default().to_owned();
    let truncated = message.anomalies().contains(Anomaly::BodyTruncated);
    Some(FileRecord {
        http: http.clone(),
        direction,
        name: message
            .received_header("content-disposition")
            .and_then(|value| file_name(&value))
            .unwrap_or_else(path),
        size: if truncated { message.body_len().max(kept) } else { kept },
        whole: message.is_complete(),
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..TEXT_BYTES).unwrap_or(bytes)).into_owned()
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
