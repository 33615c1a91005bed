//! What a request that changes something makes invalid (RFC 9111 section 4.4, RFC 9875 section 3).

use bytes::Bytes;
use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, HeaderName, StatusCode};
use http1::uri::{normal_path, normal_query};

use crate::key::push_origin;
use crate::tags::{MAX_TAGS, group, strings};
use crate::{Policy, RequestParts};

const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// What must be purged on every edge. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalidation {
    /// The target, as [`crate::Key::url`] has it: it stands for all variants of the page.
    pub target: Option<Bytes>,
    /// Other pages that the reply names in Location or Content-Location, in the same form.
    pub named: Vec<Bytes>,
    /// As [`crate::tags::tags`] has them.
    pub tags: Vec<Bytes>,
}

impl Policy {
    /// What the application's reply to `request` makes invalid.
    pub fn invalidation(
        &self,
        request: &RequestParts<'_>,
        status: StatusCode,
        reply: &HeaderMap,
    ) -> Invalidation {
        // "in response to an unsafe request method (including methods whose safety is unknown)" (section
        // 4.4). "The Cache-Group-Invalidation header field MUST be ignored on responses to requests that have
        // a safe method" (RFC 9875 section 3).
        let mut invalid = Invalidation::default();
        if request.method.is_safe() {
            return invalid;
        }
        let mut origin = Vec::new();
        if push_origin(request.scheme, request.authority, &mut origin).is_err() {
            return invalid;
        }
        let groups = strings(reply, &CACHE_GROUP_INVALIDATION);
        invalid.tags = groups.iter().take(MAX_TAGS).map(|name| group(&origin, name).into()).collect();
        // "A "non-error response" is one with a 2xx (Successful) or 3xx (Redirection) status code."
        if !status.is_success() && !status.is_redirection() {
            return invalid;
        }
        // "A cache MUST invalidate the target URI when it receives a non-error status code in response to an
        // unsafe request method". "In particular, the URI(s) in the Location and Content-Location response
        // header fields (if present) are candidates for invalidation".
        let named = [LOCATION, CONTENT_LOCATION];
        let named = named
            .iter()
            .filter_map(|name| std::str::from_utf8(reply.get(name)?.as_bytes()).ok())
            .filter_map(|reference| resolve(reference, request, &origin));
        let url = |path: &[u8], query: Option<&[u8]>| {
            let (mut url, has_query) = (origin.clone(), query.is_some());
            let (path, query) = (normal_path(path)?, normal_query(query.unwrap_or_default())?);
            url.extend_from_slice(&path);
            if has_query {
                self.query.push(&query, self.query.sort, &mut url);
            }
            Some(Bytes::from(url))
        };
        invalid.target = url(request.path, request.query);
        for (path, query) in named {
            let Some(url) = url(&path, query.as_deref()) else { continue };
            if invalid.target.as_ref() != Some(&url) && !invalid.named.contains(&url) {
                invalid.named.push(url);
            }
        }
        invalid
    }
}

/// Path and query of a URI reference, resolved against the request's target (RFC 3986 section 5.2).
///
/// None if it leads to another origin: "a cache MUST NOT trigger an invalidation under these conditions if
/// the origin of the URI to be invalidated differs from that of the target URI. This helps prevent
/// denial-of-service attacks."
fn resolve(reference: &str, request: &RequestParts<'_>, origin: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let reference = reference.trim().split('#').next().unwrap_or_default();
    let (scheme, rest) = split_scheme(reference).unwrap_or((request.scheme, reference));
    let (path, query) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(end);
            let mut other = Vec::new();
            push_origin(&scheme.to_ascii_lowercase(), authority, &mut other)
                .ok()
                .filter(|()| other == origin)?;
            split_query(if rest.starts_with('/') { rest } else { return absolute(rest) })
        }
        None if rest.len() < reference.len() => return None,
        None => split_query(rest),
    };
    if path.is_empty() {
        let query = query.map(str::as_bytes).or(request.query);
        return Some((request.path.to_vec(), query.map(<[u8]>::to_vec)));
    }
    let directory =
        request.path.iter().rposition(|byte| *byte == b'/').and_then(|at| request.path.get(..=at));
    let base = if path.starts_with('/') { &[] } else { directory.unwrap_or(b"/") };
    Some((
        remove_dot_segments(&[base, path.as_bytes()].concat()),
        query.map(|query| query.as_bytes().to_vec()),
    ))
}

/// `https://h?q` and `https://h`: the root.
fn absolute(rest: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (_, query) = split_query(rest);
    Some((b"/".to_vec(), query.map(|query| query.as_bytes().to_vec())))
}

/// `https` and the rest after the colon; None for a relative reference.
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let plain = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    plain.then_some((scheme, rest))
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut parts = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            b"." | b".." => {
                if part == b".." {
                    segments.pop();
                }
                if last {
                    segments.push(b"");
                }
            }
            _ => segments.push(part),
        }
    }
    segments.iter().flat_map(|segment| [&b"/"[..], segment]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::{HeaderValue, Method};

    use super::*;
    use crate::policy::QueryRules;

    type Fields<'a> = &'a [(&'static str, &'a str)];

    fn invalid(method: Method, status: u16, query: Option<&str>, reply: Fields<'_>) -> Invalidation {
        let mut headers = HeaderMap::new();
        for (name, value) in reply {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let request = RequestParts {
            method: &method,
            scheme: "https",
            authority: "H:443",
            path: b"/a/b",
            query: query.map(str::as_bytes),
            headers: &HeaderMap::new(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let policy = Policy { query: QueryRules::new(["utm_*"], [], false).unwrap(), ..Policy::default() };
        policy.invalidation(&request, StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn methods_and_statuses() {
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::from_bytes(b"FROB").unwrap()]
        {
            for (status, count) in
                [(200, 1), (201, 1), (204, 1), (303, 1), (304, 1), (400, 0), (404, 0), (500, 0)]
            {
                let target = invalid(method.clone(), status, None, &[]).target;
                assert_eq!(usize::from(target.is_some()), count, "{method} {status}");
            }
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            let reply: Fields<'_> = &[("location", "/x"), ("cache-group-invalidation", "\"a\"")];
            assert_eq!(invalid(method, 200, None, reply), Invalidation::default());
        }
    }

    #[test]
    fn urls_of_the_same_origin() {
        let cases: &[(&str, Option<&str>)] = &[
            ("/x", Some("https://h/x")),
            ("/x?y=1&utm_z=1#f", Some("https://h/x?y=1")),
            ("x", Some("https://h/a/x")),
            ("./x/", Some("https://h/a/x/")),
            ("../x", Some("https://h/x")),
            ("../../../x/.", Some("https://h/x/")),
            ("..", Some("https://h/")),
            ("?q", Some("https://h/a/b?q")),
            ("/caf%c3%a9?%7e", Some("https://h/caf%C3%A9?~")),
            ("/новости", Some("https://h/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8")),
            ("https://h/x", Some("https://h/x")),
            ("HTTPS://H:443/x", Some("https://h/x")),
            ("https://h", Some("https://h/")),
            ("https://h?q", Some("https://h/?q")),
            ("//h/x", Some("https://h/x")),
            ("http://h/x", None),
            ("https://h:8443/x", None),
            ("https://other/x", None),
            ("//other/x", None),
            ("https://h@other/x", None),
            ("https:x", None),
            ("mailto:x", None),
            ("javascript:x", None),
        ];
        for (reference, expected) in cases {
            for name in ["location", "content-location"] {
                let found = invalid(Method::POST, 201, None, &[(name, reference)]);
                assert_eq!(found.target.as_deref(), Some(&b"https://h/a/b"[..]));
                let named = found.named.first().map(|url| std::str::from_utf8(url).unwrap());
                assert_eq!(named, *expected, "{reference}");
            }
        }
        let itself = invalid(Method::POST, 303, Some("q=1&utm_x=2"), &[("location", "")]);
        assert_eq!(itself.target.as_deref(), Some(&b"https://h/a/b?q=1"[..]));
        assert!(itself.named.is_empty());
    }

    #[test]
    fn groups_of_the_same_origin() {
        let reply: Fields<'_> = &[("cache-group-invalidation", "\"results\", \"kylie\";x")];
        assert_eq!(invalid(Method::POST, 200, None, reply).tags, ["https://h\0results", "https://h\0kylie"]);
        assert_eq!(invalid(Method::POST, 500, None, reply).tags.len(), 2);
        assert!(invalid(Method::POST, 200, None, &[("cache-group-invalidation", "junk")]).tags.is_empty());
        assert!(invalid(Method::GET, 200, None, reply).tags.is_empty(), "a safe method invalidates nothing");
        // RFC 9875 section 3: "at least 32 groups in a field value, with up to at least 32 characters".
        let many: Vec<String> = (0..32).map(|n| format!("\"{n:032}\"")).collect();
        let many = many.join(", ");
        assert_eq!(invalid(Method::POST, 200, None, &[("cache-group-invalidation", &many)]).tags.len(), 32);
    }
}
