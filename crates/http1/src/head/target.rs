//! What is asked for: the request target, reduced to path and query.

use std::borrow::Cow;

use super::{Authority, Refusal};
use crate::octets::{self, ODD, PATH, QUERY};

/// Path and query as sent, nothing decoded. A cache key and `REQUEST_URI` are made of [`Target::encoded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    text: &'a str,
    /// How much of `text` is the path. Small types: this is moved with every head.
    path: u32,
    scheme: Option<Scheme>,
    plain: bool,
    /// It holds characters that RFC 3986 has percent-encoded.
    odd: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The port of a URL with this scheme and authority (RFC 9110 §4.2).
    pub fn port(self, authority: &str) -> u16 {
        let named = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        named.unwrap_or(match self {
            Self::Http => 80,
            Self::Https => 443,
        })
    }
}

impl<'a> Target<'a> {
    /// `/path?query`, or `*` for the server as a whole. Also what HTTP/2 sends as `:path`.
    ///
    /// A path escape is `%` and two hex digits and never `%00`, as in nginx; in a query anything may follow a
    /// `%`, as browsers send it.
    pub fn read(bytes: &'a [u8], method: &str) -> Result<Self, Refusal> {
        if bytes == b"*" {
            // RFC 9112 §3.2.4: "The asterisk-form of request-target is only used for a server-wide OPTIONS
            // request."
            return if method == "OPTIONS" { Ok(Self::ASTERISK) } else { Err(Refusal::TargetForm) };
        }
        let (path_end, odd_path) = run(bytes, 0, PATH);
        let (end, odd_query) = match bytes.get(path_end) {
            Some(b'?') => run(bytes, path_end + 1, QUERY),
            _ => (path_end, false),
        };
        match bytes.get(end) {
            None => {}
            Some(b'#') => return Err(Refusal::Fragment),
            Some(_) => return Err(Refusal::TargetCharacter),
        }
        if !matches!(bytes.first(), Some(b'/' | b'?')) {
            return Err(Refusal::TargetForm);
        }
        let path = bytes.get(..path_end).unwrap_or(bytes);
        let escaped = memchr::memchr(b'%', path).is_some();
        if escaped && !escapes_are_whole(path) {
            return Err(Refusal::TargetEscape);
        }
        let plain = !escaped && !has_odd_segments(path);
        // Nobody knows which letters other bytes stand for.
        let text = str::from_utf8(bytes).map_err(|_| Refusal::TargetCharacter)?;
        let path = u32::try_from(path_end).map_err(|_| Refusal::RequestLineTooLong)?;
        Ok(Self { text, path, scheme: None, plain, odd: odd_path || odd_query })
    }

    /// `http://host[:port]/path?query`. The authority counts more than `Host`.
    pub(super) fn read_absolute(bytes: &'a [u8], method: &str) -> Result<(Self, Authority<'a>), Refusal> {
        let (scheme, rest) = Scheme::split(bytes).ok_or(Refusal::TargetForm)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let authority = Authority::read(authority)?;
        let target = match rest {
            // RFC 9112 §3.2.4: an OPTIONS request with an empty path and no query asks for the server as a
            // whole.
            [] if method == "OPTIONS" => Self::ASTERISK,
            [] => Self::ROOT,
            rest => Self::read(rest, "")?,
        };
        Ok((Self { scheme: Some(scheme), ..target }, authority))
    }

    const ROOT: Self = Self { text: "/", path: 1, scheme: None, plain: true, odd: false };
    const ASTERISK: Self = Self { text: "*", path: 1, scheme: None, plain: true, odd: false };

    /// From `/` up to the query. `*` if the request is about the server as a whole.
    pub fn path(&self) -> &'a str {
        match self.path {
            // RFC 9110 §4.2.3: "an empty path component is equivalent to an absolute path of "/"".
            0 => "/",
            path => self.text.get(..path as usize).unwrap_or(self.text),
        }
    }

    /// What follows the first `?`; present and empty if nothing does.
    pub fn query(&self) -> Option<&'a str> {
        self.text.get(self.path as usize + 1..)
    }

    /// Path and query together, as sent.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether it holds characters that RFC 3986 has percent-encoded.
    pub fn is_odd(&self) -> bool {
        self.odd
    }

    /// Whether [`Target::encoded`] is what was sent.
    pub fn is_encoded(&self) -> bool {
        !self.odd && self.path > 0
    }

    /// Path and query as RFC 3986 writes them: characters that it has percent-encoded are, and the path is
    /// not empty. What was percent-encoded already stays as it is.
    pub fn encoded(&self) -> Cow<'a, str> {
        if self.is_encoded() {
            return Cow::Borrowed(self.text);
        }
        let mut encoded = String::with_capacity(self.text.len() + 16);
        if self.path == 0 {
            encoded.push('/');
        }
        for byte in self.text.bytes() {
            if octets::is(byte, ODD) {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
                encoded.extend(['%', digit(byte >> 4), digit(byte)]);
            } else {
                encoded.push(char::from(byte));
            }
        }
        Cow::Owned(encoded)
    }

    pub fn is_asterisk(&self) -> bool {
        self.text == "*"
    }

    /// The path holds no escape, no empty segment and none that begins with a dot: decoding and normalizing
    /// would leave it as it is.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// What the client named in an absolute-form target.
    /// RFC 9110 §7.4: "a request for an "https" resource MUST be rejected unless it has been received over a
    /// connection that has been secured".
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        for (scheme, prefix) in [(Self::Http, "http://"), (Self::Https, "https://")] {
            if let Some((start, rest)) = bytes.split_at_checked(prefix.len())
                && start.eq_ignore_ascii_case(prefix.as_bytes())
            {
                return Some((scheme, rest));
            }
        }
        None
    }
}

/// Where the run of `class` from `at` on ends, if odd characters may stand among its own; and whether any
/// does.
#[inline]
fn run(bytes: &[u8], at: usize, class: u8) -> (usize, bool) {
    let end = octets::run(bytes, at, class);
    match bytes.get(end) {
        Some(&byte) if octets::is(byte, ODD) => (octets::run(bytes, end, class | ODD), true),
        _ => (end, false),
    }
}

fn escapes_are_whole(path: &[u8]) -> bool {
    memchr::memchr_iter(b'%', path).all(|at| match path.get(at + 1..at + 3) {
        Some(digits) => digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00",
        None => false,
    })
}

fn has_odd_segments(path: &[u8]) -> bool {
    memchr::memchr_iter(b'/', path).any(|at| matches!(path.get(at + 1), Some(b'/' | b'.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_flags() {
        let cases: &[(&str, &str, Option<&str>, bool)] = &[
            ("/", "/", None, true),
            ("/a/b.css?x=1?y", "/a/b.css", Some("x=1?y"), true),
            ("/a?", "/a", Some(""), true),
            ("/?q={a|b^c`d\\e}[0]'%zz%", "/", Some("q={a|b^c`d\\e}[0]'%zz%"), true),
            ("/a|b[1]/:@!$&'()*+,;=~", "/a|b[1]/:@!$&'()*+,;=~", None, true),
            ("/%C3%a9", "/%C3%a9", None, false),
            ("//evil", "//evil", None, false),
            ("/a/../b", "/a/../b", None, false),
            ("/.well-known", "/.well-known", None, false),
            ("/a?b=//..%00", "/a", Some("b=//..%00"), true),
        ];
        for (text, path, query, plain) in cases {
            let target = Target::read(text.as_bytes(), "GET").unwrap();
            assert_eq!((target.path(), target.query(), target.is_plain()), (*path, *query, *plain), "{text}");
            assert_eq!(target.as_str(), *text);
        }
    }

    #[test]
    fn what_must_be_percent_encoded_is() {
        let cases: &[(&str, &str)] = &[
            ("/", "/"),
            ("/a?b=%22&c=[1]", "/a?b=%22&c=[1]"),
            (r#"/?filter={"a":2}"#, "/?filter=%7B%22a%22:2%7D"),
            ("/caf\u{e9}/\u{65e5}?\u{fc}=\u{1f600}", "/caf%C3%A9/%E6%97%A5?%C3%BC=%F0%9F%98%80"),
            ("/\u{85}\u{2028}\u{feff}", "/%C2%85%E2%80%A8%EF%BB%BF"),
            ("/a<b>^`{c}|\\\"?<>^`{}|\\\"", "/a%3Cb%3E%5E%60%7Bc%7D%7C%5C%22?%3C%3E%5E%60%7B%7D%7C%5C%22"),
        ];
        for (text, encoded) in cases {
            let target = Target::read(text.as_bytes(), "GET").unwrap();
            assert_eq!(
                (target.encoded().as_ref(), target.is_encoded()),
                (*encoded, text == encoded),
                "{text}"
            );
            let again = Target::read(encoded.as_bytes(), "GET").unwrap();
            assert_eq!((again.encoded().as_ref(), again.is_encoded()), (*encoded, true), "{text}");
        }
        let (target, _) = Target::read_absolute(b"http://a?x", "GET").unwrap();
        assert_eq!((target.path(), target.query(), target.encoded().as_ref()), ("/", Some("x"), "/?x"));
    }
}
