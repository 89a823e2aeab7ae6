//! The head of a request.

use super::Transaction;
use crate::body::urlencoded;
use crate::transform::url_decode;
use crate::variable::Variable;

impl Transaction<'_> {
    /// The request line: method, target as it came, and protocol as `HTTP/1.1`.
    pub fn request_line(&mut self, method: &[u8], target: &[u8], protocol: &[u8]) {
        self.set(Variable::RequestMethod, method);
        // a line without a protocol is a request of HTTP/0.9
        self.set(Variable::RequestProtocol, if protocol.is_empty() { b"HTTP/0.9" } else { protocol });
        self.set(Variable::RequestUriRaw, target);
        let line = if protocol.is_empty() {
            [method, target].join(&b' ')
        } else {
            [method, target, protocol].join(&b' ')
        };
        self.set(Variable::RequestLine, line);
        let uri = without_host(target);
        self.set(Variable::RequestUri, uri);
        let whole = uri.split(|byte| *byte == b'#').next().unwrap_or_default();
        let (path, query) = match memchr::memchr(b'?', whole) {
            Some(at) => (whole.get(..at).unwrap_or_default(), whole.get(at + 1..).unwrap_or_default()),
            None => (whole, &b""[..]),
        };
        self.set(Variable::QueryString, query);
        let path = path_decoded(path);
        self.set(Variable::PathInfo, path.as_slice());
        self.set(Variable::RequestFilename, path.as_slice());
        let base = path.iter().rposition(|byte| matches!(byte, b'/' | b'\\')).map_or(0, |at| at + 1);
        self.set(Variable::RequestBasename, path.get(base..).unwrap_or_default());
        let form =
            urlencoded::parse(query, self.rules.settings.argument_separator, self.rules.settings.arguments);
        if form.bad_escape {
            self.set(Variable::UrlencodedError, "1");
        }
        if form.too_many {
            self.body_error("more arguments than allowed");
        }
        for (name, value) in form.arguments {
            self.push(Variable::ArgsGet, name, value);
        }
    }

    /// A header.
    pub fn request_header(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"cookie") {
            self.cookies(value);
        } else if name.eq_ignore_ascii_case(b"host") {
            let port = memchr::memrchr(b':', value)
                .filter(|at| value.get(at + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit)));
            let host = port.and_then(|at| value.get(..at)).unwrap_or(value);
            self.set(Variable::ServerName, host);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.content_type = value.to_vec();
            let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            if kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
                self.processor = "URLENCODED";
            } else if kind.eq_ignore_ascii_case(b"multipart/form-data") {
                self.processor = "MULTIPART";
            }
        } else if name.eq_ignore_ascii_case(b"authorization") {
            let kind = value.split(|byte| *byte == b' ').next().unwrap_or_default();
            self.set(Variable::AuthType, kind);
        }
        self.push(Variable::RequestHeaders, name, value);
    }

    /// The head is whole: runs phase 1.
    pub fn request_headers_end(&mut self) -> &super::Verdict {
        self.combined_size();
        self.run(1);
        &self.verdict
    }

    fn cookies(&mut self, value: &[u8]) {
        let most = self.rules.settings.arguments;
        for cookie in value.split(|byte| *byte == b';').take(most) {
            let cookie = cookie.trim_ascii_start();
            let (name, value) = match memchr::memchr(b'=', cookie) {
                Some(at) => (cookie.get(..at).unwrap_or_default(), cookie.get(at + 1..).unwrap_or_default()),
                None => (cookie, &b""[..]),
            };
            if !name.is_empty() {
                self.push(Variable::RequestCookies, name, value);
            }
        }
    }

    /// Bytes of names and values of all arguments.
    pub(super) fn combined_size(&mut self) {
        let all = self.entries(Variable::ArgsGet).iter().chain(self.entries(Variable::ArgsPost));
        let size: usize =
            all.map(|entry| self.values.bytes(entry.name).len() + self.values.bytes(entry.value).len()).sum();
        self.set(Variable::ArgsCombinedSize, size.to_string());
    }

    /// The body cannot be read as what it says it is.
    pub(super) fn body_error(&mut self, why: &str) {
        self.set(Variable::ReqbodyError, "1");
        self.set(Variable::ReqbodyErrorMsg, why);
        self.set(Variable::ReqbodyProcessorError, "1");
        self.set(Variable::ReqbodyProcessorErrorMsg, why);
    }
}

/// The target without scheme and host.
fn without_host(target: &[u8]) -> &[u8] {
    let scheme = memchr::memmem::find(target, b"://").filter(|at| {
        *at > 0
            && target
                .iter()
                .take(*at)
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    let Some(scheme) = scheme else { return target };
    let rest = target.get(scheme + 3..).unwrap_or_default();
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    path.and_then(|at| rest.get(at..)).unwrap_or(b"/")
}

/// Decodes `%hh`, as servers do before they look for a file; `+` stays.
fn path_decoded(path: &[u8]) -> Vec<u8> {
    let pieces = path.split(|byte| *byte == b'+');
    let decoded: Vec<Vec<u8>> =
        pieces.map(|piece| url_decode(piece, false).unwrap_or_else(|| piece.to_vec())).collect();
    decoded.join(&b'+')
}
