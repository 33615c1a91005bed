//! The cache key: scheme, host, path and query, and the values of what splits the page.
//!
//! `https://example.com/news?page=2`, then `\0name=value` for each such cookie, `\0\x01name:value` for each
//! such field, and perhaps the client's address and what tells the site from others with the same host. No
//! part can hold the separator that follows it, so two different requests never share a key.

use bytes::Bytes;
use http1::path::has_dot_segment;
use http1::uri::{normal_path, normal_query};

use crate::Reason;
use crate::parts::TargetUri;
use crate::policy::Policy;
use crate::policy::cookies::{Cookie, CookieClass, CookieRules, pairs};

/// A whole cache key. Compared byte for byte, never by hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Bytes);

/// What came to light while the key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFindings {
    /// A cookie that is personal, or unknown.
    pub personal: bool,
    /// Cookies or query parameters are not in the key, and so must not be seen by the application.
    pub trimmed: bool,
}

/// The longest key, in bytes. Longer requests are passed.
const MAX_KEY: usize = 8192;
/// The most cookies that split one request, and the longest value. More, or longer: the request counts as
/// personal, or a visitor could make variants without end.
const MAX_SPLIT: usize = 8;
const MAX_SPLIT_VALUE: usize = 128;

impl Key {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The key without the cookies: scheme, host, path and query, as a purge by URL names it.
    pub fn url(&self) -> &[u8] {
        url(&self.0)
    }
}

/// [`Key::url`] of a borrowed key.
pub fn url(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Scheme and host of a borrowed key, as in `https://example.com`.
pub fn origin(key: &[u8]) -> &[u8] {
    let after_scheme = memchr::memmem::find(key, b"://").map_or(0, |at| at + b"://".len());
    let host = key.get(after_scheme..).unwrap_or_default();
    let end = host.iter().position(|byte| *byte == b'/').unwrap_or(host.len());
    key.get(..after_scheme + end).unwrap_or_default()
}

impl Policy {
    /// Appends the key but for fields and address to `key`, and says what is not in it. Allocates nothing
    /// else for a target in its normal form, but where `query.sort` is set.
    ///
    /// RFC 9111 section 2: "The cache key is the information a cache uses to choose a response and is
    /// composed from, at a minimum, the request method and target URI used to retrieve the stored response".
    /// The method is always GET.
    pub fn key<'a>(
        &self,
        target: TargetUri<'_>,
        cookie_lines: impl IntoIterator<Item = &'a [u8]>,
        key: &mut Vec<u8>,
    ) -> Result<KeyFindings, Reason> {
        push_origin(target.scheme, target.authority, key)?;
        let path = normal_path(target.path).ok_or(Reason::Target)?;
        if path.first() != Some(&b'/') || has_dot_segment(&path) {
            return Err(Reason::Target);
        }
        key.extend_from_slice(&path);
        let mut trimmed = false;
        if let Some(query) = target.query {
            let query = normal_query(query).ok_or(Reason::Target)?;
            trimmed = self.query.push(&query, self.query.sort, key);
        }
        let cookies = Cookies::sort(&self.cookies, cookie_lines);
        for cookie in cookies.split() {
            key.push(0);
            key.extend_from_slice(cookie.name);
            key.push(b'=');
            key.extend_from_slice(cookie.value);
        }
        if !self.apart.is_empty() {
            // Behind a byte that neither a cookie nor a field begins with.
            key.extend_from_slice(b"\0\x03");
            key.extend_from_slice(&self.apart);
        }
        if key.len() > MAX_KEY {
            return Err(Reason::Target);
        }
        Ok(KeyFindings {
            personal: cookies.personal,
            trimmed: trimmed || cookies.ignored || cookies.personal,
        })
    }
}

/// A request's cookies, by what the settings say of them.
pub(crate) struct Cookies<'a> {
    split: [Option<Cookie<'a>>; MAX_SPLIT],
    pub(crate) personal: bool,
    pub(crate) ignored: bool,
}

impl<'a> Cookies<'a> {
    pub(crate) fn sort(rules: &CookieRules, lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut cookies = Self { split: [None; MAX_SPLIT], personal: false, ignored: false };
        for cookie in lines.into_iter().flat_map(pairs) {
            match rules.class(cookie.name) {
                CookieClass::Ignore => cookies.ignored = true,
                CookieClass::Split if cookies.insert(cookie) => {}
                CookieClass::Split | CookieClass::Personal => cookies.personal = true,
            }
        }
        // Sorts by name; stable, because the order of two cookies with one name may matter.
        if cookies.split[1].is_some() {
            cookies
                .split
                .sort_by_key(|cookie| cookie.map_or((true, &b""[..]), |cookie| (false, cookie.name)));
        }
        cookies
    }

    /// The cookies that split the page, by name.
    pub(crate) fn split(&self) -> impl Iterator<Item = &Cookie<'a>> {
        self.split.iter().flatten()
    }

    fn insert(&mut self, cookie: Cookie<'a>) -> bool {
        if cookie.value.len() > MAX_SPLIT_VALUE || has_control(cookie.name) || has_control(cookie.value) {
            return false;
        }
        let Some(slot) = self.split.iter_mut().find(|slot| slot.is_none()) else { return false };
        *slot = Some(cookie);
        true
    }
}

/// Appends `scheme://host`, lower-cased, without a default port or the dot of a fully qualified name.
pub(crate) fn push_origin(scheme: &str, authority: &str, out: &mut Vec<u8>) -> Result<(), Reason> {
    let (scheme, default_port) = match scheme {
        "http" => ("http://", "80"),
        "https" => ("https://", "443"),
        _ => return Err(Reason::Target),
    };
    out.extend_from_slice(scheme.as_bytes());
    let (host, port) = split_port(authority).ok_or(Reason::Target)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    let before = out.len();
    out.extend_from_slice(host.as_bytes());
    if let Some(host) = out.get_mut(before..) {
        host.make_ascii_lowercase();
    }
    if !port.is_empty() && port != default_port {
        out.push(b':');
        out.extend_from_slice(port.as_bytes());
    }
    Ok(())
}

/// Host and port (empty: none). None if the authority is not a host and a port of plain bytes.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at_checked(end)?;
    let port = if rest.is_empty() { "" } else { rest.strip_prefix(':')? };
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let plain = match literal {
        Some(address) => address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'%')),
        None => {
            host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%'))
        }
    };
    (plain && port.bytes().all(|b| b.is_ascii_digit())).then_some((host, port))
}

fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte < b' ' || *byte == 0x7f)
}

#[cfg(test)]
mod tests;
