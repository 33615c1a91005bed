//! Every route over a real socket, bodies, a drain, clients that misbehave.

use std::net::SocketAddr;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::seats::MAX_CONNECTIONS;
use crate::serve::{BODY_TIMEOUT, MAX_ASKED, MAX_BODY, MAX_HEAD};

const PATIENCE: Duration = Duration::from_secs(60);

struct AdminProcess {
    address: SocketAddr,
    readiness: Readiness,
    draining: Option<oneshot::Sender<()>>,
    drained: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for AdminProcess {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Tells how long the body was.
#[derive(Default)]
struct Length;

impl Routes for Length {
    async fn answer(&self, request: &Request<Bytes>) -> Option<Answer> {
        match request.uri().path() {
            "/length" => Some(answer::text(StatusCode::OK, request.body().len().to_string())),
            "/panic" => panic!("one request's own trouble"),
            "/long" => std::future::pending().await,
            _ => None,
        }
    }

    fn access(&self, request: &Request<Bytes>) -> Option<Access> {
        match request.uri().path() {
            "/trusted" => Some(Access::Trusted),
            "/length" | "/panic" | "/long" => Some(Access::by_method(request.method())),
            _ => None,
        }
    }
}

async fn run() -> AdminProcess {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let admin = Admin { routes: Length, ..Default::default() };
    let count = Counter::<u64>::default();
    count.inc_by(3);
    admin.exposition.add(|registry| registry.register("pages", "Pages", count));
    let readiness = admin.readiness.clone();
    let (draining, told_to_drain) = oneshot::channel();
    let (drained, told_all) = oneshot::channel::<()>();
    let told_to_drain = async move { told_to_drain.await.unwrap() };
    let serving = tokio::spawn(serve(listener, admin, told_to_drain, told_all));
    AdminProcess { address, readiness, draining: Some(draining), drained: Some(drained), serving }
}

impl AdminProcess {
    /// The whole answer to a request on a connection of its own.
    async fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    async fn ask(&self, method: &str, target: &str) -> (u16, String, String) {
        let head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = self.send(head.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn routes() {
    let running = run().await;
    running.readiness.ready();
    for (method, target, status, body) in [
        ("GET", "/livez", 200, "ok\n"),
        ("GET", "/livez?x=1", 200, "ok\n"),
        ("HEAD", "/livez", 200, ""),
        ("POST", "/livez", 405, "method not allowed\n"),
        ("GET", "/readyz", 200, "ok\n"),
        ("PURGE", "/metrics", 405, "method not allowed\n"),
        ("GET", "/healthy", 404, "not found\n"),
        ("POST", "/healthy", 404, "not found\n"),
        ("GET", "//livez", 404, "not found\n"),
        ("GET", "/length", 200, "0"),
    ] {
        let (found, head, text) = running.ask(method, target).await;
        assert_eq!((found, text.as_str()), (status, body), "{method} {target}");
        assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(head.contains("allow: get, head"), status == 405, "{head}");
    }
}

#[tokio::test]
async fn readyz_tells_the_phase_and_healthcheck_reads_it() {
    let mut running = run().await;
    let address = running.address.to_string();
    let check = |address: String| async {
        tokio::task::spawn_blocking(move || healthcheck(&address).map_err(|unready| unready.to_string()))
            .await
            .unwrap()
    };
    let (status, _, body) = running.ask("GET", "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "starting\n"));
    assert_eq!(running.ask("GET", "/livez").await.0, 200);
    assert_eq!(check(address.clone()).await, Err("not ready: starting".to_owned()));
    running.readiness.ready();
    assert_eq!(check(address.clone()).await, Ok(()));
    running.draining.take().unwrap().send(()).unwrap();
    while running.readiness.phase() == Phase::Ready {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.ask("GET", "/readyz").await.2, "draining\n");
    running.drained.take().unwrap().send(()).unwrap();
    tokio::time::timeout(PATIENCE, &mut running.serving).await.unwrap().unwrap();
    assert!(check(address).await.unwrap_err().starts_with("nothing answers at 127.0.0.1:"));
}

/// A name that resolves to the listener is a person's word for it.
#[tokio::test]
async fn the_command_line_may_use_any_name() {
    let running = run().await;
    let address = format!("127.1:{}", running.address.port());
    let get = move || client::get(&address, "/livez", PATIENCE).unwrap().status;
    assert_eq!(tokio::task::spawn_blocking(get).await.unwrap(), Some(200));
}

#[tokio::test]
async fn metrics_in_the_format_asked_for() {
    let running = run().await;
    let (status, head, body) = running.ask("GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert_eq!(body, "# HELP pages_total Pages.\n# TYPE pages_total counter\npages_total 3\n");
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: application/openmetrics-text;version=1.0.0\r\n\
                   connection: close\r\n\r\n";
    let answer = running.send(request.as_bytes()).await;
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.ends_with("# TYPE pages counter\npages_total 3\n# EOF\n"), "{answer}");
}

#[tokio::test]
async fn bodies_come_whole_or_not_at_all() {
    let running = run().await;
    let (largest, too_large) = ("x".repeat(MAX_BODY), "x".repeat(MAX_BODY + 1));
    for (framing, body, status, said) in [
        ("content-length: 3", "abc", 200, "3"),
        ("transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", 200, "3"),
        (&format!("content-length: {MAX_BODY}"), &largest, 200, &MAX_BODY.to_string()),
        (&format!("content-length: {}", MAX_BODY + 1), &too_large, 413, "the body is too large\n"),
        ("transfer-encoding: chunked", "3\r\nabcd\r\n", 400, "the body is malformed\n"),
    ] {
        let answer = running.send(&post(framing, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{framing}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{said}")), "{framing}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_not_waited_for() {
    let running = run().await;
    let begun = tokio::time::Instant::now();
    let answer = running.send(&post("content-length: 4", "abc")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed() >= BODY_TIMEOUT);
}

fn post(framing: &str, body: &str) -> Vec<u8> {
    format!("POST /length HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{framing}\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn a_request_that_panics_ends_alone() {
    let running = run().await;
    assert_eq!(running.send(b"GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n").await, "");
    assert_eq!(running.ask("GET", "/livez").await.0, 200);
}

#[tokio::test]
async fn bad_heads_are_refused_and_leave_it_running() {
    let running = run().await;
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(2 * MAX_HEAD));
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

/// Probes are answered at once, whatever else hangs on the listener.
#[tokio::test(start_paused = true)]
async fn connections_that_hang_hold_up_no_probe() {
    let begun = tokio::time::Instant::now();
    let half_body = "POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n1";
    for half in ["", "GET /livez HTTP/1.1\r\nhost: loc", half_body] {
        let running = run().await;
        let mut hanging = Vec::new();
        for _ in 0..2 * MAX_CONNECTIONS {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            stream.write_all(half.as_bytes()).await.unwrap();
            hanging.push(stream);
        }
        assert_eq!(running.ask("GET", "/livez").await.0, 200, "{half:?}");
        assert!(begun.elapsed() < Duration::from_millis(100), "{half:?}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn requests_that_take_long_leave_room_for_probes() {
    let running = run().await;
    let mut hanging = Vec::new();
    for _ in 0..2 * MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /long HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        hanging.push(stream);
    }
    assert_eq!(running.ask("GET", "/livez").await.0, 200);
    let refused = async |stream: &mut TcpStream| {
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.is_ok_and(|_| start.ends_with(b"503"))
    };
    let mut count = 0;
    for stream in &mut hanging[MAX_ASKED..] {
        let refused = tokio::time::timeout(Duration::from_millis(20), refused(stream)).await;
        count += usize::from(refused == Ok(true));
    }
    assert!(count > 0, "more than {MAX_ASKED} are answered at once");
}

#[tokio::test]
async fn what_each_request_needs() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    // Nobody listens there, so no token of another process is replaced.
    let made = Guard::new("0.0.0.0:1", &[], None);
    let token = Guard::new("0.0.0.0:9900", &[], Some(&file));
    let local = Guard::default();
    let (host, shown) = ("10.0.0.1:9900", "Bearer s3cret");
    let own = format!("Bearer {}", String::from_utf8(made.token().unwrap()).unwrap());
    for (guard, method, path, host, authorization, status) in [
        (&made, "GET", "/length", host, "", 200),
        (&made, "POST", "/length", host, "", 401),
        (&made, "POST", "/length", host, &own, 200),
        (&made, "DELETE", "/none", host, "", 401),
        (&made, "GET", "/trusted", host, "", 401),
        (&made, "GET", "/readyz", host, "", 503),
        (&made, "GET", "/readyz", "evil.example", "", 421),
        (&token, "POST", "/length", host, "", 401),
        (&token, "POST", "/length", host, shown, 200),
        (&token, "POST", "/length", "evil.example", shown, 421),
        (&token, "GET", "/trusted", host, "", 401),
        (&token, "GET", "/trusted", host, shown, 404),
        (&local, "POST", "/length", "localhost", "", 200),
        (&local, "GET", "/trusted", "localhost", "", 403),
        (&local, "GET", "/length", host, "", 421),
    ] {
        let admin = Admin::<Length> { guard: guard.clone(), ..Default::default() };
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.header("authorization", authorization).body(Bytes::new()).unwrap();
        assert_eq!(admin.answer(&request).await.status(), status, "{method} {path} {host} {authorization}");
    }
    std::fs::remove_file(token::find("0.0.0.0:1").unwrap()).unwrap();
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let admin = Admin::<Length>::default();
    for (method, status) in [("GET", 200), ("POST", 403)] {
        let request = Request::builder().method(method).uri("/length").header("host", "localhost:9900");
        let request = request.header("origin", "http://evil.example").body(Bytes::new()).unwrap();
        assert_eq!(admin.answer(&request).await.status(), status, "{method}");
    }
}
