//! A request's head as the rules of this crate read it, borrowed.

use std::net::IpAddr;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method};

#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    pub method: &'a Method,
    /// "http" or "https".
    pub scheme: &'a str,
    /// Host, with the port if it was sent.
    pub authority: &'a str,
    pub path: &'a [u8],
    /// Without the `?`; `Some("")` for a lone `?`.
    pub query: Option<&'a [u8]>,
    pub headers: &'a HeaderMap,
    /// The client's address, trusted proxies resolved.
    pub client: IpAddr,
}

/// The URI that a request asks for (RFC 9110 section 7.1), in its parts.
#[derive(Clone, Copy, Debug)]
pub struct TargetUri<'a> {
    /// "http" or "https".
    pub scheme: &'a str,
    /// Host, with the port if it was sent.
    pub authority: &'a str,
    pub path: &'a [u8],
    /// Without the `?`; `Some("")` for a lone `?`.
    pub query: Option<&'a [u8]>,
}

impl<'a> RequestParts<'a> {
    pub(crate) fn target(&self) -> TargetUri<'a> {
        let Self { scheme, authority, path, query, .. } = *self;
        TargetUri { scheme, authority, path, query }
    }
}

pub(crate) fn cookie_lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes)
}
