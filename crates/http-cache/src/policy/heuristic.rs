//! A lifetime guessed from how long a page has not changed, only where a setting says so (RFC 9111 section
//! 4.2.2).

use std::time::{Duration, SystemTime};

use http::header::{DATE, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};

use crate::date::Date;

/// The part of a page's time since Last-Modified for which it is taken to be fresh: 0 (no guess) to 1.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Heuristic(f64);

/// The longest guess. RFC 7234 wanted a warning on anything older; the warning is gone since, the day is a
/// sound bound.
const MOST: Duration = Duration::from_secs(24 * 3600);

/// "heuristics can only be used on responses without explicit freshness whose status codes are defined as
/// "heuristically cacheable" (e.g., see Section 15.1 of [HTTP]) and on responses without explicit freshness
/// that have been marked as explicitly cacheable (e.g., with a public response directive)."
const CACHEABLE: &[u16] = &[200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

impl Heuristic {
    /// The error is for the settings checker.
    pub fn new(part: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&part) {
            return Ok(Self(part));
        }
        Err(format!("heuristic {part} is not between 0 and 1"))
    }

    /// The lifetime of a reply that says nothing about its freshness, received `now`.
    pub(crate) fn lifetime(
        self,
        status: StatusCode,
        public: bool,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Option<Duration> {
        if self.0 == 0.0 || !(public || CACHEABLE.contains(&status.as_u16())) {
            return None;
        }
        // "If the response has a Last-Modified header field, caches are encouraged to use a heuristic
        // expiration value that is no more than some fraction of the interval since that time."
        let sent = Date::of(headers, &DATE, now).valid().unwrap_or(now);
        let modified = Date::of(headers, &LAST_MODIFIED, now).valid()?;
        let unchanged = sent.duration_since(modified).ok()?;
        Some(unchanged.mul_f64(self.0).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn a_tenth_of_the_time_since_the_last_change() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let cases = [
            (0.1, 200, false, "Sun, 06 Nov 1994 08:48:37 GMT", NOW, Some(6)),
            (0.0, 200, false, "Sun, 06 Nov 1994 08:48:37 GMT", NOW, None),
            (1.0, 404, false, "Sun, 06 Nov 1994 08:48:37 GMT", NOW, Some(60)),
            (0.1, 302, false, "Sun, 06 Nov 1994 08:48:37 GMT", NOW, None),
            (0.1, 302, true, "Sun, 06 Nov 1994 08:48:37 GMT", NOW, Some(6)),
            (0.1, 200, false, "Sat, 06 Nov 1993 08:48:37 GMT", NOW, Some(86_400)),
            // From the future, or no date at all.
            (0.1, 200, false, "Sun, 06 Nov 1994 08:49:38 GMT", NOW, None),
            (0.1, 200, false, "junk", NOW, None),
            // Without a Date of its own, the time of receipt: 08:49:37.
            (0.1, 200, false, "Sun, 06 Nov 1994 08:48:37 GMT", "junk", Some(6)),
        ];
        for (part, status, public, modified, date, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_MODIFIED, modified.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            let found = Heuristic::new(part).unwrap().lifetime(status, public, &headers, now);
            assert_eq!(found.map(|ttl| ttl.as_secs()), expected, "{part} {status} {modified} {date}");
        }
    }

    #[test]
    fn refuses_what_is_no_part() {
        for part in [-0.1, 1.1, f64::NAN] {
            assert!(Heuristic::new(part).is_err(), "{part}");
        }
    }
}
