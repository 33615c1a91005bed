//! The fields that steer message and connection: how long the body is, whether the connection stays, which
//! host is meant.

use super::known::{KnownField, KnownFields};
use super::request_line::RequestLine;
use super::{Authority, Fields, Framing, Head, Refusal, Version};
use crate::octets;

/// Sent once or not at all: who takes the first and who takes the last would see two requests. The list is
/// nginx's and `Range`, `Content-Type`, `Upgrade`; without `If-Match` and `If-None-Match`, which are lists
/// (RFC 9110 §13.1).
const SINGLE: KnownFields = KnownFields::of(&[
    KnownField::Authorization,
    KnownField::ContentLength,
    KnownField::ContentType,
    KnownField::Expect,
    KnownField::Host,
    KnownField::IfModifiedSince,
    KnownField::IfRange,
    KnownField::IfUnmodifiedSince,
    KnownField::Range,
    KnownField::TransferEncoding,
    KnownField::Upgrade,
]);

/// The known names that `Connection` may list: they are about the connection, and are not handed on in any
/// case.
const CONNECTIONS_OWN: KnownFields = KnownFields::of(&[
    KnownField::Http2Settings,
    KnownField::KeepAlive,
    KnownField::ProxyConnection,
    KnownField::Te,
    KnownField::Trailer,
    KnownField::Upgrade,
]);

/// More options than any client sends, few enough to compare each with each field.
const MAX_OPTIONS: usize = 16;

/// What the fields read so far say.
#[derive(Default)]
pub(super) struct Control<'a> {
    pub(super) seen: KnownFields,
    pub(super) host: Option<Authority<'a>>,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    upgrade: Option<&'a str>,
    upgrade_listed: bool,
    expect_continue: bool,
    options: usize,
    /// `Connection` lists a name that is not known to be the connection's own.
    pub(super) nominates: bool,
}

impl<'a> Control<'a> {
    #[inline]
    pub(super) fn take(
        &mut self,
        known: KnownField,
        value: &'a [u8],
        version: Version,
    ) -> Result<(), Refusal> {
        if self.seen.has(known) && SINGLE.has(known) {
            return Err(Refusal::FieldRepeated);
        }
        self.seen.add(known);
        match known {
            KnownField::Host => self.host = Some(Authority::read(value)?),
            KnownField::Connection => self.connection(value)?,
            KnownField::ContentLength => self.length = Some(content_length(value)?),
            KnownField::TransferEncoding => self.transfer_encoding(value, version)?,
            KnownField::Expect => self.expect(value)?,
            KnownField::Upgrade => {
                self.upgrade = str::from_utf8(value).ok().filter(|protocols| !protocols.is_empty())
            }
            _ => {}
        }
        // RFC 9112 §6.1: a message with both "ought to be handled as an error".
        if self.chunked && self.length.is_some() { Err(Refusal::TwoLengths) } else { Ok(()) }
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in options(value) {
            self.options += 1;
            let known = KnownField::of(option);
            if self.options > MAX_OPTIONS || !option.iter().copied().all(octets::is_tchar) {
                return Err(Refusal::Connection);
            }
            // RFC 9110 §7.6.1: "A sender MUST NOT send a connection option corresponding to a field that is
            // intended for all recipients of the content." Removing such a field on request would let a
            // client strip what is decided by it.
            if known != KnownField::Other && !CONNECTIONS_OWN.has(known) {
                return Err(Refusal::Nominated);
            }
            match known {
                KnownField::KeepAlive => self.keep_alive = true,
                KnownField::Upgrade => self.upgrade_listed = true,
                KnownField::Other if option.eq_ignore_ascii_case(b"close") => self.close = true,
                KnownField::Other => self.nominates = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8], version: Version) -> Result<(), Refusal> {
        // RFC 9112 §6.1: in HTTP/1.0 "the framing is faulty, even if a Content-Length is present".
        if version == Version::Http10 {
            return Err(Refusal::TransferEncodingOld);
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        let mut codings = options(value).rev();
        let ends_chunked = codings.next().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked"));
        let mut others = codings.peekable();
        let compressed = others.peek().is_some() && others.all(is_compression);
        // RFC 9112 §6.1: a coding that is not understood is answered with 501; anything else is meant to be
        // misunderstood.
        Err(if ends_chunked && compressed { Refusal::TransferCoding } else { Refusal::TransferEncoding })
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        match value {
            // RFC 9110 §10.1.1: `Expect = #expectation`, a list that may be empty.
            b"" => Ok(()),
            _ if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expect_continue = true;
                Ok(())
            }
            _ => Err(Refusal::Expectation),
        }
    }

    /// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
    /// message that lacks a Host header field".
    pub(super) fn lacks_host(&self, version: Version) -> bool {
        self.host.is_none() && version == Version::Http11
    }

    /// What the whole head says, once its last field is taken.
    #[inline]
    pub(super) fn head(self, line: &RequestLine<'a>, fields: Fields<'a>) -> Head<'a> {
        let framing = match self.length {
            _ if self.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        };
        let keep_alive = match line.version {
            Version::Http11 => !self.close,
            // Without Content-Length a body would begin here and end nowhere: what follows is not taken for a
            // request.
            Version::Http10 => {
                let end_is_clear = self.length.is_some() || matches!(line.method, "GET" | "HEAD" | "OPTIONS");
                self.keep_alive && !self.close && end_is_clear
            }
        };
        let modern = line.version == Version::Http11;
        Head {
            method: line.method,
            target: line.target,
            version: line.version,
            // RFC 9112 §3.2.2: a server "MUST ignore the received Host header field (if any) and instead use
            // the host information of the request-target".
            host: line.authority.or(self.host),
            framing,
            keep_alive,
            // RFC 9110 §10.1.1: in HTTP/1.0 it is ignored; without content there is nothing to wait for.
            expect_continue: self.expect_continue && modern && framing.has_body(),
            // RFC 9110 §7.8: in HTTP/1.0 it is ignored, and its sender must list it in Connection.
            upgrade: self.upgrade.filter(|_| modern && self.upgrade_listed),
            seen: self.seen,
            fields,
        }
    }
}

/// The elements of a list. RFC 9110 §5.6.1: a recipient must "parse and ignore a reasonable number of empty
/// list elements".
pub(super) fn options(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

fn is_compression(coding: &[u8]) -> bool {
    const REGISTERED: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
    REGISTERED.iter().any(|name| coding.eq_ignore_ascii_case(name))
}

/// RFC 9110 §8.6: `1*DIGIT`. No list, sign or leading zero, and no more than a `u64`.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let odd = value.len() > 1 && value.starts_with(b"0");
    if odd || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLength);
    }
    str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(Refusal::ContentLength)
}
