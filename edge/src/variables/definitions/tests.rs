//! `map`, `geo` and `split`: what they choose, and what is wrong with them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::variables::{FieldSource, RequestFacts, RouteFacts, Template, Values};

#[derive(serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
struct AllDefinitions {
    map: Vec<MapConfig>,
    geo: Vec<GeoConfig>,
    split: Vec<SplitConfig>,
}

/// The definitions that a text makes, and what is wrong with it.
fn build(text: &str) -> (Definitions, VariableNames, String) {
    let all: AllDefinitions = serde_json::from_str(text).unwrap();
    let (mut names, mut mistakes) = (VariableNames::default(), Mistakes::default());
    let configs = DefinitionConfigs { maps: &all.map, geos: &all.geo, splits: &all.split };
    let built = Definitions::build(&configs, &mut names, &mut mistakes);
    built.check(&mut names, &mut mistakes);
    (built, names, mistakes.to_string())
}

/// The value of a template in a request for `host` from `client`.
fn value(definitions: &Definitions, template: &str, host: &str, client: &str, fields: &HeaderMap) -> String {
    let request = RequestFacts {
        method: "GET",
        target: "/",
        protocol: "HTTP/1.1",
        authority: host,
        fields: FieldSource::Map(fields),
        client: client.parse().unwrap(),
        client_port: 0,
        scheme: "http",
        server_port: 80,
        length: None,
        id: 0,
        upgrade: "",
        connection: 3,
        connection_requests: 2,
        connected: Instant::now(),
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
    let route = RouteFacts { definitions: Some(definitions), ..RouteFacts::default() };
    let facts = Facts { request, route, values: Values::NONE, reply: None };
    let template = Template::parse(template).unwrap();
    String::from_utf8(template.value(&facts).into_owned()).unwrap()
}

fn field(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

#[test]
fn a_map_chooses_in_nginx_s_order() {
    let (definitions, _, mistakes) = build(
        r#"{"map": [{"variable": "m", "from": "$http_x", "default": "none", "cases": [
            ["a", "exact"], ["", "empty"], ["~^a(?<rest>.*)$", "first $rest"], ["~*^B(.)", "second $1"],
            ["~b", "third"], ["\\~x", "tilde"], ["default", "the word"], ["v", "$http_x$host"]]}]}"#,
    );
    assert_eq!(mistakes, "");
    let cases = [
        ("a", "exact"),
        ("A", "exact"),
        ("ab", "first b"),
        ("bc", "second c"),
        ("b", "third"),
        ("~x", "tilde"),
        ("default", "the word"),
        ("v", "vh.example"),
        ("z", "none"),
        ("", "empty"),
    ];
    for (x, expected) in cases {
        assert_eq!(value(&definitions, "$m", "h.example", "192.0.2.1", &field("x-y", "")), "empty");
        assert_eq!(value(&definitions, "$m", "h.example", "192.0.2.1", &field("x", x)), expected, "{x}");
    }
}

#[test]
fn a_map_of_host_names_knows_wildcards() {
    let (definitions, _, mistakes) = build(
        r#"{"map": [{"variable": "m", "from": "$http_x", "hostnames": true, "cases": [
            ["www.example.com", "1"], ["*.example.com", "2"], [".example.org", "3"], ["mail.*", "4"],
            ["*.b.example.com", "5"], ["mail.example.*", "6"], ["~net$", "7"]]}]}"#,
    );
    assert_eq!(mistakes, "");
    let cases = [
        ("www.example.com", "1"),
        ("WWW.example.com.", "1"),
        ("x.example.com", "2"),
        ("y.x.example.com", "2"),
        ("a.b.example.com", "5"),
        ("example.com", ""),
        ("example.org", "3"),
        ("x.example.org", "3"),
        ("mail.net", "4"),
        ("mail.a.net", "4"),
        ("mail.example.net", "6"),
        ("x.net", "7"),
    ];
    for (x, expected) in cases {
        assert_eq!(value(&definitions, "$m", "", "192.0.2.1", &field("x", x)), expected, "{x}");
    }
}

#[test]
fn maps_may_use_one_another_but_not_in_a_circle() {
    let (definitions, names, mistakes) = build(
        r#"{"map": [{"variable": "a", "from": "$b", "cases": [["1", "one"]]},
                    {"variable": "$b", "from": "$http_x", "cases": [["yes", "1"]]}]}"#,
    );
    assert_eq!(mistakes, "");
    assert_eq!(value(&definitions, "$a", "", "192.0.2.1", &field("x", "yes")), "one");
    assert_eq!(names.needs(&Variable::named("a")), Needs::VISITOR);

    let (.., mistakes) = build(
        r#"{"map": [{"variable": "a", "from": "$b"}, {"variable": "b", "from": "$host", "default": "$a"}]}"#,
    );
    assert!(mistakes.contains("the value of `$a` would depend on itself"), "{mistakes}");
}

#[test]
fn what_is_wrong_has_its_place() {
    let cases = [
        (
            r#"{"map": [{"variable": "host", "from": "$uri"}]}"#,
            "edge.map[0].variable: `$host` is a variable of",
        ),
        (r#"{"map": [{"variable": "a", "from": "$urj"}]}"#, "edge.map[0]: there is no variable `$urj`"),
        (
            r#"{"map": [{"variable": "a", "from": "$uri", "cases": [["b", ""], ["B", ""]]}]}"#,
            "edge.map[0].cases[1]: `b` is there twice",
        ),
        (
            r#"{"map": [{"variable": "a", "from": "$uri", "cases": [["~(", ""]]}]}"#,
            "edge.map[0].cases[0]: invalid regular expression",
        ),
        (
            r#"{"map": [{"variable": "a", "from": "$uri", "file": "/no/such/file"}]}"#,
            "edge.map[0].file: cannot read /no/such/file",
        ),
        (
            r#"{"geo": [{"variable": "a", "networks": [["10.0.0.0/33", "1"]]}]}"#,
            "edge.geo[0].networks[0]: `10.0.0.0/33` is no address",
        ),
        (
            r#"{"split": [{"variable": "a", "from": "$uri", "parts": [["60%", "1"], ["41%", "2"]]}]}"#,
            "edge.split[0].parts[1]: the parts are more than 100%",
        ),
        (
            r#"{"split": [{"variable": "a", "from": "$uri", "parts": [["0.001%", "1"]]}]}"#,
            "edge.split[0].parts[0]: `0.001%` is neither",
        ),
        (
            r#"{"geo": [{"variable": "a"}, {"variable": "$a"}]}"#,
            "edge.geo[1].variable: `$a` is defined twice",
        ),
    ];
    for (text, mistake) in cases {
        let (.., mistakes) = build(text);
        assert!(mistakes.contains(mistake), "{text}\n{mistakes}");
    }
}

#[test]
fn a_geo_takes_the_smallest_network() {
    let (definitions, _, mistakes) = build(
        r#"{"geo": [{"variable": "g", "default": "out", "networks": [
            ["10.1.0.0/16", "b"], ["10.0.0.0/8", "a"], ["10.1.2.3", "c"], ["192.0.2.10-192.0.2.20", "r"],
            ["0.0.0.0/1", "low"], ["2001:db8::/32", "six"], ["2001:db8::1", "one"], ["255.255.255.255", "end"]]}]}"#,
    );
    assert_eq!(mistakes, "");
    let cases = [
        ("10.0.0.1", "a"),
        ("10.255.255.255", "a"),
        ("10.1.0.0", "b"),
        ("10.1.2.3", "c"),
        ("10.1.2.4", "b"),
        ("11.0.0.0", "low"),
        ("127.255.255.255", "low"),
        ("128.0.0.0", "out"),
        ("192.0.2.9", "out"),
        ("192.0.2.10", "r"),
        ("192.0.2.20", "r"),
        ("192.0.2.21", "out"),
        ("255.255.255.255", "end"),
        ("2001:db8::2", "six"),
        ("2001:db8::1", "one"),
        ("2001:db9::", "out"),
        ("::ffff:10.1.2.3", "c"),
    ];
    for (client, expected) in cases {
        assert_eq!(value(&definitions, "$g", "", client, &HeaderMap::new()), expected, "{client}");
    }
}

#[test]
fn a_geo_looks_behind_its_proxies() {
    let text = |recursive| {
        format!(
            r#"{{"geo": [{{"variable": "g", "default": "out", "networks": [["10.0.0.0/8", "in"], ["192.0.2.0/24", "doc"]],
                "proxies": ["127.0.0.0/8", "10.0.0.0/8"], "proxy_recursive": {recursive}}}]}}"#
        )
    };
    let (last, ..) = build(&text(false));
    let (all, ..) = build(&text(true));
    let cases = [
        ("127.0.0.1", "192.0.2.1, 10.0.0.1", "in", "doc"),
        ("127.0.0.1", "192.0.2.1", "doc", "doc"),
        ("127.0.0.1", "garbage", "out", "out"),
        ("198.51.100.1", "192.0.2.1", "out", "out"),
    ];
    for (client, chain, behind_last, behind_all) in cases {
        let fields = field("x-forwarded-for", chain);
        assert_eq!(value(&last, "$g", "", client, &fields), behind_last, "{client} {chain}");
        assert_eq!(value(&all, "$g", "", client, &fields), behind_all, "{client} {chain}");
    }
}

#[test]
fn a_split_keeps_its_shares() {
    let (definitions, _, mistakes) = build(
        r#"{"split": [{"variable": "s", "from": "$http_x", "parts": [["20%", "a"], ["0.5%", "b"], ["*", "c"]]}]}"#,
    );
    assert_eq!(mistakes, "");
    let mut counts = std::collections::BTreeMap::new();
    for number in 0..20_000 {
        let found = value(&definitions, "$s", "", "192.0.2.1", &field("x", &format!("visitor{number}")));
        *counts.entry(found).or_insert(0) += 1;
    }
    assert!((3_800..4_200).contains(&counts["a"]), "{counts:?}");
    assert!((60..140).contains(&counts["b"]), "{counts:?}");
}

#[test]
fn a_map_of_a_hundred_thousand_lines_is_read_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut text = String::new();
    for number in 0..100_000 {
        writeln!(text, "/old/page-{number}.html /new/{number}/;").unwrap();
    }
    std::fs::write(file.path(), text).unwrap();
    let settings = format!(
        r#"{{"map": [{{"variable": "new", "from": "$http_x", "file": {:?}}}]}}"#,
        file.path().to_str().unwrap()
    );
    let started = Instant::now();
    let (definitions, _, mistakes) = build(&settings);
    let took = started.elapsed();
    assert_eq!(mistakes, "");
    assert_eq!(
        value(&definitions, "$new", "", "192.0.2.1", &field("x", "/old/page-77777.html")),
        "/new/77777/"
    );
    // Unoptimised, and on a busy machine; if each line looked at all others, it would be minutes.
    assert!(took < Duration::from_secs(30), "{took:?}");
}
