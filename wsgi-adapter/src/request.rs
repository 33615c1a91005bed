//! What the edge's request head says, in the words of those who build a request for a server.

use std::borrow::Cow;

use cgi::environ::{Manner, Request};
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::Error;

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

/// The length that the application is told of a body of this length.
pub(crate) fn told(head: &RequestHead, length: u64) -> BodyLength {
    // RFC 9110 section 8.6: a user agent sends "Content-Length: 0" with a method that means something by a
    // body, and none otherwise. The contract does not tell the two apart.
    let means_body = matches!(head.method.as_str(), "POST" | "PUT" | "PATCH");
    if length > 0 || means_body { BodyLength::Length(length) } else { BodyLength::Nothing }
}

/// RFC 9110 section 9.2.2: doing it twice is as good as once.
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
