//! Writes a request of HTTP/2 as HTTP/1, for the one strict reader of heads.

pub(crate) mod fuzzed;

use ::http2::{FieldList, MalformedFields, RequestFields};
use http1::head::{Refusal, Scheme};

use crate::request::forwarded::names_scheme;

/// Writes the head to `out`, as an HTTP/1.1 client would have sent it, and tells the scheme. `has_body`: the
/// stream continues after it. `here`: the connection's own scheme.
///
/// No name or value can end a line early: `RequestFields` refuses what could (RFC 9113 section 8.2.1).
pub(super) fn write(
    fields: &FieldList,
    has_body: bool,
    here: Scheme,
    out: &mut Vec<u8>,
) -> Result<Option<Scheme>, Refusal> {
    out.clear();
    if fields.is_over() {
        return Err(Refusal::HeadTooLarge);
    }
    let request = RequestFields::read(fields).map_err(refusal)?;
    // It has no path.
    if request.method == b"CONNECT" {
        return Err(Refusal::MethodNotServed);
    }
    let scheme = scheme(request.scheme)?;
    let target = request.path.unwrap_or_default();
    // RFC 9113 section 8.3.1: ":path" is an absolute path, or "*". HTTP/1 knows more forms.
    if !target.starts_with(b"/") && target != b"*" {
        return Err(Refusal::TargetForm);
    }
    for part in [request.method, b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
    if let Some(host) = host(&request, scheme)? {
        line(out, b"host", host);
    }
    let (mut has_length, mut crumbs) = (false, 0);
    for (name, value) in request.regular() {
        match name {
            b"host" => continue,
            b"cookie" => {
                crumbs += 1;
                continue;
            }
            b"content-length" => has_length = true,
            _ => {}
        }
        line(out, name, value);
    }
    if crumbs > 0 {
        cookies(&request, out);
    }
    // A proxy that speaks HTTP/2 says here what others say in a field. It is believed or not as that is.
    let said = || request.regular().any(|(name, _)| names_scheme(name));
    if scheme == Some(Scheme::Https) && here == Scheme::Http && !said() {
        line(out, b"x-forwarded-proto", b"https");
    }
    if has_body && !has_length {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(scheme)
}

/// RFC 9113 section 8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field
/// that identifies an entity that differs from the entity in the ":authority" pseudo-header field."
fn host<'a>(request: &RequestFields<'a>, scheme: Option<Scheme>) -> Result<Option<&'a [u8]>, Refusal> {
    let mut hosts = request.regular().filter(|(name, _)| *name == b"host").map(|(_, value)| value);
    let host = hosts.next();
    let differs = matches!((request.authority, host), (Some(a), Some(h)) if !is_same(a, h, scheme));
    if hosts.next().is_some() || differs {
        return Err(Refusal::Authority);
    }
    Ok(request.authority.or(host))
}

/// Whether two authorities name the same host and port. RFC 9110 section 4.2: a URI that names no port means
/// that of its scheme.
fn is_same(a: &[u8], b: &[u8], scheme: Option<Scheme>) -> bool {
    let port: &[u8] = if scheme == Some(Scheme::Https) { b":443" } else { b":80" };
    let (a, b) = (a.strip_suffix(port).unwrap_or(a), b.strip_suffix(port).unwrap_or(b));
    a.eq_ignore_ascii_case(b)
}

/// RFC 9113 section 8.2.3: "If there are multiple Cookie header fields after decompression, these MUST be
/// concatenated into a single octet string using the two-octet delimiter of 0x3b, 0x20".
fn cookies(request: &RequestFields<'_>, out: &mut Vec<u8>) {
    let mut before: &[u8] = b"cookie: ";
    for (_, crumb) in request.regular().filter(|(name, _)| *name == b"cookie") {
        out.extend_from_slice(before);
        out.extend_from_slice(crumb);
        before = b"; ";
    }
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The scheme that `:scheme` names. Only these two are served.
fn scheme(scheme: Option<&[u8]>) -> Result<Option<Scheme>, Refusal> {
    match scheme {
        None => Ok(None),
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http") => Ok(Some(Scheme::Http)),
        Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => Ok(Some(Scheme::Https)),
        Some(_) => Err(Refusal::TargetForm),
    }
}

fn refusal(malformed: MalformedFields) -> Refusal {
    match malformed {
        MalformedFields::PseudoField => Refusal::RequestLine,
        MalformedFields::Name => Refusal::FieldName,
        MalformedFields::Value => Refusal::FieldValue,
        MalformedFields::PaddedValue => Refusal::FieldPadded,
        MalformedFields::ConnectionField => Refusal::Connection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field<'a> = (&'a str, &'a str);

    fn written(fields: &[Field<'_>], has_body: bool) -> Result<String, Refusal> {
        written_at(Scheme::Https, fields, has_body)
    }

    fn written_at(here: Scheme, fields: &[Field<'_>], has_body: bool) -> Result<String, Refusal> {
        let mut block = Vec::new();
        for (name, value) in fields {
            ::http2::block::field(&mut block, name.as_bytes(), value.as_bytes());
        }
        let mut list = FieldList::new(4096);
        ::http2::Decoder::default().decode(&block, &mut list).unwrap();
        let mut out = Vec::new();
        write(&list, has_body, here, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn get<'a>(scheme: &'a str, authority: &'a str, path: &'a str) -> Vec<Field<'a>> {
        vec![(":method", "GET"), (":scheme", scheme), (":authority", authority), (":path", path)]
    }

    #[test]
    fn a_head_is_as_its_twin_would_be() {
        let mut fields = get("https", "example.com", "/a?b");
        fields.extend([("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("host", "EXAMPLE.com")]);
        assert_eq!(
            written(&fields, false).unwrap(),
            "GET /a?b HTTP/1.1\r\nhost: example.com\r\nx-a: 1\r\ncookie: a=1; b=2\r\n\r\n"
        );
        let post = [(":method", "POST"), (":scheme", "http"), (":path", "/a"), ("host", "example.com")];
        assert_eq!(
            written(&post, true).unwrap(),
            "POST /a HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let mut with_length = get("http", "a", "/");
        with_length.push(("content-length", "3"));
        assert_eq!(
            written(&with_length, true).unwrap(),
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n"
        );
    }

    #[test]
    fn a_scheme_that_the_connection_has_not_is_said_in_a_field() {
        let said = "x-forwarded-proto: https\r\n";
        for (here, scheme, field, expected) in [
            (Scheme::Http, "https", ("x-a", "1"), true),
            (Scheme::Http, "https", ("x-forwarded-ssl", "off"), false),
            (Scheme::Http, "http", ("x-a", "1"), false),
            (Scheme::Https, "https", ("x-a", "1"), false),
            (Scheme::Https, "http", ("x-a", "1"), false),
        ] {
            let fields = [get(scheme, "a", "/"), vec![field]].concat();
            let found = written_at(here, &fields, false).unwrap();
            assert_eq!(found.contains(said), expected, "{here:?} {scheme} {field:?}");
        }
    }

    #[test]
    fn the_target_is_left_to_the_reader_but_for_its_form() {
        for path in ["/a#b", "/<>\"`{}^\\|?<>\"", "*", "//", "/%"] {
            let line = format!("GET {path} HTTP/1.1\r\n");
            assert!(written(&get("http", "a", path), false).unwrap().starts_with(&line), "{path}");
        }
        for path in ["", "a", "?a", "http://a/", "**"] {
            assert_eq!(written(&get("http", "a", path), false), Err(Refusal::TargetForm), "{path}");
        }
        assert_eq!(written(&get("ftp", "a", "/"), false), Err(Refusal::TargetForm));
    }

    #[test]
    fn host_and_authority_name_the_same() {
        for (scheme, authority, host, same) in [
            ("https", "a:443", "a", true),
            ("https", "a", "A:443", true),
            ("http", "a:80", "a", true),
            ("http", "a:443", "a", false),
            ("https", "a:80", "a", false),
            ("https", "a:4430", "a", false),
            ("http", "a", "b", false),
        ] {
            let mut fields = get(scheme, authority, "/");
            fields.push(("host", host));
            let found = written(&fields, false);
            assert_eq!(found.is_ok(), same, "{authority} {host}: {found:?}");
            fields.push(("host", host));
            assert_eq!(written(&fields, false), Err(Refusal::Authority));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (name, value, refusal) in [
            ("x-a", " a", Refusal::FieldPadded),
            ("cookie", "a ", Refusal::FieldPadded),
            ("host", "\ta", Refusal::FieldPadded),
            ("x-a", "a\r\nb: c", Refusal::FieldValue),
            ("x-a: b\r\nc", "d", Refusal::FieldName),
            ("connection", "x", Refusal::Connection),
            (":status", "200", Refusal::RequestLine),
        ] {
            let mut fields = get("http", "a", "/");
            fields.push((name, value));
            assert_eq!(written(&fields, false), Err(refusal), "{name}: {value:?}");
        }
        let long = "x".repeat(5000);
        let mut fields = get("http", "a", "/");
        fields.push(("x-a", &long));
        assert_eq!(written(&fields, false), Err(Refusal::HeadTooLarge));
        let connect = [(":method", "CONNECT"), (":authority", "a:1")];
        assert_eq!(written(&connect, true), Err(Refusal::MethodNotServed));
    }
}
