//! HTTP/1.1: the request as the client sent it, but for what is said of the connection and of the client,
//! which is ours to say.

use std::collections::VecDeque;
use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use cgi::environ::{is_dropped, is_plain};
use http1::head::Scheme;
use http1::octets::{is_text, is_token};
use weir_proto::origin::{Field, RequestHead};
use weir_proto::passes;

use crate::config::PoolConfig;
use crate::error::Error;
use crate::request::BodyLength;

/// Fields that are said anew here, whoever sent them.
const OURS: &[&[u8]] = &[
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-real-ip",
];

/// How often a request may go through one adapter: a site may ask another one of the same edge.
const MAX_PASSES: usize = 4;

pub(super) fn opening(head: &RequestHead, body: BodyLength, pool: &PoolConfig) -> Result<Bytes, Error> {
    let valid = |what: &str, holds: bool| match holds {
        true => Ok(()),
        false => Err(Error::Contract(format!("the request's {what} is not valid HTTP"))),
    };
    valid("method", is_token(head.method.as_bytes()))?;
    let visible = |&byte: &u8| byte > b' ' && byte != 0x7f;
    let is_path = head.target.starts_with(b"/") || head.target == "*";
    valid("target", is_path && head.target.iter().all(visible))?;
    valid("scheme", matches!(head.scheme.as_str(), "http" | "https"))?;
    // HTTP/1.0 knows no Host; HTTP/1.1 needs one (RFC 9112 section 3.2).
    let host = if head.authority.is_empty() { &head.server_name } else { &head.authority };
    let told = if head.host.is_empty() { host } else { &head.host };
    valid("host", host.bytes().chain(told.bytes()).all(|byte| visible(&byte)))?;

    let mut out = Lines(BytesMut::with_capacity(1024));
    out.0.put_slice(head.method.as_bytes());
    out.0.put_u8(b' ');
    out.0.put_slice(&head.target);
    out.0.put_slice(b" HTTP/1.1\r\n");
    out.field(b"host", told.as_bytes())?;
    out.forwarding(head, host)?;
    match body {
        BodyLength::Nothing => {}
        BodyLength::Length(length) => out.field(b"content-length", length.to_string().as_bytes())?,
        BodyLength::Unknown => out.field(b"transfer-encoding", b"chunked")?,
    }
    if !head.upgrade.is_empty() {
        out.field(b"connection", b"upgrade")?;
        out.field(b"upgrade", head.upgrade.as_bytes())?;
    } else if pool.keepalive.connections == 0 {
        out.field(b"connection", b"close")?;
    }
    if !head.traceparent.is_empty() {
        out.field(b"traceparent", head.traceparent.as_bytes())?;
    }
    out.end_to_end(head)?;
    out.field(passes::FIELD.as_bytes(), mark_next(head)?)?;
    if pool.via {
        // RFC 9110 section 7.6.3: a proxy "MUST send an appropriate Via header field", behind those of
        // others.
        let received = head.protocol.strip_prefix("HTTP/").unwrap_or(&head.protocol);
        out.field(b"via", format!("{received} weir").as_bytes())?;
    }
    out.0.put_slice(b"\r\n");
    Ok(out.0.freeze())
}

/// Our mark, for a request that does not go round. RFC 9110 section 7.6: "An intermediary MUST NOT forward a
/// message to itself unless it is protected from an infinite request loop."
fn mark_next(head: &RequestHead) -> Result<&'static [u8], Error> {
    static MARK: LazyLock<String> = LazyLock::new(|| passes::mark(rand::random()));
    let is_it = |field: &&Field| field.name.eq_ignore_ascii_case(passes::FIELD.as_bytes());
    let values = head.fields.iter().filter(is_it).map(|field| &field.value[..]);
    let passes = passes::marks(values).filter(|mark| *mark == MARK.as_bytes()).count();
    if passes < MAX_PASSES { Ok(MARK.as_bytes()) } else { Err(Error::Loop(passes)) }
}

pub(super) const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

pub(super) fn chunk(piece: Bytes, out: &mut VecDeque<Bytes>) {
    out.push_back(format!("{:x}\r\n", piece.len()).into());
    out.push_back(piece);
    out.push_back(Bytes::from_static(b"\r\n"));
}

struct Lines(BytesMut);

impl Lines {
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        if !is_text(value) {
            return Err(Error::Contract("the request's field value is not valid HTTP".to_owned()));
        }
        self.0.put_slice(name);
        self.0.put_slice(b": ");
        self.0.put_slice(value);
        self.0.put_slice(b"\r\n");
        Ok(())
    }

    /// Who the client is and what it asked for, as the edge has settled it.
    fn forwarding(&mut self, head: &RequestHead, host: &str) -> Result<(), Error> {
        let (client, scheme) = (&head.client_address, &head.scheme);
        self.told(head, b"x-forwarded-for", client.as_bytes())?;
        self.told(head, b"x-forwarded-proto", scheme.as_bytes())?;
        self.told(head, b"x-forwarded-host", host.as_bytes())?;
        self.told(head, b"x-forwarded-port", port(head, host).to_string().as_bytes())?;
        self.told(head, b"x-real-ip", client.as_bytes())?;
        // RFC 7239 section 6: an IPv6 address stands in brackets and quotes.
        let node = match client.as_str() {
            // A client of a unix socket has no address.
            "unix:" => "unknown".to_owned(),
            client if client.contains(':') => format!("\"[{client}]\""),
            client => client.to_owned(),
        };
        // A host may hold a colon, which no token does.
        let forwarded = format!("for={node};host=\"{host}\";proto={scheme}");
        self.told(head, b"forwarded", forwarded.as_bytes())
    }

    /// A field of ours, with the value that the edge's settings give it, if they do.
    fn told(&mut self, head: &RequestHead, name: &[u8], usual: &[u8]) -> Result<(), Error> {
        match head.told.iter().find(|told| told.name.eq_ignore_ascii_case(name)) {
            Some(told) if told.value.is_empty() => Ok(()),
            Some(told) => self.field(name, &told.value),
            None => self.field(name, usual),
        }
    }

    /// The client's own fields. The same ones as a uwsgi server gets: what its framework would make one
    /// variable of two names of is not sent, unless the edge's settings ask for it.
    fn end_to_end(&mut self, head: &RequestHead) -> Result<(), Error> {
        let is = |field: &[u8], name: &str| field.eq_ignore_ascii_case(name.as_bytes());
        let mut cookies = 0;
        for field in &head.fields {
            let name = &field.name[..];
            let ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
            let traced = is(name, "traceparent") && !head.traceparent.is_empty();
            let is_sent = is_plain(name) || is_underscored(name, head);
            if ours || traced || !is_sent || (is_dropped(name) && !is(name, "content-type")) {
                continue;
            }
            if !is(name, "cookie") {
                self.field(name, &field.value)?;
                continue;
            }
            // RFC 9113 section 8.2.3: crumbs "MUST be concatenated into a single octet string" before they
            // are passed to an HTTP/1.1 server.
            cookies += 1;
            if cookies == 1 {
                let crumbs = head.fields.iter().filter(|other| is(&other.name, "cookie"));
                let crumbs: Vec<&[u8]> = crumbs.map(|crumb| &crumb.value[..]).collect();
                self.field(b"cookie", &crumbs.join(&b"; "[..]))?;
            }
        }
        Ok(())
    }
}

/// The port of the URL that the client asked for. The listener's may be another, behind a proxy or a mapped
/// port. X-Forwarded-Port has come so far only if a trusted proxy or the settings say so.
fn port(head: &RequestHead, host: &str) -> u16 {
    let is_port = |field: &&Field| field.name.eq_ignore_ascii_case(b"x-forwarded-port");
    let told = head.fields.iter().rfind(is_port).and_then(|field| str::from_utf8(&field.value).ok());
    if let Some(port) = told.and_then(|port| port.trim().parse().ok()).filter(|port| *port > 0) {
        return port;
    }
    match head.scheme.as_str() {
        "https" => Scheme::Https.port(host),
        _ => Scheme::Http.port(host),
    }
}

/// A name with underscores, which an edge sends only where its settings ask for it. A framework would make
/// one variable of it and of the name with dashes, so none is sent that would be taken for what we say
/// ourselves, or for another field of the request.
fn is_underscored(name: &[u8], head: &RequestHead) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.contains(&b'_') || !name.iter().all(is_of_name) {
        return false;
    }
    let dashed: Vec<u8> = name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect();
    let is_it = |other: &[u8]| other.eq_ignore_ascii_case(&dashed);
    let is_ours = OURS.iter().any(|ours| is_it(ours)) || is_it(b"traceparent") || is_dropped(&dashed);
    !is_ours && !head.fields.iter().any(|field| is_it(&field.name))
}

#[cfg(test)]
mod tests;
