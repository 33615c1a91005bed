//! What the application sees of a request, and what becomes of its replies.

use serde_json::Value;
use weir_tests::{
    App, FakeApp, Location, Response, Settings, Setup, Stack, both_topologies, site, split_only,
};

const SETTINGS: &str = r#"
[[edge.site]]
server_name = ["localhost", "www.example.com"]
root = "/srv/www"
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/other/"
pool = "other"
[edge.site.location.cache]
ttl = "60s"
[[edge.site.location]]
match = "/direct/"
pool = "other"
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
[[wsgi_adapter.pool]]
name = "other"
servers = ["uwsgi://127.0.0.1:$PORT"]
"#;

fn validated() -> Setup {
    Setup::new(SETTINGS, App::ValidatedOracle)
}

fn environ(stack: &Stack, target: &str, fields: &[(&str, &str)]) -> Value {
    stack.get_with(target, fields).expect(200).json()
}

both_topologies!(the_variables_are_those_of_nginx, validated());
fn the_variables_are_those_of_nginx(stack: &Stack) {
    let mut client = stack.connect();
    let local = client.socket().local_addr().unwrap();
    client.send("GET /echo-environ/%C3%A4%20b?a=%C3%A4&b=c%20d HTTP/1.1\r\nHost: WWW.example.com:8080\r\nX-A: 1\r\n\r\n");
    let environ = client.response("GET").expect(200).json();
    let port = stack.http().port().to_string();
    let remote_port = local.port().to_string();
    let expected = [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/echo-environ/%C3%A4%20b?a=%C3%A4&b=c%20d"),
        // Decoded once; bytes as latin-1, as PEP 3333 wants them.
        ("PATH_INFO", "/echo-environ/\u{c3}\u{a4} b"),
        ("QUERY_STRING", "a=%C3%A4&b=c%20d"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("wsgi.url_scheme", "http"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", &remote_port),
        ("SERVER_PORT", &port),
        ("DOCUMENT_ROOT", "/srv/www"),
        ("HTTP_HOST", "WWW.example.com:8080"),
        ("HTTP_X_A", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(environ[name], value, "{name}");
    }
    for absent in ["HTTPS", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "REMOTE_USER", "AUTH_TYPE"] {
        assert!(environ.get(absent).is_none_or(|value| value == ""), "{absent}: {}", environ[absent]);
    }
    assert!(environ["CONTENT_LENGTH"].as_str().is_none_or(|length| length.is_empty() || length == "0"));
}

both_topologies!(a_path_is_decoded_once, validated());
fn a_path_is_decoded_once(stack: &Stack) {
    let cases = [
        ("/echo-environ/%2541", "/echo-environ/%41"),
        ("/echo-environ/a%2Fb", "/echo-environ/a/b"),
        ("/echo-environ/a+b", "/echo-environ/a+b"),
        ("/echo-environ/%FF%fe", "/echo-environ/\u{ff}\u{fe}"),
        ("/echo-environ/%3F%23", "/echo-environ/?#"),
    ];
    for (target, path) in cases {
        let environ = environ(stack, target, &[]);
        assert_eq!((&environ["PATH_INFO"], &environ["REQUEST_URI"]), (&path.into(), &target.into()));
    }
    // Present or not, a query is passed on as it is.
    for (target, query) in
        [("/echo-environ", ""), ("/echo-environ?", ""), ("/echo-environ?a=b;c=%26", "a=b;c=%26")]
    {
        let environ = environ(stack, target, &[]);
        assert_eq!((&environ["QUERY_STRING"], &environ["REQUEST_URI"]), (&query.into(), &target.into()));
    }
}

both_topologies!(fields_become_variables, validated());
fn fields_become_variables(stack: &Stack) {
    let environ = environ(
        stack,
        "/echo-environ",
        &[
            ("X-Many", "1"),
            ("X-Many", "2"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
            ("X-Empty", ""),
            ("X_Under", "dropped"),
            ("Content_Length", "5"),
            ("X-Forwarded_For", "6.6.6.6"),
            ("Transfer_Encoding", "chunked"),
            ("Proxy", "http://evil.example"),
            ("UWSGI-FILE", "/etc/passwd"),
            ("Remote-User", "root"),
            ("Wsgi.Input", "x"),
            ("Keep-Alive", "1"),
            ("TE", "trailers"),
            ("Content-Type", "text/x"),
        ],
    );
    assert_eq!(environ["HTTP_X_MANY"], "1, 2");
    assert_eq!(environ["HTTP_COOKIE"], "a=1; b=2");
    assert_eq!(environ["HTTP_X_EMPTY"], "");
    assert_eq!(environ["CONTENT_TYPE"], "text/x");
    // A client names no variable but those that begin with HTTP_.
    assert_eq!(environ["HTTP_UWSGI_FILE"], "/etc/passwd");
    assert_eq!(environ["HTTP_REMOTE_USER"], "root");
    for absent in [
        "HTTP_X_UNDER",
        "HTTP_PROXY",
        "UWSGI_FILE",
        "REMOTE_USER",
        "HTTP_CONTENT_LENGTH",
        "HTTP_CONTENT_TYPE",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_KEEP_ALIVE",
    ] {
        assert!(environ.get(absent).is_none(), "{absent}: {}", environ[absent]);
    }
    assert_eq!(environ["wsgi.input"], "InputWrapper");
}

const SPOOFED: &[(&str, &str)] = &[
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"),
    ("X-Real-IP", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9;proto=https"),
    ("X-Original-URL", "/admin"),
    ("X-Rewrite-URL", "/admin"),
];

both_topologies!(nobody_is_believed_who_is_not_trusted, validated());
fn nobody_is_believed_who_is_not_trusted(stack: &Stack) {
    let environ = environ(stack, "/echo-environ", SPOOFED);
    assert_eq!((&environ["REMOTE_ADDR"], &environ["wsgi.url_scheme"]), (&"127.0.0.1".into(), &"http".into()));
    let text = environ.to_string();
    for word in ["203.0.113.9", "evil.example", "/admin"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert!(environ.get("HTTP_X_FORWARDED_SSL").is_none());
}

fn trusting() -> Settings {
    site([Location::passed("/")]).with("edge.trusted_proxies", vec!["127.0.0.0/8", "10.0.0.0/8"])
}

both_topologies!(a_trusted_proxy_is_believed, trusting());
fn a_trusted_proxy_is_believed(stack: &Stack) {
    let fields = [("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.7"), ("X-Forwarded-Proto", "https")];
    let environ = environ(stack, "/echo-environ", &fields);
    assert_eq!(environ["REMOTE_ADDR"], "203.0.113.9");
    assert_eq!((&environ["HTTPS"], &environ["wsgi.url_scheme"]), (&"on".into(), &"https".into()));
    // What rewrites the request is believed from nobody.
    let environ = self::environ(stack, "/echo-environ", &[("X-Original-URL", "/admin"), ("Proxy", "x")]);
    assert!(!environ.to_string().contains("/admin") && environ.get("HTTP_PROXY").is_none());
}

fn on_unix_socket() -> Setup {
    Setup::from(trusting()).before(App::OracleOnUnixSocket)
}

both_topologies!(a_unix_socket_serves_as_well, on_unix_socket());
fn a_unix_socket_serves_as_well(stack: &Stack) {
    stack.get("/count/u").expect(200);
    let seen =
        stack.ask("POST", "/upload", &[("Content-Length", "100000")], &[b'x'; 100_000]).expect(200).json();
    assert_eq!(seen["length"], 100_000);
    // A socket file that is left behind without anybody behind it is refused like a port.
    stack.app.stop();
    stack.get("/count/u").expect(502);
    stack.app.start();
    stack.get("/count/u").expect(200);
}

both_topologies!(the_validator_stays_silent, validated());
fn the_validator_stays_silent(stack: &Stack) {
    let body = b"5\r\nhello\r\n0\r\n\r\n";
    stack.get("/count/v").expect(200);
    stack.ask("HEAD", "/count/v", &[], b"").expect(200);
    stack.ask("POST", "/upload", &[("Transfer-Encoding", "chunked")], body).expect(200);
    stack.ask("PUT", "/upload", &[("Content-Length", "0")], b"").expect(200);
    stack.ask("OPTIONS", "/count/v", &[], b"").expect(200);
    stack.get("/echo-environ/%C3%A4?x=%C3%A4").expect(200);
    stack.get_with("/count/v?nolength=1", &[("X-Latin", "\u{e4}")]).expect(200);
    let log = stack.app.log();
    assert!(!log.contains("Traceback") && !log.contains("Warning:"), "{log}");
}

both_topologies!(a_reply_head_may_begin_in_two_ways, SETTINGS);
fn a_reply_head_may_begin_in_two_ways(stack: &Stack) {
    let replies: &[(&str, u16)] = &[
        ("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", 201),
        ("HTTP/1.0 202 Whatever\r\nContent-Length: 2\r\n\r\nok", 202),
        ("Status: 404 Not Found\r\nContent-Length: 2\r\n\r\nok", 404),
        ("Status: 203\r\nContent-Type: text/plain\r\n\r\nok", 203),
        ("Content-Type: text/plain\r\n\r\nok", 200),
        // Until the connection ends.
        ("HTTP/1.1 200 OK\r\n\r\nok", 200),
    ];
    for (reply, status) in replies {
        let app = FakeApp::answering(stack.port, *reply);
        let response = stack.get("/direct/x");
        assert_eq!((response.status, response.text().as_str()), (*status, "ok"), "{reply:?}");
        assert!(response.whole && response.field("status").is_none(), "{reply:?}");
        drop(app);
    }
}

both_topologies!(interim_replies_are_not_the_reply, SETTINGS);
fn interim_replies_are_not_the_reply(stack: &Stack) {
    let reply =
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let _app = FakeApp::answering(stack.port, reply);
    for path in ["/direct/x", "/other/x", "/other/x"] {
        let response = stack.get(path).expect(200);
        assert_eq!(response.text(), "ok");
        assert_eq!(response.field("link"), None, "a field of the interim reply");
    }
}

both_topologies!(nonsense_in_a_reply_head_is_not_passed_on, SETTINGS);
fn nonsense_in_a_reply_head_is_not_passed_on(stack: &Stack) {
    let replies: &[&[u8]] = &[
        b"",
        b"nonsense",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
        b"Status: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX : a\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"\x00\x01\x02\x03",
    ];
    let mut wrong = Vec::new();
    for reply in replies {
        let _app = FakeApp::answering(stack.port, *reply);
        for path in ["/direct/x", "/other/x"] {
            let response = stack.get(path);
            if response.status != 502 || response.body.len() > 1000 {
                wrong.push(format!("{path} {}: {:?}", response.status, String::from_utf8_lossy(reply)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let _app = FakeApp::answering(stack.port, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    stack.get("/other/x").expect(200);
}

both_topologies!(fields_that_are_not_the_clients_business_stay_behind, SETTINGS);
fn fields_that_are_not_the_clients_business_stay_behind(stack: &Stack) {
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Named\r\nX-Named: 1\r\n\
                 Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTrailer: x\r\nX-Accel-Buffering: no\r\n\
                 X-Accel-Expires: 60\r\nSurrogate-Key: a b\r\nCache-Tag: a\r\nX-Kept: 1\r\n\r\nok";
    let _app = FakeApp::answering(stack.port, reply);
    for path in ["/direct/x", "/other/x", "/other/x"] {
        let response = stack.get(path).expect(200);
        assert_eq!(response.field("x-kept"), Some("1"));
        for name in [
            "x-named",
            "keep-alive",
            "proxy-connection",
            "upgrade",
            "trailer",
            "x-accel-buffering",
            "x-accel-expires",
            "surrogate-key",
            "cache-tag",
        ] {
            assert_eq!(response.field(name), None, "{path}");
        }
    }
}

/// 502 where the end was known before a byte of the reply was sent.
fn is_502_or_cut(response: &Response) -> bool {
    (response.status == 502 && response.whole) || (response.status == 200 && !response.whole)
}

both_topologies!(a_reply_of_another_length_than_it_says_never_looks_whole, SETTINGS);
fn a_reply_of_another_length_than_it_says_never_looks_whole(stack: &Stack) {
    for path in ["/direct/x", "/other/x"] {
        let app = FakeApp::answering(stack.port, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
        let response = stack.get(path);
        assert!(is_502_or_cut(&response), "{path} {response:?}");
        drop(app);
        let _app = FakeApp::answering(stack.port, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlonger");
        let response = stack.get(path);
        // What is too much is cut off, or the connection is.
        assert!(is_502_or_cut(&response) || response.body == b"long", "{path} {response:?}");
    }
}

both_topologies!(a_request_that_the_server_would_drop_is_refused_with_a_reason, SETTINGS);
fn a_request_that_the_server_would_drop_is_refused_with_a_reason(stack: &Stack) {
    let _app = FakeApp::answering(stack.port, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    // This pool has uWSGI's own buffer-size, 4096.
    stack.get_with("/direct/x", &[("X", &"x".repeat(5000))]).expect(431);
    stack.get_with("/direct/x", &[("X", &"x".repeat(2000))]).expect(200);
    assert!(stack.log().contains("buffer_size"), "the log says what to raise");
}

const SETS: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "app"
[[edge.site.location]]
match = "/echo-environ/shop"
pool = "app"
variables = "shop"
[[wsgi_adapter.pool]]
name = "app"
servers = ["$APP"]
buffer_size = "32KiB"
variables = { SITE = "main", REGION = "eu" }
variable_sets = { shop = { SITE = "shop", SERVER_NAME = "shop.example" } }
"#;

both_topologies!(a_location_has_variables_of_its_own, SETS);
fn a_location_has_variables_of_its_own(stack: &Stack) {
    let told = |target: &str| {
        let environ = environ(stack, target, &[]);
        ["SITE", "REGION", "SERVER_NAME"].map(|name| environ[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(told("/echo-environ"), ["main", "eu", "localhost"]);
    assert_eq!(told("/echo-environ/shop"), ["shop", "-", "shop.example"]);
}

// Where the settings of edge and adapter are checked together it is a mistake at the start: `weir check`.
split_only!(a_set_of_variables_that_is_not_there_is_502, SETS.replace("= \"shop\"\n", "= \"nothing\"\n"));
fn a_set_of_variables_that_is_not_there_is_502(stack: &Stack) {
    stack.get("/echo-environ/shop").expect(502);
    stack.get("/echo-environ").expect(200);
    assert!(stack.log().contains("variable_sets.nothing"), "{}", stack.log());
}
