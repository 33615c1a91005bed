//! From the edge's request head to the uwsgi packet.

use std::net::IpAddr;

use bytes::Bytes;
use uwsgi::environ::{self, Request};
use uwsgi::packet::Limits;
use weir_proto::origin::RequestHead;

use crate::config::PoolConfig;
use crate::error::Error;

/// The packet for a request whose body has this length. `None`: it names no length.
pub(crate) fn packet(head: &RequestHead, length: Option<u64>, pool: &PoolConfig) -> Result<Bytes, Error> {
    let https = match head.scheme.as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(Error::Contract("the request's scheme is neither http nor https".to_owned())),
    };
    let fields: Vec<(&[u8], &[u8])> =
        head.fields.iter().map(|field| (&field.name[..], &field.value[..])).collect();
    let request = Request {
        method: &head.method,
        target: &head.target,
        https,
        protocol: &head.protocol,
        authority: &head.authority,
        fields: &fields,
        content_length: length,
        client_address: &head.client_address,
        client_port: head.client_port,
        server_name: &head.server_name,
        server_port: head.server_port,
        document_root: &head.document_root,
        traceparent: &head.traceparent,
    };
    let limits = Limits { block: pool.buffer_size.bytes(), variables: pool.max_vars };
    Ok(environ::packet(&request, limits)?)
}

/// The length that the application is told, where it is known before the body has come.
pub(crate) fn told_length(head: &RequestHead) -> Option<u64> {
    // RFC 9110 section 8.6: a user agent sends "Content-Length: 0" with a method that means something by a
    // body, and none otherwise. The contract does not tell the two apart.
    let means_body = matches!(head.method.as_str(), "POST" | "PUT" | "PATCH");
    head.content_length.filter(|&length| length > 0 || means_body)
}

/// RFC 9110 section 9.2.2: doing it twice is as good as once.
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

pub(crate) fn client(head: &RequestHead) -> Option<IpAddr> {
    head.client_address.parse().ok()
}
