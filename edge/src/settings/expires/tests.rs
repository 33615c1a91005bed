//! Headers against what nginx 1.22 sent at the same second.

use super::*;

/// Mon, 23 Nov 2026 09:02:37 GMT
const NOW: Duration = Duration::from_secs(1_795_424_557);
/// Wed, 01 Jan 2020 00:00:00 GMT
const CHANGED: Duration = Duration::from_secs(1_577_836_800);

fn apply(text: &str, status: u16, now: Duration, changed: Option<Duration>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(EXPIRES, HeaderValue::from_static("set before"));
    headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let changed = changed.map(|since| UNIX_EPOCH + since);
    let expires = Expires::parse(text).unwrap();
    expires.apply(StatusCode::from_u16(status).unwrap(), &mut headers, UNIX_EPOCH + now, changed);
    headers
}

fn pair(headers: &HeaderMap) -> (&str, Vec<&str>) {
    let expires = headers.get(EXPIRES).unwrap().to_str().unwrap();
    (expires, headers.get_all(CACHE_CONTROL).iter().map(|value| value.to_str().unwrap()).collect())
}

#[test]
fn same_as_nginx() {
    let cases: &[(&str, &str, &str)] = &[
        ("max", "Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"),
        ("epoch", "Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"),
        ("1h", "Mon, 23 Nov 2026 10:02:37 GMT", "max-age=3600"),
        ("1h30m", "Mon, 23 Nov 2026 10:32:37 GMT", "max-age=5400"),
        ("30d", "Wed, 23 Dec 2026 09:02:37 GMT", "max-age=2592000"),
        ("3600", "Mon, 23 Nov 2026 10:02:37 GMT", "max-age=3600"),
        ("0", "Mon, 23 Nov 2026 09:02:37 GMT", "max-age=0"),
        ("-1", "Mon, 23 Nov 2026 09:02:36 GMT", "no-cache"),
        ("-1h", "Mon, 23 Nov 2026 08:02:37 GMT", "no-cache"),
        ("+1h", "Mon, 23 Nov 2026 10:02:37 GMT", "max-age=3600"),
        ("modified 1h", "Wed, 01 Jan 2020 01:00:00 GMT", "no-cache"),
        ("modified +1w", "Wed, 08 Jan 2020 00:00:00 GMT", "no-cache"),
        ("modified -1d", "Tue, 31 Dec 2019 00:00:00 GMT", "no-cache"),
        ("modified 0", "Mon, 23 Nov 2026 09:02:37 GMT", "max-age=0"),
        ("modified 100y", "Fri, 08 Dec 2119 00:00:00 GMT", "max-age=2936012243"),
        ("@15h30m", "Mon, 23 Nov 2026 15:30:00 GMT", "max-age=23243"),
        ("@0", "Tue, 24 Nov 2026 00:00:00 GMT", "max-age=53843"),
        ("@24h", "Tue, 24 Nov 2026 00:00:00 GMT", "max-age=53843"),
        ("@23h59m59s", "Mon, 23 Nov 2026 23:59:59 GMT", "max-age=53842"),
        ("@9h2m37s", "Tue, 24 Nov 2026 09:02:37 GMT", "max-age=86400"),
        ("1y", "Tue, 23 Nov 2027 09:02:37 GMT", "max-age=31536000"),
        ("1M", "Wed, 23 Dec 2026 09:02:37 GMT", "max-age=2592000"),
        ("1d 2h", "Tue, 24 Nov 2026 11:02:37 GMT", "max-age=93600"),
    ];
    for (text, expires, cache_control) in cases {
        let headers = apply(text, 200, NOW, Some(CHANGED));
        assert_eq!(pair(&headers), (*expires, vec![*cache_control]), "{text}");
    }
}

#[test]
fn a_page_without_change_counts_from_now() {
    let headers = apply("modified 1h", 200, NOW, None);
    assert_eq!(pair(&headers), ("Mon, 23 Nov 2026 10:02:37 GMT", vec!["max-age=3600"]));
}

#[test]
fn off_and_other_statuses_change_nothing() {
    let untouched = ("set before", vec!["private", "no-store"]);
    assert_eq!(pair(&apply("off", 200, NOW, None)), untouched);
    let statuses = [
        (true, &[200, 201, 204, 206, 301, 302, 303, 304, 307, 308][..]),
        (false, &[100, 202, 203, 300, 400, 401, 403, 404, 405, 410, 416, 500, 502, 503]),
    ];
    for (applies, statuses) in statuses {
        for status in statuses {
            assert_eq!(pair(&apply("1h", *status, NOW, None)) != untouched, applies, "{status}");
        }
    }
}

#[test]
fn dates_stay_within_what_can_be_written() {
    let cases = [
        ("-100y", Duration::ZERO, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("100y", Duration::from_secs(LAST_DATE as u64), "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("100y", Duration::from_secs(u64::MAX / 4), "Fri, 31 Dec 9999 23:59:59 GMT"),
    ];
    for (text, now, expires) in cases {
        assert_eq!(pair(&apply(text, 200, now, None)).0, expires, "{text} at {now:?}");
    }
}

#[test]
fn mistakes() {
    let cases = [
        "",
        "x",
        "modified",
        "modified x",
        "modifiedly",
        "@",
        "@25h",
        "@-1h",
        "@x",
        "modified @1h",
        "1x",
        "--1",
        "max 1",
        "500ms",
        "-",
        "+",
        "forever",
        "modified max",
        "101y",
        "-@1h",
        "99999999999999999999",
    ];
    for text in cases {
        assert!(Expires::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn in_settings() {
    let cases = [
        ("\"max\"", Some(Expires::Max)),
        ("\"30d\"", Some(Expires::After(30 * DAY))),
        ("3600", Some(Expires::After(3600))),
        ("-1", Some(Expires::After(-1))),
        ("true", None),
        ("\"soon\"", None),
        ("-9223372036854775808", None),
        ("18446744073709551615", None),
    ];
    for (text, expires) in cases {
        assert_eq!(serde_json::from_str::<Expires>(text).ok(), expires, "{text}");
    }
}
