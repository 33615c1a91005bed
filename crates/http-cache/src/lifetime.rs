//! How long a stored reply may be used, and what it is good for at a given age.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use crate::freshness::Source;
use crate::holes::WITH_HOLES;
use crate::policy::jitter::Jitter;

/// How long and for whom a reply may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Freshness lifetime, counted from age 0.
    pub ttl: Duration,
    /// How long past `ttl` it may be served while one request refreshes it.
    pub stale_while_revalidate: Duration,
    /// How long past `ttl` it may be served when the application fails.
    pub stale_if_error: Duration,
    /// Its age when it was received (RFC 9111 section 4.2.3, corrected_initial_age).
    pub age: Duration,
    /// The request fields that selected it: sorted, lower-case, never Cookie.
    pub vary: Vec<HeaderName>,
    /// The reply itself says that it may be shared: also with visitors who carry a personal cookie or
    /// Authorization. A page that is not shared must be searched for a CSRF token before it is stored, see
    /// [`crate::csrf`].
    pub shared: bool,
    /// Never to be used without asking the application first: kept for its validators alone.
    pub validate: bool,
    /// Where `ttl` comes from.
    pub source: Source,
}

impl Lifetime {
    /// Shortens what is left of it, never lengthens it: the reply's own limit still holds. The caller draws
    /// `seed` evenly from all of u64.
    pub fn shorten(&mut self, jitter: Jitter, seed: u64) {
        self.ttl -= jitter.part(self.ttl.saturating_sub(self.age), seed);
    }
}

/// What a stored reply is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Fresh,
    /// May be served while one request refreshes it.
    Stale,
    /// May be served only if the application fails.
    OnError,
    /// May be served only if the application confirms it.
    Validate,
    /// It may not be served any more.
    Dead,
}

impl Use {
    /// Whether it may be served when the application fails.
    pub fn on_error(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale | Self::OnError)
    }
}

/// "In this context, an error is any situation that would result in a 500, 502, 503, or 504 HTTP response
/// status code being returned." (RFC 5861 section 4)
pub fn is_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Whether a reply with this status can be stored: a final one that is whole. 304 and 206 are of one request.
fn is_stored_status(status: u16) -> bool {
    (200..600).contains(&status) && !matches!(status, 206 | 304)
}

/// The status of a stored page, as edges and nodes hand it on.
pub fn entry_status(status: StatusCode, has_holes: bool) -> u32 {
    u32::from(status.as_u16()) + if has_holes { WITH_HOLES } else { 0 }
}

/// The status that an entry's page has. `None`: no edge has stored it.
pub fn status_of_entry(status: u32, has_holes: bool) -> Option<StatusCode> {
    let status = if has_holes { status.checked_sub(WITH_HOLES)? } else { status };
    let stored = u16::try_from(status).ok().filter(|code| is_stored_status(*code))?;
    StatusCode::from_u16(stored).ok()
}

/// Whether a reply to the refresh of a stored page says nothing of the page: the application failed, or did
/// not like the request that happened to refresh it. The stored page stays, and is served within its windows.
pub fn fails_refresh(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 406 | 408 | 429)
}

impl Lifetime {
    /// The lifetime of a reply that nothing may be answered from.
    pub fn none(source: Source) -> Self {
        Self {
            ttl: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            age: Duration::ZERO,
            vary: Vec::new(),
            shared: false,
            validate: false,
            source,
        }
    }

    /// `age` is the current age: [`Lifetime::age`] and the time since.
    pub fn use_at(&self, age: Duration) -> Use {
        // "the response MUST NOT be used to satisfy any other request without forwarding it for validation
        // and receiving a successful response" (RFC 9111 section 5.2.2.4)
        if self.validate {
            return Use::Validate;
        }
        // RFC 9111 section 4.2: "response_is_fresh = (freshness_lifetime > current_age)"
        if self.ttl > age {
            return Use::Fresh;
        }
        // RFC 5861 section 3: "caches MAY serve the response in which it appears after it becomes stale, up
        // to the indicated number of seconds."
        if self.ttl.saturating_add(self.stale_while_revalidate) > age {
            return Use::Stale;
        }
        // RFC 5861 section 4: "when an error is encountered, a cached stale response MAY be used to satisfy
        // the request, regardless of other freshness information."
        if self.ttl.saturating_add(self.stale_if_error) > age { Use::OnError } else { Use::Dead }
    }

    /// Seconds of freshness left for `Cache-Status; ttl=`, negative when stale. Rounded away from 0, so that
    /// its sign tells.
    pub fn ttl_at(&self, age: Duration) -> i64 {
        let whole = |left: Duration| {
            i64::try_from(left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0)))
                .unwrap_or(i64::MAX)
        };
        if self.ttl > age { whole(self.ttl - age) } else { -whole(age - self.ttl) }
    }

    /// After this age nothing uses the reply any more: it need not be kept.
    pub fn dead_at(&self) -> Duration {
        self.ttl.saturating_add(self.stale_while_revalidate.max(self.stale_if_error))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shortened() {
        for (age, ttl) in [(0, 0), (20, 20), (100, 100), (200, 100)] {
            let mut shortened = lifetime(100, 0, 0);
            shortened.age = Duration::from_secs(age);
            shortened.shorten(Jitter::new(1.0).unwrap(), u64::MAX);
            assert_eq!(shortened.ttl, Duration::from_secs(ttl), "{age}");
        }
    }

    pub(crate) fn lifetime(ttl: u64, stale_while_revalidate: u64, stale_if_error: u64) -> Lifetime {
        Lifetime {
            ttl: Duration::from_secs(ttl),
            stale_while_revalidate: Duration::from_secs(stale_while_revalidate),
            stale_if_error: Duration::from_secs(stale_if_error),
            age: Duration::ZERO,
            vary: Vec::new(),
            shared: false,
            validate: false,
            source: Source::Setting,
        }
    }

    #[test]
    fn use_by_age() {
        let cases = [
            ((1, 5, 60), 0, Use::Fresh),
            ((1, 5, 60), 999, Use::Fresh),
            ((1, 5, 60), 1000, Use::Stale),
            ((1, 5, 60), 5999, Use::Stale),
            ((1, 5, 60), 6000, Use::OnError),
            ((1, 5, 60), 60_999, Use::OnError),
            ((1, 5, 60), 61_000, Use::Dead),
            ((1, 0, 0), 1000, Use::Dead),
            ((0, 5, 0), 0, Use::Stale),
            ((1, 60, 5), 30_000, Use::Stale),
        ];
        for ((ttl, swr, sie), millis, expected) in cases {
            assert_eq!(
                lifetime(ttl, swr, sie).use_at(Duration::from_millis(millis)),
                expected,
                "{ttl} {swr} {sie} {millis}"
            );
        }
    }

    #[test]
    fn errors_that_a_stale_page_may_stand_in_for() {
        let errors: Vec<_> =
            (100..600).filter(|status| is_error(StatusCode::from_u16(*status).unwrap())).collect();
        assert_eq!(errors, [500, 502, 503, 504]);
    }

    #[test]
    fn what_must_be_validated_is_good_for_nothing_else() {
        let lifetime = Lifetime { validate: true, ..lifetime(0, 0, 0) };
        assert_eq!(lifetime.use_at(Duration::ZERO), Use::Validate);
        assert_eq!(lifetime.use_at(Duration::MAX), Use::Validate);
    }

    #[test]
    fn nothing_overflows() {
        let mut endless = lifetime(u64::MAX, u64::MAX, u64::MAX);
        assert_eq!(endless.use_at(Duration::from_secs(u64::MAX - 1)), Use::Fresh);
        assert_eq!(endless.ttl_at(Duration::ZERO), i64::MAX);
        assert_eq!(endless.dead_at(), Duration::MAX);
        endless.ttl = Duration::ZERO;
        assert_eq!(endless.ttl_at(Duration::MAX), -i64::MAX);
    }

    #[test]
    fn seconds_left_keep_their_sign() {
        let one = lifetime(1, 0, 0);
        for (millis, left) in [(0, 1), (300, 1), (1000, 0), (1001, -1), (2000, -1), (2500, -2)] {
            assert_eq!(one.ttl_at(Duration::from_millis(millis)), left, "{millis}");
        }
    }
}
