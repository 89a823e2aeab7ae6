//! An HTTP message as the rule language sees it.
use crate::dialogue::Transaction;
use crate::http_recorder::Recorder;
use crate::record::Said;
use crate::report;
use sakimori_model::HttpSummary;
use sakimori_protocols::http1::{Anomaly, Message};
use sakimori_signatures::{Buffer, Direction, EventName, Fact, Protocol};
use std::cell::OnceCell;

/// The oddities that are noticed.
pub(crate) const EVENTS: &[&str] = &[
    "http.invalid_transfer_encoding_value_in_request",
    "http.invalid_transfer_encoding_value_in_response",
    "http.request_chunk_extension",
    "http.request_line_missing_protocol",
    "http.request_field_missing_colon",
    "http.response_field_missing_colon",
    "http.request_field_too_long",
    "http.request_header_invalid",
    "http.invalid_content_length_field_in_request",
    "http.invalid_content_length_field_in_response",
    "http.duplicate_content_length_field_in_request",
    "http.duplicate_content_length_field_in_response",
    "http.invalid_request_chunk_len",
    "http.invalid_response_chunk_len",
    "http.invalid_request_field_folding",
    "http.missing_host_header",
    "http.request_auth_unrecognized",
];

/// One request or response, offered to the rules by buffer name.
#[derive(Debug)]
pub(crate) struct HttpView<'a> {
    message: &'a Message,
    direction: Direction,
    body_limit: usize,
    cookies: OnceCell<Option<Vec<u8>>>,
    recorder: &'a Recorder,
}

// === impl HttpView ===

impl<'a> HttpView<'a> {
    pub(crate) fn new(
        message: &'a Message,
        direction: Direction,
        body_limit: usize,
        recorder: &'a Recorder,
    ) -> Self {
        Self { message, direction, body_limit, cookies: OnceCell::new(), recorder }
    }

    fn part(&self, index: usize) -> Option<&[u8]> {
        self.message.start_line_parts().get(index).copied().filter(|part| !part.is_empty())
    }

    /// All values of the cookie header joined: servers read each of several.
    fn cookies(&self) -> Option<&[u8]> {
        let name: &[u8] = match self.direction {
            Direction::ToServer => b"cookie",
            Direction::ToClient => b"set-cookie",
        };
        self.cookies
            .get_or_init(|| {
                let mut values = self.message.headers().filter(|(n, _)| n.eq_ignore_ascii_case(name));
                let mut joined = values.next()?.1.to_vec();
                for (_, value) in values {
                    joined.extend_from_slice(b", ");
                    joined.extend_from_slice(value);
                }
                Some(joined)
            })
            .as_deref()
    }
}

impl HttpView<'_> {
    /// Whether the scheme of `Authorization` is none of those that are in use.
    fn authorization_is_unknown(&self) -> bool {
        let Some(value) = self.message.header("authorization") else { return false };
        let scheme = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        ![&b"basic"[..], b"digest", b"bearer", b"negotiate", b"ntlm"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    }
}

impl HttpView<'_> {
    /// Whether an oddity of [`EVENTS`] was seen.
    pub(crate) fn is_odd(&self, event: &str, direction: Direction) -> bool {
        let request = direction == Direction::ToServer;
        let has = |anomaly| self.message.anomalies().contains(anomaly);
        match event {
            "http.invalid_transfer_encoding_value_in_request" => {
                request && has(Anomaly::TransferEncodingUnknown)
            }
            "http.invalid_transfer_encoding_value_in_response" => {
                !request && has(Anomaly::TransferEncodingUnknown)
            }
            "http.request_chunk_extension" => request && has(Anomaly::ChunkExtension),
            "http.request_line_missing_protocol" => {
                request && (has(Anomaly::VersionMissing) || has(Anomaly::Http09))
            }
            "http.request_field_missing_colon" => request && has(Anomaly::HeaderWithoutColon),
            "http.response_field_missing_colon" => !request && has(Anomaly::HeaderWithoutColon),
            "http.request_field_too_long" => request && has(Anomaly::HeadTooLong),
            "http.request_header_invalid" => {
                request && (has(Anomaly::SpaceBeforeColon) || has(Anomaly::NulByte))
            }
            "http.invalid_content_length_field_in_request" => request && has(Anomaly::LengthInvalid),
            "http.invalid_content_length_field_in_response" => !request && has(Anomaly::LengthInvalid),
            "http.duplicate_content_length_field_in_request" => request && has(Anomaly::LengthConflict),
            "http.duplicate_content_length_field_in_response" => !request && has(Anomaly::LengthConflict),
            "http.invalid_request_chunk_len" => request && has(Anomaly::ChunkInvalid),
            "http.invalid_response_chunk_len" => !request && has(Anomaly::ChunkInvalid),
            "http.invalid_request_field_folding" => request && has(Anomaly::FoldedHeader),
            "http.missing_host_header" => {
                request && self.message.host_raw().is_none() && self.part(2) == Some(b"HTTP/1.1")
            }
            "http.request_auth_unrecognized" => request && self.authorization_is_unknown(),
            _ => false,
        }
    }
}

impl Transaction for HttpView<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::Http
    }

    fn buffer(&self, buffer: Buffer, direction: Direction) -> Option<&[u8]> {
        if direction != self.direction {
            return None;
        }
        let m = self.message;
        let request = direction == Direction::ToServer;
        match buffer {
            Buffer::HttpUri => Some(m.uri()),
            Buffer::HttpUriRaw | Buffer::HttpStatCode => self.part(1),
            Buffer::HttpMethod => self.part(0),
            Buffer::HttpHeader => Some(m.normalised_headers()),
            Buffer::HttpHeaderRaw => Some(m.raw_headers()),
            Buffer::HttpHeaderNames => Some(m.header_names()),
            Buffer::HttpCookie => self.cookies(),
            Buffer::HttpUserAgent => m.header("user-agent"),
            Buffer::HttpHost => m.host(),
            Buffer::HttpHostRaw => m.host_raw(),
            Buffer::HttpReferer => m.header("referer"),
            Buffer::HttpContentType => m.header("content-type"),
            Buffer::HttpContentLen => m.header("content-length"),
            Buffer::HttpRequestBody | Buffer::HttpResponseBody | Buffer::FileData => {
                let body = m.body();
                Some(body.get(..self.body_limit).unwrap_or(body)).filter(|body| !body.is_empty())
            }
            Buffer::HttpRequestLine | Buffer::HttpResponseLine => Some(m.start_line()),
            Buffer::HttpProtocol => self.part(if request { 2 } else { 0 }),
            Buffer::HttpAccept => m.header("accept"),
            Buffer::HttpAcceptEnc => m.header("accept-encoding"),
            Buffer::HttpAcceptLang => m.header("accept-language"),
            Buffer::HttpConnection => m.header("connection"),
            Buffer::HttpStart => Some(m.head()),
            Buffer::HttpStatMsg => self.part(2),
            Buffer::HttpServer => m.header("server"),
            Buffer::HttpLocation => m.header("location"),
            Buffer::HttpRequestHeader | Buffer::HttpResponseHeader => self.instance(buffer, direction, 0),
            _ => None,
        }
    }

    fn instance(&self, buffer: Buffer, direction: Direction, index: usize) -> Option<&[u8]> {
        if !buffer.is_several() || direction != self.direction {
            return if index == 0 { self.buffer(buffer, direction) } else { None };
        }
        // each line of the normalised block is one field
        let lines = self.message.normalised_headers();
        lines.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r")).nth(index)
    }

    fn is_complete(&self, buffer: Buffer, _direction: Direction) -> bool {
        !buffer.grows() || self.message.is_complete() || self.message.body().len() >= self.body_limit
    }

    fn fact(&self, fact: Fact, direction: Direction) -> Option<u64> {
        match fact {
            Fact::HttpContentLength if direction == self.direction => {
                std::str::from_utf8(self.message.header("content-length")?).ok()?.trim_ascii().parse().ok()
            }
            _ => None,
        }
    }

    fn request(&self) -> Option<HttpSummary> {
        (self.direction == Direction::ToServer).then(|| report::summary(self.message))
    }

    fn said(&self) -> Option<Said> {
        Some(Said::Http(self.recorder.so_far(self.direction, self.message)))
    }

    fn has_event(&self, event: EventName, direction: Direction) -> bool {
        self.is_odd(event.as_str(), direction)
    }
}
