//! From a request to the variables that a WSGI application sees: those of nginx's `uwsgi_params`, and
//! `HTTP_*` for the fields.
//!
//! Every name is made here. No byte of the client's becomes part of one but behind `HTTP_`.

use bytes::Bytes;

use crate::packet::{Encoder, Limits, TooLarge};
use crate::path::{self, BadPath};

/// What a request is to the application.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path and query as the client sent them: begins with `/`, or is `*`.
    pub target: &'a [u8],
    pub https: bool,
    /// `HTTP/1.1` …, of the client's request.
    pub protocol: &'a str,
    /// The Host asked for; empty if the client named none.
    pub authority: &'a str,
    /// Name and value of each field line, in order.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// `None`: the request has no body and names no length.
    pub content_length: Option<u64>,
    pub client_address: &'a str,
    pub client_port: u32,
    pub server_name: &'a str,
    pub server_port: u32,
    pub document_root: &'a str,
    /// Takes the place of the client's own `traceparent`, unless empty.
    pub traceparent: &'a str,
}

/// Why there is no packet for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The edge lets no such request through: whoever calls us is not one.
    #[error("the request's {0} is not valid HTTP")]
    Invalid(&'static str),
    #[error(transparent)]
    Path(#[from] BadPath),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Fields that never become `HTTP_*`.
const DROPPED: &[&[u8]] = &[
    // Given as CONTENT_TYPE and CONTENT_LENGTH, and HTTP_HOST made from the authority.
    b"CONTENT_TYPE",
    b"CONTENT_LENGTH",
    b"HOST",
    // Would set the proxy of the application's own HTTP clients: https://httpoxy.org
    b"PROXY",
    // Of the client's connection, not of the request (RFC 9110 section 7.6.1). HTTP_CONNECTION is ours.
    b"CONNECTION",
    b"KEEP_ALIVE",
    b"PROXY_AUTHENTICATE",
    b"PROXY_AUTHORIZATION",
    b"PROXY_CONNECTION",
    b"TE",
    b"TRAILER",
    b"TRANSFER_ENCODING",
    b"UPGRADE",
    // The edge has met it.
    b"EXPECT",
    // uWSGI takes "https" from it, whoever sent it. HTTPS says it already.
    b"X_FORWARDED_SSL",
];

/// The packet for a request.
pub fn packet(request: &Request<'_>, limits: Limits) -> Result<Bytes, Refused> {
    if request.method.is_empty() || !request.method.bytes().all(is_token) {
        return Err(Refused::Invalid("method"));
    }
    let (path, query) = match memchr::memchr(b'?', request.target) {
        Some(mark) => (&request.target[..mark], &request.target[mark + 1..]),
        None => (request.target, &b""[..]),
    };
    // WSGI knows paths only: "*" (OPTIONS) is told by REQUEST_URI.
    let path_info = if path == b"*" { Default::default() } else { path::normalise(path)? };
    let scheme = if request.https { "https" } else { "http" };
    let field = |wanted: &str| {
        let found = request.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        found.map_or(&b""[..], |(_, value)| value)
    };

    let mut out = Variables { encoder: Encoder::new() };
    out.text("QUERY_STRING", query)?;
    out.text("REQUEST_METHOD", request.method.as_bytes())?;
    out.text("CONTENT_TYPE", field("content-type"))?;
    out.text("CONTENT_LENGTH", request.content_length.map(|n| n.to_string()).unwrap_or_default().as_bytes())?;
    out.text("REQUEST_URI", request.target)?;
    // Decoded: may hold any byte but NUL.
    out.encoder.variable(b"PATH_INFO", &path_info)?;
    out.text("DOCUMENT_ROOT", request.document_root.as_bytes())?;
    out.text("SERVER_PROTOCOL", request.protocol.as_bytes())?;
    out.text("REQUEST_SCHEME", scheme.as_bytes())?;
    if request.https {
        out.text("HTTPS", b"on")?;
    }
    out.text("REMOTE_ADDR", request.client_address.as_bytes())?;
    out.text("REMOTE_PORT", request.client_port.to_string().as_bytes())?;
    out.text("SERVER_PORT", request.server_port.to_string().as_bytes())?;
    out.text("SERVER_NAME", request.server_name.as_bytes())?;
    if !request.authority.is_empty() {
        out.text("HTTP_HOST", request.authority.as_bytes())?;
    }
    // One request per connection: gunicorn would wait for the next one.
    out.text("HTTP_CONNECTION", b"close")?;
    if !request.traceparent.is_empty() {
        out.text("HTTP_TRACEPARENT", request.traceparent.as_bytes())?;
    }
    out.fields(request, scheme)?;
    Ok(out.encoder.finish(limits)?)
}

struct Variables {
    encoder: Encoder,
}

impl Variables {
    fn text(&mut self, name: &'static str, value: &[u8]) -> Result<(), Refused> {
        if !value.iter().all(|&byte| is_text(byte)) {
            return Err(Refused::Invalid(name));
        }
        Ok(self.encoder.variable(name.as_bytes(), value)?)
    }

    /// `HTTP_*`: at the place of a field's first line, the lines of that name joined.
    fn fields(&mut self, request: &Request<'_>, scheme: &str) -> Result<(), Refused> {
        let mut variable = Vec::with_capacity(64);
        let mut joined = Vec::new();
        for (at, (name, value)) in request.fields.iter().enumerate() {
            let same = |other: &(&[u8], &[u8])| other.0.eq_ignore_ascii_case(name);
            if !name_variable(name, &mut variable) || request.fields[..at].iter().any(same) {
                continue;
            }
            let mut value = *value;
            match &variable[HTTP.len()..] {
                // uWSGI takes the scheme from it, whoever sent it.
                b"X_FORWARDED_PROTO" => value = scheme.as_bytes(),
                b"TRACEPARENT" if !request.traceparent.is_empty() => continue,
                suffix if DROPPED.contains(&suffix) => continue,
                suffix => {
                    // RFC 9113 section 8.2.3: cookie crumbs "MUST be concatenated into a single octet string
                    // using the two-octet delimiter of 0x3b, 0x20".
                    let between: &[u8] = if suffix == b"COOKIE" { b"; " } else { b", " };
                    joined.clear();
                    for (_, more) in request.fields[at + 1..].iter().filter(|other| same(other)) {
                        if joined.is_empty() {
                            joined.extend_from_slice(value);
                        }
                        joined.extend_from_slice(between);
                        joined.extend_from_slice(more);
                    }
                    if !joined.is_empty() {
                        value = &joined;
                    }
                }
            }
            if !value.iter().all(|&byte| is_text(byte)) {
                return Err(Refused::Invalid("field value"));
            }
            self.encoder.variable(&variable, value)?;
        }
        Ok(())
    }
}

const HTTP: &[u8] = b"HTTP_";

/// Makes `HTTP_ACCEPT_LANGUAGE` of `accept-language`. False for a name that has no variable: only letters,
/// digits and `-` do, so that no two names meet in one variable (`x-real-ip` and `x_real_ip`).
fn name_variable(field: &[u8], variable: &mut Vec<u8>) -> bool {
    variable.clear();
    variable.extend_from_slice(HTTP);
    for &byte in field {
        match byte {
            b'-' => variable.push(b'_'),
            byte if byte.is_ascii_alphanumeric() => variable.push(byte.to_ascii_uppercase()),
            _ => return false,
        }
    }
    !field.is_empty()
}

/// A byte of a method or a field's name (RFC 9110 section 5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A byte of a field's value (RFC 9110 section 5.5): no control character but the tab.
pub(crate) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests;
