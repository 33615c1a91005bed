//! HTTP dates (RFC 9110 section 5.6.7), read as a cache should.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};

/// Fifty years, of 365.2425 days.
const FAR: Duration = Duration::from_secs(50 * 31_556_952);

/// A field that holds one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Date {
    Absent,
    Valid(SystemTime),
    /// Not a date, or several that differ.
    Invalid,
}

impl Date {
    /// `now` tells the century of a year of two digits.
    pub(crate) fn of(headers: &HeaderMap, name: &HeaderName, now: SystemTime) -> Self {
        let mut lines = headers.get_all(name).iter();
        let Some(first) = lines.next() else { return Self::Absent };
        if lines.any(|line| line != first) {
            return Self::Invalid;
        }
        parse(first.as_bytes(), now).map_or(Self::Invalid, Self::Valid)
    }

    pub(crate) fn valid(self) -> Option<SystemTime> {
        match self {
            Self::Valid(time) => Some(time),
            Self::Absent | Self::Invalid => None,
        }
    }
}

/// RFC 9111 section 4.2: "Although all date formats are specified to be case-sensitive, a cache recipient
/// SHOULD match the field value case-insensitively." Zones other than GMT are invalid.
pub(crate) fn parse(text: &[u8], now: SystemTime) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = |text: &str| httpdate::parse_http_date(text).ok();
    of_two_digits(text, now).or_else(|| plain(text)).or_else(|| plain(&usual_case(text)))
}

/// A date in the old format that has a year of two digits; none if it is in another.
///
/// RFC 9110 section 5.6.7: "Recipients of a timestamp value in rfc850-date format, which uses a two-digit
/// year, MUST interpret a timestamp that appears to be more than 50 years in the future as representing the
/// most recent year in the past that had the same last two digits."
fn of_two_digits(text: &str, now: SystemTime) -> Option<SystemTime> {
    let (weekday, rest) = text.split_once(", ")?;
    let mut parts = rest.splitn(3, '-');
    let (day, month, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, time) = rest.split_once(' ')?;
    let this_year = httpdate::fmt_http_date(now).get(12..16)?.parse::<u16>().ok()?;
    let in_century = |century: u16| {
        let text = format!("{}, {day} {month} {century}{year} {time}", weekday.get(..3)?);
        httpdate::parse_http_date(&usual_case(&text)).ok()
    };
    let century = this_year / 100;
    // The latest that is not too far away, and whose day of the week is right.
    [century + 1, century, century - 1].into_iter().filter_map(in_century).find(|date| *date <= now + FAR)
}

/// Words with a capital first letter, GMT in capitals.
fn usual_case(text: &str) -> String {
    let mut usual = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        usual.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
        inside = c.is_ascii_alphabetic();
    }
    if usual.ends_with("Gmt") {
        usual.truncate(usual.len() - 3);
        usual.push_str("GMT");
    }
    usual
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::HeaderValue;
    use http::header::DATE;

    use super::*;

    #[test]
    fn a_year_of_two_digits_is_near() {
        // 2026-11-30.
        let now = UNIX_EPOCH + Duration::from_secs(1_796_000_000);
        for (old, full) in [
            ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("sunday, 06-nov-94 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Sunday, 29-Nov-26 08:49:37 GMT", "Sun, 29 Nov 2026 08:49:37 GMT"),
            ("Saturday, 28-Nov-76 00:00:00 GMT", "Sat, 28 Nov 2076 00:00:00 GMT"),
            ("Friday, 31-Dec-76 00:00:00 GMT", "Fri, 31 Dec 1976 00:00:00 GMT"),
            ("Saturday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT"),
            ("Monday, 29-Feb-72 00:00:00 GMT", "Mon, 29 Feb 2072 00:00:00 GMT"),
            // The day of the week tells the century too.
            ("Tuesday, 29-Feb-72 00:00:00 GMT", "Tue, 29 Feb 1972 00:00:00 GMT"),
        ] {
            let expected = httpdate::parse_http_date(full).ok();
            assert!(expected.is_some());
            assert_eq!(parse(old.as_bytes(), now), expected, "{old}");
            assert_eq!(parse(full.as_bytes(), now), expected, "{full}");
        }
        // A Friday in 2077, which is far away; in 1977 it was none.
        assert_eq!(parse(b"Friday, 01-Jan-77 00:00:00 GMT", now), None);
        // What is near in another century.
        let later = now + Duration::from_secs(74 * 31_556_952);
        let expected = httpdate::parse_http_date("Sat, 06 Nov 2094 08:49:37 GMT").ok();
        assert_eq!(parse(b"Saturday, 06-Nov-94 08:49:37 GMT", later), expected);
    }

    #[test]
    fn formats() {
        let now = UNIX_EPOCH + Duration::from_secs(1_796_000_000);
        let expected = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUN, 06 NOV 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes(), now), expected, "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "gmt",
            "\u{e9}",
        ] {
            assert_eq!(parse(text.as_bytes(), now), None, "{text}");
        }
    }

    #[test]
    fn several_lines_must_agree() {
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        let mut headers = HeaderMap::new();
        assert_eq!(Date::of(&headers, &DATE, UNIX_EPOCH), Date::Absent);
        headers.append(DATE, date.clone());
        headers.append(DATE, date);
        assert!(Date::of(&headers, &DATE, UNIX_EPOCH).valid().is_some());
        headers.append(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:38 GMT"));
        assert_eq!(Date::of(&headers, &DATE, UNIX_EPOCH), Date::Invalid);
    }
}
