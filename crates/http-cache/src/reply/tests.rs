//! Headers in, verdict out, by topic.

mod storable;

use std::time::UNIX_EPOCH;

use super::*;
use crate::Use;
use crate::policy::{Heuristic, TtlRules};

type Fields<'a> = &'a [(&'static str, &'a str)];

/// 784_111_777 s since the epoch.
const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const IN_A_MINUTE: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
const AN_HOUR_AGO: &str = "Sun, 06 Nov 1994 07:49:37 GMT";

struct Case<'a> {
    policy: Policy,
    status: u16,
    fields: Fields<'a>,
    authorization: bool,
    personal: bool,
}

fn reply<'a>(fields: Fields<'a>) -> Case<'a> {
    Case { policy: Policy::default(), status: 200, fields, authorization: false, personal: false }
}

impl Case<'_> {
    fn verdict(&self) -> Verdict {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut headers = HeaderMap::new();
        for (name, value) in self.fields {
            headers.append(*name, value.parse().unwrap());
        }
        let reply = ReplyParts {
            status: StatusCode::from_u16(self.status).unwrap(),
            headers: &headers,
            authorization: self.authorization,
            personal: self.personal,
            request_time: now,
        };
        self.policy.reply(&reply, now)
    }

    fn stored(&self) -> Lifetime {
        match self.verdict() {
            Verdict::Store(lifetime) => lifetime,
            Verdict::DoNotStore(reason) => panic!("{:?}: {reason:?}", self.fields),
        }
    }

    fn reason(&self) -> Reason {
        match self.verdict() {
            Verdict::DoNotStore(reason) => reason,
            Verdict::Store(lifetime) => panic!("{:?}: {lifetime:?}", self.fields),
        }
    }
}

fn cache_control(value: &str) -> [(&'static str, &str); 1] {
    [("cache-control", value)]
}

#[test]
fn freshness_and_its_source() {
    let cases: &[(Fields<'_>, u64, Source)] = &[
        (&[], 1, Source::Setting),
        (&[("cache-control", "public")], 1, Source::Setting),
        (&[("cache-control", "max-age=60")], 60, Source::MaxAge),
        (&[("cache-control", "max-age=60, s-maxage=10")], 10, Source::SMaxage),
        (&[("cache-control", "s-maxage=10, max-age=junk")], 10, Source::SMaxage),
        (&[("cache-control", "max-age=5"), ("expires", IN_A_MINUTE), ("date", NOW)], 5, Source::MaxAge),
        (&[("expires", IN_A_MINUTE), ("date", NOW)], 60, Source::Expires),
        (&[("expires", IN_A_MINUTE)], 60, Source::Expires),
        (&[("expires", IN_A_MINUTE), ("date", "junk")], 60, Source::Expires),
        (&[("expires", IN_A_MINUTE), ("date", NOW), ("date", AN_HOUR_AGO)], 60, Source::Expires),
        // "this calculation is intended to reduce clock skew by using the clock information provided by the
        // origin server whenever possible" (section 4.2.1): both of the server's dates, and nothing of ours.
        (&[("expires", NOW), ("date", AN_HOUR_AGO)], 3600, Source::Expires),
        (&[("cache-control", "public"), ("expires", IN_A_MINUTE), ("date", NOW)], 60, Source::Expires),
        (
            &[("cdn-cache-control", "max-age=7"), ("cache-control", "max-age=60, s-maxage=5")],
            7,
            Source::CdnCacheControl,
        ),
        (
            &[("weir-cache-control", "max-age=8"), ("cdn-cache-control", "max-age=7")],
            8,
            Source::WeirCacheControl,
        ),
        (&[("weir-cache-control", ""), ("cdn-cache-control", "max-age=7")], 7, Source::CdnCacheControl),
        (&[("cdn-cache-control", "Max-Age=7"), ("cache-control", "max-age=60")], 60, Source::MaxAge),
        (&[("cdn-cache-control", "max-age=7, s-maxage=6")], 6, Source::CdnCacheControl),
        // A targeted field without a lifetime: not Expires, but the settings.
        (&[("cdn-cache-control", "public"), ("expires", IN_A_MINUTE), ("date", NOW)], 1, Source::Setting),
        (
            &[("x-accel-expires", "9"), ("weir-cache-control", "max-age=8"), ("expires", "0")],
            9,
            Source::XAccelExpires,
        ),
        (&[("x-accel-expires", "@784111787"), ("cache-control", "max-age=60")], 10, Source::XAccelExpires),
        (&[("cache-control", "max-age=99999999999999999999")], 1 << 31, Source::MaxAge),
    ];
    for (fields, ttl, source) in cases {
        let lifetime = reply(fields).stored();
        assert_eq!((lifetime.ttl.as_secs(), lifetime.source), (*ttl, *source), "{fields:?}");
    }
}

#[test]
fn a_heuristic_counts_only_where_it_is_set_and_nothing_else_is_said() {
    let (changed, dated) = (("last-modified", AN_HOUR_AGO), ("date", NOW));
    let policy = Policy { heuristic: Heuristic::new(0.1).unwrap(), ..Policy::default() };
    let cases: &[(u16, Fields<'_>, u64, Source)] = &[
        (200, &[changed, dated], 360, Source::Heuristic),
        (200, &[changed], 360, Source::Heuristic),
        (404, &[changed, dated], 360, Source::Heuristic),
        (302, &[changed, dated], 1, Source::Setting),
        (302, &[changed, dated, ("cache-control", "public")], 360, Source::Heuristic),
        (200, &[changed, dated, ("cache-control", "max-age=5")], 5, Source::MaxAge),
        (200, &[dated], 1, Source::Setting),
    ];
    for (status, fields, ttl, source) in cases {
        let lifetime = Case { policy: policy.clone(), status: *status, ..reply(fields) }.stored();
        assert_eq!((lifetime.ttl.as_secs(), lifetime.source), (*ttl, *source), "{status} {fields:?}");
    }
    assert_eq!(reply(&[changed, dated]).stored().source, Source::Setting);
}

#[test]
fn age_counts_against_the_replys_lifetime_and_not_against_the_settings() {
    let lifetime = reply(&[("age", "50"), ("cache-control", "max-age=60")]).stored();
    assert_eq!((lifetime.ttl.as_secs(), lifetime.age.as_secs()), (60, 50));
    let lifetime = reply(&[("age", "50")]).stored();
    assert_eq!((lifetime.ttl.as_secs(), lifetime.age.as_secs()), (51, 50));
    let lifetime = reply(&[("age", "50"), ("x-accel-expires", "5")]).stored();
    assert_eq!((lifetime.ttl.as_secs(), lifetime.age.as_secs()), (55, 50));
}

#[test]
fn stale_already() {
    let cases: &[(Fields<'_>, Reason)] = &[
        (&[("cache-control", "max-age=0")], Reason::Expired),
        (&[("cache-control", "s-maxage=0, max-age=60")], Reason::Expired),
        (&[("cache-control", "max-age=60"), ("age", "60")], Reason::Expired),
        (&[("expires", "0")], Reason::Expired),
        (&[("expires", "-1")], Reason::Expired),
        (&[("expires", "Sun, 06 Nov 1994 08:50:37 UTC")], Reason::Expired),
        (&[("expires", AN_HOUR_AGO), ("date", NOW)], Reason::Expired),
        (&[("expires", IN_A_MINUTE), ("expires", NOW), ("date", NOW)], Reason::Expired),
        (&[("cache-control", "max-age=0, stale-if-error=60")], Reason::Expired),
        (&[("cache-control", "max-age=0, stale-while-revalidate=60, must-revalidate")], Reason::Expired),
        (&[("cache-control", "max-age=60, max-age=61")], Reason::InvalidFreshness),
        (&[("cache-control", "max-age=junk")], Reason::InvalidFreshness),
        (&[("cache-control", "max-age=60, s-maxage=junk")], Reason::InvalidFreshness),
        (&[("cache-control", "max-age=60;public")], Reason::InvalidFreshness),
        (&[("cdn-cache-control", "max-age=1.5"), ("cache-control", "max-age=60")], Reason::InvalidFreshness),
        (&[("x-accel-expires", "0"), ("cache-control", "max-age=60")], Reason::AccelExpires),
        (&[("x-accel-expires", "@784111777")], Reason::AccelExpires),
        (&[("x-accel-expires", "@0")], Reason::AccelExpires),
        (&[("x-accel-expires", "junk")], Reason::InvalidFreshness),
        (&[("x-accel-expires", "@")], Reason::InvalidFreshness),
        (&[("x-accel-expires", "-5")], Reason::InvalidFreshness),
        (&[("x-accel-expires", "5"), ("x-accel-expires", "6")], Reason::InvalidFreshness),
    ];
    for (fields, reason) in cases {
        assert_eq!(reply(fields).reason(), *reason, "{fields:?}");
    }
    // Stale already, but to be served so by its own word.
    let lifetime = reply(&cache_control("max-age=0, stale-while-revalidate=60")).stored();
    assert_eq!((lifetime.ttl.as_secs(), lifetime.stale_while_revalidate.as_secs()), (0, 60));
}

#[test]
fn what_must_be_validated_is_kept_for_its_validators() {
    let (tag, date) = (("etag", "\"a\""), ("last-modified", AN_HOUR_AGO));
    let cases: &[Fields<'_>] = &[
        &[("cache-control", "no-cache"), tag],
        &[("cache-control", "no-cache, max-age=60"), date],
        &[("cache-control", "max-age=0"), tag],
        &[("cache-control", "max-age=0, must-revalidate"), date],
        &[("cache-control", "max-age=0, stale-if-error=60"), tag],
        &[("expires", "0"), tag],
        &[("age", "60"), ("cache-control", "max-age=60"), tag],
        &[("cdn-cache-control", "no-cache"), ("cache-control", "max-age=60"), tag],
    ];
    for fields in cases {
        let lifetime = reply(fields).stored();
        assert!(lifetime.validate, "{fields:?}");
        assert_eq!((lifetime.dead_at(), lifetime.use_at(lifetime.age)), (Duration::ZERO, Use::Validate));
    }
    let cases: &[(Fields<'_>, Reason)] = &[
        (&[("cache-control", "no-cache"), ("etag", "junk")], Reason::NoCache),
        (&[("cache-control", "no-cache"), ("last-modified", "junk")], Reason::NoCache),
        (&[("cache-control", "no-cache, private"), tag], Reason::Private),
        (&[("cache-control", "no-cache, no-store"), tag], Reason::NoStore),
        (&[("cache-control", "no-cache"), ("set-cookie", "a=1"), tag], Reason::SetCookie),
        (&[("x-accel-expires", "0"), tag], Reason::AccelExpires),
        (&[("cache-control", "max-age=junk"), tag], Reason::InvalidFreshness),
    ];
    for (fields, reason) in cases {
        assert_eq!(reply(fields).reason(), *reason, "{fields:?}");
    }
    assert!(!reply(&[("cache-control", "no-cache=\"x\", max-age=60"), tag]).stored().validate);
}

#[test]
fn stale_windows() {
    // The settings: 5 s and 60 s.
    let cases: &[(Fields<'_>, u64, u64)] = &[
        (&[], 5, 60),
        (&[("cache-control", "max-age=9")], 5, 60),
        (&[("cache-control", "max-age=9, stale-while-revalidate=7")], 7, 60),
        (&[("cache-control", "max-age=9, stale-if-error=8")], 5, 8),
        (&[("cache-control", "max-age=9, stale-while-revalidate=0, stale-if-error=0")], 0, 0),
        (&[("cache-control", "max-age=9, stale-while-revalidate=junk")], 0, 60),
        (&[("cache-control", "max-age=9, must-revalidate")], 0, 0),
        (&[("cache-control", "max-age=9, proxy-revalidate")], 0, 0),
        (
            &[("cache-control", "max-age=9, must-revalidate, stale-while-revalidate=7, stale-if-error=8")],
            0,
            0,
        ),
        (&[("cache-control", "must-revalidate")], 0, 0),
        (&[("cache-control", "s-maxage=9")], 0, 0),
        (&[("cache-control", "s-maxage=9, stale-while-revalidate=7")], 7, 0),
        (&[("cdn-cache-control", "max-age=9, stale-if-error=8"), ("cache-control", "must-revalidate")], 5, 8),
        (
            &[("x-accel-expires", "9"), ("cache-control", "max-age=0, must-revalidate, stale-if-error=8")],
            5,
            60,
        ),
    ];
    for (fields, stale_while_revalidate, stale_if_error) in cases {
        let lifetime = reply(fields).stored();
        let windows = (lifetime.stale_while_revalidate.as_secs(), lifetime.stale_if_error.as_secs());
        assert_eq!(windows, (*stale_while_revalidate, *stale_if_error), "{fields:?}");
    }
}

#[test]
fn a_reply_to_one_visitor_may_say_that_its_page_is_worth_sharing() {
    let says = |policy: &Policy, fields: Fields<'_>| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        policy.is_worth_sharing(&headers)
    };
    let usual = Policy::default();
    // It has its own token in it, and so a cookie: it is this visitor's all the same.
    let own = [("weir-cache-control", "public, s-maxage=60"), ("set-cookie", "a=b"), ("vary", "Cookie")];
    assert!(says(&usual, &own));
    let case = Case { personal: true, ..reply(&own) };
    assert_eq!(case.reason(), Reason::SetCookie);
    assert!(says(&usual, &[("weir-cache-control", "public")]));
    assert!(says(&usual, &[("weir-cache-control", "s-maxage=60")]));
    for said in ["max-age=60", "private, public", "no-store, s-maxage=60", "public=1", "", "Public"] {
        assert!(!says(&usual, &[("weir-cache-control", said)]), "{said}");
    }
    assert!(!says(&usual, &[("cache-control", "public, s-maxage=60"), ("vary", "Cookie")]));
    let deaf = Policy { ignore_fields: vec![WEIR_CACHE_CONTROL], ..Policy::default() };
    assert!(!says(&deaf, &own));
}
