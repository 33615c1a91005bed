//! The Date field's text, made once a second for each thread. The second it names is kept by the monotonic clock, which its users have
//! read anyway; so a step of the wall clock is heard of within a second.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct Cached {
    /// From when another second is to be named.
    until: Option<Instant>,
    /// Since 1970.
    second: u64,
    text: String,
}

thread_local! {
    static DATE: RefCell<Cached> = const { RefCell::new(Cached { until: None, second: 0, text: String::new() }) };
}

/// Hands the HTTP date of this moment (RFC 9110 section 5.6.7) to `use_it`.
pub(crate) fn with_http_date<R>(now: Instant, use_it: impl FnOnce(&[u8]) -> R) -> R {
    with(now, |cached| use_it(cached.text.as_bytes()))
}

/// The second that the date of this moment names.
pub(crate) fn second(now: Instant) -> u64 {
    with(now, |cached| cached.second)
}

fn with<R>(now: Instant, use_it: impl FnOnce(&Cached) -> R) -> R {
    DATE.with_borrow_mut(|cached| {
        if cached.until.is_none_or(|until| now >= until) {
            let date = SystemTime::now();
            let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
            cached.until =
                Some(now + Duration::from_secs(1) - Duration::from_nanos(since.subsec_nanos().into()));
            cached.second = since.as_secs();
            cached.text = httpdate::fmt_http_date(date);
        }
        use_it(cached)
    })
}
