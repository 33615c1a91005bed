//! Which replies may be stored, and for whom.

use super::*;

#[test]
fn what_the_reply_forbids() {
    let cases: &[(Fields<'_>, Reason)] = &[
        (&[("cache-control", "no-store")], Reason::NoStore),
        (&[("cache-control", "public, max-age=60, no-store")], Reason::NoStore),
        (&[("cache-control", "max-age=60"), ("cache-control", "NO-STORE")], Reason::NoStore),
        (&[("cache-control", "private")], Reason::Private),
        (&[("cache-control", "public, private")], Reason::Private),
        (&[("cache-control", "private=\"\", max-age=60")], Reason::Private),
        (&[("cache-control", "no-cache")], Reason::NoCache),
        (&[("cache-control", "max-age=60, no-cache")], Reason::NoCache),
        (&[("cache-control", "max-age=0, no-cache, no-store, must-revalidate, private")], Reason::NoStore),
        (&[("cache-control", "\"no-store\"")], Reason::InvalidFreshness),
        (&[("cache-control", "no-store;")], Reason::InvalidFreshness),
        (&[("cdn-cache-control", "no-store"), ("cache-control", "max-age=60")], Reason::NoStore),
        (&[("weir-cache-control", "private"), ("cdn-cache-control", "max-age=60")], Reason::Private),
        (&[("set-cookie", "a=1")], Reason::SetCookie),
        (&[("set-cookie", "a=1"), ("cache-control", "public, s-maxage=60")], Reason::SetCookie),
        (&[("set-cookie", "a=1"), ("x-accel-expires", "60")], Reason::SetCookie),
        (&[("set-cookie", "a=1"), ("cdn-cache-control", "public, max-age=60")], Reason::SetCookie),
        (&[("x-accel-redirect", "/x"), ("cache-control", "public, max-age=60")], Reason::AccelRedirect),
        (
            &[("content-type", "Text/Event-Stream; charset=utf-8"), ("cache-control", "max-age=60")],
            Reason::Streamed,
        ),
        (&[("x-accel-buffering", "no"), ("cache-control", "public, max-age=60")], Reason::Streamed),
        (&[("surrogate-control", "no-store")], Reason::NoStore),
        (&[("surrogate-control", "no-store"), ("cache-control", "public, max-age=60")], Reason::NoStore),
        (&[("surrogate-control", "max-age=0"), ("cdn-cache-control", "max-age=60")], Reason::NoStore),
        (&[("vary", "*")], Reason::VaryStar),
        (&[("vary", "accept, *")], Reason::VaryStar),
        (&[("vary", "*"), ("x-accel-expires", "60")], Reason::VaryStar),
        (&[("vary", "a b")], Reason::Vary),
        (&[("content-length", "16777217")], Reason::TooLarge),
        (&[("surrogate-key", &"tag ".repeat(tags::MAX_TAGS + 1))], Reason::TooManyTags),
        (&[("content-security-policy", "script-src 'self' 'nonce-abc'")], Reason::Nonce),
        (&[("content-security-policy-report-only", "script-src 'nonce-abc'")], Reason::Nonce),
    ];
    for (fields, reason) in cases {
        assert_eq!(reply(fields).reason(), *reason, "{fields:?}");
    }
}

#[test]
fn what_forbids_only_in_part_or_not_at_all() {
    let cases: &[Fields<'_>] = &[
        &[("cache-control", "private=\"x-user\", max-age=60")],
        &[("cache-control", "no-cache=\"x-user\", max-age=60")],
        &[("cache-control", "no-cache=\"set-cookie\", max-age=60"), ("set-cookie", "a=1")],
        &[("cache-control", "private=\"Set-Cookie\", max-age=60"), ("set-cookie", "a=1")],
        &[("cache-control", "unknown, no-transform, immutable, community=\"UCI\"")],
        &[("pragma", "no-cache")],
        // nginx's precedence, and the targeted field's: for the cache in front, whatever browsers are told.
        &[
            ("x-accel-expires", "60"),
            ("cache-control", "no-store, private, no-cache, max-age=0"),
            ("expires", "0"),
        ],
        &[
            ("cdn-cache-control", "max-age=60"),
            ("cache-control", "no-store, private, no-cache"),
            ("expires", "0"),
        ],
        &[("surrogate-control", "no-store"), ("x-accel-expires", "60")],
        &[("surrogate-control", "no-store"), ("weir-cache-control", "max-age=60")],
        &[("surrogate-control", "max-age=60, content=\"ESI/1.0\"")],
        &[("content-security-policy", "script-src 'self'")],
        &[("content-security-policy", "script-src 'nonce-abc'"), ("cache-control", "public")],
        &[("content-security-policy", "script-src 'nonce-abc'"), ("content-type", "text/css")],
        &[("content-length", "16777216")],
        &[("content-length", "junk")],
    ];
    for fields in cases {
        assert!(reply(fields).stored().ttl > Duration::ZERO, "{fields:?}");
    }
}

#[test]
fn statuses() {
    let with_lifetime = &cache_control("max-age=60");
    for status in [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 410, 451] {
        assert_eq!(Case { status, ..reply(with_lifetime) }.stored().ttl.as_secs(), 60, "{status}");
    }
    for status in [100, 103, 201, 299, 304, 400, 401, 403, 405, 413, 414, 429, 431, 500, 502, 503, 504, 599] {
        assert_eq!(Case { status, ..reply(with_lifetime) }.reason(), Reason::Status, "{status}");
    }
    assert_eq!(Case { status: 206, ..reply(with_lifetime) }.reason(), Reason::Partial);
    for status in [203, 204, 303, 307, 404, 410] {
        assert_eq!(Case { status, ..reply(&[]) }.reason(), Reason::NoFreshness, "{status}");
    }
}

#[test]
fn statuses_that_the_settings_name() {
    fn named<'a>(fields: Fields<'a>, status: u16) -> Case<'a> {
        let seconds = |status, seconds| (status, Duration::from_secs(seconds));
        let ttl = TtlRules::by_status([seconds("404", 5), seconds("5xx", 2), seconds("200", 0)]).unwrap();
        Case { policy: Policy { ttl, ..Policy::default() }, status, ..reply(fields) }
    }
    assert_eq!(named(&[], 404).stored().ttl.as_secs(), 5);
    assert_eq!(named(&[], 503).stored().ttl.as_secs(), 2);
    assert_eq!(named(&cache_control("max-age=60"), 503).stored().ttl.as_secs(), 60);
    assert_eq!(named(&cache_control("no-store"), 404).reason(), Reason::NoStore);
    assert_eq!(named(&[], 200).reason(), Reason::Expired);
    assert_eq!(named(&cache_control("max-age=60"), 200).stored().ttl.as_secs(), 60);
    assert_eq!(named(&[], 301).reason(), Reason::NoFreshness);
    let any =
        Policy { ttl: TtlRules::by_status([("any", Duration::from_secs(1))]).unwrap(), ..Policy::default() };
    assert_eq!(Case { policy: any.clone(), status: 206, ..reply(&[]) }.reason(), Reason::Partial);
    assert_eq!(Case { policy: any.clone(), status: 304, ..reply(&[]) }.reason(), Reason::Status);
    assert_eq!(Case { policy: any, status: 101, ..reply(&[]) }.reason(), Reason::Status);
}

#[test]
fn must_understand() {
    let fields = &cache_control("must-understand, no-store, max-age=60");
    assert_eq!(reply(fields).stored().ttl.as_secs(), 60);
    assert_eq!(Case { status: 299, ..reply(fields) }.reason(), Reason::Status);
    let ttl = TtlRules::by_status([("any", Duration::from_secs(1))]).unwrap();
    let policy = Policy { ttl, ..Policy::default() };
    assert_eq!(Case { policy, status: 299, ..reply(fields) }.reason(), Reason::Status);
}

#[test]
fn vary_names_the_selecting_fields() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("Cookie", &[]),
        ("Accept-Language, Cookie", &["accept-language"]),
        ("cookie, Accept-Encoding, accept-language", &["accept-encoding", "accept-language"]),
    ];
    for (value, names) in cases {
        assert_eq!(reply(&[("vary", value)]).stored().vary, *names, "{value}");
    }
}

#[test]
fn private_unless_sure() {
    let unsure: &[Fields<'_>] = &[
        &[],
        &[("cache-control", "max-age=60")],
        &[("expires", IN_A_MINUTE), ("date", NOW)],
        &[("x-accel-expires", "60")],
        &[("cdn-cache-control", "max-age=60")],
        &[("cdn-cache-control", "max-age=60"), ("cache-control", "public")],
        &[("cache-control", "s-maxage=junk, max-age=60")],
        &[("cache-control", "public=x, max-age=60")],
        // Selected by Cookie: whatever else it says, it is not for all.
        &[("cache-control", "public, max-age=60"), ("vary", "Cookie")],
        &[("cache-control", "s-maxage=60, must-revalidate"), ("vary", "Accept, Cookie")],
    ];
    for fields in unsure {
        let personal = Case { personal: true, ..reply(fields) }.reason();
        assert!(
            matches!(personal, Reason::PersonalCookie | Reason::InvalidFreshness),
            "{fields:?}: {personal:?}"
        );
        let authorization = Case { authorization: true, ..reply(fields) }.reason();
        assert!(matches!(authorization, Reason::Authorization), "{fields:?}: {authorization:?}");
        if let Verdict::Store(lifetime) = reply(fields).verdict() {
            assert!(!lifetime.shared, "{fields:?}");
        }
    }
    let sure: &[Fields<'_>] = &[
        &[("cache-control", "public")],
        &[("cache-control", "public, max-age=60")],
        &[("cache-control", "s-maxage=60")],
        &[("cdn-cache-control", "public, max-age=60"), ("cache-control", "private")],
        &[("weir-cache-control", "s-maxage=60")],
        &[("x-accel-expires", "60"), ("cache-control", "public")],
    ];
    for fields in sure {
        for (personal, authorization) in [(true, false), (false, true), (true, true), (false, false)] {
            assert!(Case { personal, authorization, ..reply(fields) }.stored().shared, "{fields:?}");
        }
    }
}

#[test]
fn authorization_and_must_revalidate() {
    let fields = &cache_control("must-revalidate, max-age=60");
    let lifetime = Case { authorization: true, ..reply(fields) }.stored();
    assert!(lifetime.shared);
    for fields in [&cache_control("max-age=60")[..], &cache_control("proxy-revalidate, max-age=60"), &[]] {
        assert_eq!(
            Case { authorization: true, ..reply(fields) }.reason(),
            Reason::Authorization,
            "{fields:?}"
        );
    }
    assert_eq!(lifetime.stale_if_error, Duration::ZERO);
    assert_eq!(
        Case { personal: true, authorization: true, ..reply(fields) }.reason(),
        Reason::PersonalCookie
    );
    assert!(!reply(fields).stored().shared);
}

#[test]
fn ignored_fields_are_not_looked_at() {
    let ignoring = |names: &[&str], fields| {
        let ignore_fields = crate::policy::field_names(names.iter().copied()).unwrap();
        Case { policy: Policy { ignore_fields, ..Policy::default() }, ..reply(fields) }.stored()
    };
    assert_eq!(ignoring(&["Set-Cookie"], &[("set-cookie", "a=1")]).ttl.as_secs(), 1);
    assert_eq!(ignoring(&["Cache-Control"], &[("cache-control", "no-store, max-age=60")]).ttl.as_secs(), 1);
    assert!(!ignoring(&["Cache-Control"], &[("cache-control", "public")]).shared);
    assert_eq!(ignoring(&["Expires"], &[("expires", "0")]).ttl.as_secs(), 1);
    assert_eq!(ignoring(&["Vary"], &[("vary", "*")]).vary, [] as [&str; 0]);
    assert_eq!(ignoring(&["X-Accel-Expires"], &[("x-accel-expires", "0")]).ttl.as_secs(), 1);
    assert_eq!(ignoring(&["CDN-Cache-Control"], &[("cdn-cache-control", "no-store")]).ttl.as_secs(), 1);
}

#[test]
fn a_compressed_page_cannot_be_searched_for_a_token() {
    let cases: &[(Fields<'_>, Option<Reason>)] = &[
        (&[("content-encoding", "br"), ("content-type", "text/html")], Some(Reason::EncodedBody)),
        (&[("content-encoding", "br")], Some(Reason::EncodedBody)),
        (&[("content-encoding", "gzip, br"), ("content-type", "text/html")], Some(Reason::EncodedBody)),
        (&[("content-encoding", "gzip"), ("content-encoding", "gzip")], Some(Reason::EncodedBody)),
        (&[("content-encoding", "identity"), ("content-type", "text/html")], None),
        (&[("content-encoding", "GZIP"), ("content-type", "text/html")], None),
        (&[("content-encoding", "br"), ("content-type", "text/css")], None),
        (&[("content-encoding", "br"), ("content-type", "text/html"), ("cache-control", "public")], None),
    ];
    for (fields, expected) in cases {
        match (reply(fields).verdict(), expected) {
            (Verdict::DoNotStore(reason), Some(expected)) => assert_eq!(reason, *expected, "{fields:?}"),
            (Verdict::Store(_), None) => {}
            (verdict, _) => panic!("{fields:?}: {verdict:?}"),
        }
    }
}
