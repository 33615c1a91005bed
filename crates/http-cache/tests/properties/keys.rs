//! Two requests that share a key show the application the same: nobody's page can be made from what the key
//! does not hold.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, Method};
use http_cache::{Policy, QueryRules, RequestParts, SharedRequest};
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
    fields: Vec<(&'static str, &'static str)>,
}

fn request() -> impl Strategy<Value = Request> {
    let cookie = "(lang|django_language|_ga|csrftoken|sessionid|x| )=?(a|b|=|\0|,)?(; ?(lang|_ga)=?(a|b)?)?";
    (
        prop::sample::select(vec!["http", "https"]),
        prop::sample::select(vec!["h", "H", "h.", "h:80", "h:443", "h:8080", "g", ""]),
        "/[ab]?(\\?|%3f|%3F|%61|%|é)?[ab/]{0,2}",
        proptest::option::of("(a|b|utm_x|fbclid|=|&|;|lang|%61|%3D|%3d){0,4}"),
        proptest::collection::vec(cookie, 0..3),
        proptest::collection::vec(field(), 0..3),
    )
        .prop_map(|(scheme, authority, path, query, cookies, fields)| Request {
            scheme,
            authority,
            path,
            query,
            cookies,
            fields,
        })
}

fn field() -> impl Strategy<Value = (&'static str, &'static str)> {
    let names = [
        "hx-request",
        "origin",
        "referer",
        "x-forwarded-for",
        "x-forwarded-proto",
        "cf-ipcountry",
        "x-api-key",
    ];
    (prop::sample::select(names.to_vec()), prop::sample::select(vec!["", "a", "b", "http", "https"]))
}

impl Request {
    fn ask(&self) -> Option<SharedRequest> {
        let mut headers = HeaderMap::new();
        for cookie in &self.cookies {
            headers.append("cookie", HeaderValue::from_bytes(cookie.as_bytes()).ok()?);
        }
        for (name, value) in &self.fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let request = RequestParts {
            method: &Method::GET,
            scheme: self.scheme,
            authority: self.authority,
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            headers: &headers,
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        POLICY.request(&request).ok()
    }
}

/// The fields that the application sees, in any order of their names.
fn lines(request: &SharedRequest) -> Vec<(String, Vec<u8>)> {
    let headers = request.outgoing.headers.iter();
    let mut lines: Vec<_> = headers
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().trim_ascii().to_vec()))
        .collect();
    // Stable: the order within a name counts.
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn requests_that_share_a_key_look_the_same_to_the_application(one in request(), other in request()) {
        let (Some(a), Some(b)) = (one.ask(), other.ask()) else { return Ok(()) };
        let same = a.outgoing.target == b.outgoing.target
            && a.outgoing.authority == b.outgoing.authority
            && one.scheme == other.scheme
            && lines(&a) == lines(&b);
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
            fields: one.fields.into_iter().filter(|(name, _)| first.outgoing.headers.contains_key(*name)).collect(),
            ..one
        };
        let second = again.ask().unwrap();
        prop_assert_eq!(&first.key, &second.key);
        prop_assert_eq!(lines(&first), lines(&second));
        prop_assert!(!second.look.trimmed && !second.look.way && !second.look.personal);
    }
}
