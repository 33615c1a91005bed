//! The first line: `METHOD SP target SP HTTP/1.x CR LF`, one space each.

use super::line::{self, Stop};
use super::{Authority, Limits, Refusal, Target, Version};
use crate::octets::{self, METHOD};

/// Longer than any registered method.
const MAX_METHOD: usize = 32;

const VERSION_LENGTH: usize = "HTTP/1.1".len();

pub(super) struct RequestLine<'a> {
    pub(super) method: &'a str,
    pub(super) target: Target<'a>,
    /// The authority of an absolute-form target.
    pub(super) authority: Option<Authority<'a>>,
    pub(super) version: Version,
    /// Where the next line begins.
    pub(super) end: usize,
}

/// Where the request line begins: after at most one empty line. Refused at once if the byte there can begin
/// none.
///
/// RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one
/// empty line (CRLF) received prior to the request-line." One it is: some clients end a body with it, none
/// sends more.
pub(super) fn start(bytes: &[u8], bare_line_feeds: bool) -> Result<usize, Refusal> {
    let start = match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] if bare_line_feeds => 1,
        _ => 0,
    };
    match bytes.get(start) {
        None => Ok(start),
        Some(&byte) if octets::is(byte, METHOD) => Ok(start),
        Some(b'\r') if bytes.len() == 1 => Ok(start),
        Some(b'\r' | b'\n') if start > 0 => Err(Refusal::EmptyLines),
        Some(b'\r') => Err(Refusal::BareCarriageReturn),
        Some(b'\n') => Err(Refusal::BareLineFeed),
        Some(b' ' | b'\t') => Err(Refusal::Folded),
        Some(0x21..=0x7e) => Err(Refusal::Method),
        Some(_) => Err(Refusal::NotHttp),
    }
}

#[inline]
pub(super) fn read<'a>(bytes: &'a [u8], at: usize, limits: &Limits) -> Result<RequestLine<'a>, Stop> {
    let method_end = octets::run(bytes, at, METHOD);
    match bytes.get(method_end) {
        None => return Err(Stop::More),
        // RFC 9112 §3: "a method longer than any that it implements SHOULD" be answered with 501.
        Some(_) if method_end - at > MAX_METHOD => return Err(Refusal::MethodTooLong.into()),
        Some(b' ') if method_end > at => {}
        Some(_) => return Err(Refusal::Method.into()),
    }
    let method = bytes.get(at..method_end).and_then(name).ok_or(Refusal::Method)?;

    let target_start = method_end + 1;
    let after = bytes.get(target_start..).unwrap_or_default();
    let length = memchr::memchr2(b' ', b'\n', after).ok_or(Stop::More)?;
    if length > limits.target {
        return Err(Refusal::RequestLineTooLong.into());
    }
    let target_end = target_start + length;
    if length == 0 || bytes.get(target_end) == Some(&b'\n') {
        return Err(Refusal::RequestLine.into());
    }
    // RFC 9113 §11.6: PRI "has been registered" so that nobody uses it: it begins the preface of HTTP/2.
    if matches!(method, "CONNECT" | "TRACE" | "PRI") {
        return Err(Refusal::MethodNotServed.into());
    }
    let target = after.get(..length).unwrap_or_default();
    let (target, authority) = match target.first() {
        Some(b'/' | b'*') => (Target::read(target, method)?, None),
        Some(b'?') => return Err(Refusal::TargetForm.into()),
        _ => Target::read_absolute(target, method).map(|(target, authority)| (target, Some(authority)))?,
    };

    if limits.strict_targets && target.is_odd() {
        return Err(Refusal::TargetCharacter.into());
    }

    let version_start = target_end + 1;
    let version_end = version_start + VERSION_LENGTH;
    let version = match bytes.get(version_start..version_end) {
        // RFC 9110 §6.2: one with a higher minor version is processed "as if it were in the highest minor
        // version within that major version to which the recipient is conformant".
        Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9']) => Version::Http11,
        Some(b"HTTP/1.0") => Version::Http10,
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Refusal::Version.into());
        }
        _ => return Err(Refusal::RequestLine.into()),
    };
    let end = line::end(bytes, version_end, limits.bare_line_feeds, Refusal::RequestLine)?;
    Ok(RequestLine { method, target, authority, version, end })
}

/// The usual ones are not worth the search for what is not text.
fn name(method: &[u8]) -> Option<&str> {
    match method {
        b"GET" => Some("GET"),
        b"HEAD" => Some("HEAD"),
        b"POST" => Some("POST"),
        _ => str::from_utf8(method).ok(),
    }
}
