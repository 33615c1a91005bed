//! What is in a key and what is not; no two requests share one by accident.

use super::*;
use crate::policy::query::QueryRules;

fn key(
    policy: &Policy,
    url: (&str, &str, &str, Option<&str>),
    cookie: &str,
) -> Result<(String, KeyFindings), Reason> {
    let (scheme, authority, path, query) = url;
    let mut key = Vec::new();
    let lines = (!cookie.is_empty()).then_some(cookie.as_bytes());
    let target = TargetUri { scheme, authority, path: path.as_bytes(), query: query.map(str::as_bytes) };
    let keyed = policy.key(target, lines, &mut key)?;
    Ok((String::from_utf8(key).unwrap(), keyed))
}

#[test]
fn host_and_target_are_in_their_normal_form() {
    let policy = Policy::default();
    let cases = [
        (("http", "Example.COM", "/a", None), "http://example.com/a"),
        (("http", "example.com:80", "/a", None), "http://example.com/a"),
        (("http", "example.com:", "/a", None), "http://example.com/a"),
        (("http", "example.com.", "/a", None), "http://example.com/a"),
        (("http", "example.com.:8080", "/a", None), "http://example.com:8080/a"),
        (("http", "example.com:443", "/a", None), "http://example.com:443/a"),
        (("https", "example.com:443", "/a", None), "https://example.com/a"),
        (("https", "[::1]:8443", "/a", None), "https://[::1]:8443/a"),
        (("http", "", "/a", None), "http:///a"),
        (("http", "h", "/A%2f/%7eb//", None), "http://h/A%2F/~b//"),
        (("http", "h", "/é", Some("%c3%a9=%41")), "http://h/%C3%A9?%C3%A9=A"),
        (("http", "h", "/a", Some("")), "http://h/a?"),
        (("http", "h", "/a", Some("b=1&a=2;c&&?")), "http://h/a?b=1&a=2;c&&?"),
    ];
    for (url, expected) in cases {
        assert_eq!(key(&policy, url, "").map(|(key, _)| key).as_deref(), Ok(expected), "{url:?}");
    }
}

#[test]
fn what_could_make_two_pages_share_a_key_is_refused() {
    let policy = Policy::default();
    let long = format!("/{}", "a".repeat(MAX_KEY));
    let cases = [
        ("ftp", "h", "/a", None),
        ("HTTP", "h", "/a", None),
        ("http", "h/x", "/a", None),
        ("http", "h?x", "/a", None),
        ("http", "u@h", "/a", None),
        ("http", "h h", "/a", None),
        ("http", "a:b:c", "/a", None),
        ("http", "h:8o", "/a", None),
        ("http", "[::1", "/a", None),
        ("http", "[::1]x", "/a", None),
        ("http", "h\0", "/a", None),
        ("http", "h", "", None),
        ("http", "h", "*", None),
        ("http", "h", "a", None),
        ("http", "h", "/a?b", None),
        ("http", "h", "/a b", None),
        ("http", "h", "/a#b", None),
        ("http", "h", "/a\0b=c", None),
        ("http", "h", "/a/../b", None),
        ("http", "h", "/%2e/b", None),
        ("http", "h", "/a", Some("b\0")),
        ("http", "h", "/a", Some("b\x7f")),
        ("http", "h", &long, None),
    ];
    for url in cases {
        assert_eq!(key(&policy, url, ""), Err(Reason::Target), "{url:?}");
    }
}

#[test]
fn ignored_parameters_are_not_in_the_key() {
    let query = QueryRules::new(["utm_*", "fbclid"], [], false).unwrap();
    let policy = Policy { query, ..Policy::default() };
    let cases = [
        ("a=1", "?a=1", false),
        ("utm_source=x", "", true),
        ("utm_source=x&utm_medium=y", "", true),
        ("a=1&utm_source=x&b=2", "?a=1&b=2", true),
        ("fbclid", "", true),
        ("fbclid2=1", "?fbclid2=1", false),
        ("%75tm_source=x", "", true),
        // `;` separates nothing: an ignored name cannot hide a parameter, nor the other way round.
        ("a=1;utm_source=x", "?a=1;utm_source=x", false),
        ("utm_source=x;a=1", "", true),
        ("UTM_source=x", "?UTM_source=x", false),
        ("&utm_x&", "?&", true),
    ];
    for (query, rest, trimmed) in cases {
        let (key, keyed) = key(&policy, ("http", "h", "/", Some(query)), "").unwrap();
        assert_eq!((key.as_str(), keyed.trimmed), (format!("http://h/{rest}").as_str(), trimmed), "{query}");
    }
}

#[test]
fn sorted_queries_share_a_key_but_repeats_keep_their_order() {
    let policy = Policy { query: QueryRules::new(["x"], [], true).unwrap(), ..Policy::default() };
    let cases = [("b=1&a=2", "?a=2&b=1"), ("a=2&x=3&a=1", "?a=2&a=1"), ("x", ""), ("", "?")];
    for (query, rest) in cases {
        let (key, _) = key(&policy, ("http", "h", "/", Some(query)), "").unwrap();
        assert_eq!(key, format!("http://h/{rest}"), "{query}");
    }
}

#[test]
fn cookies_split_the_key_or_make_the_request_personal() {
    let policy = Policy::default();
    let long = format!("lang={}", "x".repeat(MAX_SPLIT_VALUE + 1));
    let many = (0..=MAX_SPLIT).map(|n| format!("lang={n}")).collect::<Vec<_>>().join("; ");
    let keyed = |personal, trimmed| KeyFindings { personal, trimmed };
    let cases = [
        ("", "", keyed(false, false)),
        ("_ga=1; csrftoken=2", "", keyed(false, true)),
        ("django_language=de", "\0django_language=de", keyed(false, false)),
        ("lang=b; _ga=1; django_language=de", "\0django_language=de\0lang=b", keyed(false, true)),
        ("django_language=de; lang=b", "\0django_language=de\0lang=b", keyed(false, false)),
        ("lang=1; lang=0", "\0lang=1\0lang=0", keyed(false, false)),
        ("sessionid=1", "", keyed(true, true)),
        ("unknown=1", "", keyed(true, true)),
        ("junk", "", keyed(true, true)),
        ("sessionid=1; _ga=1; lang=x", "\0lang=x", keyed(true, true)),
        ("lang=a\x01b", "", keyed(true, true)),
        (&long, "", keyed(true, true)),
    ];
    for (cookie, rest, expected) in cases {
        let (key, keyed) = key(&policy, ("http", "h", "/", None), cookie).unwrap();
        assert_eq!((key, keyed), (format!("http://h/{rest}"), expected), "{cookie}");
    }
    assert!(key(&policy, ("http", "h", "/", None), &many).unwrap().1.personal);
}

#[test]
fn the_url_is_the_key_without_the_cookies() {
    let key = Key::new(&b"http://h/a?b\0lang=de"[..]);
    assert_eq!(key.url(), b"http://h/a?b");
    assert_eq!(key.as_bytes(), b"http://h/a?b\0lang=de");
    for (key, expected) in
        [("http://h:81/a/b", "http://h:81"), ("https:///a", "https://"), ("https://h", "https://h")]
    {
        assert_eq!(origin(key.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn only_the_parameters_that_are_allowed_count() {
    let query = QueryRules::new(["page_old"], ["page*", "q"], false).unwrap();
    let policy = Policy { query, ..Policy::default() };
    let cases = [
        (Some("page=2&q=a"), "?page=2&q=a", false),
        (Some("p%61ge=2"), "?page=2", false),
        (Some("x=1&page=2&utm_source=b&q"), "?page=2&q", true),
        (Some("page_old=1&pages=2"), "?pages=2", true),
        (Some("x=1"), "", true),
        (Some("Page=2"), "", true),
        (None, "", false),
    ];
    for (query, kept, trimmed) in cases {
        let (key, keyed) = key(&policy, ("http", "h", "/a", query), "").unwrap();
        assert_eq!((key, keyed.trimmed), (format!("http://h/a{kept}"), trimmed), "{query:?}");
    }
}
