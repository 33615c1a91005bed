//! Cache-Control of replies, line by line: repeats, quotes, case, junk.

use super::*;

fn of(lines: &[&str]) -> ReplyDirectives {
    let values: Vec<HeaderValue> =
        lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap()).collect();
    ReplyDirectives::collect(directives(values.iter()))
}

fn secs(seconds: u64) -> Delta {
    Delta::Valid(Duration::from_secs(seconds))
}

fn fields(names: &[&'static str]) -> Scope {
    Scope::Fields(names.iter().map(|name| HeaderName::from_static(name)).collect())
}

#[test]
fn seconds() {
    let cases: &[(&[&str], Delta)] = &[
        (&[""], Delta::Absent),
        (&["max-age=60"], secs(60)),
        (&["MAX-AGE=60"], secs(60)),
        (&["max-age=\"60\""], secs(60)),
        (&["max-age=0060"], secs(60)),
        (&["public, max-age=60"], secs(60)),
        (&["public", "max-age=60"], secs(60)),
        (&[" ,, max-age=60 , "], secs(60)),
        (&["max-age=60, max-age=60"], secs(60)),
        (&["max-age=60, max-age=61"], Delta::Invalid),
        (&["max-age=60", "max-age=0"], Delta::Invalid),
        (&["max-age=2147483648"], secs(1 << 31)),
        (&["max-age=2147483649"], secs(1 << 31)),
        (&["max-age=99999999999999999999999999"], secs(1 << 31)),
        (&["max-age"], Delta::Invalid),
        (&["max-age="], Delta::Invalid),
        (&["max-age=-1"], Delta::Invalid),
        (&["max-age=+1"], Delta::Invalid),
        (&["max-age=1.5"], Delta::Invalid),
        (&["max-age=1s"], Delta::Invalid),
        (&["max-age=60;public"], Delta::Invalid),
        (&["max-age= 60"], Delta::Invalid),
        (&["x=\"a, max-age=60\""], Delta::Absent),
        (&["x=\"a\\\", max-age=60\""], Delta::Absent),
        (&["x-max-age=60"], Delta::Absent),
    ];
    for (lines, expected) in cases {
        assert_eq!(of(lines).max_age, *expected, "{lines:?}");
    }
}

#[test]
fn scopes() {
    let cases: &[(&[&str], Scope)] = &[
        (&["max-age=1"], Scope::Nothing),
        (&["private"], Scope::All),
        (&["Private"], Scope::All),
        (&["private=\"Set-Cookie\""], fields(&["set-cookie"])),
        (&["private=\"set-cookie , X-User\""], fields(&["set-cookie", "x-user"])),
        (&["private=set-cookie"], fields(&["set-cookie"])),
        (&["private=\"set\\-cookie, \\x-user\""], fields(&["set-cookie", "x-user"])),
        (&["private=\"a\"", "private=\"b\""], fields(&["a", "b"])),
        (&["private=\"a\", private"], Scope::All),
        (&["private, private=\"a\""], Scope::All),
        (&["private=\"\""], Scope::All),
        (&["private="], Scope::All),
        (&["private=\"a b\""], Scope::All),
        (&["private=\"set-cookie"], Scope::All),
    ];
    for (lines, expected) in cases {
        assert_eq!(of(lines).private, *expected, "{lines:?}");
        let no_cache: Vec<_> =
            lines.iter().map(|line| line.to_lowercase().replace("private", "no-cache")).collect();
        let no_cache: Vec<_> = no_cache.iter().map(String::as_str).collect();
        assert_eq!(of(&no_cache).no_cache, *expected, "{no_cache:?}");
    }
}

#[test]
fn flags_that_forbid_are_taken_generously_and_those_that_permit_are_not() {
    assert!(of(&["no-store"]).no_store);
    assert!(of(&["no-store=1"]).no_store);
    assert!(of(&["must-revalidate=x"]).must_revalidate);
    assert!(of(&["proxy-revalidate"]).proxy_revalidate);
    assert!(of(&["PUBLIC"]).public);
    assert!(!of(&["public=1"]).public);
    assert!(of(&["must-understand"]).must_understand);
    assert!(!of(&["must-understand=1"]).must_understand);
    assert_eq!(of(&["community=\"UCI\", immutable, x=y"]), ReplyDirectives::default());
}

#[test]
fn junk_is_noticed() {
    for line in [
        "no-store;max-age=0",
        "\"no-store\"",
        "=x",
        "a b",
        "private=\"x",
        "a=\"b\"c",
        "max-age= 5",
        "a=",
        "caf\u{e9}",
    ] {
        assert!(of(&[line]).malformed, "{line}");
    }
    for line in ["", ",", "max-age=5", "a=\"\"", "a=\"\\\"\"", "a, b=c"] {
        assert!(!of(&[line]).malformed, "{line}");
    }
}
