//! The response.

use super::{Transaction, Verdict};
use crate::settings::{Beyond, Engine};
use crate::variable::Variable;

impl Transaction<'_> {
    /// The status line: protocol as `HTTP/1.1`, and status.
    pub fn response_line(&mut self, protocol: &[u8], status: u16) {
        self.set(Variable::ResponseProtocol, protocol);
        self.set(Variable::ResponseStatus, status.to_string());
        self.set(Variable::StatusLine, [protocol, status.to_string().as_bytes()].join(&b' '));
    }

    /// A header.
    pub fn response_header(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"content-type") {
            self.set(Variable::ResponseContentType, value);
            let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let looked_at = &self.rules.settings.response_mime_types;
            self.response_type_wanted =
                looked_at.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(kind));
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.set(Variable::ResponseContentLength, value);
        }
        self.push(Variable::ResponseHeaders, name, value);
    }

    /// The head is whole: runs phase 3.
    pub fn response_headers_end(&mut self) -> &Verdict {
        self.run(3);
        &self.verdict
    }

    /// Whether the body is looked at; else it needs not be handed over.
    pub fn wants_response_body(&self) -> bool {
        self.response_body_access && self.response_type_wanted && self.engine != Engine::Off
    }

    /// Takes a piece of the body. Beyond the limit it is counted and not kept.
    pub fn response_body(&mut self, piece: &[u8]) -> &Verdict {
        self.response_body_length = self.response_body_length.saturating_add(piece.len());
        if self.wants_response_body() {
            let room = self.response_body_limit.saturating_sub(self.response_body.len());
            self.response_body.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if piece.len() > room {
                self.set(Variable::OutboundDataError, "1");
                if self.rules.settings.response_body_beyond == Beyond::Reject {
                    self.refuse(500);
                }
            }
        }
        &self.verdict
    }

    /// The body is whole: runs phase 4.
    pub fn response_body_end(&mut self) -> &Verdict {
        if self.wants_response_body() {
            let body = std::mem::take(&mut self.response_body);
            self.set(Variable::ResponseBody, body);
        }
        if self.entries(Variable::ResponseContentLength).is_empty() {
            self.set(Variable::ResponseContentLength, self.response_body_length.to_string());
        }
        self.run(4);
        &self.verdict
    }
}
