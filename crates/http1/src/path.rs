//! A request's path as locations, files and CGI see it: decoded once, slashes merged, dot segments resolved
//! (nginx's `$uri`).

use std::borrow::Cow;

use crate::octets::triplet;

/// Begins with a slash; has no empty, `.` or `..` segment and no NUL; ends with a slash if it names a
/// directory. It may contain any other bytes, UTF-8 or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'a>(Cow<'a, [u8]>);

/// The client made a mistake: answer 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
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
#[inline]
pub fn normalise(raw: &[u8]) -> Result<NormalPath<'_>, BadPath> {
    if raw.first() != Some(&b'/') {
        return Err(BadPath::Relative);
    }
    if is_normal(raw) {
        return Ok(NormalPath(Cow::Borrowed(raw)));
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

/// Most paths are normal already, and one pass shows it. False: a closer look may show the same.
fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|&byte| {
        let is_plain = match byte {
            b'/' | b'.' => before != b'/',
            0..=b' ' | b'%' | b'#' | b'?' | 0x7f => false,
            _ => true,
        };
        before = byte;
        is_plain
    })
}

/// A path that is decoded already, such as one that a rule has made, in normal form. A slash at its beginning
/// may be missing.
pub fn resolved(path: &[u8]) -> Result<NormalPath<'static>, BadPath> {
    if path.contains(&0) {
        return Err(BadPath::Nul);
    }
    let mut path = resolve(path)?;
    if path.is_empty() {
        path.push(b'/');
    }
    Ok(NormalPath(Cow::Owned(path)))
}

impl<'a> NormalPath<'a> {
    pub fn into_owned(self) -> NormalPath<'static> {
        NormalPath(Cow::Owned(self.0.into_owned()))
    }

    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        self.0
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_directory(&self) -> bool {
        self.0.ends_with(b"/")
    }
}

/// Decodes once: `%2541` becomes `%41`, not `A`.
pub fn decode(raw: &[u8]) -> Result<Vec<u8>, BadPath> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        match triplet(&mut bytes).ok_or(BadPath::Escape)? {
            0 => return Err(BadPath::Nul),
            byte => decoded.push(byte),
        }
    }
    Ok(decoded)
}

fn is_resolved(path: &[u8]) -> bool {
    let may_change = path.windows(2).any(|pair| matches!(pair, [b'/', b'/' | b'.']));
    !may_change || (!path.windows(2).any(|pair| pair == b"//") && !has_dot_segment(path))
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

/// Tells whether a path has the segment `.` or `..`.
pub fn has_dot_segment(path: &[u8]) -> bool {
    memchr::memchr(b'.', path).is_some()
        && path.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."))
}

#[cfg(test)]
mod tests;
