//! What the edge's request head says, in the words of those who build a request for a server.

use std::borrow::Cow;

use cgi::environ::{Manner, Request};
use weir_proto::origin::RequestHead;
use weir_proto::plain::PlainRequest;

use crate::config::PoolConfig;
use crate::error::Error;

pub(crate) mod fuzzed;
pub(crate) mod openings;
pub(crate) mod protocol;
pub(crate) mod upload;

/// What the server is told of the body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// There is no body, and no length is named.
    Nothing,
    Length(u64),
    /// A body follows that ends when it ends.
    Unknown,
}

/// What a request has any number of.
pub(crate) struct RequestLists<'a> {
    /// Name and value of each field line.
    fields: Vec<(&'a [u8], &'a [u8])>,
    /// Further variables.
    extra: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> RequestLists<'a> {
    pub(crate) fn of(head: &'a RequestHead, pool: &'a PoolConfig) -> Self {
        let fields = head.fields.iter().map(|field| (&field.name[..], &field.value[..])).collect();
        let variables = pool.variables_of(&head.variables);
        Self { fields, extra: variables.map(|variables| variables.with(&head.values)).unwrap_or_default() }
    }
}

/// Describes the request for servers that take variables.
pub(crate) fn described<'a>(
    head: &'a RequestHead,
    lists: &'a RequestLists<'a>,
    body: BodyLength,
    manner: Manner,
    pool: &'a PoolConfig,
) -> Result<Request<'a>, Error> {
    let https = match head.scheme.as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(Error::Contract("the request's scheme is neither http nor https".to_owned())),
    };
    let content_length = match body {
        BodyLength::Nothing => None,
        BodyLength::Length(length) => Some(length),
        BodyLength::Unknown => return Err(Error::Contract("the body's length has to be known".to_owned())),
    };
    Ok(Request {
        method: &head.method,
        target: &head.target,
        request_uri: &head.request_uri,
        https,
        protocol: &head.protocol,
        authority: if head.host.is_empty() { &head.authority } else { &head.host },
        fields: &lists.fields,
        distinct_fields: false,
        content_length,
        client_address: &head.client_address,
        client_port: head.client_port,
        server_name: &head.server_name,
        server_port: head.server_port,
        document_root: &head.document_root,
        traceparent: &head.traceparent,
        upgrade: &head.upgrade,
        manner,
        mount: &pool.mount,
        extra: &lists.extra,
    })
}

/// Describes a request of which nothing was copied.
pub(crate) fn described_plain<'a>(
    request: &PlainRequest<'a>,
    extra: &'a [(&'a str, Cow<'a, str>)],
    manner: Manner,
    pool: &'a PoolConfig,
) -> Request<'a> {
    Request {
        method: request.method,
        target: request.target,
        request_uri: b"",
        https: request.scheme == "https",
        protocol: request.protocol,
        authority: request.authority,
        fields: request.fields,
        distinct_fields: true,
        content_length: None,
        client_address: request.client_address,
        client_port: request.client_port.into(),
        server_name: request.server_name,
        server_port: request.server_port.into(),
        document_root: request.document_root,
        traceparent: request.traceparent,
        upgrade: "",
        manner,
        mount: &pool.mount,
        extra,
    }
}

/// What there is to know of a request beside what its servers are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestTerms<'a> {
    pub(crate) method: &'a str,
    /// The protocols to switch to; empty: none.
    pub(crate) upgrade: &'a str,
    /// How long a server may take between two parts of its reply; 0: as long as the pool's setting says.
    pub(crate) read_timeout_ms: u64,
    pub(crate) stream_reply: bool,
    pub(crate) early_hints: bool,
}

impl<'a> RequestTerms<'a> {
    pub(crate) fn of(head: &'a RequestHead) -> Self {
        Self {
            method: &head.method,
            upgrade: &head.upgrade,
            read_timeout_ms: head.read_timeout_ms,
            stream_reply: head.stream_reply,
            early_hints: head.early_hints,
        }
    }

    /// RFC 9110 section 9.2.2: doing it twice is as good as once.
    pub(crate) fn is_idempotent(self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
    }
}

impl RequestTerms<'static> {
    pub(crate) fn of_plain(request: &PlainRequest<'_>) -> Self {
        Self {
            method: request.method,
            upgrade: "",
            read_timeout_ms: request.read_timeout_ms,
            stream_reply: request.stream_reply,
            early_hints: false,
        }
    }
}

/// The length that the application is told of a body of this length.
pub(crate) fn told(head: &RequestHead, length: u64) -> BodyLength {
    // RFC 9110 section 8.6: a user agent sends "Content-Length: 0" with a method that means something by a
    // body, and none otherwise. The contract does not tell the two apart.
    let means_body = matches!(head.method.as_str(), "POST" | "PUT" | "PATCH");
    if length > 0 || means_body { BodyLength::Length(length) } else { BodyLength::Nothing }
}
