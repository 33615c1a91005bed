//! Every route over a real socket, a drain, clients that misbehave.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::metrics::{CacheResult, Sampled};

struct Running {
    address: SocketAddr,
    admin: Admin,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn run() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Metrics::new(|| Sampled { l1_entries: 3, ..Sampled::default() });
    let admin = Admin::new(Arc::new(metrics), Readiness::new());
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(serve(listener, admin.clone(), shutdown.clone()));
    Running { address, admin, shutdown, serving }
}

impl Running {
    /// The whole answer to a request on a connection of its own.
    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        tokio::time::timeout(3 * HEAD_TIMEOUT, reading).await.unwrap().unwrap();
        answer
    }

    async fn ask(&self, method: &str, target: &str) -> (u16, String, String) {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = self.send(&head).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn routes() {
    let running = run().await;
    running.admin.readiness.ready();
    for (method, target, status, content_type, body) in [
        ("GET", "/livez", 200, TEXT, "ok\n"),
        ("GET", "/livez?x=1", 200, TEXT, "ok\n"),
        ("HEAD", "/livez", 200, TEXT, ""),
        ("POST", "/livez", 405, TEXT, "method not allowed\n"),
        ("GET", "/readyz", 200, TEXT, "ok\n"),
        ("PURGE", "/", 405, TEXT, "method not allowed\n"),
        ("GET", "/healthy", 404, TEXT, "not found\n"),
        ("POST", "/healthy", 404, TEXT, "not found\n"),
        ("GET", "//", 404, TEXT, "not found\n"),
    ] {
        let (found, head, text) = running.ask(method, target).await;
        assert_eq!((found, text.as_str()), (status, body), "{method} {target}");
        assert!(head.contains(&format!("content-type: {content_type}")), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(head.contains("allow: get, head"), status == 405, "{head}");
    }
}

#[tokio::test]
async fn readyz_names_each_reason() {
    let running = run().await;
    assert_eq!(running.ask("GET", "/readyz").await.2, "starting\n");
    running.admin.readiness.check("wsgi_adapter", Err("no server reachable".into()));
    let (status, _, body) = running.ask("GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "starting\nwsgi_adapter: no server reachable\n"));
    assert_eq!(running.ask("GET", "/livez").await.0, 200);
}

#[tokio::test]
async fn metrics_in_the_format_asked_for() {
    let running = run().await;
    let (status, head, body) = running.ask("GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("# TYPE weir_edge_l1_entries gauge\nweir_edge_l1_entries 3\n"), "{body}");
    let request = "GET /metrics HTTP/1.1\r\nhost: a\r\naccept: application/openmetrics-text;version=1.0.0\r\n\
                   connection: close\r\n\r\n";
    let answer = running.send(request).await;
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn status_is_the_figures() {
    let running = run().await;
    let location = running.admin.metrics.location("example.com", "/main");
    location.record(CacheResult::Hit, 200, 100, Duration::from_millis(250));
    running.admin.metrics.location("b", "/").record(CacheResult::Hit, 200, 1, Duration::ZERO);
    running.admin.metrics.application_calls.inc();
    let (status, head, body) = running.ask("GET", "/api/v1/status").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["state"], "starting");
    assert_eq!(status["requests"]["hit"], 2);
    assert_eq!(status["requests"]["error"], 0);
    assert_eq!(status["application"]["calls"], 1);
    assert_eq!(status["l1"]["entries"], 3);
    assert_eq!(status["locations"][0]["location"], "/main");
    assert_eq!(status["locations"][0]["sent_bytes"], 100);
    assert_eq!(status["locations"][0]["seconds"], 0.25);
    assert_eq!(status["locations"][0]["requests"]["hit"], 1);
}

/// The page has its own list of the words; it must be whole.
#[tokio::test]
async fn the_page_is_whole_and_loads_nothing_from_elsewhere() {
    let running = run().await;
    let (status, head, body) = running.ask("GET", "/").await;
    assert_eq!((status, body.as_str()), (200, PAGE));
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    for elsewhere in ["http://", "https://", "src=", "@import", "innerHTML"] {
        assert!(!PAGE.contains(elsewhere), "{elsewhere}");
    }
    for cache in CacheResult::ALL {
        assert!(PAGE.contains(&format!("[\"{}\",", cache.word())), "{}", cache.word());
    }
}

#[tokio::test]
async fn answers_during_a_drain_and_ends_with_it() {
    let mut running = run().await;
    running.admin.readiness.ready();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    running.shutdown.spawn(released);
    running.shutdown.begin();
    while running.admin.readiness.reasons().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.ask("GET", "/readyz").await.2, "draining\n");
    release.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), &mut running.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn bad_heads_are_refused_and_leave_it_running() {
    let running = run().await;
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(2 * MAX_HEAD));
    for (request, status) in
        [("\x16\x03\x01\x02\x00\r\n\r\n", "HTTP/1.1 400 "), (long.as_str(), "HTTP/1.1 431 ")]
    {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = vec![0; status.len()];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&start), status);
    }
    assert_eq!(running.ask("GET", "/livez").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn silent_connections_make_room_for_others() {
    let running = run().await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 8 {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let answer = running.ask("GET", "/livez");
    let answer = tokio::time::timeout(4 * HEAD_TIMEOUT, answer).await.unwrap();
    assert_eq!(answer.0, 200);
}
