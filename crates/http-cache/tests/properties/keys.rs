//! Two requests that share a key show the application the same: nobody's page can be made from what the key does not hold.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, Method};
use http_cache::{Asked, Policy, QueryRules, RequestParts, SharedRequest};
use proptest::prelude::*;

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    query: QueryRules::new(["utm_*", "fbclid"], [], false).unwrap(),
    ..Policy::default()
});

/// A request from an alphabet so small that keys meet often.
#[derive(Clone, Debug)]
struct Request {
    scheme: &'static str,
    authority: &'static str,
    path: String,
    query: Option<String>,
    cookies: Vec<String>,
}

fn request() -> impl Strategy<Value = Request> {
    let cookie = "(lang|django_language|_ga|csrftoken|sessionid|x| )=?(a|b|=|\0|,)?(; ?(lang|_ga)=?(a|b)?)?";
    (
        prop::sample::select(vec!["http", "https"]),
        prop::sample::select(vec!["h", "H", "h.", "h:80", "h:443", "h:8080", "g", ""]),
        "/[ab]?(\\?|%3f)?[ab/]{0,2}",
        proptest::option::of("(a|b|utm_x|fbclid|=|&|;|lang){0,4}"),
        proptest::collection::vec(cookie, 0..3),
    )
        .prop_map(|(scheme, authority, path, query, cookies)| Request {
            scheme,
            authority,
            path,
            query,
            cookies,
        })
}

impl Request {
    fn ask(&self) -> Option<SharedRequest> {
        let mut headers = HeaderMap::new();
        for cookie in &self.cookies {
            headers.append("cookie", HeaderValue::from_bytes(cookie.as_bytes()).ok()?);
        }
        let asked = POLICY.request(&RequestParts {
            method: &Method::GET,
            scheme: self.scheme,
            authority: self.authority,
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            headers: &headers,
        });
        match asked {
            Asked::Shared(shared) => Some(*shared),
            Asked::Pass(_) => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn requests_that_share_a_key_look_the_same_to_the_application(one in request(), other in request()) {
        let (Some(a), Some(b)) = (one.ask(), other.ask()) else { return Ok(()) };
        let same = a.outgoing.target == b.outgoing.target
            && a.outgoing.authority == b.outgoing.authority
            && one.scheme == other.scheme
            && a.outgoing.headers == b.outgoing.headers;
        prop_assert!(a.key != b.key || same, "{a:?} {b:?}");
        // And the other way round: what looks the same has one key, or the cache would be of little use.
        if same {
            prop_assert_eq!(a.key, b.key);
        }
    }

    #[test]
    fn what_the_application_sees_has_the_same_key(one in request()) {
        let Some(first) = one.ask() else { return Ok(()) };
        let target = String::from_utf8(first.outgoing.target.to_vec()).unwrap();
        let (path, query) = target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
        let cookies = first.outgoing.headers.get_all("cookie").iter();
        let again = Request {
            path: path.to_owned(),
            query: query.map(str::to_owned),
            cookies: cookies.map(|line| line.to_str().unwrap().to_owned()).collect(),
            ..one
        };
        let second = again.ask().unwrap();
        prop_assert_eq!(&first.key, &second.key);
        prop_assert!(!second.look.trimmed && !second.look.personal);
    }
}
