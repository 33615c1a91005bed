//! The age of a reply when it is received (RFC 9111 section 4.2.3).

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE, VIA};

use crate::cache_control::delta_seconds;
use crate::date::Date;

/// The corrected_initial_age.
pub(crate) fn initial_age(
    headers: &HeaderMap,
    request_time: SystemTime,
    response_time: SystemTime,
) -> Duration {
    // "a cache encountering a message with a list-based Age field value SHOULD use the first member of the
    // field value, discarding subsequent ones." "If the field value […] is invalid (e.g., it contains
    // something other than a non-negative integer), a cache SHOULD ignore the field." (section 5.1)
    let first = headers.get(AGE).and_then(|value| value.as_bytes().split(|byte| *byte == b',').next());
    let age_value = first.and_then(|first| delta_seconds(first.trim_ascii())).unwrap_or_default();
    // "response_delay = response_time - request_time; corrected_age_value = age_value + response_delay;"
    let response_delay = response_time.duration_since(request_time).unwrap_or_default();
    let corrected_age_value = age_value.saturating_add(response_delay);
    // "unless the cache is confident in the value of the Age header field (e.g., because there are no
    // HTTP/1.0 hops in the Via header field), in which case the corrected_age_value MAY be used as the
    // corrected_initial_age." So an application whose clock is an hour slow is cached all the same.
    if !came_over_http_1_0(headers) {
        return corrected_age_value;
    }
    // "apparent_age = max(0, response_time - date_value);"
    let date_value = Date::of(headers, &DATE, response_time).valid().unwrap_or(response_time);
    let apparent_age = response_time.duration_since(date_value).unwrap_or_default();
    // "corrected_initial_age = max(apparent_age, corrected_age_value);"
    apparent_age.max(corrected_age_value)
}

fn came_over_http_1_0(headers: &HeaderMap) -> bool {
    let hops = headers.get_all(VIA).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    hops.map(<[u8]>::trim_ascii).any(|hop| hop.starts_with(b"1.0 ") || hop.starts_with(b"HTTP/1.0 "))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// 08:49:37, and the request was made 2 s before.
    const NOW: u64 = 784_111_777;

    type Fields<'a> = &'a [(&'static str, &'a str)];

    fn age(fields: Fields<'_>) -> u64 {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        initial_age(&headers, now - Duration::from_secs(2), now).as_secs()
    }

    #[test]
    fn initial_ages() {
        let ten_ago = ("date", "Sun, 06 Nov 1994 08:49:27 GMT");
        let later = ("date", "Sun, 06 Nov 1994 09:49:37 GMT");
        let old_hop = ("via", "1.1 a, 1.0 b");
        let cases: &[(Fields<'_>, u64)] = &[
            (&[], 2),
            (&[("age", "30")], 32),
            (&[("age", "30, 40")], 32),
            (&[("age", "30"), ("age", "40")], 32),
            (&[("age", "99999999999999999999")], (1 << 31) + 2),
            (&[("age", "-1")], 2),
            (&[("age", "x")], 2),
            (&[("age", "")], 2),
            (&[("age", "1.5")], 2),
            // The application's clock does not count, as long as every hop speaks HTTP/1.1.
            (&[ten_ago], 2),
            (&[ten_ago, ("via", "1.1 a, 2 b")], 2),
            (&[ten_ago, old_hop], 10),
            (&[ten_ago, old_hop, ("age", "30")], 32),
            (&[later, old_hop], 2),
            (&[("date", "junk"), old_hop], 2),
        ];
        for (fields, expected) in cases {
            assert_eq!(age(fields), *expected, "{fields:?}");
        }
    }

    #[test]
    fn a_clock_that_steps_back_makes_no_negative_age() {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        assert_eq!(initial_age(&HeaderMap::new(), now + Duration::from_secs(3600), now), Duration::ZERO);
    }
}
