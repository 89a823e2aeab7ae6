//! An HTTP message as the rule language sees it.
use sakimori_protocols::http1::Message;
use sakimori_signatures::{Buffer, Direction, FlowFacts, Inspected};
use std::cell::OnceCell;

/// One request or response, offered to the rules by buffer name.
#[derive(Debug)]
pub(crate) struct HttpView<'a> {
    message: &'a Message,
    direction: Direction,
    flow: &'a FlowFacts,
    segment_length: usize,
    body_limit: usize,
    cookies: OnceCell<Option<Vec<u8>>>,
}

// === impl HttpView ===

impl<'a> HttpView<'a> {
    pub(crate) fn new(
        message: &'a Message,
        direction: Direction,
        flow: &'a FlowFacts,
        segment_length: usize,
        body_limit: usize,
    ) -> Self {
        Self { message, direction, flow, segment_length, body_limit, cookies: OnceCell::new() }
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

impl Inspected for HttpView<'_> {
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
                Some(m.body()).filter(|body| !body.is_empty())
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
            Buffer::Payload => None,
        }
    }

    fn is_complete(&self, buffer: Buffer, _direction: Direction) -> bool {
        !buffer.grows() || self.message.is_complete() || self.message.body().len() >= self.body_limit
    }

    fn flow(&self) -> &FlowFacts {
        self.flow
    }

    fn segment_length(&self) -> usize {
        self.segment_length
    }
}
