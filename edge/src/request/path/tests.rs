//! The ends of redirects, and the targets that applications get.

use super::*;

#[test]
fn redirects_stay_on_the_site() {
    let cases: &[(&str, Option<&str>, &str)] = &[
        ("/a", None, "/a/"),
        ("/a", Some("x=1&y=%20"), "/a/?x=1&y=%20"),
        ("/a", Some(""), "/a/?"),
        ("//evil.example", None, "/evil.example/"),
        ("/%2fevil.example", None, "/evil.example/"),
        ("/\\evil.example", None, "/%5Cevil.example/"),
        ("/%5cevil.example", None, "/%5Cevil.example/"),
        ("/a%0d%0aSet-Cookie:x", None, "/a%0D%0ASet-Cookie:x/"),
        ("/a%20b%3f%25", None, "/a%20b%3F%25/"),
        ("/%c3%a9", None, "/%C3%A9/"),
        ("/a", Some("x=\r\ny: z"), "/a/?x=%0D%0Ay:%20z"),
    ];
    for (raw, query, location) in cases {
        let path = normalise(raw.as_bytes()).unwrap();
        assert_eq!(with_slash(&path, *query), *location, "{raw:?}");
    }
}

#[test]
fn dot_segments_reach_no_application() {
    for (target, normal) in [
        ("/a/b", None),
        ("/a//b?x", None),
        ("/a.b/.c/..d/e..", None),
        ("/a%20b", None),
        ("/%2541", None),
        ("/?a=/../b", None),
        ("/intapp/secret/../../x", Some("/x")),
        ("/intapp/secret/../../x?a=/../b", Some("/x?a=/../b")),
        ("/intapp/./secret", Some("/intapp/secret")),
        ("/intapp/%2e%2E/x", Some("/x")),
        ("/intapp%2f..%2fx", Some("/x")),
        ("/a/../b%20c%3F%2523", Some("/b%20c%3F%2523")),
        ("/a/..", Some("/")),
        ("/a/.", Some("/a/")),
        // Malformed, which is said elsewhere.
        ("/../a", None),
        ("/a/../%zz", None),
    ] {
        assert_eq!(without_dots(target).as_deref(), normal, "{target}");
    }
}
