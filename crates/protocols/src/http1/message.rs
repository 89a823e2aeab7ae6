//! One request or response: its raw head, its parsed fields, the kept part of its body.
use super::{Anomalies, Anomaly, body::Body, head::Head, lenient, uri};
use std::cell::OnceCell;
use std::ops::Range;

/// One header field, as spans of [`Message::head`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: Range<u32>,
    value: Range<u32>,
}

/// One request or response.
#[derive(Debug, Default)]
pub struct Message {
    pub(crate) head: Head,
    pub(crate) headers: Vec<Header>,
    pub(crate) line: [Range<u32>; 3],
    pub(crate) body: Body,
    pub(crate) anomalies: Anomalies,
    pub(crate) complete: bool,
    views: Views,
}

/// Normalised views, made when first asked for.
#[derive(Debug, Default)]
struct Views {
    uri: OnceCell<Vec<u8>>,
    headers: OnceCell<Vec<u8>>,
    header_names: OnceCell<Vec<u8>>,
    host: OnceCell<Option<Vec<u8>>>,
}

// === impl Message ===

impl Message {
    /// The raw head: start line, header lines and the empty line, as received, cut at the limit.
    pub fn head(&self) -> &[u8] {
        &self.head.bytes
    }

    /// The start line without its line end.
    pub fn start_line(&self) -> &[u8] {
        trim_line_end(self.head.bytes.get(..self.head.first_line).unwrap_or_default())
    }

    /// The raw header lines with the empty line that ends them.
    pub fn raw_headers(&self) -> &[u8] {
        self.head.bytes.get(self.head.first_line..).unwrap_or_default()
    }

    /// The three parts of the start line: method, target, version of a request; version, code,
    /// reason of a response. Absent parts are empty.
    pub fn start_line_parts(&self) -> [&[u8]; 3] {
        [self.span(&self.line[0]), self.span(&self.line[1]), self.span(&self.line[2])]
    }

    /// The request target, normalised (see [`super::normalise_uri`]).
    pub fn uri(&self) -> &[u8] {
        self.views.uri.get_or_init(|| {
            let mut out = Vec::new();
            uri::normalise(self.span(&self.line[1]), &mut out);
            out
        })
    }

    /// Names and values in order, trimmed of white space, folds left inside.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter().map(|h| (self.span(&h.name), self.span(&h.value)))
    }

    /// The first value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of a header as some receiver of a response reads it, however it is hidden (`lenient.rs`).
    pub fn received_header(&self, name: &str) -> Option<Vec<u8>> {
        let fields = lenient::fields(&self.head.bytes);
        let found = fields.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.trim_ascii().to_vec())
    }

    /// All header lines as `Name: value\r\n`, folds undone, without Cookie and Set-Cookie, which
    /// the rule language keeps in a buffer of their own.
    pub fn normalised_headers(&self) -> &[u8] {
        self.views.headers.get_or_init(|| {
            let mut out = Vec::with_capacity(self.raw_headers().len());
            for (name, value) in self.headers() {
                if name.eq_ignore_ascii_case(b"cookie") || name.eq_ignore_ascii_case(b"set-cookie") {
                    continue;
                }
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                unfold_into(value, &mut out);
                out.extend_from_slice(b"\r\n");
            }
            out
        })
    }

    /// The names in order: `\r\nHost\r\nAccept\r\n\r\n`.
    pub fn header_names(&self) -> &[u8] {
        self.views.header_names.get_or_init(|| {
            let mut out = b"\r\n".to_vec();
            for (name, _) in self.headers() {
                out.extend_from_slice(name);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"\r\n");
            out
        })
    }

    /// The host, from an absolute target or the Host header: lower case, without port and user.
    pub fn host(&self) -> Option<&[u8]> {
        self.views.host.get_or_init(|| self.host_raw().map(normalise_host)).as_deref()
    }

    /// The Host header as sent, or the authority of an absolute target.
    pub fn host_raw(&self) -> Option<&[u8]> {
        let target = self.span(&self.line[1]);
        let authority = memchr::memmem::find(target, b"://")
            .filter(|at| *at < 10 && target.first() != Some(&b'/'))
            .and_then(|at| target.get(at + 3..))
            .and_then(|rest| rest.split(|b| matches!(b, b'/' | b'?' | b'#')).next());
        authority.or_else(|| self.header("host"))
    }

    /// The kept part of the body, transfer and content codings undone.
    pub fn body(&self) -> &[u8] {
        self.body.kept()
    }

    /// Length of the body so far as it was sent, kept or not, in bytes.
    pub fn body_len(&self) -> u64 {
        self.body.len()
    }

    /// Whether the last byte has been seen.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// What is odd about it.
    pub const fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// Memory it holds, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let views = [&self.views.uri, &self.views.headers, &self.views.header_names];
        self.head.bytes.capacity()
            + self.headers.capacity() * size_of::<Header>()
            + self.body.memory_bytes()
            + views.iter().filter_map(|v| v.get()).map(Vec::capacity).sum::<usize>()
    }

    /// Makes it ready for the next message, keeping small allocations.
    pub(crate) fn clear(&mut self) {
        /// What a keep-alive connection may hold between two requests: an ordinary head.
        const KEPT_BYTES: usize = 2048;
        self.head.clear();
        self.head.bytes.shrink_to(KEPT_BYTES);
        self.headers.clear();
        self.headers.shrink_to(32);
        self.line = [0..0, 0..0, 0..0];
        self.body.clear();
        self.anomalies = Anomalies::default();
        self.complete = false;
        self.views = Views::default();
    }

    /// Reads the fields of a complete head.
    pub(crate) fn parse_headers(&mut self, max_headers: usize) {
        if self.head.overflow {
            self.anomalies.insert(Anomaly::HeadTooLong);
        }
        if memchr::memchr(0, &self.head.bytes).is_some() {
            self.anomalies.insert(Anomaly::NulByte);
        }
        let mut at = self.head.first_line;
        while let Some(rest) = self.head.bytes.get(at..).filter(|r| !r.is_empty()) {
            let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
            let line = trim_line_end(rest.get(..len).unwrap_or(rest));
            let start = at;
            at += len;
            if line.is_empty() {
                continue;
            }
            if matches!(line.first(), Some(b' ' | b'\t')) {
                self.anomalies.insert(Anomaly::FoldedHeader);
                if let Some(last) = self.headers.last_mut() {
                    last.value.end = offset(start + line.len());
                    continue;
                }
            }
            if self.headers.len() >= max_headers {
                self.anomalies.insert(Anomaly::TooManyHeaders);
                return;
            }
            let Some(colon) = memchr::memchr(b':', line) else {
                self.anomalies.insert(Anomaly::HeaderWithoutColon);
                self.headers.push(Header {
                    name: offset(start)..offset(start),
                    value: offset(start)..offset(start + line.len()),
                });
                continue;
            };
            let raw_name = line.get(..colon).unwrap_or_default();
            let name = raw_name.trim_ascii();
            if name.len() != raw_name.len() {
                self.anomalies.insert(Anomaly::SpaceBeforeColon);
            }
            let name_start = start + raw_name.len() - raw_name.trim_ascii_start().len();
            let raw_value = line.get(colon + 1..).unwrap_or_default();
            let value_start = start + colon + 1 + raw_value.len() - raw_value.trim_ascii_start().len();
            self.headers.push(Header {
                name: offset(name_start)..offset(name_start + name.len()),
                value: offset(value_start)..offset(value_start + raw_value.trim_ascii().len()),
            });
        }
    }

    /// Finds method, target and version in the first line. `false` if it is no request line.
    pub(crate) fn parse_request_line(&mut self) -> bool {
        let line = self.start_line();
        let Some(start) = line.iter().position(|b| !matches!(b, b' ' | b'\t')) else { return false };
        let after = line.get(start..).unwrap_or_default();
        let Some(method_len) = after.iter().position(|b| matches!(b, b' ' | b'\t')) else { return false };
        let plain = after.get(..method_len).is_some_and(|m| m.iter().all(u8::is_ascii_graphic));
        let rest = after.get(method_len..).unwrap_or_default();
        let target_start = start + method_len + (rest.len() - rest.trim_ascii_start().len());
        let end = start + after.trim_ascii_end().len();
        if !plain || target_start >= end {
            return false;
        }
        let target = line.get(target_start..end).unwrap_or_default();
        let last_space = target.iter().rposition(|b| matches!(b, b' ' | b'\t'));
        let (target_end, version_start) = match last_space {
            Some(at) if target.get(at + 1..).is_some_and(is_version) => {
                let trimmed = target.get(..at).unwrap_or_default().trim_ascii_end().len();
                (target_start + trimmed, target_start + at + 1)
            }
            _ => (end, end),
        };
        self.line = [
            offset(start)..offset(start + method_len),
            offset(target_start)..offset(target_end),
            offset(version_start)..offset(end),
        ];
        if version_start == end {
            self.anomalies.insert(Anomaly::Http09);
        }
        true
    }

    /// Whether what there is of a response cannot become a status line: enough of it, without a line end, and no `HTTP/`.
    pub(crate) fn has_no_head(&self) -> bool {
        const ENOUGH: usize = 16;
        self.head.first_line == 0
            && self.head.bytes.len() >= ENOUGH
            && !is_version(self.head.bytes.trim_ascii_start())
    }

    /// Finds version, code and reason in the first line. `false` if it is no status line.
    pub(crate) fn parse_status_line(&mut self) -> bool {
        let line = self.start_line();
        let blank = line.len() - line.trim_ascii_start().len();
        if !line.get(blank..).is_some_and(is_version) {
            return false;
        }
        let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r');
        let version_end = line.iter().skip(blank).position(is_blank).map_or(line.len(), |at| blank + at);
        let rest = line.get(version_end..).unwrap_or_default();
        let code_start = version_end + (rest.len() - rest.trim_ascii_start().len());
        let code = line.get(code_start..).unwrap_or_default();
        let code_end = code_start + code.iter().position(|b| *b == b' ').unwrap_or(code.len());
        let reason_start = (code_end + 1).min(line.len());
        self.line = [
            offset(blank)..offset(version_end),
            offset(code_start)..offset(code_end),
            offset(reason_start)..offset(line.len()),
        ];
        true
    }

    fn span(&self, range: &Range<u32>) -> &[u8] {
        self.head.bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// Offsets into a head fit: its limit is far below 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_version(text: &[u8]) -> bool {
    text.get(..5).is_some_and(|t| t.eq_ignore_ascii_case(b"HTTP/"))
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A folded value in one line: each line end with the white space around it becomes one space.
fn unfold_into(value: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr(b'\n', value).is_none() {
        out.extend_from_slice(value);
        return;
    }
    for (n, part) in value.split(|b| *b == b'\n').enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(part.trim_ascii());
    }
}

fn normalise_host(raw: &[u8]) -> Vec<u8> {
    let host = raw.rsplit(|b| *b == b'@').next().unwrap_or(raw);
    let end = if host.first() == Some(&b'[') {
        memchr::memchr(b']', host).map_or(host.len(), |at| at + 1)
    } else {
        memchr::memchr(b':', host).unwrap_or(host.len())
    };
    let host = host.get(..end).unwrap_or(host).to_ascii_lowercase();
    host.strip_suffix(b".").map_or_else(|| host.clone(), <[u8]>::to_vec)
}
