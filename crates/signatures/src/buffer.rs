//! What rules look at: the buffers of a transaction, the directions and the stages they appear in.
use std::fmt;

/// Which way bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the side that opened the connection: requests.
    ToServer,
    /// To the side that opened the connection: responses.
    ToClient,
}

impl Direction {
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// A set of directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Directions(u8);

impl Directions {
    /// Neither.
    pub const NONE: Self = Self(0);
    /// Requests only.
    pub const TO_SERVER: Self = Self(1);
    /// Responses only.
    pub const TO_CLIENT: Self = Self(2);
    /// Both.
    pub const BOTH: Self = Self(3);

    /// Whether the direction is one of them.
    pub const fn contains(self, direction: Direction) -> bool {
        self.0 & (1 << direction.index()) != 0
    }

    /// The directions in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The directions in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How far a transaction has come when the rule set is asked.
///
/// Stages of one direction only move forward. Skipping one is allowed (a small request may be
/// inspected once, at `RequestEnd`); asking twice at the same stage is how a growing body is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The request line is there.
    RequestLine,
    /// All request header fields are there.
    RequestHeaders,
    /// More of the request body is there.
    RequestBody,
    /// The request is complete, or cut short: nothing of it will come any more.
    RequestEnd,
    /// The status line is there.
    ResponseLine,
    /// All response header fields are there.
    ResponseHeaders,
    /// More of the response body is there.
    ResponseBody,
    /// The response is complete, or cut short: nothing of it will come any more.
    ResponseEnd,
    /// More of the raw stream is there; asked with a [`TransactionState`](crate::TransactionState)
    /// of the flow's own, one for its whole life.
    Stream(Direction),
}

impl Stage {
    /// The direction whose bytes this stage is about.
    pub const fn direction(self) -> Direction {
        match self {
            Self::RequestLine | Self::RequestHeaders | Self::RequestBody | Self::RequestEnd => {
                Direction::ToServer
            }
            Self::ResponseLine | Self::ResponseHeaders | Self::ResponseBody | Self::ResponseEnd => {
                Direction::ToClient
            }
            Self::Stream(direction) => direction,
        }
    }

    /// Whether nothing of this direction will come any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::RequestEnd | Self::ResponseEnd)
    }

    /// Whether this is about the raw stream and not about a transaction.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

macro_rules! buffers {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $directions:ident, $priority:literal;)*) => {
        /// A part of the traffic that rules look at, by the name its keyword has in the rule language.
        ///
        /// # Source
        /// Suricata user guide, "HTTP Keywords".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Buffer {
            $($(#[$doc])* $name,)*
        }

        impl Buffer {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The keyword: `http.uri`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The directions in which the buffer exists.
            pub const fn directions(self) -> Directions {
                match self { $(Self::$name => Directions::$directions,)* }
            }

            /// How good a place for the fast pattern this is; larger is rarer to be hit by chance.
            pub(crate) const fn priority(self) -> u8 {
                match self { $(Self::$name => $priority,)* }
            }
        }
    };
}

buffers! {
    /// Request target, normalised: percent-decoded once, without scheme and authority, dot segments removed.
    HttpUri, "http.uri", TO_SERVER, 4;
    /// Request target as sent.
    HttpUriRaw, "http.uri.raw", TO_SERVER, 4;
    /// Method as sent.
    HttpMethod, "http.method", TO_SERVER, 1;
    /// Header fields without cookies, each `Name: value\r\n` with the value trimmed and unfolded.
    HttpHeader, "http.header", BOTH, 4;
    /// Header block as sent, cookies included.
    HttpHeaderRaw, "http.header.raw", BOTH, 4;
    /// Names in the order sent: `\r\nHost\r\nUser-Agent\r\n\r\n`.
    HttpHeaderNames, "http.header_names", BOTH, 3;
    /// Value of `Cookie` (request) or `Set-Cookie` (response), several joined by `, `.
    HttpCookie, "http.cookie", BOTH, 4;
    /// Value of `User-Agent`.
    HttpUserAgent, "http.user_agent", TO_SERVER, 4;
    /// Host name from the target or the `Host` field, lower case, without port.
    HttpHost, "http.host", TO_SERVER, 4;
    /// The `Host` field as sent.
    HttpHostRaw, "http.host.raw", TO_SERVER, 4;
    /// Value of `Referer`.
    HttpReferer, "http.referer", TO_SERVER, 4;
    /// Value of `Content-Type`.
    HttpContentType, "http.content_type", BOTH, 4;
    /// Value of `Content-Length`.
    HttpContentLen, "http.content_len", BOTH, 3;
    /// Request body after chunked and content decoding, from its first byte on.
    HttpRequestBody, "http.request_body", TO_SERVER, 4;
    /// Request line without its line end.
    HttpRequestLine, "http.request_line", TO_SERVER, 4;
    /// Version as in the first line: `HTTP/1.1`.
    HttpProtocol, "http.protocol", BOTH, 1;
    /// Value of `Accept`.
    HttpAccept, "http.accept", TO_SERVER, 4;
    /// Value of `Accept-Encoding`.
    HttpAcceptEnc, "http.accept_enc", TO_SERVER, 4;
    /// Value of `Accept-Language`.
    HttpAcceptLang, "http.accept_lang", TO_SERVER, 4;
    /// Value of `Connection`.
    HttpConnection, "http.connection", BOTH, 2;
    /// First line and header block as sent, with the empty line.
    HttpStart, "http.start", BOTH, 4;
    /// Status code: `200`.
    HttpStatCode, "http.stat_code", TO_CLIENT, 1;
    /// Reason phrase.
    HttpStatMsg, "http.stat_msg", TO_CLIENT, 2;
    /// Status line without its line end.
    HttpResponseLine, "http.response_line", TO_CLIENT, 3;
    /// Response body after chunked decoding, before content decoding where that differs.
    HttpResponseBody, "http.response_body", TO_CLIENT, 4;
    /// The file that is carried: response body after all decodings, or the uploaded body in requests.
    FileData, "file.data", BOTH, 4;
    /// Value of `Server`.
    HttpServer, "http.server", TO_CLIENT, 3;
    /// Value of `Location`.
    HttpLocation, "http.location", TO_CLIENT, 4;
    /// Raw bytes of the stream in one direction.
    Payload, "payload", BOTH, 2;
}

impl Buffer {
    /// Whether more bytes may follow after the buffer was first there.
    pub const fn grows(self) -> bool {
        matches!(self, Self::HttpRequestBody | Self::HttpResponseBody | Self::FileData | Self::Payload)
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
