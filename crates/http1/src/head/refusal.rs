//! Why a request head is refused, and what the client is told. The client is at fault every time.

use std::fmt;

use http::StatusCode;

/// A head that goes no further. The connection is closed after the answer: where the next request would begin
/// is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The first byte belongs to no request line: TLS on a plain port, some other protocol.
    NotHttp,
    EmptyLines,
    BareLineFeed,
    BareCarriageReturn,
    Method,
    MethodTooLong,
    MethodNotServed,
    RequestLine,
    RequestLineTooLong,
    Version,
    TargetForm,
    TargetCharacter,
    TargetEscape,
    Fragment,
    Authority,
    NoHost,
    Folded,
    FieldName,
    SpaceBeforeColon,
    FieldValue,
    FieldPadded,
    FieldRepeated,
    ContentLength,
    TransferEncoding,
    TransferCoding,
    TransferEncodingOld,
    TwoLengths,
    Connection,
    Nominated,
    Expectation,
    HeadTooLarge,
    TooManyFields,
    FieldNameTooLong,
    Misdirected,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        self.parts().0
    }

    /// One plain phrase for the log. Nothing in it comes from the client.
    pub fn reason(self) -> &'static str {
        self.parts().1
    }

    fn parts(self) -> (StatusCode, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::NotHttp => (BAD, "not an HTTP request"),
            Self::EmptyLines => (BAD, "empty lines before the request line"),
            Self::BareLineFeed => (BAD, "line feed without carriage return"),
            Self::BareCarriageReturn => (BAD, "carriage return without line feed"),
            Self::Method => (BAD, "malformed method"),
            Self::MethodTooLong => (StatusCode::NOT_IMPLEMENTED, "method too long"),
            Self::MethodNotServed => (StatusCode::METHOD_NOT_ALLOWED, "CONNECT, TRACE or PRI"),
            Self::RequestLine => (BAD, "malformed request line"),
            Self::RequestLineTooLong => (StatusCode::URI_TOO_LONG, "request line too long"),
            Self::Version => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "HTTP version is not 1.x"),
            Self::TargetForm => (BAD, "request target of a form that the method does not take"),
            Self::TargetCharacter => (BAD, "character in the request target that must be percent-encoded"),
            Self::TargetEscape => (BAD, "malformed percent-encoding or encoded NUL in the path"),
            Self::Fragment => (BAD, "fragment in the request target"),
            Self::Authority => (BAD, "malformed host or port"),
            Self::NoHost => (BAD, "no Host"),
            Self::Folded => (BAD, "line begins with whitespace"),
            Self::FieldName => (BAD, "malformed field name"),
            Self::SpaceBeforeColon => (BAD, "whitespace before the colon"),
            Self::FieldValue => (BAD, "control character in a field value"),
            Self::FieldPadded => (BAD, "whitespace at an end of a field value of HTTP/2"),
            Self::FieldRepeated => (BAD, "field repeated that may be sent once"),
            Self::ContentLength => (BAD, "malformed Content-Length"),
            Self::TransferEncoding => (BAD, "Transfer-Encoding is not chunked"),
            Self::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "transfer coding other than chunked"),
            Self::TransferEncodingOld => (BAD, "Transfer-Encoding in HTTP/1.0"),
            Self::TwoLengths => (BAD, "both Content-Length and Transfer-Encoding"),
            Self::Connection => (BAD, "malformed Connection"),
            Self::Nominated => (BAD, "Connection names a field that is not the connection's"),
            Self::Expectation => (StatusCode::EXPECTATION_FAILED, "expectation other than 100-continue"),
            Self::HeadTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head too large"),
            Self::TooManyFields => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many fields"),
            Self::Misdirected => {
                (StatusCode::MISDIRECTED_REQUEST, "host with another certificate than the connection's")
            }
            Self::FieldNameTooLong => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "field name too long"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refusal {}
