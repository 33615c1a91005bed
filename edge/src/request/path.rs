//! A request's path in what the edge sends: targets for the application, and the ends of redirects.

use http::HeaderValue;
pub(crate) use http1::path::{NormalPath, normalise, resolved};
use http1::path::{decode, has_dot_segment};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode, utf8_percent_encode};

/// Characters that a path in a Location field may not contain unescaped. The backslash is here because
/// browsers read it as a slash.
pub(crate) const PATH_ESCAPES: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Characters that a query, escaped already by the client, may not contain unescaped.
const QUERY_ESCAPES: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Path and query as they stand in a request's target. The query is encoded already.
pub(crate) fn target(path: &NormalPath<'_>, query: Option<&[u8]>) -> String {
    let mut target = percent_encode(path.as_bytes(), PATH_ESCAPES).to_string();
    if let Some(query) = query {
        target.push('?');
        target.extend(percent_encode(query, QUERY_ESCAPES));
    }
    target
}

/// The target with its path in normal form, if there are dot segments in it, plain or encoded. An application
/// gets no others: a server that reads them in another way than the choice of the location did could be led
/// to what belongs to another location, such as an internal one. `None`: it has none, or is malformed.
pub(crate) fn without_dots(target: &str) -> Option<String> {
    let (raw, query) = split(target);
    if !raw.contains("/.") && !raw.contains('%') {
        return None;
    }
    if !has_dot_segment(&decode(raw.as_bytes()).ok()?) {
        return None;
    }
    let path = normalise(raw.as_bytes()).ok()?;
    let mut normal = percent_encode(path.as_bytes(), PATH_ESCAPES).to_string();
    if let Some(query) = query {
        normal.push('?');
        normal.push_str(query);
    }
    Some(normal)
}

/// The Location of a redirect to this path with a slash at its end. It has no host and never begins with
/// two slashes, so it cannot lead to another site.
pub(crate) fn with_slash(path: &NormalPath<'_>, query: Option<&str>) -> HeaderValue {
    let mut location = percent_encode(path.as_bytes(), PATH_ESCAPES).to_string();
    location.push('/');
    if let Some(query) = query {
        location.push('?');
        location.extend(utf8_percent_encode(query, QUERY_ESCAPES));
    }
    HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"))
}

/// Splits a target, as sent, into path and query.
pub(crate) fn split(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests;
