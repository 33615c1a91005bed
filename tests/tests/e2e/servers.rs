//! Django and Flask on servers other than uWSGI, through the whole product.

use std::time::{Duration, Instant};

use weir_tests::{AppServer, Location, Pool, Settings, Stack, both_topologies, site};

const HTTP: &str = r#"
[[edge.site]]
server_name = ["localhost"]
[[edge.site.location]]
match = "/"
pool = "http"
[[wsgi_adapter.pool]]
name = "http"
servers = ["http://127.0.0.1:$PORT"]
"#;

fn gunicorn() -> Settings {
    site([Location::passed("/").pool("gunicorn")]).pool(
        Pool::new("gunicorn", "uwsgi://127.0.0.1:$PORT")
            .with("flavour", "gunicorn")
            .with("buffer_size", "32KiB"),
    )
}

/// Signs in, is known, signs out: cookies, forms, redirects, flashed messages.
fn a_visit(stack: &Stack) {
    assert!(stack.get("/").expect(200).text().contains("for all"));
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "8")];
    let signed_in = stack.ask("POST", "/login", &form, b"name=Ada").expect(302);
    assert_eq!(signed_in.field("location"), Some("/me"));
    let cookie = signed_in.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let me = stack.get_with("/me", &[("Cookie", &cookie)]).expect(200).text();
    assert!(me.contains("you are Ada") && me.contains("welcome, Ada"), "{me}");
    assert!(stack.get("/me").expect(200).text().contains("nobody"));
    stack.get("/missing").expect(404);
    assert!(stack.ask("HEAD", "/", &[], b"").expect(200).body.is_empty());
}

both_topologies!(flask_on_gunicorn_by_http, HTTP);
fn flask_on_gunicorn_by_http(stack: &Stack) {
    let _server = AppServer::gunicorn(stack.port, &[], "flask_app:application");
    a_visit(stack);
}

both_topologies!(flask_on_gunicorn_by_uwsgi, gunicorn());
fn flask_on_gunicorn_by_uwsgi(stack: &Stack) {
    let _server = AppServer::gunicorn(stack.port, &["--protocol", "uwsgi"], "flask_app:application");
    a_visit(stack);
}

both_topologies!(django_on_gunicorn_by_http_and_as_asgi, HTTP);
fn django_on_gunicorn_by_http_and_as_asgi(stack: &Stack) {
    let visit = |stack: &Stack| {
        let page = stack.get_with("/who", &[("X-Forwarded-Proto", "https")]).expect(200).json();
        // From the edge, not from whoever claims something.
        assert_eq!((&page["host"], &page["scheme"]), (&"localhost".into(), &"http".into()));
        assert_eq!(page["client"], "127.0.0.1");
        let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "3")];
        assert_eq!(stack.ask("POST", "/who", &form, b"a=7").expect(200).json()["form"], "7");
        let body = b"3\r\na=7\r\n0\r\n\r\n";
        let chunked =
            [("Content-Type", "application/x-www-form-urlencoded"), ("Transfer-Encoding", "chunked")];
        assert_eq!(stack.ask("POST", "/who", &chunked, body).expect(200).json()["form"], "7");
        stack.get("/missing").expect(404);
    };
    let server = AppServer::gunicorn(stack.port, &[], "django_app:application");
    visit(stack);
    drop(server);
    let _server = AppServer::uvicorn_of(stack.port, "django_app:asgi");
    visit(stack);
}

both_topologies!(events_come_as_they_happen, HTTP);
fn events_come_as_they_happen(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    let mut client = stack.connect();
    let begun = Instant::now();
    client.send("GET /events?gap=600 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    assert_eq!(client.chunk().unwrap(), b"data: 0\n\n");
    let first = begun.elapsed();
    assert_eq!(client.chunk().unwrap(), b"data: 1\n\n");
    assert_eq!(client.chunk().unwrap(), b"data: 2\n\n");
    assert_eq!(client.chunk().unwrap(), b"");
    assert!(begun.elapsed() - first >= Duration::from_millis(1000), "the first came with the last");
}

fn cached() -> Settings {
    site([Location::cached("/", "60s").pool("http")]).pool(Pool::new("http", "http://127.0.0.1:$PORT"))
}

both_topologies!(events_are_for_one_visitor_even_where_pages_are_cached, cached());
fn events_are_for_one_visitor_even_where_pages_are_cached(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    for _ in 0..2 {
        let got = stack.get("/events?gap=1").expect(200);
        assert_eq!(got.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
        assert!(!got.field("cache-status").unwrap().contains("stored"), "{:?}", got.fields);
    }
    for n in 1..=2 {
        let got =
            stack.get("/count/unbuffered?h=X-Accel-Buffering:no&h=Cache-Control:max-age%3D60").expect(200);
        assert_eq!((got.text(), got.field("x-accel-buffering")), (format!("{n}\n"), None));
    }
}

fn streamed() -> Settings {
    site([
        Location::passed("/").pool("http"),
        Location::passed("/streamed/").pool("http").with("request_buffering", false),
    ])
    .pool(Pool::new("http", "http://127.0.0.1:$PORT"))
}

both_topologies!(a_body_may_go_on_as_it_comes, streamed());
fn a_body_may_go_on_as_it_comes(stack: &Stack) {
    let _server = AppServer::uvicorn(stack.port);
    // Without a length it is told in chunks where it is streamed, by its length where it was received first.
    for (path, told) in [("/upload", Some("5")), ("/streamed/upload", None)] {
        let body = b"5\r\nhello\r\n0\r\n\r\n";
        let seen = stack.ask("POST", path, &[("Transfer-Encoding", "chunked")], body).expect(200).json();
        assert_eq!((&seen["length"], seen["content_length"].as_str()), (&5.into(), told), "{path}");
    }
    // An application that answers at once is heard while the client still sends, where the body is streamed.
    let mut client = stack.connect();
    client.send("POST /streamed/early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nhalf");
    assert_eq!(client.response("POST").expect(200).text(), "early\n");
}
