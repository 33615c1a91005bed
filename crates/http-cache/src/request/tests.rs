//! Which requests may be answered from the cache, and what the application sees of them.

use std::net::{IpAddr, Ipv4Addr};

use http::{Method, StatusCode};

use super::*;
use crate::lifetime::tests::lifetime;
use crate::policy::{QueryRules, RequestRules};
use crate::{Methods, RequestRule};

type Fields<'a> = &'a [(&'static str, &'a str)];

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

struct Case<'a> {
    method: Method,
    query: Option<&'a str>,
    fields: Fields<'a>,
}

fn get<'a>(fields: Fields<'a>) -> Case<'a> {
    Case { method: Method::GET, query: None, fields }
}

impl Case<'_> {
    fn ask(&self, policy: &Policy) -> Result<SharedRequest, Reason> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.fields {
            headers.append(*name, value.parse().unwrap());
        }
        policy.request(&RequestParts {
            method: &self.method,
            scheme: "https",
            authority: "Example.com:443",
            path: b"/a",
            query: self.query.map(str::as_bytes),
            headers: &headers,
            client: CLIENT,
        })
    }

    /// What the application sees, one line per field, sorted.
    fn seen(&self, policy: &Policy) -> String {
        let headers = self.ask(policy).unwrap().outgoing.headers;
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n")
    }
}

#[test]
fn what_is_passed() {
    let policy = Policy::default();
    for method in [Method::POST, Method::PUT, Method::OPTIONS, Method::from_bytes(b"PURGE").unwrap()] {
        assert_eq!(Case { method, ..get(&[]) }.ask(&policy).unwrap_err(), Reason::Method);
    }
    assert!(Case { method: Method::HEAD, ..get(&[]) }.ask(&policy).is_ok());
    let no_head = Policy { methods: Methods::Get, ..Policy::default() };
    assert_eq!(Case { method: Method::HEAD, ..get(&[]) }.ask(&no_head).unwrap_err(), Reason::Method);
    for fields in [("content-length", "5"), ("content-length", "x"), ("transfer-encoding", "chunked")] {
        assert_eq!(get(&[fields]).ask(&policy).unwrap_err(), Reason::RequestBody, "{fields:?}");
    }
    assert!(get(&[("content-length", "0")]).ask(&policy).is_ok());
    assert_eq!(Case { query: Some("a b"), ..get(&[]) }.ask(&policy).unwrap_err(), Reason::Target);
}

#[test]
fn bypass_and_no_store_rules() {
    let rules = || {
        RequestRules(vec![
            RequestRule::method("HEAD").unwrap(),
            RequestRule::header("dnt", None).unwrap(),
            RequestRule::header("user-agent", Some("*Bot*")).unwrap(),
            RequestRule::cookie("nocache", Some("1")).unwrap(),
            RequestRule::cookie("edit_*", None).unwrap(),
            RequestRule::query("draft", None).unwrap(),
            RequestRule::query("v", Some("2*")).unwrap(),
        ])
    };
    let fires: &[Case<'_>] = &[
        Case { method: Method::HEAD, ..get(&[]) },
        get(&[("dnt", "")]),
        get(&[("user-agent", "x"), ("user-agent", "a Bot 1")]),
        get(&[("cookie", "a=1; nocache=1")]),
        get(&[("cookie", "edit_7=")]),
        Case { query: Some("a=1&draft"), ..get(&[]) },
        Case { query: Some("dr%61ft"), ..get(&[]) },
        Case { query: Some("draft=0"), ..get(&[]) },
        Case { query: Some("v=23"), ..get(&[]) },
    ];
    let silent: &[Case<'_>] = &[
        get(&[]),
        get(&[("user-agent", "bot")]),
        get(&[("cookie", "nocache=2; xedit_7=1")]),
        Case { query: Some("drafts=1&v=12&v"), ..get(&[]) },
    ];
    let bypass = Policy { bypass: rules(), ..Policy::default() };
    let no_store = Policy { no_store: rules(), ..Policy::default() };
    for case in fires {
        assert_eq!(case.ask(&bypass).unwrap_err(), Reason::Bypass, "{:?}", case.fields);
        assert_eq!(
            case.ask(&no_store).unwrap().look.no_store,
            Some(Reason::NoStoreRule),
            "{:?}",
            case.fields
        );
    }
    for case in silent {
        assert!(case.ask(&bypass).is_ok(), "{:?}", case.fields);
        assert_eq!(case.ask(&no_store).unwrap().look.no_store, None, "{:?}", case.fields);
    }
}

#[test]
fn rules_refuse_what_they_could_never_match() {
    assert!(RequestRule::method("GE T").is_err());
    assert!(RequestRule::header("x y", None).is_err());
    assert!(RequestRule::cookie("", None).is_err());
    assert!(RequestRule::query("a", Some("")).is_err());
}

#[test]
fn the_application_sees_what_the_key_holds() {
    let query = QueryRules::new(["utm_*"], [], false).unwrap();
    let policy = Policy { query, ..Policy::default() };
    let case = Case { query: Some("b=2&utm_x=1&a=1"), ..get(&[("cookie", "lang=de; _ga=1")]) };
    let shared = case.ask(&policy).unwrap();
    assert_eq!(shared.key.as_bytes(), b"https://example.com/a?b=2&a=1\0lang=de");
    assert_eq!(shared.outgoing.target, "/a?b=2&a=1");
    assert_eq!(shared.outgoing.authority, "example.com");
    assert_eq!(case.seen(&policy), "cookie: lang=de");
    assert!(shared.look.trimmed && !shared.look.personal);
}

#[test]
fn a_sorted_key_leaves_the_target_as_sent() {
    let policy = Policy { query: QueryRules::new(["x"], [], true).unwrap(), ..Policy::default() };
    let shared = Case { query: Some("b=2&x&a=1"), ..get(&[]) }.ask(&policy).unwrap();
    assert_eq!(
        (shared.outgoing.target, shared.key.url()),
        ("/a?b=2&a=1".into(), &b"https://example.com/a?a=1&b=2"[..])
    );
}

#[test]
fn fields_that_the_application_sees() {
    let cases: &[(Fields<'_>, &str)] = &[
        (&[("user-agent", "x"), ("accept-language", "de")], "accept-language: de\nuser-agent: x"),
        (&[("cookie", "_ga=1; csrftoken=x")], ""),
        (&[("cookie", "django_language=de"), ("cookie", "_ga=1")], "cookie: django_language=de"),
        (&[("cookie", "sessionid=1; _ga=1; django_language=de")], "cookie: django_language=de"),
        (&[("authorization", "Basic x")], "authorization: Basic x"),
        (&[("accept-encoding", "zstd, gzip, deflate")], "accept-encoding: gzip"),
        (&[("accept-encoding", "br, deflate")], ""),
        (&[("if-none-match", "\"a\""), ("if-modified-since", "x"), ("if-match", "*")], ""),
        (&[("range", "bytes=0-1"), ("if-range", "\"a\""), ("if-unmodified-since", "x")], ""),
        (&[("connection", "dnt"), ("dnt", "1"), ("sec-gpc", "2"), ("te", "trailers")], "sec-gpc: 2"),
        (&[("referer", "https://x/"), ("sec-fetch-site", "none"), ("priority", "u=0"), ("cf-ray", "1")], ""),
        (&[("hx-request", "true"), ("x-requested-with", "x")], "hx-request: true\nx-requested-with: x"),
        (&[("upgrade", "h2c"), ("http2-settings", "x"), ("proxy-authorization", "x")], ""),
        (&[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1"), ("x-real-ip", "192.0.2.1")], ""),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "h")],
            "x-forwarded-host: h\nx-forwarded-proto: https",
        ),
        (&[("cache-control", "no-cache"), ("pragma", "no-cache"), ("content-length", "0")], ""),
    ];
    for (fields, expected) in cases {
        assert_eq!(get(fields).seen(&Policy::default()), *expected, "{fields:?}");
    }
}

#[test]
fn what_makes_a_second_request_necessary() {
    let query = QueryRules::new(["utm_*"], [], false).unwrap();
    let policy = Policy { query, ..Policy::default() };
    // Whether a page, a reply that sets a cookie, and a refusal are asked for again.
    let cases: &[(Option<&str>, Fields<'_>, [bool; 3])] = &[
        (None, &[], [false, false, true]),
        (None, &[("cookie", "lang=de"), ("accept", "x"), ("range", "bytes=0-1")], [false, false, true]),
        (None, &[("cookie", "_ga=1")], [true; 3]),
        (None, &[("cookie", "sessionid=1; _ga=1")], [true; 3]),
        (Some("utm_x=1"), &[("cookie", "sessionid=1")], [true; 3]),
        (None, &[("referer", "https://x/")], [true; 3]),
        (Some("a=1"), &[("x-forwarded-for", "192.0.2.1")], [true, false, true]),
        (None, &[("cf-ipcountry", "CH")], [true, false, true]),
        (None, &[("x-forwarded-proto", "https")], [false, false, true]),
    ];
    let mut sets_a_cookie = HeaderMap::new();
    sets_a_cookie.insert("set-cookie", "a=b".parse().unwrap());
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    for (query, fields, expected) in cases {
        let look = Case { query: *query, ..get(fields) }.ask(&policy).unwrap().look;
        let nothing = HeaderMap::new();
        let again = |status, reply: &HeaderMap| look.asks_again(ReplyManner::of(status, reply));
        let found = [
            again(StatusCode::OK, &nothing),
            again(StatusCode::OK, &sets_a_cookie),
            refused.iter().all(|status| again(*status, &nothing)),
        ];
        assert_eq!(found, *expected, "{query:?} {fields:?}");
        assert_eq!(again(StatusCode::FOUND, &nothing), expected[1], "{query:?} {fields:?}");
        let mut used_up = sets_a_cookie.clone();
        used_up.insert("weir-acted", "?1".parse().unwrap());
        assert!(!again(StatusCode::FOUND, &used_up), "{query:?} {fields:?}");
        assert_eq!(again(StatusCode::FORBIDDEN, &used_up), expected[2], "{query:?} {fields:?}");
        let next = ReplyManner::of(StatusCode::FOUND, &used_up).of_the_next();
        assert_eq!(look.asks_again(next), expected[1], "{query:?} {fields:?}");
    }
}

#[test]
fn cookies_of_tokens_that_the_application_does_not_see() {
    let policy = Policy::default();
    for (cookie, expected) in [
        ("csrftoken=a", true),
        ("_ga=1; XSRF-TOKEN=b", true),
        ("my_csrf=a", true),
        ("_ga=1; lang=csrf", false),
        ("", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", cookie.parse().unwrap());
        assert_eq!(policy.hides_token(&headers), expected, "{cookie}");
    }
}

#[test]
fn fields_that_tell_visitors_apart_send_the_request_past_the_cache() {
    let personal =
        ["x-api-key", "x-auth-token", "dpop", "x-csrftoken", "remote-user", "x-forwarded-user", "x-new"];
    for name in personal {
        let case = [(name, "alice"), ("user-agent", "x")];
        assert_eq!(get(&case).ask(&Policy::default()).unwrap_err(), Reason::PersonalField, "{name}");
    }
    // Whoever nominates it for the connection takes it away from the application as well.
    assert!(get(&[("connection", "close")]).ask(&Policy::default()).is_ok());
}

#[test]
fn who_may_use_a_page() {
    let mut page = lifetime(1, 0, 0);
    let looks = |fields| get(fields).ask(&Policy::default()).unwrap().look;
    let anonymous = looks(&[("cookie", "_ga=1; lang=de")]);
    let session = looks(&[("cookie", "sessionid=1")]);
    let authorized = looks(&[("authorization", "Basic x")]);
    for (look, may) in [(anonymous, true), (session, false), (authorized, false)] {
        assert_eq!(look.may_use(&page), may, "{look:?}");
    }
    page.shared = true;
    assert!(anonymous.may_use(&page) && session.may_use(&page) && authorized.may_use(&page));
}

#[test]
fn requests_direct_the_cache_only_where_the_location_says_so() {
    let fields: Fields<'_> = &[("cache-control", "no-store, only-if-cached")];
    assert_eq!(get(fields).ask(&Policy::default()).unwrap().look.no_store, None);
    let policy = Policy { honour_request: true, ..Policy::default() };
    let look = get(fields).ask(&policy).unwrap().look;
    assert_eq!(look.no_store, Some(Reason::RequestNoStore));
    assert!(look.wants.only_if_cached);
}

#[test]
fn what_splits_the_page_is_in_the_key_and_the_application_sees_it() {
    let split = ["X-Forwarded-Proto", "CF-IPCountry", "X-Real-IP"].map(str::to_owned);
    let fields = crate::FieldRules::new(&crate::FieldLists { split: &split, ..Default::default() }).unwrap();
    let policy = Policy { fields, ..Policy::default() };
    let case = get(&[("x-real-ip", "192.0.2.1"), ("cf-ipcountry", "CH"), ("x-client-ip", "192.0.2.1")]);
    let key = case.ask(&policy).unwrap().key;
    assert_eq!(key.as_bytes(), b"https://example.com/a\0\x01cf-ipcountry:CH\0\x01x-real-ip:192.0.2.1");
    assert_eq!(key.url(), b"https://example.com/a");
    assert_eq!(case.seen(&policy), "cf-ipcountry: CH\nx-real-ip: 192.0.2.1");
    let long = "a".repeat(200);
    assert_eq!(get(&[("x-real-ip", &long)]).ask(&policy).unwrap_err(), Reason::KeyField);
}

#[test]
fn the_clients_address_is_nobodys_or_splits_the_page() {
    let shared = get(&[]).ask(&Policy::default()).unwrap();
    assert_eq!((shared.outgoing.client, shared.key.as_bytes()), (None, &b"https://example.com/a"[..]));
    let policy = Policy { client: ClientAddress::Split, ..Policy::default() };
    let shared = get(&[]).ask(&policy).unwrap();
    assert_eq!(shared.outgoing.client, Some(CLIENT));
    assert_eq!(shared.key.as_bytes(), b"https://example.com/a\0\x02192.0.2.7");
    assert_eq!(shared.key.url(), b"https://example.com/a");
}

#[test]
fn vary_compares_what_the_application_sees() {
    let languages = crate::Languages::new(["de", "en"]).unwrap();
    let policy = Policy { languages, ..Policy::default() };
    let names = ["accept-language", "referer", "user-agent"].map(|name| name.parse::<HeaderName>().unwrap());
    let fields =
        [("Accept-Language", "de-CH,en;q=0.5"), ("Referer", "x"), ("User-Agent", "y"), ("Accept", "z")];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let lines = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    let lower: Vec<_> = [("accept-language", "de-CH,en;q=0.5"), ("referer", "x"), ("user-agent", "y")].into();
    let outgoing = get(&lower).ask(&policy).unwrap().outgoing.headers;
    let selecting = policy.selecting(&names, lines);
    assert_eq!(vary::selected(&names, &selecting), vary::selected(&names, &outgoing));
    assert_eq!(outgoing.get("accept-language").unwrap(), "de");
    assert!(!selecting.contains_key("referer") && !selecting.contains_key("accept"));
}
