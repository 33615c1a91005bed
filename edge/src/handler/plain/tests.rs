//! The plain way and the long way, held against each other: the same bytes for the same requests, but for the
//! date.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_cache::{Lifetime, Source, TargetUri};
use process::shutdown::Shutdown;
use process::units::{Size, Time};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::Peers;
use crate::cache::page::PageHead;
use crate::connection::stream::Stream;
use crate::http1::connection::Connection;
use crate::settings::files::FileCacheConfig;
use crate::settings::{
    CacheConfig, Config, ExpiresSetting, LocationConfig, LogFormat, RulesConfig, SiteConfig,
};
use crate::variables::Template;

const ROUNDS: usize = 1000;
const HOST: &str = "example.com";

/// Path, status, fields, body.
type PageRow = (&'static str, u16, &'static [(&'static str, &'static str)], &'static str);
const PAGES: &[PageRow] = &[
    (
        "/etag",
        200,
        &[("content-type", "text/html"), ("etag", "\"a\""), ("cache-control", "max-age=9")],
        "0123456789",
    ),
    (
        "/weak",
        200,
        &[("etag", "W/\"a\""), ("vary", "accept-language"), ("x-cache-status", "HIT")],
        "abcdefghij",
    ),
    (
        "/dated",
        200,
        &[("date", "Tue, 02 Jan 2024 00:00:00 GMT"), ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")],
        "the dated page",
    ),
    ("/bare", 200, &[("cache-status", "inner; hit"), ("server", "inner"), ("age", "3")], "no validator"),
    ("/empty", 200, &[("etag", "\"e\"")], ""),
    ("/gone", 404, &[("etag", "\"a\""), ("x-two", "1"), ("x-two", "2")], "not here"),
    ("/moved", 301, &[("location", "/etag")], ""),
    ("/a%20b", 200, &[("set-nothing", "")], "a space"),
    ("/under/page", 200, &[("etag", "\"a\"")], "known to the application by another path"),
    ("/under/a%20b?q=1", 200, &[("etag", "\"a\"")], "likewise, with a query"),
];

const FILES: &[&str] = &["/static/a.txt", "/static/coded.css", "/static/empty", "/static/missing"];

fn write_files(directory: &Path) {
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    write("a.txt", "some text in a file");
    write("coded.css", "body { color: red }");
    write("coded.css.gz", "as if it were compressed");
    write("empty", "");
}

/// An edge with these pages in its L1. `long`: a rule that looks at more than the key sends every request the
/// long way, and no file is kept in memory.
fn edge(long: bool, nginx_cache_status: bool, files: &Path) -> Arc<Edge> {
    let mut cache = CacheConfig::default();
    if long {
        cache.bypass = RulesConfig { cookie: vec!["never-sent".into()], ..RulesConfig::default() };
    }
    // The client says at once that it sends no more.
    let ignore_client_abort = Some(true);
    let location = LocationConfig {
        pool: Some("app".into()),
        cache: Some(cache),
        ignore_client_abort,
        ..LocationConfig::new("/")
    };
    let under = LocationConfig {
        pattern: "/under/".into(),
        pool_path: Some("/inner path/".into()),
        ..location.clone()
    };
    let alias = Some(Template::literal(&format!("{}/", files.display())));
    let expires = Some(ExpiresSetting::Fixed(Expires::Max));
    let files =
        LocationConfig { alias, precompressed: Some(true), expires, ..LocationConfig::new("/static/") };
    let location = vec![location, under, files];
    let site = SiteConfig { server_name: vec![HOST.into()], location, ..SiteConfig::default() };
    let settings =
        Config { site: vec![site], access_log: LogFormat::Off, nginx_cache_status, ..Config::default() };
    let valid = Time::from_secs(600);
    let files = match long {
        true => FileCacheConfig { memory: Size(0), valid, ..FileCacheConfig::default() },
        false => FileCacheConfig { valid, ..FileCacheConfig::default() },
    };
    let settings = Config { files, ..settings };
    let peers = Peers {
        cache_nodes: crate::CacheNodes::Connected(Vec::new()),
        wsgi_adapters: crate::WsgiAdapters::Connected(Vec::new()),
    };
    let edge = Edge::new(settings, peers, Shutdown::new()).unwrap();
    PAGES.iter().for_each(|page| store(&edge, page));
    edge
}

/// Puts the page into L1.
fn store(edge: &Edge, (path, status, fields, body): &PageRow) {
    let sites = edge.routes.load();
    let (path, query) = path::split(path);
    let normal = path::normalise(path.as_bytes()).unwrap();
    let RouteMatch::Location(_, location) = sites.choose(0, HOST).choose(&normal) else { panic!("{path}") };
    let mut headers = HeaderMap::new();
    for (name, value) in *fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut key = Vec::new();
    let policy = location.cache.as_ref().unwrap();
    let query = query.map(str::as_bytes);
    let target = |path| TargetUri { scheme: "http", authority: HOST, path, query };
    policy.key(target(path.as_bytes()), std::iter::empty(), &mut key).unwrap();
    if let Some(rest) = path.strip_prefix("/under/") {
        let mut inner = Vec::new();
        let path = format!("/inner%20path/{rest}");
        policy.key(target(path.as_bytes()), std::iter::empty(), &mut inner).unwrap();
        plan::push_rewritten(&mut key, &inner).unwrap();
    }
    let vary = headers.get_all("vary").iter().map(|_| HeaderName::from_static("accept-language")).collect();
    let lifetime = Lifetime {
        ttl: Duration::from_secs(3600),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        age: Duration::ZERO,
        vary,
        shared: true,
        validate: false,
        source: Source::Setting,
    };
    let status = StatusCode::from_u16(*status).unwrap();
    let (grant, tags) = (crate::purge_log::PurgeStamp::passing(), Box::default());
    let head = PageHead { status, headers, lifetime, born: Instant::now(), grant, tags };
    let page = Arc::new(Page::new(head, Bytes::from_static(body.as_bytes())));
    edge.cache.l1.insert(&key, &HeaderMap::new(), page);
}

/// How the requests of these tests come.
pub(in crate::handler) fn via() -> Via {
    let own = SocketAddr::from(([127, 0, 0, 1], 80));
    Via::accepted((own, 80), 0, 0)
}

/// All that the edge answers to these bytes.
pub(in crate::handler) async fn answers(edge: &Arc<Edge>, requests: &[u8]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut connection = Connection::new(Stream::Plain(stream.into()), via(), BytesMut::new(), edge.clone());
    // Moved in: the connection is closed when it is done.
    let serving = async move { connection.serve().await };
    let talking = async {
        client.write_all(requests).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.unwrap();
        answers
    };
    tokio::join!(serving, talking).1
}

/// Whether this edge answers the request the plain way.
fn is_plain(edge: &Edge, request: &str) -> bool {
    let mut spans = Vec::new();
    let Ok(Some((head, _))) = http1::head::read(request.as_bytes(), &edge.bounds(0).request_head, &mut spans)
    else {
        return false;
    };
    let sites = edge.routes.load();
    matches!(find(edge, &sites, &head, &via(), &mut Vec::new()), Some(PlainWay::Hit(_)))
}

fn request(random: &mut StdRng) -> String {
    let method = *["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE"].choose(random).unwrap();
    let page = PAGES.choose(random).unwrap().0;
    let path = if random.random_range(0..3) == 0 { FILES.choose(random).unwrap() } else { page };
    let target = match random.random_range(0..12) {
        0 => format!("http://{HOST}{path}"),
        1 => format!("{path}?q=1"),
        2 => format!("/x/..{path}"),
        3 => "/unknown".into(),
        _ => path.to_owned(),
    };
    let version = if random.random_range(0..5) == 0 { "1.0" } else { "1.1" };
    let mut text = format!("{method} {target} HTTP/{version}\r\n");
    let host = *[HOST, "EXAMPLE.com", "example.com:80", "example.com.", "other.test"].choose(random).unwrap();
    text += &format!("Host: {}\r\n", if random.random_range(0..4) == 0 { host } else { HOST });
    let fields: &[(&str, &[&str])] = &[
        ("If-None-Match", &["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", "\"e\"", "junk", ""]),
        (
            "If-Modified-Since",
            &[
                "Mon, 01 Jan 2024 00:00:00 GMT",
                "Sun, 31 Dec 2023 00:00:00 GMT",
                "Fri, 01 Jan 2100 00:00:00 GMT",
                "soon",
            ],
        ),
        (
            "Range",
            &[
                "bytes=0-3",
                "bytes=5-",
                "bytes=-2",
                "bytes=99-",
                "bytes=0-0,2-3",
                "bytes=3-1",
                "lines=1-2",
                "bytes=0-99",
            ],
        ),
        ("If-Range", &["\"a\"", "W/\"a\"", "Mon, 01 Jan 2024 00:00:00 GMT"]),
        ("If-Match", &["\"a\"", "\"z\""]),
        ("If-Unmodified-Since", &["Mon, 01 Jan 2024 00:00:00 GMT", "Sun, 31 Dec 2023 00:00:00 GMT"]),
        ("Connection", &["close", "keep-alive", "x-a, close"]),
        ("Cookie", &["csrftoken=1", "_ga=2; _gid=3", "sessionid=4", "a=b; c"]),
        ("Accept-Language", &["de", "en"]),
        ("Accept-Encoding", &["gzip", "br, gzip"]),
        ("Authorization", &["Basic eA=="]),
        ("Cache-Control", &["no-cache", "max-age=0", "only-if-cached"]),
        ("X-Forwarded-For", &["192.0.2.1"]),
        ("Content-Length", &["0"]),
        ("Upgrade", &["h2c"]),
    ];
    for _ in 0..random.random_range(0..4) {
        let (name, values) = fields.choose(random).unwrap();
        text += &format!("{name}: {}\r\n", values.choose(random).unwrap());
    }
    text + "\r\n"
}

/// Without what the time of day or chance decides.
pub(in crate::handler) fn timeless(answers: &[u8]) -> String {
    let mut text = String::new();
    for line in String::from_utf8_lossy(answers).split_inclusive("\r\n") {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        text += match name.to_ascii_lowercase().as_str() {
            // Stored ones too: PAGES say it once.
            "date" if !value.contains("2024") => "date: now\r\n",
            "age" => "age: some\r\n",
            _ => line,
        };
    }
    let mut parts = text.split("ttl=");
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        timeless += "ttl=some";
        timeless += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    // What divides a reply of several ranges is drawn at random.
    while let Some((_, boundary)) = timeless.split_once("boundary=") {
        let boundary: String = boundary.chars().take_while(char::is_ascii_hexdigit).collect();
        timeless = timeless.replacen("boundary=", "by=", 1).replace(&boundary, "random");
    }
    timeless
}

#[tokio::test]
async fn both_ways_give_the_same_bytes() {
    let mut random = StdRng::seed_from_u64(6);
    let files = tempfile::TempDir::new().unwrap();
    write_files(files.path());
    for nginx_cache_status in [false, true] {
        let (plain, long) = [false, true].map(|long| edge(long, nginx_cache_status, files.path())).into();
        let mut statuses = std::collections::BTreeSet::new();
        let mut plain_ones = 0;
        for _ in 0..ROUNDS {
            let requests: Vec<_> = (0..random.random_range(1..4)).map(|_| request(&mut random)).collect();
            plain_ones += requests.iter().filter(|request| is_plain(&plain, request)).count();
            assert!(!requests.iter().any(|request| is_plain(&long, request)), "the long way is not taken");
            let requests = requests.concat();
            let by_plain = timeless(&answers(&plain, requests.as_bytes()).await);
            let by_long = timeless(&answers(&long, requests.as_bytes()).await);
            assert_eq!(by_plain, by_long, "to\n{requests}");
            assert!(!by_plain.is_empty(), "to\n{requests}");
            statuses.insert(by_plain.get(9..12).unwrap().to_owned());
        }
        let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        for (target, expected) in [
            ("/under/page", true),
            ("/under/a%20b?q=1", true),
            ("/under/page?q=1", false),
            ("/inner%20path/page", false),
        ] {
            assert_eq!(is_plain(&plain, &get(target)), expected, "{target}");
        }
        // All kinds of answers came, many of them the plain way.
        for status in ["200", "206", "301", "304", "400", "404", "412", "416", "502"] {
            assert!(statuses.contains(status), "no {status} among {statuses:?}");
        }
        assert!(plain_ones > ROUNDS / 4, "{plain_ones} went the plain way");
    }
}
