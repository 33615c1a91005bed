//! A request's path as locations and files see it: decoded once, slashes merged, dot segments resolved
//! (nginx's `$uri`).

use std::borrow::Cow;

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode, utf8_percent_encode};

/// Characters that a path in a Location field may not contain unescaped. The backslash is here because
/// browsers read it as a slash.
const PATH_ESCAPES: &AsciiSet = &CONTROLS
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

/// Begins with a slash; has no empty, `.` or `..` segment and no NUL; ends with a slash if it names a
/// directory. It may contain any other bytes, UTF-8 or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NormalPath<'a>(Cow<'a, [u8]>);

/// The client made a mistake: answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPath {
    #[error("the path does not begin with a slash")]
    Relative,
    #[error("the path contains a character that must be percent-encoded")]
    Unescaped,
    #[error("a percent sign in the path is not followed by two hexadecimal digits")]
    Escape,
    #[error("the path contains a NUL byte")]
    Nul,
    #[error("the path climbs above the root")]
    AboveRoot,
}

/// Normalises the path part of a request target, without its query. Allocates only where something changes.
pub(crate) fn normalise(raw: &[u8]) -> Result<NormalPath<'_>, BadPath> {
    if raw.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    if raw.iter().any(|&byte| byte <= b' ' || matches!(byte, 0x7f | b'#' | b'?')) {
        return Err(BadPath::Unescaped);
    }
    if memchr::memchr(b'%', raw).is_some() {
        let decoded = decode(raw)?;
        return Ok(NormalPath(Cow::Owned(resolve(&decoded)?)));
    }
    if is_resolved(raw) {
        return Ok(NormalPath(Cow::Borrowed(raw)));
    }
    Ok(NormalPath(Cow::Owned(resolve(raw)?)))
}

/// A path that is decoded already, such as one that a rule has made, in normal form. A slash at its beginning
/// may be missing.
pub(crate) fn resolved(path: &[u8]) -> Result<NormalPath<'static>, BadPath> {
    if path.contains(&0) {
        return Err(BadPath::Nul);
    }
    let mut path = resolve(path)?;
    if path.is_empty() {
        path.push(b'/');
    }
    Ok(NormalPath(Cow::Owned(path)))
}

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
    let decoded = decode(raw.as_bytes()).ok()?;
    let mut segments = decoded.split(|&byte| byte == b'/');
    if !segments.any(|segment| matches!(segment, b"." | b"..")) {
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

impl NormalPath<'_> {
    pub(crate) fn into_owned(self) -> NormalPath<'static> {
        NormalPath(Cow::Owned(self.0.into_owned()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.0.ends_with(b"/")
    }

    /// The Location of a redirect to this path with a slash at its end. It has no host and never begins with
    /// two slashes, so it cannot lead to another site.
    pub(crate) fn with_slash(&self, query: Option<&str>) -> HeaderValue {
        let mut location = percent_encode(&self.0, PATH_ESCAPES).to_string();
        location.push('/');
        if let Some(query) = query {
            location.push('?');
            location.extend(utf8_percent_encode(query, QUERY_ESCAPES));
        }
        HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"))
    }
}

/// Decodes once: `%2541` becomes `%41`, not `A`.
fn decode(raw: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (hex(bytes.next()), hex(bytes.next())) else {
            return Err(BadPath::Escape);
        };
        match high << 4 | low {
            0 => return Err(BadPath::Nul),
            byte => decoded.push(byte),
        }
    }
    Ok(decoded)
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    let value = char::from(*digit?).to_digit(16)?;
    u8::try_from(value).ok()
}

fn is_resolved(path: &[u8]) -> bool {
    // Most paths are normal already, and one pass shows it.
    let may_change = path.windows(2).any(|pair| matches!(pair, [b'/', b'/' | b'.']));
    !may_change
        || (!path.windows(2).any(|pair| pair == b"//")
            && !path.split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b"..")))
}

/// Merges slashes and resolves dot segments. A decoded slash or dot counts like a raw one.
fn resolve(path: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut resolved = Vec::with_capacity(path.len());
    for segment in path.split(|&byte| byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = resolved.iter().rposition(|&byte| byte == b'/').ok_or(BadPath::AboveRoot)?;
                resolved.truncate(parent);
            }
            name => {
                resolved.push(b'/');
                resolved.extend_from_slice(name);
            }
        }
    }
    let names_directory = [&b"/"[..], b"/.", b"/.."].iter().any(|end| path.ends_with(end));
    if names_directory {
        resolved.push(b'/');
    }
    Ok(resolved)
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
