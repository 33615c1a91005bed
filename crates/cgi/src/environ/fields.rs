//! `HTTP_*`: one variable for all field lines of a name.

use http1::hop_by_hop::is_hop_by_hop;
use http1::octets::is_text;
use http1::repeats::may_repeat;

use super::{EnvironRefusal, Manner, Request, Variables, Writer};

/// Fields that the application does not get as the client sent them, beside those of the client's connection
/// (RFC 9110 section 7.6.1). HTTP_CONNECTION is ours.
const DROPPED: [&[u8]; 6] = [
    // CONTENT_TYPE and CONTENT_LENGTH tell them, and HTTP_HOST is made from the authority.
    b"content-type",
    b"content-length",
    b"host",
    // Would set the proxy of the application's own HTTP clients: https://httpoxy.org
    b"proxy",
    // The edge has met it.
    b"expect",
    // uWSGI takes "https" from it, whoever sent it. HTTPS says it already.
    b"x-forwarded-ssl",
];

pub(super) const HTTP: &[u8] = b"HTTP_";

/// The value of the first line of this name; empty if there is none.
pub(super) fn first<'a>(fields: &[(&[u8], &'a [u8])], wanted: &[u8]) -> &'a [u8] {
    let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map_or(&b""[..], |(_, value)| value)
}

/// A name that no other name's variable can be mistaken for: only letters, digits and `-`, so that
/// `x-real-ip` and `x_real_ip` do not meet in one.
pub fn is_plain(field: &[u8]) -> bool {
    !field.is_empty() && field.iter().copied().all(is_in_names)
}

/// A field that says something of the client's connection, or that we say ourselves.
pub fn is_dropped(field: &[u8]) -> bool {
    // Most fields end the search here.
    let first = field.first().map_or(0, u8::to_ascii_lowercase);
    let is_ours = || DROPPED.iter().any(|name| field.eq_ignore_ascii_case(name));
    is_hop_by_hop(field) || (matches!(first, b'c' | b'h' | b'p' | b'e' | b'x') && is_ours())
}

/// Host and what we say ourselves; then, at the place of a field's first line, the lines of that name joined.
pub(super) fn variables<V: Variables>(
    request: &Request<'_>,
    scheme: &str,
    out: &mut Writer<'_, V>,
) -> Result<(), EnvironRefusal> {
    if !request.authority.is_empty() {
        out.text("HTTP_HOST", request.authority.as_bytes())?;
    }
    if request.upgrade.is_empty() || request.manner == Manner::Gunicorn {
        // One request per connection: gunicorn would wait for the next one. It switches to nothing by uwsgi.
        out.bytes(b"HTTP_CONNECTION", b"close")?;
    } else {
        out.bytes(b"HTTP_CONNECTION", b"Upgrade")?;
        out.text("HTTP_UPGRADE", request.upgrade.as_bytes())?;
    }
    if !request.traceparent.is_empty() {
        out.text("HTTP_TRACEPARENT", request.traceparent.as_bytes())?;
    }
    let tells_client = request.manner == Manner::Gunicorn;
    if tells_client {
        out.text("HTTP_X_FORWARDED_FOR", request.client_address.as_bytes())?;
    }
    let mut variable = Vec::with_capacity(64);
    let mut joined = Vec::new();
    let repeats = !request.distinct_fields && may_repeat(request.fields.iter().map(|(name, _)| *name));
    for (at, (name, value)) in request.fields.iter().enumerate() {
        let same = |other: &(&[u8], &[u8])| other.0.eq_ignore_ascii_case(name);
        if !name_variable(name, &mut variable) || (repeats && request.fields[..at].iter().any(same)) {
            continue;
        }
        let mut value = *value;
        match variable[HTTP.len()] {
            b'X' if variable[HTTP.len()..] == *b"X_FORWARDED_PROTO" => {
                // uWSGI takes the scheme from it, whoever sent it.
                value = scheme.as_bytes();
            }
            b'X' if tells_client && variable[HTTP.len()..] == *b"X_FORWARDED_FOR" => continue,
            b'T' if !request.traceparent.is_empty() && variable[HTTP.len()..] == *b"TRACEPARENT" => continue,
            _ if is_dropped(name) => continue,
            _ if repeats => {
                // RFC 9113 section 8.2.3: cookie crumbs "MUST be concatenated into a single octet string
                // using the two-octet delimiter of 0x3b, 0x20".
                let between: &[u8] = if variable[HTTP.len()..] == *b"COOKIE" { b"; " } else { b", " };
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
            _ => {}
        }
        if !is_text(value) {
            return Err(EnvironRefusal::Invalid("field value"));
        }
        out.bytes(&variable, value)?;
    }
    Ok(())
}

/// Makes `HTTP_ACCEPT_LANGUAGE` of `accept-language`. False for a name that has no variable.
fn name_variable(field: &[u8], variable: &mut Vec<u8>) -> bool {
    /// The last block is filled up with what stays as it is.
    const FILLING: [u8; BLOCK - 1] = [b'0'; BLOCK - 1];
    variable.clear();
    variable.extend_from_slice(HTTP);
    variable.extend_from_slice(field);
    variable.extend_from_slice(&FILLING);
    let blocks = variable[HTTP.len()..].as_chunks_mut::<BLOCK>().0;
    let is_plain = blocks.iter_mut().fold(true, |is_plain, block| is_plain & name_block(block));
    variable.truncate(HTTP.len() + field.len());
    is_plain && !field.is_empty()
}

const BLOCK: usize = 16;

/// Makes a part of a variable's name of a field's. False: a byte is in no variable's name. Compiles to a few
/// vector instructions, there being no branch per byte.
fn name_block(block: &mut [u8; BLOCK]) -> bool {
    let mut is_plain = true;
    for byte in block {
        is_plain &= is_in_names(*byte);
        let upper = if byte.is_ascii_lowercase() { *byte - 0x20 } else { *byte };
        *byte = if upper == b'-' { b'_' } else { upper };
    }
    is_plain
}

fn is_in_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | (byte == b'-')
}
