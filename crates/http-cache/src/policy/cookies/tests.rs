//! Cookie names by the built-in lists and the owner's.

use super::*;

#[test]
fn the_defaults_know_the_common_names() {
    let rules = CookieRules::default();
    let cases = [
        ("sessionid", CookieClass::Personal),
        ("session", CookieClass::Personal),
        ("PHPSESSID", CookieClass::Personal),
        ("wordpress_logged_in_1f2", CookieClass::Personal),
        ("__Host-session", CookieClass::Personal),
        ("something_else", CookieClass::Personal),
        ("", CookieClass::Personal),
        ("Sessionid", CookieClass::Personal),
        ("django_language", CookieClass::Split),
        ("csrftoken", CookieClass::Ignore),
        ("_ga", CookieClass::Ignore),
        ("_ga_ABC123", CookieClass::Ignore),
        ("_gatx", CookieClass::Personal),
        ("mp_0123_mixpanel", CookieClass::Ignore),
        ("OptanonConsent", CookieClass::Ignore),
    ];
    for (name, class) in cases {
        assert_eq!(rules.class(name.as_bytes()), class, "{name}");
    }
}

#[test]
fn the_owners_lists_come_first_and_the_more_particular_pattern_counts() {
    let rules =
        CookieRules::new(["_ga", "cart*"], ["cart_style", "theme"], ["session", "*_seen", "c*"]).unwrap();
    let cases = [
        ("_ga", CookieClass::Personal),
        ("_ga_X", CookieClass::Ignore),
        ("session", CookieClass::Ignore),
        ("sessionid", CookieClass::Personal),
        ("theme", CookieClass::Split),
        ("cart", CookieClass::Personal),
        ("cart_style", CookieClass::Split),
        ("csrftoken", CookieClass::Ignore),
        ("banner_seen", CookieClass::Ignore),
        ("django_language", CookieClass::Split),
    ];
    for (name, class) in cases {
        assert_eq!(rules.class(name.as_bytes()), class, "{name}");
    }
}

#[test]
fn a_tie_goes_to_the_cautious_side() {
    let rules = CookieRules::new(["x"], ["x", "y"], ["x", "y"]).unwrap();
    assert_eq!(rules.class(b"x"), CookieClass::Personal);
    assert_eq!(rules.class(b"y"), CookieClass::Split);
}

#[test]
fn every_default_is_a_valid_pattern() {
    let all: usize = defaults::LISTS.iter().map(|(_, names)| names.len()).sum();
    assert_eq!(patterns::built_in(defaults::LISTS).len(), all);
    assert_eq!(CookieRules::default().class(b"_fbp"), CookieClass::Ignore);
}

#[test]
fn refuses_what_is_no_cookie_name() {
    for name in ["", "a=b", "a;b", "a b", "a,b"] {
        assert!(CookieRules::new([name], [], []).is_err(), "{name:?}");
    }
}

#[test]
fn splits_a_cookie_line_at_semicolons_only() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("a=1", &[("a", "1")]),
        ("a=1; b=2", &[("a", "1"), ("b", "2")]),
        (" a = 1 ;;b=2;", &[("a", "1"), ("b", "2")]),
        ("a=1=2", &[("a", "1=2")]),
        ("a=\"x; b=2\"", &[("a", "\"x"), ("b", "2\"")]),
        ("a=1, b=2", &[("a", "1, b=2")]),
        ("lonely", &[("", "lonely")]),
        ("=v", &[("", "v")]),
        ("", &[]),
        (" ; ", &[]),
    ];
    for (line, expected) in cases {
        let found: Vec<_> = pairs(line.as_bytes())
            .map(|cookie| {
                (std::str::from_utf8(cookie.name).unwrap(), std::str::from_utf8(cookie.value).unwrap())
            })
            .collect();
        assert_eq!(&found, expected, "{line:?}");
    }
}
