//! Servers whose replies are cut, too long, malformed or late.

use std::time::Duration;

use process::shutdown::Shutdown;
use process::units::{Size, Time};
use tokio::io::AsyncWriteExt;
use weir_proto::origin::{Kind, RequestHead};

use crate::edge::{Edge, get, pool, with_body};
use crate::peer::{Peer, read_request};

async fn answer_to(reply: &[u8], head: RequestHead) -> crate::edge::Answer {
    let peer = Peer::replying(reply).await;
    Edge::in_process(pool(&[&peer.address])).ask(head).await
}

#[tokio::test]
async fn good_replies_come_whole() {
    // Reply, status, body, Content-Length.
    let cases: &[(&[u8], u32, &str, Option<&str>)] = &[
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", Some("2")),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", None),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", 404, "", None),
        (b"Status: 201 Created\nContent-Type: text/plain\n\ncgi", 201, "cgi", None),
        (b"Content-Type: text/plain\r\n\r\nplain", 200, "plain", None),
        // An application's own Transfer-Encoding describes nothing: the bytes are the body.
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nas it is", 200, "as it is", None),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi",
            200,
            "hi",
            Some("2"),
        ),
        // What follows the length is dropped.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", 200, "hello", Some("5")),
        // RFC 9110 section 15.3.6: 205 has no content.
        (b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nhi", 205, "", Some("0")),
        (b"HTTP/1.1 205 Reset Content\r\n\r\nhi", 205, "", Some("0")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", Some("0")),
        // A body that must not be is dropped, with the length that tells of it.
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi", 204, "", None),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nETag: 1\r\n\r\n", 304, "", None),
    ];
    for (reply, status, body, length) in cases {
        let answer = answer_to(reply, get("/")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (*status, *body), "{}", reply.escape_ascii());
        assert_eq!(answer.field("content-length").as_deref(), *length, "{}", reply.escape_ascii());
    }
}

/// The answer to a server that may send chunks.
async fn answer_of_gunicorn(reply: &[u8]) -> crate::edge::Answer {
    let peer = Peer::replying(reply).await;
    let config =
        wsgi_adapter::PoolConfig { flavour: wsgi_adapter::Flavour::Gunicorn, ..pool(&[&peer.address]) };
    Edge::in_process(config).ask(get("/")).await
}

#[tokio::test]
async fn only_gunicorn_sends_chunks_by_uwsgi() {
    for (body, expected) in
        [("2\r\nhi\r\n0\r\n\r\n", "hi"), ("0\r\n\r\n!", ""), ("1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "ab")]
    {
        let reply = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        assert_eq!(answer_of_gunicorn(reply.as_bytes()).await.text(), expected);
        assert_eq!(answer_to(reply.as_bytes(), get("/")).await.text(), body, "not from uWSGI");
    }
}

#[tokio::test]
async fn a_head_request_gets_no_body_whatever_the_application_does() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let answer = answer_to(reply, with_body("HEAD", "/", Some(0))).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, ""));
        assert_eq!(answer.field("content-length").as_deref(), Some("5"));
    }
}

#[tokio::test]
async fn fields_of_the_connection_stay_behind() {
    let reply =
        b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-A: 1\r\nX-a: 2\r\n\r\n";
    let answer = answer_to(reply, get("/")).await;
    let names: Vec<_> = answer.head.unwrap().fields.into_iter().map(|field| field.name).collect();
    assert_eq!(names, ["x-a", "x-a"]);
}

#[tokio::test]
async fn what_is_no_reply_is_told_as_such() {
    let long = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 40_000], b"\r\n\r\n"].concat();
    let cases: &[&[u8]] = &[
        b"",
        b"H",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"garbage\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"HTTP/1.1 999 What\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\n\r\n",
        &long,
    ];
    for reply in cases {
        let answer = answer_to(reply, get("/")).await;
        assert_eq!(answer.failed(), (Kind::BadReply, true), "{}", reply.escape_ascii());
        assert!(answer.head.is_none() && answer.failure().server.starts_with("uwsgi://127.0.0.1:"));
    }
}

#[tokio::test]
async fn a_broken_body_never_ends_cleanly() {
    let cases: &[(&[u8], &str)] = &[
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "hell"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "hel"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", ""),
    ];
    for (reply, body) in cases {
        let answer = answer_of_gunicorn(reply).await;
        assert_eq!(answer.failed(), (Kind::CutOff, true), "{}", reply.escape_ascii());
        assert_eq!(answer.head.unwrap().status, 200);
        assert_eq!(String::from_utf8_lossy(&answer.body), *body, "{}", reply.escape_ascii());
    }
}

#[tokio::test]
async fn a_reset_within_a_body_without_length_is_no_end() {
    let peer = Peer::new(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let answer = Edge::in_process(pool(&[&peer.address])).ask(get("/")).await;
    assert_eq!(answer.failed(), (Kind::CutOff, true));
}

#[tokio::test]
async fn slow_bytes_are_a_reply_and_silence_is_none() {
    let slow = Peer::new(|mut stream| async move {
        read_request(&mut stream).await;
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    })
    .await;
    let patient = wsgi_adapter::PoolConfig { read_timeout: Time::from_millis(300), ..pool(&[&slow.address]) };
    let answer = Edge::in_process(patient.clone()).ask(get("/")).await;
    assert_eq!(answer.text(), "hello", "read_timeout is between two reads");
    let answer = Edge::in_process(patient).ask(RequestHead { deadline_ms: 200, ..get("/") }).await;
    assert_eq!(answer.failed(), (Kind::Timeout, true), "the edge's deadline is for the whole head");
}

#[tokio::test]
async fn silence_ends_in_time() {
    // What is sent before the silence, and what has come of it.
    let cases: &[(&[u8], bool)] = &[
        (b"", false),
        (b"HTTP/1.1 200 OK\r\nX", false),
        (b"HTTP/1.1 200 OK\r\n\r\nsome", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsome", true),
    ];
    for (start, head) in cases {
        let start = start.to_vec();
        let silent = Peer::new(move |mut stream| {
            let start = start.clone();
            async move {
                read_request(&mut stream).await;
                stream.write_all(&start).await.unwrap();
                std::future::pending::<()>().await;
            }
        })
        .await;
        let config =
            wsgi_adapter::PoolConfig { read_timeout: Time::from_millis(150), ..pool(&[&silent.address]) };
        let edge = Edge::in_process(config);
        let answer = edge.ask(get("/")).await;
        assert_eq!(answer.failed(), (Kind::Timeout, true));
        assert_eq!(answer.head.is_some(), *head);
        assert!(edge.metrics().contains("kind=\"timeout\"} 1"), "{}", edge.metrics());
    }
}

#[tokio::test]
async fn a_request_too_large_for_the_server_is_never_sent() {
    let peer = Peer::replying(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let edge = Edge::in_process(pool(&[&peer.address]));
    let large = RequestHead { fields: vec![crate::edge::field("x-large", &[b'x'; 4096])], ..get("/") };
    let answer = edge.ask(large.clone()).await;
    assert_eq!(answer.failed(), (Kind::HeadTooLarge, false));
    assert!(answer.failure().detail.contains("buffer_size"), "{}", answer.failure().detail);
    let many = (0..129).map(|n| crate::edge::field(&format!("x-{n}"), b"")).collect();
    let answer = edge.ask(RequestHead { fields: many, ..get("/") }).await;
    assert_eq!(answer.failed(), (Kind::HeadTooLarge, false));
    assert!(answer.failure().detail.contains("max_vars"), "{}", answer.failure().detail);
    assert_eq!(peer.connections(), 0);

    let roomy = wsgi_adapter::PoolConfig { buffer_size: Size::kibibytes(32), ..pool(&[&peer.address]) };
    assert_eq!(Edge::in_process(roomy).ask(large).await.status(), 200);
}

#[tokio::test]
async fn a_caller_that_breaks_the_contract_is_refused() {
    let peer = Peer::replying(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let edge = Edge::in_process(pool(&[&peer.address]));
    let heads = [
        RequestHead { scheme: "ftp".to_owned(), ..get("/") },
        RequestHead { method: "GET / HTTP/1.1\r\n".to_owned(), ..get("/") },
        RequestHead { fields: vec![crate::edge::field("x", b"a\r\nb: c")], ..get("/") },
        get("/../etc/passwd"),
        get(""),
    ];
    for head in heads {
        let answer = edge.ask(head.clone()).await;
        assert!(
            matches!(answer.end, crate::edge::AnswerEnd::Refused(tonic::Code::InvalidArgument)),
            "{head:?}: {answer:?}"
        );
    }
    let (network, _run) = Edge::over_network(pool(&[&peer.address]), Shutdown::new()).await;
    assert_eq!(network.send_no_head().await.unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(peer.connections(), 0);

    let answer = edge.ask(RequestHead { pool: "other".to_owned(), ..get("/") }).await;
    assert_eq!(answer.failed(), (Kind::UnknownPool, false));
}
