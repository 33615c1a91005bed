//! The Date field's text, made once a second for each thread.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

struct Cached {
    second: u64,
    text: String,
}

thread_local! {
    static DATE: RefCell<Cached> = const { RefCell::new(Cached { second: 0, text: String::new() }) };
}

/// Hands the current HTTP date (RFC 9110 section 5.6.7) to `use_it`.
pub(crate) fn with_http_date<R>(use_it: impl FnOnce(&[u8]) -> R) -> R {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DATE.with_borrow_mut(|cached| {
        if cached.second != second || cached.text.is_empty() {
            cached.text = httpdate::fmt_http_date(now);
            cached.second = second;
        }
        use_it(cached.text.as_bytes())
    })
}
