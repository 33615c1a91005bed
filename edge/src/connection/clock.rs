//! The text of the Date field, made once a second for each thread. The monotonic clock, which its users read
//! anyway, decides when a second ends; so a step of the wall clock takes effect within a second.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct ClockReading {
    /// When the next second begins.
    until: Option<Instant>,
    /// Seconds since 1970.
    second: u64,
    text: String,
}

thread_local! {
    static DATE: RefCell<ClockReading> = const { RefCell::new(ClockReading { until: None, second: 0, text: String::new() }) };
}

/// Passes the HTTP date of this moment (RFC 9110 section 5.6.7) to `use_it`.
pub(crate) fn with_http_date<R>(now: Instant, use_it: impl FnOnce(&[u8]) -> R) -> R {
    with(now, |cached| use_it(cached.text.as_bytes()))
}

/// The second that the date of this moment names.
pub(crate) fn second(now: Instant) -> u64 {
    with(now, |cached| cached.second)
}

fn with<R>(now: Instant, use_it: impl FnOnce(&ClockReading) -> R) -> R {
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
