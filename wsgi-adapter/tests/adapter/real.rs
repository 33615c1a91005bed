//! Real uWSGI, over TCP and a unix socket.

use std::collections::BTreeMap;

use process::units::Size;
use serde_json::Value;
use weir_proto::origin::{Kind, RequestHead};
use wsgi_adapter::PoolConfig;

use crate::edge::{Answer, Edge, chunk, end, field, get, pool, with_body};
use crate::uwsgi_server::Uwsgi;

fn edge(server: &Uwsgi) -> Edge {
    Edge::in_process(pool(&[&server.address]))
}

fn json(answer: &Answer) -> BTreeMap<String, Value> {
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn the_application_sees_what_nginx_would_show_it() {
    let server = Uwsgi::on_unix(&[]);
    let fields = vec![
        field("accept", b"text/html"),
        field("cookie", b"a=1"),
        field("x-latin", b"caf\xe9"),
        field("cookie", b"b=2"),
        field("x_underscore", b"dropped"),
        field("proxy", b"http://evil"),
        field("uwsgi-file", b"/tmp/evil.py"),
    ];
    let head = RequestHead {
        fields,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ..get("/a//b%20%C3%A9/../echo-environ?x=%20&y")
    };
    let seen = json(&edge(&server).ask(head).await);
    let text = |name: &str| seen.get(name).and_then(Value::as_str);
    let expected = [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/a//b%20%C3%A9/../echo-environ?x=%20&y"),
        ("PATH_INFO", "/a/echo-environ"),
        ("QUERY_STRING", "x=%20&y"),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", ""),
        ("DOCUMENT_ROOT", "/var/www"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("REMOTE_ADDR", "192.0.2.1"),
        ("REMOTE_PORT", "40000"),
        ("SERVER_PORT", "80"),
        ("SERVER_NAME", "example.com"),
        ("HTTP_HOST", "example.com"),
        ("HTTP_CONNECTION", "close"),
        ("HTTP_ACCEPT", "text/html"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_X_LATIN", "caf\u{e9}"),
        ("HTTP_UWSGI_FILE", "/tmp/evil.py"),
        ("HTTP_TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("wsgi.url_scheme", "http"),
    ];
    for (name, value) in expected {
        assert_eq!(text(name), Some(value), "{name}");
    }
    let more = |name: &&String| {
        !name.starts_with("wsgi.") && !name.starts_with("uwsgi.") && !name.starts_with("x-wsgi")
    };
    let names: Vec<_> =
        seen.keys().filter(more).filter(|name| expected.iter().all(|(known, _)| known != name)).collect();
    assert_eq!(names, ["SCRIPT_NAME"], "nothing else, but what uWSGI makes itself");
}

#[tokio::test]
async fn a_path_is_bytes() {
    let server = Uwsgi::on_tcp(&[]);
    let seen = json(&edge(&server).ask(get("/%FF%C3%A9/x%2Fy/echo-environ")).await);
    assert_eq!(seen["PATH_INFO"], "/\u{ff}\u{c3}\u{a9}/x/y/echo-environ");
}

#[tokio::test]
async fn the_scheme_is_the_edges_word_alone() {
    let server = Uwsgi::on_unix(&[]);
    let edge = edge(&server);
    for (scheme, claimed) in [("http", "https"), ("https", "http")] {
        let fields = vec![field("x-forwarded-proto", claimed.as_bytes()), field("x-forwarded-ssl", b"on")];
        let head = RequestHead { scheme: scheme.to_owned(), fields, ..get("/echo-environ") };
        let seen = json(&edge.ask(head).await);
        assert_eq!(seen["wsgi.url_scheme"], scheme);
        assert_eq!(seen["HTTP_X_FORWARDED_PROTO"], scheme);
        assert_eq!(seen.contains_key("HTTPS"), scheme == "https");
    }
}

#[tokio::test]
async fn bodies_arrive_whole() {
    // SHA-256 of so many zero bytes.
    const SUMS: [(usize, &str); 3] = [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (100_000, "9192c25b734fcbadbe32dadc28089c60db0e39f90cc20ce2e5733f57261acc0c"),
        (5_000_000, "b39781589c4403fb82174c9647a010464cff38bad976547d339899b00053a545"),
    ];
    let server = Uwsgi::on_tcp(&[]);
    let edge = edge(&server);
    for (length, sum) in SUMS {
        let messages: Vec<_> = vec![0; length].chunks(64 * 1024).map(chunk).chain([end()]).collect();
        for told in [Some(length as u64), None] {
            let seen = json(&edge.send(with_body("POST", "/upload", told), messages.clone()).await);
            assert_eq!(seen["length"], length);
            assert_eq!(seen["content_length"], length.to_string());
            assert_eq!(seen["sha256"], sum, "{length}");
        }
    }
}

#[tokio::test]
async fn an_application_may_answer_without_reading() {
    for server in [Uwsgi::on_tcp(&[]), Uwsgi::on_unix(&[])] {
        let messages: Vec<_> = vec![0; 10_000_000].chunks(64 * 1024).map(chunk).chain([end()]).collect();
        for request_buffering in [true, false] {
            let edge = Edge::in_process(PoolConfig { request_buffering, ..pool(&[&server.address]) });
            let answer = edge.send(with_body("POST", "/early", Some(10_000_000)), messages.clone()).await;
            assert_eq!(answer.text(), "early\n");
        }
    }
}

#[tokio::test]
async fn replies_of_all_kinds() {
    let server = Uwsgi::on_unix(&[]);
    let edge = edge(&server);
    assert_eq!(edge.ask(get("/count/a?size=1000000&chunks=7")).await.body.len(), 1_000_000);
    assert_eq!(edge.ask(get("/count/a?nolength=1")).await.text(), "2\n");
    assert_eq!(edge.ask(get("/count/a?status=404")).await.status(), 404);
    assert_eq!(edge.ask(get("/count/a?status=204")).await.status(), 204);
    let head = edge.ask(with_body("HEAD", "/count/a?size=100&head-body=1", Some(0))).await;
    assert_eq!(
        (head.status(), head.body.len(), head.field("content-length").as_deref()),
        (200, 0, Some("100"))
    );
    // uWSGI repeats the request's protocol in its status line.
    for protocol in ["HTTP/1.0", "HTTP/2.0"] {
        assert_eq!(
            edge.ask(RequestHead { protocol: protocol.to_owned(), ..get("/count/b") }).await.status(),
            200
        );
    }
}

#[tokio::test]
async fn what_goes_wrong_in_the_application() {
    let mut server = Uwsgi::on_unix(&[]);
    let edge = edge(&server);
    let cases = [
        ("/crash?how=raise", Kind::BadReply),
        ("/crash?how=midway", Kind::CutOff),
        ("/lie?say=100&send=50", Kind::CutOff),
    ];
    for (target, kind) in cases {
        let answer = edge.ask(get(target)).await;
        assert_eq!(answer.failed(), (kind, true), "{target}");
        assert_eq!(answer.failure().server, server.address);
    }
    assert_eq!(edge.ask(get("/lie?say=50&send=100")).await.text().len(), 50, "its length is what counts");
    assert_eq!(edge.ask(get("/count/x")).await.text(), "1\n", "the next one is served");
    assert_eq!(edge.ask(get("/crash?how=exit")).await.failed(), (Kind::BadReply, true));
    server.wait_for_end();
    assert_eq!(edge.ask(get("/count/x")).await.failed(), (Kind::Unreachable, false));
}

/// A request whose variables take so many bytes.
fn of_size(bytes: usize) -> RequestHead {
    let sized =
        |value: usize| RequestHead { fields: vec![field("x", &vec![b'x'; value])], ..get("/count/x") };
    let takes = |head: &RequestHead| -> usize {
        let fields: Vec<(&[u8], &[u8])> =
            head.fields.iter().map(|field| (&field.name[..], &field.value[..])).collect();
        let request = cgi::environ::Request {
            distinct_fields: false,
            method: &head.method,
            target: &head.target,
            https: false,
            protocol: &head.protocol,
            authority: &head.authority,
            fields: &fields,
            content_length: None,
            client_address: &head.client_address,
            client_port: head.client_port,
            server_name: &head.server_name,
            server_port: head.server_port,
            request_uri: &head.request_uri,
            document_root: &head.document_root,
            traceparent: &head.traceparent,
            upgrade: "",
            manner: cgi::environ::Manner::Uwsgi,
            mount: "",
            extra: &[],
        };
        let wide = uwsgi::packet::PacketLimits { block: uwsgi::packet::LARGEST, variables: 1000 };
        uwsgi::packet::encode(&request, wide).unwrap().len() - 4
    };
    let head = sized(bytes - takes(&sized(0)));
    assert_eq!(takes(&head), bytes);
    head
}

#[tokio::test]
async fn the_limits_are_those_of_uwsgi() {
    let usual = Uwsgi::on_unix(&[]);
    let large = Uwsgi::on_unix(&["--buffer-size", "32768"]);
    // An adapter that knows no better.
    let careless = |server: &Uwsgi| {
        Edge::in_process(PoolConfig { buffer_size: Size(65535), max_vars: 500, ..pool(&[&server.address]) })
    };
    assert_eq!(edge(&usual).ask(of_size(4096)).await.status(), 200);
    assert_eq!(edge(&usual).ask(of_size(4097)).await.failed(), (Kind::HeadTooLarge, false));
    assert_eq!(
        careless(&usual).ask(of_size(4097)).await.failed(),
        (Kind::BadReply, true),
        "dropped without a word"
    );
    assert!(usual.log().contains("invalid request block size"), "{}", usual.log());
    assert_eq!(careless(&large).ask(of_size(32768)).await.status(), 200);
    assert_eq!(careless(&large).ask(of_size(32769)).await.failed(), (Kind::BadReply, true));

    let with_fields = |count: usize| {
        let fields = (0..count).map(|n| field(&format!("x-{n}"), b"")).collect();
        RequestHead { fields, ..get("/count/x") }
    };
    // 15 variables come without any field.
    let roomy = Edge::in_process(PoolConfig { buffer_size: Size(32768), ..pool(&[&large.address]) });
    assert_eq!(roomy.ask(with_fields(128 - 15)).await.status(), 200);
    assert_eq!(roomy.ask(with_fields(129 - 15)).await.failed(), (Kind::HeadTooLarge, false));
    assert_eq!(careless(&large).ask(with_fields(129 - 15)).await.failed(), (Kind::BadReply, true));
}
