//! Interim replies 103 of an application, passed on where a location says so.

use weir_tests::{FakeApp, Http2, Stack, both_topologies};

const WEIR: &str = r#"
listen = [{ address = "$HTTP", http2 = true }]
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/all/"
pool = "fake"
early_hints = "1"
[[edge.site.location]]
match = "/cached/"
pool = "fake"
early_hints = "1"
cache = { ttl = "1m" }
[[edge.site.location]]
match = "/http2/"
pool = "fake"
early_hints = "$http2"
[[edge.site.location]]
match = "/none/"
pool = "fake"
[[wsgi_adapter.pool]]
name = "fake"
servers = ["uwsgi://127.0.0.1:$PORT"]
"#;

const REPLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a=b\r\n\r\n\
     HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n\
     HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Final: 1\r\n\r\nok";

both_topologies!(hints_are_passed_on_where_they_are_wanted, WEIR);
fn hints_are_passed_on_where_they_are_wanted(stack: &Stack) {
    let _app = FakeApp::answering(stack.port, REPLY);
    for (path, version, hints) in [
        ("/all/a", "1.1", 2),
        ("/all/a", "1.0", 0),
        ("/cached/a", "1.1", 2),
        ("/cached/a", "1.1", 0),
        ("/http2/a", "1.1", 0),
        ("/none/a", "1.1", 0),
    ] {
        let mut client = stack.connect();
        client.send(format!("GET {path} HTTP/{version}\r\nHost: localhost\r\n\r\n"));
        let expected = ["</a.css>; rel=preload", "</b.css>; rel=preload"];
        for link in &expected[..hints] {
            let hint = client.head();
            assert_eq!((hint.status, hint.field("link")), (103, Some(*link)), "{path} {version}");
            assert_eq!(hint.field("set-cookie"), None);
        }
        let mut last = client.head();
        assert_eq!(
            (last.status, last.field("x-final"), last.field("link")),
            (200, Some("1"), None),
            "{path}"
        );
        client.body(&mut last, "GET");
        assert_eq!(last.text(), "ok");
    }
}

both_topologies!(hints_are_passed_on_over_http2, WEIR);
fn hints_are_passed_on_over_http2(stack: &Stack) {
    let _app = FakeApp::answering(stack.port, REPLY);
    let url = |path: &str| format!("http://localhost:{}{path}", stack.http().port());
    let mut client = Http2::connect(stack.http());
    // All on one connection. The second request for the cached page gets it from memory, without hints.
    for (path, count) in
        [("/all/a", 2), ("/http2/a", 2), ("/none/a", 0), ("/cached/h2", 2), ("/cached/h2", 0), ("/all/b", 2)]
    {
        let (hints, last) = client.get_with_hints(&url(path));
        let links: Vec<_> = hints.iter().map(|hint| (hint.status, hint.field("link"))).collect();
        let expected = [(103, Some("</a.css>; rel=preload")), (103, Some("</b.css>; rel=preload"))];
        assert_eq!(links, expected[..count], "{path}");
        assert!(hints.iter().all(|hint| hint.field("set-cookie").is_none()), "{path}");
        let said = (last.status, last.field("x-final"), last.field("link"), last.text());
        assert_eq!(said, (200, Some("1"), None, "ok".to_owned()), "{path}");
    }
}
