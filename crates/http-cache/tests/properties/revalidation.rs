//! The `http-cache-semantics` crate on which stored reply a 304 is about: every combination of validators,
//! the differences listed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_cache::revalidate::freshen;
use http_cache_semantics::{AfterResponse, CachePolicy};

const ETAGS: [Option<&str>; 4] = [None, Some("\"a\""), Some("W/\"a\""), Some("\"b\"")];
const DATES: [Option<&str>; 3] =
    [None, Some("Sun, 06 Nov 1994 07:00:00 GMT"), Some("Sun, 06 Nov 1994 08:00:00 GMT")];

#[derive(Clone, Copy, Debug)]
struct Validators {
    etag: Option<&'static str>,
    modified: Option<&'static str>,
}

/// Why the two differ. `bolder`: we take the 304 for this reply, and the other does not.
struct Difference {
    why: &'static str,
    bolder: bool,
    holds: fn(Validators, Validators) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "a 304 without any validator, to a request that named this one reply, can be about no other; the other asks again",
        bolder: true,
        holds: |stored, newer| {
            newer.etag.is_none()
                && newer.modified.is_none()
                && (stored.etag.is_some() || stored.modified.is_some())
        },
    },
    Difference {
        why: "section 4.3.4: a strong entity tag identifies a reply with \"the same strong validators\", not one with a weak tag of \
              the same text; the other compares them without the W/",
        bolder: false,
        holds: |stored, newer| {
            newer.etag.is_some_and(|tag| !tag.starts_with("W/"))
                && stored.etag.is_some_and(|tag| tag.starts_with("W/"))
        },
    },
    Difference {
        why: "section 4.3.4: an entity tag that the stored reply does not have identifies another; the other goes on to the date",
        bolder: false,
        holds: |stored, newer| newer.etag.is_some() && stored.etag.is_none(),
    },
];

fn headers(validators: Validators) -> HeaderMap {
    let lines = [("etag", validators.etag), ("last-modified", validators.modified)];
    let lines = lines.iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), (*value)?)));
    lines.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn by_us(stored: Validators, newer: Validators) -> bool {
    freshen(&headers(stored), &headers(newer), true, now()).is_some()
}

fn by_the_other(stored: Validators, newer: Validators) -> bool {
    let request = Request::get("https://h/").body(()).unwrap();
    let reply = |status, validators| {
        let mut reply = Response::builder().status(status).body(()).unwrap();
        *reply.headers_mut() = headers(validators);
        reply
    };
    let policy = CachePolicy::new(&request, &reply(200, stored));
    matches!(policy.after_response(&request, &reply(304, newer), now()), AfterResponse::NotModified(..))
}

#[test]
fn the_other_agrees_on_every_combination() {
    let all = || ETAGS.iter().flat_map(|etag| DATES.map(|modified| Validators { etag: *etag, modified }));
    let mut seen = vec![false; DIFFERENCES.len()];
    for stored in all() {
        for newer in all() {
            let (ours, theirs) = (by_us(stored, newer), by_the_other(stored, newer));
            if ours == theirs {
                continue;
            }
            let known = DIFFERENCES
                .iter()
                .zip(&mut seen)
                .find(|(known, _)| known.bolder == ours && (known.holds)(stored, newer));
            let Some((_, seen)) = known else {
                panic!("ours {ours}, theirs {theirs}: stored {stored:?}, 304 {newer:?}");
            };
            *seen = true;
        }
    }
    let unseen: Vec<_> =
        DIFFERENCES.iter().zip(seen).filter(|(_, seen)| !seen).map(|(known, _)| known.why).collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
}
