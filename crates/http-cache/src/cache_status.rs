//! Cache-Status (RFC 9211), and the same in nginx's words.

use std::io::Write;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::Reason;

/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// nginx's habit.
pub const X_CACHE_STATUS: HeaderName = HeaderName::from_static("x-cache-status");

/// How one request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStatus {
    pub served: CacheOutcome,
    /// Seconds of freshness left, negative when stale: [`crate::Lifetime::ttl_at`].
    pub ttl: Option<i64>,
    /// The application's status, where it was asked.
    pub fwd_status: Option<StatusCode>,
    /// The application's reply was stored.
    pub stored: bool,
    /// This request shared another one's trip to the application.
    pub collapsed: bool,
    pub detail: Option<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOutcome {
    /// From the cache, fresh.
    Hit,
    /// From the cache, stale, while one request refreshes it.
    Updating,
    /// From the cache, stale, because the application failed.
    StaleOnError,
    /// From the application.
    Forwarded(Fwd),
    /// From nowhere.
    Nothing,
}

/// Why a request went to the application (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fwd {
    /// The cache was configured to not handle this request.
    Bypass,
    /// The request method's semantics require the request to be forwarded.
    Method,
    /// The cache did not contain any responses that matched the request URI.
    UriMiss,
    /// The cache contained a response that matched the request URI, but could not select a response by Vary.
    VaryMiss,
    /// The cache did not contain any responses that could be used to satisfy this request, for a reason that
    /// is not known.
    Miss,
    /// The cache was able to select a fresh response, but the request's semantics did not allow its use.
    Request,
    /// The cache was able to select a response for the request, but it was stale.
    Stale,
    /// The cache was able to select a partial response, but it did not contain all of the requested ranges.
    Partial,
}

impl Fwd {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl CacheStatus {
    pub const fn new(served: CacheOutcome) -> Self {
        Self { served, ttl: None, fwd_status: None, stored: false, collapsed: false, detail: None }
    }

    /// A request that [`crate::Policy::look`] passed.
    pub const fn passed(reason: Reason) -> Self {
        let fwd = match reason {
            Reason::Method => Fwd::Method,
            Reason::RequestBody
            | Reason::RequestDirective
            | Reason::RequestNoStore
            | Reason::KeyField
            | Reason::Target => Fwd::Request,
            _ => Fwd::Bypass,
        };
        Self { detail: Some(reason), ..Self::new(CacheOutcome::Forwarded(fwd)) }
    }

    /// Neither answered from the cache nor forwarded: the request wants a stored reply or none.
    pub const fn nothing_stored() -> Self {
        Self { detail: Some(Reason::OnlyIfCached), ..Self::new(CacheOutcome::Nothing) }
    }

    /// The field's value: `weir; hit; ttl=5`, `weir; fwd=uri-miss; fwd-status=200; stored`.
    pub fn to_value(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(96);
        self.write(&mut text);
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(HeaderValue::from_static("weir"))
    }

    /// The value with the name of the field that the detail is about: `detail="personal-field: x-api-key"`.
    pub fn to_value_naming(&self, field: &HeaderName) -> HeaderValue {
        let mut text = Vec::with_capacity(128);
        Self { detail: None, ..*self }.write(&mut text);
        if let Some(reason) = self.detail {
            // A field's name is a token, which needs no escapes in a String. Writing to a Vec cannot fail.
            let _ = write!(text, "; detail=\"{}: {field}\"", reason.as_str());
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or(HeaderValue::from_static("weir"))
    }

    /// Appends the value to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"weir");
        match self.served {
            // "indicates that the request was satisfied by the cache; that is, it was not forwarded, and the
            // response was obtained from the cache." (section 2.1)
            CacheOutcome::Hit | CacheOutcome::Updating => out.extend_from_slice(b"; hit"),
            CacheOutcome::StaleOnError => push(out, "; fwd=", Fwd::Stale.as_str()),
            CacheOutcome::Forwarded(fwd) => push(out, "; fwd=", fwd.as_str()),
            CacheOutcome::Nothing => {}
        }
        if let Some(status) = self.fwd_status {
            push(out, "; fwd-status=", status.as_str());
        }
        if let Some(ttl) = self.ttl {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "; ttl={ttl}");
        }
        if self.stored {
            out.extend_from_slice(b"; stored");
        }
        if self.collapsed {
            out.extend_from_slice(b"; collapsed");
        }
        if let Some(reason) = self.detail {
            push(out, "; detail=", reason.as_str());
        }
    }

    /// Whether it is a reply, and not the request, that keeps the cache out.
    const fn is_for_a_reply(&self) -> bool {
        matches!(
            self.detail,
            Some(
                Reason::Status
                    | Reason::Partial
                    | Reason::NoStore
                    | Reason::Private
                    | Reason::NoCache
                    | Reason::AccelExpires
                    | Reason::SetCookie
                    | Reason::VaryStar
                    | Reason::Vary
                    | Reason::InvalidFreshness
                    | Reason::Expired
                    | Reason::NoFreshness
                    | Reason::TooLarge
                    | Reason::NoRoom
                    | Reason::HitForMiss
                    | Reason::UncacheableReply
            )
        )
    }

    /// The word of nginx's $upstream_cache_status, for X-Cache-Status.
    pub const fn nginx_word(&self) -> &'static str {
        match self.served {
            CacheOutcome::Hit => "HIT",
            CacheOutcome::Updating => "UPDATING",
            CacheOutcome::StaleOnError => "STALE",
            CacheOutcome::Forwarded(Fwd::Stale | Fwd::Request)
                if matches!(self.fwd_status, Some(StatusCode::NOT_MODIFIED)) && self.stored =>
            {
                "REVALIDATED"
            }
            CacheOutcome::Forwarded(Fwd::Stale) => "EXPIRED",
            // The cache was asked, but a reply before this one could not be stored.
            CacheOutcome::Forwarded(Fwd::Bypass) if self.is_for_a_reply() => "MISS",
            CacheOutcome::Forwarded(Fwd::Bypass | Fwd::Method | Fwd::Request) => "BYPASS",
            CacheOutcome::Forwarded(Fwd::UriMiss | Fwd::VaryMiss | Fwd::Miss | Fwd::Partial)
            | CacheOutcome::Nothing => "MISS",
        }
    }
}

fn push(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use sfv::{List, Parser};

    use super::*;

    #[test]
    fn values() {
        let fwd = |fwd| CacheStatus::new(CacheOutcome::Forwarded(fwd));
        let cases = [
            (CacheStatus { ttl: Some(5), ..CacheStatus::new(CacheOutcome::Hit) }, "weir; hit; ttl=5", "HIT"),
            (
                CacheStatus { ttl: Some(-2), ..CacheStatus::new(CacheOutcome::Updating) },
                "weir; hit; ttl=-2",
                "UPDATING",
            ),
            (
                CacheStatus {
                    ttl: Some(-30),
                    fwd_status: Some(StatusCode::BAD_GATEWAY),
                    detail: Some(Reason::OriginFailed),
                    ..CacheStatus::new(CacheOutcome::StaleOnError)
                },
                "weir; fwd=stale; fwd-status=502; ttl=-30; detail=origin-failed",
                "STALE",
            ),
            (
                CacheStatus {
                    fwd_status: Some(StatusCode::OK),
                    stored: true,
                    collapsed: true,
                    ..fwd(Fwd::UriMiss)
                },
                "weir; fwd=uri-miss; fwd-status=200; stored; collapsed",
                "MISS",
            ),
            (
                CacheStatus { detail: Some(Reason::SetCookie), ..fwd(Fwd::Stale) },
                "weir; fwd=stale; detail=set-cookie",
                "EXPIRED",
            ),
            (
                CacheStatus { fwd_status: Some(StatusCode::NOT_MODIFIED), stored: true, ..fwd(Fwd::Stale) },
                "weir; fwd=stale; fwd-status=304; stored",
                "REVALIDATED",
            ),
            (CacheStatus::nothing_stored(), "weir; detail=only-if-cached", "MISS"),
            (CacheStatus::passed(Reason::Method), "weir; fwd=method; detail=method", "BYPASS"),
            (CacheStatus::passed(Reason::Bypass), "weir; fwd=bypass; detail=bypass", "BYPASS"),
            (CacheStatus::passed(Reason::RequestBody), "weir; fwd=request; detail=request-body", "BYPASS"),
            (CacheStatus::passed(Reason::HitForMiss), "weir; fwd=bypass; detail=hit-for-miss", "MISS"),
        ];
        for (status, value, word) in cases {
            assert_eq!((status.to_value().to_str().unwrap(), status.nginx_word()), (value, word));
        }
    }

    #[test]
    fn a_field_is_named_in_a_string() {
        let value =
            CacheStatus::passed(Reason::PersonalField).to_value_naming(&HeaderName::from_static("x-api-key"));
        assert_eq!(value, "weir; fwd=bypass; detail=\"personal-field: x-api-key\"");
        assert!(Parser::new(value.as_bytes()).parse::<List>().is_ok());
    }

    #[test]
    fn every_value_is_a_structured_field() {
        for reason in Reason::ALL {
            let status =
                CacheStatus { stored: true, ttl: Some(i64::from(i32::MIN)), ..CacheStatus::passed(*reason) };
            let value = status.to_value();
            let list: List = Parser::new(value.as_bytes()).parse().unwrap();
            assert_eq!(list.len(), 1, "{value:?}");
        }
    }
}
