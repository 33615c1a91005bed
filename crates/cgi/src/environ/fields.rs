//! `HTTP_*`: one variable for all field lines of a name.

use super::{Manner, Refused, Request, Variables, Writer, is_text};

/// Fields that are not handed on to the application as the client sent them, as their variables are called.
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

pub(super) const HTTP: &[u8] = b"HTTP_";

/// The value of the first line of this name; empty if there is none.
pub(super) fn first<'a>(fields: &[(&[u8], &'a [u8])], wanted: &[u8]) -> &'a [u8] {
    let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map_or(&b""[..], |(_, value)| value)
}

/// A name that no other name's variable can be mistaken for: only letters, digits and `-`, so that `x-real-ip`
/// and `x_real_ip` do not meet in one.
pub fn is_plain(field: &[u8]) -> bool {
    !field.is_empty() && field.iter().all(|&byte| byte == b'-' || byte.is_ascii_alphanumeric())
}

/// A field that says something of the client's connection, or that we say ourselves.
pub fn is_dropped(field: &[u8]) -> bool {
    let same = |variable: &&[u8]| {
        let as_variable = |&byte: &u8| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
        variable.len() == field.len() && field.iter().map(as_variable).eq(variable.iter().copied())
    };
    DROPPED.iter().any(same)
}

/// Host and what we say ourselves; then, at the place of a field's first line, the lines of that name joined.
pub(super) fn variables<V: Variables>(
    request: &Request<'_>,
    scheme: &str,
    out: &mut Writer<'_, V>,
) -> Result<(), Refused> {
    if !request.authority.is_empty() {
        out.text("HTTP_HOST", request.authority.as_bytes())?;
    }
    if request.upgrade.is_empty() || request.manner == Manner::Gunicorn {
        // One request per connection: gunicorn would wait for the next one. It switches to nothing by uwsgi.
        out.text("HTTP_CONNECTION", b"close")?;
    } else {
        out.text("HTTP_CONNECTION", b"Upgrade")?;
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
    for (at, (name, value)) in request.fields.iter().enumerate() {
        let same = |other: &(&[u8], &[u8])| other.0.eq_ignore_ascii_case(name);
        if !name_variable(name, &mut variable) || request.fields[..at].iter().any(same) {
            continue;
        }
        let mut value = *value;
        match &variable[HTTP.len()..] {
            // uWSGI takes the scheme from it, whoever sent it.
            b"X_FORWARDED_PROTO" => value = scheme.as_bytes(),
            b"X_FORWARDED_FOR" if tells_client => continue,
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
        out.bytes(&variable, value)?;
    }
    Ok(())
}

/// Makes `HTTP_ACCEPT_LANGUAGE` of `accept-language`. False for a name that has no variable.
fn name_variable(field: &[u8], variable: &mut Vec<u8>) -> bool {
    variable.clear();
    variable.extend_from_slice(HTTP);
    variable.extend(field.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }));
    is_plain(field)
}
