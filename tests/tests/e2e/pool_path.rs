//! An application that knows its paths, its name and its time by other words: `pool_path`, `reply_rewrite`
//! and `timeout`, beside nginx's `proxy_pass` with a path, `proxy_redirect` and `proxy_cookie_*`.

use std::time::{Duration, Instant};

use weir_tests::{AppServer, Nginx, Response, Stack, both_topologies};

const WEIR: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/off/"
pool = "http"
pool_path = "/"
reply_rewrite = { location = [["http://app.internal/two/", "/one/"], ["http://app.internal/", "$scheme://$host/off/"], ["~^https?://[^/]+(:\\d+)/(.+)$", "/by-regex/$2"], ["/", "/off/"]], cookie_domain = [["app.internal", "example.com"], ["~^(.+)\\.local$", "$1.example"]], cookie_path = [["/x/", "/off/y/"], ["~^/re/(.*)$", "/off/$1"]] }
[[edge.site.location]]
match = "/other/"
pool = "http"
pool_path = "/count/"
[[edge.site.location]]
match = "= /exact"
pool = "http"
pool_path = "/count/exact"
[[edge.site.location]]
match = "/broken/"
pool = "http"
pool_path = "/"
rewrite = ["^/broken/(.*)$ /count/$1 break"]
[[edge.site.location]]
match = "/cached/"
pool = "http"
pool_path = "/"
reply_rewrite = { location = [["http://app.internal/", "/cached/"]] }
cache = { ttl = "1m" }
[[edge.site.location]]
match = "/slow/"
pool = "http"
pool_path = "/"
timeout = "500ms"
[[wsgi_adapter.pool]]
name = "http"
servers = ["http://127.0.0.1:$PORT"]
"#;

fn nginx(stack: &Stack) -> Nginx {
    Nginx::start(&format!(
        "location /off/ {{ proxy_pass http://127.0.0.1:{port}/;
           proxy_redirect http://app.internal/two/ /one/;
           proxy_redirect http://app.internal/ $scheme://$host/off/;
           proxy_redirect ~^https?://[^/]+(:\\d+)/(.+)$ /by-regex/$2;
           proxy_redirect / /off/;
           proxy_cookie_domain app.internal example.com; proxy_cookie_domain ~^(.+)\\.local$ $1.example;
           proxy_cookie_path /x/ /off/y/; proxy_cookie_path ~^/re/(.*)$ /off/$1; }}
         location /other/ {{ proxy_pass http://127.0.0.1:{port}/count/; }}
         location = /exact {{ proxy_pass http://127.0.0.1:{port}/count/exact; }}
         location /broken/ {{ rewrite ^/broken/(.*)$ /count/$1 break; proxy_pass http://127.0.0.1:{port}/; }}
         absolute_redirect off;",
        port = stack.port
    ))
}

both_topologies!(paths_and_fields_are_those_of_nginx, WEIR);
fn paths_and_fields_are_those_of_nginx(stack: &Stack) {
    let _server = AppServer::waitress(stack.port, &[]);
    let nginx = nginx(stack);
    let (mut ours, mut theirs) = (stack.connect(), nginx.connect());
    let path = "body=variable:PATH_INFO";
    for target in [
        format!("/off/count/a?{path}"),
        format!("/off/count/a%20b%3fc?{path}"),
        format!("/off/./x/../count/a?{path}"),
        format!("/other/b?{path}"),
        format!("/exact?{path}"),
        format!("/broken/c?{path}"),
        "/off/count/q?body=variable:QUERY_STRING&x=%2F".to_owned(),
        "/off/none".to_owned(),
    ] {
        let said = |answer: Response| {
            let text = answer.text();
            let body = text.split_once(' ').map_or_else(|| text.clone(), |(_, rest)| rest.to_owned());
            (answer.status, body)
        };
        assert_eq!(said(ours.get(&target)), said(theirs.get(&target)), "{target}");
    }
    for (name, value) in [
        ("Location", "http://app.internal/two/a"),
        ("Location", "http://app.internal/three?x"),
        ("Location", "http://other:8000/a/b"),
        ("Location", "https://other/a"),
        ("Location", "/login"),
        ("Refresh", "3; url=http://app.internal/two/a"),
        ("Set-Cookie", "a=1; Domain=app.internal; Path=/x/b; HttpOnly"),
        ("Set-Cookie", "a=1; domain=.App.Internal; path=/re/b"),
        ("Set-Cookie", "a=1; Domain=shop.local; Path=/other"),
        ("Set-Cookie", "a=1; Path=/x/"),
    ] {
        let status = if name == "Location" { 302 } else { 200 };
        let value = value.replace(';', "%3B").replace(' ', "%20");
        let target = format!("/off/count/f?status={status}&h={name}:{value}");
        let field = |answer: Response| (answer.status, answer.field(name).map(str::to_owned));
        assert_eq!(field(ours.get(&target)), field(theirs.get(&target)), "{name}: {value}");
    }
}

both_topologies!(stored_pages_are_rewritten_too, WEIR);
fn stored_pages_are_rewritten_too(stack: &Stack) {
    let _server = AppServer::waitress(stack.port, &[]);
    let mut client = stack.connect();
    let target = "/cached/count/a?status=301&h=Location:http://app.internal/b";
    for fate in ["fwd=uri-miss", "hit", "hit"] {
        let page = client.get(target).expect(301);
        assert!(page.cache_status().contains(fate), "{}", page.cache_status());
        assert_eq!(page.field("location"), Some("/cached/b"));
    }
    client.get("/cached/count/b").expect(200);
    assert!(client.get("/cached/count/b").expect(200).cache_status().contains("hit"));
}

const HASTY: &str = r#"
timeouts = { application = "700ms" }
[[edge.site]]
server_name = ["localhost"]
pool = "http"
[[edge.site.location]]
match = "/hasty/"
pool_path = "/"
[[edge.site.location]]
match = "/patient/"
pool_path = "/"
timeout = "60s"
[[wsgi_adapter.pool]]
name = "http"
servers = ["http://127.0.0.1:$PORT"]
read_timeout = "700ms"
"#;

both_topologies!(a_location_may_take_longer_than_its_edge_and_pool_say, HASTY);
fn a_location_may_take_longer_than_its_edge_and_pool_say(stack: &Stack) {
    let _server = AppServer::waitress(stack.port, &[]);
    assert_eq!(stack.get("/hasty/count/a?delay=4000").status, 504);
    stack.get("/patient/count/b?delay=1500").expect(200);
    // Between two parts of a body, too. Waitress sends what comes to 18,000 bytes at once.
    let slow = "count/c?size=80000&chunks=2&gap=1500";
    assert!(!stack.get(&format!("/hasty/{slow}")).expect(200).whole);
    assert!(stack.get(&format!("/patient/{slow}")).expect(200).whole);
}

both_topologies!(pages_by_another_path_are_found_again, WEIR);
fn pages_by_another_path_are_found_again(stack: &Stack) {
    let _server = AppServer::waitress(stack.port, &[]);
    // The first hit is in the handler's words, a later one in those of the fast path.
    for target in ["/cached/count/a%20b", "/cached/count/c?x=1&utm_source=y", "/cached/count/d%3fe"] {
        let first = stack.get(target).expect(200);
        for _ in 0..3 {
            let hit = stack.get(target).expect(200);
            assert!(hit.cache_status().contains("hit"), "{target}: {}", hit.cache_status());
            assert_eq!(hit.text(), first.text(), "{target}");
        }
        // The fast path does not know this field.
        let slow = stack.get_with(target, &[("x-request-id", "1")]).expect(200);
        assert!(slow.cache_status().contains("hit"), "{target}: {}", slow.cache_status());
        assert_eq!(slow.text(), first.text(), "{target}");
    }
    assert!(!stack.get("/cached/count/c?x=2").expect(200).cache_status().contains("hit"));
}

both_topologies!(a_location_has_a_time_of_its_own, WEIR);
fn a_location_has_a_time_of_its_own(stack: &Stack) {
    let _server = AppServer::waitress(stack.port, &[]);
    let begun = Instant::now();
    assert_eq!(stack.get("/slow/count/a?delay=8000").status, 504);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    stack.get("/off/count/a?delay=1500").expect(200);
    stack.get("/slow/count/a").expect(200);
}
