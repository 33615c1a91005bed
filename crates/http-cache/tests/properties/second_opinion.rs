//! The `http-cache-semantics` crate on the same replies: where the two disagree, one of the reasons below
//! must hold.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_cache::{Policy, ReplyParts, RequestParts, TtlRules, Use, Verdict};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;

const NOW: u64 = 784_111_777;

/// Nothing that the other does not know: no lifetime from the settings, no stale windows.
static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    ttl: TtlRules::by_status([]).unwrap(),
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    honour_request: true,
    ..Policy::default()
});

#[derive(Clone, Debug)]
struct Case {
    status: u16,
    reply: Vec<(&'static str, String)>,
    request: Vec<(&'static str, &'static str)>,
    /// How long the reply has been stored when it is asked for.
    resident: u64,
}

/// Why the two differ. `bolder`: we use a reply that the other does not, and not the other way round.
struct Difference {
    why: &'static str,
    bolder: bool,
    holds: fn(&Case) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "section 5.2.2.7, 5.2.2.4: private and no-cache with field names leave the rest of the reply usable; \
              the other takes them for the whole",
        bolder: true,
        holds: |case| case.says("private=") || case.says("no-cache="),
    },
    Difference {
        why: "section 5.2.2.8: proxy-revalidate forbids stale use; the other takes the reply for stale at once",
        bolder: true,
        holds: |case| case.says("proxy-revalidate"),
    },
    Difference {
        why: "section 5.2.2.3: must-understand lifts no-store where the status is understood; the other does not know it",
        bolder: true,
        holds: |case| case.says("must-understand") && case.says("no-store"),
    },
    Difference {
        why: "section 5.4: Pragma says nothing in a reply; the other takes it for no-cache",
        bolder: true,
        holds: |case| case.count("pragma") > 0,
    },
    Difference {
        why: "RFC 9110 section 6.6.1: without one Date the time of receipt counts; the other takes the first of several",
        bolder: true,
        holds: |case| case.count("date") > 1,
    },
    Difference {
        why: "section 5.2: names of directives are case-insensitive; the other compares them as written",
        bolder: true,
        holds: |case| case.says("MAX-AGE"),
    },
    Difference {
        why: "section 5.2: names of directives are case-insensitive; the other compares them as written",
        bolder: false,
        holds: |case| case.says("Private") || case.says("MAX-AGE"),
    },
    Difference {
        why: "statuses that one odd request can provoke are stored only where the settings name them",
        bolder: false,
        holds: |case| matches!(case.status, 405 | 414 | 501),
    },
    Difference {
        why: "private unless sure: Set-Cookie is never stored; the other stores it with public or immutable",
        bolder: false,
        holds: |case| case.count("set-cookie") > 0,
    },
    Difference {
        why: "section 4.2.1: of values that contradict each other none counts; the other takes the first",
        bolder: false,
        holds: Case::contradicts_itself,
    },
    Difference {
        why: "what is no directive may be one that forbids: such a reply is not stored; the other reads over it",
        bolder: false,
        holds: |case| case.says(";"),
    },
];

impl Case {
    fn says(&self, text: &str) -> bool {
        self.reply.iter().any(|(name, value)| *name == "cache-control" && value.contains(text))
    }

    fn count(&self, name: &str) -> usize {
        self.reply.iter().filter(|(other, _)| *other == name).count()
    }

    fn contradicts_itself(&self) -> bool {
        let directives = || {
            let lines = self.reply.iter().filter(|(name, _)| *name == "cache-control");
            lines.flat_map(|(_, value)| value.split(", ")).map(str::to_lowercase)
        };
        let several = |name: &str| {
            let mut values: Vec<_> = directives().filter(|directive| directive.starts_with(name)).collect();
            values.sort();
            values.dedup();
            values.len() > 1
        };
        several("max-age") || several("s-maxage") || self.count("expires") > 1 || self.count("date") > 1
    }

    fn reply_headers(&self) -> HeaderMap {
        let lines = self.reply.iter().map(|(name, value)| (*name, value.as_str()));
        headers(lines)
    }

    fn fresh_by_us(&self) -> bool {
        let request = headers(self.request.iter().copied());
        let parts = RequestParts {
            method: &http::Method::GET,
            scheme: "https",
            authority: "h",
            path: b"/",
            query: None,
            headers: &request,
            client: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        };
        let look = POLICY.look(&parts, &mut Vec::new()).unwrap();
        let reply = ReplyParts {
            status: StatusCode::from_u16(self.status).unwrap(),
            headers: &self.reply_headers(),
            authorization: look.authorization,
            personal: look.personal,
            request_time: at(0),
        };
        match POLICY.reply(&reply, at(0)) {
            Verdict::Store(lifetime) => {
                let age = lifetime.age + Duration::from_secs(self.resident);
                look.no_store.is_none()
                    && look.may_use(&lifetime)
                    && look.wants.use_at(&lifetime, age) == Use::Fresh
            }
            Verdict::DoNotStore(_) => false,
        }
    }

    fn fresh_by_the_other(&self) -> bool {
        let mut request = Request::get("https://h/").body(()).unwrap();
        *request.headers_mut() = headers(self.request.iter().copied());
        let mut reply = Response::builder().status(self.status).body(()).unwrap();
        *reply.headers_mut() = self.reply_headers();
        let options = CacheOptions {
            cache_heuristic: 0.0,
            immutable_min_time_to_live: Duration::ZERO,
            ..CacheOptions::default()
        };
        let policy = CachePolicy::new_options(&request, &reply, at(0), options);
        policy.is_storable()
            && matches!(policy.before_request(&request, at(self.resident)), BeforeRequest::Fresh(_))
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

fn headers<'a>(lines: impl Iterator<Item = (&'static str, &'a str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn case() -> impl Strategy<Value = Case> {
    let directive = prop_oneof![
        4 => (0u64..100).prop_map(|seconds| format!("max-age={seconds}")),
        2 => (0u64..100).prop_map(|seconds| format!("s-maxage={seconds}")),
        4 => prop::sample::select(vec![
            "public", "private", "no-store", "no-cache", "must-revalidate", "proxy-revalidate", "immutable",
            "must-understand", "private=\"x-a\"", "no-cache=\"x-a\"", "MAX-AGE=50", "Private", "max-age=junk", "unknown=1",
            "no-transform", "max-age=5;x",
        ])
        .prop_map(str::to_owned),
    ];
    let cache_control = proptest::collection::vec(directive, 1..4)
        .prop_map(|directives| ("cache-control", directives.join(", ")));
    let date = |name| (0u64..200).prop_map(move |seconds| (name, httpdate(NOW - 100 + seconds)));
    let other = prop::sample::select(vec![
        ("age", "20"),
        ("expires", "0"),
        ("vary", "*"),
        ("vary", "accept-language"),
        ("set-cookie", "a=1"),
        ("pragma", "no-cache"),
    ]);
    let field = prop_oneof![
        4 => cache_control,
        2 => date("expires"),
        2 => date("date"),
        2 => other.prop_map(|(name, value)| (name, value.to_owned())),
    ];
    let request = prop::sample::select(vec![
        ("authorization", "Basic x"),
        ("cache-control", "no-cache"),
        ("cache-control", "no-store"),
        ("cache-control", "max-age=30"),
        ("cache-control", "min-fresh=10"),
        ("pragma", "no-cache"),
        ("accept-language", "de"),
    ]);
    let status = prop::sample::select(vec![
        200, 200, 200, 203, 204, 206, 299, 301, 302, 307, 404, 405, 410, 414, 500, 501, 503,
    ]);
    (status, proptest::collection::vec(field, 0..5), proptest::option::weighted(0.4, request), 0u64..60)
        .prop_map(|(status, reply, request, resident)| Case {
            status,
            reply,
            request: request.into_iter().collect(),
            resident,
        })
}

fn httpdate(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn the_other_agrees(case in case()) {
        let (ours, theirs) = (case.fresh_by_us(), case.fresh_by_the_other());
        if ours != theirs {
            let why = DIFFERENCES.iter().find(|known| known.bolder == ours && (known.holds)(&case)).map(|known| known.why);
            prop_assert!(why.is_some(), "ours {ours}, theirs {theirs}: {case:?}");
        }
    }
}

/// A difference that no longer shows is no difference: each must be needed for some reply.
#[test]
fn every_difference_is_real() {
    let mut seen = vec![false; DIFFERENCES.len()];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..20_000 {
        let case = proptest::strategy::ValueTree::current(&case().new_tree(&mut runner).unwrap());
        let (ours, theirs) = (case.fresh_by_us(), case.fresh_by_the_other());
        let mut known = DIFFERENCES
            .iter()
            .zip(&mut seen)
            .filter(|(known, _)| known.bolder == ours && (known.holds)(&case));
        if ours != theirs
            && let (Some((_, seen)), None) = (known.next(), known.next())
        {
            *seen = true;
        }
    }
    let unseen: Vec<_> =
        DIFFERENCES.iter().zip(seen).filter(|(_, seen)| !seen).map(|(known, _)| known.why).collect();
    assert!(unseen.is_empty(), "{unseen:#?}");
}
