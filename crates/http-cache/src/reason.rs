//! Why a request was passed or a reply not stored: one closed list, for `Cache-Status; detail=`, metrics and
//! `explain`.

/// Each reason's token and the rule behind it stand in one table, below.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $token:literal, $rule:literal;)*) => {
        /// Why a request went past the cache, or why its reply was not stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])* $name,)* }

        impl Reason {
            /// All reasons, for a metric's labels.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The token for `Cache-Status; detail=` and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }

            /// The reason as a sentence, for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }

            /// The RFC section or the setting that the reason comes from.
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)* }
            }
        }
    };
}

reasons! {
    // The request.
    /// The location has no cache.
    Off = "off", "setting cache";
    /// The method is not one that this location caches.
    Method = "method", "RFC 9111 section 3, setting methods";
    /// A GET or HEAD with a body: the key does not hold the body.
    RequestBody = "request-body", "RFC 9110 section 9.3.1";
    /// A host or target with bytes, or a path with dot segments, that no key may hold.
    Target = "target", "design: one key, one page";
    /// A request field that splits the page is too long for the key, or there are too many of them.
    KeyField = "key-field", "setting fields";
    /// The request carries a field that tells who asks, or that no list knows.
    PersonalField = "personal-field", "setting fields";
    /// A page decides who may ask, and does not say that its answer is the same for all.
    AuthRequest = "auth-request", "setting auth_request";
    /// A `bypass` rule fired.
    Bypass = "bypass", "setting bypass";
    /// A `no_store` rule fired: answered from the cache if possible, but not stored.
    NoStoreRule = "no-store-rule", "setting no_store";
    /// The request says no-store, and the location honours it.
    RequestNoStore = "request-no-store", "RFC 9111 section 5.2.1.5, setting honour_request";
    /// The request wants a newer answer than the stored one, and the location honours it.
    RequestDirective = "request-directive", "RFC 9111 section 5.2.1, setting honour_request";
    /// The request wants a stored answer or none, and the location honours it.
    OnlyIfCached = "only-if-cached", "RFC 9111 section 5.2.1.7, setting honour_request";
    /// The request carries a personal cookie, and the reply does not say that it may be shared.
    PersonalCookie = "personal-cookie", "setting cookies";
    /// The request carries Authorization, and the reply does not say that it may be shared.
    Authorization = "authorization", "RFC 9111 section 3.5";
    /// A page is stored, but not for visitors with a personal cookie or Authorization.
    NotShared = "not-shared", "setting cookies, RFC 9111 section 3.5";
    /// The page has not been asked for often enough yet.
    MinUses = "min-uses", "setting min_uses";

    // The reply's head.
    /// A status that this cache does not store: not understood, an error the settings do not name, or 304
    /// unasked.
    Status = "status", "RFC 9111 section 3, setting ttl";
    /// 206: parts are not stored.
    Partial = "partial", "RFC 9111 section 3.3";
    /// The reply says no-store.
    NoStore = "no-store", "RFC 9111 section 5.2.2.5";
    /// The reply says private.
    Private = "private", "RFC 9111 section 5.2.2.7";
    /// The reply says no-cache.
    NoCache = "no-cache", "RFC 9111 section 5.2.2.4";
    /// X-Accel-Expires is 0 or in the past.
    AccelExpires = "x-accel-expires", "field X-Accel-Expires";
    /// The reply lets another location answer for it, for this one visitor.
    AccelRedirect = "x-accel-redirect", "field X-Accel-Redirect";
    /// The reply is a stream of events, or is not to be buffered.
    Streamed = "streamed", "field X-Accel-Buffering, type text/event-stream";
    /// The reply sets a cookie.
    SetCookie = "set-cookie", "design: private unless sure";
    /// Vary names `*`.
    VaryStar = "vary-star", "RFC 9111 section 4.1";
    /// Vary is not a list of field names, or a longer one than is kept.
    Vary = "vary", "RFC 9110 section 12.5.5";
    /// Cache-Control or X-Accel-Expires make no sense, or contradict themselves.
    InvalidFreshness = "invalid-freshness", "RFC 9111 section 4.2.1";
    /// The reply is stale already.
    Expired = "expired", "RFC 9111 section 4.2";
    /// Neither the reply nor the settings give a lifetime.
    NoFreshness = "no-freshness", "RFC 9111 section 4.2.2, setting ttl";
    /// Weir-Holes says something that this edge cannot fill.
    Holes = "holes", "field Weir-Holes";
    /// The page's Content-Security-Policy, in a field or in itself, has a nonce, which is for one visitor,
    /// and for once.
    Nonce = "nonce", "CSP 3 section 7.1";
    /// More cache tags, or longer ones, than a purge can be sure of.
    TooManyTags = "too-many-tags", "RFC 9875, fields Surrogate-Key, Cache-Tag";

    // The reply's body.
    /// The page holds a CSRF token.
    CsrfToken = "csrf-token", "design: private unless sure";
    /// The page came compressed in a way that cannot be searched for a CSRF token.
    EncodedBody = "encoded-body", "design: private unless sure";
    /// The body is larger than the location stores.
    TooLarge = "too-large", "setting max_object";
    /// There was no memory for the whole body beside those that clients read slowly.
    NoRoom = "no-room", "setting memory";
    /// The body broke off.
    CutOff = "cut-off", "RFC 9111 section 3.3";

    // Dealings with the cache.
    /// A reply for this key could not be stored a short time ago.
    HitForMiss = "hit-for-miss", "setting hit_for_miss";
    /// The reply that this request waited for could not be stored.
    UncacheableReply = "uncacheable-reply", "setting hit_for_miss";
    /// The wait for another request's page took too long.
    WaitTimeout = "wait-timeout", "setting wait";
    /// The request that this one waited for failed.
    HolderFailed = "holder-failed", "RFC 9111 section 4";
    /// Too many requests wait for this page.
    TooManyWaiters = "too-many-waiters", "setting waiters, setting max_waiting";
    /// The application failed.
    OriginFailed = "origin-failed", "RFC 5861 section 4";
    /// The lease ended before the page was whole.
    LeaseLost = "lease-lost", "design: the cache contract";
    /// A purge of this page came while it was being made.
    Purged = "purged", "design: the cache contract";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_are_distinct_and_are_structured_field_tokens() {
        let tokens: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(tokens.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.sentence().ends_with('.') && !reason.sentence().starts_with(' '), "{reason:?}");
        }
        for token in tokens {
            assert!(token.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{token}");
            assert!(token.starts_with(|c: char| c.is_ascii_lowercase()), "{token}");
        }
    }
}
