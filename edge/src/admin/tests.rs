//! The edge's own routes, and all of the listener together over a real socket.

use http::Method;
use http_body_util::BodyExt;
use process::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::metrics::CacheResult;
use crate::settings::SiteConfig;
use crate::{CacheNodes, Config, Peers, WsgiAdapters};

/// An edge that reaches nobody.
fn edge() -> Arc<Edge> {
    let site =
        SiteConfig { root: Some(crate::variables::Template::literal("/nowhere")), ..SiteConfig::default() };
    let config = Config { site: vec![site], ..Config::default() };
    let peers = Peers {
        cache_nodes: CacheNodes::Connected(Vec::new()),
        wsgi_adapters: WsgiAdapters::Connected(Vec::new()),
    };
    Edge::new(config, peers, Shutdown::new()).unwrap()
}

async fn ask(edge: &Arc<Edge>, method: Method, target: &str) -> Option<(u16, String, String)> {
    let in_force = edge.clone();
    let edge = EdgeInForce::new(move || Some(in_force.clone()));
    let routes = EdgeRoutes { edge, readiness: Readiness::default() };
    let request = Request::builder().method(method).uri(target).body(Bytes::new()).unwrap();
    let (head, body) = routes.answer(&request).await?.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Some((head.status.as_u16(), format!("{:?}", head.headers), String::from_utf8(body.to_vec()).unwrap()))
}

#[tokio::test]
async fn own_routes_are_read_only() {
    let edge = edge();
    for (method, target, status) in [
        (Method::GET, "/", Some(200)),
        (Method::HEAD, "/", Some(200)),
        (Method::POST, "/", Some(405)),
        (Method::GET, "/api/v1/status?x=1", Some(200)),
        (Method::POST, "/api/v1/status", Some(405)),
        (Method::GET, "/api/v1/explain", Some(400)),
        (Method::GET, "/api/v1/explain?url=http://h/", Some(200)),
        (Method::POST, "/api/v1/explain", Some(400)),
        (Method::PUT, "/api/v1/explain", Some(405)),
        (Method::GET, "/api/v1/status/", None),
        (Method::GET, "/api/v1/purge", Some(405)),
        (Method::POST, "/api/v1/purge", Some(400)),
        (Method::GET, "/x", None),
    ] {
        let answered = ask(&edge, method.clone(), target).await;
        assert_eq!(answered.map(|(status, ..)| status), status, "{method} {target}");
    }
}

#[tokio::test]
async fn status_is_the_figures() {
    let edge = edge();
    let metrics = &edge.metrics;
    let location = metrics.location("example.com", "/main");
    location.record(CacheResult::Hit, 200, 100, Duration::from_millis(250));
    metrics.location("b", "/").record(CacheResult::Hit, 200, 1, Duration::ZERO);
    metrics.application_calls.inc();
    let (_, head, body) = ask(&edge, Method::GET, "/api/v1/status").await.unwrap();
    assert!(head.contains("\"content-type\": \"application/json\""), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["state"], "starting");
    assert_eq!(status["requests"]["hit"], 2);
    assert_eq!(status["requests"]["error"], 0);
    assert_eq!(status["application"]["calls"], 1);
    assert_eq!(status["l1"]["entries"], 0);
    // The first is the site's own root.
    assert_eq!(status["locations"][1]["location"], "/main");
    assert_eq!(status["locations"][1]["sent_bytes"], 100);
    assert_eq!(status["locations"][1]["seconds"], 0.25);
    assert_eq!(status["locations"][1]["requests"]["hit"], 1);
}

#[tokio::test]
async fn a_purge_that_cannot_be_understood_is_told_why() {
    let edge = edge();
    for (body, status, said) in [
        ("", 400, "EOF"),
        ("7", 400, "invalid"),
        ("{}", 400, "must name something"),
        (r#"{"tag": ["x"]}"#, 400, "unknown field `tag`"),
        (r#"{"urls": ["/news/"]}"#, 400, "`/news/` is not a URL"),
        (r#"{"tags": [""]}"#, 400, "use 1 to 256 bytes"),
        // Nobody is there to make it.
        (r#"{"tags": ["x"]}"#, 202, r#""complete":false"#),
    ] {
        let request = Request::builder().method(Method::POST).body(Bytes::from(body)).unwrap();
        let answer = purge::answer(&edge, &request).await;
        assert_eq!(answer.status().as_u16(), status, "{body}");
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&text).contains(said), "{body}: {text:?}");
    }
}

/// The page has its own list of the words; it must be whole.
#[tokio::test]
async fn the_page_is_whole_and_loads_nothing_from_elsewhere() {
    let (_, head, body) = ask(&edge(), Method::GET, "/").await.unwrap();
    assert_eq!(body, PAGE);
    assert!(head.contains("\"content-security-policy\": \"default-src 'none'"), "{head}");
    for elsewhere in ["http://", "https://", "src=", "@import", "innerHTML"] {
        assert!(!PAGE.contains(elsewhere), "{elsewhere}");
    }
    for cache in CacheResult::ALL {
        assert!(PAGE.contains(&format!("[\"{}\",", cache.word())), "{}", cache.word());
    }
}

#[tokio::test]
async fn there_when_ready_and_to_the_end_of_a_drain() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    shutdown.spawn(released);
    let readiness = Readiness::default();
    readiness.ready();
    let edge = edge();
    let plane =
        AdminPlane { edge: EdgeInForce::new(move || Some(edge.clone())), readiness, guard: Guard::default() };
    let serving = tokio::spawn(serve(listener, plane, (), shutdown.clone()));
    let get = async |target: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(get("/readyz").await.ends_with("\r\n\r\nok\n"));
    assert!(get("/metrics").await.contains("\nweir_edge_l1_entries 0\n"));
    assert!(get("/api/v1/status").await.contains("\"state\":\"ready\""));
    shutdown.begin();
    while get("/readyz").await.ends_with("\r\n\r\nok\n") {}
    assert!(get("/readyz").await.ends_with("\r\n\r\ndraining\n"));
    assert!(get("/api/v1/status").await.contains("\"state\":\"draining\""));
    release.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
}
