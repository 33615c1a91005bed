//! Rules as settings say them: what they mean, and what is wrong with them.

use super::*;
use crate::route::rules::rewrite::{RewriteFlag, RewriteResult};
use crate::variables::{Facts, FieldSource, RequestFacts, RouteFacts, Values};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

fn rules(text: &str) -> Result<Rules, String> {
    #[derive(serde::Deserialize)]
    struct Place {
        #[serde(default)]
        rule: Vec<RuleConfig>,
        #[serde(default)]
        rewrite: Vec<String>,
        #[serde(rename = "return")]
        answer: Option<Template>,
    }
    let place: Place = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let config = PlaceRules { rule: &place.rule, rewrite: &place.rewrite, answer: place.answer.as_ref() };
    let (mut names, mut mistakes) = (VariableNames::default(), Mistakes::default());
    define("site", &config, &mut names, &mut mistakes);
    let rules = Rules::new("site", &config, &names, &mut mistakes);
    if mistakes.is_empty() { Ok(rules) } else { Err(mistakes.to_string()) }
}

fn with_facts<T>(path: &str, query: Option<&str>, values: &Values, run: impl FnOnce(&Facts<'_>) -> T) -> T {
    let mut fields = HeaderMap::new();
    fields.insert(COOKIE, HeaderValue::from_static("__Host-beta-test=on"));
    fields.insert("x-kind", HeaderValue::from_static("a"));
    let request = RequestFacts {
        method: "GET",
        target: "/sent?a=1",
        protocol: "HTTP/1.1",
        authority: "Example.com:8080",
        fields: FieldSource::Map(&fields),
        client: [127, 0, 0, 1].into(),
        client_port: 1,
        scheme: "http",
        server_port: 80,
        length: None,
        id: 0,
        upgrade: "",
        connection: 3,
        connection_requests: 2,
        connected: std::time::Instant::now(),
        limited: crate::variables::LimitStatus::default(),
        received: 120,
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
    let route = RouteFacts { uri: path.as_bytes(), args: query, ..RouteFacts::default() };
    run(&Facts { request, route, values, reply: None })
}

/// What a rewrite makes of a path and query.
fn rewritten(rewrite: &str, path: &str, query: Option<&str>) -> Option<String> {
    let rewrite = Rewrite::parse(rewrite).unwrap();
    let mut values = Values::default();
    if !values.matches(&rewrite.regex, path.as_bytes()).unwrap() {
        return None;
    }
    Some(match with_facts(path, query, &values, |facts| rewrite.apply(facts, query)) {
        RewriteResult::Path(path, query) => {
            let query = query.map(|query| format!("?{}", String::from_utf8(query).unwrap()));
            format!("{}{}", String::from_utf8(path).unwrap(), query.unwrap_or_default())
        }
        RewriteResult::Location(status, to) => {
            format!("{} {}", status.as_u16(), String::from_utf8(to).unwrap())
        }
    })
}

#[test]
fn rewrites_as_nginx_does() {
    let cases: &[(&str, &str, Option<&str>, Option<&str>)] = &[
        ("^/old/(.*)$ /new/$1", "/old/a b", None, Some("/new/a b")),
        ("^/old/(.*)$ /new/$1", "/other", None, None),
        ("^/(.*)$ /index?page=$1", "/a b&c", Some("x=1"), Some("/index?page=a%20b%26c&x=1")),
        ("^/(.*)$ /index?page=$1?", "/a", Some("x=1"), Some("/index?page=a")),
        ("^/(.*)$ /index?", "/a", Some("x=1"), Some("/index")),
        ("^/(.*)$ /index", "/a", Some("x=1"), Some("/index?x=1")),
        ("^/(.*)$ /$1 permanent", "/a b%?", Some("x=1"), Some("301 /a%20b%25%3F?x=1")),
        ("^/(.*)$ https://new.example/$1", "/é", None, Some("302 https://new.example/%C3%A9")),
        ("^/(.*)$ $scheme://$host/$1? redirect", "/a", Some("x"), Some("302 http://example.com/a")),
        ("^/(?<Lang>..)/(.*)$ /$2?lang=$lang last", "/de/x", None, Some("/x?lang=de")),
        ("^/(.*)$ /$1 permanent", "/\\evil.example", None, Some("301 /%5Cevil.example")),
    ];
    for (rewrite, path, query, expected) in cases {
        assert_eq!(rewritten(rewrite, path, *query).as_deref(), *expected, "{rewrite} {path}");
    }
    assert_eq!(Rewrite::parse("a /b break").unwrap().then, RewriteFlag::Break);
    assert_eq!(Rewrite::parse("a https://b last").unwrap().then, RewriteFlag::Redirect(StatusCode::FOUND));
}

#[test]
fn conditions() {
    let holds = |when: &str, path: &str| {
        let rules = rules(&format!("rule = [{{ when = {{ {when} }}, break = true }}]")).unwrap();
        let mut values = Values::default();
        let none = Values::default();
        with_facts(path, Some("a=1&b=&sort-by=name&page[]=2"), &none, |facts| {
            rules.0[0].when.iter().all(|condition| match condition {
                Condition::Is(value, is) => {
                    let value = value.value(facts);
                    *is != (value.is_empty() || *value == *b"0")
                }
                Condition::Text(value, tests) => tests.hold(&value.value(facts), facts, &mut values).unwrap(),
                Condition::Address { networks, within } => {
                    condition::contains(networks, facts.request.client) == *within
                }
                Condition::File { .. } => panic!("asks the disk"),
            })
        })
    };
    let cases = [
        ("method = 'GET'", true),
        ("method = ['POST', 'GET']", true),
        ("method = '!GET'", false),
        ("method = ['!POST', '!PUT']", true),
        ("host = 'example.com'", true),
        ("host = '~* ^EXAMPLE'", true),
        ("host = '~^EXAMPLE'", false),
        ("host = '!~ ^www'", true),
        ("scheme = 'https'", false),
        ("path = '~ ^/a/(.)'", true),
        ("query = { a = '1' }", true),
        ("query = { a = '1', b = '2' }", false),
        ("query = { b = '' }", true),
        ("query = '~ a=1'", true),
        ("header = { User-Agent = '' }", true),
        ("cookie = { session = '~ .' }", false),
        ("cookie = { '__Host-beta-test' = 'on' }", true),
        ("cookie = { '__Host_beta_test' = 'on' }", false),
        ("query = { 'sort-by' = 'name' }", true),
        ("query = { sort_by = 'name' }", false),
        ("query = { 'page[]' = '2' }", true),
        ("header = { X-Kind = 'a' }", true),
        ("address = '127.0.0.0/8'", true),
        ("address = ['10.0.0.0/8', '127.0.0.1']", true),
        ("address = '!127.0.0.1'", false),
        ("\"$arg_a\" = true", true),
        ("\"$arg_b\" = true", false),
        ("\"$arg_b\" = false", true),
        ("\"$host:$arg_a\" = 'example.com:1'", true),
        ("\"$uri\" = '$uri'", true),
    ];
    for (when, expected) in cases {
        assert_eq!(holds(when, "/a/b"), expected, "{when}");
    }
}

#[test]
fn says_what_is_wrong() {
    let cases = [
        ("rewrite = ['x']", "write \"REGEX REPLACEMENT\""),
        ("rewrite = ['( /a']", "invalid regular expression"),
        ("rewrite = ['a /b go']", "`go` is none of `last`"),
        ("rewrite = ['a /b last now']", "`now` is too much"),
        ("rewrite = ['a b']", "neither a path that begins with `/`"),
        ("rewrite = ['a /$nobody']", "there is no variable `$nobody`"),
        ("return = 'x'", "begins neither with a status"),
        ("rule = [{}]", "this rule does nothing"),
        ("rule = [{ when = { colour = 'red' }, break = true }]", "`colour` is none of method, host"),
        ("rule = [{ when = { header = 'x' }, break = true }]", "write a table of names"),
        (
            "rule = [{ when = { header = { 'x y' = 'z' } }, break = true }]",
            "`x y` is not the name of a field",
        ),
        ("rule = [{ when = { cookie = { '' = 'z' } }, break = true }]", "a name in `cookie` is empty"),
        ("rule = [{ when = { address = 'x' }, break = true }]", "neither an address nor a network"),
        ("rule = [{ when = { address = ['!10.0.0.1', '10.0.0.2'] }, break = true }]", "either all networks"),
        ("rule = [{ when = { file = 'x' }, break = true }]", "is no absolute path"),
        ("rule = [{ when = { method = [] }, break = true }]", "write a text, or a list"),
        ("rule = [{ when = { host = '~ (' }, break = true }]", "invalid regular expression"),
        ("rule = [{ when = { \"$nobody\" = '1' }, break = true }]", "there is no variable `$nobody`"),
        ("rule = [{ set = { host = 'x' } }]", "is a variable of Weir's own"),
        ("rule = [{ set = { x = '$nobody' } }]", "there is no variable `$nobody`"),
        ("rule = [{ whem = {} }]", "unknown field `whem`"),
    ];
    for (text, said) in cases {
        let error = rules(text).map(|_| String::new()).unwrap_or_else(|error| error);
        assert!(error.contains(said), "{text}: {error}");
    }
    // What a rule sets, or a group names, may be used everywhere.
    rules("rule = [{ set = { x = '1' } }, { when = { host = '~ ^(?<sub>[^.]+)' }, return = '200 $sub$x' }]")
        .unwrap();
}
