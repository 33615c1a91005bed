//! Writes a request of HTTP/2 as HTTP/1, for the one strict reader of heads.

use http::header::{COOKIE, HOST};
use http::{HeaderName, Request};

use http1::head::{Refusal, Scheme};

/// Writes the head to `out`, as an HTTP/1.1 client would have sent it. `has_body`: the stream continues after
/// it.
///
/// No value can end a line early: `h2` refuses CR, LF and NUL in values (RFC 9113 section 8.2.1).
pub(super) fn write<B>(request: &Request<B>, has_body: bool, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.clear();
    let uri = request.uri();
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    // RFC 9113 section 8.3.1: "An intermediary that forwards a request over HTTP/1.1 MUST retain any Host
    // header field", and "A server SHOULD treat a request as malformed if it contains a Host header field
    // that identifies an entity that differs".
    let mut hosts = request.headers().get_all(HOST).iter();
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = hosts.next().map(|host| host.as_bytes());
    let port = default_port(uri.scheme_str());
    if hosts.next().is_some() || matches!((authority, host), (Some(a), Some(h)) if !is_same(a, h, port)) {
        return Err(Refusal::Authority);
    }
    if let Some(host) = authority.or(host) {
        line(out, &HOST, host);
    }
    let mut has_length = false;
    for (name, value) in request.headers() {
        // RFC 9113 section 8.2.1: a value "MUST NOT start or end with an ASCII whitespace character". In
        // HTTP/1 the same bytes are padding, which our own reader would take off.
        if let [b' ' | b'\t', ..] | [.., b' ' | b'\t'] = value.as_bytes() {
            return Err(Refusal::FieldPadded);
        }
        has_length |= name == http::header::CONTENT_LENGTH;
        if name != HOST && name != COOKIE {
            line(out, name, value.as_bytes());
        }
    }
    cookies(request, out);
    if has_body && !has_length {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether two authorities name the same host and port, where this is the port that may be left out.
fn is_same(a: &[u8], b: &[u8], port: &[u8]) -> bool {
    let (a, b) = (a.strip_suffix(port).unwrap_or(a), b.strip_suffix(port).unwrap_or(b));
    a.eq_ignore_ascii_case(b)
}

/// RFC 9110 section 4.2: the port that a URI of this scheme means if it names none.
fn default_port(scheme: Option<&str>) -> &'static [u8] {
    match scheme {
        Some("https") => b":443",
        _ => b":80",
    }
}

/// RFC 9113 section 8.2.3: "If there are multiple Cookie header fields after decompression, these MUST be
/// concatenated into a single octet string using the two-octet delimiter of 0x3b, 0x20".
fn cookies<B>(request: &Request<B>, out: &mut Vec<u8>) {
    let crumbs: Vec<_> = request.headers().get_all(COOKIE).iter().map(|crumb| crumb.as_bytes()).collect();
    if !crumbs.is_empty() {
        line(out, &COOKIE, &crumbs.join(b"; ".as_slice()));
    }
}

fn line(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The scheme that `:scheme` names. Only these two are served.
pub(super) fn scheme<B>(request: &Request<B>) -> Result<Option<Scheme>, Refusal> {
    match request.uri().scheme_str() {
        None => Ok(None),
        Some("http") => Ok(Some(Scheme::Http)),
        Some("https") => Ok(Some(Scheme::Https)),
        Some(_) => Err(Refusal::TargetForm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(request: http::request::Builder, has_body: bool) -> Result<String, Refusal> {
        let mut out = Vec::new();
        write(&request.body(()).unwrap(), has_body, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_head_is_as_its_twin_would_be() {
        let request = Request::get("https://example.com/a?b").header("cookie", "a=1").header("x-a", "1");
        let request = request.header("cookie", "b=2").header("host", "EXAMPLE.com");
        assert_eq!(
            written(request, false).unwrap(),
            "GET /a?b HTTP/1.1\r\nhost: example.com\r\nx-a: 1\r\ncookie: a=1; b=2\r\n\r\n"
        );
        let request = Request::post("/a").header("host", "example.com");
        assert_eq!(
            written(request, true).unwrap(),
            "POST /a HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let request = Request::post("http://a/").header("content-length", "3");
        assert_eq!(
            written(request, true).unwrap(),
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n"
        );
        for (uri, host, same) in [
            ("https://a:443/", "a", true),
            ("https://a/", "A:443", true),
            ("http://a:80/", "a", true),
            ("http://a:443/", "a", false),
            ("https://a:80/", "a", false),
            ("https://a:4430/", "a", false),
        ] {
            let found = written(Request::get(uri).header("host", host), false);
            assert_eq!(found.is_ok(), same, "{uri} {host}: {found:?}");
        }
        for (value, taken) in
            [("", true), ("a b", true), (" a", false), ("a ", false), ("\ta", false), (" ", false)]
        {
            for name in ["x-a", "cookie", "host"] {
                let found = written(Request::get("/").header(name, value), false);
                assert_eq!(found.is_ok(), taken, "{name} {value:?}: {found:?}");
            }
        }
        let request = Request::get("http://a/").header("host", "b");
        assert_eq!(written(request, false), Err(Refusal::Authority));
        let request = Request::get("http://a/").header("host", "a").header("host", "a");
        assert_eq!(written(request, false), Err(Refusal::Authority));
    }
}
