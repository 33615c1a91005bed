//! Cache-Control of a request (RFC 9111 section 5.2.1), obeyed only where a location says so.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

use crate::cache_control::{Delta, directives};
use crate::{Lifetime, Use};

/// What the request asks of the cache. The default asks nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// "The no-store request directive indicates that a cache MUST NOT store any part of either this request
    /// or any response to it." (section 5.2.1.5)
    pub no_store: bool,
    /// "indicates that the client only wishes to obtain a stored response. Caches that honor this request
    /// directive SHOULD, upon receiving it, respond with either a stored response consistent with the other
    /// constraints of the request or a 504 (Gateway Timeout) status code." (section 5.2.1.7)
    pub only_if_cached: bool,
    /// No stored reply is asked after: whatever the application replies replaces it.
    pub unconditional: bool,
    no_cache: bool,
    max_age: Option<Duration>,
    min_fresh: Option<Duration>,
    /// Given without a value: any staleness.
    max_stale: Option<Duration>,
}

impl Wants {
    /// What is wanted of a request that no stored reply answers: its reply replaces what is stored.
    pub fn of_a_new_page(self) -> Self {
        Self { no_cache: true, unconditional: true, ..self }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut wants = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            // RFC 7234 section 5.4: "When the Cache-Control header field is not present in a request, caches
            // MUST consider the no-cache request pragma-directive as having the same effect as if
            // "Cache-Control: no-cache" were present". RFC 9111 deprecates it; where requests are obeyed at
            // all, old clients are too.
            wants.no_cache = headers
                .get_all(PRAGMA)
                .iter()
                .any(|value| value.as_bytes().eq_ignore_ascii_case(b"no-cache"));
            return wants;
        }
        for directive in directives(headers.get_all(CACHE_CONTROL).iter()) {
            let seconds = || match directive.delta() {
                Delta::Valid(seconds) => Some(seconds),
                Delta::Absent | Delta::Invalid => None,
            };
            match directive.name.as_str() {
                "no-store" => wants.no_store = true,
                "no-cache" => wants.no_cache = true,
                "only-if-cached" => wants.only_if_cached = true,
                "max-age" => wants.max_age = seconds(),
                "min-fresh" => wants.min_fresh = seconds(),
                "max-stale" if directive.argument.is_none() => wants.max_stale = Some(Duration::MAX),
                "max-stale" => wants.max_stale = seconds(),
                _ => {}
            }
        }
        wants
    }

    /// [`Lifetime::use_at`] for this request: what it does not want is left for when the application fails.
    pub fn use_at(&self, lifetime: &Lifetime, age: Duration) -> Use {
        let usage = lifetime.use_at(age);
        if !matches!(usage, Use::Fresh | Use::Stale) || self.accepts(lifetime, usage, age) {
            return usage;
        }
        if age < lifetime.ttl.saturating_add(lifetime.stale_if_error) { Use::OnError } else { Use::Dead }
    }

    fn accepts(&self, lifetime: &Lifetime, usage: Use, age: Duration) -> bool {
        // "indicates that the client prefers a stored response not be used to satisfy the request without
        // successful validation on the origin server" (section 5.2.1.4)
        if self.no_cache {
            return false;
        }
        // "indicates that the client prefers a response whose age is less than or equal to the specified
        // number of seconds" (section 5.2.1.1)
        if self.max_age.is_some_and(|max_age| age > max_age) {
            return false;
        }
        // "the client wants a response that will still be fresh for at least the specified number of seconds"
        // (section 5.2.1.3)
        if self.min_fresh.is_some_and(|min_fresh| lifetime.ttl < age.saturating_add(min_fresh)) {
            return false;
        }
        if usage == Use::Fresh {
            return true;
        }
        match self.max_stale {
            // "the client is willing to accept a response that has exceeded its freshness lifetime by no more
            // than the specified number of seconds" (section 5.2.1.2)
            Some(max_stale) => age.saturating_sub(lifetime.ttl) <= max_stale,
            // "Unless the max-stale request directive is also present, the client does not wish to receive a
            // stale response." (section 5.2.1.1)
            None => self.max_age.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifetime::tests::lifetime;

    fn wants(fields: &[(&'static str, &'static str)]) -> Wants {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        Wants::of(&headers)
    }

    #[test]
    fn a_request_narrows_what_it_is_given() {
        // Fresh to 10 s, stale to 15 s, on error to 30 s.
        let lifetime = lifetime(10, 5, 20);
        let cases = [
            ("", 5, Use::Fresh),
            ("max-age=5", 5, Use::Fresh),
            ("max-age=4", 5, Use::OnError),
            ("max-age=0", 0, Use::Fresh),
            ("max-age=\"4\"", 5, Use::OnError),
            ("max-age=x", 5, Use::Fresh),
            ("MAX-AGE=4", 5, Use::OnError),
            ("no-cache", 5, Use::OnError),
            ("no-cache", 40, Use::Dead),
            ("min-fresh=5", 5, Use::Fresh),
            ("min-fresh=6", 5, Use::OnError),
            ("", 12, Use::Stale),
            ("max-age=100", 12, Use::OnError),
            ("max-age=100, max-stale", 12, Use::Stale),
            ("max-stale=2", 12, Use::Stale),
            ("max-stale=1", 12, Use::OnError),
            // A client cannot ask for more than the reply and the settings allow.
            ("max-stale", 20, Use::OnError),
            ("max-stale", 40, Use::Dead),
            ("only-if-cached", 5, Use::Fresh),
        ];
        for (value, age, expected) in cases {
            let found = wants(&[("cache-control", value)]).use_at(&lifetime, Duration::from_secs(age));
            assert_eq!(found, expected, "{value} at {age}");
        }
    }

    #[test]
    fn flags() {
        assert!(wants(&[("cache-control", "No-Store")]).no_store);
        assert!(wants(&[("cache-control", "x, only-if-cached")]).only_if_cached);
        assert!(wants(&[("pragma", "no-cache")]).no_cache);
        assert!(!wants(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]).no_cache);
        assert_eq!(wants(&[]), Wants::default());
    }
}
