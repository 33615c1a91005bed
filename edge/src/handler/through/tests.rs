//! The straight way and the long way, held against each other: the application is asked the same, and the
//! client gets the same bytes, but for what chance and the time of day decide.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use parking_lot::Mutex;
use process::shutdown::Shutdown;
use tonic::Status;
use weir_proto::fetch::{BodyMessages, FetchReplies, Fetcher, Replies};
use weir_proto::origin::fetch_reply::Message;
use weir_proto::origin::{End, Failure, FetchReply, Field, Kind, ReplyHead};

use super::*;
use crate::Peers;
use crate::handler::plain::tests::{answers, timeless, via};
use crate::handler::plain::{self, PlainWay};
use crate::settings::{Config, LocationConfig, LogFormat, SiteConfig};
use crate::variables::Template;

const HOST: &str = "example.com";

/// An application that answers by the path, and notes what it was asked.
#[derive(Default)]
struct OddApplication {
    asked: Mutex<Vec<RequestHead>>,
    /// It is asked without a copy, where the edge can.
    takes_plain: bool,
}

struct ReplyScript(stream::Iter<std::vec::IntoIter<Result<FetchReply, Status>>>);

impl Stream for ReplyScript {
    type Item = Result<FetchReply, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}

impl FetchReplies for ReplyScript {}

impl Fetcher for OddApplication {
    fn fetch(&self, head: RequestHead, _: BodyMessages) -> Replies {
        self.replies(head)
    }

    fn fetch_plain(&self, request: &PlainRequest<'_>) -> Option<Replies> {
        self.takes_plain.then(|| self.replies(request.to_head()))
    }
}

impl OddApplication {
    fn replies(&self, head: RequestHead) -> Replies {
        let path = String::from_utf8_lossy(&head.target).into_owned();
        self.asked.lock().push(head);
        let messages = said(path.split('?').next().unwrap_or_default());
        let messages: Vec<_> =
            messages.into_iter().map(|message| Ok(FetchReply { message: Some(message) })).collect();
        Box::new(ReplyScript(stream::iter(messages)))
    }
}

/// What it replies. Paths that are not named get a page.
fn said(path: &str) -> Vec<Message> {
    let head = |status, fields: &[(&'static str, &'static str)]| {
        let field = |(name, value): &(&'static str, &'static str)| Field {
            name: Bytes::from_static(name.as_bytes()),
            value: Bytes::from_static(value.as_bytes()),
        };
        let fields = fields.iter().map(field).collect();
        Message::Head(ReplyHead { status, fields, server: "one".to_owned(), ..ReplyHead::default() })
    };
    let (chunk, end) = (|text: &'static str| Message::Chunk(text.into()), Message::End(End {}));
    let failure = |kind: Kind| {
        Message::Failure(Failure { kind: kind.into(), detail: "said".to_owned(), ..Failure::default() })
    };
    match path {
        "/pieces" => vec![head(200, &[("content-type", "text/html")]), chunk("one"), chunk("two"), end],
        "/empty" => vec![head(200, &[("content-length", "0")]), end],
        "/missing" => vec![head(404, &[("content-length", "4")]), chunk("none"), end],
        "/moved" => vec![head(302, &[("location", "/page"), ("content-length", "0")]), end],
        "/none" => vec![head(204, &[]), end],
        "/unchanged" => vec![head(304, &[("etag", "\"a\"")]), end],
        "/file" => vec![head(200, &[("x-accel-redirect", "/files/a.txt"), ("set-cookie", "a=1")]), end],
        "/no-file" => vec![head(200, &[("x-accel-redirect", "/files/none")]), end],
        "/elsewhere" => vec![head(200, &[("x-accel-redirect", "/page?from=elsewhere")]), end],
        "/nowhere" => vec![head(200, &[("x-accel-redirect", "not a path")]), end],
        "/steered" => vec![
            head(
                200,
                &[
                    ("x-accel-expires", "9"),
                    ("surrogate-key", "k"),
                    ("set-cookie", "a=1"),
                    ("set-cookie", "b=2"),
                    ("date", "Tue, 02 Jan 2024 00:00:00 GMT"),
                    ("server", "inner"),
                    ("cache-control", "max-age=5"),
                    ("x-accel-limit-rate", "100000"),
                    ("content-length", "4"),
                ],
            ),
            chunk("body"),
            end,
        ],
        "/short" => vec![head(200, &[("content-length", "9")]), chunk("body"), end],
        "/long" => vec![head(200, &[("content-length", "3")]), chunk("body"), end],
        "/cut" => vec![head(200, &[]), chunk("body"), failure(Kind::CutOff)],
        "/cut-early" => vec![head(200, &[("content-length", "4")]), failure(Kind::CutOff)],
        "/down" => vec![failure(Kind::Unreachable)],
        "/slow" => vec![failure(Kind::Timeout)],
        "/odd" => vec![head(99, &[]), end],
        "/odd-field" => vec![head(200, &[("a b", "c")]), end],
        _ => vec![head(200, &[("content-type", "text/html"), ("content-length", "4")]), chunk("page"), end],
    }
}

/// An edge before this application. `long`: a setting that changes nothing, but that a head does not answer,
/// sends every request the long way.
fn edge(
    application: &Arc<OddApplication>,
    long: bool,
    change: fn(&mut LocationConfig, &mut Config),
    files: &Path,
) -> Arc<Edge> {
    let mut location = LocationConfig {
        pool: Some("app".into()),
        // The client says at once that it sends no more.
        ignore_client_abort: Some(true),
        max_ranges: long.then_some(1_000_000),
        ..LocationConfig::new("/")
    };
    let mut settings = Config { access_log: LogFormat::Off, ..Config::default() };
    change(&mut location, &mut settings);
    let alias = Some(Template::literal(&format!("{}/", files.display())));
    let location = vec![location, LocationConfig { alias, ..LocationConfig::new("/files/") }];
    let site = SiteConfig { server_name: vec![HOST.into()], location, ..SiteConfig::default() };
    let peers = Peers {
        cache_nodes: crate::CacheNodes::Connected(Vec::new()),
        wsgi_adapters: crate::WsgiAdapters::Connected(vec![application.clone()]),
    };
    Edge::new(Config { site: vec![site], ..settings }, peers, Shutdown::new()).unwrap()
}

/// Whether this edge takes the request the straight way.
fn is_straight(edge: &Edge, request: &str) -> bool {
    let mut spans = Vec::new();
    let limits = &edge.bounds(0).request_head;
    let Ok(Some((head, _))) = head::read(request.as_bytes(), limits, &mut spans) else { return false };
    let sites = edge.routes.load();
    match plain::find(edge, &sites, &head, &via(), &mut Vec::new()) {
        Some(PlainWay::Through(place)) => ThroughRequest::of(edge, &head, &via(), &place).is_some(),
        _ => false,
    }
}

const PATHS: [&str; 22] = [
    "/page",
    "/page?q=1&b",
    "/a%20b/c",
    "/pieces",
    "/empty",
    "/missing",
    "/moved",
    "/none",
    "/unchanged",
    "/file",
    "/no-file",
    "/elsewhere",
    "/nowhere",
    "/steered",
    "/short",
    "/long",
    "/cut",
    "/cut-early",
    "/down",
    "/slow",
    "/odd",
    "/odd-field",
];

/// Fields of a request, and whether it goes the straight way with them.
const FIELDS: [(&str, bool); 19] = [
    ("", true),
    ("Accept: */*\r\nUser-Agent: a\r\nReferer: http://example.com/\r\nSec-Fetch-Mode: navigate\r\n", true),
    ("Cookie: sessionid=1; b=2\r\nX-Own: 1\r\nx-other:  2 \r\n", true),
    ("If-None-Match: \"a\"\r\n", true),
    ("Range: bytes=0-1\r\nIf-Range: \"a\"\r\n", true),
    ("Connection: close, X-Own\r\nX-Own: 1\r\nTE: trailers\r\n", true),
    ("Content-Length: 0\r\n", true),
    ("Accept-Encoding: gzip\r\nX-Latin: caf\u{e9}\r\n", true),
    ("X_Own: 1\r\nX-Own: 2\r\n", true),
    ("Cookie: a=1\r\nCookie: b=2\r\n", false),
    ("X-Own: 1\r\nAccept: a\r\nx-own: 2\r\n", false),
    ("Authorization: Basic eA==\r\n", false),
    ("X-Forwarded-For: 192.0.2.1\r\n", false),
    ("X-Real-IP: 192.0.2.1\r\n", false),
    ("CloudFront-Forwarded-Proto: https\r\n", false),
    ("X-Accel-Redirect: /files/a.txt\r\n", false),
    ("Proxy: a\r\n", false),
    ("Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", false),
    ("Upgrade: websocket\r\nConnection: upgrade\r\n", false),
];

type Change = fn(&mut LocationConfig, &mut Config);

/// Settings with which requests go straight, and others.
const SETTINGS: [(Change, bool); 7] = [
    (|_, _| {}, true),
    (|location, _| location.buffering = Some(false), true),
    (|_, settings| settings.nginx_cache_status = true, true),
    (|_, settings| settings.title_names = true, true),
    (|location, _| location.limit_except = Some(vec!["GET".into()]), false),
    (|location, _| location.internal = true, false),
    (|location, _| location.pool_path = Some("/inner/".into()), false),
];

/// What was asked since the last time, without what is drawn at random.
fn asked(application: &OddApplication) -> Vec<RequestHead> {
    let mut asked = std::mem::take(&mut *application.asked.lock());
    for head in &mut asked {
        assert!(TraceContext::parse(&head.traceparent).is_some(), "{:?}", head.traceparent);
        head.traceparent.clear();
    }
    asked
}

#[tokio::test]
async fn both_ways_ask_and_answer_the_same() {
    for takes_plain in [false, true] {
        hold(&Arc::new(OddApplication { takes_plain, ..OddApplication::default() })).await;
    }
}

async fn hold(application: &Arc<OddApplication>) {
    let files = tempfile::TempDir::new().unwrap();
    std::fs::write(files.path().join("a.txt"), "some text in a file").unwrap();
    for (number, (change, goes_straight)) in SETTINGS.into_iter().enumerate() {
        let [straight, long] = [false, true].map(|long| edge(application, long, change, files.path()));
        for path in PATHS.into_iter().chain(["/x/../page", "/.well-known/acme-challenge/a"]) {
            for (fields, is_usual) in FIELDS.into_iter().take(if number == 0 { FIELDS.len() } else { 4 }) {
                let ways = ["GET / HTTP/1.1", "HEAD / HTTP/1.1", "GET / HTTP/1.0", "POST / HTTP/1.1"];
                for line in ways.into_iter().take(if fields.is_empty() { 4 } else { 1 }) {
                    // A body without a length that breaks off ends in a reset, which takes what was sent.
                    if path == "/cut" && line.ends_with("1.0") {
                        continue;
                    }
                    let line = line.replacen('/', path, 1);
                    let request = format!("{line}\r\nHost: {HOST}\r\n{fields}\r\n");
                    let is_plain = PATHS.contains(&path) && !line.starts_with("POST");
                    let expected = goes_straight && is_usual && is_plain;
                    assert_eq!(is_straight(&straight, &request), expected, "{number}: {request}");
                    assert!(!is_straight(&long, &request), "{number}: {request}");
                    // Looking which way it goes has asked already.
                    application.asked.lock().clear();
                    let by_straight = timeless(&answers(&straight, request.as_bytes()).await);
                    let asked_straight = asked(application);
                    let by_long = timeless(&answers(&long, request.as_bytes()).await);
                    assert_eq!(by_straight, by_long, "{number}: to\n{request}");
                    assert_eq!(asked_straight, asked(application), "{number}: for\n{request}");
                }
            }
        }
    }
}
