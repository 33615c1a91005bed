//! HTTP dates (RFC 9110 section 5.6.7), read as a cache should.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

/// A field that holds one date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Date {
    Absent,
    Valid(SystemTime),
    /// Not a date, or several that differ.
    Invalid,
}

impl Date {
    pub(crate) fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut lines = headers.get_all(name).iter();
        let Some(first) = lines.next() else { return Self::Absent };
        if lines.any(|line| line != first) {
            return Self::Invalid;
        }
        parse(first.as_bytes()).map_or(Self::Invalid, Self::Valid)
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
pub(crate) fn parse(text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    httpdate::parse_http_date(text).or_else(|_| httpdate::parse_http_date(&usual_case(text))).ok()
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
    fn formats() {
        let expected = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUN, 06 NOV 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
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
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn several_lines_must_agree() {
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        let mut headers = HeaderMap::new();
        assert_eq!(Date::of(&headers, &DATE), Date::Absent);
        headers.append(DATE, date.clone());
        headers.append(DATE, date);
        assert!(Date::of(&headers, &DATE).valid().is_some());
        headers.append(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:38 GMT"));
        assert_eq!(Date::of(&headers, &DATE), Date::Invalid);
    }
}
