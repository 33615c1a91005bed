//! What applications say, and what becomes of it.

use super::*;
use crate::variables::{FieldSource, RequestFacts, Values, VariableNames};

fn built(config: &str) -> Result<ReplyRewrite, String> {
    let config: ReplyRewriteConfig = toml::from_str(config).map_err(|error| error.message().to_owned())?;
    let (names, definitions, mut mistakes) = (VariableNames::default(), Arc::default(), Mistakes::default());
    let defined = VariableScope { names: &names, definitions: &definitions };
    let built = ReplyRewrite::build("at", &config, defined, &mut mistakes);
    if mistakes.is_empty() { built.ok_or_else(|| "nothing".to_owned()) } else { Err(mistakes.to_string()) }
}

fn rewritten(rewrite: &ReplyRewrite, name: HeaderName, value: &str) -> String {
    let fields = HeaderMap::new();
    let request = RequestFacts {
        method: "GET",
        target: "/",
        protocol: "HTTP/1.1",
        authority: "example.com",
        fields: FieldSource::Map(&fields),
        client: [127, 0, 0, 1].into(),
        client_port: 1,
        scheme: "https",
        server_port: 443,
        length: None,
        id: 0,
        upgrade: "",
        connection: 1,
        connection_requests: 1,
        connected: std::time::Instant::now(),
        limited: crate::variables::LimitStatus::default(),
        received: 0,
        tls: None,
        server: None,
        body: None,
        upstream: None,
        proxied: None,
        unread_line: b"",
        claims: None,
        peer: None,
        endless: None,
    };
    let facts = Facts { request, route: RouteFacts::default(), values: Values::NONE, reply: None };
    let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).unwrap())]);
    rewrite.apply(&mut headers, &facts);
    String::from_utf8_lossy(headers[&name].as_bytes()).into_owned()
}

#[test]
fn the_first_that_matches_counts() {
    let rewrite = built(
        r#"
        location = [["http://app:8000/x/", "/y/"], ["http://app:8000/", "$scheme://$host/"], ["~*^HTTP://([a-z]+)\\.old(/.*)$", "/$1$2"]]
        cookie_domain = [["app.internal", "$host"], [".dotted.internal", ".own.example"], ["~^(.+)\\.local$", "$1.example"]]
        cookie_path = [["/x/", "/"], ["~^/(v[0-9])/", "/api/$1"]]
        "#,
    )
    .unwrap();
    for (name, value, expected) in [
        (LOCATION, "http://app:8000/x/a?b", "/y/a?b"),
        (LOCATION, "http://app:8000/z", "https://example.com/z"),
        (LOCATION, "http://shop.old/a", "/shop/a"),
        (LOCATION, "/a", "/a"),
        (REFRESH, "5; URL=http://app:8000/x/a", "5; URL=/y/a"),
        (REFRESH, "5", "5"),
        (
            SET_COOKIE,
            "a=1; Domain=app.internal; Path=/x/y; Secure",
            "a=1; Domain=example.com; Path=/y; Secure",
        ),
        (SET_COOKIE, "a=1; domain=.APP.internal", "a=1; domain=.example.com"),
        (SET_COOKIE, "a=1; domain=dotted.internal", "a=1; domain=own.example"),
        (SET_COOKIE, "a=1; Domain=B.LOCAL", "a=1; Domain=B.example"),
        (SET_COOKIE, "a=domain=app.internal; Path=/", "a=domain=app.internal; Path=/"),
        (SET_COOKIE, "a=1; Domain=b.local; path=/v1/x", "a=1; Domain=b.example; path=/api/v1"),
        (SET_COOKIE, "a=1; HttpOnly", "a=1; HttpOnly"),
    ] {
        assert_eq!(rewritten(&rewrite, name, value), expected, "{value}");
    }
}

#[test]
fn says_what_is_wrong() {
    for (config, said) in [
        ("location = [[\"~(\", \"x\"]]", "at.location[0]: invalid regular expression"),
        ("cookie_path = [[\"\", \"x\"]]", "at.cookie_path[0]: nothing is replaced"),
        ("cookie_domain = [[\"a\", \"$nothing\"]]", "at.cookie_domain[0]: there is no variable `$nothing`"),
        ("domain = []", "unknown field `domain`"),
    ] {
        let error = built(config).unwrap_err();
        assert!(error.contains(said), "{config}: {error}");
    }
}
