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
    !field.is_empty() && field.iter().all(|&byte| IN_VARIABLES[usize::from(byte)] != NONE)
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
    let repeats = may_repeat(request.fields.iter().map(|(name, _)| *name));
    for (at, (name, value)) in request.fields.iter().enumerate() {
        let same = |other: &(&[u8], &[u8])| other.0.eq_ignore_ascii_case(name);
        if !name_variable(name, &mut variable) || (repeats && request.fields[..at].iter().any(same)) {
            continue;
        }
        let mut value = *value;
        match &variable[HTTP.len()..] {
            // uWSGI takes the scheme from it, whoever sent it.
            b"X_FORWARDED_PROTO" => value = scheme.as_bytes(),
            b"X_FORWARDED_FOR" if tells_client => continue,
            b"TRACEPARENT" if !request.traceparent.is_empty() => continue,
            _ if is_dropped(name) => continue,
            suffix if repeats => {
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
            _ => {}
        }
        if !is_text(value) {
            return Err(EnvironRefusal::Invalid("field value"));
        }
        out.bytes(&variable, value)?;
    }
    Ok(())
}

/// Stands for a byte that is in no variable's name.
const NONE: u8 = 0;
/// What each byte of a plain name becomes in that of its variable.
const IN_VARIABLES: [u8; 256] = in_variables();

const fn in_variables() -> [u8; 256] {
    let mut table = [NONE; 256];
    table[b'-' as usize] = b'_';
    let mut byte = 0;
    while byte < 128_u8 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_uppercase();
        }
        byte += 1;
    }
    table
}

/// Makes `HTTP_ACCEPT_LANGUAGE` of `accept-language`. False for a name that has no variable.
fn name_variable(field: &[u8], variable: &mut Vec<u8>) -> bool {
    variable.clear();
    variable.extend_from_slice(HTTP);
    variable.extend_from_slice(field);
    let mut is_plain = !field.is_empty();
    for byte in &mut variable[HTTP.len()..] {
        *byte = IN_VARIABLES[usize::from(*byte)];
        is_plain &= *byte != NONE;
    }
    is_plain
}
