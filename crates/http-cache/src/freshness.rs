//! Freshness lifetime (RFC 9111 section 4.2.1), and which field or setting it comes from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderName};

use crate::cache_control::{self, Delta, ReplyDirectives, delta_seconds};
use crate::date::Date;
use crate::targeted::{self, CDN_CACHE_CONTROL, SURROGATE_CONTROL, WEIR_CACHE_CONTROL};
use crate::{Policy, Reason};

pub(crate) const X_ACCEL_EXPIRES: HeaderName = HeaderName::from_static("x-accel-expires");

/// Where a lifetime comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    XAccelExpires,
    WeirCacheControl,
    CdnCacheControl,
    SMaxage,
    MaxAge,
    Expires,
    /// A part of the time since Last-Modified, by the location's `heuristic`.
    Heuristic,
    /// The location's `ttl`.
    Setting,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XAccelExpires => "X-Accel-Expires",
            Self::WeirCacheControl => "Weir-Cache-Control",
            Self::CdnCacheControl => "CDN-Cache-Control",
            Self::SMaxage => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "Expires",
            Self::Heuristic => "setting heuristic",
            Self::Setting => "setting ttl",
        }
    }
}

impl Source {
    /// The RFC section or the setting that it comes from.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::XAccelExpires => "field X-Accel-Expires, as nginx has it",
            Self::WeirCacheControl | Self::CdnCacheControl => "RFC 9213 section 2.2",
            Self::SMaxage => "RFC 9111 section 5.2.2.10",
            Self::MaxAge => "RFC 9111 section 5.2.2.1",
            Self::Expires => "RFC 9111 section 5.3",
            Self::Heuristic => "RFC 9111 section 4.2.2, setting heuristic",
            Self::Setting => "RFC 9111 section 4.2.2, setting ttl",
        }
    }
}

/// The one field that governs how a reply is cached; what the fields below it say is not looked at.
pub(crate) enum GoverningField {
    /// As nginx has it, and like a targeted field: X-Accel-Expires comes before all of Cache-Control and
    /// Expires. Cache-Control is still asked whether the reply may be shared.
    XAccelExpires(Accel, ReplyDirectives),
    Targeted(Source, ReplyDirectives),
    CacheControl(ReplyDirectives),
}

/// What X-Accel-Expires says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    /// 0, or a time in the past.
    Never,
    /// From when the reply was received.
    For(Duration),
    Invalid,
}

impl GoverningField {
    pub(crate) fn of(policy: &Policy, headers: &HeaderMap, now: SystemTime) -> Self {
        let looked_at =
            |name: &HeaderName| headers.contains_key(name) && !policy.ignore_fields.contains(name);
        let cache_control = || {
            let lines = headers.get_all(CACHE_CONTROL).iter().filter(|_| looked_at(&CACHE_CONTROL));
            ReplyDirectives::collect(cache_control::directives(lines))
        };
        // What is said to all surrogates, unless the reply says something to us alone.
        let forbidden = || looked_at(&SURROGATE_CONTROL) && targeted::surrogates_must_not_store(headers);
        let unless_forbidden = |said: ReplyDirectives| {
            let no_store = said.no_store || forbidden();
            ReplyDirectives { no_store, ..said }
        };
        if looked_at(&X_ACCEL_EXPIRES) {
            return Self::XAccelExpires(accel(headers, now), cache_control());
        }
        // RFC 9213 section 2.2: "the cache MUST select the first (in target list order) field with a valid,
        // non-empty value and use its value to determine the caching policy for the response, and it MUST
        // ignore the Cache-Control and Expires header fields in that response".
        for (name, source) in
            [(&WEIR_CACHE_CONTROL, Source::WeirCacheControl), (&CDN_CACHE_CONTROL, Source::CdnCacheControl)]
        {
            if looked_at(name)
                && let Some(directives) = targeted::directives(headers, name)
            {
                let ours = source == Source::WeirCacheControl;
                return Self::Targeted(source, if ours { directives } else { unless_forbidden(directives) });
            }
        }
        Self::CacheControl(unless_forbidden(cache_control()))
    }

    /// The directives that forbid and permit storing and stale use.
    pub(crate) fn directives(&self) -> ReplyDirectives {
        match self {
            Self::XAccelExpires(_, cache_control) => ReplyDirectives {
                public: cache_control.public,
                s_maxage: cache_control.s_maxage,
                ..Default::default()
            },
            Self::Targeted(_, directives) | Self::CacheControl(directives) => directives.clone(),
        }
    }

    /// The freshness lifetime that the reply itself gives, counted from age 0; none if it gives none.
    pub(crate) fn lifetime(
        &self,
        policy: &Policy,
        headers: &HeaderMap,
        age: Duration,
        now: SystemTime,
    ) -> Result<Option<(Duration, Source)>, Reason> {
        let directives = match self {
            Self::XAccelExpires(Accel::Never, _) => return Err(Reason::AccelExpires),
            Self::XAccelExpires(Accel::Invalid, _) => return Err(Reason::InvalidFreshness),
            Self::XAccelExpires(Accel::For(ttl), _) => {
                return Ok(Some((age.saturating_add(*ttl), Source::XAccelExpires)));
            }
            Self::Targeted(_, directives) | Self::CacheControl(directives) => directives,
        };
        let source = |otherwise| if let Self::Targeted(source, _) = self { *source } else { otherwise };
        // "If the cache is shared and the s-maxage response directive is present, use its value, or"
        // "If the max-age response directive is present, use its value, or" (section 4.2.1)
        for (delta, name) in [(directives.s_maxage, Source::SMaxage), (directives.max_age, Source::MaxAge)] {
            match delta {
                Delta::Valid(ttl) => return Ok(Some((ttl, source(name)))),
                // "Caches are encouraged to consider responses that have invalid freshness information (e.g.,
                // a max-age directive with non-integer content) to be stale."
                Delta::Invalid => return Err(Reason::InvalidFreshness),
                Delta::Absent => {}
            }
        }
        if matches!(self, Self::Targeted(..)) || policy.ignore_fields.contains(&EXPIRES) {
            return Ok(None);
        }
        // "If the Expires response header field is present, use its value minus the value of the Date
        // response header field" (section 4.2.1)
        match Date::of(headers, &EXPIRES, now) {
            Date::Absent => Ok(None),
            Date::Valid(expires) => {
                // A Date that is missing or makes no sense: the time of receipt (RFC 9110 section 6.6.1).
                let date = Date::of(headers, &DATE, now).valid().unwrap_or(now);
                Ok(Some((expires.duration_since(date).unwrap_or_default(), Source::Expires)))
            }
            // "A cache recipient MUST interpret invalid date formats, especially the value "0", as
            // representing a time in the past (i.e., "already expired")." (section 5.3)
            Date::Invalid => Ok(Some((Duration::ZERO, Source::Expires))),
        }
    }
}

/// X-Accel-Expires: seconds, or `@` and a time in seconds since the epoch; 0 forbids.
fn accel(headers: &HeaderMap, now: SystemTime) -> Accel {
    let mut lines = headers.get_all(X_ACCEL_EXPIRES).iter();
    let first = lines.next().map(|line| line.as_bytes()).unwrap_or_default();
    if lines.any(|line| line.as_bytes() != first) {
        return Accel::Invalid;
    }
    let ttl = match first {
        [b'@', time @ ..] => {
            let time = std::str::from_utf8(time).ok().filter(|time| time.bytes().all(|b| b.is_ascii_digit()));
            let Some(time) = time.and_then(|time| time.parse().ok()) else { return Accel::Invalid };
            let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            Duration::from_secs(time).saturating_sub(since_epoch)
        }
        seconds => match delta_seconds(seconds) {
            Some(ttl) => ttl,
            None => return Accel::Invalid,
        },
    };
    if ttl.is_zero() { Accel::Never } else { Accel::For(ttl) }
}
