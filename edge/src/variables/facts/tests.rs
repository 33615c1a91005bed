//! Each variable under the facts of a request and of its reply.

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::variables::application_work::ApplicationWork;
use crate::variables::{Template, expression};

fn map() -> HeaderMap {
    let fields = [
        ("cookie", "a=1; sessionid=x"),
        ("cookie", "b=2"),
        ("x-forwarded-for", "192.0.2.7"),
        ("accept", "text/html"),
        ("accept", "image/png"),
        ("authorization", "Basic YW5uOnNlY3JldA=="),
        ("content-type", "text/plain"),
    ];
    fields.iter().fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(*name, HeaderValue::from_static(value));
        map
    })
}

fn facts<'a>(fields: &'a HeaderMap, values: &'a Values) -> Facts<'a> {
    let request = RequestFacts {
        method: "GET",
        target: "/a//b%20c?x=1&Y=%2F",
        protocol: "HTTP/1.1",
        authority: "Example.com:8080",
        fields: FieldSource::Map(fields),
        client: "192.0.2.1".parse().unwrap(),
        client_port: 5000,
        scheme: "https",
        server_port: 8443,
        length: Some(7),
        id: 0xab,
        upgrade: "",
        connection: 3,
        connection_requests: 2,
        connected: Instant::now(),
        limited: LimitStatus { requests: "PASSED", connections: "" },
        received: 120,
        tls: None,
        server: "192.0.2.9".parse().ok(),
        body: None,
        upstream: None,
        proxied: None,
        unread_line: b"",
        claims: None,
        peer: None,
        endless: None,
    };
    let route = RouteFacts {
        uri: b"/a/b c",
        args: Some("x=1&Y=%2F"),
        server_name: "example.com",
        document_root: None,
        definitions: None,
    };
    Facts { request, route, values, reply: None }
}

/// What is known of a request for a target without anything else.
pub(crate) fn facts_of<'a>(target: &'a str, fields: &'a HeaderMap) -> Facts<'a> {
    let (path, args) = target.split_once('?').map_or((target, None), |(path, args)| (path, Some(args)));
    let known = facts(fields, Values::NONE);
    let route = RouteFacts { uri: path.as_bytes(), args, ..known.route };
    Facts { request: RequestFacts { target, ..known.request }, route, ..known }
}

#[test]
fn each_variable_has_its_value() {
    let (fields, mut values) = (map(), Values::default());
    assert!(values.matches(&expression::compile("/(a)/(?<rest>.*)", false).unwrap(), b"/a/b c").unwrap());
    let cases = [
        ("$host", "example.com"),
        ("$http_host", "Example.com:8080"),
        ("$scheme $https", "https on"),
        ("$request_uri", "/a//b%20c?x=1&Y=%2F"),
        ("$uri", "/a/b c"),
        ("$document_uri$is_args$args", "/a/b c?x=1&Y=%2F"),
        ("$arg_x $arg_y [$arg_z]", "1 %2F []"),
        ("$cookie_sessionid $cookie_b [$cookie_c]", "x 2 []"),
        ("$http_accept", "text/html, image/png"),
        ("$http_cookie", "a=1; sessionid=x; b=2"),
        ("$remote_addr:$remote_port", "192.0.2.1:5000"),
        ("$server_addr", "192.0.2.9"),
        ("$remote_user", "ann"),
        ("$proxy_add_x_forwarded_for", "192.0.2.7, 192.0.2.1"),
        ("$server_name $server_port", "example.com 8443"),
        ("$host$is_request_port$request_port", "example.com:8080"),
        ("[$limit_req_status] [$limit_conn_status]", "[PASSED] []"),
        ("$request", "GET /a//b%20c?x=1&Y=%2F HTTP/1.1"),
        ("$request_method $server_protocol", "GET HTTP/1.1"),
        ("$request_id", "000000000000000000000000000000ab"),
        ("$request_filename$document_root", "/a/b c"),
        ("$fastcgi_script_name$fastcgi_path_info", "/a/b c"),
        ("$content_type $content_length $http_content_length", "text/plain 7 7"),
        ("$1 ${2}x $rest [$3]", "a b cx b c []"),
        ("[$status$sent_http_etag$upstream_http_etag]", "[]"),
    ];
    for (template, value) in cases {
        let template = Template::parse(template).unwrap();
        let found = template.value(&facts(&fields, &values));
        assert_eq!(String::from_utf8_lossy(&found), value, "{template:?}");
    }
}

#[test]
fn the_host_has_neither_port_nor_last_dot() {
    let (fields, values) = (HeaderMap::new(), Values::default());
    let cases = [
        ("a.example", "a.example"),
        ("A.Example.:80", "a.example"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("", "example.com"),
    ];
    for (authority, host) in cases {
        let mut facts = facts(&fields, &values);
        facts.request.authority = authority;
        let template = Template::parse("$host").unwrap();
        assert_eq!(template.value(&facts), host.as_bytes(), "{authority}");
    }
}

#[test]
fn a_control_character_makes_no_field() {
    let (fields, values) = (HeaderMap::new(), Values::default());
    let mut facts = facts(&fields, &values);
    facts.route.uri = b"/a\r\nSet-Cookie: x=1";
    let template = Template::parse("https://$host$uri").unwrap();
    assert!(template.field_value(&facts).is_err());
    facts.route.uri = b"/a\xc3\xa9";
    assert_eq!(template.field_value(&facts).unwrap().as_bytes(), b"https://example.com/a\xc3\xa9");
}

#[test]
fn no_value_is_another_than_an_empty_one() {
    let (mut fields, values) = (HeaderMap::new(), Values::default());
    fields.insert("x-empty", HeaderValue::from_static(""));
    let facts = facts(&fields, &values);
    assert_eq!(facts.value(&Variable::named("http_x_empty")).as_deref(), Some(&b""[..]));
    assert_eq!(facts.value(&Variable::named("http_x_none")), None);
    assert_eq!(facts.value(&Variable::named("remote_user")), None);
}

#[test]
fn what_the_reply_tells() {
    let (fields, values) = (HeaderMap::new(), Values::default());
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/html"));
    headers.append("set-cookie", HeaderValue::from_static("a=1; Path=/"));
    headers.append("set-cookie", HeaderValue::from_static("b=2; Path=/"));
    let reply = ReplyFacts {
        status: 404,
        headers: &headers,
        cache: Some("MISS"),
        pool: Some("app"),
        upstream: Some(UpstreamFacts {
            earlier: &[],
            server: "uwsgi://127.0.0.1:3031",
            status: 404,
            connect: Some(Duration::from_millis(1)),
            head: Duration::from_millis(1_234),
            whole: Duration::from_millis(1_500),
            work: ApplicationWork::of(b"\"news.front\";queries=2;sql-us=3400"),
        }),
        took: Duration::from_millis(2_005),
        head_bytes: 100,
        body_bytes: 23,
        uncoded: Some(100),
        complete: true,
    };
    let cases = [
        ("$sent_http_content_type $upstream_http_content_type", "text/html text/html"),
        ("$sent_http_set_cookie", "a=1; Path=/, b=2; Path=/"),
        ("$upstream_cookie_b", "2"),
        ("$status $body_bytes_sent $bytes_sent", "404 23 123"),
        ("$request_time $upstream_header_time", "2.005 1.234"),
        ("$upstream_connect_time $upstream_response_time", "0.001 1.500"),
        ("$upstream_addr $upstream_status $upstream_cache_status", "127.0.0.1:3031 404 MISS"),
        ("$upstream_view $upstream_queries $upstream_query_time", "news.front 2 0.003"),
        ("$gzip_ratio $upstream_response_length [$ssl_early_data$http3]", "4.35 100 []"),
        ("$connection $connection_requests $request_length $ssl_protocol", "3 2 120 "),
        ("$request_completion $proxy_host", "OK app"),
    ];
    for (template, value) in cases {
        let template = Template::parse(template).unwrap();
        let facts = Facts { reply: Some(reply), ..facts(&fields, &values) };
        assert_eq!(String::from_utf8_lossy(&template.value(&facts)), value, "{template:?}");
    }
}

#[test]
fn a_client_that_has_a_network_is_counted_as_one() {
    let (fields, values) = (HeaderMap::new(), Values::default());
    let template = Template::parse("$binary_remote_addr").unwrap();
    let key = |client: &str| {
        let mut facts = facts(&fields, &values);
        facts.request.client = client.parse().unwrap();
        template.value(&facts).into_owned()
    };
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("192.0.2.1"), [192, 0, 2, 1]);
    assert_eq!(key("::"), b"unix:");
}

#[test]
fn the_type_of_what_is_made_here_is_told_without_its_charset() {
    let (fields, values) = (HeaderMap::new(), Values::default());
    let template = Template::parse("$sent_http_content_type").unwrap();
    let told = |value: &'static str, cache: Option<&'static str>| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        let reply = crate::reply::facts::of_text(http::StatusCode::OK, &headers);
        let facts = facts(&fields, &values).with_reply(ReplyFacts { cache, ..reply });
        String::from_utf8(template.value(&facts).into_owned()).unwrap()
    };
    assert_eq!(told("text/html; charset=utf-8", None), "text/html");
    assert_eq!(told("text/html", None), "text/html");
    assert_eq!(told("text/html; charset=utf-8", Some("HIT")), "text/html; charset=utf-8");
}
