//! Which requests share a page, and which get a variant of their own; what the application sees while it
//! makes one for all.

use std::thread;

use weir_tests::{Stack, both_topologies};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost", "other.example"]
[[edge.site.location]]
match = "/"
pool = "app"
[edge.site.location.cache]
ttl = "60s"
ignore_query = ["utm_*", "fbclid"]
cookies = { split = ["django_language"], ignore = ["mine_*"] }
"#;

both_topologies!(ignored_cookies_and_parameters_share_one_page, SETTINGS);
fn ignored_cookies_and_parameters_share_one_page(stack: &Stack) {
    let requests: &[(&str, &str)] = &[
        ("?utm_source=a&x=1&utm_medium=b", "_ga=GA1.2.3; csrftoken=abc"),
        ("?x=1&fbclid=9", "mine_a=1; _gid=5"),
        ("?x=1", ""),
        ("?x=1&utm_campaign=", "csrftoken=other"),
    ];
    for (query, cookies) in requests {
        let target = format!("/count/shared{query}");
        let fields: &[(&str, &str)] = if cookies.is_empty() { &[] } else { &[("Cookie", cookies)] };
        let page = stack.get_with(&target, fields).expect(200);
        assert_eq!(page.text(), "1\n", "{query} {cookies}");
    }
    // What the key ignores, the application does not see.
    assert_eq!(stack.oracle.field("shared", 0, "HTTP_COOKIE"), None);
    assert_eq!(stack.oracle.call("shared", 0)["uri"], "/count/shared?x=1");
    assert_eq!(stack.get("/count/shared?x=2").expect(200).text(), "2\n", "another page");
}

both_topologies!(what_the_key_does_not_hold_the_application_does_not_see, SETTINGS);
fn what_the_key_does_not_hold_the_application_does_not_see(stack: &Stack) {
    let fields = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("If-None-Match", "\"a\""),
        ("If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("Range", "bytes=0-1"),
        ("Cache-Control", "no-cache"),
        ("Accept-Language", "de"),
    ];
    stack.get_with("/count/seen", &fields);
    for name in [
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_HTTP_METHOD_OVERRIDE",
        "HTTP_X_ORIGINAL_URL",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_MODIFIED_SINCE",
        "HTTP_RANGE",
    ] {
        assert_eq!(stack.oracle.field("seen", 0, name), None, "{name}");
    }
    // It may name this one in Vary.
    assert_eq!(stack.oracle.field("seen", 0, "HTTP_ACCEPT_LANGUAGE").as_deref(), Some("de"));
    assert_eq!(stack.get("/count/seen").expect(200).text(), "1\n");
}

both_topologies!(a_split_cookie_makes_variants, SETTINGS);
fn a_split_cookie_makes_variants(stack: &Stack) {
    let ask =
        |cookie: &str| stack.get_with("/count/split?body=who", &[("Cookie", cookie)]).expect(200).text();
    assert_eq!(ask("django_language=de"), "1 cookie=django_language=de authorization=None\n");
    assert_eq!(ask("_ga=1; django_language=en"), "2 cookie=django_language=en authorization=None\n");
    assert_eq!(ask("django_language=de; csrftoken=x"), "1 cookie=django_language=de authorization=None\n");
    assert_eq!(ask("_ga=1"), "3 cookie=None authorization=None\n");
    assert_eq!(stack.get("/count/split?body=who").text(), "3 cookie=None authorization=None\n");
}

both_topologies!(vary_makes_variants, SETTINGS);
fn vary_makes_variants(stack: &Stack) {
    let ask = |language: &[(&str, &str)]| {
        stack
            .get_with("/count/vary?body=field:Accept-Language&h=Vary:Accept-Language", language)
            .expect(200)
            .text()
    };
    let (de, en) = ([("Accept-Language", "de")], [("Accept-Language", "en")]);
    assert_eq!(ask(&de), "1 Accept-Language=de\n");
    assert_eq!(ask(&en), "2 Accept-Language=en\n");
    assert_eq!(ask(&[]), "3 Accept-Language=None\n");
    assert_eq!(
        [ask(&de), ask(&en), ask(&[])].concat(),
        "1 Accept-Language=de\n2 Accept-Language=en\n3 Accept-Language=None\n"
    );
    assert_eq!(stack.oracle.calls("vary"), 3);
}

both_topologies!(variants_that_are_asked_for_at_once_never_mix, SETTINGS);
fn variants_that_are_asked_for_at_once_never_mix(stack: &Stack) {
    let target = "/count/mixed?delay=500&body=field:Accept-Language&h=Vary:Accept-Language";
    let languages = ["de", "en", "fr"];
    thread::scope(|scope| {
        for n in 0..18 {
            let language = languages[n % languages.len()];
            scope.spawn(move || {
                let page = stack.get_with(target, &[("Accept-Language", language)]).expect(200).text();
                assert!(page.ends_with(&format!("Accept-Language={language}\n")), "{language}: {page}");
            });
        }
    });
    // At best one for each; those who learnt of Vary while they waited may have gone by themselves.
    let calls = stack.oracle.calls("mixed");
    assert!((3..=5).contains(&calls), "{calls} calls for 3 variants");
}

both_topologies!(hosts_schemes_and_queries_are_pages_of_their_own, SETTINGS);
fn hosts_schemes_and_queries_are_pages_of_their_own(stack: &Stack) {
    let ask = |host: &str, target: &str| {
        let mut client = stack.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.response("GET").expect(200).text()
    };
    assert_eq!(ask("localhost", "/count/key"), "1\n");
    assert_eq!(ask("other.example", "/count/key"), "2\n");
    assert_eq!(ask("localhost", "/count/key?"), "3\n");
    assert_eq!(ask("localhost", "/count/key?a=1;b=2"), "4\n");
    assert_eq!(ask("localhost", "/count/key?a=1&b=2"), "5\n");
    // One host, however it is written.
    assert_eq!(ask("LOCALHOST", "/count/key"), "1\n");
    assert_eq!(ask("localhost:80", "/count/key"), "1\n");
}

both_topologies!(a_compressed_page_is_for_those_who_can_read_it, SETTINGS);
fn a_compressed_page_is_for_those_who_can_read_it(stack: &Stack) {
    // An application that compresses and says nothing of it in Vary.
    let coded =
        "/count/coded?body=field:Accept-Encoding&h=Content-Encoding:gzip&h=Cache-Control:max-age%3D60";
    let gzip = [("Accept-Encoding", "gzip, br")];
    for _ in 0..2 {
        let page = stack.get_with(coded, &gzip).expect(200);
        assert_eq!(
            (page.text(), page.field("vary")),
            ("1 Accept-Encoding=gzip\n".into(), Some("accept-encoding"))
        );
    }
    for fields in [&[][..], &[("Accept-Encoding", "br")], &[("Accept-Encoding", "gzip;q=0")]] {
        let page = stack.get_with(coded, fields).expect(200);
        assert_eq!(page.text(), "2 Accept-Encoding=None\n", "{fields:?}");
    }
    assert_eq!(stack.get_with(coded, &gzip).text(), "1 Accept-Encoding=gzip\n");
    // A page that is not compressed is for all.
    for fields in [&[][..], &gzip] {
        assert_eq!(stack.get_with("/count/uncoded?h=Content-Encoding:identity", fields).text(), "1\n");
    }
    assert_eq!(stack.oracle.calls("coded"), 2);
}
