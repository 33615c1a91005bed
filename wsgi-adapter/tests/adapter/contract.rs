//! What every kind of server is held to: what the application sees, bodies both ways, what goes wrong. The
//! same for all, but where the table says what a server does its own way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_proto::origin::{Kind as Failure, RequestHead};
use wsgi_adapter::PoolConfig;

use crate::edge::{Answer, AnswerEnd, Edge, chunk, end, field, get, with_body};
use crate::servers::{Kind, Server, apps};

#[tokio::test]
async fn uwsgi() {
    hold(Server::on_tcp(Kind::Uwsgi)).await;
    hold(Server::on_unix(Kind::Uwsgi)).await;
}

#[tokio::test]
async fn gunicorn_by_uwsgi() {
    hold(Server::on_tcp(Kind::GunicornUwsgi)).await;
    hold(Server::on_unix(Kind::GunicornUwsgi)).await;
}

#[tokio::test]
async fn gunicorn_by_http() {
    hold(Server::on_tcp(Kind::GunicornHttp)).await;
    hold(Server::on_unix(Kind::GunicornHttp)).await;
}

#[tokio::test]
async fn uvicorn() {
    hold(Server::on_tcp(Kind::Uvicorn)).await;
    hold(Server::on_unix(Kind::Uvicorn)).await;
}

#[tokio::test]
async fn waitress() {
    hold(Server::on_tcp(Kind::Waitress)).await;
    hold(Server::on_unix(Kind::Waitress)).await;
}

#[tokio::test]
async fn granian_as_wsgi() {
    hold(Server::on_tcp(Kind::GranianWsgi)).await;
    hold(Server::on_unix(Kind::GranianWsgi)).await;
}

#[tokio::test]
async fn granian_as_asgi() {
    hold(Server::on_tcp(Kind::GranianAsgi)).await;
    hold(Server::on_unix(Kind::GranianAsgi)).await;
}

#[tokio::test]
async fn php_fpm() {
    hold(Server::on_tcp(Kind::Php)).await;
    hold(Server::on_unix(Kind::Php)).await;
}

/// The whole contract.
async fn hold(mut server: Server) {
    let edge = Edge::in_process(server.pool());
    sees_the_request(&server, &edge).await;
    sees_the_path_decoded_once(&server, &edge).await;
    gets_bodies_whole(&server).await;
    may_answer_early(&server).await;
    replies_in_many_ways(&server, &edge).await;
    streams(&server, &edge).await;
    never_ends_cleanly_when_it_breaks_off(&server, &edge).await;
    serves_many_at_once(&server, &edge).await;
    server.stop();
    let gone = edge.ask(at(&server, get("/count/x"))).await;
    assert_eq!(gone.failed(), (Failure::Unreachable, false), "{:?}", server.kind);
}

/// The request, to the oracle of this server.
fn at(server: &Server, head: RequestHead) -> RequestHead {
    let target = [server.kind.prefix().as_bytes(), &head.target].concat();
    RequestHead { target: target.into(), document_root: apps().display().to_string(), ..head }
}

fn json(answer: &Answer) -> BTreeMap<String, Value> {
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

async fn sees_the_request(server: &Server, edge: &Edge) {
    let kind = server.kind;
    let fields = vec![
        field("accept", b"text/html"),
        field("cookie", b"a=1"),
        field("cookie", b"b=2"),
        field("x-many", b"1"),
        field("x_underscore", b"dropped"),
        field("proxy", b"http://evil"),
        field("x-forwarded-proto", b"http"),
        field("uwsgi-file", b"/tmp/evil.py"),
    ];
    let head = RequestHead {
        scheme: "https".to_owned(),
        authority: "shop.example:8443".to_owned(),
        fields,
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ..get("/echo-environ?x=%20&y")
    };
    let seen = json(&edge.ask(at(server, head)).await);
    let text = |name: &str| seen.get(name).and_then(Value::as_str).unwrap_or_default();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("QUERY_STRING", "x=%20&y"),
        ("HTTP_HOST", "shop.example:8443"),
        ("HTTP_ACCEPT", "text/html"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_X_MANY", "1"),
        ("HTTP_UWSGI_FILE", "/tmp/evil.py"),
        ("HTTP_TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        assert_eq!(text(name), value, "{kind:?} {name}");
    }
    for absent in ["HTTP_PROXY", "UWSGI_FILE", "REMOTE_USER"] {
        assert!(!seen.contains_key(absent), "{kind:?} {absent}");
    }
    // HTTP carries it where the edge lets it through (`edge.underscores`); some servers drop it.
    let by_http = matches!(kind, Kind::Uvicorn | Kind::GranianAsgi | Kind::GranianWsgi);
    assert_eq!(seen.contains_key("HTTP_X_UNDERSCORE"), by_http, "{kind:?}");
    assert!(text("wsgi.url_scheme") == "https" || text("HTTPS") == "on", "{kind:?}: {seen:?}");
    let clients = [text("REMOTE_ADDR"), text("HTTP_X_FORWARDED_FOR")];
    assert!(clients.contains(&"192.0.2.1"), "{kind:?}: {clients:?}");
}

async fn sees_the_path_decoded_once(server: &Server, edge: &Edge) {
    for (path, decoded) in [
        ("/echo-environ/%2541", "/echo-environ/%41"),
        ("/echo-environ/a%20b%3Fc", "/echo-environ/a b?c"),
        ("/echo-environ/%C3%A9", "/echo-environ/\u{c3}\u{a9}"),
    ] {
        let seen = json(&edge.ask(at(server, get(path))).await);
        assert_eq!(seen["PATH_INFO"], decoded, "{:?}", server.kind);
    }
}

async fn gets_bodies_whole(server: &Server) {
    // SHA-256 of so many zero bytes.
    const SUMS: [(usize, &str); 3] = [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (100_000, "9192c25b734fcbadbe32dadc28089c60db0e39f90cc20ce2e5733f57261acc0c"),
        (5_000_000, "b39781589c4403fb82174c9647a010464cff38bad976547d339899b00053a545"),
    ];
    for request_buffering in [true, false] {
        let edge = Edge::in_process(PoolConfig { request_buffering, ..server.pool() });
        for (length, sum) in SUMS {
            let messages: Vec<_> = vec![0; length].chunks(64 * 1024).map(chunk).chain([end()]).collect();
            for told in [Some(length as u64), None] {
                let head = at(server, with_body("POST", "/upload", told));
                let seen = json(&edge.send(head, messages.clone()).await);
                let how = format!("{:?} {length} {told:?} {request_buffering}", server.kind);
                assert_eq!((&seen["length"], &seen["sha256"]), (&length.into(), &sum.into()), "{how}");
                // A length that is not known is told as none only where HTTP can: in chunks.
                let text = length.to_string();
                let right = seen["content_length"] == text.as_str()
                    || (told.is_none() && !request_buffering && seen["content_length"].is_null());
                assert!(right, "{how}: {}", seen["content_length"]);
            }
        }
    }
}

async fn may_answer_early(server: &Server) {
    let messages: Vec<_> = vec![0; 3_000_000].chunks(64 * 1024).map(chunk).chain([end()]).collect();
    for request_buffering in [true, false] {
        let edge = Edge::in_process(PoolConfig { request_buffering, ..server.pool() });
        let head = at(server, with_body("POST", "/early", Some(3_000_000)));
        assert_eq!(edge.send(head, messages.clone()).await.text(), "early\n", "{:?}", server.kind);
    }
}

async fn replies_in_many_ways(server: &Server, edge: &Edge) {
    let kind = server.kind;
    let ask = async |target: &str| edge.ask(at(server, get(target))).await;
    assert_eq!(ask("/count/a?size=1000000&chunks=7").await.body.len(), 1_000_000, "{kind:?}");
    assert_eq!(ask("/count/a?size=70000&nolength=1").await.body.len(), 70_000, "{kind:?}");
    for status in [404, 204, 500, 304] {
        let answer = ask(&format!("/count/a?status={status}")).await;
        assert_eq!(answer.status(), status, "{kind:?}");
    }
    let head = edge.ask(at(server, with_body("HEAD", "/count/a?size=100", Some(0)))).await;
    let length = head.field("content-length");
    assert_eq!((head.status(), head.body.len(), length.as_deref()), (200, 0, Some("100")), "{kind:?}");
}

/// A piece is passed on when it comes, not when the reply is whole.
async fn streams(server: &Server, edge: &Edge) {
    // A busy machine may hand both pieces out at once, but not each time.
    let mut times = Vec::new();
    while times.len() < 10 {
        let (first, whole) = pieces(server, edge).await;
        if (whole - first).as_millis() > 350 {
            return;
        }
        times.push((first, whole));
    }
    panic!("{:?}: first piece and whole after {times:?}", server.kind);
}

/// When the first of two pieces came, and when the last.
async fn pieces(server: &Server, edge: &Edge) -> (Duration, Duration) {
    let begun = Instant::now();
    let head = at(server, get("/count/slow?size=100000&chunks=2&gap=700"));
    let mut replies = edge.open(head, tokio_stream::iter([end()]));
    let mut first = None;
    let mut length = 0;
    while let Some(reply) = replies.message().await.unwrap() {
        if let Some(weir_proto::origin::fetch_reply::Message::Chunk(piece)) = reply.message {
            first.get_or_insert_with(|| begun.elapsed());
            length += piece.len();
        }
    }
    assert_eq!(length, 100_000, "{:?}", server.kind);
    (first.unwrap(), begun.elapsed())
}

async fn never_ends_cleanly_when_it_breaks_off(server: &Server, edge: &Edge) {
    let kind = server.kind;
    for (target, said) in
        [("/lie?say=100&send=50", 100), ("/lie?say=50&send=100", 50), ("/crash?how=midway&size=500", 1000)]
    {
        let answer = edge.ask(at(server, get(target))).await;
        match &answer.end {
            AnswerEnd::Failed(failure) => {
                let kinds = [Failure::CutOff, Failure::BadReply];
                assert!(kinds.contains(&failure.kind()) && failure.reached, "{kind:?} {target}: {failure:?}");
            }
            // Some servers cut what is too much themselves, or notice in time and say 500.
            AnswerEnd::Whole => {
                let honest = answer.body.len() == said || answer.head.as_ref().unwrap().status == 500;
                assert!(honest, "{kind:?} {target}: {} bytes", answer.body.len());
            }
            other => panic!("{kind:?} {target}: {other:?}"),
        }
    }
    assert_eq!(edge.ask(at(server, get("/count/after"))).await.status(), 200, "{kind:?} goes on");
}

async fn serves_many_at_once(server: &Server, edge: &Edge) {
    let asks = (0..40).map(|n| {
        let (edge, head) = (edge.clone(), at(server, get(&format!("/count/many?size={}", 1000 + n))));
        tokio::spawn(async move { edge.ask(head).await })
    });
    for (n, answer) in asks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().text().len(), 1000 + n, "{:?}", server.kind);
    }
}
