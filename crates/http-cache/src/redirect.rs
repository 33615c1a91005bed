//! Redirects that are shared: the parameters that the key ignores are added to where they lead.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue};

use crate::Policy;
use crate::policy::query::{name, parameters};
use http1::uri::normal_query;

impl Policy {
    /// Adds to Location the parameters of a request's query that the application was not shown while it made
    /// this redirect, so that what is counted by them still is.
    ///
    /// Only within the site: the same host, with or without `www.`. Whoever made the link chose these
    /// parameters, and another site might act on them. A parameter whose name is there already stays as it
    /// is.
    pub fn lead_on(&self, reply: &mut HeaderMap, authority: &str, query: Option<&[u8]>) {
        let Some(query) = query.and_then(normal_query) else { return };
        let ignored: Vec<&[u8]> = parameters(&query).filter(|one| self.query.ignores(name(one))).collect();
        let location = reply.get(LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|location| stays(location, authority)) else { return };
        if let Some(value) = extended(location, &ignored).and_then(|text| HeaderValue::from_bytes(&text).ok())
        {
            reply.insert(LOCATION, value);
        }
    }
}

/// The reference with these parameters. None: it has them all.
fn extended(location: &str, ignored: &[&[u8]]) -> Option<Vec<u8>> {
    let (location, fragment) =
        location.split_once('#').map_or((location, None), |(all, end)| (all, Some(end)));
    let there: Vec<&[u8]> = location
        .split_once('?')
        .map(|(_, query)| parameters(query.as_bytes()).map(name).collect())
        .unwrap_or_default();
    let mut out = location.as_bytes().to_vec();
    let mut separator = if location.contains('?') { b'&' } else { b'?' };
    let before = out.len();
    for parameter in ignored.iter().filter(|parameter| !there.contains(&name(parameter))) {
        out.push(separator);
        out.extend_from_slice(parameter);
        separator = b'&';
    }
    if out.len() == before {
        return None;
    }
    if let Some(fragment) = fragment {
        out.push(b'#');
        out.extend_from_slice(fragment.as_bytes());
    }
    Some(out)
}

fn stays(location: &str, authority: &str) -> bool {
    let after_scheme = location
        .get(..8)
        .filter(|start| start.eq_ignore_ascii_case("https://"))
        .or_else(|| location.get(..7).filter(|start| start.eq_ignore_ascii_case("http://")))
        .map(str::len)
        .or_else(|| location.starts_with("//").then_some(2));
    let Some(rest) = after_scheme.and_then(|length| location.get(length..)) else {
        // A scheme has a colon before any slash.
        return !location.split(['/', '?', '#']).next().unwrap_or_default().contains(':');
    };
    let other = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    host(other).eq_ignore_ascii_case(host(authority))
}

/// Without port and `www.`.
fn host(authority: &str) -> &str {
    let without_port = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    match without_port.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("www.") => without_port.get(4..).unwrap_or_default(),
        _ => without_port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueryRules;

    #[test]
    fn ignored_parameters_go_along_within_the_site() {
        let policy =
            Policy { query: QueryRules::new(["utm_*", "gclid"], [], false).unwrap(), ..Policy::default() };
        let cases = [
            ("/new/", "/new/?utm_a=1&utm_b=2"),
            ("/new/?page=1", "/new/?page=1&utm_a=1&utm_b=2"),
            ("/new/?utm_b=3#top", "/new/?utm_b=3&utm_a=1#top"),
            ("new", "new?utm_a=1&utm_b=2"),
            ("/?utm_a=1&utm_b=2", "/?utm_a=1&utm_b=2"),
            ("https://example.com/", "https://example.com/?utm_a=1&utm_b=2"),
            ("HTTPS://WWW.Example.com:443", "HTTPS://WWW.Example.com:443?utm_a=1&utm_b=2"),
            ("//example.com/x", "//example.com/x?utm_a=1&utm_b=2"),
            ("https://login.example.com/", "https://login.example.com/"),
            ("https://example.com@evil.example/", "https://example.com@evil.example/"),
            ("//evil.example/", "//evil.example/"),
            ("https://evil.example\\@example.com/", "https://evil.example\\@example.com/"),
            ("mailto:a@example.com", "mailto:a@example.com"),
        ];
        for (location, expected) in cases {
            let mut reply = HeaderMap::new();
            reply.insert(LOCATION, location.parse().unwrap());
            policy.lead_on(&mut reply, "www.example.com:8080", Some(b"utm_a=1&x=2&%75tm_b=2"));
            assert_eq!(reply[LOCATION], expected, "{location}");
        }
    }
}
