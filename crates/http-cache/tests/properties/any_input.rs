//! Whatever a client or an application sends, nothing panics, and what comes out keeps its promises.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, StatusCode};
use http_cache::conditional::{Answer, Role, SelectedRepresentation, evaluate, headers_for_304};
use http_cache::{
    Policy, QueryRules, ReplyParts, RequestParts, Use, Verdict, csrf, fields, revalidate, tags, vary,
};
use proptest::prelude::*;

use super::fields;

const REQUEST: &[&str] = &[
    "cookie",
    "cache-control",
    "pragma",
    "range",
    "if-range",
    "if-none-match",
    "if-match",
    "if-modified-since",
    "if-unmodified-since",
    "accept-encoding",
    "accept-language",
    "connection",
    "x-forwarded-for",
    "authorization",
];
const REPLY: &[&str] = &[
    "cache-control",
    "cdn-cache-control",
    "weir-cache-control",
    "x-accel-expires",
    "expires",
    "date",
    "age",
    "vary",
    "via",
    "etag",
    "last-modified",
    "set-cookie",
    "surrogate-key",
    "cache-tag",
    "cache-groups",
    "cache-group-invalidation",
    "location",
    "content-location",
    "content-type",
    "content-encoding",
    "content-length",
    "connection",
];

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

proptest! {
    #[test]
    fn requests(
        headers in fields(REQUEST),
        authority in ".{0,12}",
        path in "[/a-c?#\0 ]{0,8}",
        query in ".{0,16}",
        sort: bool,
    ) {
        let query_rules = QueryRules::new(["a*", "*b"], [], sort).unwrap();
        let policy = Policy { query: query_rules, honour_request: true, ..Policy::default() };
        let asked = policy.request(&RequestParts {
            method: &Method::GET,
            scheme: "https",
            authority: &authority,
            path: path.as_bytes(),
            query: Some(query.as_bytes()),
            headers: &headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        });
        if let Ok(shared) = asked {
            let outgoing = &shared.outgoing;
            prop_assert!(shared.key.url().starts_with(b"https://"));
            prop_assert!(outgoing.target.starts_with(b"/"));
            prop_assert!(!outgoing.headers.contains_key("range") && !outgoing.headers.contains_key("x-forwarded-for"));
            prop_assert!(outgoing.headers.get_all("cookie").iter().count() <= 1);
        }
    }

    #[test]
    fn replies(headers in fields(REPLY), status in 100u16..600, authorization: bool, personal: bool) {
        let status = StatusCode::from_u16(status).unwrap();
        let reply = ReplyParts { status, headers: &headers, authorization, personal, request_time: now() };
        if let Verdict::Store(lifetime) = Policy::default().reply(&reply, now()) {
            prop_assert!(lifetime.use_at(lifetime.age) != Use::Dead);
            prop_assert!(lifetime.shared || !(personal || authorization));
            prop_assert!(lifetime.vary.is_sorted_by_key(|name| name.as_str().to_owned()));
            let stored = fields::stored_headers(&headers, now());
            prop_assert!(!stored.contains_key("set-cookie") && !stored.contains_key("age"));
            prop_assert!(tags::tags(b"https://h/", &headers).is_ok());
        }
    }

    #[test]
    fn time_only_makes_a_page_worse(headers in fields(REPLY), ages in proptest::collection::vec(0u64..200_000, 2..8)) {
        let status = StatusCode::OK;
        let reply = ReplyParts { status, headers: &headers, authorization: false, personal: false, request_time: now() };
        if let Verdict::Store(lifetime) = Policy::default().reply(&reply, now()) {
            let mut ages = ages;
            ages.sort_unstable();
            let worth = |usage| [Use::Fresh, Use::Stale, Use::OnError, Use::Validate, Use::Dead].iter().position(|one| *one == usage);
            let worths: Vec<_> = ages.iter().map(|age| worth(lifetime.use_at(Duration::from_millis(*age)))).collect();
            prop_assert!(worths.is_sorted());
            let over = if lifetime.validate { Use::Validate } else { Use::Dead };
            prop_assert_eq!(lifetime.use_at(lifetime.dead_at()), over);
        }
    }

    #[test]
    fn conditions_and_ranges(request in fields(REQUEST), reply in fields(REPLY), length in 0u64..20, origin: bool) {
        let role = if origin { Role::Origin } else { Role::Cache };
        let selected = SelectedRepresentation { status: StatusCode::OK, headers: &reply, length, received: now(), role };
        if let Answer::Partial(range) = evaluate(&Method::GET, &request, &selected) {
            prop_assert!(range.first <= range.last && range.last < length);
            prop_assert!(range.len() <= length);
        }
        if let Answer::Parts(ranges) = evaluate(&Method::GET, &request, &selected) {
            prop_assert!(ranges.len() > 1 && ranges.iter().map(|range| range.len()).sum::<u64>() <= length);
        }
        prop_assert!(headers_for_304(&reply).keys().all(|name| reply.contains_key(name)));
    }

    #[test]
    fn revalidation(stored in fields(REPLY), newer in fields(REPLY), only: bool) {
        let mut request = HeaderMap::new();
        revalidate::make_conditional(&mut request, &[&stored, &newer], now());
        if let Some(updated) = revalidate::freshen(&stored, &newer, only, now()) {
            for name in ["etag", "content-length", "content-encoding", "content-type"] {
                prop_assert_eq!(updated.get(name), stored.get(name));
            }
            prop_assert!(updated.contains_key("date"));
        }
    }

    #[test]
    fn invalidation(reply in fields(REPLY), path in "/[a-z./]{0,12}") {
        let headers = HeaderMap::new();
        let request = RequestParts {
            method: &Method::POST, scheme: "https", authority: "h", path: path.as_bytes(), query: None, headers: &headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let invalid = Policy::default().invalidation(&request, StatusCode::OK, &reply);
        prop_assert!(invalid.target.is_some());
        prop_assert!(invalid.target.iter().chain(&invalid.named).all(|url| url.starts_with(b"https://h/")));
    }

    #[test]
    fn a_selection_matches_itself(request in fields(REQUEST), reply in fields(REPLY)) {
        if let Ok(names) = vary::names(&reply) {
            let selected = vary::selected(&names, &request);
            prop_assert!(vary::matches(&names, &selected, &request));
        }
    }

    #[test]
    fn a_scan_does_not_depend_on_the_cuts(
        page in "(<input |name=|'|\"|csrf_token|>|<|=| |x|\u{1f}|&lt;){0,20}",
        cuts in proptest::collection::vec(0usize..100, 0..6),
    ) {
        let page = page.as_bytes();
        let mut whole = csrf::Scanner::new();
        whole.feed(page);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(page.len())).collect();
        cuts.sort_unstable();
        let mut scanner = csrf::Scanner::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([page.len()]) {
            scanner.feed(&page[from..cut]);
            from = cut;
        }
        prop_assert_eq!(scanner.reason(), whole.reason());
    }
}
