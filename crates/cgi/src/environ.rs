//! From a request to the variables that an application sees: those of nginx's `uwsgi_params`, and `HTTP_*`
//! for the fields. FastCGI servers get the same and CGI's own.
//!
//! Every name is made here or comes from the settings. No byte of the client's becomes part of one but behind
//! `HTTP_`.

use std::borrow::Cow;

use http1::octets::{is_text, is_token};
use http1::path::{self, BadPath};

mod fields;
mod script;

pub use fields::{is_dropped, is_plain};

/// What a request is to the application.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// Path and query as the client sent them: begins with `/`, or is `*`.
    pub target: &'a [u8],
    /// What the client sent if the target is another; empty: it is the same.
    pub request_uri: &'a [u8],
    pub https: bool,
    /// `HTTP/1.1` …, of the client's request.
    pub protocol: &'a str,
    /// The Host asked for; empty if the client named none.
    pub authority: &'a str,
    /// Name and value of each field line, in order.
    pub fields: &'a [(&'a [u8], &'a [u8])],
    /// No two lines have the same name; if not, it is not known.
    pub distinct_fields: bool,
    /// `None`: the request has no body and names no length.
    pub content_length: Option<u64>,
    pub client_address: &'a str,
    pub client_port: u32,
    pub server_name: &'a str,
    pub server_port: u32,
    pub document_root: &'a str,
    /// Takes the place of the client's own `traceparent`, unless empty.
    pub traceparent: &'a str,
    /// The protocol that the client asks to switch to, such as `websocket`; empty: none.
    pub upgrade: &'a str,
    pub manner: Manner,
    /// Where the application is mounted, such as `/shop`: SCRIPT_NAME, and not part of PATH_INFO. Empty: at
    /// the root.
    pub mount: &'a str,
    /// Further variables, from the settings. They take the place of those of the same name.
    pub extra: &'a [(&'a str, Cow<'a, str>)],
}

/// What a kind of server makes of the variables, which differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As nginx sends them to uWSGI.
    #[default]
    Uwsgi,
    /// gunicorn decodes PATH_INFO once more and takes the peer's address for REMOTE_ADDR: the path is
    /// encoded, and the client told as X-Forwarded-For.
    Gunicorn,
    /// CGI's own variables beside them.
    Cgi,
    /// And the file that is to be run.
    Php,
}

/// Takes variables one by one.
pub trait Variables {
    fn variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), OversizedRequest>;
}

/// The request does not fit into what the server takes: the client sent too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OversizedRequest {
    #[error(
        "the variables need more than 65535 bytes, which no uwsgi packet and no FastCGI record can carry"
    )]
    Packet,
    #[error("the variables take {bytes} bytes, the server's buffer holds {limit}")]
    Block { bytes: usize, limit: usize },
    #[error("there are {count} variables, the server takes {limit}")]
    Variables { count: usize, limit: usize },
}

/// Why there are no variables for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironRefusal {
    /// The edge lets no such request through: whoever calls us is not one.
    #[error("the request's {0} is not valid HTTP")]
    Invalid(&'static str),
    #[error(transparent)]
    Path(#[from] BadPath),
    #[error(transparent)]
    TooLarge(#[from] OversizedRequest),
}

/// The variables for a request, each name once.
pub fn variables(request: &Request<'_>, out: &mut impl Variables) -> Result<(), EnvironRefusal> {
    if !is_token(request.method.as_bytes()) {
        return Err(EnvironRefusal::Invalid("method"));
    }
    let (path, query) = match memchr::memchr(b'?', request.target) {
        Some(mark) => (&request.target[..mark], &request.target[mark + 1..]),
        None => (request.target, &b""[..]),
    };
    // WSGI knows paths only: "*" (OPTIONS) is told by REQUEST_URI.
    let path = if path == b"*" { Cow::default() } else { path::normalise(path)?.into_bytes() };
    let scheme = if request.https { "https" } else { "http" };
    let content_type = fields::first(request.fields, b"content-type");
    let mut digits = itoa::Buffer::new();

    let mut out = Writer { out, extra: request.extra };
    out.text("QUERY_STRING", query)?;
    out.text("REQUEST_METHOD", request.method.as_bytes())?;
    out.text("CONTENT_TYPE", content_type)?;
    let length = request.content_length.map_or("", |length| digits.format(length));
    out.bytes(b"CONTENT_LENGTH", length.as_bytes())?;
    let sent = if request.request_uri.is_empty() { request.target } else { request.request_uri };
    out.text("REQUEST_URI", sent)?;
    script::variables(request, &path, &mut out)?;
    out.text("DOCUMENT_ROOT", request.document_root.as_bytes())?;
    out.text("SERVER_PROTOCOL", request.protocol.as_bytes())?;
    out.bytes(b"REQUEST_SCHEME", scheme.as_bytes())?;
    if request.https {
        out.bytes(b"HTTPS", b"on")?;
    }
    out.text("REMOTE_ADDR", request.client_address.as_bytes())?;
    out.bytes(b"REMOTE_PORT", digits.format(request.client_port).as_bytes())?;
    out.bytes(b"SERVER_PORT", digits.format(request.server_port).as_bytes())?;
    out.text("SERVER_NAME", request.server_name.as_bytes())?;
    fields::variables(request, scheme, &mut out)?;
    for (name, value) in request.extra {
        // Several lines are usual for PHP_VALUE.
        if !value.split('\n').all(|part| is_text(part.as_bytes())) {
            return Err(EnvironRefusal::Invalid("variable of the settings"));
        }
        out.out.variable(name.as_bytes(), value.as_bytes())?;
    }
    Ok(())
}

/// Leaves out what the settings put in place of ours.
struct Writer<'a, V> {
    out: &'a mut V,
    extra: &'a [(&'a str, Cow<'a, str>)],
}

impl<V: Variables> Writer<'_, V> {
    /// A value in which no control character may be.
    #[inline(always)]
    fn text(&mut self, name: &'static str, value: &[u8]) -> Result<(), EnvironRefusal> {
        if !is_text(value) {
            return Err(EnvironRefusal::Invalid(name));
        }
        self.bytes(name.as_bytes(), value)
    }

    #[inline(always)]
    fn bytes(&mut self, name: &[u8], value: &[u8]) -> Result<(), EnvironRefusal> {
        if self.extra.iter().any(|(other, _)| other.as_bytes() == name) {
            return Ok(());
        }
        Ok(self.out.variable(name, value)?)
    }
}

#[cfg(test)]
mod tests;
