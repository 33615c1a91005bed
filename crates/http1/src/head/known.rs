//! The field names that something in the edge acts on: recognized once, while the head is read, and never
//! searched for again.

use http::HeaderName;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, REFERER, USER_AGENT,
};

/// A field name that the edge acts on, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KnownField {
    Other,
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    Authorization,
    CacheControl,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    KeepAlive,
    /// Any other that browsers add of themselves and that tells nothing of who asks: `Sec-…`, `DNT`,
    /// `Priority` and the like.
    Neutral,
    Pragma,
    ProxyConnection,
    Range,
    Referer,
    Te,
    Traceparent,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    /// `X-Forwarded-For` and its kin, which tell of the way and not of the visitor.
    XForwarded,
    XRealIp,
}

impl KnownField {
    pub fn of(name: &[u8]) -> Self {
        const CASE: u32 = 0x2020_2020;
        if let Some(start) = name.first_chunk::<4>()
            && u32::from_le_bytes(*start) | CASE == u32::from_le_bytes(*b"sec-")
        {
            return Self::Neutral;
        }
        let (known, spelling) = match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
            (2, Some(b't')) => (Self::Te, "te"),
            (3, Some(b'd')) => (Self::Neutral, "dnt"),
            (4, Some(b'h')) => (Self::Host, "host"),
            (5, Some(b'r')) => (Self::Range, "range"),
            (6, Some(b'a')) => (Self::Accept, "accept"),
            (6, Some(b'c')) => (Self::Cookie, "cookie"),
            (6, Some(b'e')) => (Self::Expect, "expect"),
            (6, Some(b'p')) => (Self::Pragma, "pragma"),
            (7, Some(b'r')) => (Self::Referer, "referer"),
            (7, Some(b't')) => (Self::Trailer, "trailer"),
            (7, Some(b'u')) => (Self::Upgrade, "upgrade"),
            (8, Some(b'i')) if matches!(name.get(3), Some(b'r' | b'R')) => (Self::IfRange, "if-range"),
            (8, Some(b'i')) => (Self::IfMatch, "if-match"),
            (8, Some(b'p')) => (Self::Neutral, "priority"),
            (9, Some(b's')) => (Self::Neutral, "save-data"),
            (9, Some(b'f')) => (Self::Forwarded, "forwarded"),
            (9, Some(b'x')) => (Self::XRealIp, "x-real-ip"),
            (10, Some(b'c')) => (Self::Connection, "connection"),
            (10, Some(b'k')) => (Self::KeepAlive, "keep-alive"),
            (10, Some(b'u')) => (Self::UserAgent, "user-agent"),
            (11, Some(b't')) => (Self::Traceparent, "traceparent"),
            (12, Some(b'c')) => (Self::ContentType, "content-type"),
            (13, Some(b'a')) => (Self::Authorization, "authorization"),
            (13, Some(b'c')) => (Self::CacheControl, "cache-control"),
            (13, Some(b'i')) => (Self::IfNoneMatch, "if-none-match"),
            (14, Some(b'c')) => (Self::ContentLength, "content-length"),
            (14, Some(b'h')) => (Self::Http2Settings, "http2-settings"),
            (15, Some(b'a')) if matches!(name.get(7), Some(b'e' | b'E')) => {
                (Self::AcceptEncoding, "accept-encoding")
            }
            (15, Some(b'a')) => (Self::AcceptLanguage, "accept-language"),
            (16, Some(b'p')) => (Self::ProxyConnection, "proxy-connection"),
            (17, Some(b'i')) => (Self::IfModifiedSince, "if-modified-since"),
            (17, Some(b't')) => (Self::TransferEncoding, "transfer-encoding"),
            (19, Some(b'i')) => (Self::IfUnmodifiedSince, "if-unmodified-since"),
            (25, Some(b'u')) => (Self::Neutral, "upgrade-insecure-requests"),
            (15.., Some(b'x')) => return Self::of_way(name),
            _ => return Self::Other,
        };
        if is_spelled(name, spelling.as_bytes()) { known } else { Self::Other }
    }

    /// The name for a header map, without a look-up: of the fields that most requests hold, and of those that
    /// decide which part of a page is sent. `None`: it must be looked up.
    pub fn name(self) -> Option<HeaderName> {
        Some(match self {
            Self::Accept => ACCEPT,
            Self::AcceptEncoding => ACCEPT_ENCODING,
            Self::AcceptLanguage => ACCEPT_LANGUAGE,
            Self::Authorization => AUTHORIZATION,
            Self::CacheControl => CACHE_CONTROL,
            Self::ContentType => CONTENT_TYPE,
            Self::Cookie => COOKIE,
            Self::IfMatch => IF_MATCH,
            Self::IfModifiedSince => IF_MODIFIED_SINCE,
            Self::IfNoneMatch => IF_NONE_MATCH,
            Self::IfRange => IF_RANGE,
            Self::IfUnmodifiedSince => IF_UNMODIFIED_SINCE,
            Self::Range => RANGE,
            Self::Referer => REFERER,
            Self::UserAgent => USER_AGENT,
            _ => return None,
        })
    }

    fn of_way(name: &[u8]) -> Self {
        const PREFIX: &str = "x-forwarded-";
        let rest = name.get(PREFIX.len()..).unwrap_or_default();
        let is_listed = || FORWARDED.iter().any(|other| rest.eq_ignore_ascii_case(other.as_bytes()));
        if is_spelled(name, PREFIX.as_bytes()) && is_listed() { Self::XForwarded } else { Self::Other }
    }
}

/// What may follow `x-forwarded-`. Of others, such as `X-Forwarded-User`, nothing is known here.
const FORWARDED: &[&str] = &["for", "proto", "host", "port", "ssl", "server", "prefix", "scheme", "protocol"];

/// Whether `name`, a token, begins with `spelling` in any case. Letters that differ in case differ in one
/// bit, which `-` and the digits have set; no other token character becomes one of these by setting it.
fn is_spelled(name: &[u8], spelling: &[u8]) -> bool {
    const CASE: u8 = 0x20;
    let Some(start) = name.get(..spelling.len()) else { return false };
    let (words, rest) = start.as_chunks::<8>();
    let (spelled_words, spelled_rest) = spelling.as_chunks::<8>();
    let differs = |(a, b): (&[u8; 8], &[u8; 8])| {
        (u64::from_le_bytes(*a) | u64::from_le_bytes([CASE; 8])) != u64::from_le_bytes(*b)
    };
    !words.iter().zip(spelled_words).any(differs)
        && rest.iter().zip(spelled_rest).all(|(a, b)| a | CASE == *b)
}

/// A set of known names: those that a head holds, or those that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KnownFields(u64);

impl KnownFields {
    pub const fn of(names: &[KnownField]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < names.len() {
            bits |= Self::bit(names[index]);
            index += 1;
        }
        Self(bits)
    }

    pub fn has(self, name: KnownField) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// Whether the two have a name in common.
    pub fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    pub(super) fn add(&mut self, name: KnownField) {
        self.0 |= Self::bit(name);
    }

    const fn bit(name: KnownField) -> u64 {
        1 << name as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_is_that_which_was_sent() {
        let names = [
            ACCEPT,
            ACCEPT_ENCODING,
            ACCEPT_LANGUAGE,
            AUTHORIZATION,
            CACHE_CONTROL,
            CONTENT_TYPE,
            COOKIE,
            IF_MATCH,
            IF_MODIFIED_SINCE,
            IF_NONE_MATCH,
            IF_RANGE,
            IF_UNMODIFIED_SINCE,
            RANGE,
            REFERER,
            USER_AGENT,
        ];
        for name in names {
            assert_eq!(KnownField::of(name.as_str().as_bytes()).name(), Some(name));
        }
        for name in ["host", "dnt", "x-forwarded-for", "x-own"] {
            assert_eq!(KnownField::of(name.as_bytes()).name(), None, "{name}");
        }
    }

    #[test]
    fn every_name_is_recognized_in_any_case() {
        let names: &[(&str, KnownField)] = &[
            ("Accept", KnownField::Accept),
            ("Accept-Encoding", KnownField::AcceptEncoding),
            ("Accept-Language", KnownField::AcceptLanguage),
            ("Authorization", KnownField::Authorization),
            ("Cache-Control", KnownField::CacheControl),
            ("Connection", KnownField::Connection),
            ("Content-Length", KnownField::ContentLength),
            ("Content-Type", KnownField::ContentType),
            ("Cookie", KnownField::Cookie),
            ("Expect", KnownField::Expect),
            ("Forwarded", KnownField::Forwarded),
            ("Host", KnownField::Host),
            ("HTTP2-Settings", KnownField::Http2Settings),
            ("If-Match", KnownField::IfMatch),
            ("If-Modified-Since", KnownField::IfModifiedSince),
            ("If-None-Match", KnownField::IfNoneMatch),
            ("If-Range", KnownField::IfRange),
            ("If-Unmodified-Since", KnownField::IfUnmodifiedSince),
            ("Keep-Alive", KnownField::KeepAlive),
            ("Pragma", KnownField::Pragma),
            ("Proxy-Connection", KnownField::ProxyConnection),
            ("Range", KnownField::Range),
            ("Referer", KnownField::Referer),
            ("TE", KnownField::Te),
            ("Traceparent", KnownField::Traceparent),
            ("Trailer", KnownField::Trailer),
            ("Transfer-Encoding", KnownField::TransferEncoding),
            ("Upgrade", KnownField::Upgrade),
            ("User-Agent", KnownField::UserAgent),
            ("X-Forwarded-For", KnownField::XForwarded),
            ("X-Forwarded-Protocol", KnownField::XForwarded),
            ("DNT", KnownField::Neutral),
            ("Priority", KnownField::Neutral),
            ("Save-Data", KnownField::Neutral),
            ("Sec-CH-UA", KnownField::Neutral),
            ("Sec-Fetch-Site", KnownField::Neutral),
            ("Upgrade-Insecure-Requests", KnownField::Neutral),
            ("X-Real-IP", KnownField::XRealIp),
        ];
        let mut seen = KnownFields::default();
        for (name, known) in names {
            for spelling in [(*name).to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(KnownField::of(spelling.as_bytes()), *known, "{spelling}");
            }
            let near = name.replace(['e', 'i', 'a'], "j");
            assert_eq!(
                KnownField::of(near.as_bytes()),
                if near == *name { *known } else { KnownField::Other },
                "{near}"
            );
            let group = matches!(*known, KnownField::XForwarded | KnownField::Neutral);
            assert!(!seen.has(*known) || group, "{name} shares its bit");
            seen.add(*known);
        }
        for name in [
            "",
            "X",
            "X-Forwarded",
            "X-Forwarder-For",
            "X-Forwarded-User",
            "Section",
            "Signature",
            "Accept-Charset",
            "If-Nothing",
            "Hosts",
        ] {
            assert_eq!(KnownField::of(name.as_bytes()), KnownField::Other, "{name}");
        }
    }
}
