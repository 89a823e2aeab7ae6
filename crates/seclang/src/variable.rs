//! Variables: what rules look at.

/// How a variable is kept in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One value of the request or the response: it does not change within a phase.
    Single,
    /// Named values of the request or the response: they do not change within a phase.
    Named,
    /// The names of another variable.
    NamesOf(Variable),
    /// Two others together.
    Both(Variable, Variable),
    /// The names of two others together.
    NamesOfBoth(Variable, Variable),
    /// Set by rules, or changing from rule to rule.
    Volatile,
    /// Kept from one transaction to others.
    Persistent,
    /// Nothing in this product fills it.
    Never,
}

macro_rules! variables {
    ($($variant:ident, $name:literal, $kind:expr;)+) => {
        /// A variable of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "named as in the language")]
        pub enum Variable { $($variant,)+ }

        impl Variable {
            /// How many variables there are.
            pub(crate) const COUNT: usize = [$($name,)+].len();

            /// By its name in the language, without regard to case.
            pub fn by_name(name: &str) -> Option<Self> {
                let name = name.to_ascii_uppercase();
                match name.as_str() { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// Its name in the language.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How it is kept.
            pub(crate) fn kind(self) -> Kind {
                use Kind::{Both, Named, NamesOf, NamesOfBoth, Never, Persistent, Single, Volatile};
                match self { $(Self::$variant => $kind,)+ }
            }
        }
    };
}

variables! {
    Args, "ARGS", Both(Self::ArgsGet, Self::ArgsPost);
    ArgsCombinedSize, "ARGS_COMBINED_SIZE", Single;
    ArgsGet, "ARGS_GET", Named;
    ArgsGetNames, "ARGS_GET_NAMES", NamesOf(Self::ArgsGet);
    ArgsNames, "ARGS_NAMES", NamesOfBoth(Self::ArgsGet, Self::ArgsPost);
    ArgsPost, "ARGS_POST", Named;
    ArgsPostNames, "ARGS_POST_NAMES", NamesOf(Self::ArgsPost);
    AuthType, "AUTH_TYPE", Single;
    Duration, "DURATION", Volatile;
    Env, "ENV", Volatile;
    Files, "FILES", Named;
    FilesCombinedSize, "FILES_COMBINED_SIZE", Single;
    FilesNames, "FILES_NAMES", NamesOf(Self::Files);
    FilesSizes, "FILES_SIZES", Named;
    FilesTmpContent, "FILES_TMP_CONTENT", Named;
    FilesTmpNames, "FILES_TMPNAMES", Never;
    FullRequest, "FULL_REQUEST", Single;
    FullRequestLength, "FULL_REQUEST_LENGTH", Single;
    Geo, "GEO", Never;
    Global, "GLOBAL", Persistent;
    HighestSeverity, "HIGHEST_SEVERITY", Volatile;
    InboundDataError, "INBOUND_DATA_ERROR", Single;
    Ip, "IP", Persistent;
    MatchedVar, "MATCHED_VAR", Volatile;
    MatchedVarName, "MATCHED_VAR_NAME", Volatile;
    MatchedVars, "MATCHED_VARS", Volatile;
    MatchedVarsNames, "MATCHED_VARS_NAMES", Volatile;
    ModsecBuild, "MODSEC_BUILD", Single;
    MultipartBoundaryQuoted, "MULTIPART_BOUNDARY_QUOTED", Single;
    MultipartBoundaryWhitespace, "MULTIPART_BOUNDARY_WHITESPACE", Single;
    MultipartCrlfLfLines, "MULTIPART_CRLF_LF_LINES", Single;
    MultipartDataAfter, "MULTIPART_DATA_AFTER", Single;
    MultipartDataBefore, "MULTIPART_DATA_BEFORE", Single;
    MultipartFileLimitExceeded, "MULTIPART_FILE_LIMIT_EXCEEDED", Single;
    MultipartFilename, "MULTIPART_FILENAME", Named;
    MultipartHeaderFolding, "MULTIPART_HEADER_FOLDING", Single;
    MultipartInvalidHeaderFolding, "MULTIPART_INVALID_HEADER_FOLDING", Single;
    MultipartInvalidPart, "MULTIPART_INVALID_PART", Single;
    MultipartInvalidQuoting, "MULTIPART_INVALID_QUOTING", Single;
    MultipartLfLine, "MULTIPART_LF_LINE", Single;
    MultipartMissingSemicolon, "MULTIPART_MISSING_SEMICOLON", Single;
    MultipartName, "MULTIPART_NAME", Named;
    MultipartPartHeaders, "MULTIPART_PART_HEADERS", Named;
    MultipartStrictError, "MULTIPART_STRICT_ERROR", Single;
    MultipartUnmatchedBoundary, "MULTIPART_UNMATCHED_BOUNDARY", Single;
    OutboundDataError, "OUTBOUND_DATA_ERROR", Single;
    PathInfo, "PATH_INFO", Single;
    QueryString, "QUERY_STRING", Single;
    RemoteAddr, "REMOTE_ADDR", Single;
    RemoteHost, "REMOTE_HOST", Single;
    RemotePort, "REMOTE_PORT", Single;
    RemoteUser, "REMOTE_USER", Single;
    ReqbodyError, "REQBODY_ERROR", Single;
    ReqbodyErrorMsg, "REQBODY_ERROR_MSG", Single;
    ReqbodyProcessor, "REQBODY_PROCESSOR", Volatile;
    ReqbodyProcessorError, "REQBODY_PROCESSOR_ERROR", Single;
    ReqbodyProcessorErrorMsg, "REQBODY_PROCESSOR_ERROR_MSG", Single;
    RequestBasename, "REQUEST_BASENAME", Single;
    RequestBody, "REQUEST_BODY", Single;
    RequestBodyLength, "REQUEST_BODY_LENGTH", Single;
    RequestCookies, "REQUEST_COOKIES", Named;
    RequestCookiesNames, "REQUEST_COOKIES_NAMES", NamesOf(Self::RequestCookies);
    RequestFilename, "REQUEST_FILENAME", Single;
    RequestHeaders, "REQUEST_HEADERS", Named;
    RequestHeadersNames, "REQUEST_HEADERS_NAMES", NamesOf(Self::RequestHeaders);
    RequestLine, "REQUEST_LINE", Single;
    RequestMethod, "REQUEST_METHOD", Single;
    RequestProtocol, "REQUEST_PROTOCOL", Single;
    RequestUri, "REQUEST_URI", Single;
    RequestUriRaw, "REQUEST_URI_RAW", Single;
    Resource, "RESOURCE", Persistent;
    ResponseBody, "RESPONSE_BODY", Single;
    ResponseContentLength, "RESPONSE_CONTENT_LENGTH", Single;
    ResponseContentType, "RESPONSE_CONTENT_TYPE", Single;
    ResponseHeaders, "RESPONSE_HEADERS", Named;
    ResponseHeadersNames, "RESPONSE_HEADERS_NAMES", NamesOf(Self::ResponseHeaders);
    ResponseProtocol, "RESPONSE_PROTOCOL", Single;
    ResponseStatus, "RESPONSE_STATUS", Single;
    Rule, "RULE", Volatile;
    ServerAddr, "SERVER_ADDR", Single;
    ServerName, "SERVER_NAME", Single;
    ServerPort, "SERVER_PORT", Single;
    Session, "SESSION", Persistent;
    SessionId, "SESSIONID", Volatile;
    StatusLine, "STATUS_LINE", Single;
    Time, "TIME", Single;
    TimeDay, "TIME_DAY", Single;
    TimeEpoch, "TIME_EPOCH", Single;
    TimeHour, "TIME_HOUR", Single;
    TimeMin, "TIME_MIN", Single;
    TimeMon, "TIME_MON", Single;
    TimeSec, "TIME_SEC", Single;
    TimeWday, "TIME_WDAY", Single;
    TimeYear, "TIME_YEAR", Single;
    Tx, "TX", Volatile;
    UniqueId, "UNIQUE_ID", Single;
    UrlencodedError, "URLENCODED_ERROR", Single;
    User, "USER", Persistent;
    UseragentIp, "USERAGENT_IP", Single;
    UserId, "USERID", Volatile;
    WebappId, "WEBAPPID", Volatile;
    WebserverErrorLog, "WEBSERVER_ERROR_LOG", Never;
    Xml, "XML", Named;
}

impl Variable {
    /// Whether it holds one value, so that a selector makes no sense.
    pub(crate) fn is_single(self) -> bool {
        matches!(self.kind(), Kind::Single)
            || matches!(
                self,
                Self::Duration
                    | Self::HighestSeverity
                    | Self::MatchedVar
                    | Self::MatchedVarName
                    | Self::ReqbodyProcessor
                    | Self::SessionId
                    | Self::UserId
                    | Self::WebappId
            )
    }
}
